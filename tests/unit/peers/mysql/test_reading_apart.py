"""Ranges are read over sessions of their own: at once, while rows are applied, so many at most, and none is left open."""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing, contextmanager

import pytest
from tests.unit.peers.mysql.database import Database, database, on_each_server, story

from syncline.model.change import Transaction
from syncline.model.errors import PeerChanged, PeerError
from syncline.model.limits import RANGE_SESSIONS_MAX
from syncline.model.stamp import Position
from syncline.model.write import Batch
from syncline.peers.mysql import MysqlPeer

TABLES = ("CREATE TABLE a (id bigint PRIMARY KEY)", "CREATE TABLE b (id bigint PRIMARY KEY)", "INSERT INTO a VALUES (1), (2)")
COMMON = 2  # the sessions that read and write
LOCKED = "STATE LIKE '%lock%'"


def sessions(base: Database, waiting: str = "true") -> int:
    """How many sessions the database has, but for the one that asks."""
    where = f"DB = DATABASE() AND ID <> CONNECTION_ID() AND {waiting}"
    return int(base.run(f"SELECT count(*) FROM information_schema.PROCESSLIST WHERE {where}")[0][0])


async def until(base: Database, count: int, waiting: str = "true") -> None:
    while sessions(base, waiting) != count:
        await asyncio.sleep(0.01)


@contextmanager
def locked(base: Database, table: str) -> Iterator[None]:
    """Nobody can read the table."""
    with base.server.connect(base.name) as program, program.cursor() as cursor:
        cursor.execute(f"LOCK TABLES {table} WRITE")
        yield
        cursor.execute("UNLOCK TABLES")


async def read_on(peer: MysqlPeer, after: Position, told: list[Transaction]) -> None:
    """Note what the stream tells."""
    async with aclosing(peer.stream(after)) as stream:  # type: ignore[type-var]
        async for transaction in stream:
            told.append(transaction)


@on_each_server
def test_a_range_is_read_while_another_one_waits_and_rows_are_applied_meanwhile() -> None:
    async def work() -> None:
        async with database(*TABLES) as base:
            peer, found = await base.ready("a", "b")
            with locked(base, "a"):
                held = asyncio.create_task(peer.chunk(found["a"], None, 10))
                await until(base, 1, LOCKED)
                assert (await peer.chunk(found["b"], None, 10)).done
                await peer.position()
                await peer.apply(Batch(1, (), 0))
                assert not held.done()
            assert [key for key, _ in (await held).rows] == [(1,), (2,)]

    story(work)


@on_each_server
def test_so_many_ranges_are_read_at_once_and_no_session_is_left() -> None:
    async def work() -> None:
        async with database(*TABLES) as base:
            peer, found = await base.ready("a", "b")
            with locked(base, "a"):
                held = [asyncio.create_task(peer.chunk(found["a"], None, 10)) for _ in range(3 * RANGE_SESSIONS_MAX)]
                await until(base, RANGE_SESSIONS_MAX, LOCKED)
                await asyncio.sleep(0.1)
                assert sessions(base) == COMMON + RANGE_SESSIONS_MAX + 1
            assert len([chunk for chunk in await asyncio.gather(*held) if len(chunk.rows) == 2]) == 3 * RANGE_SESSIONS_MAX
            await until(base, COMMON + RANGE_SESSIONS_MAX)
            await peer.close()
            await until(base, 0)

    story(work)


@on_each_server
def test_what_fails_or_is_given_up_leaves_no_session() -> None:
    async def work() -> None:
        async with database(*TABLES, "CREATE TABLE c (id bigint PRIMARY KEY)") as base:
            peer, found = await base.ready("a", "b", "c")
            base.run("DROP TABLE c")
            with pytest.raises(PeerChanged):
                await peer.chunk(found["c"], None, 10)
            await until(base, COMMON)
            with locked(base, "a"):
                held = [asyncio.create_task(peer.chunk(found["a"], None, 10)) for _ in range(RANGE_SESSIONS_MAX)]
                await until(base, RANGE_SESSIONS_MAX, LOCKED)
                for task in held:
                    task.cancel()
                await asyncio.gather(*held, return_exceptions=True)
            await until(base, COMMON)
            assert len((await peer.chunk(found["a"], None, 10)).rows) == 2

    story(work)


@on_each_server
def test_closing_waits_for_the_ranges_that_are_being_read() -> None:
    async def work() -> None:
        async with database(*TABLES) as base:
            peer, found = await base.ready("a", "b")
            with locked(base, "a"):
                held = asyncio.create_task(peer.chunk(found["a"], None, 10))
                await until(base, 1, LOCKED)
                closing = asyncio.create_task(peer.close())
                await asyncio.sleep(0.1)
                assert not closing.done()
                with pytest.raises(PeerError):
                    await peer.chunk(found["b"], None, 10)
            await closing
            assert len((await held).rows) == 2
            await until(base, 0)

    story(work)


@on_each_server
def test_f23_ranges_of_two_tables_read_at_once_stand_where_they_say() -> None:
    """Each transaction writes to both: whatever a range has, its position tells which of them."""

    async def work() -> None:
        async with database(*TABLES) as base:
            peer, found = await base.ready("a", "b")
            start = await peer.position()
            told: list[Transaction] = []
            reading = asyncio.create_task(read_on(peer, start, told))
            while not told:
                await asyncio.sleep(0.01)
            stop = asyncio.Event()

            def write() -> None:
                with base.server.connect(base.name) as program, program.cursor() as cursor:
                    for number in range(10, 100_000):
                        if stop.is_set():
                            return
                        cursor.execute("BEGIN")
                        cursor.execute("INSERT INTO a VALUES (%s)", (number,))
                        cursor.execute("INSERT INTO b VALUES (%s)", (number,))
                        cursor.execute("COMMIT")

            writing = asyncio.create_task(asyncio.to_thread(write))
            reads = []
            for _ in range(20):
                reads += await asyncio.gather(*[peer.chunk(found[name], (9,), 100_000) for name in "abab"])
            stop.set()
            await writing
            end = await peer.position()
            while told[-1].position < end:
                await asyncio.sleep(0.01)
            reading.cancel()
            await asyncio.wait([reading])
            assert len({len(chunk.rows) for chunk in reads}) > 5
            for name, chunk in zip("abab" * 20, reads, strict=True):
                heard = [change for one in told if one.position <= chunk.position for change in one.changes]
                assert [key for key, _ in chunk.rows] == [change.key for change in heard if change.collection == name]

    story(work)
