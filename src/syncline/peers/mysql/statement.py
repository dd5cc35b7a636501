"""The SQL of writes: rows of one table, given as literals or through a staging table. Pure text, made once per shape."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec

from syncline.model.schema import Collection
from syncline.model.write import Op, Write
from syncline.peers.mysql.convert import FLOATS, INTEGERS, Type
from syncline.peers.mysql.features import quote
from syncline.peers.mysql.inspect import Catalog
from syncline.peers.mysql.layout import Layout

_DIGITS_MAX: Final = 65  # of a DECIMAL


class Target(NamedTuple):
    """A table to write to."""

    collection: Collection
    layout: Layout
    catalog: Catalog

    def type_of(self, name: str) -> Type:
        """A column's type."""
        return self.catalog.types[name]

    def step_of(self, name: str) -> Type:
        """The type of an increment of a column: it may be negative, and wider than the column."""
        kind = self.type_of(name)
        if kind.base in INTEGERS:
            return Type("bigint", "bigint", size=19)
        if kind.base == "decimal":
            return msgspec.structs.replace(kind, unsigned=False, size=_DIGITS_MAX)
        return kind


class Shape(NamedTuple):
    """What a statement depends on. `names` are the values of a row in order: for an update the key comes first.

    `guarded`: other columns than the key are unique too. `kept`: columns that the server would set by itself.
    """

    op: Op
    table: str
    key: tuple[str, ...]
    fields: tuple[str, ...]
    deltas: tuple[str, ...]
    guarded: bool
    kept: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that a row of values is for."""
        match self.op:
            case Op.UPSERT:
                return self.fields
            case Op.UPDATE:
                return (*self.key, *self.fields, *self.deltas)
            case Op.DELETE:
                return self.key

    @property
    def steps(self) -> int:
        """The place of the first increment among the names."""
        return len(self.names) - len(self.deltas)


def shape_of(write: Write, target: Target) -> Shape:
    """The shape of a write."""
    key, entry = target.collection.key, target.catalog
    written = {*write.fields, *write.deltas}
    kept = tuple(name for name in entry.touched if name not in written)
    return Shape(write.op, target.layout.table, key, write.fields, write.deltas, not entry.only_unique(key), kept)


def one(shape: Shape, values: Sequence[bytes]) -> bytes:
    """The statement that updates or deletes one row."""
    where = b" AND ".join([name + b" = " + value for name, value in zip(_parts(shape).key, values, strict=False)])
    if shape.op is Op.DELETE:
        return _parts(shape).head + where
    return _parts(shape).head + b", ".join(_sets(shape, values)) + b" WHERE " + where


def upsert(shape: Shape, rows: Sequence[bytes]) -> bytes:
    """The statement that inserts rows `(...)`, or updates those that are there.

    A row that meets another one by something unique that is not the key fails: the key may not become NULL.
    """
    return _parts(shape).head + b",".join(rows) + _parts(shape).tail


def delete(shape: Shape, rows: Sequence[bytes]) -> bytes:
    """The statement that deletes the rows of keys `(...)`."""
    return _parts(shape).many + b",".join(rows) + b")"


class _Parts(NamedTuple):
    head: bytes
    tail: bytes
    many: bytes
    key: tuple[bytes, ...]


@lru_cache(maxsize=256)
def _parts(shape: Shape) -> _Parts:
    key = ", ".join(map(quote, shape.key))
    names = tuple(quote(name).encode() for name in shape.key)
    match shape.op:
        case Op.UPSERT:
            fields = ", ".join(map(quote, shape.fields))
            head, tail, many = f"INSERT INTO {shape.table} ({fields}) VALUES ", f" ON DUPLICATE KEY UPDATE {_taken(shape)}", ""
        case Op.UPDATE:
            head, tail, many = f"UPDATE {shape.table} SET ", "", ""
        case Op.DELETE:
            head, tail = f"DELETE FROM {shape.table} WHERE ", ""
            many = f"{head}({key}) IN ("
    return _Parts(head.encode(), tail.encode(), many.encode(), names)


# fails, with error 1242, if ever it is looked at; NULL would not: an AUTO_INCREMENT column takes it for a number
_ANOTHER_ROW: Final = "(SELECT 1 UNION ALL SELECT 2)"


def _taken(shape: Shape) -> str:
    sets = []
    if shape.guarded:
        first = quote(shape.key[0])
        same = " AND ".join(f"{shape.table}.{quote(name)} <=> VALUES({quote(name)})" for name in shape.key)
        sets.append(f"{first} = IF({same}, {shape.table}.{first}, {_ANOTHER_ROW})")
    sets += [f"{quote(name)} = VALUES({quote(name)})" for name in shape.fields if name not in shape.key]
    sets += [f"{quote(name)} = {shape.table}.{quote(name)}" for name in shape.kept]
    first = quote(shape.key[0])
    return ", ".join(sets) or f"{first} = {shape.table}.{first}"


def _sets(shape: Shape, values: Sequence[bytes]) -> list[bytes]:
    given = values[len(shape.key) :]
    sets = [quote(name).encode() + b" = " + value for name, value in zip(shape.fields, given, strict=False)]
    for name, value in zip(shape.deltas, given[len(shape.fields) :], strict=True):
        column = quote(name).encode()
        sets.append(column + b" = coalesce(" + column + b", 0) + " + value)
    return sets + [quote(name).encode() + b" = " + quote(name).encode() for name in shape.kept]


# -- through a staging table ----------------------------------------------------------------------------------------------


def stage(name: str, shape: Shape, target: Target) -> str:
    """The staging table: the target's own types, without its constraints. A server may take no table without a primary key."""
    columns = []
    for place, column in enumerate(shape.names):
        source = quote(column) if place < shape.steps else _step(quote(column), target.type_of(column))
        columns.append(f"{source} AS c{place}")
    made = f"CREATE TEMPORARY TABLE {name} (number BIGINT AUTO_INCREMENT PRIMARY KEY) ENGINE = InnoDB"
    return f"{made} AS SELECT {', '.join(columns)} FROM {shape.table} LIMIT 0"


def _step(column: str, kind: Type) -> str:
    if kind.base in INTEGERS:
        return "CAST(0 AS SIGNED)"
    return column if kind.base in FLOATS else f"CAST(0 AS DECIMAL({_DIGITS_MAX}, {kind.scale or 0}))"


@lru_cache(maxsize=256)
def fill(name: str, count: int) -> bytes:
    """The beginning of the statement that puts rows of so many values into a staging table."""
    return f"INSERT INTO {name} ({', '.join(f'c{place}' for place in range(count))}) VALUES ".encode()


@lru_cache(maxsize=256)
def update_many(name: str, shape: Shape) -> bytes:
    """The statement that updates the rows of a whole staging table."""
    meets = " AND ".join(f"t.{quote(column)} = s.c{place}" for place, column in enumerate(shape.key))
    places = range(len(shape.key), len(shape.names))
    sets = []
    for place, column in zip(places, (*shape.fields, *shape.deltas), strict=True):
        held = f"coalesce(t.{quote(column)}, 0) + " if place >= shape.steps else ""
        sets.append(f"t.{quote(column)} = {held}s.c{place}")
    sets += [f"t.{quote(column)} = t.{quote(column)}" for column in shape.kept]
    return f"UPDATE {name} AS s STRAIGHT_JOIN {shape.table} AS t ON {meets} SET {', '.join(sets)}".encode()
