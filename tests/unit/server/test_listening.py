"""The place that is listened at: what keeps it from opening, TLS, and that hostile clients take no more than their part."""

import asyncio
import ipaddress
import os
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.unit.server.space import HERE, TOKEN, Space, site

from syncline.config.serving import Place, Served
from syncline.model import limits
from syncline.model.errors import UsageError
from syncline.server.exchange import Answer, Request, told
from syncline.server.listening import Clients, opened
from syncline.server.talk import Talk
from syncline.server.turns import Turns

GOOD = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"


def test_a_place_that_is_taken_is_told_before_anything_moves() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(UsageError, match=f"127.0.0.1:{port} cannot be listened at: Address already in use"),
            opened(HERE._replace(place=Place("127.0.0.1", port))),
        ):
            pass


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
def test_a_place_that_is_not_this_machines_is_told(host: str) -> None:
    with pytest.raises(UsageError, match=f"{host}.* cannot be listened at"), opened(HERE._replace(place=Place(host, 0))):
        pass


def test_the_port_that_the_system_gave_is_told_and_free_again_afterwards() -> None:
    with opened(HERE) as first:
        port = int(first.url.rpartition(":")[2])
        assert port
    with opened(HERE._replace(place=Place("localhost", port))) as again:
        assert again.url == f"http://localhost:{port}"


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_the_other_family_of_addresses() -> None:
    with site(Space(), HERE._replace(place=Place("::1", 0))) as here:
        assert here.listening.url.startswith("http://[::1]:")
        assert here.get("/v1/status").status == 200


# -- TLS and the token ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of this machine's, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hub")])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    certificate = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    (folder / "hub.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    for word, hidden in (
        ("hub.key", serialization.NoEncryption()),
        ("hidden.key", serialization.BestAvailableEncryption(b"x")),
    ):
        form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        (folder / word).write_bytes(key.private_bytes(*form, hidden))
    return folder / "hub.pem", folder / "hub.key"


def test_with_tls_and_a_token(files: tuple[Path, Path]) -> None:
    served = Served(Place("127.0.0.1", 0), TOKEN, str(files[0]), str(files[1]))
    trust = ssl.create_default_context(cafile=str(files[0]))
    space = Space()
    with site(space, served) as here:
        assert here.listening.url.startswith("https://")
        assert here.get("/metrics", tls=trust, Authorization=f"Bearer {TOKEN}").status == 200
        assert here.get("/metrics", tls=trust, Authorization=f"Bearer {TOKEN[::-1]}").status == 401
        asked = here.get("/v1/status", tls=trust)
        assert (asked.headers["www-authenticate"], asked.headers["connection"]) == ("Bearer", "close")
        assert here.get("/healthz", tls=trust).status == 200
        with pytest.raises(OSError, match=r".*"):  # plain words where TLS is spoken
            here.get("/metrics", Authorization=f"Bearer {TOKEN}")
        assert here.get("/metrics", tls=trust, Authorization=f"Bearer {TOKEN}").status == 200
    assert space.asked <= 2


