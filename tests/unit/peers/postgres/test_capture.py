"""What the stream of a real server tells: whole transactions in commit order, both images, whatever the writer did."""

import asyncio
from contextlib import aclosing

import pytest
from tests.unit.peers.postgres.database import changes, database, story

from syncline.model import limits
from syncline.model.errors import PeerChanged
from syncline.model.stamp import Position
from syncline.model.value import Row
from syncline.model.write import Batch, Op, Write
from syncline.peers.conformance.reading import captured
from syncline.peers.postgres import PostgresPeer, assemble

ITEMS = "CREATE TABLE items (id int8 PRIMARY KEY, name text, body text, n int4 GENERATED ALWAYS AS (id * 2) STORED)"


def test_d32_d35_a_value_that_is_stored_elsewhere_and_did_not_change_is_there() -> None:
    async def work() -> None:
        async with database(ITEMS) as base:
            peer, _ = await base.ready("items")
            base.run("INSERT INTO items SELECT 1, 'a', string_agg(md5(g::text), '') FROM generate_series(1, 2000) AS g")
            base.run("UPDATE items SET name = 'b'")
            base.run("UPDATE items SET id = 2")
            made, renamed, gone, come = await changes(peer)
            assert made.after is not None
            assert len(str(made.after[2])) == 64_000
            assert renamed.after == (1, "b", made.after[2])
            assert (gone.key, come.key, come.after) == ((1,), (2,), (2, "b", made.after[2]))

    story(work)


def test_d23_generated_and_identity_columns_are_left_to_the_server() -> None:
    table = "CREATE TABLE items (id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text, up text GENERATED ALWAYS AS (upper(name)) STORED)"  # noqa: E501

    async def work() -> None:
        async with database(table, table.replace("items", "copies")) as base:
            peer, found = await base.ready("items", "copies")
            assert found["items"].columns == ("id", "name")
            base.run("INSERT INTO items (name) VALUES ('a'), ('b')")
            rows = tuple(change.after for change in await changes(peer) if change.after)
            await peer.apply(_upsert(1, "copies", found["copies"].columns, rows))
            await peer.apply(_upsert(2, "copies", found["copies"].columns, tuple((row[0], "new") for row in rows)))
            assert base.run("SELECT * FROM copies ORDER BY 1") == [(1, "new", "NEW"), (2, "new", "NEW")]

    story(work)


def test_t2_t3_t5_only_what_was_committed_is_told_and_in_commit_order() -> None:
    async def work() -> None:
        async with database(ITEMS) as base:
            peer, _ = await base.ready("items")
            with base.server.connect(base.name) as one, base.server.connect(base.name) as two:
                one.execute("BEGIN")
                one.execute("INSERT INTO items (id, name) VALUES (1, 'begun first')")
                two.execute("INSERT INTO items (id, name) VALUES (2, 'committed first')")
                one.execute("SAVEPOINT s")
                one.execute("INSERT INTO items (id, name) VALUES (3, 'taken back')")
                one.execute("ROLLBACK TO s")
                one.execute("COMMIT")
                two.execute("BEGIN")
                two.execute("INSERT INTO items (id, name) VALUES (4, 'never')")
                two.execute("ROLLBACK")
                two.execute("BEGIN")
                two.execute("INSERT INTO items (id, name) VALUES (5, 'prepared')")
                two.execute("PREPARE TRANSACTION 'later'")
                two.execute("BEGIN")
                two.execute("INSERT INTO items (id, name) VALUES (6, 'prepared for nothing')")
                two.execute("PREPARE TRANSACTION 'never'")
                assert [change.key for change in await changes(peer)] == [(2,), (1,)]
                two.execute("COMMIT PREPARED 'later'")
                two.execute("ROLLBACK PREPARED 'never'")
            found = await captured(peer)
            assert [change.key for transaction in found for change in transaction.changes] == [(2,), (1,), (5,)]
            assert [t.position for t in found] == sorted({t.position for t in found})

    story(work)


def test_t1_t4_a_large_transaction_comes_in_parts_and_goes_on_in_the_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assemble, "TRANSACTION_ROWS_MAX", 500)
    monkeypatch.setattr(assemble, "PART_ROWS", 100)

    async def work() -> None:
        async with database(ITEMS) as base:
            peer, _ = await base.ready("items")
            base.run("INSERT INTO items (id) SELECT g FROM generate_series(1, 1050) AS g")
            found = [transaction for transaction in await captured(peer) if transaction.changes]
            assert [len(transaction.changes) for transaction in found] == [100] * 10 + [50]
            assert [t.position for t in found] == sorted({t.position for t in found})
            rest = [change.key for change in await changes(peer, found[3].position)]
            assert rest == [(n,) for n in range(401, 1051)]

    story(work)


