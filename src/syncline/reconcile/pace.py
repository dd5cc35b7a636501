"""How fast to compare: a share of the time, rows a second, and the hours in which it may run."""

import asyncio
from datetime import datetime, time, timedelta
from typing import Final

import msgspec

LOOK_SECONDS: Final = 60.0  # between two looks at the clock, which may be set


class Pace(msgspec.Struct, frozen=True):
    """A budget. `share`: of the time, above 0, up to 1. `rows_per_second`: 0 for any number. `window`: hours of a day, or None.

    A window from 22:00 to 06:00 goes on over midnight. Hours are this machine's own.
    """

    share: float = 1.0
    rows_per_second: int = 0
    window: tuple[time, time] | None = None

    def pause(self, seconds: float, rows: int) -> float:
        """How long to rest after so much work, in seconds."""
        idle = seconds * (1.0 - self.share) / self.share
        if self.rows_per_second:
            idle = max(idle, rows / self.rows_per_second - seconds)
        return max(0.0, idle)

    async def after(self, seconds: float, rows: int) -> None:
        """Rest, and until it may go on."""
        await asyncio.sleep(self.pause(seconds, rows))
        while closed := self.wait(datetime.now().astimezone()):
            await asyncio.sleep(min(closed, LOOK_SECONDS))

    def wait(self, now: datetime) -> float:
        """Seconds until it may run; 0 if it may now."""
        if self.window is None:
            return 0.0
        begin, end = self.window
        clock = now.time()
        inside = begin <= clock < end if begin < end else clock >= begin or clock < end
        if inside or begin == end:
            return 0.0
        opens = now.replace(hour=begin.hour, minute=begin.minute, second=0, microsecond=0)
        return (opens - now if opens > now else opens + timedelta(days=1) - now).total_seconds()


FREE: Final = Pace()
