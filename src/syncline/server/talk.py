"""One connection: requests one after the other, each with its answer, within limits of size and time. Knows no space.

The protocol is h11's (RFC 9112); here is what it costs: how long a client may take, how much it may send, and that it reads.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from email.utils import formatdate
from http import HTTPStatus
from typing import Final

import h11

from syncline.model import limits
from syncline.server.exchange import Answer, Request, refused
from syncline.server.turns import Turns

Answering = Callable[[Request], Awaitable[Answer]]
Waiting = Callable[[Request], Turns]
_ALWAYS: Final = (("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"))
# who may not ask keeps no connection from those who may
_STRANGERS: Final = (HTTPStatus.UNAUTHORIZED, HTTPStatus.MISDIRECTED_REQUEST)


class Talk:
    """What is said over one connection. `turns`: which of them a request waits for.

    `seconds`: from the end of one answer until the next one is taken.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        answer: Answering,
        turns: Waiting,
        *,
        seconds: float = limits.HTTP_REQUEST_SECONDS_MAX,
    ) -> None:
        self._reader, self._writer, self._answer, self._turns, self._seconds = reader, writer, answer, turns, seconds
        self._wire = h11.Connection(h11.SERVER, max_incomplete_event_size=limits.HTTP_HEAD_BYTES_MAX)
        writer.transport.set_write_buffer_limits(high=0)  # so that `drain` waits until the client has taken everything

    async def run(self) -> None:
        """Until either side has enough. What the other side does wrong ends it, and is nobody else's business."""
        with suppress(OSError, TimeoutError, h11.RemoteProtocolError):
            for count in range(1, limits.HTTP_REQUESTS_PER_CONNECTION_MAX + 1):
                async with asyncio.timeout(self._seconds):
                    if not await self._exchange(last=count == limits.HTTP_REQUESTS_PER_CONNECTION_MAX):
                        break
        await self._close()

    async def _exchange(self, *, last: bool) -> bool:
        """One request and its answer; whether another may follow. Raises OSError, h11.RemoteProtocolError."""
        try:
            asked = await self._next()
            if not isinstance(asked, h11.Request):  # the connection was closed
                return False
            method = asked.method.decode("ascii")
            request = Request(method, asked.target.decode("ascii"), dict(asked.headers))
            await self._turns(request).take()
            has_body = not isinstance(self._wire.next_event(), h11.EndOfMessage)
            answer = await self._answer(request)
        except h11.RemoteProtocolError as error:
            if self._wire.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
                raise
            method, has_body = "GET", True
            answer = refused(error.error_status_hint, "this is not a request that can be read", str(error))
        await self._send(answer, method, ends=last or has_body or answer.status in _STRANGERS)
        if self._wire.our_state is not h11.DONE or self._wire.their_state is not h11.DONE:
            return False
        self._wire.start_next_cycle()
        return True

    async def _next(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """What the client says next."""
        while (event := self._wire.next_event()) is h11.NEED_DATA:
            self._wire.receive_data(await self._reader.read(limits.HTTP_READ_BYTES))
        return event

    async def _send(self, answer: Answer, method: str, *, ends: bool) -> None:
        """Send an answer, and wait until it is taken."""
        headers = [("Date", formatdate(usegmt=True)), ("Content-Type", answer.kind), ("Content-Length", str(len(answer.body)))]
        headers += [*_ALWAYS, *answer.headers, *([("Connection", "close")] if ends else [])]
        wire, phrase = self._wire, HTTPStatus(answer.status).phrase
        data = [wire.send(h11.Response(status_code=answer.status, headers=headers, reason=phrase))]
        if method != "HEAD":
            data.append(wire.send(h11.Data(data=answer.body)))
        data.append(wire.send(h11.EndOfMessage()))
        self._writer.write(b"".join(one for one in data if one is not None))
        await self._writer.drain()

    async def _close(self) -> None:
        """Close it. What is still sent is thrown away for a moment, or the system would take back what we answered."""
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(limits.HTTP_CLOSE_SECONDS_MAX):
                if self._writer.can_write_eof():
                    self._writer.write_eof()
                    left = limits.HTTP_BODY_BYTES_MAX
                    while left > 0 and (data := await self._reader.read(limits.HTTP_READ_BYTES)):
                        left -= len(data)
                self._writer.close()
                await self._writer.wait_closed()
        self._writer.transport.abort()
