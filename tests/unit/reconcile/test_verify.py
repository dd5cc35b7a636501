"""Verify: every sort of drift is found and named, nothing else is called drift, and no peer is asked for too much at once."""

import asyncio
import random
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.engine.gated import GatedPeer

from syncline.compare.explained import Step
from syncline.model.event import Event
from syncline.model.limits import RECHECK_SECONDS
from syncline.model.schema import Collection
from syncline.model.stamp import Position
from syncline.model.value import ABSENT, Key, Row
from syncline.peers.protocol import Range
from syncline.reconcile import verify, walk
from syncline.reconcile.verify import Compared, Difference, compare_collection
from syncline.sim.database import SimDatabase
from syncline.sim.loop import SimLoop

ITEMS = Collection("items", ("id", "a", "b"), ("id",))
PART = 5  # rows that are read at once


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    for place, name, size in (
        (verify, "COMPARE_ROWS_MAX", PART), (walk, "COMPARE_ROWS_MAX", PART), (verify, "CONFIRM_KEYS", PART),
        (walk, "RANGE_ROWS", 2 * PART), (walk, "LEAF_ROWS", 2), (walk, "RANGES_AT_ONCE", 2),
    ):  # fmt: skip
        monkeypatch.setattr(place, name, size)


class Stream:
    """A pipeline that a test steers. `flying` and `parked` hold keys; `late`: peers whose history the log does not get."""

    def __init__(self, *, resting: bool = False) -> None:
        self.resting = resting
        self.flying: set[Key] = set()
        self.parked: set[Key] = set()
        self.late: set[str] = set()
        self.rows: dict[Key, Row | None] = {}  # the log's
        self.asked: list[tuple[str, Position]] = []
        self.told: dict[Key, Sequence[Step]] = {}
        self.on_pass: Callable[[], object] = lambda: None

    def head(self) -> int:
        """Some offset."""
        return 77

    async def passed(self, peer: str, position: Position) -> bool:
        """Unless it is late."""
        self.asked.append((peer, position))
        self.on_pass()
        await asyncio.sleep(0.01)
        return peer not in self.late

    def in_flight(self, collection: str, key: Key) -> bool:
        """As told."""
        return key in self.flying

    def steps(self, collection: str, keys: Sequence[Key]) -> Mapping[Key, Sequence[Step]]:
        """As told."""
        return {key: self.told[key] for key in keys if key in self.told}

    def is_parked(self, collection: str, key: Key) -> bool:
        """As told."""
        return key in self.parked

    def held(self, collection: str) -> dict[Key, Row | None]:
        """As told."""
        return dict(self.rows)


class Bench:
    """Three peers with the same rows, until a test changes some."""

    def __init__(self, keys: range = range(30), names: str = "pqr", *, resting: bool = False) -> None:
        self.loop = SimLoop()
        self.stream = Stream(resting=resting)
        self.events: list[Event] = []
        self.peers: list[GatedPeer] = []
        for name in names:
            database = SimDatabase(name, [ITEMS], lambda: 0, random.Random(1))
            database.content.tables["items"] = {(key,): (key, f"a{key}", None) for key in keys}
            self.peers.append(GatedPeer(database, lambda: 0))

    def rows(self, name: str) -> dict[Key, Row]:
        """A peer's rows, to be changed at will."""
        return next(peer.database.content.tables["items"] for peer in self.peers if peer.name == name)

    def compare(self, meanwhile: Coroutine[Any, Any, None] | None = None) -> Compared:
        """The result."""

        async def run() -> Compared:
            other = asyncio.ensure_future(meanwhile) if meanwhile is not None else None
            try:
                return await compare_collection(ITEMS, self.peers, 30, self.stream, self.events.append)
            finally:
                if other is not None:
                    await other

        return self.loop.run_until_complete(run())


def the_one(compared: Compared) -> Difference:
    """The only difference."""
    assert compared.found == 1
    (found,) = compared.differences
    return found


def test_equal_peers_are_equal_up_to_where_the_log_was() -> None:
    bench = Bench()
    compared = bench.compare()
    assert (compared.rows, compared.found, compared.through, compared.start) == (30, 0, 77, 77)
    assert (compared.ranges, compared.whole) == (3, True)
    assert not any(peer.calls["rows"] for peer in bench.peers), "digests are enough"


@pytest.mark.parametrize("key", [0, 4, 5, 14, 15, 29])
@pytest.mark.parametrize("name", ["p", "q", "r"])
def test_one_field_of_one_row_anywhere_at_anyone(key: int, name: str) -> None:
    """Also the first and last rows of the ranges that are compared."""
    bench = Bench()
    bench.rows(name)[key,] = (key, "drifted", None)
    found = the_one(bench.compare())
    assert (found.collection, found.key, found.fields, found.state) == ("items", (key,), ("a",), "drift")
    assert found.shown(found.rows[name]) == {"a": "drifted"}
    assert {peer for peer, row in found.rows.items() if row == (key, "drifted", None)} == {name}


