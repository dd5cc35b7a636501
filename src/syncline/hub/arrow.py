"""Rows as Arrow columns and Parquet files. Imported only where pyarrow is installed (optional.arrow).

A column has the type of its kind; a value that this type cannot hold exactly is left out of it and told as JSON in the column
that `rest` stands for. Integers are int64; bytes, text and booleans are themselves; everything else is its canonical text.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from syncline.hub.records import shown_peer
from syncline.model.change import Change
from syncline.model.entry import Entry
from syncline.model.schema import Kind
from syncline.model.stamp import Micros
from syncline.model.value import ABSENT, INT64_MAX, INT64_MIN, Row, Tagged, Value, pad, plain

Cells = list[Any]
_NO: Final = object()  # the type of the column cannot hold the value


def _integer(value: Value) -> object:
    return value if isinstance(value, int) and INT64_MIN <= value <= INT64_MAX else _NO


def _boolean(value: Value) -> object:
    return value.text == "t" if isinstance(value, Tagged) and value.kind == "boolean" else _NO


def _bytes(value: Value) -> object:
    return value if isinstance(value, bytes) else _NO


def _text(value: Value) -> object:
    return value if isinstance(value, str) else _NO


def _any(value: Value) -> object:
    return json.dumps(plain(value), ensure_ascii=False)


def _tagged(kind: Kind) -> Callable[[Value], object]:
    def read(value: Value) -> object:
        if kind is Kind.DECIMAL and isinstance(value, int):
            return str(value)
        return value.text if isinstance(value, Tagged) and value.kind != "rawtext" else value if isinstance(value, str) else _NO

    return read


_READERS: Final[Mapping[Kind, tuple[Any, Callable[[Value], object]]]] = {
    Kind.INTEGER: (pa.int64(), _integer),
    Kind.BOOLEAN: (pa.bool_(), _boolean),
    Kind.BYTES: (pa.binary(), _bytes),
    Kind.TEXT: (pa.string(), _text),
    Kind.ANY: (pa.string(), _any),
}


def reader(kind: Kind) -> tuple[Any, Callable[[Value], object]]:
    """The Arrow type of a kind, and what makes a cell of a value."""
    return _READERS.get(kind) or (pa.string(), _tagged(kind))


class Shape:
    """A struct of a collection's columns, or of some of them."""

    def __init__(self, columns: Sequence[str], kinds: Sequence[Kind]) -> None:
        self.columns = tuple(columns)
        self._readers = [reader(kind) for kind in kinds]
        self.fields = [pa.field(name, kind) for name, (kind, _) in zip(columns, self._readers, strict=True)]
        self.type = pa.struct(self.fields)

    def cells(self, row: Row, rest: dict[str, object]) -> Cells:
        """A row's cells; what they cannot hold goes into `rest`."""
        made: Cells = []
        for name, value, (_, read) in zip(self.columns, pad(row, len(self.columns)), self._readers, strict=False):
            cell = None if value is None else _NO if value is ABSENT else read(value)
            if cell is _NO:
                rest[name] = plain(value)
                cell = None
            made.append(cell)
        return made

    def struct(self, row: Row | None, rest: dict[str, object]) -> dict[str, object] | None:
        """A row as a struct; None where there is none."""
        return None if row is None else dict(zip(self.columns, self.cells(row, rest), strict=True))


def told(rest: object) -> str | None:
    """What did not fit, as JSON; None if everything did."""
    return json.dumps(rest, ensure_ascii=False) if rest else None


