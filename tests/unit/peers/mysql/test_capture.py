"""What the stream of a real server tells: whole transactions in commit order, both images, whatever the writer did."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import aclosing

import pymysql
import pytest
from tests.servers.mariadb import Server
from tests.unit.peers.mysql.database import Database, changes, database, numbers, on_each_server, only_mariadb, story

from syncline.model.change import Change, Transaction
from syncline.model.errors import PeerChanged
from syncline.model.stamp import Position
from syncline.peers.conformance.reading import captured, replay
from syncline.peers.mysql import assemble, capture
from syncline.peers.mysql.peer import MysqlPeer

ITEMS = "CREATE TABLE items (id BIGINT PRIMARY KEY, name VARCHAR(50), body LONGTEXT, n INT AS (id * 2) STORED)"


@on_each_server
def test_both_images_a_move_and_generated_columns_left_to_the_server() -> None:
    async def work() -> None:
        async with database(ITEMS) as base:
            peer, _ = await base.ready("items")
            base.run("INSERT INTO items (id, name, body) VALUES (1, 'a', REPEAT('x', 100000))")
            base.run("UPDATE items SET name = 'ä'")
            base.run("UPDATE items SET id = 2")
            made, renamed, gone, come = await changes(peer)
            assert made.after == (1, "a", "x" * 100_000)
            assert (renamed.before, renamed.after) == (made.after, (1, "ä", "x" * 100_000))
            assert (gone.key, come.key, come.after) == ((1,), (2,), (2, "ä", "x" * 100_000))
            assert gone.verdict is not None
            assert gone.verdict.moved == (2,)

    story(work)


@on_each_server
def test_t2_whatever_many_writers_do_at_once_the_stream_replayed_is_the_table() -> None:
    async def work() -> None:
        async with database(ITEMS) as base:
            peer, found = await base.ready("items")
            loop = asyncio.get_running_loop()
            told: list[Transaction] = []
            reading = asyncio.ensure_future(_read_into(peer, told))
            await asyncio.gather(*(loop.run_in_executor(None, _write, base, seed) for seed in range(6)))
            end = await peer.position()
            while not told or told[-1].position < end:
                await asyncio.sleep(0.01)
            reading.cancel()
            await asyncio.wait([reading])
            assert [t.position for t in told] == sorted({t.position for t in told})
            left = replay({}, [change for t in told for change in t.changes])
            rows = dict((await peer.chunk(found["items"], None, 10_000)).rows)
            assert {key: row for (_, key), row in left.items()} == rows
            assert len(told) > 200

    story(work)


def _write(base: Database, seed: int) -> None:
    rng = random.Random(seed)
    with base.server.connect(base.name) as session, session.cursor() as cursor:
        for _ in range(120):
            cursor.execute("BEGIN")
            try:
                for _ in range(rng.randrange(1, 5)):
                    key, other = rng.randrange(30), rng.randrange(30)
                    cursor.execute(
                        rng.choice(
                            (
                                f"REPLACE INTO items (id, name) VALUES ({key}, '{seed}')",
                                f"UPDATE items SET name = CONCAT(COALESCE(name, ''), 'x'), body = {seed} WHERE id = {key}",
                                f"DELETE FROM items WHERE id = {key}",
                                f"UPDATE IGNORE items SET id = {other} WHERE id = {key}",
                                f"INSERT INTO items (id) VALUES ({key}) ON DUPLICATE KEY UPDATE name = 'y'",
                            )
                        )
                    )
                cursor.execute(rng.choice(("COMMIT", "COMMIT", "ROLLBACK")))
            except pymysql.err.MySQLError:  # a deadlock
                session.rollback()


async def _read_into(peer: MysqlPeer, told: list[Transaction]) -> None:
    async with aclosing(peer.stream(None)) as stream:  # type: ignore[type-var]
        async for transaction in stream:
            told.append(transaction)


@on_each_server
def test_d47_a_log_that_stops_to_name_columns_is_noticed() -> None:
    async def work() -> None:
        async with database(ITEMS) as base:
            peer, _ = await base.ready("items")
            base.run("INSERT INTO items (id) VALUES (1)")
            end = await peer.position()
            try:
                base.server.run(None, "SET GLOBAL binlog_row_metadata = MINIMAL")
                base.run("INSERT INTO items (id) VALUES (2)")
            finally:
                base.server.run(None, "SET GLOBAL binlog_row_metadata = FULL")
            assert [change.key for change in await _until(peer, end)] == [(1,)]
            with pytest.raises(PeerChanged, match="binlog_row_metadata"):
                await captured(peer)

    story(work)


@on_each_server
def test_t1_t4_a_large_transaction_comes_in_parts_and_goes_on_in_the_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assemble, "TRANSACTION_ROWS_MAX", 5_000)
    monkeypatch.setattr(assemble, "PART_ROWS", 1_000)
    monkeypatch.setattr(assemble, "WHOLE_BYTES", 10_000)

    async def work() -> None:
        async with database(ITEMS) as base:
            peer, _ = await base.ready("items")
            base.run(f"INSERT INTO items (id) SELECT seq FROM {numbers(10500)}")
            base.run("INSERT INTO items (id) VALUES (0)")
            found = [transaction for transaction in await captured(peer) if transaction.changes]
            sizes = [len(transaction.changes) for transaction in found]
            assert sum(sizes) == 10_501
            assert all(1_000 <= size < 2_000 for size in sizes[:-2])
            assert [t.position for t in found] == sorted({t.position for t in found})
            rest = [change.key for change in await changes(peer, found[3].position)]
            assert rest == [(n,) for n in range(sum(sizes[:4]) + 1, 10_501)] + [(0,)]

    story(work)


@on_each_server
def test_t11_a_place_that_no_dump_can_begin_at_is_reached_from_the_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "OFFSET_MAX", 100)

    async def work() -> None:
        async with database(ITEMS) as base:
            peer, _ = await base.ready("items")
            for number in range(5):
                base.run(f"INSERT INTO items (id) VALUES ({number})")
            found = [transaction for transaction in await captured(peer) if transaction.changes]
            assert [change.key for change in await changes(peer, found[2].position)] == [(3,), (4,)]

    story(work)


def test_d48_compressed_events_are_read_like_others() -> None:
    server = Server({"log-bin-compress": "ON", "log-bin-compress-min-len": "10"})

    async def work() -> None:
        async with database(ITEMS, server=server) as base:
            peer, _ = await base.ready("items")
            base.run(f"INSERT INTO items (id, name, body) SELECT seq, 'a', REPEAT('text ', 200) FROM {numbers(300)}")
            base.run("UPDATE items SET name = 'b' WHERE id > 100")
            base.run("DELETE FROM items WHERE id <= 50")
            told = await changes(peer)
            assert len(told) == 300 + 200 + 50
            assert told[300].after == (101, "b", "text " * 200)
            base.run("TRUNCATE items")
            with pytest.raises(PeerChanged, match="truncated"):
                await captured(peer)

    story(work)
    server.remove()


@on_each_server
def test_files_of_the_log_follow_one_another_and_a_file_may_be_without_checksums() -> None:
    async def work() -> None:
        async with database(ITEMS) as base:
            peer, _ = await base.ready("items")
            for number, checksum in enumerate(("NONE", "CRC32", "NONE", "CRC32")):
                with base.server.connect() as program:
                    program.query(f"SET GLOBAL binlog_checksum = {checksum}")
                base.run(f"INSERT INTO items (id) VALUES ({number})")
                base.server.run(None, "FLUSH BINARY LOGS")
            found = [transaction for transaction in await captured(peer) if transaction.changes]
            assert [change.key for t in found for change in t.changes] == [(n,) for n in range(4)]
            assert len({t.position.text.split(" ")[1] for t in found}) == 4
            for place, transaction in enumerate(found):
                assert [change.key[0] for change in await changes(peer, transaction.position)] == list(range(place + 1, 4))

    story(work)


@on_each_server
def test_d38_a_truncated_table_breaks_the_history_and_a_rejoin_begins_another() -> None:
    async def work() -> None:
        async with database(ITEMS) as base:
            peer, found = await base.ready("items")
            base.run("INSERT INTO items (id) VALUES (1)")
            base.run("TRUNCATE TABLE items")
            with pytest.raises(PeerChanged, match="truncated"):
                await captured(peer)
            assert "truncated" in (await peer.connect()).incarnation
            fresh = await peer.setup(list(found.values()))
            assert "truncated" not in fresh.incarnation
            base.run("INSERT INTO items (id) VALUES (2)")
            assert [change.key for change in await changes(peer, fresh.position)] == [(2,)]
            assert [change.key for change in await changes(peer)] == [(2,)]

    story(work)


@pytest.mark.parametrize(
    "statement", ["DROP TABLE items", "RENAME TABLE items TO old", "CREATE OR REPLACE TABLE items (id INT)"]
)
@on_each_server
def test_f25_a_table_that_went_is_told_after_what_stands_before(statement: str) -> None:
    only_mariadb(statement)

    async def work() -> None:
        async with database(ITEMS) as base:
            peer, found = await base.ready("items")
            base.run("INSERT INTO items (id) VALUES (1)")
            end = await peer.position()
            base.run(statement)
            base.run("DROP TABLE IF EXISTS items", ITEMS)
            assert [change.key for change in await _until(peer, end)] == [(1,)]
            with pytest.raises(PeerChanged, match="dropped or renamed"):
                await captured(peer)
            with pytest.raises(PeerChanged):
                await peer.setup(list(found.values()))

    story(work)


async def _until(peer: MysqlPeer, end: Position) -> list[Change]:
    found: list[Change] = []
    async with aclosing(peer.stream(None)) as stream:  # type: ignore[type-var]
        async for transaction in stream:
            found += transaction.changes
            if transaction.position >= end:
                break
    return found


@on_each_server
def test_t10_f30_d47_columns_may_come_and_a_lost_one_is_told() -> None:
    async def work() -> None:
        async with database(ITEMS) as base:
            peer, _ = await base.ready("items")
            base.run("INSERT INTO items (id, name) VALUES (1, 'a')")
            base.run("ALTER TABLE items ADD COLUMN extra INT DEFAULT 7 FIRST")
            base.run("UPDATE items SET name = 'b'")
            told = [(change.before, change.after) for change in await changes(peer)]
            assert told == [(None, (1, "a", None)), ((1, "a", None), (1, "b", None))]
            reading = asyncio.ensure_future(_read_on(peer))
            base.run("ALTER TABLE items DROP COLUMN body")
            with pytest.raises(PeerChanged, match="body"):
                await reading
            base.run("UPDATE items SET name = 'c'")
            with pytest.raises(PeerChanged, match="body"):
                await captured(peer)

    story(work)


async def _read_on(peer: MysqlPeer) -> None:
    async with aclosing(peer.stream(None)) as stream:  # type: ignore[type-var]
        async for _ in stream:
            pass


@on_each_server
def test_d17_labels_are_those_of_when_the_row_was_written() -> None:
    async def work() -> None:
        async with database("CREATE TABLE e (id INT PRIMARY KEY, e ENUM('a', 'b'), s SET('x', 'y'))") as base:
            peer, _ = await base.ready("e")
            base.run("INSERT INTO e VALUES (1, 'a', 'x,y'), (2, 'b', '')")
            base.run("ALTER TABLE e MODIFY e ENUM('b', 'new', 'a'), MODIFY s SET('y', 'z', 'x')")
            base.run("INSERT INTO e VALUES (3, 'a', 'x,y')")
            base.run("SET sql_mode = ''", "INSERT INTO e VALUES (4, 'wrong', 'z')")
            told = [change.after for change in await changes(peer)]
            assert told == [(1, "a", "x,y"), (2, "b", ""), (3, "a", "y,x"), (4, "", "z")]

    story(work)


@on_each_server
@pytest.mark.parametrize("form", ["STATEMENT", "MIXED"])
def test_d48_a_session_that_logs_statements_is_noticed(form: str) -> None:
    async def work() -> None:
        async with database(ITEMS) as base:
            peer, _ = await base.ready("items")
            base.run("INSERT INTO items (id) VALUES (1)")
            with base.server.connect(base.name) as session, session.cursor() as cursor:
                cursor.execute(f"SET SESSION binlog_format = {form}")
                cursor.execute("INSERT INTO items (id) VALUES (2)")
            with pytest.raises(PeerChanged, match="as a statement"):
                await captured(peer)
            assert "statement" in (await peer.connect()).incarnation

    story(work)


@on_each_server
def test_d48_a_session_with_partial_images_is_noticed() -> None:
    async def work() -> None:
        async with database(ITEMS) as base:
            peer, _ = await base.ready("items")
            base.run("INSERT INTO items (id, name) VALUES (1, 'a')")
            with base.server.connect(base.name) as session, session.cursor() as cursor:
                cursor.execute("SET SESSION binlog_row_image = MINIMAL")
                cursor.execute("UPDATE items SET name = 'b'")
            with pytest.raises(PeerChanged, match="binlog_row_image"):
                await captured(peer)

    story(work)


@on_each_server
def test_t9_other_tables_and_databases_are_passed_over() -> None:
    async def work() -> None:
        async with database(ITEMS, "CREATE TABLE noise (n INT, t TEXT)") as base, database(ITEMS) as other:
            peer, _ = await base.ready("items")
            start = await peer.position()
            base.run(f"INSERT INTO noise SELECT seq, REPEAT('x', 500) FROM {numbers(3000)}")
            other.run("INSERT INTO items (id) VALUES (9)")
            other.run("TRUNCATE items")
            base.run("DROP TABLE noise")
            found = await captured(peer, start)
            assert [t.changes for t in found] == [()]
            base.run("INSERT INTO items (id) VALUES (1)")
            assert [change.key for change in await changes(peer, start)] == [(1,)]

    story(work)


@on_each_server
def test_two_streams_of_one_peer_do_not_disturb_each_other() -> None:
    async def work() -> None:
        async with database(ITEMS) as base:
            peer, _ = await base.ready("items")
            base.run("INSERT INTO items (id) VALUES (1)")
            async with aclosing(peer.stream(None)) as first:  # type: ignore[type-var]
                told = [change async for t in _some(first, 2) for change in t.changes]
                assert await changes(peer) == told
                base.run("INSERT INTO items (id) VALUES (2)")
                more = [change async for t in _some(first, 1) for change in t.changes]
                assert [change.key for change in more] == [(2,)]

    story(work)


async def _some(stream: AsyncIterator[Transaction], count: int) -> AsyncIterator[Transaction]:
    while count:
        transaction = await anext(stream)
        count -= bool(transaction.changes) or count > 1
        yield transaction


@on_each_server
def test_d40_names_of_any_characters() -> None:
    made = "CREATE TABLE `a.b ``c`` % ü` (`k.1` INT PRIMARY KEY, `or``der` TEXT, `op %s` TEXT)"

    async def work() -> None:
        async with database(made) as base:
            peer, found = await base.ready("a.b `c` % ü")
            assert found["a.b `c` % ü"].columns == ("k.1", "or`der", "op %s")
            base.run("INSERT INTO `a.b ``c`` % ü` VALUES (1, 'x', '100 %')")
            assert [change.after for change in await changes(peer)] == [(1, "x", "100 %")]
            base.run("TRUNCATE `a.b ``c`` % ü`")
            with pytest.raises(PeerChanged, match="truncated"):
                await captured(peer)

    story(work)
