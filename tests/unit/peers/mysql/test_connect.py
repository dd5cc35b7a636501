"""Addresses and errors: no way to another machine goes unproven, and no secret gets into a message."""

import asyncio
import socket

import pymysql
import pytest
from tests.servers.mariadb import shared
from tests.unit.peers.mysql.database import database, story

from syncline.model.errors import PeerBusy, PeerChanged, PeerDenied, PeerFull, PeerUnreachable, PeerUnsafe
from syncline.peers.mysql import open_peer
from syncline.peers.mysql.connect import parse_url, translate
from syncline.peers.mysql.features import server_of
from syncline.peers.mysql.textrows import read

SECRET = "tr@p door/?&=%"
WRITTEN = "tr%40p%20door%2F%3F%26%3D%25"


@pytest.mark.parametrize(
    "url",
    [
        "mysql://sync@127.0.0.1:3307/crm",
        "mariadb://sync@localhost/crm",
        "mariadb:///crm?unix_socket=/run/mysqld/mysqld.sock",
        "mysql://sync@[::1]/crm",
        "MariaDB://localhost/crm",
        "mysql://sync@db.example.org/crm?insecure=true",
    ],
)
def test_this_machine_needs_no_proof(url: str) -> None:
    place = parse_url("hq", url)
    assert not place.tls
    assert place.database == "crm"


def test_x_another_machine_must_prove_who_it_is() -> None:
    place = parse_url("hq", f"mysql://sync:{WRITTEN}@db.example.org:3310/c%20rm?ssl_ca=/ca.pem")
    assert place.tls
    assert (place.host, place.port, place.user, place.password, place.database) == (
        "db.example.org", 3310, "sync", SECRET, "c rm",
    )  # fmt: skip
    assert SECRET not in str(place.where)


@pytest.mark.parametrize(
    "url",
    [
        f"mysql://sync:{WRITTEN}@h:port/crm",
        f"mysql://h/crm?pasword={WRITTEN}",
        "mysql://h/crm?insecure=maybe",
        f"mysql://sync:{WRITTEN}@h",
        "mysql://h/crm?connect_timeout=soon",
    ],
)
def test_an_address_that_cannot_be_read_is_refused_without_its_secret(url: str) -> None:
    with pytest.raises(PeerUnsafe) as caught:
        parse_url("hq", url)
    assert caught.value.hint
    for form in (SECRET, WRITTEN):
        assert form not in str(caught.value)


@pytest.mark.parametrize("written", ["x/{0}", "x?{0}", "x?{0}=1", "x#{0}"])
def test_x11_a_password_that_should_have_been_escaped_is_not_told_in_parts(written: str) -> None:
    with pytest.raises(PeerUnsafe, match="escaped") as caught:
        parse_url("hq", f"mariadb://sync:{written.format('canarybird')}@127.0.0.1:3306/crm")
    assert "%40" in caught.value.hint
    assert "canarybird" not in str(caught.value)


def test_sessions_are_pinned_whatever_the_server_prefers() -> None:
    async def work() -> None:
        async with database() as base:
            server = base.server
            prefers: dict[str, object] = {"time_zone": "+09:00", "sql_mode": "ANSI,NO_BACKSLASH_ESCAPES", "wait_timeout": 5}
            before = {name: server.run(None, f"SELECT @@GLOBAL.{name}")[0][0] for name in prefers}
            for name, value in prefers.items():
                server.run(None, f"SET GLOBAL {name} = %s", values=(value,))
            try:
                peer = base.peer()
                await peer.connect()
            finally:
                for name, value in before.items():
                    server.run(None, f"SET GLOBAL {name} = %s", values=(value,))
            assert peer._reader is not None
            ((zone, mode, wait),) = await peer._reader.fetch("SELECT @@time_zone, @@sql_mode, @@wait_timeout")
            assert (zone, wait) == ("+00:00", 604800)
            assert set(mode.split(",")) == {"STRICT_ALL_TABLES", "NO_ENGINE_SUBSTITUTION", "NO_AUTO_VALUE_ON_ZERO"}

    story(work)


def test_f31_a_server_that_is_not_there_or_lets_nobody_in_is_told_apart() -> None:
    async def work() -> None:
        for url, error in (
            (f"mysql://sync:{WRITTEN}@127.0.0.1:1/crm", PeerUnreachable),
            (f"mysql://nobody:{WRITTEN}@127.0.0.1:{shared().port}/mysql", PeerDenied),
            (shared().url("no_such_database"), PeerDenied),
        ):
            with pytest.raises(error) as caught:
                await open_peer("hq", url).connect()
            assert SECRET not in str(caught.value)
            assert ("the database does not exist" in str(caught.value)) is ("no_such_database" in url)

    story(work)


