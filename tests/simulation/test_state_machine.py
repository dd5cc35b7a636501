"""Hypothesis looks for a sequence of writes and faults after which the simulated world is not as promised.

The real engine, policies, codec and log run inside on virtual time. Small by default; SYNCLINE_EXAMPLES=5000 in the
environment looks at so many fresh examples instead of the same few.
"""

import os
from collections import Counter
from typing import Final

import apsw
import pytest
from hypothesis import HealthCheck, Phase, event, note, settings, target
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from msgspec.structs import replace
from tests.simulation.conflict_classes import CLASSES, classes_of
from tests.simulation.stepped_world import SteppedWorld

from syncline.log import place
from syncline.merge import transact
from syncline.merge.policy import Rules
from syncline.merge.resolve import Arrival, resolve
from syncline.merge.view import View
from syncline.merge.window import Window
from syncline.model.change import Change
from syncline.model.entry import Entry
from syncline.model.space import Settings
from syncline.sim.check.verdict import Violation
from syncline.sim.nemesis import JUMPS_MICROS
from syncline.sim.options import Options

EXAMPLES: Final = int(os.environ.get("SYNCLINE_EXAMPLES", "0"))
EXAMPLES_CI: Final = 300
STEPS: Final = 40
PEERS: Final = ("ann", "bob", "cid")
HABITS: Final = (
    "insert", "name", "owner", "blank", "tag", "untag", "note", "increment", "delete", "replace", "rekey", "pair",
)  # fmt: skip

HITS: Counter[str] = Counter()  # examples in which a class of conflicts came up

peers = st.sampled_from(PEERS)
keys = st.integers(1, 3)
habits = st.sampled_from(HABITS)
spaces = st.builds(
    Options,
    seed=st.integers(0, 3),
    exact=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    faults=st.just(("restore",)),
    skew_micros=st.tuples(*[st.sampled_from((0, 0, 1_000_000, -3_600_000_000))] * 3),
    start=st.sampled_from(("equal", "empty", "differing")),
    register=st.sampled_from(("newest", "newest", "first", "prefer", "max", "manual")),
    deletes=st.sampled_from(("update_wins", "delete_wins", "newest", "manual")),
    settings=st.builds(
        Settings,
        guard_delete_rows=st.just(1_000_000),
        batch_rows=st.sampled_from((1, 10_000)),
        inflight_rows=st.sampled_from((2, 60_000)),
        retention_seconds=st.sampled_from((1.0, 1e6)),
    ),
)


