"""What is asked of peers: in order, and in few questions where each of them takes long whatever it asks for."""

import asyncio
import random
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from tests.unit.engine.gated import GatedPeer

from syncline.model.canonical import Way
from syncline.model.errors import PeerUnreachable
from syncline.model.key import order
from syncline.model.schema import Collection
from syncline.model.value import Key
from syncline.peers.protocol import Range
from syncline.reconcile import walk
from syncline.reconcile.walk import Piece, Walk
from syncline.sim.database import SimDatabase
from syncline.sim.loop import SimLoop

ITEMS = Collection("items", ("id", "a"), ("id",))
RANGE, FIRST, MOST = 10, 4, 64  # rows of a range, ranges of the first questions, ranges of the largest


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, size in (
        ("RANGE_ROWS", RANGE), ("LEAF_ROWS", 2), ("RANGES_AT_ONCE", FIRST), ("LEAVES_AT_ONCE", 20), ("RANGES_MAX", MOST),
    ):  # fmt: skip
        monkeypatch.setattr(walk, name, size)


class SlowPeer(GatedPeer):
    """Each question takes some seconds, and some more for each range. What it was asked for is kept."""

    def __init__(self, name: str, rows: int) -> None:
        database = SimDatabase(name, [ITEMS], lambda: 0, random.Random(1))
        database.content.tables["items"] = {(key,): (key, f"a{key}") for key in range(rows)}
        super().__init__(database, lambda: 0)
        self.scan = self.each = 0.0
        self.asked: list[tuple[str, list[Range]]] = []

    async def _heard(self, name: str, ranges: Sequence[Range], questions: int = 1) -> None:
        self.asked.append((name, list(ranges)))
        await asyncio.sleep(questions * self.scan + len(ranges) * self.each)

    async def fences(self, collection: Collection, ranges: Sequence[Range], size: int) -> list[list[Key]]:
        """One question for each range."""
        await self._heard("fences", ranges, len(ranges))
        return await super().fences(collection, ranges, size)

    async def digests(self, collection: Collection, ranges: Sequence[Range], way: Way) -> Any:
        """One question."""
        await self._heard("digests", ranges)
        return await super().digests(collection, ranges, way)

    async def hashes(self, collection: Collection, ranges: Sequence[Range], way: Way) -> list[dict[Key, int]]:
        """One question."""
        await self._heard("hashes", ranges)
        return await super().hashes(collection, ranges, way)

    def sizes(self, name: str) -> list[int]:
        """How many ranges each question had."""
        return [len(ranges) for asked, ranges in self.asked if asked == name]


def walked(
    peers: Sequence[SlowPeer], after: Key | None = None, share: float = 1.0, upto: int = 10**6, scans: Sequence[float] = ()
) -> list[Piece]:
    """All pieces, or the first ones. `scans`: what a question takes from each piece on."""

    async def work() -> list[Piece]:
        pieces: list[Piece] = []
        pick = random.Random(7) if share < 1 else None
        async for piece in Walk(ITEMS, peers, Way()).pieces(after, share, pick):
            pieces.append(piece)
            if len(pieces) == upto:
                break
            if len(pieces) < len(scans):
                for peer in peers:
                    peer.scan = scans[len(pieces)]
        return pieces

    return SimLoop().run_until_complete(work())


def pair(rows: int, scan: float = 0.0, each: float = 0.0) -> tuple[SlowPeer, SlowPeer]:
    """Two equal peers."""
    one, two = SlowPeer("p", rows), SlowPeer("q", rows)
    for peer in (one, two):
        peer.scan, peer.each = scan, each
    return one, two


def drift(peer: SlowPeer, *keys: int) -> None:
    """Rows that are others at this peer."""
    for key in keys:
        peer.database.content.tables["items"][key,] = (key, "drifted")


def found(pieces: Sequence[Piece]) -> list[int]:
    """The keys that differ, as they were found."""
    return [int(str(key[0])) for piece in pieces for key in piece.suspects]


