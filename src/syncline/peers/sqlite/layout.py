"""Layouts: which collection, table and columns the records of a changelog were written for. Kept in the file itself.

A collection whose columns change gets a new layout; old records stay readable by the old one.
"""

import sqlite3
from functools import cached_property

import msgspec

from syncline.model.schema import Collection
from syncline.peers.sqlite.features import LAYOUT


class Layout(msgspec.Struct, frozen=True, dict=True):
    """One layout. `active`: its triggers are installed. `installed`: their text, by name, as they were created."""

    number: int
    collection: str
    table: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    active: bool = True
    installed: dict[str, str] = {}

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
    return {row[0]: _layout(row) for row in connection.execute(sql).fetchall()}


def _layout(row: tuple[int, str, str, str, str, int, str]) -> Layout:
    number, collection, table, columns, key, active, installed = row
    names = msgspec.json.decode(columns, type=tuple[str, ...])
    parts = msgspec.json.decode(key, type=tuple[str, ...])
    return Layout(number, collection, table, names, parts, bool(active), msgspec.json.decode(installed, type=dict[str, str]))


def save_layout(connection: sqlite3.Connection, layout: Layout) -> None:
    """Write a layout, over the one of its number if there is one."""
    texts = [msgspec.json.encode(part).decode() for part in (layout.columns, layout.key, layout.installed)]
    columns, key, installed = texts
    sql = f"INSERT OR REPLACE INTO {LAYOUT} (number, collection, tbl, columns, key, active, installed) VALUES (?,?,?,?,?,?,?)"
    row = (layout.number, layout.collection, layout.table, columns, key, int(layout.active), installed)
    connection.execute(sql, row)