class Space(RuleBasedStateMachine):
    """Three peers, a hub, and whatever may happen to them."""

    def __init__(self) -> None:
        super().__init__()
        self.world: SteppedWorld | None = None
        self.failed = False

    @property
    def here(self) -> SteppedWorld:
        """The world, which every rule finds begun."""
        assert self.world is not None, "initialize comes first"
        return self.world

    @initialize(options=spaces, steady=st.booleans())
    def begin(self, options: Options, steady: bool) -> None:
        """A new world, its peers joined."""
        self.world = SteppedWorld(options, steady=steady)
        self.world.begin()

    # -- users --------------------------------------------------------------------------------------------------------------

    @rule(peer=peers, habit=habits, key=keys, to=keys)
    def transact(self, peer: str, habit: str, key: int, to: int) -> None:
        """A user does one thing."""
        self.here.write(peer, self.here.statements(peer, habit, key, to))

    @rule(peer=peers, things=st.lists(st.tuples(habits, keys, keys), min_size=2, max_size=3))
    def transact_rows(self, peer: str, things: list[tuple[str, int, int]]) -> None:
        """A user does several things in one transaction."""
        made = [one for habit, key, to in things for one in self.here.statements(peer, habit, key, to)]
        self.here.write(peer, made)

    @rule(writers=st.permutations(PEERS), things=st.lists(habits, min_size=2, max_size=3), key=keys, to=keys)
    def race_apart(self, writers: list[str], things: list[str], key: int, to: int) -> None:
        """Users at two or three peers write the same row at the same moment."""
        self.race(writers, things, key, to)

    @rule(writers=st.permutations(PEERS), habit=habits, count=st.integers(2, 3), key=keys, to=keys)
    def race_alike(self, writers: list[str], habit: str, count: int, key: int, to: int) -> None:
        """Users at two or three peers do the same kind of thing to the same row at the same moment."""
        self.race(writers, [habit] * count, key, to)

    def race(self, writers: list[str], things: list[str], key: int, to: int) -> None:
        """Each writer does its thing; no time passes."""
        for peer, habit in zip(writers, things, strict=False):
            self.here.write(peer, self.here.statements(peer, habit, key, to))

    # -- time and net -------------------------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from((0.001, 0.003, 0.01, 0.1, 1.0, 5.0, 40.0)))
    def let_pass(self, seconds: float) -> None:
        """Time passes."""
        self.here.let_pass(seconds)

    @rule(peer=peers, fault=st.sampled_from(("cut", "silent", "deaf")))
    def cut(self, peer: str, fault: str) -> None:
        """The wire to a peer fails, in one direction or both."""
        self.here.links[peer].set(**{fault: True})

    @rule(peer=peers, fault=st.sampled_from(("slow", "repeat", "late")))
    def trouble(self, peer: str, fault: str) -> None:
        """The wire to a peer is slow, or brings things twice, or long after anybody waits for them."""
        link = self.here.links[peer]
        link.slow |= fault == "slow"
        link.repeat_share = 1.0 if fault == "repeat" else link.repeat_share
        link.late_share = 0.5 if fault == "late" else link.late_share

    @rule(peer=peers)
    def heal(self, peer: str) -> None:
        """The wire to a peer is as new."""
        self.here.links[peer].heal()

    # -- the hub ------------------------------------------------------------------------------------------------------------

    @rule(power_loss=st.booleans())
    def kill_hub(self, power_loss: bool) -> None:
        """The hub dies now; it comes back by itself."""
        self.here.machine.kill(power_loss=power_loss)

    @rule(effects=st.integers(1, 40))
    def crash_hub(self, effects: int) -> None:
        """The hub dies at one of the next things that it does."""
        self.here.plan.soon(effects)

    @rule()
    def stop_hub(self) -> None:
        """The hub is stopped in order; it comes back by itself."""
        self.here.stop_hub()

    @rule()
    def start_second_hub(self) -> None:
        """Somebody starts a second hub on the same log (F29)."""
        self.judge(self.here.start_rival())

    @rule(fault=st.sampled_from(("full", "sync", "none")))
    def wear_disk(self, fault: str) -> None:
        """The log's disk is full, or fails once, or is well again."""
        self.here.machine.disk.full = fault == "full"
        self.here.machine.disk.fail_sync = int(fault == "sync")

    # -- the peers ----------------------------------------------------------------------------------------------------------

    @rule()
    def back_up(self) -> None:
        """A backup of the unlucky peer is made."""
        self.here.back_up()

    @rule()
    def restore(self) -> None:
        """The unlucky peer is brought back from its backup (F26)."""
        self.here.restore()

    @rule()
    def rejoin(self) -> None:
        """A person looks for peers that wait for leave to join again."""
        self.here.rejoin()

    @rule(clock=st.integers(0, 3), micros=st.sampled_from(JUMPS_MICROS))
    def jump(self, clock: int, micros: int) -> None:
        """A clock is set, the hub's or a peer's."""
        [*self.here.clocks, self.here.hub_clock][clock].jump(micros)

    @rule(writers=st.permutations(PEERS), key=keys)
    def poison(self, writers: list[str], key: int) -> None:
        """A user writes what another peer refuses (F32)."""
        self.here.poison(writers[0], writers[1], key)

    @rule()
    def cure(self) -> None:
        """The peers take everything again."""
        self.here.cure()

    # -- what must hold -----------------------------------------------------------------------------------------------------

    @invariant()
    def holds(self) -> None:
        """P6, P9, P10, P13."""
        if self.world is not None:
            self.judge(self.world.check_now())

    def teardown(self) -> None:
        """Heal everything, wait for rest, check everything, count what was met."""
        if self.world is None:
            return
        try:
            if not self.failed:
                self.judge(self.world.finish())
                self.count(classes_of(self.world))
        finally:
            self.world.close()

    def judge(self, found: list[Violation]) -> None:
        """Fail if there is a violation, and show what led to it."""
        if found:
            self.failed = True
            note("\n".join(self.here.trace.last))
            raise AssertionError("\n".join(str(one) for one in found))

    def count(self, met: Counter[str]) -> None:
        """Add up the classes of this example."""
        HITS.update(met.keys())
        for name in met:
            event(name)
        target(float(sum(met.values()) - met["C17 echo"]), label="conflicts")