class Parquet:
    """A Parquet file that grows by groups of rows, and is on the disk when it is closed."""

    def __init__(self, path: Path, schema: Any) -> None:
        self._path, self._schema = path, schema
        self._writer: Any = pq.ParquetWriter(path, schema, compression="zstd")

    def add(self, columns: Sequence[Cells]) -> None:
        """A group of rows, by columns."""
        arrays = [pa.array(cells, type=field.type) for cells, field in zip(columns, self._schema, strict=True)]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))

    def close(self) -> None:
        """Write what is left, and have it on the disk."""
        self._writer.close()
        handle = os.open(self._path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


class Table:
    """An export's rows. See exporting.Sink; what does not fit is in the last column, `_rest`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._shape: Shape | None = None
        self._file: Parquet | None = None

    def begin(self, columns: Sequence[str], kinds: Sequence[Kind]) -> None:
        """See Sink."""
        self._shape = Shape(columns, kinds)
        self._file = Parquet(self._path, pa.schema([*self._shape.fields, pa.field("_rest", pa.string())]))

    def take(self, rows: Sequence[Row]) -> None:
        """See Sink."""
        if self._shape is None or self._file is None:
            return
        columns: list[Cells] = [[] for _ in range(len(self._shape.columns) + 1)]
        for row in rows:
            rest: dict[str, object] = {}
            for column, cell in zip(columns, [*self._shape.cells(row, rest), told(rest)], strict=True):
                column.append(cell)
        self._file.add(columns)

    def close(self) -> None:
        """The file is whole."""
        if self._file is not None:
            self._file.close()


_ENTRY: Final = (
    pa.field("offset", pa.int64()),
    pa.field("row", pa.int32()),
    pa.field("kind", pa.string()),
    pa.field("peer", pa.string()),
    pa.field("to", pa.string()),
    pa.field("position", pa.string()),
    pa.field("time", pa.timestamp("us", tz="UTC")),
    pa.field("op", pa.string()),
)
_VERDICT: Final = (
    pa.field("conflict", pa.bool_()),
    pa.field("winner", pa.string()),
    pa.field("rule", pa.string()),
    pa.field("rest", pa.string()),
)


class Log:
    """A part of an archive: a row for each change, with its key and the row before and after as structs.

    `rest`: values that the types of the columns cannot hold, as {"key": {column: value}, "before": ..., "after": ...}.
    """

    def __init__(self, path: Path, columns: Sequence[str], key: Sequence[str], kinds: Mapping[str, Kind], group: int) -> None:
        self._key, self._group = Shape(key, [kinds[name] for name in key]), group
        self._shape = Shape(columns, [kinds[name] for name in columns])
        shapes = (("key", self._key), ("before", self._shape), ("after", self._shape))
        images = [pa.field(name, shape.type) for name, shape in shapes]
        schema = pa.schema([*_ENTRY, *images, *_VERDICT])
        self._file = Parquet(path, schema)
        self._columns: list[Cells] = [[] for _ in schema]
        self._last = 0

    def add(self, entry: Entry, place: int, change: Change, time: Micros) -> None:
        """One change."""
        rest: dict[str, dict[str, object]] = {"key": {}, "before": {}, "after": {}}
        sides = ((self._key, change.key), (self._shape, change.before), (self._shape, change.after))
        images = [shape.struct(row, found) for (shape, row), found in zip(sides, rest.values(), strict=True)]
        conflicts = change.verdict.conflicts if change.verdict is not None else ()
        at = entry.position
        cells = (
            entry.offset, place, entry.kind.value, entry.peer or None, entry.to or None,
            f"{at.major}.{at.minor}{f' {at.text}' if at.text else ''}" if at is not None else None,
            time if 0 < time <= _TIME_MAX else None, _op(change), *images, bool(conflicts),
            _listed([shown_peer(one.winner) for one in conflicts]),
            _listed([one.rule for one in conflicts]), told({side: found for side, found in rest.items() if found}),
        )  # fmt: skip
        for column, cell in zip(self._columns, cells, strict=True):
            column.append(cell)
        self._last = entry.offset
        if len(self._columns[0]) >= self._group:
            self._flush()

    def _flush(self) -> None:
        if self._columns[0]:
            self._file.add(self._columns)
            self._columns = [[] for _ in self._columns]

    def close(self) -> int:
        """The part is whole; the last offset in it."""
        self._flush()
        self._file.close()
        return self._last


_TIME_MAX: Final = 253_402_300_799_999_999  # the last microsecond of the year 9999


def _op(change: Change) -> str:
    if change.after is None:
        return "delete"
    return "insert" if change.before is None else "update"


def _listed(words: Sequence[str]) -> str | None:
    return ", ".join(dict.fromkeys(words)) or None
