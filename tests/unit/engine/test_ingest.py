"""Ingest: one order, nothing twice, nothing acknowledged before it is durable, errors go back to who caused them."""

import asyncio

import pytest
from tests.unit.engine.gated import Failure
from tests.unit.engine.ingest_bench import Bench, live, saw, wrote

from syncline.engine.state import Stage, State
from syncline.model.change import Change, Refusal, Transaction
from syncline.model.entry import Entry, Kind
from syncline.model.errors import CodecError, LogError, LogFenced, LogFull
from syncline.model.space import Settings
from syncline.model.stamp import Offset, Position
from syncline.sim.clock import EPOCH_MICROS

YEAR_MICROS = 365 * 24 * 3600 * 1_000_000


def test_f2_what_is_captured_again_is_logged_once() -> None:
    bench = Bench()

    async def story() -> None:
        async with bench:
            await bench.submit(wrote(1), wrote(2))
            await bench.submit(wrote(1), wrote(2), wrote(3))
            assert [entry.position for entry in bench.changes()] == [Position(1), Position(2), Position(3)]
            assert bench.source.told[-3:] == [Position(1), Position(2), Position(3)], "all are in the log: say so"

    bench.loop.run_until_complete(story())


def test_f2_captured_again_within_one_round() -> None:
    bench = Bench()

    async def story() -> None:
        async with bench:
            await bench.submit(*(wrote(position) for position in (1, 2, 1, 2, 3, 2)))
            assert [entry.position for entry in bench.changes()] == [Position(1), Position(2), Position(3)]

    bench.loop.run_until_complete(story())


def test_a_refusal_captured_again_does_not_park_again() -> None:
    """After a restart the history is read again from the last change on: the marks in between come a second time."""
    bench = Bench()

    async def story() -> None:
        async with bench:
            await bench.submit(wrote(1, peer="q"), saw(1, 3, 1))
            assert len(bench.log.of(Kind.PARK)) == 1
            (row,) = bench.state.parked.values()
            await bench.ingest.command(
                lambda offset: [Entry(offset, Kind.RETRY, changes=(Change("c", (1,), None, (1, "x")),), to="p")]
            )
            await bench.submit(saw(2, bench.log.head))
            assert not bench.state.parked
            await bench.submit(saw(1, 3, 1), saw(2, bench.log.head))
            assert len(bench.log.of(Kind.PARK)) == 1
            assert not bench.state.parked
            assert row.since == 2, "the first entry that p had not confirmed"

    bench.loop.run_until_complete(story())


def test_rows_that_are_refused_again_in_one_apply_have_been_parked_since_the_first_time() -> None:
    """Each is looked at before the watermark counts, which says of a retry that it went well if nothing else was said."""
    bench = Bench()

    async def story() -> None:
        async with bench:
            await bench.submit(*(wrote(key, key=key, peer="q") for key in (1, 2, 3)), saw(1, 5, 1, 2))
            for key in (1, 2):
                retry = (Change("c", (key,), None, (key, "x")),)
                await bench.ingest.command(
                    lambda offset, retry=retry: [Entry(offset, Kind.RETRY, changes=retry, to="p")]  # type: ignore[misc]
                )
            await bench.submit(saw(2, bench.log.head, 3, 1, 2))
            since = {key: parked.since for (_, _, key), parked in bench.window.exceptions.items()}
            assert since[1,] == since[2,] < since[3,]
            assert {key: row.since for (_, _, key), row in bench.state.parked.items()} == since
            assert {key: row.attempts for (_, _, key), row in bench.state.parked.items()} == {(1,): 2, (2,): 2, (3,): 1}
            again = State()
            for entry in bench.log.entries:
                again.fold(entry)
            assert {key: row.since for (_, _, key), row in again.parked.items()} == since

    bench.loop.run_until_complete(story())


