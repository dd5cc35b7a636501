"""Joining: empty and populated peers, authority, references that fail or lag, crashes at any range, pauses."""

import asyncio
from collections.abc import Callable

import pytest
from tests.unit.engine.stand import Stand

from syncline.engine.session import Phase
from syncline.engine.state import Stage
from syncline.model.entry import Kind
from syncline.model.errors import PeerChanged
from syncline.model.space import Direction, Settings
from syncline.sim.database import Constraints

RANGE = 4


@pytest.fixture(autouse=True)
def _short_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncline.engine.range_reader.SNAPSHOT_ROWS_MAX", RANGE)


def at_chunk(stand: Stand, name: str, number: int, act: Callable[[], object]) -> None:
    """Do something right after a peer's so manieth range was read."""
    door = stand.doors[name]

    def after() -> None:
        if door.calls["chunk"] == number:
            act()

    door.after["chunk"] = after


async def reach(stand: Stand, name: str, ranges: int) -> None:
    """Wait until so many ranges of a peer are joined."""
    await stand.until(lambda: len([e for e in stand.log.of(Kind.JOIN) if e.peer == name]) >= ranges, f"{ranges} ranges")


def settled(stand: Stand) -> None:
    """Nothing of a join is left."""
    assert stand.same(), {name: stand.rows(name) for name in stand.databases}
    assert stand.engine.window.pins == {}
    assert len(stand.engine.window) == 0
    assert not stand.engine._joiner._progress


def test_an_empty_peer_is_filled_range_by_range() -> None:
    stand = Stand("pq")
    stand.fill("p", range(4 * RANGE + 1))

    async def story() -> None:
        await stand.begin()
        settled(stand)
        assert len(stand.log.of(Kind.JOIN)) == 5
        assert len(stand.rows("q")) == 4 * RANGE + 1
        last = stand.told("join.progress", "q")[-1]
        assert last.detail == {"done": 4 * RANGE + 1, "total": 4 * RANGE + 1}

    stand.run(story())


def test_an_empty_space_joins_too() -> None:
    stand = Stand("pqr")

    async def story() -> None:
        await stand.begin()
        settled(stand)

    stand.run(story())


def test_a_populated_peer_is_compared_and_merged() -> None:
    """Equal, missing, differing and extra rows, before, between and beyond the seed's keys."""
    stand = Stand("pqr")
    stand.fill("p", range(10, 30))
    stand.fill("q", range(15, 40))
    stand.fill("q", range(20, 25), a="q's", n=7)
    stand.fill("q", range(3))

    async def story() -> None:
        await stand.begin()
        settled(stand)
        assert set(stand.rows("r")) == {(key,) for key in (*range(3), *range(10, 40))}
        assert stand.row(22) == (22, "x", 0, None, None), "no times, no base: the space's row stands"
        kept = [
            one for entry in stand.log.entries for change in entry.changes if change.verdict for one in change.verdict.conflicts
        ]
        assert {(one.field, one.theirs.value) for one in kept} == {("a", "q's"), ("n", 7)}
        filled = {change.key for entry in stand.log.of(Kind.FILL) if entry.to == "q" for change in entry.changes}
        assert filled == {(key,) for key in (*range(10, 15), *range(20, 25))}, "equal rows cost nothing"

    stand.run(story())


@pytest.mark.parametrize("authority", ["p", "q"])
def test_the_rows_of_an_authority_stand(authority: str) -> None:
    stand = Stand("pq", authority=authority)
    stand.fill("p", range(8), a="p's")
    stand.fill("q", range(4, 12), a="q's")

    async def story() -> None:
        await stand.begin()
        settled(stand)
        assert stand.row(5) == (5, f"{authority}'s", 0, None, None)
        assert stand.row(2) == (2, "p's", 0, None, None)
        assert stand.row(10) == ((10, "q's", 0, None, None) if authority == "q" else None)

    stand.run(story())


