"""What stands against synchronising a MariaDB or MySQL database, and what would merely be better: read-only, all at once."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypedDict

from syncline.model.errors import MissingTable, NoKey, Problem, TablesDiffer
from syncline.model.limits import VALUE_BYTES_MAX
from syncline.model.schema import Collection
from syncline.peers.checking import too_wide, unusable
from syncline.peers.mysql import charset
from syncline.peers.mysql.connect import Connection, Place
from syncline.peers.mysql.convert import FLOATS, KNOWN, TEXTS, Type
from syncline.peers.mysql.features import APPLYING, Server, quote
from syncline.peers.mysql.inspect import Catalog, catalogs
from syncline.peers.mysql.kept import kept_seconds
from syncline.peers.mysql.rights import server_problems, variable

_KEEP_SECONDS: Final = 7 * 24 * 3600
_PACKET_BYTES: Final = 2 * VALUE_BYTES_MAX  # of a text in which every byte is escaped


class Where(TypedDict):
    """Where a problem is, as every message names it."""

    peer: str
    collection: str
    table: str


def problems(
    connection: Connection, server: Server, place: Place, collections: Sequence[Collection], *, captures: bool = True
) -> list[Problem]:
    """Every unmet precondition. `captures`: what users change is captured; a peer that only receives needs less."""
    found = [*server_problems(connection, server, place, captures=captures)]
    entries = catalogs(connection, server)
    tables: dict[str, str] = {}
    for collection in collections:
        table = collection.table_at(place.peer)
        if table in tables:
            what, why = "two collections are one table", f"{tables[table]} and {collection.name} are both {table}"
            found.append(Problem(what, why=why, hint="keep one of them", peer=place.peer, collection=collection.name))
        tables[table] = collection.name
        found += _collection(place, server, collection, entries)
    return found


def _collection(place: Place, server: Server, collection: Collection, entries: Mapping[str, Catalog]) -> list[Problem]:
    name = collection.table_at(place.peer)
    where: Where = {"peer": place.peer, "collection": collection.name, "table": name}
    entry = entries.get(name)
    if entry is None:
        twin = next((known for known in entries if known.lower() == name.lower()), None)
        hint = f"it is written {twin} here" if twin else "create it, or name another one under 'at'"
        return [MissingTable(f"there is no table {name} in database {place.database}", hint=hint, **where)]
    table = quote(name)
    return [
        *_table(entry, table, where),
        *_columns(entry, collection, table, where),
        *_key(entry, server, collection, table, where),
        *_writers(entry, table, where),
    ]


def _table(entry: Catalog, table: str, where: Where) -> Iterator[Problem]:
    if entry.engine != "InnoDB":
        why = f"{entry.engine} keeps what a transaction that failed has written"
        yield Problem("the table is not transactional", why=why, hint=f"ALTER TABLE {table} ENGINE = InnoDB", **where)
    if entry.versioned:
        why = "the server writes rows of its own to it, and a row's past cannot be delivered"
        yield Problem("the table is system-versioned", why=why, hint=f"ALTER TABLE {table} DROP SYSTEM VERSIONING", **where)


def _columns(entry: Catalog, collection: Collection, table: str, where: Where) -> Iterator[Problem]:
    for name in collection.columns:
        if problem := unusable(entry.table, name, f"ALTER TABLE {table} ADD COLUMN {quote(name)} ...", where):
            yield problem
        else:
            yield from _type(entry.types[name], name, table, where)
    yield from too_wide(collection, where)


def _type(kind: Type, name: str, table: str, where: Where) -> Iterator[Problem]:
    if kind.base not in KNOWN:
        why = f"{kind.name} is not a type that Syncline reads exactly"
        yield TablesDiffer("a column has an unknown type", why=why, hint="leave it out", column=name, **where)
    elif kind.charset and kind.charset not in charset.KNOWN:
        why = f"texts in {kind.charset} could not be carried exactly"
        hint = f"ALTER TABLE {table} MODIFY {quote(name)} {kind.name} CHARACTER SET utf8mb4"
        yield TablesDiffer("a column has an unknown character set", why=why, hint=hint, column=name, **where)


def _key(entry: Catalog, server: Server, collection: Collection, table: str, where: Where) -> Iterator[Problem]:
    key = collection.key
    if not key:
        why = "rows that cannot be told apart cannot be synchronised"
        yield NoKey("there is no key", why=why, hint=f"ALTER TABLE {table} ADD PRIMARY KEY (...)", **where)
        return
    parts = [column for column in entry.table.columns if column.name in key]
    for column in parts:
        kind = entry.types[column.name]
        if kind.base in TEXTS and not kind.exact:
            why = f"with collation {kind.collation} different texts are one key here; one row would overwrite another"
            name = f"CHARACTER SET utf8mb4 COLLATE {server.exact_collation} NOT NULL"
            hint = f"ALTER TABLE {table} MODIFY {quote(column.name)} {kind.name} {name}"
            yield NoKey("the key is not compared exactly", why=why, hint=hint, column=column.name, **where)
        if kind.base in FLOATS:
            why = "equal numbers need not be equal texts, and rounding makes two keys one"
            hint = "name other columns that are unique under key"
            yield NoKey("a part of the key is a floating number", why=why, hint=hint, column=column.name, **where)
    if loose := [column for column in parts if column.nullable]:
        hint = "; ".join(f"ALTER TABLE {table} MODIFY {quote(one.name)} {one.declared} NOT NULL" for one in loose)
        why = "many rows may have NULL there, and they could not be told apart"
        yield NoKey("a part of the key may be NULL", why=why, hint=hint, column=", ".join(one.name for one in loose), **where)
    if len(parts) == len(key) and not entry.is_unique(key):
        why = "no primary key or unique index has exactly these columns, as a whole, so one key could name two rows"
        hint = f"ALTER TABLE {table} ADD UNIQUE ({', '.join(map(quote, key))})"
        yield NoKey("the key is not unique", why=why, hint=hint, **where)


def _writers(entry: Catalog, table: str, where: Where) -> Iterator[Problem]:
    """What would write more than Syncline does when rows are delivered, or what no log tells of."""
    for trigger in entry.triggers:
        if trigger.body is None:
            why = f"the text of {trigger.name} is not shown to this account, so it could do anything to delivered rows"
            hint = f"GRANT TRIGGER ON {table} TO CURRENT_USER's account, as SELECT CURRENT_USER() names it"
            yield Problem("a trigger cannot be read", why=why, hint=hint, **where)
            continue
        if APPLYING in trigger.body.lower():
            continue
        why = f"{trigger.name} also runs for delivered rows, and nobody captures what it does"
        hint = f"let it do nothing then: IF {APPLYING} IS NULL THEN ... END IF, or DROP TRIGGER {quote(trigger.name)}"
        yield Problem("a trigger would change delivered rows", why=why, hint=hint, **where)
    for foreign in entry.foreign:
        if foreign.acts:
            rules = f"ON DELETE {foreign.on_delete} ON UPDATE {foreign.on_update}"
            why = f"{foreign.name} ({rules}) changes its rows with those of {foreign.parent}, and the binary log does not tell"
            hint = f"ALTER TABLE {table} DROP FOREIGN KEY {quote(foreign.name)}; then add it again without these actions"
            yield Problem("a foreign key changes rows unseen", why=why, hint=hint, **where)


def advice(
    connection: Connection, server: Server, place: Place, collections: Sequence[Collection], *, captures: bool = True
) -> list[str]:
    """What would be better, but need not be. `captures`: see problems."""
    found = []
    keep = kept_seconds(connection) if captures else 0
    if 0 < keep < _KEEP_SECONDS:
        found.append(
            f"the binary log is kept for {keep / 86400:g} days: a hub that stays away longer finds its history gone, and the "
            f"peer joins again; SET GLOBAL binlog_expire_logs_seconds = {_KEEP_SECONDS} keeps it for a week"
        )
    packet = int(variable(connection, "max_allowed_packet") or 0)
    if packet < _PACKET_BYTES:
        found.append(
            f"max_allowed_packet is {packet}: larger rows are parked; SET GLOBAL max_allowed_packet = {_PACKET_BYTES} takes "
            "every value that Syncline carries"
        )
    entries = catalogs(connection, server)
    captured = {collection.table_at(place.peer) for collection in collections}
    for collection in collections:
        entry = entries.get(collection.table_at(place.peer))
        slow = [name for name in collection.key if entry is not None and name in entry.types and not entry.types[name].ordered]
        if slow and entry is not None:
            found.append(
                f"{entry.table.name} is compared in the order of its key's bytes, and no index has it: with large tables that "
                f"is slow; {', '.join(slow)} in utf8mb4 COLLATE {server.exact_collation} would be fast"
            )
    for name, entry in entries.items():
        parents = sorted({foreign.parent for foreign in entry.foreign if foreign.acts and foreign.parent in captured})
        if parents and name not in captured:
            found.append(
                f"delivered deletes in {', '.join(parents)} leave rows of {name} behind, which is not captured: foreign keys "
                "do not act on what is delivered"
            )
    return found
