"""Turns: many at once after a pause, then no more than so many in a second, in order."""

import asyncio

from syncline.server.turns import Turns


def test_beyond_the_turns_of_a_second_everybody_waits() -> None:
    async def story() -> None:
        loop = asyncio.get_running_loop()
        turns = Turns(loop.time, per_second=100, most=10)
        begun, done = loop.time(), []

        async def take(number: int) -> None:
            await turns.take()
            done.append(number)

        await asyncio.gather(*(take(number) for number in range(30)))
        assert done == list(range(30))
        assert loop.time() - begun >= 0.19, "twenty more than at once, at a hundred in a second"

    asyncio.run(story())


def test_turns_come_back_with_time_and_are_not_saved_up_for_ever() -> None:
    async def story() -> None:
        now = 0.0
        turns = Turns(lambda: now, per_second=1, most=3)
        for _ in range(3):
            await asyncio.wait_for(turns.take(), 0.5)
        now = 1000.0
        for _ in range(3):
            await asyncio.wait_for(turns.take(), 0.5)
        waiting = asyncio.create_task(turns.take())
        await asyncio.sleep(0.05)
        assert not waiting.done()
        waiting.cancel()

    asyncio.run(story())


def test_who_goes_before_its_turn_gives_it_back() -> None:
    async def story() -> None:
        turns = Turns(lambda: 0.0, per_second=1, most=1)
        await turns.take()
        gone = [asyncio.create_task(turns.take()) for _ in range(1000)]
        await asyncio.sleep(0)
        for one in gone:
            one.cancel()
        await asyncio.gather(*gone, return_exceptions=True)
        await asyncio.wait_for(turns.take(), 10)  # a second, and not a thousand

    asyncio.run(story())
