"""Whether the server is still there: a stream that says nothing is asked, a query without an answer is looked after.

TCP notices within half a minute when nobody is at the other end. It does not where somebody answers and nobody listens: a
proxy that lost its way, a server that is frozen.
"""

import asyncio
import os
import socket
import time
from contextlib import suppress
from typing import Final

from syncline.model import limits
from syncline.model.errors import PeerError, PeerUnreachable
from syncline.peers.postgres.connect import Connection, Place, errors, open_session
from syncline.peers.postgres.wire import Walsender

_IDLE: Final = ("Activity", "Client")  # it waits for something to say, or for us to listen; anything else is work
_SENDER_SQL: Final = b"SELECT wait_event_type FROM pg_catalog.pg_stat_activity WHERE pid = %s"
_SESSION_SQL: Final = (
    b"SELECT state_change::text, state <> 'active' OR coalesce(wait_event_type = 'Client', false) "
    b"FROM pg_catalog.pg_stat_activity WHERE pid = %s"
)


class Pulse:
    """Of one stream. A server that decodes a large transaction may say nothing for minutes; that alone is no fault."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._heard = time.monotonic()
        self._asked: float | None = None

    async def check(self, walsender: Walsender, *, heard: bool) -> None:
        """Call it after every look for messages. Raises PeerUnreachable when the server, or the way to it, is dead."""
        now = time.monotonic()
        if heard:
            self._heard, self._asked = now, None
        elif self._asked is None:
            if now - self._heard > limits.PEER_QUIET_SECONDS:
                walsender.tell(ask=True)
                self._asked = now
        elif now - self._asked > limits.PEER_SILENT_SECONDS:
            await self._look_for(walsender.pid)
            self._asked = time.monotonic()

    async def _look_for(self, pid: int) -> None:
        """Ask over another connection what the sender of the stream does."""
        where = self._place.where
        hint = "look at the server and at what lies between; it goes on by itself"
        silent = f"it has not answered for {limits.PEER_SILENT_SECONDS:g} s"
        try:
            async with asyncio.timeout(limits.PEER_SILENT_SECONDS):
                row = await _ask(self._place, _SENDER_SQL, pid)
        except (PeerError, TimeoutError) as error:
            raise PeerUnreachable(
                "the server does not answer", why=f"{silent}, nor a new connection", hint=hint, **where
            ) from error
        if row is None or row[0] in _IDLE:
            raise PeerUnreachable("the connection is dead", why=f"{silent}, and the server is well", hint=hint, **where)


class Watch:
    """While its block waits for answers over a connection, sees to it that somebody will give them; else it hangs up.

    A query may take long. What tells that nobody will answer is a server that cannot be reached by another connection, or one
    that has been waiting for us all the time, or knows nothing of our connection.
    """

    def __init__(self, place: Place, connection: Connection) -> None:
        self._place, self._connection = place, connection
        self._looking: asyncio.Task[None] | None = None

    async def __aenter__(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(limits.PEER_SILENT_SECONDS, self._begin)

    async def __aexit__(self, *_error: object) -> None:
        self._timer.cancel()
        if self._looking is not None:
            self._looking.cancel()

    def _begin(self) -> None:
        self._looking = asyncio.create_task(self._look())

    async def _look(self) -> None:
        before: tuple[object, ...] | None = None
        while True:
            now = await self._state()
            if now is None or (now == before and now[-1]):
                sever(self._connection)
                return
            before = now
            await asyncio.sleep(limits.PEER_SILENT_SECONDS)

    async def _state(self) -> tuple[object, ...] | None:
        """When it began what it does, and whether it waits for us; None if it, or the whole server, is not there."""
        try:
            async with asyncio.timeout(limits.PEER_SILENT_SECONDS):
                return await _ask(self._place, _SESSION_SQL, self._connection.pgconn.backend_pid)
        except (PeerUnreachable, TimeoutError):
            return None
        except PeerError as error:  # it answers, if only to say no
            return (error.what, False)


async def _ask(place: Place, sql: bytes, pid: int) -> tuple[object, ...] | None:
    """What the server says of one of its processes, over a connection of its own."""
    session = await open_session(place)
    try:
        with errors(place, "looking for a session"):
            return await (await session.execute(sql, (pid,))).fetchone()
    finally:
        await session.close()


def sever(connection: Connection | None) -> None:
    """End the way to the server at once, so that whoever waits for an answer hears of it instead of waiting for ever."""
    if connection is None or connection.closed:
        return
    with suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as way:
        way.shutdown(socket.SHUT_RDWR)
