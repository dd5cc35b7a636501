"""Reads rows of a collection: key ranges in canonical order, and single keys, from one snapshot with its position.

A commit is in the log a moment before other sessions see it, so a snapshot may lack what stands before its position. The
stream knows these transactions; their changes are put over the rows that were read.
"""

from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any, NamedTuple, cast

from psycopg.pq import Format

from syncline.model.block import Block, Series
from syncline.model.change import Change
from syncline.model.errors import PeerChanged
from syncline.model.key import order
from syncline.model.schema import Collection
from syncline.model.stamp import Offset, Position
from syncline.model.value import Key, Row
from syncline.peers.postgres.columns import column_reader_of
from syncline.peers.postgres.connect import Connection, Place
from syncline.peers.postgres.convert import Type, form_of, store
from syncline.peers.postgres.features import STATE, quote
from syncline.peers.postgres.footprint import END, position
from syncline.peers.postgres.inspect import Catalog, catalogs
from syncline.peers.postgres.ranges import compared, term
from syncline.peers.protocol import Chunk
from syncline.peers.receiving import received
from syncline.peers.storing import Unstorable

_FLUSHED = "pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_flush_lsn(), '0/0')::int8"
_MOMENT_SQL = f"SELECT pg_catalog.pg_current_snapshot()::text, {END}, (SELECT watermark FROM {STATE}), {_FLUSHED}"
_BARE_SQL = f"SELECT pg_catalog.pg_current_snapshot()::text, {END}, 0, {_FLUSHED}"
_XID = 2**32


class Moment(NamedTuple):
    """A snapshot: who it sees, the end of history just after it was taken, and the watermark in it."""

    xmax: int
    running: frozenset[int]
    position: Position
    watermark: Offset
    flushed: bool  # what stands before the position is on disk: only then a stream tells it

    def is_visible(self, xid: int) -> bool:
        """Whether the snapshot sees a committed transaction, by the low half of its number."""
        return xid not in self.running and (xid - self.xmax) % _XID >= _XID // 2


async def moment(connection: Connection, *, bare: bool = False, heard: bool = True) -> Moment:
    """Take the snapshot of the transaction that has just begun. `heard`: what users change there is captured."""
    cursor = await connection.execute((_BARE_SQL if bare else _MOMENT_SQL).encode(), ())
    row = await cursor.fetchone()
    assert row is not None
    text, end, watermark, flushed = row
    _, xmax, running = text.split(":")
    numbers = frozenset(int(number) % _XID for number in running.split(",") if number)
    where = position(end, watermark) if heard else received(watermark)
    return Moment(int(xmax) % _XID, numbers, where, watermark, flushed >= end)


async def flush(connection: Connection) -> None:
    """Have the server write its log to disk. What readers leave there (a pruned page) would else wait for its next round."""
    await connection.execute(b"SELECT pg_catalog.pg_logical_emit_message(true, 'syncline', '')")


class Source(NamedTuple):
    """A table to read rows from, with its types."""

    table: str
    columns: tuple[str, ...]
    types: tuple[Type, ...]
    key: tuple[str, ...]
    key_places: tuple[int, ...]

    @property
    def terms(self) -> list[str]:
        """What sorts the keys: as model.key.order does."""
        return [term(quote(name), self.types[place]) for name, place in zip(self.key, self.key_places, strict=True)]

    @property
    def select(self) -> str:
        """The SELECT up to its conditions."""
        return f"SELECT {', '.join(map(quote, self.columns))} FROM {self.table}"


async def source_of(connection: Connection, place: Place, collection: Collection) -> Source:
    """The table of a collection. Raises PeerChanged if there is none."""
    name = collection.table_at(place.peer)
    entry: Catalog | None = (await catalogs(connection, place.schema, [name])).get(name)
    if entry is None or not set(collection.columns) <= set(entry.types):
        what = "there is no such table" if entry is None else "the table lacks columns"
        hint = "create it, or correct 'at' in the configuration"
        raise PeerChanged(what, hint=hint, peer=place.peer, collection=collection.name, table=name)
    types = tuple(entry.types[column] for column in collection.columns)
    table = f"{quote(place.schema)}.{quote(name)}"
    return Source(table, collection.columns, types, collection.key, collection.key_places)


def key_range(source: Source, after: Key | None, upto: Key | None) -> tuple[str, list[str | None]]:
    """The WHERE clause of a key range; the server compares, by row values."""
    conditions = []
    params: list[str | None] = []
    for key, operator in ((after, ">"), (upto, "<=")):
        if key is not None:
            names = map(quote, source.key)
            kinds = (source.types[place] for place in source.key_places)
            sides = [compared(*one) for one in zip(names, key, kinds, strict=True)]
            params += [side.param for side in sides if "%s" in side.bound]
            left, right = ", ".join([side.term for side in sides]), ", ".join([side.bound for side in sides])
            conditions.append(f"({left}) {operator} ({right})")
    return f" WHERE {' AND '.join(conditions)}" if conditions else "", params


