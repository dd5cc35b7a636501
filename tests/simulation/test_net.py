"""The link between hub and peer: each fault does what its name says, between request, effect and reply."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from syncline.model.canonical import Way
from syncline.model.change import Transaction
from syncline.model.errors import PeerRestored, PeerUnreachable
from syncline.model.stamp import Position
from syncline.model.value import Row
from syncline.model.write import Batch
from syncline.sim.database import Do, SimDatabase, Statement
from syncline.sim.effects import Effects, Plan, SimCrash
from syncline.sim.history import Acknowledged, BatchApplied, Entered, History
from syncline.sim.loop import SimLoop
from syncline.sim.net import TIMEOUT_SECONDS, Link, SimNetPeer
from syncline.sim.peer import SimPeer
from syncline.sim.shape import COLLECTIONS, ITEMS
from syncline.sim.trace import Trace


class Rig:
    """A loop, a database behind a link, and a hub's door to it."""

    def __init__(self, plan: Plan | None = None) -> None:
        self.loop = SimLoop()
        trace = Trace(self.loop.time, lambda: self.loop.turns)
        self.database = SimDatabase("ann", COLLECTIONS, lambda: round(self.loop.time() * 1e6), random.Random(0))
        self.database.set_up(["items", "pairs"])
        self.link = Link(random.Random(0))
        self.history = History()
        self.effects = Effects("hub 1", plan or Plan(), trace)
        self.door = SimNetPeer(SimPeer(self.database, lambda: 5), self.link, self.effects, self.history, 1)

    def run(self, story: Callable[["Rig"], Coroutine[Any, Any, None]]) -> None:
        async def whole() -> None:
            await self.door.connect()
            await story(self)

        self.loop.run_until_complete(whole())

    def write(self, key: int) -> None:
        row: Row = (key, "n", "o", 0, "[]", "")
        values = dict(zip(ITEMS.columns, row, strict=True))
        self.database.local([Statement(Do.INSERT, "items", (key,), values)])


async def take(stream: AsyncIterator[Transaction], count: int) -> list[int]:
    return [(await anext(stream)).position.major for _ in range(count)]


def test_a_cut_wire_is_noticed_at_once_and_needs_a_new_connection() -> None:
    async def story(rig: Rig) -> None:
        rig.link.set(cut=True)
        with pytest.raises(PeerUnreachable):
            await rig.door.position()
        rig.link.set(cut=False)
        with pytest.raises(PeerUnreachable, match="connection is gone"):
            await rig.door.position()
        await rig.door.connect()
        assert (await rig.door.position()).major == 0
        assert rig.loop.time() < 1.0

    rig = Rig()
    rig.run(story)
    assert rig.link.counts["cut"] == 1


def test_f15_half_open_hangs_until_the_timeout_and_nothing_happens_at_the_peer() -> None:
    async def story(rig: Rig) -> None:
        rig.link.set(silent=True)
        with pytest.raises(PeerUnreachable, match="no answer"):
            await rig.door.apply(Batch(1, (), 0))
        assert rig.loop.time() >= TIMEOUT_SECONDS
        assert rig.database.content.watermark == 0

    Rig().run(story)


def test_f15_a_lost_reply_looks_the_same_but_the_effect_is_there() -> None:
    async def story(rig: Rig) -> None:
        rig.link.set(deaf=True)
        with pytest.raises(PeerUnreachable, match="no answer"):
            await rig.door.apply(Batch(1, (), 0))
        assert rig.database.content.watermark == 1

    rig = Rig()
    rig.run(story)
    assert [fact.upto for fact in rig.history.facts if isinstance(fact, BatchApplied)] == [1]


def test_a_late_effect_comes_after_the_caller_gave_up() -> None:
    async def story(rig: Rig) -> None:
        rig.link.late_share = 1.0
        with pytest.raises(PeerUnreachable):
            await rig.door.apply(Batch(1, (), 0))
        await asyncio.sleep(3 * TIMEOUT_SECONDS)
        assert rig.database.content.watermark == 1

    Rig().run(story)


