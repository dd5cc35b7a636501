"""Sessions that are lent out, so that several reads go on at one server at once: so many at most, and only while used."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Generic, Protocol, TypeVar

from syncline.model.errors import PeerError, PeerUnreachable
from syncline.model.limits import RANGE_SESSION_SECONDS, RANGE_SESSIONS_MAX


class _Closes(Protocol):
    async def close(self) -> None: ...


_S = TypeVar("_S", bound=_Closes)


class Sessions(Generic[_S]):
    """Opened when one is needed and none is free; closed when nobody has needed it for RANGE_SESSION_SECONDS.

    One whose work failed or was given up is not lent again: nobody knows what is left of it. Its end is not waited for but by
    `close`, as it may come only when the server has done what was asked for.
    """

    def __init__(self, peer: str, open_one: Callable[[], Awaitable[_S]]) -> None:
        self._peer, self._open_one = peer, open_one
        self._room = asyncio.Semaphore(RANGE_SESSIONS_MAX)
        self._free: list[_S] = []
        self.lent: list[_S] = []
        self._under_way = 0  # those lent, and those being opened
        self._back = asyncio.Event()
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False
        self._timer: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def one(self) -> AsyncIterator[_S | None]:
        """A session for the block alone; None where no more can be had, so that the peer's common one has to do.

        Waits while as many as may be are lent. Raises PeerUnreachable once all are closed.
        """
        async with self._room:
            self._refuse_closed()
            self._under_way += 1
            try:
                session = await self._take()
                try:
                    self._refuse_closed()
                    yield session
                except BaseException:
                    self._give_back(session, whole=False)
                    raise
                self._give_back(session, whole=True)
            finally:
                self._under_way -= 1
                self._back.set()

    async def _take(self) -> _S | None:
        session = self._free.pop() if self._free else None
        if session is None:
            with suppress(PeerError):  # a server may allow so many sessions and no more; one that is gone is noticed elsewhere
                session = await self._open_one()
        if session is not None:
            self.lent.append(session)
        return session

    def _give_back(self, session: _S | None, *, whole: bool) -> None:
        if session is None:
            return
        self.lent.remove(session)
        if whole and not self._closed:
            self._free.append(session)
            self._look_later()
        else:
            self._end(session)

    def _refuse_closed(self) -> None:
        if self._closed:
            raise PeerUnreachable("this peer is not connected", hint="call connect first", peer=self._peer)

    def _look_later(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(RANGE_SESSION_SECONDS, self._end_free)

    def _end_free(self) -> None:
        while self._free:
            self._end(self._free.pop())

    def _end(self, session: _S) -> None:
        task = asyncio.create_task(session.close())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def close(self) -> None:
        """Close them all, once what they are doing is done. None is lent any more."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._end_free()
        while self._under_way:
            self._back.clear()
            await self._back.wait()
        await asyncio.gather(*self._ending)
