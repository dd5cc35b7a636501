"""Clocks, processes and effects: what a crash stops, and what it must not let through."""

import asyncio
import random

import pytest

from syncline.sim.clock import EPOCH_MICROS, SimClock
from syncline.sim.effects import Effects, Plan, SimCrash
from syncline.sim.loop import SimError, SimLoop
from syncline.sim.process import Process
from syncline.sim.trace import Trace


def make_trace(loop: SimLoop) -> Trace:
    return Trace(loop.time, lambda: loop.turns)


def test_f19_clocks_are_skewed_drift_and_jump() -> None:
    now = [0.0]
    clock = SimClock(lambda: now[0], skew_micros=5_000_000, drift_ppm=100)
    assert clock.now() == EPOCH_MICROS + 5_000_000
    now[0] = 10_000.0
    assert clock.now() == EPOCH_MICROS + 5_000_000 + 10_000_000_000 + 1_000_000
    clock.jump(-86_400_000_000)
    assert clock.now() == EPOCH_MICROS + 5_000_000 + 10_000_000_000 + 1_000_000 - 86_400_000_000


def test_killing_a_process_ends_the_tasks_its_tasks_started() -> None:
    ended: list[str] = []

    async def child() -> None:
        try:
            await asyncio.sleep(1e9)
        finally:
            ended.append("child")

    async def parent() -> None:
        task = asyncio.get_running_loop().create_task(child())
        await task

    async def main() -> None:
        process = Process(loop, "hub")
        process.spawn(parent())
        bystander = loop.create_task(asyncio.sleep(3, "alive"))
        await asyncio.sleep(1)
        await process.kill()
        assert not process.alive
        assert await bystander == "alive"

    loop = SimLoop(random.Random(0))
    loop.run_until_complete(main())
    assert ended == ["child"]
    assert loop.time() == 3.0


def test_a_process_that_swallows_cancellation_is_reported() -> None:
    async def stubborn() -> None:
        while True:
            try:
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                continue

    async def main() -> None:
        process = Process(loop, "hub")
        process.spawn(stubborn(), "the stubborn one")
        await asyncio.sleep(0.5)
        await process.kill()

    loop = SimLoop()
    with pytest.raises(SimError, match="the stubborn one"):
        loop.run_until_complete(main())


def test_a_crash_comes_at_its_effect_and_nothing_passes_afterwards() -> None:
    loop = SimLoop()
    plan = Plan(3)
    told: list[str] = []
    effects = Effects("hub", plan, make_trace(loop))
    effects.on_death.append(lambda: told.append("dead"))
    effects.hit("log.append")
    effects.hit("peer.apply")
    with pytest.raises(SimCrash):
        effects.hit("peer.acknowledge")
    with pytest.raises(SimCrash):
        effects.hit("peer.apply")
    assert told == ["dead"]
    assert plan.count == 3
    second = Effects("hub again", plan, make_trace(loop))
    second.hit("log.append")
    assert plan.count == 4


def test_a_program_that_catches_exception_does_not_survive_a_crash() -> None:
    assert not issubclass(SimCrash, Exception)


def test_equal_runs_have_equal_digests_and_an_extra_turn_shows() -> None:
    def digest(turns: int) -> str:
        async def main() -> None:
            for _ in range(turns):
                await asyncio.sleep(0)
            trace.note("end")

        loop = SimLoop()
        trace = make_trace(loop)
        loop.run_until_complete(main())
        return trace.digest

    assert digest(4) == digest(4) != digest(5)
