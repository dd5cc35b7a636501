"""Syncline's footprint in a user's database: create it, bring it up to date, read it, remove every trace of it."""

from collections.abc import Sequence
from importlib.resources import files
from typing import Final

import msgspec

from syncline.model.change import Refusal
from syncline.model.errors import PeerChanged, PeerUnsafe
from syncline.model.schema import Collection
from syncline.model.stamp import Offset, Position
from syncline.peers.mysql import history
from syncline.peers.mysql.connect import Connection, Place, fetch, transaction
from syncline.peers.mysql.features import FORMAT, HISTORY, LAYOUT, OURS, STATE, Server
from syncline.peers.mysql.history import Spot
from syncline.peers.mysql.inspect import Catalog, catalogs
from syncline.peers.mysql.layout import Layout, drop_layout, load_layouts, save_layout
from syncline.peers.protocol import Identity
from syncline.peers.receiving import UNHEARD, only_receives, received, receiving

REFUSALS: Final = msgspec.msgpack.Decoder(tuple[Refusal, ...])
_TABLES: Final = [
    part.strip() for part in files("syncline.peers.mysql").joinpath("footprint.sql").read_text(encoding="utf-8").split(";\n")
]
_REJOIN: Final = "if its rows are as they should be, remove Syncline's footprint and let it join again: 'syncline teardown'"


class State(msgspec.Struct, frozen=True):
    """The one row of the state table, and the end of history as of then."""

    format: int
    incarnation: str
    nonce: str
    watermark: Offset
    fingerprint: str
    end: Spot

    @property
    def position(self) -> Position:
        """The end of history, with the watermark that holds there."""
        if only_receives(self.incarnation):
            return received(self.watermark)
        return history.position(self.end.file, self.end.offset, self.watermark)


def ours(connection: Connection) -> list[str]:
    """Those of our tables that are there."""
    sql = "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN (%s, %s, %s)"
    return [name for (name,) in fetch(connection, sql, sorted(OURS)) if name in OURS]


def exists(connection: Connection) -> bool:
    """Whether a footprint is there.

    Every CREATE TABLE commits, the first rows follow together: tables without any row are what a crash left of a setup.
    """
    names = ours(connection)
    return STATE in names and any(fetch(connection, f"SELECT 1 FROM {name} LIMIT 1") for name in names)


def read_state(connection: Connection, server: Server, peer: str) -> State | None:
    """The state, or None if there is no footprint. Raises PeerUnsafe for one of a newer Syncline."""
    if not exists(connection):
        return None
    rows = fetch(connection, f"SELECT format, incarnation, nonce, watermark, fingerprint FROM {STATE}")
    if not rows:
        hint = "remove what is left of it: 'syncline teardown'"
        raise PeerUnsafe("Syncline's own tables are empty", why="someone deleted their rows", hint=hint, peer=peer)
    form, incarnation, nonce, watermark, fingerprint = rows[0]
    end = (None if only_receives(incarnation) else history.end_of(connection, server)) or Spot("", 0)
    state = State(form, incarnation, nonce, watermark, fingerprint, end)
    if state.format > FORMAT:
        why = f"its footprint has format {state.format}, this Syncline writes {FORMAT}"
        raise PeerUnsafe("a newer Syncline set this peer up", why=why, hint="use that Syncline, or a newer one", peer=peer)
    return state


def read_delivery(connection: Connection) -> tuple[Offset, tuple[Refusal, ...]]:
    """The watermark, and the rows that were refused with it."""
    ((watermark, refused),) = fetch(connection, f"SELECT watermark, refused FROM {STATE}")
    return int(watermark), REFUSALS.decode(refused) if refused else ()


def read_identity(connection: Connection, server: Server, peer: str, *, captures: bool) -> Identity:
    """Who is there. An incarnation whose history is broken is not the one that was, and its name says why.

    `captures`: what users change there is to be captured, now if not before.
    """
    state = read_state(connection, server, peer)
    if state is None:
        return Identity("", "", 0, Position(0), fresh=True)
    broken = _broken(connection, server, state.incarnation, captures=captures)
    incarnation = f"{state.incarnation} ({broken})" if broken else state.incarnation
    forgotten = Position(0) if only_receives(state.incarnation) else history.oldest(connection)
    return Identity(
        incarnation, state.nonce, state.watermark, state.position, fresh=False, fingerprint=state.fingerprint,
        forgotten=forgotten,
    )  # fmt: skip


def _broken(connection: Connection, server: Server, incarnation: str, *, captures: bool) -> str:
    """Why a peer's history is not whole, in words; '' if it is. Of one that only receives, its watermark is the history."""
    if only_receives(incarnation):
        return UNHEARD if captures else ""
    return history.trouble(connection, server)


# -- setting up -----------------------------------------------------------------------------------------------------------


