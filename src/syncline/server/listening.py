"""The open door: a socket, TLS, and a thread with a loop of its own in which clients are answered.

A thread, so that what clients do, and what answering them costs, is not done in the hub's loop; and bounds on all of it, since
files and processor time are shared: connections are counted before TLS is agreed on, and turns are taken by everybody.
Those whom the door does not know have turns of their own, so that they take none from those who have the token.
"""

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial

from syncline.config.serving import LOCAL, Place, Served
from syncline.model import limits
from syncline.model.errors import UsageError
from syncline.server.door import Door
from syncline.server.exchange import Request
from syncline.server.look import Look
from syncline.server.pages import Hub, Pages
from syncline.server.talk import Answering, Talk
from syncline.server.turns import Turns

Knowing = Callable[[Request], bool]


@contextmanager
def opened(served: Served) -> Iterator["Listening"]:
    """Listen; nobody is answered yet. Raises UsageError where that cannot be done."""
    tls = _tls(served)
    with _bound(served.place) as bound:
        yield Listening(served, bound, tls)


def _tls(served: Served) -> ssl.SSLContext | None:
    """TLS with the certificate that was named, None without one."""
    if not served.certificate:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(served.certificate, served.key, password=lambda: "")  # or it would ask on the terminal
    except (OSError, ValueError) as error:
        why = error.strerror or str(error) if isinstance(error, OSError) else str(error)
        files = {"certificate": served.certificate, "key": served.key}
        hint = "name a certificate and its key, both PEM, not encrypted, readable by this user"
        raise UsageError("TLS cannot use these files", why=why, hint=hint, **files) from error
    return context


def _bound(place: Place) -> socket.socket:
    """A listening socket. Raises UsageError."""
    where = f"{place.host}:{place.port}"
    try:
        family, address = _address(place)
        bound = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        hint = "name an address of this machine, such as 127.0.0.1"
        raise UsageError(f"{place.host} cannot be listened at", why=error.strerror or str(error), hint=hint) from error
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # the last hub's connections may still be ending
        bound.setblocking(False)
        bound.bind(address)
        bound.listen(limits.HTTP_BACKLOG_CONNECTIONS_MAX)
    except OSError as error:
        bound.close()
        hint = "end what listens there, or name another place: --listen HOST:PORT"
        raise UsageError(f"{where} cannot be listened at", why=error.strerror or str(error), hint=hint) from error
    return bound


def _address(place: Place) -> tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int]]:
    """The system's address of a place. `localhost` never leads elsewhere, whatever a name server says. Raises OSError."""
    host = "127.0.0.1" if place.host.lower() == LOCAL else place.host
    found = socket.getaddrinfo(host, place.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = found[0]
    return family, address  # type: ignore[return-value]  # of a family that has hosts and ports


class Listening:
    """A place that is listened at. `url`: how it is asked, with the port that the system gave where none was named."""

    def __init__(self, served: Served, bound: socket.socket, tls: ssl.SSLContext | None) -> None:
        self._served, self._bound, self._tls = served, bound, tls
        host = f"[{served.place.host}]" if ":" in served.place.host else served.place.host
        self.url = f"{'https' if tls else 'http'}://{host}:{bound.getsockname()[1]}"

    @asynccontextmanager
    async def answering(self, hub: Hub) -> AsyncIterator[None]:
        """Answer while the body runs; the hub is asked in the body's own loop."""
        home = asyncio.get_running_loop()
        begun: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        door = Door(self._served.place, self._served.token)
        pages = Pages(Look(hub.status, home), Look(hub.drift, home), door)
        work = partial(asyncio.run, self._until_stopped(begun, pages.answer, door.knows))
        thread = threading.Thread(target=work, name="syncline-http", daemon=True)
        thread.start()
        loop, stop = await asyncio.wrap_future(begun)
        try:
            yield
        finally:
            with suppress(RuntimeError):  # it has ended
                loop.call_soon_threadsafe(stop.set)
            await asyncio.to_thread(thread.join, limits.HTTP_STOP_SECONDS_MAX)

    async def _until_stopped(
        self, begun: "Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]]", answer: Answering, knows: Knowing
    ) -> None:
        """The thread's work."""
        stop = asyncio.Event()
        clients = Clients(self._bound, self._tls, answer, knows)
        serving = asyncio.create_task(clients.serve())
        begun.set_result((asyncio.get_running_loop(), stop))
        await stop.wait()
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        await clients.leave()


class Clients:
    """Those who are connected, and those who come. `knows`: whether a request is no stranger's. `connections`: at once."""

    def __init__(
        self,
        bound: socket.socket,
        tls: ssl.SSLContext | None,
        answer: Answering,
        knows: Knowing,
        *,
        connections: int = limits.HTTP_CONNECTIONS_MAX,
        seconds: float = limits.HTTP_REQUEST_SECONDS_MAX,
    ) -> None:
        self._bound, self._tls, self._answer, self._knows, self._seconds = bound, tls, answer, knows, seconds
        clock = asyncio.get_running_loop().time
        self.comers, self.known, self.strangers = Turns(clock), Turns(clock), Turns(clock)
        self._free = asyncio.Semaphore(connections)
        self._talks: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        """Accept, until cancelled. Those for whom there is no room wait in the system's queue."""
        loop = asyncio.get_running_loop()
        while True:
            await self._free.acquire()
            await self.comers.take()
            try:
                connection, _ = await loop.sock_accept(self._bound)
            except OSError:  # it is gone again, or the process has no files left
                self._free.release()
                await asyncio.sleep(limits.RETRY_SECONDS_MIN)
                continue
            talk = asyncio.create_task(self._meet(connection))
            self._talks.add(talk)
            talk.add_done_callback(self._left)

    def _turns(self, request: Request) -> Turns:
        return self.known if self._knows(request) else self.strangers

    def _left(self, talk: asyncio.Task[None]) -> None:
        self._talks.discard(talk)
        self._free.release()

    async def _meet(self, connection: socket.socket) -> None:
        """Talk with one client until that ends."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=limits.HTTP_HEAD_BYTES_MAX, loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        patience = (limits.HTTP_HANDSHAKE_SECONDS_MAX, limits.HTTP_CLOSE_SECONDS_MAX) if self._tls else (None, None)
        try:
            transport, _ = await loop.connect_accepted_socket(
                lambda: protocol,
                connection,
                ssl=self._tls,
                ssl_handshake_timeout=patience[0],
                ssl_shutdown_timeout=patience[1],
            )
        except OSError:  # no TLS that both know, or the client is gone
            connection.close()
            return
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        try:
            await Talk(reader, writer, self._answer, self._turns, seconds=self._seconds).run()
        finally:
            transport.abort()

    async def leave(self) -> None:
        """End what is said; once nobody comes any more."""
        talks = list(self._talks)
        for talk in talks:
            talk.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
