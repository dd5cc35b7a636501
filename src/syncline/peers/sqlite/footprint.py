"""Syncline's footprint in a user's file: create it, bring it up to date, read it, remove every trace of it."""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from typing import Final

import msgspec

from syncline.model.errors import PeerChanged, PeerUnsafe
from syncline.model.schema import Collection
from syncline.model.stamp import Offset, Position
from syncline.peers.protocol import Identity
from syncline.peers.receiving import UNHEARD, only_receives, receiving
from syncline.peers.sqlite.features import CHANGELOG, FORMAT, LAYOUT, PREFIX, STATE, WATERMARK, quote
from syncline.peers.sqlite.inspect import catalog, kind_of_table
from syncline.peers.sqlite.layout import Layout, load_layouts, save_layout
from syncline.peers.sqlite.triggers import NOW, trigger_texts

_TABLES: Final = files("syncline.peers.sqlite").joinpath("changelog.sql").read_text(encoding="utf-8")
MILLIS: Final = "CAST((at-2440587.5)*86400000.0+0.5 AS INTEGER)"  # Unix milliseconds of a Julian day
_REJOIN: Final = (
    "if its rows are as they should be, let this peer, and no other, begin again: "
    "'syncline teardown PEER', then 'syncline resume PEER --rejoin'"
)


class State(msgspec.Struct, frozen=True):
    """The one row of the state table."""

    format: int
    incarnation: str
    nonce: str
    watermark: Offset
    fingerprint: str
    trimmed: int
    trimmed_watermark: Offset


def exists(connection: sqlite3.Connection) -> bool:
    """Whether a footprint is there."""
    return connection.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", (STATE,)).fetchone() is not None


def read_state(connection: sqlite3.Connection, peer: str) -> State | None:
    """The state, or None if there is no footprint. Raises PeerUnsafe for one of a newer Syncline."""
    if not exists(connection):
        return None
    names = ", ".join(State.__struct_fields__)
    row = connection.execute(f"SELECT {names} FROM {STATE}").fetchone()
    if row is None:
        hint = "remove what is left of it: 'syncline teardown'"
        raise PeerUnsafe("Syncline's own tables are empty", why="someone deleted their rows", hint=hint, peer=peer)
    state = State(*row)
    if state.format > FORMAT:
        why = f"its footprint has format {state.format}, this Syncline writes {FORMAT}"
        raise PeerUnsafe("a newer Syncline set this peer up", why=why, hint="use that Syncline, or a newer one", peer=peer)
    return state


def read_end(connection: sqlite3.Connection) -> Position:
    """The end of the changelog. `text` is the record's time: it tells two histories of the same length apart."""
    row = connection.execute(f"SELECT seq, {MILLIS} FROM {CHANGELOG} ORDER BY seq DESC LIMIT 1").fetchone()
    return position(*row) if row else Position(0)


def position(seq: int, millis: int) -> Position:
    """The position of a changelog record."""
    return Position(seq, 0, format(millis, "x"))


def millis_of(where: Position) -> int:
    """The time of a changelog record, in Unix milliseconds."""
    return int(where.text, 16) if where.text else 0


def read_identity(connection: sqlite3.Connection, peer: str, *, captures: bool) -> Identity:
    """Who is there. Call inside a read transaction.

    `captures`: what users change there is to be captured; where it was not until now, the incarnation says so.
    """
    state = read_state(connection, peer)
    if state is None:
        return Identity("", "", 0, Position(0), fresh=True)
    end, forgotten = read_end(connection), Position(state.trimmed)
    unheard = captures and only_receives(state.incarnation)
    incarnation = f"{state.incarnation} ({UNHEARD})" if unheard else state.incarnation
    return Identity(incarnation, state.nonce, state.watermark, end, False, state.fingerprint, forgotten)


def install(
    connection: sqlite3.Connection, peer: str, collections: Sequence[Collection], incarnation: str, *, captures: bool
) -> Identity:
    """Create or update the footprint for exactly these collections; call inside a write transaction.

    `captures`: see read_identity. A file that only receives gets no trigger, but beside the user's own: its changelog has
    deliveries alone.

    Raises PeerChanged when triggers are gone or altered: writes may have gone by unseen.
    """
    fresh = not exists(connection)
    for statement in _TABLES.split(";"):
        if statement.strip():
            connection.execute(statement)
    if fresh:
        named = incarnation if captures else receiving(incarnation)
        connection.execute(f"INSERT INTO {STATE} (one, format, incarnation) VALUES (1, ?, ?)", (FORMAT, named))
        connection.execute(f"INSERT INTO {CHANGELOG} (kind, at, b0) VALUES ({WATERMARK}, {NOW}, 0)")
    elif captures and not is_heard(connection):  # whoever knows the old one was told before
        connection.execute(f"UPDATE {STATE} SET incarnation = ?", (incarnation,))
    layouts = load_layouts(connection)
    wanted = {collection.name: collection for collection in collections}
    require_undamaged(connection, peer, collections)
    _widen(connection, max((len(collection.columns) for collection in collections), default=0))
    for layout in layouts.values():
        if layout.active and (found := wanted.get(layout.collection)) and layout.is_for(found, found.table_at(peer)):
            del wanted[layout.collection]
            refresh(connection, layout)
        elif layout.active:
            drop_triggers(connection, layout.installed)
            save_layout(connection, msgspec.structs.replace(layout, active=False, installed={}))
    number = max(layouts, default=0)
    for collection in wanted.values():
        number += 1
        layout = Layout(number, collection.name, collection.table_at(peer), collection.columns, collection.key)
        save_layout(connection, layout)  # where nothing is captured, there is nothing to refresh
        refresh(connection, layout)
    return msgspec.structs.replace(read_identity(connection, peer, captures=captures), fresh=fresh)


