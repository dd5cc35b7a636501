"""Syncline's footprint in a user's database: create it, bring it up to date, read it, remove every trace of it."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any, Final

import msgspec

from syncline.model.change import Refusal
from syncline.model.errors import PeerChanged, PeerUnsafe
from syncline.model.schema import Collection
from syncline.model.stamp import Offset, Position
from syncline.peers.postgres.connect import Connection, Place
from syncline.peers.postgres.features import FORMAT, GENERATED_PUBLISHED, HISTORY, LAYOUT, STATE, object_name, quote
from syncline.peers.postgres.inspect import Catalog, catalogs
from syncline.peers.postgres.layout import Layout, drop_layout, load_layouts, save_layout
from syncline.peers.postgres.slot import create_slot, drop_slots, forgotten, trouble
from syncline.peers.protocol import Identity
from syncline.peers.receiving import UNHEARD, only_receives, received, receiving

REFUSALS: Final = msgspec.msgpack.Decoder(tuple[Refusal, ...])
_TABLES: Final = files("syncline.peers.postgres").joinpath("footprint.sql").read_text(encoding="utf-8")
_REJOIN: Final = "if its rows are as they should be, remove Syncline's footprint and let it join again: 'syncline teardown'"
# the end of the log, without the header of a page that nothing was written to yet: no record ends there. The first page of a
# segment has a header of 40 bytes, the others of 24 (40 is there where 16 bytes of a record are).
END: Final = (
    "(SELECT at - CASE WHEN at %% pg_catalog.pg_size_bytes(current_setting('wal_segment_size')) = 40 THEN 40 "
    "WHEN at %% current_setting('wal_block_size')::int8 = 24 THEN 24 ELSE 0 END "
    "FROM (SELECT pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_insert_lsn(), '0/0')::int8 AS at) AS wal)::int8"
)
PARTS_SQL: Final = (
    "SELECT n.nspname::text, c.relname::text, c.relreplident::text, i.relname::text "
    "FROM (SELECT relid FROM pg_catalog.pg_partition_tree(%s::oid) UNION SELECT %s::oid) AS tree "
    "JOIN pg_catalog.pg_class AS c ON c.oid = tree.relid "
    "JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace "
    "LEFT JOIN pg_catalog.pg_index AS x ON x.indrelid = c.oid AND x.indisreplident "
    "LEFT JOIN pg_catalog.pg_class AS i ON i.oid = x.indexrelid"
)
_CLAUSES: Final = {"d": "DEFAULT", "n": "NOTHING", "f": "FULL"}


class State(msgspec.Struct, frozen=True):
    """The one row of the state table, and the end of history as of then."""

    format: int
    incarnation: str
    nonce: str
    watermark: Offset
    fingerprint: str
    end: int

    @property
    def position(self) -> Position:
        """The end of history, with the watermark that holds there."""
        return received(self.watermark) if only_receives(self.incarnation) else position(self.end, self.watermark)


def position(lsn: int, watermark: Offset, part: int = 0) -> Position:
    """Where something stands in this history. `text` is the watermark there, so that reading can go on from it."""
    return Position(lsn, part, format(watermark, "016x"))


def watermark_of(where: Position) -> Offset:
    """The watermark at a position."""
    return int(where.text, 16) if where.text else 0


async def fetch(connection: Connection, sql: str, params: Sequence[object] = ()) -> list[tuple[Any, ...]]:
    """All rows of a query."""
    return await (await connection.execute(sql.encode(), params)).fetchall()


async def exists(connection: Connection) -> bool:
    """Whether a footprint is there."""
    return bool((await fetch(connection, "SELECT pg_catalog.to_regclass(%s) IS NOT NULL", (STATE,)))[0][0])


async def read_state(connection: Connection, peer: str) -> State | None:
    """The state, or None if there is no footprint. Raises PeerUnsafe for one of a newer Syncline."""
    if not await exists(connection):
        return None
    rows = await fetch(connection, f"SELECT format, incarnation, nonce, watermark, fingerprint, {END} FROM {STATE}")
    if not rows:
        hint = "remove what is left of it: 'syncline teardown'"
        raise PeerUnsafe("Syncline's own tables are empty", why="someone deleted their rows", hint=hint, peer=peer)
    state = State(*rows[0])
    if state.format > FORMAT:
        why = f"its footprint has format {state.format}, this Syncline writes {FORMAT}"
        raise PeerUnsafe("a newer Syncline set this peer up", why=why, hint="use that Syncline, or a newer one", peer=peer)
    return state


async def read_identity(connection: Connection, peer: str, *, captures: bool) -> Identity:
    """Who is there. An incarnation whose history is broken is not the one that was, and its name says why.

    `captures`: what users change there is to be captured, now if not before.
    """
    state = await read_state(connection, peer)
    if state is None:
        return Identity("", "", 0, Position(0), fresh=True)
    broken = await _broken(connection, state.incarnation, captures=captures)
    incarnation = f"{state.incarnation} ({broken})" if broken else state.incarnation
    gone = Position(0 if only_receives(state.incarnation) else await forgotten(connection, state.incarnation))
    return Identity(incarnation, state.nonce, state.watermark, state.position, False, state.fingerprint, gone)


async def _broken(connection: Connection, incarnation: str, *, captures: bool) -> str:
    """Why a peer's history is not whole, in words; '' if it is. Of one that only receives, its watermark is the history."""
    if only_receives(incarnation):
        return UNHEARD if captures else ""
    return await trouble(connection, incarnation)


