"""Where the blocking work of a log runs: in a thread of its own, one job after the other, or right here for a simulation."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Lane:
    """Jobs in their order. A job that has begun is finished, even if nobody waits for it any more."""

    def __init__(self, name: str, *, inline: bool) -> None:
        self._pool = None if inline else ThreadPoolExecutor(1, thread_name_prefix=name)

    async def run(self, job: Callable[[*Ts], T], *args: *Ts) -> T:
        """The job's result, or its error."""
        if self._pool is None:
            return job(*args)
        return await asyncio.get_running_loop().run_in_executor(self._pool, job, *args)

    async def close(self) -> None:
        """Wait for what has begun; nothing more is taken."""
        if self._pool is not None:
            await asyncio.to_thread(self._pool.shutdown)
