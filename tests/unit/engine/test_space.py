"""The space as a whole: when it is idle, what stale peers cost, what is trimmed, what a removed peer leaves."""

import asyncio
import gc

import pytest
from tests.unit.engine.stand import Stand

from syncline.engine.session import Phase
from syncline.engine.state import Stage
from syncline.model.entry import Kind
from syncline.model.errors import PeerBusy, UsageError
from syncline.model.space import Settings
from syncline.sim.database import Constraints


def test_p17_idle_speaks_of_all_that_was_committed_before_the_question() -> None:
    """While one peer is asked, another one's write arrives: at the peers asked before, it is not there yet."""
    stand = Stand("pqr")
    stand.fill("p", range(5))

    async def story() -> None:
        engine = await stand.begin()
        stand.doors["q"].hold("position")
        stand.doors["p"].hold("apply")
        stand.update("r", 1, a="news")
        asked = asyncio.create_task(engine.idle())
        await asyncio.sleep(0.5)
        stand.doors["q"].let("position")
        assert not await asked
        stand.doors["p"].let("apply")
        await stand.idle()
        assert stand.row(1) == (1, "news", 0, None, None)

    stand.run(story())


def test_p17_idle_is_never_said_too_early() -> None:
    """Asked at every moment of some traffic: when it says so, what was written before the question is everywhere."""
    stand = Stand("pqr", shuffle=5)
    stand.fill("p", range(5))

    async def story() -> None:
        engine = await stand.begin()
        told = 0
        for step in range(60):
            name = "pqr"[step % 3]
            stand.update(name, step % 5, a=f"{name}{step}")
            wrote = {other: dict(stand.rows(other)) for other in "pqr"}
            for _ in range(12):
                await asyncio.sleep(0.02)
                if await engine.idle():
                    told += 1
                    assert stand.same(), f"step {step}: {wrote}"
                    break
        assert told > 20

    stand.run(story())


def test_idle_leaves_out_who_was_paused_but_not_who_is_away() -> None:
    stand = Stand("pqr")

    async def story() -> None:
        engine = await stand.begin()
        await engine.pause("r")
        stand.insert("p", 1)
        await stand.idle()
        assert (1,) in stand.rows("q")
        await engine.resume("r")
        await stand.live()
        stand.doors["q"].cut()
        await stand.until(lambda: stand.phase("q") is Phase.WAITING, "away")
        assert not await engine.idle()

    stand.run(story())


def test_a_peer_absent_for_long_is_stale_and_no_longer_waited_for() -> None:
    stand = Stand("pqr", settings=Settings(stale_seconds=100.0))
    stand.fill("p", range(5))

    async def story() -> None:
        engine = await stand.begin()
        stand.doors["r"].cut()
        stand.update("p", 1, a="y")
        await stand.rest("p", "q")
        assert len(engine.window) == 1, "r lacks it"
        await asyncio.sleep(90)
        assert engine.state.peers["r"].stage is Stage.LIVE
        await stand.until(lambda: engine.state.peers["r"].stage is Stage.STALE, "stale", 30)
        await stand.rest("p", "q")
        assert len(engine.window) == 0
        assert stand.told("peer.stale", "r")
        assert not await engine.idle(), "it is to come back"

    stand.run(story())


def test_s7_in_a_full_window_only_who_holds_it_up_becomes_stale() -> None:
    """q is away for a moment and has everything; r is away and lacks much."""
    stand = Stand("pqr", settings=Settings(window_rows=50, inflight_rows=10_000))

    async def story() -> None:
        engine = await stand.begin()
        stand.doors["r"].cut()
        for key in range(100):
            stand.insert("p", key)
        await stand.rest("p", "q")
        stand.doors["q"].cut()
        await stand.until(lambda: engine.state.peers["r"].stage is Stage.STALE, "r is stale", 30)
        await asyncio.sleep(10)
        assert engine.state.peers["q"].stage is Stage.LIVE
        stand.doors["q"].cut(False)
        await stand.live("q")

    stand.run(story())


def test_when_all_are_away_nobody_becomes_stale() -> None:
    """Else a hub without a network would send everyone to join again."""
    stand = Stand("pq", settings=Settings(stale_seconds=10.0))

    async def story() -> None:
        engine = await stand.begin()
        for door in stand.doors.values():
            door.cut()
        await asyncio.sleep(100)
        assert {record.stage for record in engine.state.peers.values()} == {Stage.LIVE}

    stand.run(story())


def test_f34_a_peer_that_is_not_configured_any_more_does_not_hold_up_the_space_for_ever() -> None:
    """Its parked rows do not trouble the pulse, and after the horizon it is stale."""
    stand = Stand("pqr", settings=Settings(stale_seconds=50.0), constraints={"r": Constraints(frozenset({"bad"}))})
    stand.fill("p", range(5))

    async def story() -> None:
        await stand.begin()
        stand.update("p", 1, a="bad")
        await stand.idle()
        await stand.stop()
        del stand.databases["r"]
        engine = stand.start()
        await stand.live()
        await asyncio.sleep(45)
        assert engine.state.parked
        await asyncio.sleep(30)
        assert engine.state.peers["r"].stage is Stage.STALE
        assert not engine.state.parked
        assert len(engine.window) == 0
        stand.update("q", 1, a="good")
        await stand.idle()
        assert stand.same()

    stand.run(story())