async def read_block(
    connection: Connection, source: Source, collection: str, after: Key | None, upto: Key | None, limit: int
) -> Block | None:
    """Up to `limit` rows with after < key <= upto, in key order, by columns; None if there are none."""
    where, params = key_range(source, after, upto)
    sql = f"{_escaped(source.select)}{_escaped_but(where)} ORDER BY {_escaped(', '.join(source.terms))} LIMIT {limit}"
    columns = await _columns(connection, source, sql, params)
    if not columns:
        return None
    pairs = zip(columns, source.types, strict=True)
    after_images = tuple([Series(form_of(kind.oid, kind.modifier), column, kind.tag) for column, kind in pairs])
    return Block(collection, source.key_places, (), after_images)


def chunk_of(
    collection: str, taken: Moment, block: Block | None, late: Sequence[Change], after: Key | None, limit: int, upto: Key | None
) -> Chunk:
    """The first `limit` rows of a block that was read from after < key <= upto, with what its snapshot did not see."""
    done = block is None or block.count <= limit
    if block is not None and not done:
        block = block.head(limit)
    end = upto if block is None or done else block.keys[-1]
    if block is not None and not any(change.collection == collection for change in late):
        return Chunk.of_block(block, block.keys[-1], done=done, position=taken.position, watermark=taken.watermark)
    read = list(zip(block.keys, block.images()[1], strict=True)) if block is not None else []
    rows = put_over(cast(list[tuple[Key, Row]], read), late, collection, after, end)
    last = end if not done else (rows[-1][0] if rows else None)
    return Chunk(tuple(rows), last, done, taken.position, taken.watermark)


async def read_range(
    connection: Connection, source: Source, after: Key | None, upto: Key | None, limit: int
) -> list[tuple[Key, Row]]:
    """Up to `limit` rows with after < key <= upto, in key order."""
    where, params = key_range(source, after, upto)
    sql = f"{_escaped(source.select)}{_escaped_but(where)} ORDER BY {_escaped(', '.join(source.terms))} LIMIT {limit}"
    return await read(connection, source, sql, params)


def _escaped(sql: str) -> str:
    return sql.replace("%", "%%")


def _escaped_but(sql: str) -> str:
    """Percent signs of names are doubled, placeholders are left."""
    return sql.replace("%", "%%").replace("%%s", "%s")


async def read(connection: Connection, source: Source, sql: str, params: Sequence[object]) -> list[tuple[Key, Row]]:
    """The rows of a query for the source's columns, each with its key."""
    texts = await _columns(connection, source, sql, params)
    if not texts:
        return []
    columns = [column_reader_of(kind.oid)(column) for column, kind in zip(texts, source.types, strict=True)]
    keys: list[Key] = list(zip(*(columns[place] for place in source.key_places), strict=True))
    return list(zip(keys, zip(*columns, strict=True), strict=True))


async def _columns(
    connection: Connection, source: Source, sql: str, params: Sequence[object]
) -> list[list[bytes | None]] | None:
    """The server's texts, column by column; None if there are no rows."""
    cursor = connection.cursor(binary=False)
    await cursor.execute(sql.encode(), params)
    result = cursor.pgresult
    if result is None or not result.ntuples:
        return None
    assert result.fformat(0) == Format.TEXT
    get, rows = result.get_value, range(result.ntuples)
    return [list(map(get, rows, repeat(place))) for place in range(len(source.types))]


async def read_keys(connection: Connection, source: Source, keys: Sequence[Key]) -> list[tuple[Key, Row]]:
    """The rows of single keys."""
    held = []
    for key in keys:
        try:
            held.append([store(value, source.types[place]) for value, place in zip(key, source.key_places, strict=True)])
        except Unstorable:
            continue  # what cannot be stored is not there
    if not held:
        return []
    names = [quote(name) for name in source.key]
    arrays = ", ".join(["%s::text[]"] * len(names))
    casts = ", ".join(f"k.k{place}::{source.types[at].name}" for place, at in enumerate(source.key_places))
    aliases = ", ".join(f"k{place}" for place in range(len(names)))
    where = f" WHERE ({', '.join(names)}) IN (SELECT {casts} FROM unnest({arrays}) AS k({aliases}))"
    params = [list(column) for column in zip(*held, strict=True)]
    found = await read(connection, source, _escaped(source.select) + _escaped_but(where), params)
    wanted = set(keys)
    return [pair for pair in found if pair[0] in wanted]


def put_over(
    rows: Iterable[tuple[Key, Row]], changes: Sequence[Change], collection: str, after: Key | None, upto: Key | None
) -> list[tuple[Key, Row]]:
    """The rows of a range with changes made to them that the snapshot did not see."""
    found = dict(rows)
    for change in changes:
        if change.collection != collection or (after is not None and order(change.key) <= order(after)):
            continue
        if upto is not None and order(change.key) > order(upto):
            continue
        if change.after is None:
            found.pop(change.key, None)
        else:
            found[change.key] = change.after
    return sorted(found.items(), key=lambda pair: order(pair[0]))


async def count_range(connection: Connection, source: Source, after: Key | None, upto: Key | None) -> int:
    """How many rows a range has."""
    where, params = key_range(source, after, upto)
    cursor = await connection.execute(f"SELECT count(*) FROM {_escaped(source.table)}{_escaped_but(where)}".encode(), params)
    row: Any = await cursor.fetchone()
    return int(row[0])