@pytest.mark.parametrize("key", [-1, 7, 30, 10_000])
@pytest.mark.parametrize("name", ["p", "q"])
def test_an_extra_row_before_between_or_beyond_all_others(key: int, name: str) -> None:
    bench = Bench(range(0, 30, 2) if key == 7 else range(30))
    bench.rows(name)[key,] = (key, "extra", None)
    found = the_one(bench.compare())
    assert found.key == (key,)
    assert found.fields == ITEMS.columns
    assert [peer for peer, row in found.rows.items() if row is not None] == [name]


@pytest.mark.parametrize("key", [0, 13, 29])
@pytest.mark.parametrize("name", ["p", "r"])
def test_a_missing_row(key: int, name: str) -> None:
    bench = Bench()
    del bench.rows(name)[key,]
    found = the_one(bench.compare())
    assert (found.key, found.rows[name], found.shown(found.rows[name])) == ((key,), None, None)


def test_swapped_rows_have_equal_sums_of_nothing() -> None:
    """The same values under other keys, in one range: counts agree, digests do not."""
    bench = Bench()
    rows = bench.rows("q")
    rows[1,], rows[2,] = (1, "a2", None), (2, "a1", None)
    compared = bench.compare()
    assert {one.key for one in compared.differences} == {(1,), (2,)}


def test_null_and_empty_differ() -> None:
    bench = Bench()
    bench.rows("q")[3,] = (3, "a3", "")
    assert the_one(bench.compare()).fields == ("b",)


def test_an_empty_first_peer_does_not_make_the_others_be_read_at_once() -> None:
    bench = Bench()
    bench.rows("p").clear()
    compared = bench.compare()
    assert compared.found == 30
    assert max(peer.calls["chunk"] for peer in bench.peers) >= 30 // PART
    assert len({one.key for one in compared.differences}) == 30


def test_rows_that_no_fence_can_part_are_found_all_the_same() -> None:
    bench = Bench(names="pq")
    bench.rows("p").clear()
    bench.rows("p")[3,] = (3, "only", None)
    for peer in bench.peers:

        async def fences(collection: Collection, ranges: Sequence[Range], size: int) -> list[list[Key]]:
            return [[] for _ in ranges]

        peer.fences = fences  # type: ignore[method-assign]
    assert bench.compare().found == 30


def test_only_the_first_differences_are_listed_and_all_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "DIFFERENCES_MAX", 4)
    bench = Bench()
    for key in range(0, 30, 2):
        bench.rows("r")[key,] = (key, "x", None)
    compared = bench.compare()
    assert (compared.found, len(compared.differences), compared.through) == (15, 4, None)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.integers(-3, 40), st.sampled_from(["gone", "x", "y"]), max_size=8), st.sampled_from("pqr"))
def test_exactly_the_differences_are_found(changes: dict[int, str], name: str) -> None:
    bench = Bench()
    bench.stream.resting = True
    before = dict(bench.rows(name))
    for key, value in changes.items():
        if value == "gone":
            bench.rows(name).pop((key,), None)
        else:
            bench.rows(name)[key,] = (key, value, None)
    different = {key for key in {*before, *bench.rows(name)} if before.get(key) != bench.rows(name).get(key)}
    compared = bench.compare()
    assert {one.key for one in compared.differences} == different
    assert compared.found == len(different)
    assert (compared.through == 77) is (not different)


def test_progress_is_told_piece_by_piece() -> None:
    bench = Bench()
    bench.compare()
    told = [event.detail for event in bench.events if event.name == "verify.progress"]
    assert [one["done"] for one in told] == [20, 30]
    assert told[-1]["total"] == 30


def test_one_peer_alone_is_equal_to_itself_and_that_proves_nothing() -> None:
    compared = Bench(names="p").compare()
    assert (compared.found, compared.through) == (0, None)


def test_what_all_peers_lack_of_the_log_is_named_with_the_logs_row() -> None:
    """A decision that all of them refused, one that nobody has got so far, one of a row that is gone by then."""
    bench = Bench()
    bench.stream.rows = {(number,): (number, "decided", None) for number in range(3, 9)}
    bench.stream.rows |= {(9,): None, (10,): bench.rows("p")[10,], (11,): (11, ABSENT)}
    bench.stream.parked = {(3,)}
    compared = bench.compare()
    states = {one.key[0]: one.state for one in compared.differences}
    assert states == {3: "parked", **dict.fromkeys(range(4, 10), "pending")}
    assert (compared.states, compared.found, compared.through) == ({"parked": 1, "pending": 6}, 7, None)
    first = compared.differences[0]
    assert first.fields == ("a",)
    assert {name: first.shown(row) for name, row in first.rows.items()}["(log)"] == {"a": "decided"}


