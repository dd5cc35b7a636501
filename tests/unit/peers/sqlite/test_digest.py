"""Digests of an SQLite file are those of its rows as they are read: whatever its columns hold, and however it is cut."""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.peers.sqlite.office import run
from tests.unit.peers.sqlite.test_snapshot import MIXED, fill, values, walk

from syncline.model.canonical import Way, classes_of, digest_rows, total_of
from syncline.model.limits import CAPTURE_BYTES_MAX, CAPTURE_VALUE_BYTES_MAX
from syncline.model.schema import Collection, Kind
from syncline.model.value import Key, Value
from syncline.peers.digest import ReadsDigests
from syncline.peers.protocol import Digest, Range
from syncline.peers.sqlite import SqlitePeer, digest, open_peer
from syncline.peers.sqlite.snapshot import read_range, source_of, with_keys

WAY: Final = Way(salt="0123456789abcdef")
KINDS: Final = (Kind.INTEGER, Kind.REAL, Kind.DECIMAL, Kind.BYTES, Kind.TEXT, Kind.ANY)
rows_of_values: Final = st.lists(st.tuples(values, values | st.none(), values), max_size=20)


def digested(connection: sqlite3.Connection, table: Collection, ranges: Sequence[Range]) -> list[Digest]:
    """What comes out, whatever the pieces."""
    found: list[Digest] = []
    left = digest.Asked(ranges)
    while left.ranges:
        some, left = digest.digest_some(connection, "here", table, left, WAY)
        found += some.parts
    return found


@settings(max_examples=300, deadline=None)
@given(rows_of_values, st.tuples(*[st.sampled_from(KINDS)] * 3), st.integers(1, 7), st.integers(1, 5))
def test_d27_digests_of_whatever_columns_hold_are_those_of_the_rows(
    rows: list[tuple[Value, Value, Value]], kinds: tuple[Kind, ...], piece: int, step: int
) -> None:
    file = fill(rows)
    table = Collection("t", MIXED.columns, MIXED.key, kinds)
    keys = walk(file.sql, 100)
    ranges: list[Range] = list(pairwise([None, *keys[::step], None]))
    source = source_of(file.sql, table, "here")
    read = [[row for _, row in with_keys(table, source, read_range(file.sql, source, *one, 100).rows)] for one in ranges]
    expected = [Digest(len(some), total_of(digest_rows(some, classes_of(table), WAY))) for some in read]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(digest, "PIECE", piece)
        assert digested(file.sql, table, ranges) == expected
        assert digested(file.sql, table, [(None, None)])[0].count == len(keys)


TABLES: Final = {
    "rowids": "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT, c)",
    "texts": "CREATE TABLE t (a TEXT PRIMARY KEY NOT NULL, b NUMERIC, c REAL)",
    "loose": "CREATE TABLE t (a NUMERIC PRIMARY KEY NOT NULL, b DECIMAL, c BLOB)",
    "pairs": "CREATE TABLE t (c, b NOT NULL, a TEXT NOT NULL, PRIMARY KEY (a, b)) WITHOUT ROWID",
}
KEYS: Final[dict[str, Callable[[int], object]]] = {
    "texts": lambda n: f"\u00e4'%s{n:04d}",
    "loose": lambda n: n + 0.5 if n % 2 else n,
}


