"""Chunks stand exactly where they say, under writers too, and keys of every kind are read in the one order that peers have."""

import asyncio
from contextlib import aclosing

import pytest
from tests.unit.peers.mysql.database import database, numbers, on_each_server, only_mariadb, story

from syncline.model.change import Transaction
from syncline.model.key import order
from syncline.model.stamp import Position
from syncline.model.value import Key, Row
from syncline.peers.mysql import MysqlPeer

COUNTS = "CREATE TABLE counts (id bigint PRIMARY KEY, n bigint NOT NULL DEFAULT 0)"


@on_each_server
def test_f23_f24_chunks_under_writers_are_the_history_up_to_their_position() -> None:
    """Writers count rows up; a chunk must be what the stream says up to the chunk's position, neither more nor less."""

    async def work() -> None:
        async with database(COUNTS, f"INSERT INTO counts SELECT seq, 0 FROM {numbers(20)}") as base:
            peer, found = await base.ready("counts")
            start = await peer.chunk(found["counts"], None, 100)
            told: list[Transaction] = []
            reading = asyncio.ensure_future(_read_on(peer, start.position, told))
            async with asyncio.timeout(30):
                while not told:
                    await asyncio.sleep(0.01)
            stop = asyncio.Event()

            def write(number: int) -> None:
                with base.server.connect(base.name) as program, program.cursor() as cursor:
                    for turn in range(10_000):
                        if stop.is_set():
                            return
                        cursor.execute("UPDATE counts SET n = n + 1 WHERE id = %s", (1 + (number + turn * 7) % 20,))

            writers = [asyncio.to_thread(write, number) for number in range(4)]
            writing = asyncio.gather(*writers)
            chunks = []
            try:
                for _ in range(25):
                    chunks.append(await peer.chunk(found["counts"], None, 100))
            finally:
                stop.set()
                await writing
            end = await peer.position()
            async with asyncio.timeout(30):
                while not told or told[-1].position < end:
                    assert not reading.done(), reading.result()
                    await asyncio.sleep(0.01)
            reading.cancel()
            for chunk in chunks:
                assert dict(chunk.rows) == _replayed(dict(start.rows), told, chunk.position)
            assert len({chunk.position.major for chunk in chunks}) > 5, "the writers wrote meanwhile"

    story(work)


async def _read_on(peer: MysqlPeer, after: Position, told: list[Transaction]) -> None:
    async with aclosing(peer.stream(after)) as stream:  # type: ignore[type-var]
        async for transaction in stream:
            told.append(transaction)


def _replayed(rows: dict[Key, Row], told: list[Transaction], upto: Position) -> dict[Key, Row]:
    after = dict(rows)
    for transaction in told:
        if transaction.position > upto:
            break
        for change in transaction.changes:
            assert change.after is not None
            assert after[change.key] == change.before
            after[change.key] = change.after
    return after


KEYS = {
    "varchar(30) COLLATE utf8mb4_nopad_bin": ("'a'", "'A'", "'a '", "'ä'", "'z'", "'😀'", "'\uffff'", "''", "'a\t'"),
    "varchar(30) CHARACTER SET latin1 COLLATE latin1_nopad_bin": ("'a'", "'€'", "'é'", "'z'", "'ÿ'"),
    "char(20) COLLATE utf8mb4_bin": ("'b'", "'a\t'", "'a'", "'ab'", "'é'"),
    "varbinary(20)": ("x''", "x'00'", "x'0000'", "x'61'", "x'ff'"),
    "time(2)": ("'-01:00:00'", "'-02:00:00'", "'100:00:00'", "'20:00:00'", "'20:00:00.5'", "'00:00:00'"),
    "enum('z','a','m')": ("'a'", "'z'", "'m'"),
    "uuid": ("'ffffffff-0000-1000-8000-000000000001'", "'00000000-ffff-4fff-bfff-ffffffffffff'", "uuid()", "uuid()"),
    "inet6": ("'::1'", "'10::'", "'9::'", "'::ffff:10.0.0.1'"),
    "bit(9)": ("b'1'", "b'0'", "b'111111111'", "b'10'"),
    "decimal(10,2)": ("1.5", "-1.5", "10", "9", "0"),
    "datetime(3)": ("'0000-00-00'", "'2024-01-01'", "'2024-01-01 00:00:00.5'", "'1999-12-31 23:59:59'"),
}


@on_each_server
@pytest.mark.parametrize("declared", KEYS)
def test_d25_d26_keys_of_every_kind_are_walked_in_one_order(declared: str) -> None:
    only_mariadb(declared)

    async def work() -> None:
        values = ", ".join(f"({value}, {n})" for n, value in enumerate(KEYS[declared]))
        async with database(f"CREATE TABLE t (k {declared} NOT NULL, n int, PRIMARY KEY (k))") as base:
            base.run("SET sql_mode = ''", f"INSERT INTO t VALUES {values}")
            peer, found = await base.ready("t")
            walked: list[Key] = []
            while True:
                chunk = await peer.chunk(found["t"], walked[-1] if walked else None, 1)
                walked += [key for key, _ in chunk.rows]
                if chunk.done:
                    break
            assert len(walked) == len(KEYS[declared])
            assert walked == sorted(walked, key=order)
            read = await peer.rows(found["t"], walked)
            assert {key for key, _ in read.rows} == set(walked)
            middle = walked[1]
            upto = await peer.chunk(found["t"], walked[0], 100, middle)
            assert [key for key, _ in upto.rows] == [middle]

    story(work)


@on_each_server
def test_a_table_that_is_wide_in_rows_is_looked_up_and_not_searched() -> None:
    """The ranges of a key of two columns use its index from both ends."""

    async def work() -> None:
        async with database(
            "CREATE TABLE t (a varchar(20) COLLATE utf8mb4_nopad_bin NOT NULL, b bigint NOT NULL, PRIMARY KEY (a, b))",
            f"INSERT INTO t SELECT concat('k', lpad(seq DIV 100, 4, '0')), seq FROM {numbers(20000)}",
        ) as base:
            peer, found = await base.ready("t")
            before = base.run("SHOW GLOBAL STATUS LIKE 'Handler_read_next'")
            chunk = await peer.chunk(found["t"], ("k0150", 15050), 10, ("k0160", 16000))
            after = base.run("SHOW GLOBAL STATUS LIKE 'Handler_read_next'")
            assert [key[1] for key, _ in chunk.rows] == list(range(15051, 15061))
            assert int(after[0][1]) - int(before[0][1]) < 100

    story(work)