def test_the_pulse_survives_what_it_meets() -> None:
    """A row that is due is settled just then, or the peer that is asked for it does not answer."""
    stand = Stand("pqr", constraints={"q": Constraints(frozenset({"bad"}))})
    stand.fill("p", range(5))

    async def story() -> None:
        engine = await stand.begin()
        stand.update("p", 1, a="bad")
        await stand.idle()
        (row,) = engine.state.parked.values()
        stand.doors["p"].fail("rows", PeerBusy("locked"))
        await asyncio.sleep(45)
        assert len(stand.log.of(Kind.RETRY)) >= 1
        stand.update("r", 1, a="good")
        await stand.until(lambda: not engine.state.parked, "settled", 200)
        with pytest.raises(UsageError, match="not parked any more"):
            await engine.retry(row)
        await stand.idle()
        assert stand.row(1) == (1, "good", 0, None, None)

    stand.run(story())


# -- trimming -----------------------------------------------------------------------------------------------------------------


def test_f7_the_log_is_trimmed_behind_everyone_and_restarts_are_the_same() -> None:
    stand = Stand("pqr", settings=Settings(retention_seconds=5.0))
    stand.fill("p", range(10))

    async def story() -> None:
        engine = await stand.begin()
        for step in range(30):
            stand.update("pqr"[step % 3], step % 10, a=f"a{step}")
            await asyncio.sleep(1)
        await stand.idle()
        await stand.until(lambda: stand.log.floor > 30, "trimmed", 60)
        known = {name: (one.stage, one.captured, one.position) for name, one in engine.state.peers.items()}
        data = engine.state.data
        await stand.restart()
        await stand.engine.ready.wait()
        for name, record in stand.engine.state.peers.items():
            assert (record.stage, record.captured, record.position) == known[name]
        assert stand.engine.state.data >= data
        await stand.live()
        await stand.idle()
        stand.update("q", 1, a="on")
        await stand.idle()
        assert stand.row(1) == (1, "on", 0, None, None)

    stand.run(story())


@pytest.mark.parametrize("absent", ["paused", "away"])
def test_trimming_never_crosses_a_known_peer(absent: str) -> None:
    stand = Stand("pqr", settings=Settings(retention_seconds=1.0))
    stand.fill("p", range(10))

    async def story() -> None:
        engine = await stand.begin()
        await stand.until(lambda: stand.log.floor > 0, "something was trimmed", 60)
        if absent == "paused":
            await engine.pause("r")
        else:
            stand.doors["r"].cut()
        await stand.until(lambda: stand.phase("r") is not Phase.LIVE, "gone")
        captured = engine.state.peers["r"].captured
        for step in range(20):
            stand.update("p", step % 10, a=f"a{step}")
            await asyncio.sleep(2)
        assert stand.log.floor <= captured
        engine = await stand.restart()
        if absent == "paused":
            await engine.ready.wait()
            await engine.resume("r")
        await stand.live()
        await stand.idle()
        assert stand.same()

    stand.run(story())


def test_trimming_never_crosses_an_open_conflict_nor_what_a_parked_row_lacks() -> None:
    stand = Stand("pq", settings=Settings(retention_seconds=1.0), constraints={"q": Constraints(frozenset({"bad"}))})
    stand.fill("p", range(10))

    async def story() -> None:
        engine = await stand.begin()
        stand.update("p", 1, m="p's")
        stand.update("q", 1, m="q's")
        await stand.idle()
        ((name, one),) = engine.state.open.items()
        contended = int(name.partition(".")[0])
        stand.update("p", 2, a="bad")
        await stand.idle()
        (row,) = engine.state.parked.values()
        await engine.skip(row)
        for step in range(30):
            stand.update("p", 5 + step % 5, a=f"a{step}")
            await asyncio.sleep(2)
        assert 0 < stand.log.floor < min(contended, row.since)
        await stand.restart()
        await stand.live()
        await stand.idle()
        assert stand.engine.state.open == {name: one}
        assert [parked.skipped for parked in stand.engine.state.parked.values()] == [True]

    stand.run(story())


def test_a_checkpoint_lacks_nothing_that_stands_before_it() -> None:
    """Sessions come and go while the log is trimmed: a nonce that is forgotten would make a healthy peer a stranger."""
    stand = Stand("pqr", settings=Settings(retention_seconds=0.0), shuffle=3)
    stand.fill("p", range(5))

    async def story() -> None:
        await stand.begin()
        for step in range(40):
            stand.update("p", step % 5, a=f"a{step}")
            name = "qr"[step % 2]
            stand.doors[name].cut()
            await asyncio.sleep(0.6)
            stand.doors[name].cut(False)
            await asyncio.sleep(0.4)
            if step % 10 == 9:
                await stand.restart()
                await stand.live()
        assert stand.log.of(Kind.CHECKPOINT)
        assert stand.log.floor > 20
        await stand.restart()
        await stand.live()
        await stand.idle()
        assert not stand.told("peer.broken")
        assert stand.same()

    stand.run(story())


def test_p14_an_idle_space_writes_nothing_into_its_log() -> None:
    stand = Stand("pqr")
    stand.fill("p", range(5))

    async def story() -> None:
        await stand.begin()
        stand.update("p", 1, a="y")
        await stand.idle()
        await asyncio.sleep(20)
        head = stand.log.head
        await asyncio.sleep(3_000)
        assert stand.log.head == head

    stand.run(story())


def test_s8_nothing_grows_while_sessions_come_and_go() -> None:
    stand = Stand("pq")
    stand.fill("p", range(5))

    async def story() -> None:
        engine = await stand.begin()
        counts = []
        for step in range(40):
            stand.doors["q"].cut()
            await asyncio.sleep(0.2)
            stand.doors["q"].cut(False)
            stand.update("p", step % 5, a=f"a{step}")
            await stand.live()
            await stand.idle()
            if step in (20, 39):
                gc.collect()
                counts.append((len(asyncio.all_tasks()), len(engine.window), len(engine.window.pins), engine.ingest.busy))
        assert counts[0] == counts[1]
        assert not engine._joiner._progress

    stand.run(story())