def is_in_order(ranges: Sequence[Range]) -> bool:
    """Each begins where the one before it ends, or behind that."""
    return all(
        upto is not None and after is not None and order(upto) <= order(after) for (_, upto), (after, _) in pairwise(ranges)
    )


@pytest.mark.parametrize("scan", [0.0, 3.0])
def test_ranges_are_asked_for_in_order_whoever_cuts_them(scan: float) -> None:
    """One peer lacks rows here, the other there: both cut, and ranges, leaves and what cannot be cut come in order."""
    one, two = pair(400, scan)
    for number, peer in enumerate((one, two)):
        for key in range(3 + 50 * number, 400, 100):
            del peer.database.content.tables["items"][key,]
    drift(two, 8, 71, 222, 399)
    keys = found(walked([one, two]))
    assert sorted(keys) == sorted([*range(3, 400, 50), 8, 71, 222, 399])
    for peer in (one, two):
        assert {name for name, _ in peer.asked} >= {"digests", "hashes"}
        assert all(is_in_order(ranges) for _, ranges in peer.asked)
    cut = {peer.name for peer in (one, two) for name, ranges in peer.asked if name == "fences" and ranges != [(None, None)]}
    assert cut == (set() if scan else {"p", "q"})


def test_questions_that_are_fast_stay_as_they_are() -> None:
    one, two = pair(1000, 0.1, 0.01)
    pieces = walked([one, two])
    assert [piece.ranges for piece in pieces] == [FIRST] * 25
    assert one.sizes("digests") == [FIRST] * 25


def test_where_each_question_takes_as_long_as_a_table_they_become_larger_and_fewer() -> None:
    one, two = pair(1900, 30.0)
    pieces = walked([one, two])
    assert [piece.ranges for piece in pieces] == [4, 8, 16, 32, 64, 64, 2]
    assert sum(piece.rows for piece in pieces) == 1900
    assert [piece.upto for piece in pieces[:3]] == [(39,), (119,), (279,)]
    assert pieces[-1].upto is None


def test_where_its_rows_explain_the_time_a_question_stays_small() -> None:
    """A machine that is slow: larger questions would only make a budget coarse. They are tried again, but seldom."""
    pieces = walked(pair(1000, 0.0, 0.3))
    assert [piece.ranges for piece in pieces] == [4, 8, 16, *[4, 4, 4, 4, 4, 8] * 2, 4, 4, 4, 4]


def test_a_moment_in_which_a_server_was_busy_does_not_keep_questions_small() -> None:
    pieces = walked(pair(2000, 3.0), scans=[3.0, 3.0, 9.0, 3.0])
    assert [piece.ranges for piece in pieces[:11]] == [4, 8, 16, 4, 4, 4, 4, 4, 8, 16, 32]


def test_the_first_question_is_no_measure_for_the_next() -> None:
    """There is one bound less to compare each row with."""
    pieces = walked(pair(2000, 3.0), scans=[3.0, 7.0])
    assert [piece.ranges for piece in pieces[:5]] == [4, 8, 16, 32, 64]


def test_questions_become_smaller_again_when_they_are_fast() -> None:
    pieces = walked(pair(2000, 3.0), scans=[3.0, 3.0, 3.0, 3.0, 0.01])
    assert [piece.ranges for piece in pieces[:7]] == [4, 8, 16, 32, 32, 16, 8]
    assert {piece.ranges for piece in pieces[7:-1]} == {4}


def test_scattered_differences_are_looked_for_in_one_question_where_questions_are_dear() -> None:
    one, two = pair(1000, 3.0)
    drift(two, *range(5, 1000, 100))
    assert found(walked([one, two])) == list(range(5, 1000, 100))
    assert one.sizes("fences") == [1], "none is cut any smaller"
    pieces = len(one.sizes("digests"))
    assert pieces <= 6
    assert len(one.sizes("hashes")) <= pieces


