"""Digests by the server: indexes are used, and what the server would cut or rewrite is read instead of being passed over."""

from collections.abc import Callable, Coroutine
from itertools import pairwise
from typing import Any

import pytest
from tests.unit.peers.mysql.database import Database, database, numbers, story
from tests.unit.peers.mysql.test_digest import WAY, Watched, agrees, ready

from syncline.model.value import Key
from syncline.peers.digest import ReadsDigests
from syncline.peers.mysql import MysqlPeer
from syncline.peers.protocol import Range

FILLED = f"SELECT concat('k', lpad(seq DIV 100, 4, '0')), seq FROM {numbers(20000)}"
TEXT_KEY = "CREATE TABLE t (a varchar(20) COLLATE utf8mb4_nopad_bin NOT NULL, b bigint NOT NULL, PRIMARY KEY (a, b))"


async def _touched(peer: MysqlPeer, work: Callable[[], Coroutine[Any, Any, object]]) -> int:
    """How many rows of tables a piece of work looked at; rows that were made on the way are not among them."""
    assert peer._reader is not None
    counts = []
    for _ in range(2):
        rows = await peer._reader.fetch("SHOW SESSION STATUS LIKE 'Handler_read%'")
        counts.append(sum(int(count) for name, count in rows if name not in ("Handler_read_rnd_deleted",)))
        if len(counts) == 1:
            await work()
    return counts[1] - counts[0]


def test_ranges_keys_and_fences_are_looked_up_by_the_index() -> None:
    async def work() -> None:
        async with database(TEXT_KEY, f"INSERT INTO t {FILLED}") as base:
            peer, table = await ready(base)
            bounds: list[Key] = [(f"k{n // 100:04d}", n) for n in range(15_000, 15_500, 50)]
            ranges: list[Range] = list(pairwise(bounds))
            nothing = await _touched(peer, lambda: peer.digests(table, [], WAY))
            assert await _touched(peer, lambda: peer.digests(table, ranges, WAY)) - nothing < 1500
            found = await peer.digests(table, ranges, WAY)
            assert [part.count for part in found.parts] == [50] * 9
            assert await _touched(peer, lambda: peer.digests_of(table, [bounds], WAY)) - nothing < 300
            assert (await peer.digests_of(table, [bounds], WAY)).parts[0].count == 10
            one: Range = (("k0150", 15_000), ("k0153", 15_399))
            assert await _touched(peer, lambda: peer.fences(table, [one], 64)) - nothing < 900

    story(work)


def test_rows_of_keys_that_the_index_sorts_otherwise_are_looked_at_once_for_many_ranges() -> None:
    """Not once for each range."""

    async def work() -> None:
        async with database(
            "CREATE TABLE t (k uuid PRIMARY KEY, n int)",
            f"INSERT INTO t SELECT concat(lpad(hex(seq), 8, '0'), '-0000-1000-8000-000000000000'), seq FROM {numbers(4000)}",
        ) as base:
            peer, table = await ready(base)
            cuts = (await peer.fences(table, [(None, None)], 50))[0]
            assert len(cuts) == 79
            ranges: list[Range] = list(pairwise([None, *cuts, None]))
            assert await agrees(peer, table, ranges)
            assert await _touched(peer, lambda: peer.digests(table, ranges, WAY)) < 20_000

    story(work)


def _wide(column: str, *values: str) -> tuple[str, ...]:
    rows = ", ".join(f"({n}, {value})" for n, value in enumerate(values))
    return f"CREATE TABLE t (id int PRIMARY KEY, v {column})", f"INSERT INTO t VALUES {rows}"


@pytest.mark.parametrize(
    "statements",
    [
        _wide("longblob", "'a'", "REPEAT(x'ff', 600000)"),
        _wide("longtext", "REPEAT('\u00e4', 530000)", "'a'"),
        _wide("mediumtext CHARACTER SET latin1", "REPEAT('\u00e4', 530000)"),
        _wide("mediumtext CHARACTER SET cp1251", "REPEAT('\u0436', 530000)"),
        _wide("longtext DEFAULT REPEAT('a', 600000), w longtext DEFAULT REPEAT('b', 500000)", "DEFAULT, DEFAULT"),
    ],
    ids=["bytes", "text", "latin1", "cp1251", "together"],
)
def test_rows_that_are_longer_than_the_server_puts_together_are_read(
    statements: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would make NULL of them, so that a change there would not be seen."""

    async def work() -> None:
        async with database(*statements) as base:
            ((before,),) = base.run("SELECT @@GLOBAL.max_allowed_packet")
            base.run("SET GLOBAL max_allowed_packet = 1048576")
            try:
                peer, table = await ready(base)
            finally:
                base.run(f"SET GLOBAL max_allowed_packet = {before}")
            watched = Watched(peer, monkeypatch)
            found = await peer.digests(table, [(None, None)], WAY)
            keys: list[Key] = [(0,), (1,)]
            sums = await peer.digests_of(table, [keys], WAY)
            assert watched.reads >= 2
            assert sums.parts == found.parts
            assert found == await ReadsDigests.digests(peer, table, [(None, None)], WAY)
            await _change(base)
            assert (await peer.digests(table, [(None, None)], WAY)).parts != found.parts

    story(work)


async def _change(base: Database) -> None:
    base.run("UPDATE t SET v = CONCAT(LEFT(v, 1000), 'x', SUBSTR(v, 1002))")


def test_values_that_are_too_large_to_travel_are_read() -> None:
    """Their rows carry a marker in place of the value."""

    async def work() -> None:
        async with database(*_wide("longtext", "REPEAT('a', 64 * 1024 * 1024)", "REPEAT('a', 64 * 1024 * 1024 + 1)")) as base:
            peer, table = await ready(base)
            assert await agrees(peer, table, [(None, (0,)), ((0,), None)])

    story(work)


def test_d28_a_byte_that_is_no_character_of_its_set_is_not_taken_for_a_question_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        async with database(*_wide("varchar(9) CHARACTER SET cp1250", "x'81'", "'?'")) as base:
            peer, table = await ready(base)
            watched = Watched(peer, monkeypatch)
            assert await agrees(peer, table, [((0,), None)])
            assert watched.reads == 1
            watched.reads = 0
            found = await peer.digests(table, [(None, (0,))], WAY)
            assert watched.reads > 0
            assert found == await ReadsDigests.digests(peer, table, [(None, (0,))], WAY)

    story(work)