def made(path: Path, name: str, count: int) -> SqlitePeer:
    """A file with a table of so many rows, and the peer for it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as sql:
        sql.execute(TABLES[name])
        key = KEYS.get(name) or int
        sql.execute("BEGIN")
        extras = (None, 1.25, "x\0;\u00df", b"\x00\xff", -0.0, 1e-7, 12)
        for n in range(count):
            row = (key(n), f"b{n}", extras[n % len(extras)])
            sql.execute("INSERT INTO t (a, b, c) VALUES (?, ?, ?)", row)
        sql.execute("COMMIT")
    return open_peer("here", f"sqlite:///{path}")


async def ready(peer: SqlitePeer) -> Collection:
    """Its table, with kinds."""
    await peer.connect()
    table = (await peer.inspect())["t"]
    return Collection("t", tuple(one.name for one in table.columns), table.key, tuple(one.kind for one in table.columns))


@pytest.mark.parametrize("name", TABLES)
def test_ranges_fences_and_groups_are_those_of_a_peer_that_reads(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        peer = made(tmp_path / "file.db", name, 700)
        table = await ready(peer)
        keys = [key for key, _ in (await peer.chunk(table, None, 1000)).rows]
        assert len(keys) == 700
        for piece in (1, 64, 8_000):
            monkeypatch.setattr(digest, "PIECE", piece)
            ends: list[Range] = [(None, None), (keys[3], keys[600]), (keys[5], keys[5]), (keys[-1], None)]
            for size in (50, 100, 699, 700, 701):
                assert await peer.fences(table, ends, size) == await ReadsDigests.fences(peer, table, ends, size)
            ranges = [*pairwise([None, *keys[::30], None]), *ends]
            assert await peer.digests(table, ranges, WAY) == await ReadsDigests.digests(peer, table, ranges, WAY)
        groups: list[list[Key]] = [keys[:300], keys[290:310] * 2, [], [("none",) * len(table.key), *keys]]
        sums = await peer.digests_of(table, groups, WAY)
        assert sums == await ReadsDigests.digests_of(peer, table, groups, WAY)
        assert [part.count for part in sums.parts] == [300, 20, 0, 700]
        await peer.close()

    run(work())


def test_digests_are_made_of_columns_and_not_of_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        peer = made(tmp_path / "file.db", "rowids", 100)
        table = await ready(peer)

        async def refused(*_: object) -> None:
            raise AssertionError

        monkeypatch.setattr(peer, "chunk", refused)
        monkeypatch.setattr(peer, "rows", refused)
        assert (await peer.digests(table, [(None, None)], WAY)).parts[0].count == 100
        assert (await peer.digests_of(table, [[(1,), (2,)]], WAY)).parts[0].count == 2
        assert await peer.fences(table, [(None, None)], 50) == [[(49,)]]
        await peer.close()

    run(work())


def test_large_rows_and_texts_that_are_not_utf8_are_digested_a_few_at_a_time(tmp_path: Path) -> None:
    async def work() -> None:
        peer = made(tmp_path / "file.db", "rowids", 40)
        with closing(sqlite3.connect(tmp_path / "file.db")) as sql:
            sql.execute("UPDATE t SET c = zeroblob(?) WHERE a % 3 = 0", (CAPTURE_BYTES_MAX // 8,))
            sql.execute("UPDATE t SET b = CAST(x'ff61' AS TEXT) WHERE a % 7 = 0")
            sql.execute("UPDATE t SET c = zeroblob(?) WHERE a = 5", (CAPTURE_VALUE_BYTES_MAX + 1,))
            sql.commit()
        table = await ready(peer)
        ranges: list[Range] = [(None, (4,)), ((4,), (30,)), ((30,), None)]
        found = await peer.digests(table, ranges, WAY)
        assert [part.count for part in found.parts] == [5, 26, 9]
        assert found == await ReadsDigests.digests(peer, table, ranges, WAY)
        keys: list[Key] = [(n,) for n in range(40)]
        assert (await peer.digests_of(table, [keys], WAY)).parts[0].total == total_of(part.total for part in found.parts)
        await peer.close()

    run(work())


def test_a_file_that_is_not_made_yet_has_no_rows(tmp_path: Path) -> None:
    async def work() -> None:
        peer = open_peer("here", f"sqlite:///{tmp_path}/new.db?create=1")
        await peer.connect()
        table = Collection("t", ("a",), ("a",))
        none = (Digest(0, 0),)
        assert (await peer.digests(table, [(None, None)], WAY)).parts == none
        assert (await peer.digests_of(table, [[(1,)]], WAY)).parts == none
        assert await peer.fences(table, [(None, None)], 5) == [[]]
        await peer.close()

    run(work())