def require_undamaged(connection: sqlite3.Connection, peer: str, collections: Sequence[Collection]) -> None:
    """Raise PeerChanged if what is captured for these collections is not what it was set up for. No footprint is no damage."""
    if not exists(connection):
        return
    wanted = {collection.name: collection for collection in collections}
    kept = [layout for layout in load_layouts(connection).values() if layout.active and layout.collection in wanted]
    for layout in kept:
        _require_same_table(peer, layout, wanted[layout.collection])
    find_damage(connection, peer, kept)


def _require_same_table(peer: str, layout: Layout, collection: Collection) -> None:
    table = collection.table_at(peer)
    if (layout.table, layout.key) != (table, collection.key):
        was, now = (f"{place} by {', '.join(key)}" for place, key in ((layout.table, layout.key), (table, collection.key)))
        what = "a collection was moved to another table or key"
        where = {"peer": peer, "collection": collection.name}
        raise PeerChanged(
            what, why=f"it was {was}, now it is {now}", hint="give it a new name, or let the peer join again", **where
        )


def _widen(connection: sqlite3.Connection, columns: int) -> None:
    """Make room for images of so many columns."""
    for place in range(width(connection), columns):
        for letter in "ba":
            connection.execute(f"ALTER TABLE {CHANGELOG} ADD COLUMN {letter}{place}")


def width(connection: sqlite3.Connection) -> int:
    """How many columns an image can have."""
    (columns,) = connection.execute("SELECT count(*) FROM pragma_table_info(?)", (CHANGELOG,)).fetchone()
    return (int(columns) - 3) // 2


def is_heard(connection: sqlite3.Connection) -> bool:
    """Whether what users change in this file is captured."""
    (incarnation,) = connection.execute(f"SELECT incarnation FROM {STATE}").fetchone()
    return not only_receives(incarnation)


def _texts(connection: sqlite3.Connection, layout: Layout) -> dict[str, str]:
    """The triggers that capture a layout's table, by name.

    Where nobody is heard, only beside triggers of the table's own: what those make of a delivered row is told by ours alone.
    """
    entry = catalog(connection, layout.table)
    return trigger_texts(layout, entry) if entry.table.triggers or is_heard(connection) else {}


def refresh(connection: sqlite3.Connection, layout: Layout) -> Layout:
    """Install the triggers of a layout as its table asks for now; call inside a write transaction."""
    texts = _texts(connection, layout)
    if texts != layout.installed or not _fires_first(connection, layout):
        drop_triggers(connection, layout.installed)
        for text in texts.values():
            connection.execute(text)
        layout = msgspec.structs.replace(layout, installed=texts)
        save_layout(connection, layout)
    return layout


def drop_triggers(connection: sqlite3.Connection, names: Mapping[str, str] | Sequence[str]) -> None:
    """Drop triggers by name, where they are there."""
    for name in names:
        connection.execute(f"DROP TRIGGER IF EXISTS {quote(name)}")


def find_damage(connection: sqlite3.Connection, peer: str, layouts: Iterable[Layout]) -> None:
    """Raise PeerChanged if a captured table is gone, recreated or renamed, or lost a captured column (F25, D43)."""
    found = dict(connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall())
    for layout in layouts:
        whole = all(found.get(name) == text for name, text in layout.installed.items())
        if not layout.active or (whole and layout.installed):
            continue
        where = {"peer": peer, "collection": layout.collection, "table": layout.table}
        if kind_of_table(connection, layout.table) != "table":
            what = "a captured table was dropped or renamed"
            raise PeerChanged(what, why=f"there is no table {layout.table} any more", hint=_REJOIN, **where)
        columns = {column.name for column in catalog(connection, layout.table).table.columns}
        lost = [name for name in layout.columns if name not in columns]
        if lost:
            what = "columns of a captured table were dropped or renamed"
            raise PeerChanged(what, why=f"there is no {', '.join(lost)} any more", hint=_REJOIN, **where)
        if whole or not is_heard(connection):
            continue
        gone = [name for name in layout.installed if name not in found]
        why = "the table was recreated, or the triggers were dropped" if gone else "the triggers were altered"
        raise PeerChanged("changes of a table were not captured", why=why, hint=_REJOIN, **where)


def examine(connection: sqlite3.Connection, peer: str) -> PeerChanged | None:
    """The first captured table whose changes cannot be trusted any more. No footprint is no damage."""
    try:
        find_damage(connection, peer, load_layouts(connection).values() if exists(connection) else ())
    except PeerChanged as damage:
        return damage
    return None


def needs_refresh(connection: sqlite3.Connection, layouts: Iterable[Layout]) -> bool:
    """Whether a table's unique constraints or other triggers changed, so that ours must be made anew."""
    active = [layout for layout in layouts if layout.active]
    return any(_texts(connection, layout) != layout.installed or not _fires_first(connection, layout) for layout in active)


def _fires_first(connection: sqlite3.Connection, layout: Layout) -> bool:
    """Whether our triggers are younger than the table's others: every SQLite fires the youngest first.

    So our record of a change precedes those of what a trigger of the user's did because of it.
    """
    sql = "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ? COLLATE NOCASE ORDER BY rowid DESC"
    names = [name for (name,) in connection.execute(sql, (layout.table,)).fetchall()]
    return set(names[: len(layout.installed)]) == set(layout.installed)


def remove(connection: sqlite3.Connection) -> None:
    """Remove every trace; call inside a write transaction."""
    names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall()
    drop_triggers(connection, [name for (name,) in names if name.startswith(PREFIX)])
    for table in (STATE, CHANGELOG, LAYOUT):
        connection.execute(f"DROP TABLE IF EXISTS {table}")
