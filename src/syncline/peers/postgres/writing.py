"""Writes in bulk: the rows of a Write as one set-based statement over a staging table, or one by one where they are few.

Rows with a value that needs care (not storable, written by the server in another way, not sent) are left to the careful way.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final

import msgspec
import psycopg

from syncline.model.value import ABSENT
from syncline.model.write import Op, Write
from syncline.peers.postgres import statement
from syncline.peers.postgres.connect import Connection
from syncline.peers.postgres.convert import Type, doubtful, store, store_column
from syncline.peers.postgres.statement import Shape, Target, shape_of
from syncline.peers.storing import Unstorable, columns_of, one_by_one

FEW: Final = 64  # rows, up to which single statements are as fast as COPY with its round trips
_STAGES: Final = "syncline_stage_"

Native = str | None
Setbacks: Final = (
    psycopg.IntegrityError,
    psycopg.DataError,
    psycopg.errors.RaiseException,
    psycopg.errors.WithCheckOptionViolation,
)


class Prepared(msgspec.Struct, frozen=True):
    """A write ready to send. `places[i]` is where row i stands in the write; `odd` are places that need care."""

    write: Write
    target: Target
    shape: Shape
    places: Sequence[int]
    rows: Sequence[tuple[Native, ...]]
    odd: Sequence[int]


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
    for name, column in zip(shape.names, columns_of(write, len(shape.key)), strict=True):
        kind = target.type_of(name)
        texts = store_column(column, kind)
        if texts is None:
            texts = one_by_one(column, partial(store, kind=kind), odd)
        places = doubtful(texts, kind)
        if places:
            odd.update(await rewritten(connection, kind, [(place, texts[place] or "") for place in places]))
        ready.append(texts)
    rows = list(zip(*ready, strict=True)) if ready else []
    if not odd:
        return Prepared(write, target, shape, range(len(write.keys)), rows, ())
    kept = [place for place in range(len(write.keys)) if place not in odd]
    return Prepared(write, target, shape, kept, [rows[place] for place in kept], sorted(odd))


async def rewritten(connection: Connection, kind: Type, texts: Sequence[tuple[int, str]]) -> list[int]:
    """Which of these texts the server would give back in another way, or not take at all."""
    sql = (
        f"SELECT place FROM unnest(%s::int[], %s::text[]) AS given(place, text) "
        f"WHERE pg_catalog.format('%%s', text::{kind.name.replace('%', '%%')}) <> text"
    )
    try:
        async with connection.transaction():
            params = ([place for place, _ in texts], [text for _, text in texts])
            rows = await (await connection.execute(sql.encode(), params)).fetchall()
    except psycopg.DataError:
        if len(texts) == 1:
            return [texts[0][0]]
        half = len(texts) // 2
        return await rewritten(connection, kind, texts[:half]) + await rewritten(connection, kind, texts[half:])
    return [place for (place,) in rows]


async def execute(connection: Connection, stages: Stages, prepared: Prepared, start: int, stop: int) -> None:
    """Write rows start..stop of a prepared write. Raises one of Setbacks; then the transaction has to go back."""
    shape, rows = prepared.shape, prepared.rows
    if shape.op is Op.UPDATE and not shape.fields and not shape.deltas:
        return
    if stop - start <= FEW:
        order = statement.reordered(shape)
        given = rows[start:stop] if order is None else [[row[place] for place in order] for row in rows[start:stop]]
        sql = statement.one(shape)
        if len(given) == 1:
            await connection.execute(sql, given[0])
        elif given:
            await connection.cursor().executemany(sql, given)
        return
    name = await stages.name(connection, shape)
    cursor = connection.cursor()
    async with cursor.copy(statement.copy(name)) as copy:
        for place in range(start, stop, _PIECE):
            await copy.write(copy_text(rows[place : min(stop, place + _PIECE)]))
    await connection.execute(statement.many(name, shape))
    await connection.execute(f"TRUNCATE pg_temp.{name}".encode())


_PIECE: Final = 1_000
_SPECIAL: Final = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def copy_text(rows: Sequence[tuple[Native, ...]]) -> bytes:
    """Rows in COPY's text format."""
    texts = [
        "\t".join(["\\N" if value is None else value.translate(_SPECIAL) if _is_special(value) else value for value in row])
        for row in rows
    ]
    return ("\n".join(texts) + "\n").encode()


def _is_special(value: str) -> bool:
    return "\\" in value or "\n" in value or "\t" in value or "\r" in value


def refusal_of(prepared: Prepared, place: int) -> Unstorable | None:
    """Why a row's own values cannot be stored, if that is so."""
    for name, column in zip(prepared.shape.names, columns_of(prepared.write, len(prepared.shape.key)), strict=True):
        try:
            if column[place] is not ABSENT:
                store(column[place], prepared.target.type_of(name))
        except Unstorable as error:
            return Unstorable(error.code, f"{name}: {error.reason}")
    return None