async def read_delivery(connection: Connection) -> tuple[Offset, tuple[Refusal, ...]]:
    """The watermark, and the rows that were refused with it."""
    ((watermark, refused),) = await fetch(connection, f"SELECT watermark, refused FROM {STATE}")
    return watermark, REFUSALS.decode(refused) if refused else ()


# -- setting up -----------------------------------------------------------------------------------------------------------


async def install(
    connection: Connection, place: Place, collections: Sequence[Collection], incarnation: str, *, captures: bool
) -> Identity:
    """Create or update the footprint for exactly these collections; not inside a transaction. `captures`: see read_identity.

    A slot can only be made once the publication is there, in a transaction of its own. What a crash left half done, or a
    history that broke, gets a new incarnation: whoever knows the old one was told before. Raises PeerChanged when a table
    that is captured is not the one it was.
    """
    fresh = not await exists(connection)
    state = None if fresh else await read_state(connection, place.peer)
    renewed = state is not None and await _broken(connection, state.incarnation, captures=captures) != ""
    incarnation = incarnation if captures else receiving(incarnation)
    async with connection.transaction():
        if fresh:
            await connection.execute(_TABLES.encode())
        if state is None or renewed:
            await drop_slots(connection)
            await _begin_history(connection, incarnation)
        current = state.incarnation if state and not renewed else incarnation
        await _bring_up_to_date(connection, place, collections, current, renewed=renewed)
    if captures and (state is None or renewed):
        await create_slot(connection, place, incarnation)
    identity = await read_identity(connection, place.peer, captures=captures)
    return msgspec.structs.replace(identity, fresh=fresh)


async def _begin_history(connection: Connection, incarnation: str) -> None:
    state = (
        f"INSERT INTO {STATE} (one, format, incarnation) VALUES (1, %s, %s) ON CONFLICT (one) "
        "DO UPDATE SET format = EXCLUDED.format, incarnation = EXCLUDED.incarnation"
    )
    history = (
        f"INSERT INTO {HISTORY} (one, system, timeline) "
        "SELECT 1, system_identifier::text, "
        "pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8) "
        "FROM pg_catalog.pg_control_system() ON CONFLICT (one) DO UPDATE "
        "SET system = EXCLUDED.system, timeline = EXCLUDED.timeline, acknowledged = 0, passed = 0, broken = ''"
    )
    await connection.execute(state.encode(), (FORMAT, incarnation))
    await connection.execute(history.encode())
    for (name,) in await fetch(connection, "SELECT pubname FROM pg_catalog.pg_publication WHERE pubname LIKE 'syncline\\_%%'"):
        await connection.execute(f"DROP PUBLICATION IF EXISTS {quote(name)}".encode())
    if only_receives(incarnation):
        return
    ((version,),) = await fetch(connection, "SELECT current_setting('server_version_num')::int")
    options = "publish_via_partition_root = true"
    if version >= GENERATED_PUBLISHED:  # without it that server refuses updates of tables with generated columns
        options += ", publish_generated_columns = stored"
    made = f"CREATE PUBLICATION {quote(object_name(incarnation))} FOR TABLE {STATE} WITH ({options})"
    await connection.execute(made.encode())


