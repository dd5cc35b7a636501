"""A deterministic asyncio event loop: virtual time, no threads, no real input or output.

Time passes only when nothing is ready to run, and then jumps straight to the next timer. With a random generator given, tasks
that are ready at the same moment take their turns in a seeded order; plain callbacks keep the order asyncio promises, and
timers of the same instant fire in a seeded order. Knows nothing of engines, peers or logs.
"""

import asyncio
import asyncio.events
import contextvars
import heapq
import itertools
import random
import sys
import weakref
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from typing import Any, Final, NoReturn, TypeVar, TypeVarTuple, Unpack

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

TURNS_PER_INSTANT_MAX: Final = 200_000  # callbacks at one virtual instant before it counts as a busy loop


class SimError(RuntimeError):
    """The simulated program did something that has no place in a simulation, or hung."""


class SimDeadlock(SimError):
    """Nothing is ready and no timer is set: the awaited result can never come."""


class SimLivelock(SimError):
    """Callbacks keep running while time stands still."""


class SimTask(asyncio.Task[T]):
    """A task that knows how many were made before it: an order that no memory address has a part in."""

    number = 0


class SimLoop(asyncio.BaseEventLoop):
    """One thread, one heap of (time in seconds, tiebreak, number, handle). Same seed and same program: same run."""

    def __init__(self, rng: random.Random | None = None) -> None:
        super().__init__()
        self._rng = rng
        self._now = 0.0
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, float, int, asyncio.TimerHandle]] = []
        self._number = itertools.count()
        self._tasks_made = itertools.count(1)
        self._stopping = False
        self._running = False
        self._closed = False
        self._turns_at_instant = 0
        self._generators: weakref.WeakSet[AsyncGenerator[Any, Any]] = weakref.WeakSet()
        self.turns = 0
        self.mishaps: list[dict[str, Any]] = []
        self.on_task: Callable[[asyncio.Task[Any], contextvars.Context | None], None] | None = None

    def __del__(self) -> None:
        """Nothing real was opened, so nothing needs closing."""

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now

    def call_soon(
        self, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """Run at this instant, after what is ready already."""
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_soon_threadsafe(
        self, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """There is one thread only; the same as call_soon."""
        return self.call_soon(callback, *args, context=context)

    def call_later(
        self,
        delay: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """Run after so many virtual seconds."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """Run at a virtual time."""
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        tiebreak = self._rng.random() if self._rng is not None else 0.0
        heapq.heappush(self._timers, (when, tiebreak, next(self._number), timer))
        return timer

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Asked for by TimerHandle.cancel; cancelled timers are skipped when their time comes."""

    def create_future(self) -> asyncio.Future[Any]:
        """A future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(
        self, coro: Generator[Any, None, T] | Coroutine[Any, Any, T], *, name: object = None,
        context: contextvars.Context | None = None,
    ) -> asyncio.Task[T]:  # fmt: skip
        """A task of this loop; `on_task` hears of it."""
        task = SimTask(coro, loop=self, name=None if name is None else str(name), context=context)
        task.number = next(self._tasks_made)
        if self.on_task is not None:
            self.on_task(task, context)
        return task

    def run_in_executor(self, executor: Any, func: Callable[[Unpack[Ts]], T], *args: *Ts) -> NoReturn:
        """Always raises: threads have no place in a simulation."""
        raise SimError(f"a thread was asked for, to run {getattr(func, '__name__', func)!r}")

    def get_debug(self) -> bool:
        """Never in debug mode."""
        return False

    def set_debug(self, enabled: bool) -> None:
        """Debug mode measures real time, so it stays off."""

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep what nobody awaited, for whoever runs the simulation to judge."""
        self.mishaps.append(context)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """The same."""
        self.default_exception_handler(context)

    def is_running(self) -> bool:
        """Whether it is inside run_until_complete."""
        return self._running

    def is_closed(self) -> bool:
        """Whether close was called."""
        return self._closed

    def stop(self) -> None:
        """End run_until_complete after the current round."""
        self._stopping = True

    def close(self) -> None:
        """Drop whatever is still scheduled."""
        self._closed = True
        self._ready.clear()
        self._timers.clear()

    def run_until_complete(self, future: Generator[Any, None, T] | Awaitable[T]) -> T:
        """Run until the future is done; its result. Raises SimDeadlock or SimLivelock when it never will be."""
        main: asyncio.Future[T] = asyncio.ensure_future(future, loop=self)  # type: ignore[arg-type]
        main.add_done_callback(self._halt)
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(firstiter=self._generators.add, finalizer=self._finalize)
        asyncio.events._set_running_loop(self)
        self._running, self._stopping = True, False
        try:
            while not self._stopping:
                self._round()
        finally:
            self._running = False
            asyncio.events._set_running_loop(None)
            sys.set_asyncgen_hooks(*hooks)
            main.remove_done_callback(self._halt)
        return main.result()

    async def shutdown_asyncgens(self) -> None:
        """Close the asynchronous generators that are still open."""
        for generator in list(self._generators):
            await generator.aclose()

    def _halt(self, _future: asyncio.Future[Any]) -> None:
        self._stopping = True

    def _finalize(self, generator: AsyncGenerator[Any, Any]) -> None:
        self._generators.discard(generator)
        if not self._closed:
            self.create_task(_close(generator))

    def _round(self) -> None:
        if not self._ready:
            self._advance()
        batch = list(self._ready)
        self._ready.clear()
        if len(batch) > 1:
            self._arrange(batch)
        self.turns += len(batch)
        self._turns_at_instant += len(batch)
        if self._turns_at_instant > TURNS_PER_INSTANT_MAX:
            raise SimLivelock(f"{self._turns_at_instant} callbacks ran at {self._now:.6f} s; the last one: {batch[-1]!r}")
        for handle in batch:
            if not handle.cancelled():
                handle._run()

    def _advance(self) -> None:
        timers = self._timers
        while timers and timers[0][3].cancelled():
            heapq.heappop(timers)
        if not timers:
            waiting = sorted(task.get_name() for task in asyncio.all_tasks(self))
            raise SimDeadlock(f"at {self._now:.6f} s nothing can happen any more; waiting: {', '.join(waiting)}")
        if timers[0][0] > self._now:
            self._now = timers[0][0]
            self._turns_at_instant = 0
        while timers and timers[0][0] <= self._now:
            timer = heapq.heappop(timers)[3]
            if not timer.cancelled():
                self._ready.append(timer)

    def _arrange(self, batch: list[asyncio.Handle]) -> None:
        """Give the places that hold turns of tasks to these turns in a new order: by age, then shuffled if there is a seed.

        A task has at most one turn ready, so its own order is kept. By age first, because asyncio itself wakes and cancels
        tasks out of sets, whose order is chance.
        """
        places = [place for place, handle in enumerate(batch) if _task_of(handle) is not None]
        if len(places) < 2:
            return
        turns = sorted((batch[place] for place in places), key=_age)
        if self._rng is not None:
            self._rng.shuffle(turns)
        for place, handle in zip(places, turns, strict=True):
            batch[place] = handle


def _task_of(handle: asyncio.Handle) -> asyncio.Task[Any] | None:
    """The task that a handle resumes, if it does (asyncio binds these callbacks to the task)."""
    owner = getattr(getattr(handle, "_callback", None), "__self__", None)
    return owner if isinstance(owner, asyncio.Task) else None


def _age(handle: asyncio.Handle) -> int:
    task = _task_of(handle)
    return task.number if isinstance(task, SimTask) else 0


async def _close(generator: AsyncGenerator[Any, Any]) -> None:
    await generator.aclose()
