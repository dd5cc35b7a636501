"""Reads rows of a collection: key ranges in canonical order, and single keys, from one snapshot with its position.

MariaDB tells the place in its binary log that a snapshot belongs to. MySQL does not: there somebody keeps the table from being
written until the snapshot is taken. Everything here blocks and is run in the session's thread.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final, NamedTuple

import pymysql

from syncline.model.block import Block, Series
from syncline.model.errors import PeerChanged
from syncline.model.forms import PLAIN
from syncline.model.schema import Collection
from syncline.model.stamp import Offset, Position
from syncline.model.value import Key, Row, Value
from syncline.peers.mysql import history
from syncline.peers.mysql.columns import column_reader_of
from syncline.peers.mysql.connect import Connection, Place, fetch
from syncline.peers.mysql.convert import Type, literal, selected
from syncline.peers.mysql.features import STATE, Server, quote
from syncline.peers.mysql.history import Spot
from syncline.peers.mysql.inspect import catalogs
from syncline.peers.mysql.ranges import Compared, compared, term
from syncline.peers.mysql.textrows import read, read_columns
from syncline.peers.receiving import received
from syncline.peers.storing import Unstorable

_BEGIN: Final = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"
_SPOT_SQL: Final = "SHOW STATUS LIKE 'binlog\\_snapshot\\_%'"
_KEYS_MAX: Final = 500  # in one question; from 1,000 on MariaDB makes a table of them


class Moment(NamedTuple):
    """A snapshot: the end of history in it, and the watermark."""

    position: Position
    watermark: Offset


@contextmanager
def moment(connection: Connection, server: Server, *, bare: bool, heard: bool) -> Iterator[Moment]:
    """All reads of the block see one moment. `bare`: there is no footprint. `heard`: what users change there is captured."""
    try:
        yield begin(connection, server, bare=bare, heard=heard)
    finally:
        end(connection)


def begin(connection: Connection, server: Server, *, bare: bool, heard: bool) -> Moment:
    """From here on all reads see one moment, until `end`."""
    connection.query(_BEGIN)
    watermark = 0 if bare else int(fetch(connection, f"SELECT watermark FROM {STATE}")[0][0])
    if not heard:
        return Moment(received(watermark), watermark)
    spot = _spot(connection) if server.mariadb else history.end_of(connection, server)
    file, offset = spot or Spot("", 0)
    return Moment(history.position(file, offset, watermark), watermark)


def end(connection: Connection) -> None:
    """Let go of the moment."""
    with suppress(pymysql.err.Error, OSError):
        connection.query("ROLLBACK")


def _spot(connection: Connection) -> Spot:
    found = {name.lower(): value for name, value in fetch(connection, _SPOT_SQL)}
    return Spot(found.get("binlog_snapshot_file", ""), int(found.get("binlog_snapshot_position") or 0))


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
        named = (selected(quote(name), kind) for name, kind in zip(self.columns, self.types, strict=True))
        return f"SELECT {', '.join(named)} FROM {self.table}"


def source_of(connection: Connection, server: Server, place: Place, collection: Collection) -> Source:
    """The table of a collection. Raises PeerChanged if there is none."""
    name = collection.table_at(place.peer)
    entry = catalogs(connection, server, [name]).get(name)
    if entry is None or not set(collection.columns) <= set(entry.types):
        what = "there is no such table" if entry is None else "the table lacks columns"
        hint = "create it, or correct 'at' in the configuration"
        raise PeerChanged(what, hint=hint, peer=place.peer, collection=collection.name, table=name)
    types = tuple(entry.types[column] for column in collection.columns)
    return Source(quote(name), collection.columns, types, collection.key, collection.key_places)


def key_range(source: Source, after: Key | None, upto: Key | None) -> bytes:
    """The WHERE clause of a key range: written out column by column, as only that is looked up in an index."""
    conditions = []
    for key, operator in ((after, b">"), (upto, b"<")):
        if key is not None:
            kinds = (source.types[place] for place in source.key_places)
            sides = [compared(*one) for one in zip(map(quote, source.key), key, kinds, strict=True)]
            conditions.append(_beyond(sides, operator))
    return b" WHERE " + b" AND ".join(conditions) if conditions else b""


def _beyond(sides: Sequence[Compared], operator: bytes) -> bytes:
    term, bound = sides[0]
    if len(sides) == 1:
        return b"%s %s%s %s" % (term, operator, b"=" if operator == b"<" else b"", bound)
    rest = _beyond(sides[1:], operator)
    return b"%s %s= %s AND (%s %s %s OR (%s = %s AND %s))" % (term, operator, bound, term, operator, bound, term, bound, rest)


def read_range(
    connection: Connection, source: Source, after: Key | None, upto: Key | None, limit: int
) -> list[tuple[Key, Row]]:
    """Up to `limit` rows with after < key <= upto, in key order."""
    where = key_range(source, after, upto)
    tail = f" ORDER BY {', '.join(source.terms)} LIMIT {limit}"
    return rows_of(connection, source, source.select.encode() + where + tail.encode())


def read_block(
    connection: Connection, source: Source, collection: str, after: Key | None, upto: Key | None, limit: int
) -> Block | None:
    """Up to `limit` rows with after < key <= upto, in key order, by columns; None if there are none."""
    tail = f" ORDER BY {', '.join(source.terms)} LIMIT {limit}"
    columns = _columns(connection, source, source.select.encode() + key_range(source, after, upto) + tail.encode())
    return Block(collection, source.key_places, (), tuple([Series(PLAIN, one) for one in columns])) if columns else None


def _columns(connection: Connection, source: Source, sql: bytes) -> list[Sequence[Value]]:
    """The values of a query for the source's columns, column by column; none if there are no rows."""
    raw = read_columns(connection, sql)
    return [column_reader_of(kind)(part) for kind, part in zip(source.types, raw, strict=True)] if raw else []


