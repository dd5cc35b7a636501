"""A simulated operating-system process: a set of tasks that can be killed together. Knows nothing of what they do."""

import asyncio
import contextvars
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from syncline.sim.loop import SimError, SimLoop

T = TypeVar("T")

_CURRENT: Final[contextvars.ContextVar["Process | None"]] = contextvars.ContextVar("process", default=None)
KILL_ROUNDS_MAX: Final = 100  # cancellations a task may swallow before the simulation gives up on it


class Process:
    """The tasks started by `spawn`, and all tasks that these start."""

    def __init__(self, loop: SimLoop, name: str) -> None:
        self._loop = loop
        self.name = name
        self._tasks: dict[asyncio.Task[Any], None] = {}  # in the order of their start
        loop.on_task = _adopt

    @property
    def alive(self) -> list[asyncio.Task[Any]]:
        """The tasks that are not done."""
        return [task for task in self._tasks if not task.done()]

    def spawn(self, coro: Coroutine[Any, Any, T], name: str = "") -> asyncio.Task[T]:
        """Run a coroutine as part of this process."""
        context = contextvars.copy_context()
        context.run(_CURRENT.set, self)
        return self._loop.create_task(coro, name=name or None, context=context)

    def add(self, task: asyncio.Task[Any]) -> None:
        """Count a task as part of this process until it is done."""
        self._tasks[task] = None
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.pop(task, None)

    async def kill(self) -> None:
        """Cancel every task again and again until all are gone. Whatever they hold must be dead by then (see Effects)."""
        for _ in range(KILL_ROUNDS_MAX):
            alive = self.alive
            if not alive:
                return
            for task in alive:
                task.cancel()
            await asyncio.sleep(0)
        names = ", ".join(task.get_name() for task in self.alive)
        raise SimError(f"process {self.name} cannot be ended: {names} ignored {KILL_ROUNDS_MAX} cancellations")


def _adopt(task: asyncio.Task[Any], context: contextvars.Context | None) -> None:
    """A task belongs to the process in whose context it was made."""
    process = _CURRENT.get() if context is None else context.get(_CURRENT)
    if process is not None:
        process.add(task)