def test_a_peer_that_only_receives_brings_nothing_in() -> None:
    stand = Stand("pqr", directions={"q": Direction.RECEIVE})
    stand.fill("p", range(6))
    stand.fill("q", range(3, 9), a="q's")

    async def story() -> None:
        engine = stand.start()
        await stand.live("p")
        at_chunk(stand, "q", 1, lambda: stand.update("q", 4, a="late"))
        await stand.live()
        await stand.idle()
        assert stand.rows("r") == stand.rows("p") == {(key,): (key, "x", 0, None, None) for key in range(6)}
        assert set(stand.rows("q")) == set(stand.rows("p")), "rows that the space lacks are gone, and on record"
        assert any(change.verdict for entry in stand.log.of(Kind.FILL) for change in entry.changes)
        assert engine.state.peers["q"].stage is Stage.LIVE

    stand.run(story())


@pytest.mark.parametrize("number", range(1, 8))
@pytest.mark.parametrize("populated", [False, True])
def test_f6_a_crash_at_any_range_resumes_there(number: int, populated: bool) -> None:
    stand = Stand("pqr")
    stand.fill("p", range(5 * RANGE))
    if populated:
        stand.fill("q", range(2 * RANGE, 7 * RANGE))

    async def story() -> None:
        stand.start()
        died = asyncio.Event()
        at_chunk(stand, "q", number, died.set)
        await stand.until(lambda: died.is_set() or stand.phase("q") is Phase.LIVE, "that range")
        await stand.restart()
        await stand.live()
        await stand.idle()
        settled(stand)
        done = [entry.changes[0].key for entry in stand.log.of(Kind.JOIN) if entry.peer == "q" and entry.changes]
        assert done == sorted(set(done)), "no range is done twice"
        assert len(stand.rows("r")) == (7 if populated else 5) * RANGE

    stand.run(story())


def test_another_reference_takes_over_when_one_fails() -> None:
    stand = Stand("pqrs")
    stand.fill("p", range(40))

    async def story() -> None:
        stand.databases["q"].constraints = Constraints()
        engine = stand.start()
        stand.doors["q"].hold("connect")
        await stand.live("p", "r", "s")
        stand.doors["q"].let("connect")
        await reach(stand, "q", 2)
        stand.doors["p"].cut()
        stand.insert("r", 100)
        await stand.live("q")
        await stand.until(lambda: stand.same("q", "r", "s"), "the others are equal")
        assert stand.phase("p") is Phase.WAITING
        assert engine.window.pins == {}
        stand.doors["p"].cut(False)
        await stand.live()
        await stand.idle()
        settled(stand)

    stand.run(story())


def test_a_reference_that_refuses_to_be_read_does_not_break_the_joining_peer() -> None:
    stand = Stand("pqr")
    stand.fill("p", range(20))

    async def story() -> None:
        stand.start()
        stand.doors["q"].hold("connect")
        await stand.live("p", "r")
        stand.doors["p"].fail("chunk", *[PeerChanged("altered") for _ in range(50)])
        stand.doors["q"].let("connect")
        await stand.live("q")
        await stand.idle()
        settled(stand)
        assert stand.told("join.reference_lost", "q")
        assert not stand.told("peer.broken")

    stand.run(story())


def test_a_join_waits_for_a_lonely_reference_to_come_back() -> None:
    stand = Stand("pq")
    stand.fill("p", range(200))

    async def story() -> None:
        engine = stand.start()
        await reach(stand, "q", 1)
        stand.doors["p"].cut()
        await stand.until(lambda: stand.phase("p") is Phase.WAITING, "p is away")
        await asyncio.sleep(5)
        assert stand.phase("q") in (Phase.JOINING, Phase.WAITING)
        stand.doors["p"].cut(False)
        await stand.live()
        await stand.idle()
        settled(stand)
        assert engine.state.peers["q"].stage is Stage.LIVE

    stand.run(story())


