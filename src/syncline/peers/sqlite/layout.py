"""Layouts: which collection, table and columns the records of a changelog were written for. Kept in the file itself.

A collection whose columns change gets a new layout; old records stay readable by the old one.
"""

import sqlite3
from functools import cached_property

import msgspec

from syncline.model.schema import Collection
from syncline.peers.sqlite.features import LAYOUT
from syncline.peers.sqlite.inspect import affinity_of


class Layout(msgspec.Struct, frozen=True, dict=True):
    """One layout. `active`: its triggers are installed. `installed`: their text, by name, as they were created.

    `loose`: the places of key columns that may hold a number as an integer or as a real, as the table is now.
    """

    number: int
    collection: str
    table: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    active: bool = True
    installed: dict[str, str] = {}
    loose: tuple[int, ...] = ()

    @cached_property
    def key_places(self) -> tuple[int, ...]:
        """The indexes of the key columns in a row."""
        return tuple(self.columns.index(name) for name in self.key)

    def is_for(self, collection: Collection, table: str) -> bool:
        """Whether records of this collection, as it is now, look like this."""
        return (self.table, self.columns, self.key) == (table, collection.columns, collection.key)


def load_layouts(connection: sqlite3.Connection) -> dict[int, Layout]:
    """Every layout by its number."""
    sql = f"SELECT number, collection, tbl, columns, key, active, installed FROM {LAYOUT} ORDER BY number"
    return {row[0]: _layout(connection, row) for row in connection.execute(sql).fetchall()}


def _layout(connection: sqlite3.Connection, row: tuple[int, str, str, str, str, int, str]) -> Layout:
    number, collection, table, columns, key, active, installed = row
    names = msgspec.json.decode(columns, type=tuple[str, ...])
    parts = msgspec.json.decode(key, type=tuple[str, ...])
    texts, loose = msgspec.json.decode(installed, type=dict[str, str]), loose_places(connection, table, names, parts)
    return Layout(number, collection, table, names, parts, bool(active), texts, loose)


def loose_places(connection: sqlite3.Connection, table: str, columns: tuple[str, ...], key: tuple[str, ...]) -> tuple[int, ...]:
    """Where in a row the key columns are that may hold one number both as an integer and as a real."""
    declared = dict(connection.execute("SELECT name, upper(type) FROM pragma_table_xinfo(?)", (table,)).fetchall())
    loose = {name for name in key if name in declared and affinity_of(declared[name]) not in ("TEXT", "REAL")}
    return tuple(place for place, name in enumerate(columns) if name in loose)


def save_layout(connection: sqlite3.Connection, layout: Layout) -> None:
    """Write a layout, over the one of its number if there is one."""
    texts = [msgspec.json.encode(part).decode() for part in (layout.columns, layout.key, layout.installed)]
    columns, key, installed = texts
    sql = f"INSERT OR REPLACE INTO {LAYOUT} (number, collection, tbl, columns, key, active, installed) VALUES (?,?,?,?,?,?,?)"
    row = (layout.number, layout.collection, layout.table, columns, key, int(layout.active), installed)
    connection.execute(sql, row)
