"""Rows lost behind everybody's back once a world is at rest, and the repair that brings back exactly what was there."""

import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from syncline.sim.check.verdict import States, Violation
from syncline.sim.database import SimDatabase
from syncline.sim.machine import Machine
from syncline.sim.shape import ITEMS

TRIES: Final = 5


async def lose_and_mend(
    databases: Mapping[str, SimDatabase],
    policy: str,
    rng: random.Random,
    machine: Machine,
    states: Callable[[], States],
    settle: Callable[[], Awaitable[bool]],
) -> list[Violation]:
    """One peer loses rows without a trace; a repair by this policy must bring them back, and change nothing else (P17).

    `settle`: wait until the hub is idle; whether it became so.
    """
    before = states()
    victim, other = rng.sample(sorted(databases), 2)
    rows = databases[victim].content.tables[ITEMS.name]  # a pair is never seen torn
    gone = [key for key in sorted(rows, key=repr) if rng.random() < 0.5]
    for key in gone:
        del rows[key]
    lost = len(gone)
    text = policy if policy in ("merge", "insert") else f"{policy}:{other}"
    repaired = 0
    for _ in range(TRIES):
        repaired += await machine.ask(lambda handle: handle.mend(policy, other)) or 0
        if await settle() and states() == before:
            break
    found = [Violation("P17", f"{lost} rows that {victim} lost, {repaired} repaired by {text}")] if repaired != lost else []
    if states() != before:
        found.append(Violation("P17", f"after {victim} lost {lost} rows a repair by {text} left {states()!r}, not {before!r}"))
    return found