def rows_of(connection: Connection, source: Source, sql: bytes) -> list[tuple[Key, Row]]:
    """The rows of a query for the source's columns, each with its key."""
    columns = _columns(connection, source, sql)
    if not columns:
        return []
    keys: list[Key] = list(zip(*(columns[place] for place in source.key_places), strict=True))
    return list(zip(keys, zip(*columns, strict=True), strict=True))


def read_keys(connection: Connection, source: Source, keys: Sequence[Key]) -> list[tuple[Key, Row]]:
    """The rows of single keys."""
    found: list[tuple[Key, Row]] = []
    for where in lookups(source, keys):
        found += rows_of(connection, source, source.select.encode() + where)
    wanted = set(keys)
    return [pair for pair in dict(found).items() if pair[0] in wanted]


def lookups(source: Source, keys: Sequence[Key]) -> Iterator[bytes]:
    """The WHERE clauses that find these keys, some each; what they find besides is to be left out."""
    kinds = [source.types[place] for place in source.key_places]
    held = []
    for key in keys:
        with suppress(Unstorable):  # what cannot be stored is not there
            held.append(list(map(literal, key, kinds)))
    names = [quote(name).encode() for name in source.key]
    # MariaDB does not find texts of another character set among pairs
    strange = len(names) > 1 and any(kind.charset not in ("", "utf8mb4") for kind in kinds)
    for start in range(0, len(held), _KEYS_MAX):
        some = held[start : start + _KEYS_MAX]
        if strange:
            each = (b" AND ".join(map(b"%s = %s".__mod__, zip(names, key, strict=True))) for key in some)
            yield b" WHERE " + b" OR ".join(each)
        else:
            each = (b"(" + b",".join(key) + b")" for key in some)
            yield b" WHERE (%s) IN (%s)" % (b", ".join(names), b",".join(each))


def count_range(connection: Connection, source: Source, after: Key | None, upto: Key | None) -> int:
    """How many rows a range has."""
    ((count,),) = read(connection, b"SELECT count(*) FROM " + source.table.encode() + key_range(source, after, upto))
    return int(count or 0)
