"""Reads rows in bounded pieces: fast while they are ordinary, one by one where a text is not UTF-8 or a value is huge.

The fast way lets sqlite3 build whole tuples; SQLite itself refuses values above a limit, so memory stays bounded.
A value too large to travel becomes a marker, which no peer can store: its row is parked there, with the size.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple, TypeAlias

from syncline.model.limits import CAPTURE_BYTES_MAX, CAPTURE_VALUE_BYTES_MAX, VALUE_BYTES_MAX
from syncline.model.value import Tagged
from syncline.peers.sqlite.connect import primary_code
from syncline.peers.sqlite.convert import OVERSIZE, decode_text, size_of
from syncline.peers.sqlite.features import quote

Native: TypeAlias = tuple[object, ...]
_PIECE: Final = 64
_SAMPLE: Final = 8


class Rows(NamedTuple):
    """What was read, about how many bytes it takes, and whether it is all that was asked for."""

    rows: list[Native]
    size: int
    whole: bool


class Source(NamedTuple):
    """Where rows come from: SELECT `columns` FROM `table` `tail`; `names` are the columns' plain names.

    `identity` are the columns that find one row again; `loose` are places of key columns, see Layout.
    """

    table: str
    columns: tuple[str, ...]
    identity: tuple[str, ...]
    loose: tuple[int, ...] = ()


def read(connection: sqlite3.Connection, source: Source, tail: str, params: Sequence[object]) -> Rows:
    """The rows that `tail` selects, as tuples of the source's columns; about CAPTURE_BYTES_MAX of them, at least one row."""
    sql = f"SELECT {', '.join(source.columns)} FROM {source.table} {tail}"
    try:
        with _limited(connection, CAPTURE_VALUE_BYTES_MAX):
            return _fast(connection.execute(sql, params))
    except sqlite3.DataError as error:
        if primary_code(error) != sqlite3.SQLITE_TOOBIG:
            raise
    except sqlite3.OperationalError as error:
        if primary_code(error) or "decode" not in str(error):
            raise
    connection.text_factory = decode_text
    try:
        with _limited(connection, VALUE_BYTES_MAX):
            return _careful(connection, source, tail, params)
    finally:
        connection.text_factory = str


@contextmanager
def _limited(connection: sqlite3.Connection, value_bytes: int) -> Iterator[None]:
    """No value larger than this is read in the block: SQLite refuses it before it takes memory."""
    before = connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, value_bytes)
    try:
        yield
    finally:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, before)


def _fast(cursor: sqlite3.Cursor) -> Rows:
    rows: list[Native] = []
    size = 0
    while piece := cursor.fetchmany(_PIECE):
        rows += piece
        sample = piece[::_SAMPLE]
        size += sum(map(size_of, sample)) * len(piece) // len(sample)
        if size >= CAPTURE_BYTES_MAX:
            cursor.close()
            return Rows(rows, size, whole=False)
    return Rows(rows, size, whole=True)


def _careful(connection: sqlite3.Connection, source: Source, tail: str, params: Sequence[object]) -> Rows:
    identity = ", ".join(source.identity)
    found = connection.execute(f"SELECT {identity} FROM {source.table} {tail}", params).fetchall()
    rows: list[Native] = []
    size = 0
    for name in found:
        row = _row(connection, source, name)
        if row is not None:
            rows.append(row)
            size += size_of(row)
        if size >= CAPTURE_BYTES_MAX:
            return Rows(rows, size, whole=False)
    return Rows(rows, size, whole=True)


def _row(connection: sqlite3.Connection, source: Source, name: Native) -> Native | None:
    holders = " AND ".join(f"{column} IS {_holder(value)}" for column, value in zip(source.identity, name, strict=True))
    where = f"FROM {source.table} WHERE {holders}"
    params = [bytes.fromhex(value.text) if isinstance(value, Tagged) else value for value in name]

    def select(what: str) -> Native | None:
        found: Native | None = connection.execute(f"SELECT {what} {where}", params).fetchone()
        return found

    try:
        return select(", ".join(source.columns))
    except sqlite3.DataError as error:
        if primary_code(error) != sqlite3.SQLITE_TOOBIG:
            raise
    return tuple(_value(select, column) for column in source.columns)


def _holder(value: object) -> str:
    return "CAST(? AS TEXT)" if isinstance(value, Tagged) else "?"


def _value(select: Callable[[str], Native | None], column: str) -> object:
    try:
        row = select(column)
    except sqlite3.DataError as error:
        if primary_code(error) != sqlite3.SQLITE_TOOBIG:
            raise
        row = select(f"typeof({column}), CASE typeof({column}) WHEN 'blob' THEN length({column}) END")
        kind, size = row or ("value", None)
        told = f"{size} bytes" if size else f"more than {VALUE_BYTES_MAX} bytes"
        return Tagged(OVERSIZE, f"a {kind} of {told}, the limit is {VALUE_BYTES_MAX}")
    return row[0] if row else None


def columns_of(table: str, names: Sequence[str], key: Sequence[str], loose: tuple[int, ...] = ()) -> Source:
    """A source over plain columns of a user's table."""
    return Source(quote(table), tuple(map(quote, names)), tuple(map(quote, key)), loose)
