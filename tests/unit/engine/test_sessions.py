"""Sessions: one bad, slow or dead peer does not stop the others; pause and resume; what a peer may forget; the guard."""

import asyncio

import pytest
from tests.unit.engine.stand import Stand

from syncline.engine.core import Plan
from syncline.engine.session import Phase
from syncline.engine.state import Stage
from syncline.model.entry import Kind
from syncline.model.errors import GuardTripped, LogFenced, PeerUnreachable, PeerUnsafe, UsageError
from syncline.model.space import Direction, Settings
from syncline.sim.database import Constraints


def test_f16_a_peer_a_thousand_times_slower_does_not_slow_the_others() -> None:
    stand = Stand()
    stand.fill("p", range(10))

    async def story() -> None:
        await stand.begin()
        stand.doors["r"].apply_seconds = 2.0
        begun = stand.loop.time()
        for step in range(50):
            stand.update("p", step % 10, a=f"a{step}")
            await stand.until(lambda: stand.same("p", "q"), "q has it")
        assert stand.loop.time() - begun < 5
        await stand.idle()
        assert stand.same()

    stand.run(story())


def test_f15_a_dead_peer_does_not_stop_the_others_and_catches_up() -> None:
    stand = Stand()
    stand.fill("p", range(10))

    async def story() -> None:
        await stand.begin()
        stand.doors["r"].cut()
        stand.update("r", 1, a="offline")
        await stand.until(lambda: stand.phase("r") is Phase.WAITING, "away")
        stand.update("p", 2, a="p's")
        stand.delete("q", 3)
        await stand.rest("p", "q")
        assert stand.same("p", "q")
        assert not await stand.engine.idle(), "r is to come back"
        assert isinstance(stand.reason("r"), PeerUnreachable)
        stand.doors["r"].cut(False)
        await stand.live()
        await stand.idle()
        assert stand.row(1) == (1, "offline", 0, None, None)
        assert stand.row(3) is None

    stand.run(story())


@pytest.mark.parametrize("call", ["connect", "inspect", "position", "enter", "apply", "stream"])
def test_f33_an_unknown_failure_of_one_peer_breaks_it_alone(call: str) -> None:
    """Such as a bug in a door."""
    stand = Stand()
    stand.fill("p", range(5))

    async def story() -> None:
        engine = await stand.begin()
        await engine.pause("r")
        await stand.until(lambda: stand.phase("r") is Phase.PAUSED, "paused")
        stand.doors["r"].fail(call, ValueError("a bug"))
        await engine.resume("r")
        stand.update("p", 1, a="go on")
        await stand.until(lambda: stand.phase("r") is Phase.BROKEN, "broken")
        assert "ValueError" in str(stand.told("peer.broken", "r")[-1].detail)
        await stand.rest("p", "q")
        assert stand.same("p", "q")
        await engine.resume("r")
        await stand.live()
        await stand.idle()
        assert stand.same()

    stand.run(story())


def test_failures_that_may_pass_are_tried_again_ever_less_often() -> None:
    stand = Stand("pq")

    async def story() -> None:
        await stand.begin()
        door = stand.doors["q"]
        door.cut()
        await stand.until(lambda: stand.loop.time() > 60, "a minute")
        attempts = door.calls["connect"]
        assert 5 < attempts < 25
        door.cut(False)
        await stand.live()

    stand.run(story())


def test_a_peer_that_needs_a_person_is_left_alone_until_one_comes() -> None:
    stand = Stand("pq")

    async def story() -> None:
        engine = stand.start()
        stand.doors["q"].fail("connect", PeerUnsafe("no rights", hint="grant them"))
        await stand.until(lambda: stand.phase("q") is Phase.BROKEN, "broken")
        await stand.until(lambda: stand.loop.time() > 100, "a while")
        assert stand.doors["q"].calls["connect"] == 1
        await engine.resume("q")
        await stand.live()

    stand.run(story())


def test_f29_a_log_that_was_taken_over_ends_the_engine_with_that_error() -> None:
    stand = Stand("pq")

    async def story() -> None:
        await stand.begin()
        stand.log.faults.append(LogFenced("another hub took over"))
        stand.insert("p", 1)
        assert isinstance(await stand.failure(), LogFenced)

    stand.run(story())