def test_files_that_are_no_certificate_and_key_are_told_and_nobody_is_asked_for_a_password(
    files: tuple[Path, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").touch()
    certificate, key = files
    pairs = [
        (certificate, tmp_path / "no.key"),
        (tmp_path / "empty", key),
        (key, key),
        (certificate, key.with_name("hidden.key")),
    ]
    for one, other in pairs:
        with (
            pytest.raises(UsageError, match="TLS cannot use these files") as caught,
            opened(Served(Place("127.0.0.1", 0), TOKEN, str(one), str(other))),
        ):
            pass
        assert caught.value.where == {"certificate": str(one), "key": str(other)}
    assert capfd.readouterr() == ("", "")


# -- clients ----------------------------------------------------------------------------------------------------------------

Story = Callable[[int, Clients], Awaitable[None]]


async def answer(request: Request) -> Answer:
    """A short answer, or a very long one."""
    return told("x" * 50_000_000) if request.target == "/long" else told({"target": request.target})


def knows(request: Request) -> bool:
    """Whether it is no stranger's."""
    return b"authorization" in request.headers


def clients(story: Story, connections: int = 4, seconds: float = 20.0, tls: ssl.SSLContext | None = None) -> None:
    """Run a story beside clients that are served, at a port."""

    async def run() -> None:
        with socket.create_server(("127.0.0.1", 0)) as bound:
            bound.setblocking(False)
            served = Clients(bound, tls, answer, knows, connections=connections, seconds=seconds)
            serving = asyncio.create_task(served.serve())
            try:
                async with asyncio.timeout(60):
                    await story(bound.getsockname()[1], served)
            finally:
                serving.cancel()
                await asyncio.gather(serving, return_exceptions=True)
                await served.leave()

    asyncio.run(run())


async def said(port: int, *pieces: bytes) -> bytes:
    """Everything that is answered until the connection is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            if len(pieces) > 1:
                await asyncio.sleep(0.02)  # so that they are taken one by one
        return await reader.read()
    except ConnectionError:
        return b"reset"
    finally:
        writer.transport.abort()


def test_several_requests_go_over_one_connection_in_order() -> None:
    async def story(port: int, _: Clients) -> None:
        words = [b"GET /%d HTTP/1.1\r\nHost: localhost\r\n\r\n" % number for number in range(5)]
        words[-1] = words[-1][:-2] + b"Connection: close\r\n\r\n"
        text = await said(port, b"".join(words))
        places = [text.index(b'{"target": "/%d"}' % number) for number in range(5)]
        assert places == sorted(places)
        assert text.count(b"HTTP/1.1 200 OK") == 5
        assert text.count(b"Connection: close") == 1

    clients(story)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 4 * limits.HTTP_HEAD_BYTES_MAX + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    ],
)
def test_what_is_no_request_is_told_so_and_the_connection_ends(request_: bytes, status: int) -> None:
    async def story(port: int, _: Clients) -> None:
        text = await said(port, request_)
        assert text.startswith(b"HTTP/1.1 %d " % status), text[:200]
        assert b'"code": "SYN-H01"' in text
        assert b"Connection: close" in text

    clients(story)


def test_strangers_take_no_turns_from_those_who_are_known() -> None:
    async def story(port: int, served: Clients) -> None:
        served.strangers = Turns(asyncio.get_running_loop().time, per_second=0.001, most=1)
        await served.strangers.take()  # none is left
        crowd = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        for _, writer in crowd:
            writer.write(GOOD)
        answers = [asyncio.create_task(reader.read(1)) for reader, _ in crowd]
        known = GOOD[:-2] + b"Authorization: Bearer it\r\n\r\n"
        text = await said(port, known * 10 + known[:-2] + b"Connection: close\r\n\r\n")
        assert text.count(b"HTTP/1.1 200 OK") == 11
        assert not any(one.done() for one in answers), "they wait for turns of their own"
        for _, writer in crowd:
            writer.transport.abort()
        await asyncio.gather(*answers, return_exceptions=True)

    clients(story)


def test_a_body_is_not_read_and_the_answer_arrives_all_the_same() -> None:
    async def story(port: int, _: Clients) -> None:
        head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n"
        text = await said(port, head, *[b"x" * 1_000] * 10)
        assert text.startswith(b"HTTP/1.1 200")
        assert b"Connection: close" in text

    clients(story)


def test_an_answer_is_not_taken_back_while_its_reader_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HTTP_CLOSE_SECONDS_MAX", 0.1)

    async def long(_request: Request) -> Answer:
        return told("x" * 60_000)  # less than what a transport takes over without waiting

    async def story() -> None:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        reader, writer = await asyncio.open_connection(sock=ours)
        talk = asyncio.create_task(Talk(reader, writer, long, lambda _: Turns(loop.time)).run())
        theirs.setblocking(False)
        await loop.sock_sendall(theirs, GOOD[:-2] + b"Connection: close\r\n\r\n")
        await asyncio.sleep(0.5)  # longer than a connection may take to end
        text = b""
        while piece := await loop.sock_recv(theirs, 100_000):
            text += piece
        theirs.close()
        await talk
        assert text.endswith(b'xxx"\n')
        assert len(text) > 60_000

    asyncio.run(story())


def test_who_says_nothing_or_little_or_reads_nothing_is_left_and_others_are_answered() -> None:
    async def story(port: int, _served: Clients) -> None:
        silent, mute = await asyncio.open_connection("127.0.0.1", port)
        slow, dripping = await asyncio.open_connection("127.0.0.1", port)
        _, deaf = await asyncio.open_connection("127.0.0.1", port, limit=1)
        deaf.write(GOOD.replace(b"/metrics", b"/long"))

        async def drip() -> None:
            for byte in b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 1000:
                dripping.write(bytes([byte]))
                await asyncio.sleep(0.02)

        dripper = asyncio.create_task(drip())
        begun = time.monotonic()
        text = await said(port, GOOD[:-2] + b"Connection: close\r\n\r\n")  # the fourth of four
        assert b"200 OK" in text
        waiting = [asyncio.create_task(said(port, GOOD[:-2] + b"Connection: close\r\n\r\n")) for _ in range(8)]
        assert all(b"200 OK" in one for one in await asyncio.gather(*waiting))
        assert await silent.read() == b""
        assert await slow.read() == b""
        assert time.monotonic() - begun < 15
        dripper.cancel()
        for writer in (mute, dripping, deaf):
            writer.transport.abort()

    clients(story, connections=4, seconds=1.0)


def test_who_is_silent_where_tls_is_spoken_is_left_too(files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HTTP_HANDSHAKE_SECONDS_MAX", 0.5)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*files)

    async def story(port: int, _: Clients) -> None:
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]  # as many as there may be
        trust = ssl.create_default_context(cafile=str(files[0]))
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust, ssl_handshake_timeout=50)
        writer.write(GOOD[:-2] + b"Connection: close\r\n\r\n")
        assert b"200 OK" in await reader.read()
        for one in (*(mute for _reader, mute in silent), writer):
            one.transport.abort()

    clients(story, connections=2, tls=context)


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="the system does not tell its open files so")
def test_no_more_are_let_in_than_there_is_room_for_so_that_the_hub_keeps_its_files() -> None:
    async def story(port: int, served: Clients) -> None:
        before = open_files()
        crowd = [await asyncio.open_connection("127.0.0.1", port) for _ in range(40)]
        async with asyncio.timeout(20):
            while open_files() - before < 40 + 4:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        assert open_files() - before == 40 + 4, "ours, and those of the four that are let in"
        for _, writer in crowd:
            writer.transport.abort()
        text = await said(port, GOOD[:-2] + b"Connection: close\r\n\r\n")
        assert b"200 OK" in text

    clients(story, connections=4)


@contextmanager
def many_silent(port: int, count: int) -> Iterator[None]:
    made = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
    try:
        yield
    finally:
        for one in made:
            one.close()


def test_it_ends_at_once_whoever_is_connected() -> None:
    with site(Space()) as here, many_silent(here.port, 10):
        assert here.get("/healthz").status == 200
        begun = time.monotonic()
    assert time.monotonic() - begun < limits.HTTP_STOP_SECONDS_MAX


def test_a_look_that_hangs_keeps_neither_health_nor_the_end_from_coming() -> None:
    space = Space()
    space.gate = asyncio.Event()
    with site(space) as here, socket.create_connection(("127.0.0.1", here.port)) as waits:
        waits.sendall(GOOD)
        deadline = time.monotonic() + 20
        while not space.asked:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert here.get("/healthz").status == 200
    assert space.asked == 1
