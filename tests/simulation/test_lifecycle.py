"""Peers renamed, cloned, replaced, removed and brought back in the simulated world; and proof that a broken engine is found.

The same events are in every campaign, as its seeds draw them.
"""

from collections import Counter
from collections.abc import Callable
from typing import Final, TypeAlias

import pytest
from msgspec.structs import replace

from syncline.engine import session
from syncline.engine.names import Names
from syncline.engine.state import State
from syncline.sim.effects import Plan
from syncline.sim.options import LIFECYCLE, Options, draw
from syncline.sim.product import Product, open_simulated_log
from syncline.sim.runner import run, run_twice, sweep
from syncline.sim.workload import Habits

Patch: TypeAlias = pytest.MonkeyPatch
SEEDS: Final = range(40, 52)
BROKEN_SEEDS: Final = range(30)


def busy(seed: int, *events: str) -> Options:
    """What a seed draws, with these events of peers in the place of all its faults."""
    return replace(draw(seed, Product.abilities), faults=events, chaos_seconds=30.0, faults_per_minute=20.0)


@pytest.mark.parametrize("event", LIFECYCLE)
def test_f34_an_event_of_a_peers_life_under_load_breaks_nothing(event: str) -> None:
    counts: Counter[str] = Counter()
    for seed in SEEDS:
        result = run(busy(seed, event), Product(), open_simulated_log)
        assert not result.violations, (result.options.show(), result.violations[:3])
        counts.update(result.counts)
    assert counts[f"{event} done"] > len(SEEDS) // 2


def test_f34_all_events_together_with_dying_hubs_and_bad_wires_break_nothing() -> None:
    for seed in SEEDS:
        options = replace(busy(seed, *LIFECYCLE, "kill", "power", "crash", "cut", "slow", "rejoin"), faults_per_minute=40.0)
        result = run(options, Product(), open_simulated_log)
        assert not result.violations, (result.options.show(), result.violations[:3])


@pytest.mark.parametrize("event", ["rename", "remove"])
def test_f4_f5_f34_a_crash_at_any_effect_of_an_event_breaks_nothing(event: str) -> None:
    options = replace(
        Options(11, habits=Habits(keys=2, rate=4.0, statements_max=2)),
        faults=(event,), faults_per_minute=60.0, chaos_seconds=3.0, peers=("ann", "bob"), exact=(True, False),
    )  # fmt: skip
    crashes = 0
    for effect, result in sweep(options, Product(), open_simulated_log, step=29):
        assert not result.violations, (effect, result.violations[:3])
        crashes += result.counts.get("crash", 0)
    assert crashes > 10


def test_a_seed_with_all_events_runs_the_same_way_twice() -> None:
    result = run_twice(busy(3, *LIFECYCLE, "kill"), Product(), open_simulated_log)
    assert not result.violations, result.violations[:3]
    other = run(busy(3, *LIFECYCLE, "kill"), Product(), open_simulated_log, Plan(50))
    assert other.digest != result.digest


# -- the checkers can fail: each of these engines is broken in one place -----------------------------------------------------


def a_clone_is_taken_for_the_original(patch: Patch) -> None:
    """Nobody looks who has answered."""
    patch.setattr(session, "verify_identity", lambda *_: None)
    patch.setattr(session, "require_same", lambda *_: None)  # which would notice a new one when it is set up


def a_rename_forgets_the_name_before(patch: Patch) -> None:
    """What a peer wrote under its old name counts as another's."""
    patch.setattr(Names, "of", lambda _self, peer, _offset: peer)


def _renamed(patch: Patch, spoil: Callable[[State, str], None]) -> None:
    real = State._rename

    def broken(self: State, offset: int, old: str, new: str) -> None:
        real(self, offset, old, new)
        spoil(self, new)

    patch.setattr(State, "_rename", broken)


def a_rename_forgets_the_watermark(patch: Patch) -> None:
    """The peer is taken to have confirmed the whole log."""

    def spoil(state: State, new: str) -> None:
        state.peers[new].captured = state.head

    _renamed(patch, spoil)


def a_rename_forgets_the_position(patch: Patch) -> None:
    """The peer's history is read from its beginning."""

    def spoil(state: State, new: str) -> None:
        state.peers[new].position = None

    _renamed(patch, spoil)


MUTANTS: Final[tuple[tuple[Callable[[Patch], None], str], ...]] = (
    (a_clone_is_taken_for_the_original, "clone"),
    (a_clone_is_taken_for_the_original, "replace"),
    (a_rename_forgets_the_name_before, "rename"),
    (a_rename_forgets_the_watermark, "rename"),
    (a_rename_forgets_the_position, "rename"),
)


@pytest.mark.parametrize(("mutant", "event"), MUTANTS, ids=[f"{one.__name__}-{event}" for one, event in MUTANTS])
def test_a_broken_engine_is_found(monkeypatch: Patch, mutant: Callable[[Patch], None], event: str) -> None:
    mutant(monkeypatch)
    for seed in BROKEN_SEEDS:
        found = run(busy(seed, event, "kill"), Product(), open_simulated_log).violations
        if found:
            print(mutant.__name__, seed, found[0])
            return
    pytest.fail(f"nobody notices that {mutant.__name__}")