def test_no_question_is_for_more_rows_than_fit() -> None:
    """All rows differ: each question for single rows has as many of them as one for sums had at first."""
    one, two = pair(1000, 3.0)
    drift(two, *range(1000))
    assert found(walked([one, two])) == list(range(1000))
    assert max(one.sizes("hashes")) == FIRST


def test_cutting_that_takes_long_is_not_done_again() -> None:
    """Sums are fast, as the table is small; but each range that is cut is a reading of the table."""
    one, two = pair(400, 0.2)
    drift(two, *range(5, 400, 10))
    assert found(walked([one, two])) == list(range(5, 400, 10))
    assert one.sizes("fences") == [1, FIRST]


def test_a_walk_goes_on_after_any_piece() -> None:
    one, two = pair(1000, 3.0)
    drift(two, 0, 39, 40, 119, 120, 999)
    first = walked([one, two], upto=2)
    rest = walked([one, two], after=first[-1].upto)
    assert [piece.ranges for piece in first] == [4, 8]
    assert rest[0].ranges == 4
    assert found(first) == [0, 39, 40, 119]
    assert found(rest) == [120, 999]
    assert sum(piece.rows for piece in [*first, *rest]) == 1000


def test_a_share_fills_questions_with_what_was_chosen() -> None:
    one, two = pair(2000)
    pieces = walked([one, two], share=0.2)
    assert {piece.ranges for piece in pieces[:-1]} == {FIRST}
    assert 15 <= sum(piece.ranges for piece in pieces) <= 65
    assert pieces[-1].upto is None


class _QueuedPeer(SlowPeer):
    """Answers one question after the other, as a connection does, each in its own time."""

    def __init__(self, name: str, rows: int, seconds: Sequence[float]) -> None:
        super().__init__(name, rows)
        self.lock, self.seconds = asyncio.Lock(), iter(seconds)

    async def _heard(self, name: str, ranges: Sequence[Range], questions: int = 1) -> None:
        async with self.lock:
            self.asked.append((name, list(ranges)))
            if name == "digests":
                await asyncio.sleep(next(self.seconds))


def test_a_peer_that_has_answered_does_not_wait_for_the_slower_one() -> None:
    """Questions take 10 ms here and 30 ms there, then the other way round: asked ahead, each peer is busy with its own."""
    rows = 4 * FIRST * RANGE

    def took(*, ahead: bool) -> float:
        one, two = _QueuedPeer("p", rows, [0.01, 0.03] * 2), _QueuedPeer("q", rows, [0.03, 0.01] * 2)
        loop = SimLoop()

        async def work() -> float:
            began = loop.time()
            pieces = [piece.rows async for piece in Walk(ITEMS, [one, two], Way(), ahead=ahead).pieces()]
            assert pieces == [FIRST * RANGE] * 4
            return loop.time() - began

        return loop.run_until_complete(work())

    assert 0.08 <= took(ahead=True) < 0.12 <= took(ahead=False)


def test_what_was_asked_ahead_is_taken_back_with_the_walk() -> None:
    one, two = pair(400, 0.1)

    async def work() -> None:
        pieces = Walk(ITEMS, [one, two], Way(), ahead=True).pieces()
        await anext(pieces)
        await anext(pieces)
        await asyncio.sleep(0.05)
        assert one.sizes("digests") == [FIRST] * 3
        assert len(asyncio.all_tasks()) > 1
        await pieces.aclose()
        assert len(asyncio.all_tasks()) == 1

    SimLoop().run_until_complete(work())


def test_when_one_peer_fails_the_others_are_not_left_with_a_question() -> None:
    """A server that is asked for nobody would keep its deliveries waiting."""
    one, two = pair(100, 0.2)

    async def fail(*_: object) -> None:
        raise PeerUnreachable("no answer", peer="q")

    two.digests = fail  # type: ignore[assignment, method-assign]

    async def work() -> None:
        pieces = Walk(ITEMS, [one, two], Way(), ahead=True).pieces()
        with pytest.raises(PeerUnreachable):
            await anext(pieces)
        assert len(asyncio.all_tasks()) == 1

    SimLoop().run_until_complete(work())
