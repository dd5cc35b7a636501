"""A space that tells what a test wants, a place where it is asked over real sockets, and a client that takes anything back."""

import asyncio
import contextlib
import http.client
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from tests.unit.observe.reports import Report, status

from syncline.config.serving import Place, Served
from syncline.server.listening import Listening, opened

TOKEN = "5f3c9a71e0d24b86"
HERE = Served(Place("127.0.0.1", 0), "", "", "")
INCIDENTS: list[Report] = [{"id": "9.0", "open": True}, {"id": "5.0", "open": False}]


class Space:
    """Answers as a facade does, and counts how often it is asked. `error`: raised instead. `gate`: waited for before."""

    def __init__(self, report: Report | None = None, error: Exception | None = None) -> None:
        self.report = status() if report is None else report
        self.error = error
        self.asked = 0
        self.threads: set[int] = set()
        self.gate: asyncio.Event | None = None

    async def status(self) -> Report:
        """The status."""
        self.asked += 1
        self.threads.add(threading.get_ident())
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        return self.report

    async def drift(self) -> list[Report]:
        """The incidents."""
        if self.error is not None:
            raise self.error
        return INCIDENTS


class Got(NamedTuple):
    """What was answered; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def data(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Site:
    """A space that is served in a thread of its own, as its hub's loop would be."""

    def __init__(self, listening: Listening, loop: asyncio.AbstractEventLoop) -> None:
        self.listening, self.loop = listening, loop
        self.host, self.port = str(urlsplit(listening.url).hostname), int(urlsplit(listening.url).port or 0)

    def get(self, path: str, method: str = "GET", *, tls: ssl.SSLContext | None = None, **headers: str) -> Got:
        """Ask once, over a connection of its own."""
        with contextlib.closing(self.connection(tls)) as connection:
            connection.request(method, path, headers={name.replace("_", "-"): text for name, text in headers.items()})
            found = connection.getresponse()
            return Got(found.status, {name.lower(): text for name, text in found.getheaders()}, found.read())

    def connection(self, tls: ssl.SSLContext | None = None) -> http.client.HTTPConnection:
        """A connection, to be closed by the caller."""
        if tls is not None:
            return http.client.HTTPSConnection(self.host, self.port, timeout=20, context=tls)
        return http.client.HTTPConnection(self.host, self.port, timeout=20)


@contextmanager
def site(space: Space, served: Served = HERE) -> Iterator[Site]:
    """Serve a space while the body runs."""
    begun, stopped = threading.Event(), threading.Event()
    made: list[Site] = []

    async def serve(listening: Listening) -> None:
        async with listening.answering(space):
            made.append(Site(listening, asyncio.get_running_loop()))
            begun.set()
            while not stopped.is_set():
                await asyncio.sleep(0.01)

    with opened(served) as listening:
        thread = threading.Thread(target=lambda: asyncio.run(serve(listening)))
        thread.start()
        try:
            assert begun.wait(20)
            yield made[0]
        finally:
            stopped.set()
            thread.join(20)
            assert not thread.is_alive(), "it ends when asked to"