def install(
    connection: Connection,
    server: Server,
    place: Place,
    collections: Sequence[Collection],
    incarnation: str,
    *,
    captures: bool,
) -> Identity:
    """Create or update the footprint for exactly these collections. `captures`: see read_identity.

    What a crash left half done, or a history that broke, gets a new incarnation: whoever knows the old one was told before.
    Raises PeerChanged when a table that is captured is not the one it was.
    """
    fresh = not exists(connection)
    if set(ours(connection)) != OURS:
        for statement in _TABLES:
            connection.query(statement)
    known = fetch(connection, f"SELECT incarnation FROM {STATE}")
    begun = bool(known) and bool(fetch(connection, f"SELECT 1 FROM {HISTORY}"))
    renewed = not begun or _broken(connection, server, known[0][0], captures=captures) != ""
    with transaction(connection):
        if renewed:
            incarnation = incarnation if captures else receiving(incarnation)
            history.begin(connection, server, captures=captures)
            state = (
                f"INSERT INTO {STATE} (one, format, incarnation) VALUES (1, %s, %s) ON DUPLICATE KEY UPDATE "
                "format = VALUES(format), incarnation = VALUES(incarnation), beat = beat + 1"
            )
            fetch(connection, state, (FORMAT, incarnation))
        current = incarnation if renewed else known[0][0]
        _bring_up_to_date(connection, server, place, collections, heard=not only_receives(current))
    identity = read_identity(connection, server, place.peer, captures=captures)
    return msgspec.structs.replace(identity, fresh=fresh)


def _bring_up_to_date(
    connection: Connection, server: Server, place: Place, collections: Sequence[Collection], *, heard: bool
) -> None:
    layouts = load_layouts(connection)
    wanted = {collection.name: collection for collection in collections}
    found = catalogs(connection, server, [layout.name for layout in layouts.values()])
    for name, layout in layouts.items():
        if name not in wanted:
            drop_layout(connection, name)
            continue
        _require_same_table(place, layout, wanted[name])
        if damage := find_damage(place.peer, layout, found.get(layout.name)):
            raise damage
    for name, collection in wanted.items():
        known = layouts.get(name)
        if known is None or not known.is_for(collection):
            _capture(connection, server, place, collection, known, heard=heard)


def _require_same_table(place: Place, layout: Layout, collection: Collection) -> None:
    table = collection.table_at(place.peer)
    if (layout.name, layout.key) != (table, collection.key):
        was = f"{layout.name} by {', '.join(layout.key)}"
        why = f"it was {was}, now it is {table} by {', '.join(collection.key)}"
        hint = "give it a new name, or let the peer join again"
        what = "a collection was moved to another table or key"
        raise PeerChanged(what, why=why, hint=hint, peer=place.peer, collection=collection.name)


def _capture(
    connection: Connection, server: Server, place: Place, collection: Collection, known: Layout | None, *, heard: bool
) -> None:
    columns, key = collection.columns, collection.key
    widths = known.widths if known is not None else ()
    if known is not None and known.columns != columns[: len(known.columns)]:
        raise PeerChanged("a collection's columns were changed", why="columns may only be added at its end", peer=place.peer)
    if heard and known is not None and len(known.columns) < len(columns):
        end = history.end_of(connection, server) or Spot("", 0)
        widths = (*widths, (history.major_of(history.file_number(end.file), end.offset), len(known.columns)))
    save_layout(connection, Layout(collection.name, collection.table_at(place.peer), columns, key, widths))


# -- looking after it -----------------------------------------------------------------------------------------------------


def find_damage(peer: str, layout: Layout, entry: Catalog | None) -> PeerChanged | None:
    """What happened to a captured table that its changes cannot be trusted: gone, recreated, renamed, lost a column (F25)."""
    where = {"peer": peer, "collection": layout.collection, "table": layout.name}
    if layout.damage:
        return PeerChanged("changes of a table were not captured", why=layout.damage, hint=_REJOIN, **where)
    if entry is None:
        why = f"there is no table {layout.name} any more"
        return PeerChanged("a captured table was dropped or renamed", why=why, hint=_REJOIN, **where)
    lost = [name for name in layout.columns if entry.table.column(name) is None]
    if lost:
        what, why = "columns of a captured table were dropped or renamed", f"there is no {', '.join(lost)} any more"
        return PeerChanged(what, why=why, hint=_REJOIN, **where)
    return None


def examine(connection: Connection, server: Server, place: Place) -> PeerChanged | None:
    """The first captured table whose changes cannot be trusted any more."""
    layouts = load_layouts(connection)
    found = catalogs(connection, server, [layout.name for layout in layouts.values()])
    damages = (find_damage(place.peer, layout, found.get(layout.name)) for layout in layouts.values())
    return next((damage for damage in damages if damage is not None), None)


def remove(connection: Connection) -> None:
    """Remove every trace; idempotent. The state goes last: what a crash leaves is still known as ours."""
    for name in (LAYOUT, HISTORY, STATE):
        connection.query(f"DROP TABLE IF EXISTS {name}")
