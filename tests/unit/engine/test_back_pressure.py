"""Back-pressure: captures wait for the log and for the others, but not where waiting does not help."""

import asyncio

from tests.unit.engine.ingest_bench import Bench, saw, wrote

from syncline.engine.clock import monotonic
from syncline.engine.ingest import FLOW_SECONDS
from syncline.model.change import Change, Transaction
from syncline.model.errors import LogFull
from syncline.model.limits import INGEST_QUEUE_TRANSACTIONS_MAX, INGEST_ROWS_MAX
from syncline.model.space import Settings
from syncline.model.stamp import Position
from syncline.sim.clock import EPOCH_MICROS


def test_captures_wait_while_the_queue_is_full() -> None:
    bench = Bench()

    async def story() -> None:
        async with bench:
            bench.log.faults += [LogFull("no space")] * 4
            done: list[int] = []

            async def feed() -> None:
                for position in range(1, 3 * INGEST_QUEUE_TRANSACTIONS_MAX):
                    await bench.ingest.submit(bench.source, wrote(position, key=position))
                    done.append(position)

            feeding = asyncio.create_task(feed())
            await asyncio.sleep(0.1)
            assert len(done) <= INGEST_QUEUE_TRANSACTIONS_MAX, "nothing is appended, so nothing more is taken"
            await feeding
            await bench.quiet()
            assert len(bench.changes()) == len(done) == 3 * INGEST_QUEUE_TRANSACTIONS_MAX - 1

    bench.loop.run_until_complete(story())


def test_captures_wait_while_the_queue_has_many_rows() -> None:
    bench = Bench()
    big = tuple(Change("c", (key,), None, (key, "x")) for key in range(INGEST_ROWS_MAX // 2 + 1))

    async def story() -> None:
        async with bench:
            bench.log.faults += [LogFull("no space")] * 4
            feeding = [
                asyncio.create_task(bench.ingest.submit(bench.source, Transaction("p", Position(place), 2, EPOCH_MICROS, big)))
                for place in range(1, 6)
            ]
            await asyncio.sleep(0.1)
            assert sum(task.done() for task in feeding) < len(feeding)
            await asyncio.gather(*feeding)
            await bench.quiet()
            assert len(bench.changes()) == 5

    bench.loop.run_until_complete(story())


def test_f16_writers_go_on_where_waiting_for_others_does_not_help() -> None:
    """q confirms nothing: the window grows past its bound. A writer waits now and then, not at every transaction."""
    bench = Bench(Settings(inflight_rows=40))

    async def story() -> None:
        async with bench:
            begun = monotonic()
            for position in range(1, 241):
                await bench.ingest.submit(bench.source, wrote(position, key=position))
                await asyncio.sleep(0)
            await bench.quiet()
            assert len(bench.window) == 240
            assert FLOW_SECONDS < monotonic() - begun < 25 * FLOW_SECONDS, "200 rows too many, a wait per 10 of them"
            await bench.submit(saw(1, bench.log.head, peer="q"), saw(241, bench.log.head))
            assert len(bench.window) == 0
            begun = monotonic()
            await bench.submit(*(wrote(position, key=position) for position in range(300, 330)))
            assert monotonic() - begun < FLOW_SECONDS

    bench.loop.run_until_complete(story())


def test_a_writer_goes_on_as_soon_as_there_is_room() -> None:
    bench = Bench(Settings(inflight_rows=10))

    async def story() -> None:
        async with bench:
            await bench.submit(*(wrote(position, key=position) for position in range(1, 12)))
            begun = monotonic()
            late = asyncio.create_task(bench.ingest.submit(bench.source, wrote(20, key=20)))
            await asyncio.sleep(FLOW_SECONDS / 10)
            assert not late.done()
            await bench.ingest.submit(bench.source, saw(1, bench.log.head, peer="q"))
            await late
            assert monotonic() - begun < FLOW_SECONDS / 2

    bench.loop.run_until_complete(story())