async def _bring_up_to_date(
    connection: Connection, place: Place, collections: Sequence[Collection], incarnation: str, *, renewed: bool
) -> None:
    layouts = await load_layouts(connection)
    wanted = {collection.name: collection for collection in collections}
    found = await catalogs(connection, place.schema, [one.table_at(place.peer) for one in collections])
    if renewed:  # what was captured before is over; in a dump that was loaded elsewhere the tables have other numbers
        oids = {table: entry.oid for table, entry in found.items()}
        layouts = {
            name: msgspec.structs.replace(layout, oid=oids.get(layout.name, layout.oid), widths=())
            for name, layout in layouts.items()
        }
    heard = not only_receives(incarnation)
    for name, layout in layouts.items():
        if name in wanted:
            _require_same_table(place, layout, wanted[name])
            if damage := find_damage(place.peer, layout, found.get(layout.name), heard=heard):
                raise damage
    published = await published_tables(connection, incarnation)
    for name, layout in layouts.items():
        if name not in wanted or (layout.identities and not heard):
            await _release(connection, layout, incarnation, published)
    for name, collection in wanted.items():
        entry = found[collection.table_at(place.peer)]
        known = layouts.get(name)
        if not heard:
            await save_layout(connection, _layout(place, collection, entry, {}, ()))
        elif known is None or not known.is_for(collection) or entry.identity != "f" or entry.oid not in published:
            await _capture(connection, place, collection, entry, incarnation, known, entry.oid in published)


def _require_same_table(place: Place, layout: Layout, collection: Collection) -> None:
    table = collection.table_at(place.peer)
    if (layout.schema, layout.name, layout.key) != (place.schema, table, collection.key):
        was = f"{layout.schema}.{layout.name} by {', '.join(layout.key)}"
        why = f"it was {was}, now it is {place.schema}.{table} by {', '.join(collection.key)}"
        hint = "give it a new name, or let the peer join again"
        what = "a collection was moved to another table or key"
        raise PeerChanged(what, why=why, hint=hint, peer=place.peer, collection=collection.name)


async def _capture(
    connection: Connection,
    place: Place,
    collection: Collection,
    entry: Catalog,
    incarnation: str,
    known: Layout | None,
    published: bool,
) -> None:
    """Have a table's changes written with both images, and published."""
    identities = dict(known.identities) if known is not None else {}
    for schema, name, identity, index in await fetch(connection, PARTS_SQL, (entry.oid, entry.oid)):
        table = f"{quote(schema)}.{quote(name)}"
        if identity != "f":
            identities.setdefault(table, _CLAUSES.get(identity) or f"USING INDEX {quote(index)}")
            await connection.execute(f"ALTER TABLE {table} REPLICA IDENTITY FULL".encode())
    columns = collection.columns
    widths = known.widths if known is not None else ()
    if known is not None and known.columns != columns[: len(known.columns)]:
        raise PeerChanged("a collection's columns were changed", why="columns may only be added at its end", peer=place.peer)
    if known is not None and len(known.columns) < len(columns):
        ((end,),) = await fetch(connection, f"SELECT {END}")
        widths = (*widths, (end, len(known.columns)))
    layout = _layout(place, collection, entry, identities, widths)
    if not published:
        await connection.execute(f"ALTER PUBLICATION {quote(object_name(incarnation))} ADD TABLE {layout.table}".encode())
    await save_layout(connection, layout)


def _layout(
    place: Place, collection: Collection, entry: Catalog, identities: Mapping[str, str], widths: tuple[tuple[int, int], ...]
) -> Layout:
    columns, key = collection.columns, collection.key
    return Layout(collection.name, place.schema, entry.table.name, entry.oid, columns, key, dict(identities), widths)


