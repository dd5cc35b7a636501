"""The event loop: virtual time, seeded order, deadlock and busy-loop detection."""

import asyncio
import random
import time

import pytest

from syncline.sim.loop import SimDeadlock, SimError, SimLivelock, SimLoop


def order_of(seed: int | None, workers: int = 6) -> list[str]:
    seen: list[str] = []

    async def work(name: str) -> None:
        for turn in range(3):
            seen.append(f"{name}{turn}")
            await asyncio.sleep(0 if turn else 1.0)

    async def main() -> None:
        await asyncio.gather(*(work(chr(97 + number)) for number in range(workers)))

    SimLoop(None if seed is None else random.Random(seed)).run_until_complete(main())
    return seen


def test_a_long_sleep_takes_no_real_time() -> None:
    loop = SimLoop()
    began = time.perf_counter()
    loop.run_until_complete(asyncio.sleep(30 * 24 * 3600.0))
    assert loop.time() == 30 * 24 * 3600.0
    assert time.perf_counter() - began < 1.0


def test_the_same_seed_gives_the_same_order_and_others_differ() -> None:
    assert order_of(7) == order_of(7)
    assert len({tuple(order_of(seed)) for seed in range(10)}) > 5
    assert order_of(None)[:6] == ["a0", "b0", "c0", "d0", "e0", "f0"]


def test_every_task_keeps_its_own_order() -> None:
    for seed in range(20):
        seen = order_of(seed)
        for name in "abcdef":
            assert [step for step in seen if step[0] == name] == [f"{name}0", f"{name}1", f"{name}2"]


def test_plain_callbacks_keep_the_order_asyncio_promises() -> None:
    seen: list[int] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for number in range(50):
            loop.call_soon(seen.append, number)
        await asyncio.sleep(0.1)

    SimLoop(random.Random(3)).run_until_complete(main())
    assert seen == list(range(50))


def test_timeouts_queues_and_task_groups_work() -> None:
    async def main() -> str:
        queue: asyncio.Queue[str] = asyncio.Queue()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await queue.get()
        async with asyncio.TaskGroup() as group:
            taken = group.create_task(queue.get())
            group.create_task(queue.put("bread"))
        return taken.result()

    loop = SimLoop(random.Random(1))
    assert loop.run_until_complete(main()) == "bread"
    assert loop.time() == 5.0


def test_a_deadlock_is_an_error_that_names_who_waits() -> None:
    async def main() -> None:
        await asyncio.get_running_loop().create_task(asyncio.Event().wait(), name="the waiter")

    with pytest.raises(SimDeadlock, match="the waiter"):
        SimLoop().run_until_complete(main())


def test_a_busy_loop_is_an_error() -> None:
    async def spin() -> None:
        while True:
            await asyncio.sleep(0)

    with pytest.raises(SimLivelock):
        SimLoop().run_until_complete(spin())


def test_threads_are_refused() -> None:
    async def main() -> None:
        await asyncio.to_thread(print)

    with pytest.raises(SimError, match="thread"):
        SimLoop().run_until_complete(main())


def test_a_cancelled_timer_does_not_move_time() -> None:
    async def main() -> None:
        asyncio.get_running_loop().call_later(1000, print).cancel()
        await asyncio.sleep(1)

    loop = SimLoop()
    loop.run_until_complete(main())
    assert loop.time() == 1.0


def test_an_error_nobody_awaits_is_kept() -> None:
    async def fail() -> None:
        raise ValueError("nobody looks")

    async def main() -> None:
        asyncio.get_running_loop().create_task(fail())  # abandoned on purpose
        await asyncio.sleep(1)

    loop = SimLoop()
    loop.run_until_complete(main())
    assert [str(mishap["exception"]) for mishap in loop.mishaps] == ["nobody looks"]
