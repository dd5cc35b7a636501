"""Syncline itself in the simulated world: seeds, a crash at every effect, and proof that the faults really struck.

The same seeds, and as many more as one likes, run with `python -m syncline.sim run --seeds 1000`.
"""

import asyncio
import os
from collections import Counter

import pytest

from syncline.engine.progress import Member, Progress
from syncline.engine.range_read import RangeRead
from syncline.engine.range_reader import RangeReader
from syncline.engine.state import PeerRecord
from syncline.log import sqlite
from syncline.model.entry import Entry
from syncline.model.schema import Collection
from syncline.model.write import Batch
from syncline.sim.__main__ import main
from syncline.sim.database import Commit, SimDatabase
from syncline.sim.effects import Plan
from syncline.sim.options import Options, draw
from syncline.sim.product import Product, open_simulated_log
from syncline.sim.runner import run, run_twice, sweep
from syncline.sim.workload import Habits
from syncline.sim.world import World

FIRST = 50  # seeds that are looked at closely
SEEDS = int(os.environ.get("SYNCLINE_TEST_SEEDS", "400"))  # as many run in CI; `make fuzz` runs many more
TOGETHER = 50
ONCE_FAILED = (2022,)  # seeds beyond those
MET = {
    "cut", "silent", "deaf", "slow", "repeated", "jump", "kill", "crash", "full", "sync failed", "power loss",
    "fault.stop", "fault.restore", "log.trim.done", "log.compact.done",
}  # fmt: skip


def test_f9_f15_f16_f18_f19_seeds_keep_every_property_and_every_fault_strikes() -> None:
    counts: Counter[str] = Counter()
    conflicts: Counter[str] = Counter()
    for seed in range(FIRST):
        world = World(draw(seed, Product.abilities), Product(), open_simulated_log)
        result = world.run()
        assert not result.violations, (result.options.show(), result.violations[:3])
        counts.update(result.counts)
        conflicts.update(kind for entry in world.history.ordered() for kind in _kinds(entry))
    assert not [name for name in sorted(MET) if not counts[name]]
    assert {"field", "insert-insert", "update-delete", "delete-update", "join"} <= set(conflicts)


@pytest.mark.parametrize("first", range(FIRST, SEEDS, TOGETHER))
def test_p1_p2_p3_p4_p5_p6_p7_p9_p10_p11_p13_p15_p17_hold_for_every_seed(first: int) -> None:
    for seed in range(first, first + TOGETHER):
        result = run(draw(seed, Product.abilities), Product(), open_simulated_log)
        assert not result.violations, (result.options.show(), result.violations[:3])


@pytest.mark.parametrize("seed", ONCE_FAILED)
def test_a_seed_that_once_failed_holds(seed: int) -> None:
    result = run(draw(seed, Product.abilities), Product(), open_simulated_log)
    assert not result.violations, (result.options.show(), result.violations[:3])


def test_p11_an_apply_that_leaves_a_row_out_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = SimDatabase.apply
    left_out: list[Batch] = []

    def forgetful(database: SimDatabase, batch: Batch) -> Commit | None:
        if len(batch.writes) > 1 and database.name == "bob":
            left_out.append(batch)
            batch = Batch(batch.upto, batch.writes[1:], batch.rows)
        return whole(database, batch)

    monkeypatch.setattr(SimDatabase, "apply", forgetful)
    result = run(Options(5, start="empty"), Product(), open_simulated_log)
    assert left_out
    assert "P11" in {violation.rule for violation in result.violations}


def test_p6_a_log_that_trusts_what_a_failed_sync_left_in_the_cache_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "rewrite", lambda _db: None)
    result = run(draw(766, Product.abilities), Product(), open_simulated_log)
    assert "P6" in {violation.rule for violation in result.violations}


def _kinds(entry: Entry) -> list[str]:
    return [one.kind for change in entry.changes if change.verdict is not None for one in change.verdict.conflicts]


@pytest.mark.parametrize("start", ["equal", "differing"])
def test_f1_f2_f4_f5_f6_a_crash_at_any_effect_breaks_nothing(start: str) -> None:
    options = Options(
        7,
        habits=Habits(keys=2, rate=4.0, statements_max=2, rekey=0.5),
        chaos_seconds=1.0,
        exact=(True, False, True),
        start=start,
        early=start == "differing",
        chunk_rows=1 if start == "differing" else 0,
    )
    crashes = 0
    for effect, result in sweep(options, Product(), open_simulated_log, step=23):
        assert not result.violations, (effect, result.violations[:3])
        crashes += result.counts.get("crash", 0)
    assert crashes > 15


class Watched:
    """Counts the ranges of joins: those that were under way at once, and how many of these a crash cut short."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at_once = self.later = self.cut_short = 0
        under_way: Counter[str] = Counter()
        read = RangeReader.read

        async def watched(
            reader: RangeReader,
            member: Member,
            reference: Member,
            collection: Collection,
            record: PeerRecord,
            progress: Progress,
        ) -> RangeRead:
            under_way[member.name] += 1
            self.later += collection.name in record.joins
            try:
                found = await read(reader, member, reference, collection, record, progress)
                self.at_once += under_way[member.name] > 1
                return found
            except asyncio.CancelledError:
                self.cut_short += under_way[member.name] > 1
                raise
            finally:
                under_way[member.name] -= 1

        monkeypatch.setattr(RangeReader, "read", watched)


def test_seeds_have_joins_of_several_collections_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """And some of the collections have more than one range."""
    watched = Watched(monkeypatch)
    for seed in range(FIRST):
        run(draw(seed, Product.abilities), Product(), open_simulated_log)
    assert watched.at_once > 50
    assert watched.later > 25


@pytest.mark.parametrize("start", ["empty", "differing"])
def test_f6_a_crash_at_any_effect_of_joins_of_several_collections_breaks_nothing(
    start: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched(monkeypatch)
    options = Options(
        11,
        habits=Habits(keys=4, rate=40.0, statements_max=3, insert=2.0, increment=3.0, pair=3.0),
        chaos_seconds=0.3,
        start=start,
        early=True,
        chunk_rows=1,
    )
    for effect in range(1, 400, 4):
        result = run(options, Product(), open_simulated_log, Plan(effect))
        assert not result.violations, (effect, result.violations[:3])
    assert watched.cut_short > 10


def test_a_seed_runs_the_same_way_twice() -> None:
    for seed in range(100, 106):
        result = run_twice(draw(seed, Product.abilities), Product(), open_simulated_log)
        assert not result.violations, result.violations[:3]


def test_the_command_replays_a_seed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "3"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("seed=3 ")
    assert run(draw(3, Product.abilities), Product(), open_simulated_log).digest in shown
    assert main(["run", "--first", "3", "--seeds", "1", "--jobs", "1"]) == 0
    assert "1 seeds, 0 failed" in capsys.readouterr().out
