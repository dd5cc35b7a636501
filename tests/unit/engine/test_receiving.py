"""Peers that only receive: they remember what they refused until the next batch only, so the log must have it by then."""

import msgspec
from tests.unit.engine.stand import Stand

from syncline.engine.session import Phase
from syncline.model.errors import LogFull, PeerRestored
from syncline.model.space import Direction, Settings
from syncline.sim.database import Constraints

POISON = {"q": Constraints(frozenset({"bad"}))}


def test_one_that_only_receives_is_filled_and_follows_and_nothing_is_captured_there() -> None:
    stand = Stand("pq", receivers="q")
    stand.fill("p", range(30))

    async def story() -> None:
        engine = await stand.begin()
        stand.update("p", 1, a="y")
        stand.add("p", 2, 3)
        stand.insert("p", 99)
        await stand.idle()
        assert stand.same()
        assert len(engine.window) == 0, "it confirms what it was given"
        stand.update("q", 3, a="its own")
        stand.update("p", 4, a="z")
        await stand.idle()
        assert stand.rows("p")[3,] != stand.rows("q")[3,]
        assert not stand.told("change.ignored")
        await stand.restart()
        await stand.idle()
        assert stand.rows("q")[4,] == stand.rows("p")[4,]

    stand.run(story())


def test_the_next_batch_waits_until_the_log_has_what_was_refused() -> None:
    """Else a crash in between loses it: nobody would know that a row is missing."""
    stand = Stand("pq", receivers="q", constraints=POISON, settings=Settings(batch_rows=100))
    stand.fill("p", range(300))

    async def story() -> None:
        engine = await stand.begin()
        await engine.pause("q")
        stand.update("p", 0, a="bad")
        for key in range(1, 300):
            stand.update("p", key, a="good")
        await stand.until(lambda: not engine.ingest.busy, "all is logged")
        count = len(stand.doors["q"].batches)
        stand.doors["q"].after["apply"] = lambda: stand.log.faults.extend([LogFull("full")] * 1_000)
        await engine.resume("q")
        await stand.until(lambda: len(stand.doors["q"].batches) > count, "a batch is applied")
        begun = stand.loop.time()
        await stand.until(lambda: stand.loop.time() > begun + 5, "some time")
        await stand.stop()
        stand.log.faults.clear()
        engine = stand.start()
        await stand.live()
        await stand.idle()
        assert [(row.peer, row.key, row.code) for row in engine.state.parked.values()] == [("q", (0,), "check")]
        assert stand.rows("q")[0,][1] == "x"
        assert {key: row for key, row in stand.rows("q").items() if key[0]} == {
            key: row for key, row in stand.rows("p").items() if key[0]
        }

    stand.run(story())


def test_f26_one_that_went_back_is_given_again_what_it_lost_or_joins_again() -> None:
    """What was delivered is all its history: if the log has not noted how far it was, it goes on from where it is."""
    stand = Stand("pq", receivers="q")
    stand.fill("p", range(5))

    async def story() -> None:
        engine = await stand.begin()
        for noted in (False, True):
            copy = stand.databases["q"].backup()
            stand.update("p", 1, a=f"later {noted}")
            stand.add("p", 2, 5)
            await stand.idle()
            if noted:
                await engine.confirm()
            await stand.stop()
            stand.databases["q"].restore(copy)
            engine = stand.start()
            if noted:
                await stand.until(lambda: stand.phase("q") is Phase.BROKEN, "noticed")
                reason = stand.reason("q")
                assert isinstance(reason, PeerRestored)
                assert "went back in time" in reason.why
                await engine.resume("q", rejoin=True)
            await stand.live()
            await stand.idle()
            assert stand.same()

    stand.run(story())


def test_nobody_is_filled_from_one_that_only_receives_while_who_has_a_say_rests() -> None:
    """It may have edits of its own users, which nobody heard of."""
    stand = Stand("pqr", receivers="q")
    stand.fill("p", range(5))

    async def story() -> None:
        engine = stand.start()
        stand.doors["r"].cut()
        await stand.live("p", "q")
        await stand.rest("p", "q")
        stand.update("q", 1, a="edited there")
        await engine.pause("p")
        stand.doors["r"].cut(False)
        await stand.until(lambda: stand.phase("r") is Phase.JOINING, "it is about to be filled")
        begun = stand.loop.time()
        await stand.until(lambda: stand.loop.time() > begun + 20, "some time")
        assert stand.rows("r") == {}
        await engine.resume("p")
        await stand.live()
        await stand.idle()
        assert stand.rows("r") == stand.rows("p")
        assert stand.rows("r")[1,][1] == "x"

    stand.run(story())


def test_a_history_that_broke_while_a_peer_was_set_up_is_not_taken_for_the_one_before() -> None:
    stand = Stand("pq")
    stand.fill("p", range(5))

    async def story() -> None:
        engine = await stand.begin()
        door, content = stand.doors["q"], stand.databases["q"].content
        known = content.incarnation

        def breaks() -> None:
            content.incarnation = f"{known}-anew"

        door.after["connect"] = breaks
        engine.sessions["q"].stop()
        await stand.until(lambda: stand.phase("q") is Phase.BROKEN, "noticed")
        assert isinstance(stand.reason("q"), PeerRestored)
        assert engine.state.peer("q").incarnation == known

    stand.run(story())


def test_who_is_heard_again_in_what_it_only_received_joins_again_if_its_users_wrote_there() -> None:
    """It was captured all the while: its position went on over what was dropped."""
    stand = Stand("pq", directions={"q": Direction.RECEIVE})
    stand.fill("p", range(5))

    async def story() -> None:
        engine = await stand.begin()
        stand.update("p", 1, a="y")
        await stand.idle()
        assert not engine.state.peer("q").unheard
        stand.update("q", 2, a="typed there")
        stand.insert("q", 70)
        await stand.until(lambda: bool(engine.state.peer("q").unheard), "noted")
        head = engine.state.head
        stand.update("q", 3, a="more")
        await stand.idle()
        assert engine.state.head == head, "it is noted once"
        await stand.stop()
        stand.plan = msgspec.structs.replace(stand.plan, directions={"items": {}})
        engine = stand.start()
        await stand.until(lambda: stand.phase("q") is Phase.BROKEN, "it stops")
        reason = stand.reason("q")
        assert isinstance(reason, PeerRestored)
        assert "only received" in reason.why
        await engine.resume("q", rejoin=True)
        await stand.live()
        await stand.idle()
        assert stand.same()
        assert not engine.state.peer("q").unheard
        stand.update("q", 4, a="heard")
        await stand.idle()
        assert stand.rows("p")[4,][1] == "heard"

    stand.run(story())
