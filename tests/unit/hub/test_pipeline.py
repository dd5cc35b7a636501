"""What a comparison knows of the stream: live, and at rest from the log and the peers' own histories."""

import random

from tests.unit.engine.gated import GatedPeer
from tests.unit.engine.memory_log import MemoryLog
from tests.unit.engine.stand import ITEMS, Stand

from syncline.engine.session import Phase
from syncline.engine.state import State
from syncline.hub.pipeline import LivePipeline, resting
from syncline.model.change import Change
from syncline.model.entry import Entry, Kind
from syncline.model.stamp import Position
from syncline.model.value import ABSENT
from syncline.sim.database import Constraints, Do, SimDatabase, Statement
from syncline.sim.loop import SimLoop

PARKED = {"code": "check", "reason": "no", "since": 1}


def test_live_a_history_is_passed_once_the_log_has_it() -> None:
    stand = Stand("pq")
    stand.fill("p", range(3))

    async def story() -> None:
        engine = await stand.begin()
        pipeline = LivePipeline(engine)
        assert pipeline.head() == engine.state.data
        end = await stand.doors["p"].position()
        assert await pipeline.passed("p", end)
        assert not await pipeline.passed("p", Position(end.major + 5)), "it does not wait for ever"

    stand.run(story())


def test_live_a_session_that_ends_passes_nothing() -> None:
    stand = Stand("pq")

    async def story() -> None:
        engine = await stand.begin()
        pipeline = LivePipeline(engine)
        begun = stand.loop.time()
        stand.doors["q"].cut()
        await stand.until(lambda: stand.phase("q") is not Phase.LIVE, "away")
        assert not await pipeline.passed("q", Position(10_000))
        assert stand.loop.time() - begun < 5

    stand.run(story())


def test_live_what_some_peer_lacks_is_in_flight_and_what_it_refused_is_parked() -> None:
    stand = Stand("pq", constraints={"q": Constraints(frozenset({"bad"}))})
    stand.fill("p", range(3))

    async def story() -> None:
        pipeline = LivePipeline(await stand.begin())
        stand.doors["q"].hold("apply")
        stand.update("p", 1, a="bad")
        await stand.until(lambda: pipeline.in_flight("items", (1,)), "on its way")
        assert not pipeline.in_flight("items", (2,))
        assert not pipeline.is_parked("items", (1,))
        stand.doors["q"].let("apply")
        await stand.idle()
        assert pipeline.is_parked("items", (1,))
        assert pipeline.in_flight("items", (1,)), "and it stays so while it is parked"
        assert pipeline.held("items") == {(1,): (1, "bad", 0, None, None)}

    stand.run(story())


def test_at_rest_what_was_not_delivered_or_not_captured_is_pending() -> None:
    loop = SimLoop()
    log, state = MemoryLog(), State()
    entries = [
        Entry(offset, Kind.CHANGE, "p", Position(offset), 0, 0, (Change("items", (offset,), None, (offset,)),))
        for offset in range(1, 21)
    ]
    doors = {}
    for name in "pq":
        database = SimDatabase(name, [ITEMS], lambda: 0, random.Random(1))
        database.set_up(["items"])
        database.content.watermark = 20 if name == "p" else 15
        for key in (100, 101):
            database.local([Statement(Do.INSERT, "items", (key + ord(name),), {"id": key + ord(name)})])
        doors[name] = GatedPeer(database, lambda: 0)
    state.peer("p").position = Position(1)
    state.peer("q").position = Position(2)

    async def story() -> None:
        await log.append(entries, 0)
        for entry in entries:
            state.reach(entry)
        peers = {name: (door, await door.connect()) for name, door in doors.items()}
        pipeline = await resting(state, log, peers, dict.fromkeys(peers, frozenset({"items"})))
        assert pipeline.resting
        assert pipeline.head() == 20
        assert await pipeline.passed("p", Position(99))
        flying = {key for key in range(300) if pipeline.in_flight("items", (key,))}
        assert flying == {*range(16, 21), 101 + ord("p")}, "beyond q's watermark; p's second write; q's are in the log"
        assert not pipeline.is_parked("items", (1,))
        assert pipeline.held("items") == {(offset,): (offset,) for offset in range(16, 21)}
        doors["q"].database.local([Statement(Do.INSERT, "items", (250,), {"id": 250})])
        assert not pipeline.in_flight("items", (250,)), "it was written since we looked"
        assert await pipeline.passed("q", await doors["q"].position())
        assert pipeline.in_flight("items", (250,)), "so the history is read on for every suspect"
        assert not log.open_readers
        assert not any(door.open_streams for door in doors.values())

    loop.run_until_complete(story())


def test_at_rest_nothing_of_who_only_receives_is_on_its_way_and_of_parked_rows_the_logs_are_known() -> None:
    loop = SimLoop()
    log, state = MemoryLog(), State()
    changes = [Change("items", (key,), None, (key, "first")) for key in (1, 2)]
    changes.append(Change("items", (1,), (1, "first"), (ABSENT, "last")))
    entries = [Entry(at, Kind.CHANGE, "p", Position(at), 0, 0, (change,)) for at, change in enumerate(changes, 1)]
    entries.append(Entry(4, Kind.PARK, "q", changes=(Change("items", (1,), None, None),), body=PARKED))
    database = SimDatabase("q", [ITEMS], lambda: 0, random.Random(1))
    database.set_up(["items"])
    database.content.watermark = 4
    database.local([Statement(Do.INSERT, "items", (9,), {"id": 9})])
    door = GatedPeer(database, lambda: 0)

    async def story() -> None:
        await log.append(entries, 0)
        for entry in entries:
            state.fold(entry)
        pipeline = await resting(state, log, {"q": (door, await door.connect())}, {"q": frozenset()})
        assert not pipeline.in_flight("items", (9,)), "nobody will ever be sent it"
        assert pipeline.held("items") == {(1,): (1, "last")}, "everyone has the second row"
        assert pipeline.is_parked("items", (1,))

    loop.run_until_complete(story())