def test_t4_all_refusals_of_one_apply_are_recorded_and_the_change_beside_them() -> None:
    bench = Bench()

    async def story() -> None:
        async with bench:
            both = Transaction(
                "p",
                Position(4),
                2,
                EPOCH_MICROS,
                wrote(4).changes,
                (Refusal("c", (8,), "x", "y"), Refusal("c", (9,), "x", "y")),
            )
            bench.state.peer("p").captured = 1
            await bench.submit(both)
            kinds = [(entry.kind, entry.offset) for entry in bench.log.entries[2:]]
            assert kinds == [(Kind.PARK, 3), (Kind.PARK, 4), (Kind.CHANGE, 5)]
            assert {row.id for row in bench.state.parked.values()} == {"3", "4"}

    bench.loop.run_until_complete(story())


def test_f9_nothing_is_acknowledged_before_the_append_returned() -> None:
    bench = Bench()

    async def story() -> None:
        async with bench:
            bench.log.faults += [LogFull("no space")] * 3
            await bench.ingest.submit(bench.source, wrote(1))
            await asyncio.sleep(0.01)
            assert bench.source.told == []
            assert bench.state.head == 2, "nobody delivers what is not durable"
            assert Position(1) != bench.ingest.durable.get("p")
            await bench.quiet()
            assert bench.source.heads == [3]
            assert bench.ingest.durable["p"] == Position(1)

    bench.loop.run_until_complete(story())


def test_f13_a_full_log_is_tried_again_until_there_is_space() -> None:
    bench = Bench()

    async def story() -> None:
        async with bench:
            bench.log.faults += [LogFull("no space") for _ in range(5)]
            made = await bench.ingest.command(lambda offset: [Entry(offset, Kind.VERIFY, body={})])
            assert made[0].offset == 3
            assert len([event for event in bench.events if event.name == "log.waiting"]) == 5

    bench.loop.run_until_complete(story())


def test_errors_of_a_command_come_back_to_its_caller_and_stop_nobody() -> None:
    bench = Bench()

    def refuse(offset: Offset) -> list[Entry]:
        raise Failure(f"not at {offset}")

    async def story() -> None:
        async with bench:
            with pytest.raises(Failure, match="not at 3"):
                await bench.ingest.command(refuse)
            await bench.submit(wrote(1))
            assert bench.changes()[0].offset == 3

    bench.loop.run_until_complete(story())


def test_f29_whoever_waits_for_a_command_learns_what_ended_the_log() -> None:
    """Those of the round that failed, those still in the queue, and those that come too late."""
    bench = Bench()

    async def story() -> None:
        async with bench:
            bench.log.faults.append(LogFenced("another hub took over"))
            failed = asyncio.create_task(bench.ingest.command(lambda offset: [live(offset, "r")]))
            await asyncio.sleep(0)
            results = await asyncio.gather(
                failed, bench.ingest.command(lambda offset: [live(offset, "s")]), return_exceptions=True
            )
            assert [type(result) for result in results] == [LogFenced, LogFenced]
            with pytest.raises(LogFenced):
                await bench.ingest.command(lambda offset: [live(offset, "t")])
            assert bench.task is not None
            with pytest.raises(LogFenced):
                await bench.task

    bench.loop.run_until_complete(story())


def test_a_value_that_the_wire_cannot_carry_is_told_to_who_waits() -> None:
    bench = Bench()

    async def story() -> None:
        async with bench:
            broken = Entry(3, Kind.CHANGE, "p", changes=(Change("c", (1,), None, (1, 2**70)),))
            with pytest.raises(CodecError):
                await bench.ingest.command(lambda _offset: [broken])

    bench.loop.run_until_complete(story())


def test_when_the_hub_stops_no_caller_waits_for_ever() -> None:
    bench = Bench()

    async def story() -> None:
        async with bench:
            bench.log.faults += [LogFull("no space")] * 100
            waiting = asyncio.create_task(bench.ingest.command(lambda offset: [live(offset, "r")]))
            await asyncio.sleep(0.1)
            assert bench.task is not None
            bench.task.cancel()
            with pytest.raises(LogError, match="stopping"):
                await waiting

    bench.loop.run_until_complete(story())


