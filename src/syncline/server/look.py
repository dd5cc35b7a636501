"""Looking at the space: once at a time, for everybody who asks meanwhile, and not again within a moment.

The space's loop is another one than that of HTTP: what clients do never stands between the hub and its work, and a look is the
only thing that HTTP asks of it.
"""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, Generic, NamedTuple, TypeVar

from syncline.model.errors import LogBusy, SynclineError
from syncline.model.limits import (
    HTTP_LOOK_KEPT_SECONDS,
    HTTP_LOOK_KEPT_SECONDS_MAX,
    HTTP_LOOK_SECONDS_MAX,
    HTTP_LOOK_SHARE_MAX,
)

T = TypeVar("T")


class Seen(NamedTuple, Generic[T]):
    """What was seen, and when it was asked for."""

    report: T
    moment: datetime

    @property
    def age(self) -> float:
        """Seconds since then."""
        return (datetime.now(UTC) - self.moment).total_seconds()


class Look(Generic[T]):
    """One question to the space, for the loop that it is asked in. `home`: the space's own loop, of another thread."""

    def __init__(
        self,
        ask: Callable[[], Coroutine[Any, Any, T]],
        home: asyncio.AbstractEventLoop,
        *,
        kept: float = HTTP_LOOK_KEPT_SECONDS,
        patience: float = HTTP_LOOK_SECONDS_MAX,
        share: float = HTTP_LOOK_SHARE_MAX,
    ) -> None:
        self._ask, self._home, self._kept, self._patience, self._share = ask, home, kept, patience, share
        self._task: asyncio.Task[None] | None = None
        self._until = 0.0  # when what was seen is too old
        self._seen: Seen[T] | Exception | None = None

    async def now(self) -> Seen[T]:
        """What is to be seen now, or was a moment ago. Raises what the space raises; LogBusy if it does not answer in time."""
        if self._seen is None or asyncio.get_running_loop().time() >= self._until:
            self._task = self._task or asyncio.create_task(self._once())
            done, _ = await asyncio.wait({self._task}, timeout=self._patience)
            if not done:
                why = f"it did not answer within {self._patience:g} s"
                raise LogBusy("the space cannot be looked at now", why=why, hint="ask again; if it stays so, look at its host")
        assert self._seen is not None
        if isinstance(self._seen, Exception):
            raise self._seen.with_traceback(None)
        return self._seen

    async def _once(self) -> None:
        """One look. What goes wrong is told to all who wait, and kept too: asking faster does not look more often."""
        moment, begun = datetime.now(UTC), asyncio.get_running_loop().time()
        try:
            self._seen = Seen(await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._ask(), self._home)), moment)
        except SynclineError as error:
            self._seen = error
        except Exception as error:
            self._seen = SynclineError(f"{type(error).__name__}: {error}", why="this is a bug")
        finally:
            self._task = None
            now = asyncio.get_running_loop().time()
            rest = max(self._kept, (now - begun) / self._share)  # what costs more is done less often
            self._until = now + min(rest, max(self._kept, HTTP_LOOK_KEPT_SECONDS_MAX))
