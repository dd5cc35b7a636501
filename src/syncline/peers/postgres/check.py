"""What stands against synchronising a PostgreSQL database, and what would merely be better: read-only, all at once."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypedDict

from syncline.model.errors import MissingTable, NoKey, Problem, TablesDiffer
from syncline.model.schema import Collection
from syncline.peers.checking import too_wide, unusable
from syncline.peers.postgres.connect import Connection, Place
from syncline.peers.postgres.features import quote
from syncline.peers.postgres.footprint import exists, fetch
from syncline.peers.postgres.inspect import Catalog, catalogs
from syncline.peers.postgres.server import Facts, read_facts, server_advice, server_problems


class Where(TypedDict):
    """Where a problem is, as every message names it."""

    peer: str
    collection: str
    table: str


async def may_replicate(connection: Connection) -> bool:
    """Whether the session may write as replication does: without triggers and foreign keys."""
    try:
        await connection.execute(b"SET session_replication_role = replica")
    except Exception as error:
        if getattr(error, "sqlstate", None) != "42501":
            raise
        return False
    await connection.execute(b"SET session_replication_role = origin")
    return True


async def yield_to_others(connection: Connection) -> None:
    """Where the role may, notice a deadlock before anybody else does: who notices it gives way."""
    role = "FROM pg_catalog.pg_roles WHERE rolname = current_user AND rolsuper"
    await connection.execute(f"SELECT pg_catalog.set_config('deadlock_timeout', '20ms', false) {role}".encode())


async def problems(
    connection: Connection, place: Place, collections: Sequence[Collection], *, captures: bool = True
) -> list[Problem]:
    """Every unmet precondition. `captures`: what users change is captured; a peer that only receives needs less."""
    facts = await read_facts(connection)
    found = [*server_problems(facts, place, fresh=not await exists(connection), captures=captures)]
    found += [problem async for problem in _schema(connection, place)]
    names = [collection.table_at(place.peer) for collection in collections]
    entries = await catalogs(connection, place.schema, names)
    replicates = await may_replicate(connection)
    tables: dict[str, str] = {}
    for collection in collections:
        table = collection.table_at(place.peer)
        if table in tables:
            what, why = "two collections are one table", f"{tables[table]} and {collection.name} are both {table}"
            found.append(Problem(what, why=why, hint="keep one of them", peer=place.peer, collection=collection.name))
        tables[table] = collection.name
        found += _collection(place, collection, entries, facts, replicates=replicates, captures=captures)
    return found


async def _schema(connection: Connection, place: Place) -> Any:
    sql = "SELECT pg_catalog.has_schema_privilege(oid, 'USAGE') FROM pg_catalog.pg_namespace WHERE nspname = %s"
    rows = await fetch(connection, sql, (place.schema,))
    if not rows:
        hint = "correct schema= in the address"
        yield Problem(f"there is no schema {place.schema}", hint=hint, peer=place.peer)
    elif not rows[0][0]:
        hint = f"GRANT USAGE ON SCHEMA {quote(place.schema)} TO CURRENT_USER"
        yield Problem(f"the role may not use schema {place.schema}", hint=hint, peer=place.peer)


def _collection(
    place: Place, collection: Collection, entries: Mapping[str, Catalog], facts: Facts, *, replicates: bool, captures: bool
) -> list[Problem]:
    name = collection.table_at(place.peer)
    where: Where = {"peer": place.peer, "collection": collection.name, "table": name}
    entry = entries.get(name)
    if entry is None:
        twin = next((known for known in entries if known.lower() == name.lower()), None)
        hint = f"it is written {twin} here" if twin else "create it, or name another one under 'at'"
        return [MissingTable(f"there is no table {name} in schema {place.schema}", hint=hint, **where)]
    table = f"{quote(place.schema)}.{quote(name)}"
    return [
        *(_captured(entry, table, facts.role, where) if captures else ()),
        *_table(entry, table, facts.role, where),
        *_columns(entry, collection, table, where),
        *_key(entry, collection, table, where),
        *_writers(entry, table, facts.role, where, replicates=replicates, version=facts.version),
    ]


def _captured(entry: Catalog, table: str, role: str, where: Where) -> Iterator[Problem]:
    """What its changes could not be captured for."""
    if entry.unlogged:
        hint = f"ALTER TABLE {table} SET LOGGED"
        yield Problem("the table is unlogged", why="its changes are not in the server's log", hint=hint, **where)
    if entry.partition:
        hint = "name the partitioned table that it belongs to"
        yield Problem("the table is a partition", why="rows may leave it for another one", hint=hint, **where)
    if not entry.owned:
        why = "only the owner can publish a table and set its replica identity"
        hint = f"GRANT {quote(entry.owner)} TO {quote(role)}" if entry.owner else f"ALTER TABLE {table} OWNER TO {quote(role)}"
        yield Problem("the role does not own the table", why=why, hint=hint, **where)
    for name in entry.virtual:
        why = "PostgreSQL 18 refuses updates of a published table whose before-images would lack it"
        hint = f"ALTER TABLE {table} DROP COLUMN {quote(name)}, then add it again as STORED"
        yield TablesDiffer("a generated column is virtual", why=why, hint=hint, column=name, **where)


def _table(entry: Catalog, table: str, role: str, where: Where) -> Iterator[Problem]:
    if not entry.writable:
        hint = f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {quote(role)}"
        yield Problem("the role may not read and write the table", hint=hint, **where)
    if entry.secured:
        why = "row security would hide rows from Syncline, and they would look deleted"
        hint = f"ALTER ROLE {quote(role)} BYPASSRLS"
        if entry.owned:  # an owner is held to it only where that is forced
            hint = f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY; or: {hint}"
        yield Problem("row security holds for the role", why=why, hint=hint, **where)


def _columns(entry: Catalog, collection: Collection, table: str, where: Where) -> Iterator[Problem]:
    for name in collection.columns:
        if problem := unusable(entry.table, name, f"ALTER TABLE {table} ADD COLUMN {quote(name)} ...", where):
            yield problem
        elif name in entry.always and name not in collection.key:
            why = "PostgreSQL lets nobody update a column that is GENERATED ALWAYS AS IDENTITY"
            hint = f"ALTER TABLE {table} ALTER COLUMN {quote(name)} SET GENERATED BY DEFAULT"
            yield TablesDiffer("an identity column cannot be written", why=why, hint=hint, column=name, **where)
    yield from too_wide(collection, where)


def _key(entry: Catalog, collection: Collection, table: str, where: Where) -> Iterator[Problem]:
    key = collection.key
    columns = ", ".join(map(quote, key))
    if not key:
        why = "rows that cannot be told apart cannot be synchronised"
        yield NoKey("there is no key", why=why, hint=f"ALTER TABLE {table} ADD PRIMARY KEY (...)", **where)
        return
    parts = [column for column in entry.table.columns if column.name in key]
    for column in parts:
        if column.collation:
            why = f"with collation {column.collation} different texts are one key here; one row would overwrite another"
            hint = f'ALTER TABLE {table} ALTER COLUMN {quote(column.name)} TYPE {column.declared} COLLATE "C"'
            yield NoKey("the key is not compared exactly", why=why, hint=hint, column=column.name, **where)
    if loose := [column.name for column in parts if column.nullable]:
        hint = "; ".join(f"ALTER TABLE {table} ALTER COLUMN {quote(name)} SET NOT NULL" for name in loose)
        why = "many rows may have NULL there, and they could not be told apart"
        yield NoKey("a part of the key may be NULL", why=why, hint=hint, column=", ".join(loose), **where)
    if len(parts) == len(key) and not entry.is_unique(key):
        deferrable = any(set(index.columns) == set(key) and not index.immediate for index in entry.indexes)
        why = "no primary key or unique index has exactly these columns, so one key could name two rows"
        if deferrable:
            why = "its constraint is DEFERRABLE (or not valid), and an upsert cannot rely on that"
        yield NoKey("the key is not unique", why=why, hint=f"CREATE UNIQUE INDEX ON {table} ({columns})", **where)


def _writers(entry: Catalog, table: str, role: str, where: Where, *, replicates: bool, version: int) -> Iterator[Problem]:
    """What would write more than Syncline does when rows are delivered."""
    if entry.fires:
        why = "triggers that are ENABLE ALWAYS or REPLICA also run for delivered rows, and nobody captures what they do"
        hint = "; ".join(f"ALTER TABLE {table} ENABLE TRIGGER {quote(name)}" for name in entry.fires)
        yield Problem("triggers would change delivered rows", why=why, hint=hint, **where)
    if replicates:
        return
    grant = f"GRANT SET ON PARAMETER session_replication_role TO {quote(role)}"
    if version < 150000:
        grant = f"ALTER ROLE {quote(role)} SUPERUSER (before PostgreSQL 15 there is no smaller right)"
    if entry.table.triggers:
        why = f"the role may not switch them off: {', '.join(entry.table.triggers)}"
        hint = f"{grant}, or: ALTER TABLE {table} DISABLE TRIGGER USER"
        yield Problem("triggers would run for delivered rows", why=why, hint=hint, **where)
    if entry.referenced:
        why = f"foreign keys delete or change other rows with it ({', '.join(entry.referenced)}), and nobody would capture that"
        yield Problem("delivered deletes would cascade", why=why, hint=grant, **where)


async def advice(
    connection: Connection, place: Place, collections: Sequence[Collection], *, captures: bool = True
) -> list[str]:
    """What would be better, but need not be. `captures`: see problems."""
    found = [*server_advice(await read_facts(connection))] if captures else []  # it is all about the slot
    entries = await catalogs(connection, place.schema, [one.table_at(place.peer) for one in collections])
    replicates = await may_replicate(connection)
    for collection in collections:
        entry = entries.get(collection.table_at(place.peer))
        for loose in [one for one in (entry.indexes if entry is not None else ()) if not one.immediate and replicates]:
            columns = ", ".join(map(quote, loose.columns))
            found.append(
                f"UNIQUE ({columns}) of {collection.table_at(place.peer)} is DEFERRABLE, and PostgreSQL does not check that "
                "for rows that are written as replication does: equal values may come to stand; NOT DEFERRABLE ones are kept"
            )
        texts = [name for name in collection.key if entry is not None and name in entry.types and not entry.types[name].ordered]
        if texts and entry is not None:
            ordered = ", ".join(f'{quote(n)} COLLATE "C"' if n in texts else quote(n) for n in collection.key)
            index = f"CREATE INDEX ON {quote(place.schema)}.{quote(entry.table.name)} ({ordered})"
            found.append(f"{entry.table.name} is read in the order of its key's bytes; an index makes that fast: {index}")
    return found
