"""Chunks stand exactly where they say, even while commits are between the log and what others see."""

import asyncio
from contextlib import aclosing

import pytest
from tests.servers.postgres import Server
from tests.unit.peers.postgres.database import Database, database, story

from syncline.model.change import Change, Transaction
from syncline.model.stamp import Position
from syncline.model.value import Key, Row
from syncline.peers.postgres import PostgresPeer, capture
from syncline.peers.postgres.assemble import Seen
from syncline.peers.postgres.capture import Recent
from syncline.peers.postgres.snapshot import Moment, put_over

COUNTS = "CREATE TABLE counts (id int8 PRIMARY KEY, n int8 NOT NULL DEFAULT 0)"


def test_a_snapshot_knows_whom_it_sees_across_the_wrap_of_numbers() -> None:
    taken = Moment(5, frozenset({2**32 - 1, 3}), Position(9), 0, True)
    assert [taken.is_visible(xid) for xid in (4, 3, 2, 2**32 - 1, 2**32 - 2, 5, 6)] == [
        True,
        False,
        True,
        False,
        True,
        False,
        False,
    ]


def test_what_a_snapshot_missed_is_put_over_its_rows() -> None:
    rows: list[tuple[Key, Row]] = [((1,), (1, "a")), ((3,), (3, "c"))]
    late = [
        Change("t", (3,), (3, "c"), None),
        Change("t", (2,), None, (2, "b")),
        Change("t", (9,), None, (9, "outside")),
        Change("other", (1,), None, (1, "x")),
        Change("t", (1,), (1, "a"), (1, "z")),
    ]
    assert put_over(rows, late, "t", None, (5,)) == [((1,), (1, "z")), ((2,), (2, "b"))]


def test_f23_f24_chunks_under_writers_are_the_history_up_to_their_position() -> None:
    """Writers count rows up; a chunk must be what the stream says up to the chunk's position, neither more nor less."""

    async def work() -> None:
        async with database(COUNTS, "INSERT INTO counts SELECT g FROM generate_series(1, 20) AS g") as base:
            peer, found = await base.ready("counts")
            start = await peer.chunk(found["counts"], None, 100)
            told: list[Transaction] = []
            reading = asyncio.ensure_future(_read_on(peer, start.position, told))
            stop = asyncio.Event()

            def write(number: int) -> None:
                with base.server.connect(base.name) as program:
                    for turn in range(10_000):
                        if stop.is_set():
                            return
                        program.execute("UPDATE counts SET n = n + 1 WHERE id = %s", (1 + (number + turn * 7) % 20,))

            writers = [asyncio.to_thread(write, number) for number in range(4)]
            writing = asyncio.gather(*writers)
            chunks = [await peer.chunk(found["counts"], None, 100) for _ in range(60)]
            stop.set()
            await writing
            end = await peer.position()
            while not told or told[-1].position < end:
                await asyncio.sleep(0.01)
            reading.cancel()
            await asyncio.wait([reading])
            rows = dict(start.rows)
            place = 0
            for chunk in chunks:
                while place < len(told) and told[place].position <= chunk.position:
                    rows.update({change.key: change.after for change in told[place].changes if change.after})
                    place += 1
                assert dict(chunk.rows) == rows
            assert chunks[-1].rows != start.rows

    story(work)


async def _read_on(peer: PostgresPeer, after: Position, told: list[Transaction]) -> None:
    async with aclosing(peer.stream(after)) as stream:  # type: ignore[type-var]
        async for transaction in stream:
            told.append(transaction)


def test_f24_a_record_that_reaches_into_the_next_page_stands_before_the_end_of_history() -> None:
    """16 bytes of a record behind a page's header of 24 look like the header of 40 that a segment begins with."""

    async def work() -> None:
        async with database(COUNTS) as base:
            peer, _ = await base.ready("counts")
            with base.server.connect(base.name) as program:

                def end_after(size: int) -> int:
                    text = "SELECT pg_wal_lsn_diff(pg_logical_emit_message(false, 't', repeat('x', %s)), '0/0')::int8"
                    return int(program.execute(text, (size,)).fetchall()[0][0])

                for _ in range(200):
                    first, second = end_after(800), end_after(800)
                    overhead = second - first - 800
                    room = 8192 - second % 8192
                    if 0 < overhead < 200 and room + 16 > overhead:
                        end = end_after(room + 16 - overhead)
                        if end % 8192 == 40 and end % 2**24 != 40:
                            assert (await peer.position()).major >= end
                            return
            raise AssertionError("no record ended 16 bytes into a page")

    story(work)


def seen(number: int, *texts: str) -> Seen:
    """A transaction that inserted rows with these texts, as it was received."""
    changes = tuple([Change("t", (place,), None, (place, text)) for place, text in enumerate(texts)])
    return Seen(number, number, Transaction("pg", Position(number), 0, 0, changes))


def test_p14_what_is_remembered_for_snapshots_is_bounded_in_bytes_and_what_is_forgotten_is_known() -> None:
    recent, count = Recent(), 40
    for number in range(count):
        recent.add(seen(number, "x" * 1024**2))
    found = recent.unseen(count, lambda _xid: False)
    assert found is None, "the first were forgotten"
    late = recent.unseen(count, lambda xid: xid < count - 2)
    assert late is not None
    assert len(late) == 2
    assert recent.unseen(5, lambda xid: xid != 7) == [], "what was committed later is not missed"
    kept = recent.unseen(count, lambda xid: xid < count - 16)
    assert kept is None, "no more than so many bytes"


def test_f24_rows_are_not_read_while_the_server_hides_more_commits_than_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "_RECENT_ROWS_MAX", 10)
    server = Server()

    async def work() -> None:
        base = Database(server, server.database())
        base.run(COUNTS)
        peer, found = await base.ready("counts")
        await asyncio.to_thread(_standby, server, "nobody")
        told: list[Change] = []
        streaming = asyncio.create_task(_follow(peer, told))
        insert, writing = "INSERT INTO counts SELECT generate_series({0}, {0} + 9)", []
        try:
            for first in (0, 10, 20):
                writing.append(asyncio.create_task(asyncio.to_thread(base.run, insert.format(first))))
                while len(told) < first + 10:
                    await asyncio.sleep(0.005)
            reading = asyncio.create_task(peer.chunk(found["counts"], None, 100))
            _, pending = await asyncio.wait([reading], timeout=0.5)
            assert pending, reading.result()
        finally:
            await asyncio.to_thread(_standby, server, "")
        assert len((await reading).rows) == 30
        await asyncio.gather(*writing)
        streaming.cancel()
        await asyncio.wait([streaming])
        await peer.close()

    try:
        story(work)
    finally:
        server.remove()


async def _follow(peer: PostgresPeer, told: list[Change]) -> None:
    async with aclosing(peer.stream(None)) as history:  # type: ignore[type-var]
        async for transaction in history:
            told += transaction.changes


def _standby(server: Server, name: str) -> None:
    """Commits wait for this synchronous standby from now on."""
    with server.connect("postgres") as connection:
        connection.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{name}'".encode())
        connection.execute("SELECT pg_reload_conf()")
    while server.run("postgres", "SHOW synchronous_standby_names") != [(name,)]:
        pass
