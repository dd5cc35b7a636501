"""All interleavings of a scope, breadth first, so that the first broken property is one with the fewest steps."""

import time
from typing import NamedTuple

from tests.proof.apply import Broken
from tests.proof.graph import MASK, Scope, World

FAILURES = (AssertionError, ArithmeticError, LookupError, TypeError, ValueError)  # what a wrong rule may raise


class Report(NamedTuple):
    """What a walk saw. `quiet`: states with nothing under way, in which all copies were compared."""

    scope: str
    states: int
    edges: int
    quiet: int
    settled: int  # distinct decisions made by the real code
    depth: int
    seconds: float


class Counterexample(Broken):
    """A broken property with the steps that lead to it."""

    def __init__(self, scope: str, what: str, steps: list[str]) -> None:
        super().__init__(f"{scope}: {what}\n" + "\n".join(f"  {n}. {step}" for n, step in enumerate(steps, 1)))
        self.what, self.steps = what, steps


def explore(scope: Scope) -> Report:
    """Walk every state. Raises Counterexample with a shortest way to the first broken property."""
    begun = time.process_time()
    world = World(scope)
    walk = _Walk(world)
    try:
        while walk.level:
            walk.deepen()
    except FAILURES as error:
        steps = _way(scope, walk.current)
        raise Counterexample(scope.name, f"{type(error).__name__}: {error}", steps) from error
    seconds = time.process_time() - begun
    return Report(scope.name, len(walk.seen), walk.edges, walk.quiet, world.vault.settled, walk.depth, seconds)


class _Walk:
    def __init__(self, world: World, parents: dict[int, int] | None = None) -> None:
        self.world, self.parents = world, parents
        start = world.first()
        self.level, self.seen, self.current = [start], {start}, start
        self.edges = self.quiet = self.depth = 0
        self._known: list[dict[int, tuple[int, ...]]] = [{} for _ in world.states]
        self._alone: dict[int, tuple[int, ...]] = {}

    def deepen(self) -> None:
        """One level more. `current` is the state whose steps are taken."""
        world, seen, parents = self.world, self.seen, self.parents
        top = world.shifts[-1]
        known = list(zip(range(len(self._known)), world.shifts, self._known, strict=False))
        parks = bool(world.scope.parks)
        deeper: list[int] = []
        edges, settled = 0, world.confirmed
        for state in self.level:
            self.current = state
            hub = state >> top
            rest = 0
            for place, shift, table in known:
                mine = state >> shift & MASK
                pair = hub << 32 | mine
                steps = table.get(pair)
                if steps is None:
                    steps = table[pair] = tuple([step for _, step in world.steps(place, mine, hub)])
                rest += len(steps)
                for step in steps:
                    after = state + step
                    if after not in seen:
                        seen.add(after)
                        deeper.append(after)
                        if parents is not None:
                            parents[after] = state
            if parks:
                steps = self._alone.get(hub)
                if steps is None:
                    steps = self._alone[hub] = tuple([step for _, step in world.hub_steps(hub)])
                rest += len(steps)
                for step in steps:
                    after = state + step
                    if after not in seen:
                        seen.add(after)
                        deeper.append(after)
                        if parents is not None:
                            parents[after] = state
            edges += rest
            if settled[hub] and world.is_quiet(state):
                self.quiet += 1
        self.edges += edges
        self.level, self.depth = deeper, self.depth + bool(deeper)


def _way(scope: Scope, goal: int) -> list[str]:
    """The steps to a state whose number is known from a first walk: the same walk again, remembering where each came from."""
    world = World(scope)
    parents: dict[int, int] = {}
    walk = _Walk(world, parents)
    start = walk.current
    while walk.level and goal not in parents and goal != start:
        try:
            walk.deepen()
        except FAILURES:
            break
    labels: list[str] = []
    while goal != start:
        before = parents[goal]
        labels.append(_label(world, before, goal - before))
        goal = before
    return labels[::-1]


def _label(world: World, state: int, step: int) -> str:
    hub = state >> world.shifts[-1]
    for place, shift in enumerate(world.shifts[:-1]):
        for label, added in world.steps(place, state >> shift & MASK, hub):
            if added == step:
                return label
    return next(label for label, added in world.hub_steps(hub) if added == step)
