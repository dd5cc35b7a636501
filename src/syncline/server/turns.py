"""Turns: how often one thing is done for clients, all of them together. Beyond that they wait; the hub does not."""

import asyncio
from collections.abc import Callable

from syncline.model.limits import HTTP_TURNS_MAX, HTTP_TURNS_PER_SECOND_MAX


class Turns:
    """A bucket of turns that fills up again with time; of one loop. `clock`: seconds, that of the loop."""

    def __init__(
        self, clock: Callable[[], float], *, per_second: float = HTTP_TURNS_PER_SECOND_MAX, most: float = HTTP_TURNS_MAX
    ) -> None:
        self._clock, self._per_second, self._most = clock, per_second, most
        self._left, self._at = most, clock()

    async def take(self) -> None:
        """Take a turn, as soon as it is ours: in the order in which they were asked for."""
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._at) * self._per_second) - 1
        self._at = now
        if self._left < 0:
            try:
                await asyncio.sleep(-self._left / self._per_second)
            except asyncio.CancelledError:
                self._left += 1  # it was not used
                raise