def test_fields_of_every_length_are_read_as_they_are() -> None:
    sizes = (0, 1, 250, 251, 252, 65_535, 65_536, 2**24 - 1, 2**24)

    async def work() -> None:
        async with database() as base:
            peer = base.peer()
            await peer.connect()
            assert peer._reader is not None
            sql = f"SELECT {', '.join(f'repeat(0x61, {size}), NULL' for size in sizes)}"
            (row,) = await peer._reader.run(lambda connection: read(connection, sql))
            assert row[1::2] == (None,) * len(sizes)
            assert [len(field or b"") for field in row[::2]] == list(sizes)
            assert await peer._reader.run(lambda connection: read(connection, "SELECT 1 FROM DUAL WHERE FALSE")) == []

    story(work)


@pytest.mark.parametrize("greeting", [b"", b"\x4a\0\0\0\x0a5.5", b"\x05\0\0\0\x0a5.5\0", b"\x01\0\0\0\x0a"])
def test_f15_a_server_that_ends_in_the_middle_of_its_greeting_is_tried_again(greeting: bytes) -> None:
    def answer(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(greeting)

    async def work() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            answering = asyncio.create_task(asyncio.to_thread(answer, listener))
            with pytest.raises(PeerUnreachable):
                await open_peer("hq", f"mysql://sync@127.0.0.1:{listener.getsockname()[1]}/crm").connect()
            await answering

    story(work)


def test_f15_a_session_that_was_closed_or_ended_says_so_to_whoever_still_uses_it() -> None:
    async def work() -> None:
        async with database() as base:
            peer = base.peer()
            await peer.connect()
            reader = peer._reader
            assert reader is not None
            ((number,),) = await reader.fetch("SELECT CONNECTION_ID()")
            base.server.run(None, f"KILL {number}")
            for _ in range(2):
                with pytest.raises(PeerUnreachable):
                    await peer.clock()
            await peer.close()
            with pytest.raises(PeerUnreachable, match="closed"):
                await reader.fetch("SELECT 1")
            await reader.close()

    story(work)


@pytest.mark.parametrize(
    ("number", "kind", "transient"),
    [
        (1205, PeerBusy, True),
        (1213, PeerBusy, True),
        (1020, PeerBusy, True),
        (1021, PeerFull, True),
        (1114, PeerFull, True),
        (1053, PeerUnreachable, True),
        (1040, PeerUnreachable, True),
        (2006, PeerUnreachable, True),
        (2013, PeerUnreachable, True),
        (1146, PeerChanged, False),
        (1142, PeerUnsafe, False),
        (1044, PeerUnsafe, False),
        (1045, PeerDenied, True),
        (1064, PeerUnsafe, False),
    ],
)
def test_t13_errors_that_pass_are_told_from_those_that_stay(number: int, kind: type, transient: bool) -> None:
    place = parse_url("hq", f"mysql://sync:{WRITTEN}@127.0.0.1/crm")
    told = translate(pymysql.err.OperationalError(number, f"it says {SECRET}"), place, "testing")
    assert type(told) is kind
    assert told.transient is transient
    assert SECRET not in str(told)
    assert told.hint


@pytest.mark.parametrize(
    ("text", "mariadb", "version", "status"),
    [
        ("10.11.19-MariaDB-0+deb12u1-log", True, (10, 11, 19), "SHOW MASTER STATUS"),
        ("11.4.2-MariaDB", True, (11, 4, 2), "SHOW MASTER STATUS"),
        ("8.0.43", False, (8, 0, 43), "SHOW MASTER STATUS"),
        ("8.4.0-log", False, (8, 4, 0), "SHOW BINARY LOG STATUS"),
        ("9.6.0", False, (9, 6, 0), "SHOW BINARY LOG STATUS"),
    ],
)
def test_what_differs_between_the_servers_is_known_by_their_version(
    text: str, mariadb: bool, version: tuple[int, int, int], status: str
) -> None:
    server = server_of(text)
    assert (server.mariadb, server.version, server.status_sql) == (mariadb, version, status)
    assert server.holds_minus_zero is not mariadb
