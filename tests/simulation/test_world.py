"""The world on a toy hub: it passes when the toy is right, and the checkers notice each way of breaking it."""

import pytest
from tests.simulation.toy_engine import Toy
from tests.simulation.toy_log import ToyLog

from syncline.sim.effects import Plan
from syncline.sim.options import Options, draw
from syncline.sim.runner import run, run_twice, sweep
from syncline.sim.workload import Habits
from syncline.sim.world import Result

SEEDS = 30


def try_toy(seed: int, *defects: str) -> Result:
    careless = "careless" in defects
    toy = Toy(*[one for one in defects if one != "careless"])
    return run(draw(seed), toy, lambda vfs: ToyLog(vfs, careless=careless))


def test_a_right_toy_breaks_nothing_under_any_fault() -> None:
    counts: dict[str, int] = {}
    for seed in range(SEEDS):
        result = try_toy(seed)
        assert not result.violations, (result.options.show(), result.violations[:3])
        for name, count in result.counts.items():
            counts[name] = counts.get(name, 0) + count
    hit = {
        "cut",
        "silent",
        "deaf",
        "slow",
        "repeated",
        "jump",
        "kill",
        "power loss",
        "fault.stop",
        "crash",
        "full",
        "sync failed",
    }
    assert not [name for name in sorted(hit) if not counts.get(name)]


@pytest.mark.parametrize(
    ("defect", "rules"),
    [
        ("skip", {"P2"}),  # some transactions never reach the log
        ("ack_early", {"P10"}),  # a peer is told to forget before the log has it
        ("twice", {"P7"}),  # what was read again is logged again
        ("tear", {"P9"}),  # one transaction is applied row by row
        ("clock_only", {"P5"}),  # time decides even where the writer had seen the value
        ("resurrect", {"P3"}),  # an update brings a deleted row back in silence
        ("no_record", {"P2"}),  # losers are thrown away
        ("absolute_counter", {"P7"}),  # counters are set, not added to
        ("always_green", {"P17"}),  # the status always says 'in sync'
        ("give_up", {"P15"}),  # one peer is not tried again after a failure
        ("invent", {"P4"}),  # a merge makes up values
        ("careless", {"P6"}),  # the log does not sync
    ],
)
def test_a_broken_toy_is_caught(defect: str, rules: set[str]) -> None:
    found: set[str] = set()
    for seed in range(SEEDS):
        found |= {violation.rule for violation in try_toy(seed, defect).violations}
        if rules <= found:
            return
    pytest.fail(f"{defect} should break {rules}; found were {found}")


SMALL = Options(
    1,
    peers=("ann", "bob"),
    exact=(True, True),
    skew_micros=(0, 0),
    drift_ppm=(0.0, 0.0),
    habits=Habits(keys=2, rate=4.0, statements_max=2),
    chaos_seconds=1.0,
    quiet_seconds_max=60.0,
)


def test_p10_a_crash_sweep_finds_a_watermark_that_runs_ahead_of_its_rows() -> None:
    good = [effect for effect, result in sweep(SMALL, Toy(), ToyLog, step=2) if result.violations]
    assert not good
    bad = next(result for _, result in sweep(SMALL, Toy("watermark_first"), ToyLog) if result.violations)
    assert "P1" in {violation.rule for violation in bad.violations}


def test_every_effect_of_a_sweep_is_really_a_crash() -> None:
    results = [result for effect, result in sweep(SMALL, Toy(), ToyLog, step=5) if effect]
    assert len(results) > 20
    assert all(result.counts.get("crash") == 1 for result in results)


def test_two_crashes_in_one_run() -> None:
    result = run(SMALL, Toy(), ToyLog, Plan(40, 90))
    assert result.counts["crash"] == 2
    assert not result.violations


def test_the_same_seed_runs_the_same_way_and_another_does_not() -> None:
    digests = set()
    for seed in range(5):
        result = run_twice(draw(seed), Toy(), ToyLog)
        assert not result.violations
        digests.add(result.digest)
    assert len(digests) == 5


def test_options_differ_between_seeds_and_are_printed() -> None:
    shown = {draw(seed).show() for seed in range(50)}
    assert len(shown) == 50
    assert "faults=" in draw(3).show()