def test_differences_beyond_those_that_are_listed_keep_their_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "DIFFERENCES_MAX", 4)
    bench = Bench(resting=True)
    for number in range(10):
        bench.rows("p")[number,] = (number, "not captured yet", None)
    bench.stream.flying = {(number,) for number in range(9)}
    compared = bench.compare()
    assert (len(compared.differences), compared.found, compared.states) == (4, 10, {"pending": 9, "drift": 1})
    assert [one.state for one in compared.differences] == ["drift", *["pending"] * 3], "what can be repaired comes first"


# -- what is not drift -----------------------------------------------------------------------------------------------------


def test_p17_a_change_on_its_way_is_waited_for() -> None:
    bench = Bench()
    bench.rows("p")[3,] = (3, "news", None)
    bench.stream.flying = {(3,)}

    async def arrive() -> None:
        await asyncio.sleep(2)
        for name in "qr":
            bench.rows(name)[3,] = (3, "news", None)
        bench.stream.flying = set()

    compared = bench.compare(arrive())
    assert (compared.found, compared.through) == (0, 77)
    assert bench.loop.time() >= 2


def test_p17_a_change_between_two_reads_is_not_drift() -> None:
    """It was captured, delivered and released all between reading one peer and asking again."""
    bench = Bench()
    bench.rows("p")[3,] = (3, "news", None)

    async def arrive() -> None:
        await asyncio.sleep(0.04)
        for name in "qr":
            bench.rows(name)[3,] = (3, "news", None)

    assert bench.compare(arrive()).found == 0


def test_a_change_that_never_arrives_is_pending_not_drift() -> None:
    bench = Bench()
    bench.rows("p")[3,] = (3, "news", None)
    bench.stream.flying = {(3,)}
    found = the_one(bench.compare())
    assert found.state == "pending"
    assert bench.loop.time() >= RECHECK_SECONDS


def test_p17_where_the_log_cannot_keep_up_nothing_is_called_drift() -> None:
    """q's session ended, or its backlog is long: what it wrote may well be on its way."""
    bench = Bench()
    bench.rows("q")[3,] = (3, "news", None)
    bench.stream.late = {"q"}
    assert the_one(bench.compare()).state == "pending"


def test_p17_a_row_that_never_rests_is_pending() -> None:
    bench = Bench()
    count = iter(range(10_000))

    def write() -> None:
        bench.rows("p")[3,] = (3, f"v{next(count)}", None)

    write()
    bench.stream.on_pass = write
    assert the_one(bench.compare()).state == "pending"


def test_p17_a_row_that_never_rests_is_proven_peer_by_peer_against_the_log() -> None:
    """Each peer holds what the log says it must have held then; one that does not keeps the row from being proven."""
    for odd, found in ((None, 0), ("q", 1)):
        bench = Bench(names="pq")
        bench.stream.flying = {(3,)}
        for peer, row in (("p", (3, "from p", None)), ("q", (3, "a3", None))):
            bench.rows(peer)[3,] = row if peer != odd else (3, "nobody's", None)
        bench.stream.told[3,] = [Step(5, "p", Position(0), (3, "a3", None), (3, "from p", None), contested=False)]
        assert bench.compare().found == found


def test_parked_rows_are_named_as_such() -> None:
    bench = Bench()
    bench.rows("q")[3,] = (3, "older", None)
    bench.stream.parked, bench.stream.flying = {(3,)}, {(3,)}
    compared = bench.compare()
    assert the_one(compared).state == "parked"
    assert compared.through is None


def test_every_read_is_waited_for_at_its_own_peer() -> None:
    bench = Bench()
    bench.rows("q")[3,] = (3, "x", None)
    for peer, commits in zip(bench.peers, (4, 5, 6), strict=True):
        peer.database.content.number = commits
    bench.compare()
    assert set(bench.stream.asked) == {("p", Position(4)), ("q", Position(5)), ("r", Position(6))}


def test_at_rest_one_look_decides() -> None:
    bench = Bench(resting=True)
    bench.rows("q")[3,] = (3, "x", None)
    bench.rows("p")[4,] = (4, "not captured yet", None)
    bench.stream.flying = {(4,)}
    compared = bench.compare()
    assert {one.key: one.state for one in compared.differences} == {(3,): "drift", (4,): "pending"}
    assert [peer.calls["rows"] for peer in bench.peers] == [1, 1, 1]
