"""Whether a server will still answer: work that takes long is looked after, and hung up on where nobody will give its answer.

TCP notices within half a minute when nobody is at the other end. It does not where somebody answers and nobody listens: a
proxy that lost its way, a server that is frozen. A query may take long; that alone is no fault.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, NamedTuple

from syncline.model import limits


class State(NamedTuple):
    """What a server says of a session: whether it has waited for us for as long as we for it."""

    waits: bool


class Watch:
    """Of one piece of work. `ask` blocks, and tells the state of its session, None if nobody does; `sever` hangs up."""

    def __init__(self, doing: "Future[Any]", ask: Callable[[], State | None], sever: Callable[[], None]) -> None:
        self._doing, self._ask, self._sever = doing, ask, sever

    async def look(self) -> None:
        """Look again and again, until the work is done or nobody is seen who would answer; twice, where the server waits."""
        waited = False
        while not self._doing.done():
            now = await self._state()
            if self._doing.done():
                return
            if now is None or (now.waits and waited):
                self._sever()
                return
            waited = now.waits
            await asyncio.sleep(limits.PEER_SILENT_SECONDS)

    async def _state(self) -> State | None:
        try:
            async with asyncio.timeout(limits.PEER_SILENT_SECONDS):
                return await asyncio.get_running_loop().run_in_executor(None, self._ask)
        except TimeoutError:
            return None
