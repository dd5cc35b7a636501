"""Everything a simulated process does to the world passes here, is counted, and may be the last thing it does."""

from collections.abc import Callable
from typing import Final

from syncline.sim.trace import Trace

NEVER: Final = 0


class SimCrash(BaseException):
    """The process died here. A BaseException, so that no 'except Exception' of the program under test can survive it."""


class Plan:
    """At which effects, counted over the whole run and all its processes, a process dies. Numbers start at 1."""

    def __init__(self, *crash_at: int) -> None:
        self.crash_at = frozenset(crash_at)
        self.count = 0
        self._soon: set[int] = set()

    def due(self) -> bool:
        """Count one effect; whether the process dies at it."""
        self.count += 1
        return self.count in self.crash_at or self.count in self._soon

    def soon(self, effects: int) -> None:
        """Die that many effects from now, unless called off."""
        self._soon.add(self.count + effects)

    def call_off(self) -> None:
        """Nothing more is due but what was planned from the start."""
        self._soon.clear()


class Effects:
    """The effects of one process. Once it is dead, every further one raises SimCrash and reaches nothing."""

    def __init__(self, owner: str, plan: Plan, trace: Trace) -> None:
        self.owner = owner
        self.dead = False
        self.on_death: list[Callable[[], None]] = []
        self._plan = plan
        self._trace = trace

    def hit(self, name: str, detail: str = "") -> None:
        """One effect is about to happen (or, named `...done`, has just happened and nobody knows yet)."""
        if self.dead:
            raise SimCrash(name)
        self._trace.note(name, detail)
        if self._plan.due():
            self._trace.note("crash", f"{self.owner} at effect {self._plan.count}, {name}")
            self.die()
            raise SimCrash(name)

    def die(self) -> None:
        """From now on nothing of this process reaches the world."""
        if not self.dead:
            self.dead = True
            for listener in self.on_death:
                listener()

    def alive(self) -> None:
        """Raise SimCrash if the process is dead; counts nothing."""
        if self.dead:
            raise SimCrash(self.owner)
