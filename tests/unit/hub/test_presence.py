"""Who may be called in sync: only a copy whose peer is live, while the log takes entries. What nobody knows is not none."""

import asyncio

from tests.unit.hub.proofs import is_proven, proving, standing
from tests.unit.hub.verbs import contended

from syncline.engine.session import Phase
from syncline.hub.moments import when
from syncline.hub.standing import Standing
from syncline.model.errors import LogFull
from syncline.model.space import VerifySettings

LIVE = (Standing.IN_SYNC, False)


def test_p17_nothing_is_in_sync_while_the_log_takes_no_entries() -> None:
    stand = contended()

    async def story() -> None:
        async with proving(stand) as verbs:
            await stand.until(is_proven(stand, *"pqr"), "proven")
            await stand.idle()
            stand.log.faults += [LogFull("no space") for _ in range(1000)]
            stand.update("p", 1, a="the log never hears of it")
            await stand.until(lambda: stand.engine.ingest.waiting is not None, "the log is full")
            found = standing(verbs, "q")
            assert (found["standing"], found["alarm"]) == (Standing.AWAY, True)
            assert "no space" in found["cause"]
            stand.log.faults.clear()
            await stand.until(lambda: stand.engine.ingest.waiting is None, "there is room", 120.0)
            await stand.until(is_proven(stand, *"pqr"), "proven again", 60.0)
            assert (standing(verbs, "q")["standing"], standing(verbs, "q")["alarm"]) == LIVE

    stand.run(story())


def test_p17_a_peer_that_is_tried_again_is_away_however_often_it_is_connecting() -> None:
    stand = contended()

    async def story() -> None:
        async with proving(stand) as verbs:
            await stand.until(is_proven(stand, *"pqr"), "proven")
            await stand.idle()
            stand.doors["r"].hold("connect")
            stand.doors["r"].cut()
            await stand.until(lambda: stand.phase("r") is Phase.WAITING, "it is gone")
            stand.doors["r"].cut(False)
            await stand.until(lambda: stand.phase("r") is Phase.CONNECTING, "it is tried again", 120.0)
            found = standing(verbs, "r")
            assert (found["standing"], found["alarm"]) == (Standing.AWAY, True)
            assert "r is connecting" in found["cause"]
            stand.doors["r"].let("connect")
            await stand.live("r")
            await stand.until(is_proven(stand, *"pqr"), "proven again", 60.0)
            assert (standing(verbs, "r")["standing"], standing(verbs, "r")["alarm"]) == LIVE

    stand.run(story())


def test_p17_every_row_was_compared_when_the_comparison_began_and_not_when_it_ended() -> None:
    """Its first rows are as of then, however long it takes."""
    stand = contended()

    async def story() -> None:
        async with proving(stand, VerifySettings(every=10.0, full=5000.0, budget=1.0)) as verbs:
            await stand.until(is_proven(stand, *"pqr"), "proven")
            stand.doors["q"].hold("digests")
            begun = stand.clock.now()
            comparing = asyncio.get_running_loop().create_task(verbs.proving._full("items"))
            await asyncio.sleep(500.0)
            stand.doors["q"].let("digests")
            await comparing
            known = stand.engine.state.proofs.of("items")
            assert known.full is not None
            assert begun <= known.fulls["q"] == known.full.began <= begun + 60 * 10**6
            assert known.full.time >= begun + 500 * 10**6
            assert standing(verbs)["full_at"] == when(known.fulls["q"])

    stand.run(story())


def test_p17_a_peer_that_is_connected_for_the_first_time_is_not_in_sync_and_no_alarm() -> None:
    stand = contended()

    async def story() -> None:
        async with proving(stand) as verbs:
            await stand.until(is_proven(stand, *"pqr"), "proven")
            await stand.idle()
            await stand.engine.pause("r")
            await stand.until(lambda: stand.phase("r") is Phase.PAUSED, "paused")
            stand.doors["r"].hold("connect")
            await stand.engine.resume("r")
            await stand.until(lambda: stand.phase("r") is Phase.CONNECTING, "it is connected")
            found = standing(verbs, "r")
            assert (found["standing"], found["alarm"]) == (Standing.MOVING, False)
            assert found["cause"] == "r is being connected"
            stand.doors["r"].let("connect")
            await stand.live("r")
            await asyncio.sleep(30.0)
            assert (standing(verbs, "r")["standing"], standing(verbs, "r")["alarm"]) == LIVE

    stand.run(story())
