"""Transactions that come as one: logged as one where nobody else cares, and one by one where it matters to somebody."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import pairwise

from tests.unit.engine.ingest_bench import Bench, wrote

from syncline.engine.join import Joiner
from syncline.engine.memory import Memory
from syncline.engine.progress import Progress
from syncline.engine.range_merge import Own
from syncline.engine.state import PeerRecord, Stage
from syncline.model.blocks import of_changes
from syncline.model.change import Change, Transaction, change_of
from syncline.model.entry import Entry, Kind
from syncline.model.stamp import Micros, Position
from syncline.sim.clock import EPOCH_MICROS

DAY = 86_400_000_000


def together(*parts: Transaction) -> Transaction:
    """Several transactions as one, by columns."""
    last = parts[-1]
    changes = [change for part in parts for change in part.changes]
    blocks = of_changes(changes, {"c": (0,)}, [last.time - part.time for part in parts for _ in part.changes])
    assert blocks
    return Transaction(last.peer, last.position, last.context, last.time, blocks=blocks, split=lambda: list(parts))


def alike(position: int, key: int, time: Micros = EPOCH_MICROS) -> Transaction:
    """A transaction of one row."""
    return wrote(position, key=key, time=time)


def logged(bench: Bench) -> list[tuple[int, int, bool]]:
    """Of each entry of users: its position, its rows, whether it is by columns."""
    return [(one.position.major if one.position else 0, one.rows, bool(one.blocks)) for one in bench.changes()]


def times(entry: Entry) -> list[Micros]:
    """When each row of an entry was committed."""
    return [block.time(place, entry.time) for block in entry.blocks for place in range(block.count)] or [entry.time]


def test_a_group_that_nobody_else_touched_is_one_entry_and_each_row_keeps_its_time() -> None:
    bench = Bench()

    async def story() -> None:
        async with bench:
            group = together(*[alike(number, number, EPOCH_MICROS + number * 10) for number in (1, 2, 3)])
            await bench.submit(group)
            assert logged(bench) == [(3, 3, True)]
            assert times(bench.changes()[0]) == [EPOCH_MICROS + number * 10 for number in (1, 2, 3)]
            assert bench.source.told == [Position(3)]
            await bench.submit(group)
            assert logged(bench) == [(3, 3, True)], "what comes again is logged once"
            view = bench.window.view("c", (2,))
            assert view is not None
            assert view.row == (2, "new2")
            assert {stamp.time for stamp in view.stamps if stamp} == {EPOCH_MICROS + 20}

    bench.loop.run_until_complete(story())


def test_a_group_with_a_key_that_another_peer_touched_is_logged_one_by_one() -> None:
    bench = Bench()

    async def story() -> None:
        async with bench:
            await bench.submit(wrote(1, key=2, peer="q"))
            await bench.submit(together(*[alike(number, number) for number in (1, 2, 3)]))
            assert logged(bench) == [(1, 1, False), *[(number, 1, False) for number in (1, 2, 3)]]
            verdicts = [change.verdict for entry in bench.changes() for change in entry.changes]
            assert [verdict is not None for verdict in verdicts] == [False, False, True, False]

    bench.loop.run_until_complete(story())


def test_c12_a_group_from_a_clock_that_ran_ahead_and_was_set_back_is_logged_one_by_one() -> None:
    bench = Bench()

    async def story() -> None:
        async with bench:
            await bench.submit(together(alike(1, 1, EPOCH_MICROS + DAY), alike(2, 2, EPOCH_MICROS + DAY + 5), alike(3, 3)))
            assert logged(bench) == [(1, 1, False), (2, 1, False), (3, 1, False)]
            assert max(entry.time for entry in bench.changes()) <= bench.clock.now() + 60_000_000
            await bench.submit(together(alike(4, 4, EPOCH_MICROS + DAY), alike(5, 5, EPOCH_MICROS + DAY)))
            assert logged(bench)[3:] == [(4, 1, False), (5, 1, False)]
            assert max(entry.time for entry in bench.changes()) <= bench.clock.now() + 60_000_000

    bench.loop.run_until_complete(story())


def test_c12_a_clock_that_stepped_back_between_changes_of_one_key_is_seen_one_by_one() -> None:
    bench = Bench()

    async def story() -> None:
        async with bench:
            rows = [(1, "a"), (1, "b"), (1, "c")]
            steps = [Change("c", (1,), old, new) for old, new in pairwise(rows)]
            moments = (EPOCH_MICROS, EPOCH_MICROS - 1000)
            parts = [
                Transaction("p", Position(place), 2, moment, (step,))
                for place, (step, moment) in enumerate(zip(steps, moments, strict=True), 1)
            ]
            await bench.submit(together(*parts))
            assert logged(bench) == [(1, 1, False), (2, 1, False)]
            view = bench.window.view("c", (1,))
            assert view is not None
            assert view.stamps[1] is not None
            assert view.stamps[1].time == EPOCH_MICROS + 1, "later than what it had seen"
            await bench.submit(together(alike(3, 5, EPOCH_MICROS), alike(4, 6, EPOCH_MICROS - 1000)))
            assert logged(bench)[2:] == [(4, 2, True)], "of other keys it does not matter"

    bench.loop.run_until_complete(story())


def test_a_group_of_a_peer_that_is_not_live_is_logged_one_by_one() -> None:
    bench = Bench()

    async def story() -> None:
        async with bench:
            bench.state.peer("p").stage = Stage.JOINING
            await bench.submit(together(alike(1, 1), alike(2, 2)))
            assert logged(bench) == [(1, 1, False), (2, 1, False)]

    bench.loop.run_until_complete(story())


def test_a_large_transaction_by_columns_is_settled_row_by_row_where_another_peer_touched_it() -> None:
    bench = Bench()

    async def story() -> None:
        async with bench:
            changes = [Change("c", (key,), (key, "old"), (key, "mine")) for key in (1, 2, 3)]
            blocks = of_changes(changes, {"c": (0,)}) or ()
            await bench.submit(wrote(1, key=2, peer="q"))
            await bench.submit(Transaction("p", Position(1), 2, EPOCH_MICROS, blocks=blocks))
            entry = bench.changes()[-1]
            assert (entry.rows, entry.blocks) == (3, ())
            assert [change.verdict is not None for change in entry.changes] == [False, True, False]
            assert change_of(blocks[0], 0) == entry.changes[0]
            assert bench.log.of(Kind.CHANGE)[-1] == entry

    bench.loop.run_until_complete(story())


@dataclass
class Teller:
    """A peer whose history ends at 2, and whose stream tells more, together."""

    told: Transaction
    name: str = "p"

    async def position(self) -> Position:
        """The end as it was asked for."""
        return Position(2)

    async def stream(self, _after: Position | None) -> AsyncIterator[Transaction]:
        """One group, which reaches beyond."""
        yield self.told
        await asyncio.sleep(1)
        raise AssertionError("that was enough")


@dataclass
class Joining:
    """A session, as far as a recall needs it."""

    peer: Teller
    name: str = "p"


def test_p7_what_a_joining_peer_did_after_the_end_that_was_asked_for_is_not_recalled_but_admitted() -> None:
    bench = Bench()
    steps = [Change("c", (1,), (1, count), (1, count + 10)) for count in (0, 10, 20)]
    parts = [Transaction("p", Position(place), 2, EPOCH_MICROS, (step,)) for place, step in enumerate(steps, 1)]
    joiner = Joiner({}, {}, {}, "", bench.state, bench.window, bench.ingest, bench.clock, bench.events.append)
    progress = Progress(Memory(bench.ingest.tail, 0), Own())
    for told, added in ((together(*parts), 20), (together(*parts[:2]), 20), (parts[2], 10)):
        recall = joiner._recall(Joining(Teller(told)), PeerRecord("p"), progress)  # type: ignore[arg-type]
        bench.loop.run_until_complete(recall)
        assert progress.own.added == {("c", (1,)): (0, added)}