def test_rows_that_the_reference_lacks_yet_are_not_missed() -> None:
    """p is the reference and cannot be written for a while; r's rows are in the log only."""
    stand = Stand("pqr")
    stand.fill("p", range(10))

    async def story() -> None:
        stand.start()
        stand.doors["q"].hold("connect")
        await stand.live("p", "r")
        await stand.until(lambda: stand.same("p", "r"), "r is filled")
        stand.doors["p"].hold("apply")
        stand.insert("r", 5_000)
        stand.insert("r", -5)
        stand.update("r", 3, a="r's")
        stand.delete("r", 7)
        await stand.until(lambda: not stand.engine.ingest.busy and len(stand.log.of(Kind.CHANGE)) == 4, "logged")
        stand.doors["q"].let("connect")
        await stand.live("q")
        stand.doors["p"].let("apply")
        await stand.idle()
        settled(stand)
        assert {(5_000,), (-5,)} <= set(stand.rows("q"))
        assert stand.row(7) is None

    stand.run(story())


def test_a_peer_that_was_filled_a_moment_ago_is_a_good_reference() -> None:
    """r is live while its last fills are still on the way; p goes away; q must get all rows from r."""
    stand = Stand("prq")
    stand.fill("p", range(30))

    async def story() -> None:
        stand.start()
        stand.doors["q"].hold("connect")
        await reach(stand, "r", 7)
        stand.doors["r"].hold("apply")
        await stand.live("r")
        stand.doors["p"].cut()
        stand.doors["q"].let("connect")
        await reach(stand, "q", 1)
        stand.doors["r"].let("apply")
        await stand.live("q")
        await stand.until(lambda: len(stand.rows("q")) == 30, "all rows")
        stand.doors["p"].cut(False)
        await stand.live()
        await stand.idle()
        settled(stand)

    stand.run(story())


def test_a_join_makes_progress_while_others_write_without_a_pause() -> None:
    stand = Stand("pq")
    stand.fill("p", range(60 * RANGE))

    async def story() -> None:
        stand.start()
        stand.doors["q"].apply_seconds = 0.05
        writing = asyncio.create_task(write())
        await stand.until(lambda: stand.phase("q") is Phase.LIVE, "joined under load", 60)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        await stand.idle()
        settled(stand)

    async def write() -> None:
        for step in range(100_000):
            stand.update("p", step % 100, a=f"a{step}")
            await asyncio.sleep(0.003)

    stand.run(story())


def test_a_peer_paused_while_it_joins_goes_on_joining() -> None:
    stand = Stand("pq", settings=Settings())
    stand.fill("p", range(10 * RANGE))

    async def story() -> None:
        engine = stand.start()
        await reach(stand, "q", 3)
        await engine.pause("q")
        await stand.until(lambda: stand.phase("q") is Phase.PAUSED, "paused")
        assert engine.window.pins == {}
        stand.insert("p", 1_000)
        await stand.restart()
        await stand.live("p")
        assert stand.engine.state.peers["q"].footing is Stage.JOINING
        await stand.engine.resume("q")
        await stand.live("q")
        await stand.idle()
        settled(stand)

    stand.run(story())


def test_a_peer_can_be_paused_before_it_has_joined() -> None:
    """q waits for the seed; a pause must not be forgotten when the seed comes."""
    stand = Stand("pq")
    stand.fill("p", range(5))

    async def story() -> None:
        engine = stand.start()
        stand.doors["p"].hold("connect")
        await stand.until(lambda: stand.doors["q"].calls["connect"] > 0, "q is there")
        await engine.pause("q")
        await stand.until(lambda: stand.phase("q") is Phase.PAUSED, "paused")
        stand.doors["p"].let("connect")
        await stand.live("p")
        await asyncio.sleep(2)
        assert stand.phase("q") is Phase.PAUSED
        assert not engine.state.peers["q"].holds_window
        await engine.resume("q")
        await stand.live("q")
        await stand.idle()
        settled(stand)

    stand.run(story())
