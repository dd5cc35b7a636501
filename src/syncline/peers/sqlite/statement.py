"""The SQL of writes: many rows of one table in one statement. Pure text, made once per shape and size.

OR ABORT stands in every statement, so that no ON CONFLICT clause of the table's own lets a row replace another (C8).
"""

from functools import lru_cache

import msgspec

from syncline.model.schema import Collection
from syncline.peers.sqlite.features import PREFIX, quote
from syncline.peers.sqlite.inspect import Catalog
from syncline.peers.sqlite.layout import Layout

_VALUES = quote(f"{PREFIX}values")


class Target(msgspec.Struct, frozen=True, dict=True):
    """A table to write to."""

    collection: Collection
    layout: Layout
    catalog: Catalog

    @property
    def table(self) -> str:
        """Its name."""
        return self.layout.table

    @property
    def has_triggers(self) -> bool:
        """Whether there are triggers of the user's, which may write more."""
        return bool(self.catalog.table.triggers)

    def affinity(self, name: str) -> str:
        """A column's affinity."""
        column = self.catalog.table.column(name)
        return column.affinity if column is not None else "BLOB"


def names(columns: tuple[str, ...]) -> str:
    """A list of quoted names."""
    return ",".join(map(quote, columns))


@lru_cache(maxsize=256)
def insert_head(table: str, fields: tuple[str, ...]) -> str:
    """An INSERT up to its values."""
    return f"INSERT OR ABORT INTO {quote(table)}({names(fields)}) VALUES "


@lru_cache(maxsize=256)
def upsert_tail(key: tuple[str, ...], fields: tuple[str, ...]) -> str:
    """What an upsert does with a row that is there."""
    sets = ",".join(f"{quote(name)}=excluded.{quote(name)}" for name in fields if name not in key)
    return f" ON CONFLICT({names(key)}) DO " + (f"UPDATE SET {sets}" if sets else "NOTHING")


@lru_cache(maxsize=256)
def upsert(table: str, key: tuple[str, ...], fields: tuple[str, ...], rows: int) -> str:
    """Insert so many rows of `fields`, or update those that are there."""
    return insert_head(table, fields) + _rows(len(fields), rows) + upsert_tail(key, fields)


@lru_cache(maxsize=256)
def update(table: str, key: tuple[str, ...], fields: tuple[str, ...], deltas: tuple[str, ...], rows: int) -> str:
    """Update so many rows by key: each with the key's values, then those of `fields`, then increments of `deltas`."""
    columns = len(key) + len(fields) + len(deltas)
    letters = ",".join(f"c{place}" for place in range(columns))
    where = " AND ".join(f"{quote(table)}.{quote(name)}={_VALUES}.c{place}" for place, name in enumerate(key))
    sets = update_sets(table, fields, deltas, [f"{_VALUES}.c{place}" for place in range(len(key), columns)])
    given = f"WITH {_VALUES}({letters}) AS (VALUES {_rows(columns, rows)})"
    return f"{given} UPDATE OR ABORT {quote(table)} SET {sets} FROM {_VALUES} WHERE {where}"


def update_sets(table: str, fields: tuple[str, ...], deltas: tuple[str, ...], values: list[str]) -> str:
    """The SET list: fields to values, deltas added to what is there."""
    sets = [f"{quote(name)}={value}" for name, value in zip(fields, values, strict=False)]
    for name, value in zip(deltas, values[len(fields) :], strict=True):
        sets.append(f"{quote(name)}=COALESCE({quote(table)}.{quote(name)},0)+{value}")
    return ",".join(sets)


@lru_cache(maxsize=256)
def delete(table: str, key: tuple[str, ...], rows: int) -> str:
    """Delete so many rows by key."""
    if len(key) == 1:
        return f"DELETE FROM {quote(table)} WHERE {quote(key[0])} IN ({','.join('?' * rows)})"
    return f"DELETE FROM {quote(table)} WHERE ({names(key)}) IN (VALUES {_rows(len(key), rows)})"


def by_key(key: tuple[str, ...], holders: list[str]) -> str:
    """The condition that finds one row."""
    return " AND ".join(f"{quote(name)}={holder}" for name, holder in zip(key, holders, strict=True))


def _rows(columns: int, rows: int) -> str:
    one = f"({','.join('?' * columns)})"
    return ",".join([one] * rows)