def profile(examples: int, *phases: Phase, fresh: bool = False) -> settings:
    """How to look: always at the same examples, unless fresh ones are asked for."""
    return settings(
        max_examples=examples, stateful_step_count=STEPS, derandomize=not fresh, database=None, deadline=None,
        suppress_health_check=list(HealthCheck), phases=phases, report_multiple_bugs=False,
    )  # fmt: skip


def test_whatever_happens_the_space_keeps_its_promises_and_every_class_of_conflict_was_met() -> None:
    HITS.clear()
    looking = profile(EXAMPLES or EXAMPLES_CI, Phase.generate, Phase.shrink, fresh=bool(EXAMPLES))
    run_state_machine_as_test(Space, settings=looking)
    print("\n".join(f"{HITS[name]:6} examples met {name}" for name in CLASSES))
    assert [name for name in CLASSES if not HITS[name]] == []


def test_a_hub_that_is_stopped_while_a_connection_breaks_ends() -> None:
    world = SteppedWorld(Options(0), steady=False)
    try:
        world.begin()
        world.let_pass(1.0)
        world.machine.stop()
        world.links["cid"].set(cut=True)
        world.let_pass(10.0)
        assert world.machine.hubs == 2, "the first hub goes on, without a log, for as long as the peer is away"
        assert world.finish() == []
    finally:
        world.close()


# -- the machine can fail: each of these engines is broken in one place -----------------------------------------------------


def never_corrected(view: View | None, change: Change, rules: Rules, arrival: Arrival) -> Change:
    """A resolve that never tells the origin how its change ended."""
    outcome = resolve(view, change, rules, arrival)
    if outcome.verdict is None:
        return outcome
    return replace(outcome, verdict=replace(outcome.verdict, correct=False))


def not_durable(db: apsw.Connection, _path: str) -> None:
    """A log that acknowledges what no disk has."""
    db.execute("PRAGMA journal_mode = WAL").fetchall()
    db.execute("PRAGMA synchronous = OFF").fetchall()


def forgotten(_window: Window, entry: Entry) -> None:
    """A hub that comes back and knows nothing of what was in flight."""


BROKEN: Final[tuple[tuple[object, str, object], ...]] = (
    (transact, "resolve", never_corrected),
    (place, "_make_durable", not_durable),
    (Window, "replay", forgotten),
)


@pytest.mark.parametrize(("owner", "name", "instead"), BROKEN, ids=[broken[2].__name__ for broken in BROKEN])  # type: ignore[attr-defined]
def test_a_broken_engine_is_found(monkeypatch: pytest.MonkeyPatch, owner: object, name: str, instead: object) -> None:
    monkeypatch.setattr(owner, name, instead)
    with pytest.raises(AssertionError, match=r"\b(P\d+|C\d+|sim): ") as failure:
        run_state_machine_as_test(Space, settings=profile(EXAMPLES_CI, Phase.generate))
    print(str(failure.value)[:200])
