"""Digests of rows of an SQLite file: computed here, as there is no server, from columns as sqlite3 gives them."""

import sqlite3
from collections.abc import Sequence
from typing import Final, NamedTuple

from syncline.model.canonical import (
    Class,
    Total,
    Way,
    Written,
    classes_of,
    digest_rows,
    total_of,
    written,
    written_numbers,
)
from syncline.model.schema import Collection
from syncline.model.value import Key
from syncline.peers.protocol import Digest, Digests, Range
from syncline.peers.sqlite.convert import as_compared, read_columns
from syncline.peers.sqlite.reading import Source, read
from syncline.peers.sqlite.snapshot import key_range, moment, read_keys, read_range, source_of, with_keys

PIECE: Final = 8_000  # rows digested in one go; other work is done between two
_PASSED: Final = 32  # rows that are passed over in the time that one takes to be digested
_NUMBERS: Final = frozenset({int, float, type(None)})


class Asked(NamedTuple):
    """What is left of a question: ranges, of the first of which `begun` has been digested so far."""

    ranges: Sequence[Range]
    begun: Total | None = None


def digest_some(
    connection: sqlite3.Connection, peer: str, collection: Collection, asked: Asked, way: Way
) -> tuple[Digests, Asked]:
    """The digests of the first ranges, of about PIECE rows, and what is left. Call inside a snapshot."""
    source, classes = source_of(connection, collection, peer), classes_of(collection)
    found: list[Digest] = []
    at = moment(connection, peer)
    ranges, begun = asked
    room = PIECE
    for place, (after, upto) in enumerate(ranges):
        rows, _, whole = read_range(connection, source, after, upto, room + 1)
        done = whole and len(rows) <= room
        del rows[room:]
        begun = begun or Total(way)
        begun.add(_columns(source, rows, classes), len(rows))
        if not done:
            last = with_keys(collection, source, rows[-1:])[0][0]
            return Digests(tuple(found), *at), Asked([(last, upto), *ranges[place + 1 :]], begun)
        found.append(Digest(begun.count, begun.value))
        begun = None
        room -= len(rows)
        if room <= 0:
            return Digests(tuple(found), *at), Asked(ranges[place + 1 :])
    return Digests(tuple(found), *at), Asked(())


def _columns(source: Source, rows: Sequence[tuple[object, ...]], classes: Sequence[Class]) -> list[Written]:
    if not rows:
        return []
    return [
        _written(column, kind, loose=place in source.loose)
        for place, (column, kind) in enumerate(zip(zip(*rows, strict=True), classes, strict=True))
    ]


def _written(column: Sequence[object], kind: Class, *, loose: bool) -> Written:
    kinds = set(map(type, column))
    if float in kinds and kinds <= _NUMBERS and not loose:
        return written_numbers(column, kind)  # type: ignore[arg-type]
    (values,) = read_columns([column])
    return written(as_compared(values) if loose else values, kind)


def digests_of(
    connection: sqlite3.Connection, peer: str, collection: Collection, groups: Sequence[Sequence[Key]], way: Way
) -> Digests:
    """The digests of the rows of groups of keys. Call inside a snapshot."""
    chunk = read_keys(connection, peer, collection, list(dict.fromkeys(key for group in groups for key in group)))
    digests = digest_rows([row for _, row in chunk.rows], classes_of(collection), way.each)
    found = {key: digest for (key, _), digest in zip(chunk.rows, digests, strict=True)}
    some = [[found[key] for key in dict.fromkeys(group) if key in found] for group in groups]
    return Digests(tuple(Digest(len(one), total_of(one)) for one in some), chunk.position, chunk.watermark)


def fences(
    connection: sqlite3.Connection, peer: str, collection: Collection, piece: Range, size: int
) -> tuple[list[Key], bool]:
    """The first keys that cut a range into parts of `size` rows, and whether there are no more. Call inside a snapshot."""
    source = source_of(connection, collection, peer)
    loose = tuple(place for place, column in enumerate(collection.key_places) if column in source.loose)
    narrow = Source(source.table, source.identity, source.identity, loose)
    keys = Collection(collection.name, collection.key, collection.key)
    tail = f"ORDER BY {', '.join(source.identity)} LIMIT 2 OFFSET {size - 1}"
    after, upto = piece
    found: list[Key] = []
    for _ in range(max(1, PIECE * _PASSED // size)):
        conditions, params = key_range(source.identity, after, upto)
        rows = with_keys(keys, narrow, read(connection, narrow, f"{conditions} {tail}", params).rows)
        if len(rows) < 2:
            return found, True
        after = rows[0][0]
        found.append(after)
    return found, False