def test_f16_a_slow_link_is_a_thousand_times_slower() -> None:
    async def story(rig: Rig) -> None:
        begun = rig.loop.time()
        await rig.door.position()
        quick = rig.loop.time() - begun
        rig.link.slow = True
        begun = rig.loop.time()
        await rig.door.position()
        assert rig.loop.time() - begun > 50 * quick

    Rig().run(story)


def test_a_stream_tells_the_end_of_history_and_then_the_news() -> None:
    async def story(rig: Rig) -> None:
        rig.write(1)
        stream = rig.door.stream(Position(1))
        assert await take(stream, 1) == [1]
        rig.loop.call_later(5.0, rig.write, 2)
        assert await take(stream, 1) == [2]
        assert rig.loop.time() >= 5.0

    Rig().run(story)


def test_a_stream_breaks_with_its_connection_and_a_new_one_goes_on() -> None:
    async def story(rig: Rig) -> None:
        rig.write(1)
        stream = rig.door.stream(None)
        assert await take(stream, 1) == [1]
        rig.loop.call_later(5.0, lambda: rig.link.set(cut=True))
        with pytest.raises(PeerUnreachable):
            await take(stream, 1)
        rig.link.set(cut=False)
        rig.write(2)
        await rig.door.connect()
        assert await take(rig.door.stream(Position(1)), 1) == [2]

    Rig().run(story)


def test_f18_repeated_polls_give_transactions_again() -> None:
    async def story(rig: Rig) -> None:
        for key in range(1, 9):
            rig.write(key)
        rig.link.repeat_share = 1.0
        seen = await take(rig.door.stream(None), 9)
        assert seen[:8] == list(range(1, 9))
        assert seen[8] <= 8

    rig = Rig()
    rig.run(story)
    assert rig.link.counts["repeated"] == 1


def test_f20_a_position_of_another_history_is_refused() -> None:
    async def story(rig: Rig) -> None:
        rig.write(1)
        rig.write(2)
        with pytest.raises(PeerRestored):
            await take(rig.door.stream(Position(3)), 1)
        with pytest.raises(PeerRestored):
            await take(rig.door.stream(Position(2, 0, "another")), 1)

    Rig().run(story)


def test_a_crash_after_the_effect_hides_it_from_the_hub() -> None:
    async def story(rig: Rig) -> None:
        with pytest.raises(SimCrash):
            await rig.door.apply(Batch(1, (), 0))
        with pytest.raises(SimCrash):
            await rig.door.position()
        assert rig.database.content.watermark == 1

    Rig(Plan(4)).run(story)  # connect, connect.done, apply, apply.done


def test_a_crash_before_the_effect_prevents_it() -> None:
    async def story(rig: Rig) -> None:
        with pytest.raises(SimCrash):
            await rig.door.apply(Batch(1, (), 0))
        assert rig.database.content.watermark == 0

    Rig(Plan(3)).run(story)


def test_what_a_hub_does_to_a_peer_is_noted() -> None:
    async def story(rig: Rig) -> None:
        await rig.door.enter("nonce")
        await rig.door.apply(Batch(3, (), 0))
        await rig.door.acknowledge(Position(1))

    rig = Rig()
    rig.run(story)
    assert [type(fact) for fact in rig.history.facts] == [Entered, BatchApplied, Acknowledged]


def test_chunks_and_digests_cover_a_range_in_key_order() -> None:
    async def story(rig: Rig) -> None:
        for key in (5, 3, 9, 1, 7):
            rig.write(key)
        first = await rig.door.chunk(ITEMS, None, 2)
        assert ([key for key, _ in first.rows], first.last, first.done) == ([(1,), (3,)], (3,), False)
        rest = await rig.door.chunk(ITEMS, (3,), 9, (7,))
        assert ([key for key, _ in rest.rows], rest.done) == ([(5,), (7,)], True)
        assert await rig.door.fences(ITEMS, [((1,), (9,))], 2) == [[(5,)]]
        found = await rig.door.digests(ITEMS, [((1,), (5,)), ((5,), (9,))], Way())
        assert [part.count for part in found.parts] == [2, 2]
        assert [key for key, _ in (await rig.door.rows(ITEMS, [(9,), (2,)])).rows] == [(9,)]

    Rig().run(story)
