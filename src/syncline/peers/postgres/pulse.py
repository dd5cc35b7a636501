"""Whether the server is still there: a stream that says nothing is asked, and if it keeps silent the server is looked for.

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
                found = await self._sender(pid)
        except (PeerError, TimeoutError) as error:
            raise PeerUnreachable(
                "the server does not answer", why=f"{silent}, nor a new connection", hint=hint, **where
            ) from error
        if found is None or found in _IDLE:
            raise PeerUnreachable("the connection is dead", why=f"{silent}, and the server is well", hint=hint, **where)

    async def _sender(self, pid: int) -> str | None:
        """What kind of thing it waits for; '' while it works; None if it is gone."""
        session = await open_session(self._place)
        try:
            with errors(self._place, "looking for the stream"):
                row = await (await session.execute(_SENDER_SQL, (pid,))).fetchone()
        finally:
            await session.close()
        return None if row is None else row[0] or ""


def sever(connection: Connection | None) -> None:
    """End the way to the server at once, so that whoever waits for an answer hears of it instead of waiting for ever."""
    if connection is None or connection.closed:
        return
    with suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as way:
        way.shutdown(socket.SHUT_RDWR)