def test_t9_writes_to_other_tables_let_the_server_forget() -> None:
    async def work() -> None:
        async with database(ITEMS, "CREATE TABLE noise (n int, t text)") as base:
            peer, _ = await base.ready("items")
            start = await peer.position()
            slot = (
                "SELECT pg_wal_lsn_diff(confirmed_flush_lsn, '0/0')::int8 FROM pg_replication_slots "
                "WHERE database = current_database()"
            )
            ((before,),) = base.run(slot)
            reading = asyncio.ensure_future(_read_on(peer, start))
            base.run("INSERT INTO noise SELECT g, repeat('x', 500) FROM generate_series(1, 10000) AS g")
            while base.run(slot)[0][0] <= before + 1024 * 1024:
                await asyncio.sleep(0.05)
            reading.cancel()
            await asyncio.wait([reading])
            base.run("INSERT INTO items (id) VALUES (1)")
            assert [change.key for change in await changes(peer, start)] == [(1,)], "what was passed over was not ours"

    story(work)


async def _read_on(peer: PostgresPeer, start: Position) -> None:
    async with aclosing(peer.stream(start)) as stream:  # type: ignore[type-var]
        async for _ in stream:
            pass


def test_d39_rows_that_move_between_partitions_are_moves_of_the_whole_table() -> None:
    made = (
        "CREATE TABLE parts (id int8, region text, n int4, PRIMARY KEY (id, region)) PARTITION BY LIST (region)",
        "CREATE TABLE parts_eu PARTITION OF parts FOR VALUES IN ('eu')",
        "CREATE TABLE parts_us PARTITION OF parts FOR VALUES IN ('us')",
    )

    async def work() -> None:
        async with database(*made) as base:
            peer, found = await base.ready("parts")
            assert await peer.inspect() == {"parts": (await peer.inspect())["parts"]}, "partitions are not tables of their own"
            base.run("INSERT INTO parts VALUES (1, 'eu', 5)")
            base.run("UPDATE parts SET region = 'us'")
            told = [(change.key, change.before, change.after) for change in await changes(peer)]
            assert told == [
                ((1, "eu"), None, (1, "eu", 5)), ((1, "eu"), (1, "eu", 5), None), ((1, "us"), None, (1, "us", 5)),
            ]  # fmt: skip
            await peer.apply(_upsert(1, "parts", found["parts"].columns, ((2, "eu", 1), (1, "us", 6))))
            assert base.run("SELECT * FROM parts ORDER BY 1") == [(1, "us", 6), (2, "eu", 1)]
            await peer.teardown()
            assert base.run("SELECT DISTINCT relreplident FROM pg_class WHERE relname LIKE 'parts___'") == [("d",)]

    story(work)


def test_t10_f30_columns_may_come_in_the_middle_of_a_transaction_and_a_lost_one_is_told() -> None:
    async def work() -> None:
        async with database(ITEMS) as base:
            peer, _ = await base.ready("items")
            base.run(
                "INSERT INTO items (id, name) VALUES (1, 'a')",
                "ALTER TABLE items ADD COLUMN extra int DEFAULT 7",
                "UPDATE items SET name = 'b'",
            )
            told = [(change.before, change.after) for change in await changes(peer)]
            assert told == [(None, (1, "a", None)), ((1, "a", None), (1, "b", None))]
            base.run("ALTER TABLE items DROP COLUMN body", "UPDATE items SET name = 'c'")
            with pytest.raises(PeerChanged, match="body"):
                await captured(peer)

    story(work)


def test_d33_f25_a_table_without_before_images_is_told() -> None:
    async def work() -> None:
        async with database(ITEMS) as base:
            peer, _ = await base.ready("items")
            base.run("INSERT INTO items (id, name) VALUES (1, 'a')", "ALTER TABLE items REPLICA IDENTITY DEFAULT")
            base.run("UPDATE items SET name = 'b'")
            with pytest.raises(PeerChanged, match="before-images"):
                await captured(peer)

    story(work)


def test_two_streams_of_one_peer_do_not_disturb_each_other() -> None:
    async def work() -> None:
        async with database(ITEMS) as base:
            peer, _ = await base.ready("items")
            base.run("INSERT INTO items (id) VALUES (1)")
            async with aclosing(peer.stream(None)) as first:  # type: ignore[type-var]
                one = await anext(first)
                assert await changes(peer) == list(one.changes)
            sql = "SELECT count(*) FROM pg_replication_slots WHERE database = current_database() AND NOT temporary"
            assert base.run(sql) == [(1,)]

    story(work)


def test_parts_are_as_large_as_limits_say() -> None:
    assert vars(assemble)["TRANSACTION_ROWS_MAX"] == limits.TRANSACTION_ROWS_MAX


def _upsert(upto: int, name: str, columns: tuple[str, ...], rows: tuple[Row, ...]) -> Batch:
    keys = 2 if name == "parts" else 1
    return Batch(upto, (Write(Op.UPSERT, name, tuple(row[:keys] for row in rows), columns, (), rows),), len(rows))
