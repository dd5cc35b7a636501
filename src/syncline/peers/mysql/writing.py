"""Writes in bulk: the rows of a Write in a few statements of many rows each, sorted by key, or one by one where they are few.

Rows with a value that needs care (not storable, written by the server in another way, not sent) are left to the careful way.

Measured with 40,000 random rows of a table of a million, on a machine that others used too, in rows a second: multi-row upserts
84,000 sorted and 45,000 to 77,000 unsorted; an update through a staging table 27,000 to 55,000, filled by LOAD DATA 36,000 to
73,000; derived tables of VALUES 25,000 to 54,000; single updates 8,000. LOAD DATA, which many servers forbid, gains too little.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

import msgspec
import pymysql

from syncline.model.write import Op, Write
from syncline.peers.mysql import statement
from syncline.peers.mysql.columns import literals
from syncline.peers.mysql.connect import Connection, number_of
from syncline.peers.mysql.convert import Type, literal
from syncline.peers.mysql.statement import Shape, Target, shape_of
from syncline.peers.mysql.textrows import read
from syncline.peers.storing import columns_of, one_by_one

FEW: Final = 12  # rows, up to which single updates are as fast as a staging table with its round trips
_ROWS_MAX: Final = 2_000  # of one statement
_BYTES_MAX: Final = 1024 * 1024  # of one statement of several rows
_ASKED_MAX: Final = 500  # texts in one question
_STAGES: Final = "syncline_stage_"

Rows = Sequence[tuple[bytes, ...]]
_CODES: Final = {
    1048: "notnull", 1242: "unique", 1062: "unique", 1169: "unique", 1586: "unique", 1216: "foreign_key", 1217: "foreign_key",
    1451: "foreign_key", 1452: "foreign_key", 3819: "check", 4025: "check", 1264: "value", 1265: "value", 1292: "value",
    1364: "notnull", 1366: "value", 1367: "value", 1406: "value", 1411: "value", 1416: "value", 1441: "value",
    1526: "constraint", 1644: "constraint", 1690: "value", 1748: "constraint", 3140: "value", 3156: "value", 3903: "value",
}  # fmt: skip


def setback(error: pymysql.err.Error) -> str:
    """The code of a refusal, where an error concerns the rows of a statement; '' for any other error."""
    number = number_of(error)
    named = isinstance(error, pymysql.err.IntegrityError | pymysql.err.DataError)
    return _CODES.get(number, "constraint" if named else "")


class Prepared(msgspec.Struct, frozen=True):
    """A write ready to send. `places[i]` is where row i stands in the write; `odd` are places that need care."""

    write: Write
    target: Target
    shape: Shape
    places: Sequence[int]
    rows: Rows
    odd: Sequence[int]


class Stages:
    """The staging tables of a session, made when first needed."""

    def __init__(self) -> None:
        self._names: dict[Shape, str] = {}

    def clear(self) -> None:
        """Tables may have been altered: begin anew."""
        self._names.clear()

    def name(self, connection: Connection, shape: Shape, target: Target) -> str:
        """The staging table of a shape."""
        name = self._names.get(shape)
        if name is None:
            name = f"{_STAGES}{len(self._names)}"
            connection.query(f"DROP TEMPORARY TABLE IF EXISTS {name}")
            connection.query(statement.stage(name, shape, target))
            self._names[shape] = name
        return name


def kinds_of(shape: Shape, target: Target) -> list[Type]:
    """The types of a row's values."""
    return [target.type_of(name) if place < shape.steps else target.step_of(name) for place, name in enumerate(shape.names)]


def prepare(connection: Connection, write: Write, target: Target, row_bytes_max: int) -> Prepared:
    """Convert a write's values by columns. Larger rows than `row_bytes_max` need care too."""
    shape = shape_of(write, target)
    odd: set[int] = set()
    ready: list[Sequence[bytes | None]] = []
    for kind, column in zip(kinds_of(shape, target), columns_of(write, len(shape.key)), strict=True):
        texts: Sequence[bytes | None] | None = literals(column, kind)
        if texts is None:
            texts = one_by_one(column, partial(literal, kind=kind), odd)
        if kind.asked_as:
            odd.update(rewritten(connection, kind, [(place, text) for place, text in enumerate(texts) if text is not None]))
        ready.append(texts)
    rows: Rows = list(zip(*ready, strict=True))
    if sum(sum(map(len, filter(None, column))) for column in ready) > row_bytes_max:
        odd.update(place for place, row in enumerate(rows) if sum(len(text or b"") for text in row) > row_bytes_max)
    places = [place for place in _in_order(write) if place not in odd]
    return Prepared(write, target, shape, places, [rows[place] for place in places], sorted(odd))


def _in_order(write: Write) -> Sequence[int]:
    """The places of a write's rows in the order of their keys: neighbours are on one page, and everybody locks in one order."""
    keys = write.keys
    try:
        return sorted(range(len(keys)), key=keys.__getitem__)
    except TypeError:
        return range(len(keys))


def rewritten(connection: Connection, kind: Type, texts: Sequence[tuple[int, bytes]]) -> list[int]:
    """The places of those texts that the server would give back in another way, or not take at all."""
    found = []
    for start in range(0, len(texts), _ASKED_MAX):
        part = [(place, text) for place, text in texts[start : start + _ASKED_MAX] if text != b"NULL"]
        if part:
            asked = [b"%s <=> CAST(CAST(%s AS %s) AS CHAR)" % (text, text, kind.asked_as.encode()) for _, text in part]
            try:
                (answers,) = read(connection, b"SELECT " + b", ".join(asked))
            except pymysql.err.Error as error:
                if not setback(error):
                    raise
                answers = (b"0",) * len(part)  # one of them is wrong: each is tried by itself
            found += [place for (place, _), answer in zip(part, answers, strict=True) if answer != b"1"]
    return found


def execute(connection: Connection, stages: Stages, prepared: Prepared, start: int, stop: int) -> None:
    """Write rows start..stop of a prepared write. Raises a driver's error; after a `setback` what was done has to go back."""
    shape, rows = prepared.shape, prepared.rows[start:stop]
    if not rows or (shape.op is Op.UPDATE and not shape.fields and not shape.deltas):
        return
    if shape.op is Op.UPSERT:
        for part in _parts(rows):
            connection.query(statement.upsert(shape, part))
    elif shape.op is Op.DELETE:
        for part in _parts(rows):
            connection.query(statement.delete(shape, part))
    elif len(rows) <= FEW:
        for row in rows:
            connection.query(statement.one(shape, row))
    else:
        name = stages.name(connection, shape, prepared.target)
        connection.query(f"DELETE FROM {name}")
        for part in _parts(rows):
            connection.query(statement.fill(name, len(shape.names)) + b",".join(part))
        connection.query(statement.update_many(name, shape))


def _parts(rows: Rows) -> Iterator[list[bytes]]:
    """Rows in brackets, as many as one statement takes."""
    for start in range(0, len(rows), _ROWS_MAX):
        texts = [b"(" + b",".join(row) + b")" for row in rows[start : start + _ROWS_MAX]]
        if sum(map(len, texts)) <= _BYTES_MAX:
            yield texts
            continue
        part: list[bytes] = []
        size = 0
        for text in texts:
            if part and size + len(text) > _BYTES_MAX:
                yield part
                part, size = [], 0
            part.append(text)
            size += len(text)
        yield part
