"""The SQL of writes: rows of one table, given one by one or through a staging table. Pure text, made once per shape."""

from functools import lru_cache
from typing import Final, NamedTuple

from syncline.model.schema import Collection
from syncline.model.write import Op, Write
from syncline.peers.postgres.convert import Type
from syncline.peers.postgres.features import quote
from syncline.peers.postgres.inspect import Catalog
from syncline.peers.postgres.layout import Layout

_STAGE: Final = "pg_temp.{}"


class Target(NamedTuple):
    """A table to write to."""

    collection: Collection
    layout: Layout
    catalog: Catalog

    def type_of(self, name: str) -> Type:
        """A column's type."""
        return self.catalog.types[name]


class Shape(NamedTuple):
    """What a statement depends on. `names` are the values of a row in order: for an update the key comes first."""

    op: Op
    table: str
    key: tuple[str, ...]
    fields: tuple[str, ...]
    deltas: tuple[str, ...]

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


def shape_of(write: Write, target: Target) -> Shape:
    """The shape of a write."""
    return Shape(write.op, target.layout.table, target.collection.key, write.fields, write.deltas)


@lru_cache(maxsize=256)
def one(shape: Shape) -> bytes:
    """The statement for one row of parameters. Without casts: a cast would cut a text that is too long."""
    holders = ["%s"] * len(shape.names)
    table = _escape(shape.table)
    key_holders = holders[: len(shape.key)]
    match shape.op:
        case Op.UPSERT:
            text = f"INSERT INTO {table} ({_names(shape.fields)}) OVERRIDING SYSTEM VALUE VALUES ({', '.join(holders)})"
            text += _conflict(shape)
        case Op.UPDATE:
            text = f"UPDATE {table} AS t SET {_sets(shape, holders)} WHERE "
            text += " AND ".join(f"t.{_quote(name)} = {holder}" for name, holder in zip(shape.key, key_holders, strict=True))
        case Op.DELETE:
            text = f"DELETE FROM {table} AS t WHERE "
            text += " AND ".join(f"t.{_quote(name)} = {holder}" for name, holder in zip(shape.key, holders, strict=True))
    return text.encode()


@lru_cache(maxsize=256)
def reordered(shape: Shape) -> tuple[int, ...] | None:
    """Which values of a row the one-row statement takes, in its order; None: all as they are."""
    if shape.op is not Op.UPDATE:
        return None
    count, key = len(shape.names), len(shape.key)
    return (*range(key, count), *range(key))


@lru_cache(maxsize=256)
def stage(name: str, shape: Shape) -> bytes:
    """The staging table: the target's own types, without its constraints."""
    columns = ", ".join(f"{quote(column)} AS c{place}" for place, column in enumerate(shape.names))
    made = f"CREATE TEMPORARY TABLE {name} ON COMMIT DELETE ROWS AS SELECT {columns} FROM {shape.table} WITH NO DATA"
    return made.encode()


@lru_cache(maxsize=256)
def copy(name: str) -> bytes:
    """The COPY into a staging table."""
    return f"COPY {_STAGE.format(name)} FROM STDIN".encode()


@lru_cache(maxsize=256)
def fresh(shape: Shape) -> bytes:
    """The COPY of upserts straight into their table, for rows that are not there yet."""
    return f"COPY {shape.table} ({', '.join(map(quote, shape.fields))}) FROM STDIN".encode()


@lru_cache(maxsize=256)
def many(name: str, shape: Shape) -> bytes:
    """The statement that writes a whole staging table."""
    source = _STAGE.format(name)
    places = {column: f"c{place}" for place, column in enumerate(shape.names)}
    meets = " AND ".join(f"t.{quote(column)} = s.c{place}" for place, column in enumerate(shape.key))
    match shape.op:
        case Op.UPSERT:
            taken = ", ".join(places[column] for column in shape.fields)
            order = ", ".join(places[column] for column in shape.key)
            text = f"INSERT INTO {shape.table} ({', '.join(map(quote, shape.fields))}) OVERRIDING SYSTEM VALUE "
            text += f"SELECT {taken} FROM {source} ORDER BY {order}" + _conflict(shape).replace("%%", "%")
        case Op.UPDATE:
            values = [f"s.c{place}" for place in range(len(shape.names))]
            text = f"UPDATE {shape.table} AS t SET {_sets(shape, values).replace('%%', '%')} FROM {source} AS s WHERE {meets}"
        case Op.DELETE:
            text = f"DELETE FROM {shape.table} AS t USING {source} AS s WHERE {meets}"
    return text.encode()


def _conflict(shape: Shape) -> str:
    sets = ", ".join(f"{_quote(name)} = EXCLUDED.{_quote(name)}" for name in shape.fields if name not in shape.key)
    return f" ON CONFLICT ({_names(shape.key)}) DO " + (f"UPDATE SET {sets}" if sets else "NOTHING")


def _sets(shape: Shape, values: list[str]) -> str:
    rest = values[len(shape.key) :]
    sets = [f"{_quote(name)} = {value}" for name, value in zip(shape.fields, rest, strict=False)]
    for name, value in zip(shape.deltas, rest[len(shape.fields) :], strict=True):
        sets.append(f"{_quote(name)} = coalesce(t.{_quote(name)}, 0) + {value}")
    return ", ".join(sets)


def _names(columns: tuple[str, ...]) -> str:
    return ", ".join(map(_quote, columns))


def _quote(name: str) -> str:
    return _escape(quote(name))


def _escape(text: str) -> str:
    return text.replace("%", "%%")