def test_a_command_whose_caller_went_away_is_not_built() -> None:
    """What it was to be built from, such as rows read under a pin, may not hold any more."""
    bench = Bench()
    built: list[Offset] = []

    def build(offset: Offset) -> list[Entry]:
        built.append(offset)
        raise Failure("nobody listens")

    async def story() -> None:
        async with bench:
            bench.log.faults.append(LogFull("no space"))
            busy = asyncio.create_task(bench.ingest.command(lambda offset: [live(offset, "r")]))
            await asyncio.sleep(0.001)
            gone = asyncio.create_task(bench.ingest.command(build))
            await asyncio.sleep(0.001)
            gone.cancel()
            await busy
            await bench.submit(wrote(1))
            assert built == []
            assert bench.changes(), "and the log goes on"

    bench.loop.run_until_complete(story())


def test_what_follows_in_the_same_round_sees_what_came_before() -> None:
    bench = Bench()
    seen: list[bool] = []

    def look(offset: Offset) -> list[Entry]:
        seen.append(bench.state.peer("r").stage is Stage.LIVE)
        return [Entry(offset, Kind.CHECKPOINT, body=bench.state.checkpoint())]

    async def story() -> None:
        async with bench:
            await asyncio.gather(bench.ingest.command(lambda offset: [live(offset, "r")]), bench.ingest.command(look))
            assert seen == [True]
            assert bench.log.asked == 3, "they went in one round"
            copy = State()
            copy.fold(bench.log.entries[-1])
            assert copy.peers["r"].stage is Stage.LIVE, "a checkpoint lacks nothing that stands before it"

    bench.loop.run_until_complete(story())


def test_c12_a_clock_ten_years_ahead_does_not_win_for_ever() -> None:
    bench = Bench(Settings(drift_seconds=60.0))

    async def story() -> None:
        async with bench:
            await bench.submit(wrote(1, time=EPOCH_MICROS + 10 * YEAR_MICROS))
            (entry,) = bench.changes()
            assert entry.time <= bench.clock.now() + 60_000_000
            await asyncio.sleep(61)
            await bench.submit(wrote(2, peer="q", time=bench.clock.now()))
            assert bench.changes()[-1].time > entry.time

    bench.loop.run_until_complete(story())


def test_f19_a_known_clock_offset_is_taken_off() -> None:
    bench = Bench()
    hour = 3_600_000_000

    async def story() -> None:
        async with bench:
            bench.source.clock_offset = hour
            await bench.submit(wrote(1, time=EPOCH_MICROS + hour))
            bench.source.clock_offset = -hour
            await bench.submit(wrote(2, time=EPOCH_MICROS - hour))
            assert [entry.time for entry in bench.changes()] == [EPOCH_MICROS, EPOCH_MICROS]

    bench.loop.run_until_complete(story())


def test_changes_that_are_not_admitted_do_not_move_the_position() -> None:
    bench = Bench()

    async def story() -> None:
        async with bench:
            bench.source.admits = False
            await bench.submit(wrote(1))
            assert bench.changes() == []
            assert bench.state.peer("p").position == Position(0)
            assert bench.source.told == [Position(1)]

    bench.loop.run_until_complete(story())


def test_the_end_of_a_peers_place_ends_its_exceptions_in_the_window() -> None:
    bench = Bench()

    async def story() -> None:
        async with bench:
            await bench.submit(wrote(1, peer="q"), saw(1, 3, 1))
            assert bench.window.exceptions
            await bench.ingest.command(lambda offset: [Entry(offset, Kind.PEER, "p", body={"stage": Stage.LEFT.value})])
            assert not bench.state.parked
            assert not bench.window.exceptions
            assert len(bench.window) == 0, "only q is left, and it wrote the row"

    bench.loop.run_until_complete(story())