async def _release(connection: Connection, layout: Layout, incarnation: str, published: set[int]) -> None:
    """Leave a table as it was before it was captured."""
    if layout.oid in published and incarnation:
        await connection.execute(f"ALTER PUBLICATION {quote(object_name(incarnation))} DROP TABLE {layout.table}".encode())
    for table, clause in layout.identities.items():
        there = (await fetch(connection, "SELECT pg_catalog.to_regclass(%s) IS NOT NULL", (table,)))[0][0]
        if there:
            await connection.execute(f"ALTER TABLE {table} REPLICA IDENTITY {clause}".encode())
    await drop_layout(connection, layout.collection)


async def published_tables(connection: Connection, incarnation: str) -> set[int]:
    """The tables of our publication."""
    sql = (
        "SELECT r.prrelid::int8 FROM pg_catalog.pg_publication_rel AS r "
        "JOIN pg_catalog.pg_publication AS p ON p.oid = r.prpubid WHERE p.pubname = %s"
    )
    return {oid for (oid,) in await fetch(connection, sql, (object_name(incarnation),))}


# -- looking after it -----------------------------------------------------------------------------------------------------


def find_damage(peer: str, layout: Layout, entry: Catalog | None, *, heard: bool) -> PeerChanged | None:
    """What happened to a captured table that its changes cannot be trusted: gone, recreated, renamed, lost a column (F25).

    `heard`: what users change is captured. Where it is not, a table that was made anew is as good as the one before.
    """
    where = {"peer": peer, "collection": layout.collection, "table": layout.name}
    if entry is None:
        why = f"there is no table {layout.schema}.{layout.name} any more"
        return PeerChanged("a captured table was dropped or renamed", why=why, hint=_REJOIN, **where)
    if heard and entry.oid != layout.oid:
        why = "another table has its name now, and nobody saw what was written to it"
        return PeerChanged("changes of a table were not captured", why=why, hint=_REJOIN, **where)
    lost = [name for name in layout.columns if entry.table.column(name) is None]
    if lost:
        what, why = "columns of a captured table were dropped or renamed", f"there is no {', '.join(lost)} any more"
        return PeerChanged(what, why=why, hint=_REJOIN, **where)
    return None


async def examine(connection: Connection, place: Place, incarnation: str) -> PeerChanged | None:
    """The first captured table whose changes cannot be trusted any more."""
    layouts = await load_layouts(connection)
    found = await catalogs(connection, place.schema, [layout.name for layout in layouts.values()])
    published = await published_tables(connection, incarnation)
    heard = not only_receives(incarnation)
    for layout in layouts.values():
        entry = found.get(layout.name)
        if damage := find_damage(place.peer, layout, entry, heard=heard):
            return damage
        where = {"peer": place.peer, "collection": layout.collection, "table": layout.name}
        if not heard:
            continue
        if layout.oid not in published:
            what, why = "changes of a table were not captured", "it was taken out of the publication"
            return PeerChanged(what, why=why, hint=_REJOIN, **where)
        if entry is not None and entry.identity != "f":
            hint = f"ALTER TABLE {layout.table} REPLICA IDENTITY FULL; {_REJOIN}"
            what, why = "changes of a table have no before-images", "its replica identity, or that of a part, is not FULL"
            return PeerChanged(what, why=why, hint=hint, **where)
    return None


async def remove(connection: Connection) -> None:
    """Remove every trace; idempotent. Not inside a transaction."""
    async with connection.transaction():
        if await exists(connection):
            regclass = await fetch(connection, "SELECT pg_catalog.to_regclass(%s) IS NOT NULL", (LAYOUT,))
            layouts = await load_layouts(connection) if regclass[0][0] else {}
            for layout in layouts.values():
                await _release(connection, layout, "", set())
        names = "SELECT pubname FROM pg_catalog.pg_publication WHERE pubname LIKE 'syncline\\_%%'"
        for (name,) in await fetch(connection, names):
            await connection.execute(f"DROP PUBLICATION IF EXISTS {quote(name)}".encode())
        await connection.execute(b"DROP SCHEMA IF EXISTS syncline CASCADE")
    await drop_slots(connection)
