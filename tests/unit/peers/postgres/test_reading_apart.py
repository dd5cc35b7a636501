"""Ranges are read over sessions of their own: at once, so many at most, and none is left open."""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing, contextmanager

import pytest
from tests.unit.peers.postgres.database import Database, collection_of, database, story

from syncline.model.change import Transaction
from syncline.model.errors import PeerChanged, PeerError
from syncline.model.limits import RANGE_SESSIONS_MAX
from syncline.model.stamp import Position
from syncline.model.write import Batch
from syncline.peers.postgres import PostgresPeer

TABLES = ("CREATE TABLE a (id int8 PRIMARY KEY)", "CREATE TABLE b (id int8 PRIMARY KEY)", "INSERT INTO a VALUES (1), (2)")
COMMON = 2  # the sessions that read and write


def sessions(base: Database, waiting: str = "true") -> int:
    """How many sessions of ours the database has."""
    ours = "application_name = 'syncline' AND datname = current_database() AND backend_type = 'client backend'"
    return int(base.run(f"SELECT count(*) FROM pg_stat_activity WHERE {ours} AND {waiting}")[0][0])


async def until(base: Database, count: int, waiting: str = "true") -> None:
    while sessions(base, waiting) != count:
        await asyncio.sleep(0.01)


@contextmanager
def locked(base: Database, table: str) -> Iterator[None]:
    """Nobody can read the table."""
    with base.server.connect(base.name) as program, program.transaction():
        program.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield


async def read_on(peer: PostgresPeer, after: Position, told: list[Transaction]) -> None:
    """Note what the stream tells."""
    async with aclosing(peer.stream(after)) as stream:  # type: ignore[type-var]
        async for transaction in stream:
            told.append(transaction)


LOCKED = "wait_event_type = 'Lock'"


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


def test_so_many_ranges_are_read_at_once_and_no_session_is_left() -> None:
    async def work() -> None:
        async with database(*TABLES) as base:
            peer, found = await base.ready("a", "b")
            with locked(base, "a"):
                held = [asyncio.create_task(peer.chunk(found["a"], None, 10)) for _ in range(3 * RANGE_SESSIONS_MAX)]
                await until(base, RANGE_SESSIONS_MAX, LOCKED)
                await asyncio.sleep(0.1)
                assert sessions(base) == COMMON + RANGE_SESSIONS_MAX
            assert len([chunk for chunk in await asyncio.gather(*held) if len(chunk.rows) == 2]) == 3 * RANGE_SESSIONS_MAX
            assert sessions(base) == COMMON + RANGE_SESSIONS_MAX
            await peer.close()
            await until(base, 0)

    story(work)


def test_what_fails_or_is_given_up_leaves_no_session() -> None:
    async def work() -> None:
        async with database(*TABLES, "CREATE TABLE c (id int8 PRIMARY KEY)") as base:
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


def test_ranges_are_read_where_the_server_gives_no_more_sessions() -> None:
    async def work() -> None:
        async with database(*TABLES) as base:
            role = f"few_{base.name}"
            base.run(f'CREATE ROLE "{role}" LOGIN CONNECTION LIMIT {COMMON}', f'GRANT SELECT ON a, b TO "{role}"')
            peer = base.peer(user=role)
            await peer.connect()
            a = collection_of((await peer.inspect())["a"])
            chunks = await asyncio.gather(*[peer.chunk(a, None, 10) for _ in range(5)])
            assert [len(chunk.rows) for chunk in chunks] == [2] * 5
            await peer.close()
            base.run(f'DROP OWNED BY "{role}"', f'DROP ROLE "{role}"')

    story(work)


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
                with base.server.connect(base.name) as program:
                    for number in range(10, 100_000):
                        if stop.is_set():
                            return
                        with program.transaction():
                            program.execute("INSERT INTO a VALUES (%s)", (number,))
                            program.execute("INSERT INTO b VALUES (%s)", (number,))

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
