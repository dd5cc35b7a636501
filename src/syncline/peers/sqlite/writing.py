"""Writes in bulk: the rows of a Write as a few wide statements, so that SQLite works long stretches without the interpreter.

Rows with a value that needs care (not storable as it is, not UTF-8, not sent) are left to the careful way.
"""

import sqlite3
from collections.abc import Sequence
from functools import partial
from itertools import chain
from typing import Final

import msgspec

from syncline.model.write import Op, Write
from syncline.peers.sqlite import statement
from syncline.peers.sqlite.convert import Native, bulk, size_of, store
from syncline.peers.sqlite.statement import Target
from syncline.peers.storing import columns_of, one_by_one

SIZES: Final = (500, 100, 20, 4, 1)  # rows per statement: few different texts, so that prepared ones are used again
BYTES_MAX: Final = 4 * 1024 * 1024  # SQLite copies what is bound
VARIABLES_MAX: Final = 32_000  # of SQLite's own default of 32766

Setbacks: Final = (sqlite3.IntegrityError, sqlite3.DataError, OverflowError, UnicodeEncodeError)


class Prepared(msgspec.Struct, frozen=True):
    """A write ready to bind. `places[i]` is where row i stands in the write; `odd` are places that need care."""

    write: Write
    target: Target
    places: Sequence[int]
    rows: Sequence[tuple[Native, ...]]
    odd: Sequence[int]


def prepare(write: Write, target: Target) -> Prepared:
    """Convert a write's values by columns."""
    key = target.collection.key
    columns = columns_of(write, len(key))
    columns_names = _names(write, key)
    odd: set[int] = set()
    ready: list[Sequence[Native]] = []
    for name, column in zip(columns_names, columns, strict=True):
        affinity = target.affinity(name)
        found = bulk(column, affinity)
        ready.append(one_by_one(column, partial(store, affinity=affinity), odd) if found is None else found)
    rows = list(zip(*ready, strict=True)) if ready else []
    if not odd:
        return Prepared(write, target, range(len(write.keys)), rows, ())
    places = [place for place in range(len(write.keys)) if place not in odd]
    return Prepared(write, target, places, [rows[place] for place in places], sorted(odd))


def _names(write: Write, key: tuple[str, ...]) -> tuple[str, ...]:
    match write.op:
        case Op.UPSERT:
            return write.fields
        case Op.UPDATE:
            return (*key, *write.fields, *write.deltas)
        case Op.DELETE:
            return key


def execute(connection: sqlite3.Connection, prepared: Prepared, start: int, stop: int) -> None:
    """Write rows start..stop of a prepared write. Raises one of Setbacks, then nothing of the failing statement stands."""
    write, target, rows = prepared.write, prepared.target, prepared.rows
    sample = rows[start:stop:64]
    largest = max(1, BYTES_MAX * max(1, len(sample)) // (sum(map(size_of, sample)) or 1))
    width = max(1, len(rows[start]) if stop > start else 1)
    largest = min(largest, VARIABLES_MAX // width)
    for size in SIZES:
        while stop - start >= size and (size <= largest or size == 1):
            piece = rows[start : start + size]
            connection.execute(_sql(write, target, size), list(chain.from_iterable(piece)))
            start += size


def _sql(write: Write, target: Target, rows: int) -> str:
    key = target.collection.key
    match write.op:
        case Op.UPSERT:
            return statement.upsert(target.table, key, write.fields, rows)
        case Op.UPDATE:
            return statement.update(target.table, key, write.fields, write.deltas, rows)
        case Op.DELETE:
            return statement.delete(target.table, key, rows)
