"""Reads rows of a collection: key ranges in the engine's own order, and single keys, from one snapshot with its position."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain

from syncline.model.errors import PeerChanged
from syncline.model.schema import Collection
from syncline.model.stamp import Offset, Position
from syncline.model.value import Key, Row, Value
from syncline.peers.protocol import Chunk
from syncline.peers.sqlite.convert import Native, as_compared, bind, read_columns
from syncline.peers.sqlite.footprint import read_end, read_state
from syncline.peers.sqlite.inspect import kind_of_table
from syncline.peers.sqlite.layout import loose_places
from syncline.peers.sqlite.reading import Rows, Source, columns_of, read
from syncline.peers.storing import Unstorable

_KEYS_A_TIME = 200


@contextmanager
def snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """All reads of the block see one moment."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def source_of(connection: sqlite3.Connection, collection: Collection, peer: str) -> Source:
    """The table of a collection. Raises PeerChanged if there is none."""
    table = collection.table_at(peer)
    if kind_of_table(connection, table) != "table":
        hint = "create it, or correct 'at' in the configuration"
        raise PeerChanged("there is no such table", hint=hint, peer=peer, collection=collection.name, table=table)
    loose = loose_places(connection, table, collection.columns, collection.key)
    return columns_of(table, collection.columns, collection.key, loose)


def moment(connection: sqlite3.Connection, peer: str) -> tuple[Position, Offset]:
    """The end of the history and the watermark, as of the snapshot that is open."""
    state = read_state(connection, peer)
    return (read_end(connection), state.watermark) if state is not None else (Position(0), 0)


def read_chunk(
    connection: sqlite3.Connection, peer: str, collection: Collection, after: Key | None, limit: int, upto: Key | None
) -> Chunk:
    """See the protocol. Call inside a snapshot."""
    source = source_of(connection, collection, peer)
    found = read_range(connection, source, after, upto, limit + 1)
    rows = with_keys(collection, source, found.rows[:limit])
    done = found.whole and len(found.rows) <= limit
    return Chunk(tuple(rows), rows[-1][0] if rows else None, done, *moment(connection, peer))


def read_range(connection: sqlite3.Connection, source: Source, after: Key | None, upto: Key | None, limit: int) -> Rows:
    """Up to `limit` rows with after < key <= upto, in key order."""
    conditions, params = key_range(source.identity, after, upto)
    order = ", ".join(source.identity)
    return read(connection, source, f"{conditions} ORDER BY {order} LIMIT {limit}", params)


def key_range(identity: Sequence[str], after: Key | None, upto: Key | None) -> tuple[str, list[Native]]:
    """The WHERE clause of a key range; the engine compares, by row values."""
    conditions = []
    params: list[Native] = []
    for key, operator in ((after, ">"), (upto, "<=")):
        if key is not None:
            held = [_bind(value) for value in key]
            conditions.append(f"({', '.join(identity)}) {operator} ({', '.join(holder for holder, _ in held)})")
            params += [value for _, value in held]
    return f"WHERE {' AND '.join(conditions)}" if conditions else "", params


def _bind(value: Value) -> tuple[str, Native]:
    """A key of another peer may be of any kind; what this one cannot hold, it compares as text."""
    try:
        return bind(value, "BLOB")
    except Unstorable:
        return "?", str(value)


def with_keys(collection: Collection, source: Source, rows: Sequence[tuple[object, ...]]) -> list[tuple[Key, Row]]:
    """Rows as the model has them, each with its key."""
    if not rows:
        return []
    columns = read_columns(list(zip(*rows, strict=True)))
    for place in source.loose:
        columns[place] = as_compared(columns[place])
    keys: list[Key] = list(zip(*(columns[place] for place in collection.key_places), strict=True))
    return list(zip(keys, zip(*columns, strict=True), strict=True))


def read_keys(connection: sqlite3.Connection, peer: str, collection: Collection, keys: Sequence[Key]) -> Chunk:
    """The rows of single keys. Call inside a snapshot."""
    source = source_of(connection, collection, peer)
    rows: list[tuple[Key, Row]] = []
    for start in range(0, len(keys), _KEYS_A_TIME):
        rows += with_keys(collection, source, _some(connection, source, keys[start : start + _KEYS_A_TIME]))
    wanted = set(keys)  # a column may take '1' for 1, which is another key to us
    found = tuple(pair for pair in rows if pair[0] in wanted)
    return Chunk(found, found[-1][0] if found else None, True, *moment(connection, peer))


def _some(connection: sqlite3.Connection, source: Source, keys: Sequence[Key]) -> list[tuple[object, ...]]:
    held = [[_bind(value) for value in key] for key in keys]
    names = ", ".join(source.identity)
    if len(source.identity) == 1:
        where = f"{names} IN ({', '.join(holder for ((holder, _),) in held)})"
    else:
        where = f"({names}) IN (VALUES {', '.join('(' + ', '.join(holder for holder, _ in key) + ')' for key in held)})"
    params = [value for _, value in chain.from_iterable(held)]
    found = read(connection, source, f"WHERE {where}", params)
    if found.whole:
        return found.rows
    half = len(keys) // 2  # rows so large that not all were read at once
    if not half:
        return found.rows
    return _some(connection, source, keys[:half]) + _some(connection, source, keys[half:])


def count_range(connection: sqlite3.Connection, source: Source, after: Key | None, upto: Key | None) -> int:
    """How many rows a range has."""
    conditions, params = key_range(source.identity, after, upto)
    return int(connection.execute(f"SELECT count(*) FROM {source.table} {conditions}", params).fetchone()[0])
