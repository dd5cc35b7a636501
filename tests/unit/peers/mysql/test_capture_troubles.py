"""A binary log that was purged, reset, restored or cut off: noticed before anything is read on, and never 'from now on'."""

import asyncio
import os
import shutil
import signal
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import aclosing
from functools import partial
from pathlib import Path

import pytest
from tests.servers import mysql
from tests.servers.mariadb import Server
from tests.servers.mysql import MysqlServer
from tests.servers.proxy import Proxy
from tests.unit.peers.mysql.database import Database, changes, database, numbers, on_each_server, story

from syncline.model import limits
from syncline.model.change import Transaction
from syncline.model.errors import PeerRestored, PeerUnreachable
from syncline.model.stamp import Position
from syncline.peers.conformance.reading import captured
from syncline.peers.mysql import capture, held, wire
from syncline.peers.mysql.peer import MysqlPeer, open_peer

ITEMS = "CREATE TABLE items (id BIGINT PRIMARY KEY, name VARCHAR(200))"


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    kind = getattr(request, "param", "mariadb")
    if kind == "mysql" and mysql.root() is None:
        pytest.skip("MySQL 8 is not there, and was not fetched")
    made = (MysqlServer if kind == "mysql" else Server)({"sync-binlog": "1"})
    yield made
    made.remove()


on_both = pytest.mark.parametrize("server", ["mariadb", "mysql"], indirect=True)


async def _broken(peer: MysqlPeer, after: Position, words: str) -> None:
    """Reading on is refused, and whoever comes to the peer is told why."""
    with pytest.raises(PeerRestored, match=words):
        await _first(peer, after)
    assert words in (await peer.connect()).incarnation


async def _first(peer: MysqlPeer, after: Position | None) -> Transaction:
    async with aclosing(peer.stream(after)) as stream:  # type: ignore[type-var]
        return await anext(stream)


async def _filled(base: Database, count: int = 3) -> tuple[MysqlPeer, Position]:
    peer, _ = await base.ready("items")
    for number in range(count):
        base.run(f"INSERT INTO items VALUES ({number}, 'a')")
    found = await captured(peer)
    return peer, found[-1].position


async def _purge(server: Server, file: str) -> None:
    """Remove the files before one; those that a stream which has ended was reading are let go of a moment later."""
    async with asyncio.timeout(30):
        while server.run(None, "SHOW BINARY LOGS")[0][0] != file:
            server.run(None, f"PURGE BINARY LOGS TO '{file}'")
            await asyncio.sleep(0.05)


@on_both
def test_f22_a_purged_binary_log_is_noticed(server: Server) -> None:
    async def work() -> None:
        async with database(ITEMS, server=server) as base:
            peer, after = await _filled(base)
            server.run(None, "FLUSH BINARY LOGS")
            base.run("INSERT INTO items VALUES (10, 'in the next file')")
            ((newest,),) = [row[:1] for row in server.run(None, "SHOW MASTER STATUS")]
            await _purge(server, newest)
            await _broken(peer, after, "purged")

    story(work)


def test_f22_what_was_purged_after_it_was_read_is_not_missed(server: Server) -> None:
    async def work() -> None:
        async with database(ITEMS, server=server) as base:
            peer, _ = await _filled(base)
            server.run(None, "FLUSH BINARY LOGS")
            base.run("INSERT INTO items VALUES (10, 'in the next file')")
            after = (await captured(peer))[-1].position
            await _purge(server, after.text.split(" ")[1])
            base.run("INSERT INTO items VALUES (11, 'later')")
            assert [change.key for change in await changes(peer, after)] == [(11,)]

    story(work)


def test_t9_what_is_passed_over_may_be_purged(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "PASS_BYTES", 100_000)

    async def work() -> None:
        async with database(ITEMS, "CREATE TABLE noise (n INT, t TEXT)", server=server) as base:
            peer, after = await _filled(base)
            told: list[Transaction] = []
            reading = asyncio.ensure_future(_read_into(peer, after, told))
            await _until(partial(_has, told, 1))
            base.run(f"INSERT INTO noise SELECT seq, REPEAT('x', 500) FROM {numbers(1000)}")
            await _until(partial(_has, told, 2))
            assert told[1].position > after
            server.run(None, "FLUSH BINARY LOGS")
            await _until(partial(_has, told, 3))
            reading.cancel()
            await asyncio.wait([reading])
            assert all(not transaction.changes for transaction in told)
            await _purge(server, told[-1].position.text.split(" ")[1])
            base.run("INSERT INTO items VALUES (11, 'later')")
            assert [change.key for change in await changes(peer, told[-1].position)] == [(11,)]
            with pytest.raises(PeerRestored, match="purged"):
                await _first(peer, after)

    story(work)