def test_pause_and_resume_lose_nothing_and_write_nothing_meanwhile() -> None:
    stand = Stand()
    stand.fill("p", range(10))

    async def story() -> None:
        engine = await stand.begin()
        await engine.pause("r")
        await stand.until(lambda: stand.phase("r") is Phase.PAUSED, "paused")
        before = dict(stand.rows("r"))
        stand.update("p", 1, a="meanwhile")
        await stand.idle()
        assert stand.rows("r") == before
        stand.add("r", 2, 4)
        stand.add("p", 2, 3)
        await asyncio.sleep(60)
        await stand.restart()
        await stand.live("p", "q")
        assert stand.phase("r") is Phase.PAUSED, "a restart does not end a pause"
        await stand.engine.resume("r")
        await stand.live()
        await stand.idle()
        assert stand.row(1) == (1, "meanwhile", 0, None, None)
        assert stand.row(2) == (2, "x", 7, None, None)
        assert stand.engine.state.peers["r"].stage is Stage.LIVE

    stand.run(story())


def test_unknown_peers_are_named() -> None:
    stand = Stand("pq")

    async def story() -> None:
        engine = await stand.begin()
        for verb in (engine.pause, engine.resume, engine.leave):
            with pytest.raises(UsageError, match="no peer nobody"):
                await verb("nobody")

    stand.run(story())


def test_decisions_without_sessions() -> None:
    """The engine may serve its log alone, for a verb while no hub runs."""
    stand = Stand("pq")

    async def story() -> None:
        await stand.begin()
        await stand.stop()
        engine = stand.start(sessions=False)
        await engine.ready.wait()
        await engine.pause("q")
        await stand.restart()
        await stand.live("p")
        assert stand.phase("q") is Phase.PAUSED

    stand.run(story())


def test_p10_a_peer_forgets_only_what_a_restart_would_know_it_has() -> None:
    """Marks of our own applies are no entries: a restart knows of them by a CONFIRM only."""
    stand = Stand("pq")

    async def story() -> None:
        await stand.begin()
        for step in range(5):
            stand.insert("p", step)
            await stand.idle()
            await asyncio.sleep(1.0)
            await stand.restart()
            await stand.live()
        await asyncio.sleep(30)
        await stand.restart()
        await stand.live()
        for name in "pq":
            content = stand.databases[name].content
            assert content.trimmed > 0, "and it does forget"
            known = stand.engine.state.peers[name].position
            assert known is not None
            assert content.trimmed <= known.major

    stand.run(story())


def test_a_peer_that_joins_forgets_nothing_until_it_is_in() -> None:
    """A join that resumes reads again what the peer wrote since it began."""
    stand = Stand("pq")
    stand.fill("p", range(5))

    async def story() -> None:
        stand.start()
        stand.doors["q"].hold("chunk")
        await stand.until(lambda: stand.phase("q") is Phase.JOINING, "joining")
        stand.insert("q", 100)
        await asyncio.sleep(20)
        assert stand.doors["q"].calls["acknowledge"] == 0
        stand.doors["q"].let("chunk")
        await stand.live()
        await stand.idle()
        await asyncio.sleep(20)
        assert stand.doors["q"].calls["acknowledge"] > 0

    stand.run(story())


# -- the guard, with everything around it -----------------------------------------------------------------------------------


@pytest.mark.parametrize("restart", [False, True])
def test_f37_p16_a_mass_delete_is_held_at_each_peer_until_approved(restart: bool) -> None:
    stand = Stand(settings=Settings(guard_delete_rows=20, guard_delete_share=0.5))
    stand.fill("p", range(100))

    async def story() -> None:
        await stand.begin()
        stand.delete("p", *range(80))
        await stand.until(lambda: stand.phase("q") is stand.phase("r") is Phase.BROKEN, "held")
        assert isinstance(stand.reason("q"), GuardTripped)
        assert len(stand.rows("q")) == len(stand.rows("r")) == 100
        stand.update("p", 90, a="held back, too")
        if restart:
            await stand.restart()
            await stand.until(lambda: stand.phase("q") is Phase.BROKEN, "held again")
        else:
            await stand.engine.resume("q")
            await stand.until(lambda: len(stand.told("peer.broken", "q")) == 2, "held again")
        assert len(stand.rows("q")) == 100
        await stand.engine.resume("q", approve=True)
        await stand.live("q")
        await stand.rest("p", "q")
        assert stand.same("p", "q")
        assert len(stand.rows("q")) == 20
        assert len(stand.rows("r")) == 100
        await stand.engine.resume("r", approve=True)
        await stand.live()
        await stand.idle()
        assert stand.same()

    stand.run(story())


