"""The two clocks of the engine: wall time through a port (so that a simulation can own it), and the loop's monotonic time."""

import asyncio
import time
from typing import Protocol

from syncline.model.stamp import Micros


class Clock(Protocol):
    """Wall time. Used only to stamp and to bound other peers' clocks, never to order what causality orders."""

    def now(self) -> Micros:
        """Microseconds since 1970-01-01 UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> Micros:
        """Microseconds since 1970-01-01 UTC."""
        return time.time_ns() // 1000


def monotonic() -> float:
    """Seconds on the running loop's clock: real time in production, virtual time in the simulator."""
    return asyncio.get_running_loop().time()
