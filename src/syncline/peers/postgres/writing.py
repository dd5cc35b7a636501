"""Writes in bulk: the rows of a Write as one set-based statement over a staging table, or one by one where they are few.

Rows with a value that needs care (not storable, written by the server in another way, not sent) are left to the careful way.
"""

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Final

import msgspec
import psycopg

from syncline.model.value import Value
from syncline.model.write import Op, Write
from syncline.peers.postgres import statement
from syncline.peers.postgres.columns import store_column
from syncline.peers.postgres.connect import Connection
from syncline.peers.postgres.convert import Type, doubtful, store
from syncline.peers.postgres.statement import Shape, Target, shape_of
from syncline.peers.storing import columns_of, one_by_one

FEW: Final = 64  # rows, up to which single statements are as fast as COPY with its round trips
_STAGES: Final = "syncline_stage_"

Native = str | bytes | None  # bytes: as the server itself wrote them
Setbacks: Final = (
    psycopg.IntegrityError,
    psycopg.DataError,
    psycopg.errors.RaiseException,
    psycopg.errors.WithCheckOptionViolation,
)


class Prepared(msgspec.Struct, frozen=True):
    """A write ready to send, by columns. `places[i]` is where row i stands in the write; `odd` are places that need care."""

    write: Write
    target: Target
    shape: Shape
    places: Sequence[int]
    columns: Sequence[Sequence[Native]]
    odd: Sequence[int]

    def rows(self, start: int, stop: int) -> list[tuple[str | None, ...]]:
        """Some rows, as texts."""
        pieces = [column[start:stop] for column in self.columns]
        return list(zip(*[[one.decode() if type(one) is bytes else one for one in piece] for piece in pieces], strict=True))


class Stages:
    """The staging tables of a session, made when first needed."""

    def __init__(self) -> None:
        self._names: dict[Shape, str] = {}

    def clear(self) -> None:
        """The transaction that made some of them may have been rolled back, or their tables altered: begin anew."""
        self._names.clear()

    async def name(self, connection: Connection, shape: Shape) -> str:
        """The staging table of a shape."""
        name = self._names.get(shape)
        if name is None:
            name = f"{_STAGES}{len(self._names)}"
            await connection.execute(f"DROP TABLE IF EXISTS pg_temp.{name}".encode())
            await connection.execute(statement.stage(name, shape))
            self._names[shape] = name
        return name


async def prepare(connection: Connection, write: Write, target: Target) -> Prepared:
    """Convert a write's values by columns."""
    shape = shape_of(write, target)
    odd: set[int] = set()
    ready: list[Sequence[Native]] = []
    columns = () if write.series else columns_of(write, len(shape.key))
    for place, name in enumerate(shape.names):
        kind, series = target.type_of(name), write.series[place] if write.series else None
        if series is not None and series.tag and series.tag == kind.tag:
            ready.append(series.raw)  # what such a column gave out, such a column takes
        else:
            ready.append(await _texts(connection, columns[place] if series is None else series.values, kind, odd))
    if not odd:
        return Prepared(write, target, shape, range(len(write.keys)), ready, ())
    kept = [place for place in range(len(write.keys)) if place not in odd]
    return Prepared(write, target, shape, kept, [[one[place] for place in kept] for one in ready], sorted(odd))


async def _texts(connection: Connection, column: Sequence[Value], kind: Type, odd: set[int]) -> Sequence[str | None]:
    """A column as the server reads it; the places of what needs care go to `odd`."""
    texts = store_column(column, kind)
    if texts is None:
        texts = one_by_one(column, partial(store, kind=kind), odd)
    places = doubtful(texts, kind)
    if places:
        odd.update(await rewritten(connection, kind, [(place, texts[place] or "") for place in places]))
    return texts


async def rewritten(connection: Connection, kind: Type, texts: Sequence[tuple[int, str]]) -> list[int]:
    """Which of these texts the server would give back in another way, or not take at all."""
    sql = (
        "SELECT place - 1 FROM pg_catalog.json_array_elements_text(%s::json) WITH ORDINALITY AS given(text, place) "
        f"WHERE pg_catalog.format('%%s', text::{kind.name.replace('%', '%%')}) <> text"
    )
    try:
        async with connection.transaction():
            given = msgspec.json.encode([text for _, text in texts]).decode()  # the driver makes arrays in Python
            rows = await (await connection.execute(sql.encode(), (given,))).fetchall()
    except psycopg.DataError:
        if len(texts) == 1:
            return [texts[0][0]]
        half = len(texts) // 2
        return await rewritten(connection, kind, texts[:half]) + await rewritten(connection, kind, texts[half:])
    return [texts[place][0] for (place,) in rows]


async def execute(connection: Connection, stages: Stages, prepared: Prepared, start: int, stop: int) -> None:
    """Write rows start..stop of a prepared write. Raises one of Setbacks; then the transaction has to go back."""
    shape = prepared.shape
    if shape.op is Op.UPDATE and not shape.fields and not shape.deltas:
        return
    if stop - start <= FEW:
        order, rows = statement.reordered(shape), prepared.rows(start, stop)
        given = rows if order is None else [tuple([row[place] for place in order]) for row in rows]
        sql = statement.one(shape)
        if len(given) == 1:
            await connection.execute(sql, given[0])
        elif given:
            await connection.cursor().executemany(sql, given)
        return
    columns = [copy_column(column[start:stop]) for column in prepared.columns]
    if prepared.write.fresh:
        with suppress(psycopg.errors.UniqueViolation):  # some of them are there, or another row has what must be unique
            async with connection.transaction():
                await _copy(connection, statement.fresh(shape), columns)
            return
    name = await stages.name(connection, shape)
    await _copy(connection, statement.copy(name), columns)
    await connection.execute(statement.many(name, shape))
    await connection.execute(f"TRUNCATE pg_temp.{name}".encode())


async def _copy(connection: Connection, sql: bytes, columns: Sequence[Sequence[bytes]]) -> None:
    async with connection.cursor().copy(sql) as copy:
        for place in range(0, len(columns[0]), _PIECE):
            lines = map(b"\t".join, zip(*[column[place : place + _PIECE] for column in columns], strict=True))
            await copy.write(b"\n".join(lines) + b"\n")


_PIECE: Final = 1_000
_SPECIAL: Final = ((b"\\", b"\\\\"), (b"\t", b"\\t"), (b"\n", b"\\n"), (b"\r", b"\\r"))
_NULL: Final = b"\\N"


def copy_column(column: Sequence[Native]) -> Sequence[bytes]:
    """A column in COPY's text format. Source: https://www.postgresql.org/docs/current/sql-copy.html (Text Format)"""
    if set(map(type, column)) == {bytes}:
        joined = b"\0".join(column)  # type: ignore[arg-type]
        if not any(special in joined for special, _ in _SPECIAL):
            return column  # type: ignore[return-value]
    data: Sequence[bytes | None] = [one.encode() if type(one) is str else one for one in column]  # type: ignore[misc]
    joined = b"\0".join([one or b"" for one in data])
    for special, escaped in _SPECIAL:
        if special in joined:
            data = [one and one.replace(special, escaped) for one in data]
    return [_NULL if one is None else one for one in data]