@on_both
def test_f22_a_log_that_is_reset_under_a_stream_ends_it(server: Server) -> None:
    async def work() -> None:
        async with database(ITEMS, server=server) as base:
            peer, after = await _filled(base)
            told: list[Transaction] = []
            reading = asyncio.ensure_future(_read_into(peer, after, told))
            await _until(partial(_has, told, 1))
            await asyncio.sleep(1.1)
            server.run(None, "RESET MASTER")
            base.run("INSERT INTO items VALUES (11, 'in the new log')")
            while not reading.done():
                base.run("UPDATE items SET name = CONCAT(name, 'a') WHERE id = 11")
                await asyncio.sleep(0.05)
            error = reading.exception()
            assert isinstance(error, PeerRestored | PeerUnreachable)
            assert _keys(told) == []
            with pytest.raises(PeerRestored):
                await _first(peer, after)

    story(work)


@pytest.mark.parametrize("more", [0, 3, 30])
def test_f22_a_reset_binary_log_is_noticed_however_far_the_new_one_is(server: Server, more: int) -> None:
    async def work() -> None:
        async with database(ITEMS, server=server) as base:
            peer, after = await _filled(base)
            await asyncio.sleep(1.1)  # a file is known by the second in which it was made
            server.run(None, "RESET MASTER")
            for number in range(100, 100 + more):
                base.run(f"INSERT INTO items VALUES ({number}, 'a')")
            with pytest.raises(PeerRestored):
                await _first(peer, after)
            identity = await peer.connect()
            assert "(" in identity.incarnation
            fresh = await peer.setup([(await base.ready_collection("items"))])
            base.run("INSERT INTO items VALUES (1000, 'in the new history')")
            assert [change.key for change in await changes(peer, fresh.position)] == [(1000,)]

    story(work)


def test_f22_a_log_of_the_same_length_and_gtids_is_still_another_one(server: Server) -> None:
    async def work() -> None:
        async with database(ITEMS, server=server) as base:
            peer, _ = await base.ready("items")
            await asyncio.sleep(1.1)
            server.run(None, "RESET MASTER")
            await peer.teardown()
            identity = await peer.setup([await base.ready_collection("items")])
            base.run("INSERT INTO items VALUES (1, 'a')")
            after = (await captured(peer))[-1].position
            made = base.run("SELECT * FROM syncline_history")
            await asyncio.sleep(1.1)
            server.run(None, "RESET MASTER")
            while (await peer.position()).major < after.major:
                base.run("UPDATE items SET name = CONCAT(name, 'a')")
            assert base.run("SELECT * FROM syncline_history") == made
            with pytest.raises(PeerRestored):
                await _first(peer, Position(after.major, 0, " ".join(after.text.split(" ")[:2])))
            assert identity.incarnation in (await peer.connect()).incarnation

    story(work)


def test_f22_a_place_in_the_middle_of_an_event_is_one_of_another_history(server: Server) -> None:
    async def work() -> None:
        async with database(ITEMS, server=server) as base:
            peer, after = await _filled(base)
            bare = Position(after.major - 3, 0, " ".join(after.text.split(" ")[:2]))  # as a snapshot tells it
            with pytest.raises(PeerRestored, match="nothing begins at"):
                await _first(peer, bare)
            with pytest.raises(PeerRestored):
                await _first(peer, after)

    story(work)


def test_f28_a_data_folder_that_was_put_back_is_noticed(server: Server, tmp_path: Path) -> None:
    async def work() -> None:
        async with database(ITEMS, server=server) as base:
            peer, _ = await _filled(base)
            server.stop()
            shutil.copytree(server.data, tmp_path / "copy")
            server.start()
            await peer.connect()
            base.run("INSERT INTO items VALUES (50, 'lost with the restore')")
            after = (await captured(peer))[-1].position
            server.stop()
            shutil.rmtree(server.data)
            shutil.copytree(tmp_path / "copy", server.data)
            if os.geteuid() == 0:
                for path in (server.data, *server.data.rglob("*")):
                    shutil.chown(path, "mysql", "mysql")
            await asyncio.sleep(1.1)
            server.start()
            await peer.connect()
            base.run("INSERT INTO items VALUES (50, 'lost with the restore')")
            with pytest.raises(PeerRestored):
                await _first(peer, after)

    story(work)