def test_p16_single_deletes_add_up() -> None:
    stand = Stand("pq", settings=Settings(guard_delete_rows=20, guard_delete_share=0.5))
    stand.fill("p", range(60))

    async def story() -> None:
        await stand.begin()
        for key in range(60):
            stand.delete("p", key)
            await asyncio.sleep(0.2)
        await stand.until(lambda: stand.phase("q") is Phase.BROKEN, "held")
        assert len(stand.rows("q")) >= 30

    stand.run(story())


def test_a_peer_that_was_empty_when_it_came_has_its_rows_counted() -> None:
    stand = Stand("pq", settings=Settings(guard_delete_rows=20, guard_delete_share=0.5))
    stand.fill("p", range(100))

    async def story() -> None:
        await stand.begin()
        stand.delete("p", *range(30))
        await stand.idle()
        assert stand.same()

    stand.run(story())


# -- directions --------------------------------------------------------------------------------------------------------------


def test_who_only_receives_is_not_heard_and_who_only_sends_is_not_told() -> None:
    stand = Stand(directions={"q": Direction.RECEIVE, "r": Direction.SEND})

    async def story() -> None:
        await stand.begin()
        stand.insert("p", 1)
        stand.insert("q", 2)
        stand.insert("r", 3)
        await stand.idle()
        assert set(stand.rows("p")) == {(1,), (3,)}
        assert set(stand.rows("q")) == {(1,), (2,), (3,)}
        assert set(stand.rows("r")) == {(3,)}
        assert stand.told("change.ignored", "q")

    stand.run(story())


def test_who_only_sends_is_no_reference_for_who_joins() -> None:
    stand = Stand("prq", directions={"r": Direction.SEND})
    stand.fill("p", range(10))

    async def story() -> None:
        stand.start()
        stand.doors["q"].hold("connect")
        await stand.live("p", "r")
        stand.doors["p"].hold("chunk")
        stand.doors["q"].let("connect")
        await asyncio.sleep(1)
        assert stand.doors["q"].calls["chunk"] == 0
        stand.doors["p"].let("chunk")
        await stand.live()
        await stand.until(lambda: len(stand.rows("q")) == 10, "filled from p")

    stand.run(story())


def test_a_constraint_of_one_peer_does_not_stop_what_follows() -> None:
    """C8: equal values of a unique column at two peers: both rows stay somewhere, the rest flows."""
    stand = Stand("pq", constraints={name: Constraints(uniques=frozenset({("items", "a")})) for name in "pq"})

    async def story() -> None:
        engine = await stand.begin()
        stand.insert("p", 1, a="same@x")
        stand.insert("q", 2, a="same@x")
        await stand.until(lambda: len(engine.state.parked) == 2, "each refuses the other's")
        stand.insert("p", 3, a="other@x")
        await stand.rest("p", "q")
        assert stand.rows("q")[3,] == stand.rows("p")[3,]
        stand.update("q", 2, a="new@x")
        await stand.until(lambda: not engine.state.parked, "tried again", 200)
        await stand.idle()
        assert stand.same()
        assert len(stand.log.of(Kind.PARK)) >= 2

    stand.run(story())


def test_a_collection_that_was_removed_stops_nobody() -> None:
    """Its rows are in the log still, on the way to a peer, and in a peer's own history."""
    stand = Stand("pq")
    stand.fill("p", range(5))

    async def story() -> None:
        engine = await stand.begin()
        await engine.pause("q")
        stand.update("p", 1, a="logged")
        await stand.idle()
        await stand.stop()
        stand.update("p", 1, a="in its history")
        stand.plan = Plan({}, {}, "p")
        engine = stand.start()
        await engine.ready.wait()
        await engine.resume("q")
        await stand.live()
        await stand.idle()
        assert stand.told("change.ignored", "p")
        assert not stand.told("peer.broken")

    stand.run(story())


def test_f33_what_a_server_keeps_and_cannot_be_found_out_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    stand = Stand()

    async def kept(_after: object) -> None:
        raise ZeroDivisionError

    async def story() -> None:
        await stand.begin()
        monkeypatch.setattr(stand.doors["q"], "kept", kept)
        await asyncio.sleep(30.0)
        assert {event.peer for event in stand.events if event.name == "history.unknown"} == {"q"}
        assert stand.phase("q") is Phase.LIVE
        assert stand.engine.keeping.report("q") == {"kept": None, "alarm": None}

    stand.run(story())