@pytest.mark.parametrize(
    ("server", "how"), [("mariadb", "restart"), ("mariadb", "kill"), ("mysql", "kill")], indirect=["server"]
)
def test_f4_a_server_that_ends_and_comes_back_loses_nothing(server: Server, how: str) -> None:
    async def work() -> None:
        async with database(ITEMS, server=server) as base:
            peer, _ = await base.ready("items")
            told: list[Transaction] = []
            reading = asyncio.ensure_future(_read_into(peer, None, told))
            base.run("INSERT INTO items VALUES (1, 'before')")
            await _until(lambda: len(_keys(told)) == 1)
            if how == "kill":
                server.kill()
            else:
                server.stop()
            with pytest.raises(PeerUnreachable):
                await reading
            server.start()
            await peer.connect()
            base.run("INSERT INTO items VALUES (2, 'after')")
            assert [change.key for change in await changes(peer, told[-1].position)] == [(2,)]
            assert [change.key for change in await changes(peer)] == [(1,), (2,)]

    story(work)


def _keys(told: list[Transaction]) -> list[object]:
    return [change.key[0] for transaction in told for change in transaction.changes]


async def _read_into(peer: MysqlPeer, after: Position | None, told: list[Transaction]) -> None:
    async with aclosing(peer.stream(after)) as stream:  # type: ignore[type-var]
        async for transaction in stream:
            told.append(transaction)


def _has(told: list[Transaction], count: int) -> bool:
    return len(told) >= count


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


async def _reading(peer: MysqlPeer, told: list[Transaction]) -> asyncio.Task[None]:
    await peer.connect()
    return asyncio.ensure_future(_read_into(peer, told[-1].position if told else None, told))


@on_each_server
def test_f15_a_connection_that_is_cut_in_the_middle_goes_on_where_it_was() -> None:
    async def work() -> None:
        async with database(ITEMS) as base:
            await base.ready("items")
            proxy = Proxy(base.server.port)
            peer = open_peer("my", f"mariadb://root@127.0.0.1:{proxy.port}/{base.name}")
            base.peers.append(peer)
            base.run(f"INSERT INTO items SELECT seq, REPEAT('x', 200) FROM {numbers(20000)}")
            for number in range(30_000, 30_100):
                base.run(f"INSERT INTO items VALUES ({number}, 'x')")
            told: list[Transaction] = []
            for _ in range(5):
                enough = len(told) + 1
                reading = await _reading(peer, told)
                await _until(partial(_has, told, enough))
                proxy.cut()
                with pytest.raises(PeerUnreachable):
                    await reading
            reading = await _reading(peer, told)
            await _until(lambda: len(_keys(told)) >= 20_100)
            reading.cancel()
            await asyncio.wait([reading])
            assert _keys(told) == [*range(1, 20_001), *range(30_000, 30_100)]
            proxy.close()

    story(work)


def test_f15_a_server_that_says_nothing_is_noticed(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PEER_SILENT_SECONDS", 1.5)
    monkeypatch.setattr(wire, "HEARTBEAT_SECONDS", 0.5)

    async def work() -> None:
        async with database(ITEMS, server=server) as base:
            peer, _ = await base.ready("items")
            told: list[Transaction] = []
            reading = asyncio.ensure_future(_read_into(peer, None, told))
            await _until(lambda: bool(told))
            await asyncio.sleep(2.5)
            assert not reading.done(), "heartbeats are a sign of life"
            assert server.process is not None
            server.process.send_signal(signal.SIGSTOP)
            try:
                with pytest.raises(PeerUnreachable, match="heartbeat"):
                    await reading
            finally:
                server.process.send_signal(signal.SIGCONT)

    story(work)


def test_t1_a_large_transaction_is_held_in_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "MEMORY_BYTES", 1024 * 1024)

    async def work() -> None:
        async with database(ITEMS) as base:
            peer, _ = await base.ready("items")
            base.run(f"INSERT INTO items SELECT seq, REPEAT('x', 180) FROM {numbers(300000)}")
            end = await peer.position()
            count = most = parts = 0
            tracemalloc.start()
            async with aclosing(peer.stream(None)) as stream:  # type: ignore[type-var]
                async for transaction in stream:
                    count += len(transaction.changes)
                    parts += 1
                    most = max(most, len(transaction.changes))
                    if transaction.position >= end:
                        break
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert count == 300_000
            assert most < 6_000
            assert parts > 50
            assert peak < 64 * 1024 * 1024, "60 MB of rows, of which 50,000 are decoded before it is known to be large"

    story(work)
