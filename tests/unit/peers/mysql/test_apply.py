"""Delivering to a real server: in bulk and row by row, past triggers, unique values, counters, columns that set themselves."""

import asyncio
import threading

import pymysql
import pytest
from tests.unit.peers.mysql.database import changes, database, numbers, on_each_server, story, written

from syncline.model.errors import PeerUnsafe
from syncline.model.value import ABSENT, Key, Row, Tagged, Value, real
from syncline.model.write import Batch, Op, Write
from syncline.peers.conformance.reading import captured

FAMILY = (
    "CREATE TABLE parents (id bigint PRIMARY KEY, name varchar(50) UNIQUE)",
    "CREATE TABLE children (id bigint PRIMARY KEY, parent bigint NOT NULL, amount decimal(12,2), "
    "CONSTRAINT mine FOREIGN KEY (parent) REFERENCES parents (id))",
)


def _upsert(name: str, columns: tuple[str, ...], *rows: Row) -> Write:
    return Write(Op.UPSERT, name, tuple((row[0],) for row in rows), columns, (), rows)


@on_each_server
def test_t6_foreign_keys_do_not_stand_in_the_way_and_triggers_that_ask_do_nothing() -> None:
    trigger = (
        "CREATE TRIGGER hear AFTER INSERT ON parents FOR EACH ROW "
        "IF @syncline_applying IS NULL THEN INSERT INTO heard VALUES (NEW.id); END IF"
    )

    async def work() -> None:
        async with database(*FAMILY, "CREATE TABLE heard (id bigint)", trigger) as base:
            peer, found = await base.ready("parents", "children")
            await peer.apply(Batch(1, (_upsert("children", found["children"].columns, (1, 99, 5)),), 1))
            await peer.apply(Batch(2, (_upsert("parents", found["parents"].columns, (99, "a")),), 1))
            base.run("INSERT INTO parents VALUES (100, 'b')")
            assert base.run("SELECT id FROM heard") == [(100,)]
            assert base.run("SELECT id, parent FROM children") == [(1, 99)]

    story(work)


@on_each_server
def test_d41_a_trigger_or_a_cascade_that_nobody_would_capture_is_refused() -> None:
    cascade = "ALTER TABLE children ADD CONSTRAINT gone FOREIGN KEY (parent) REFERENCES parents (id) ON DELETE CASCADE"
    noisy = "CREATE TRIGGER noisy BEFORE UPDATE ON parents FOR EACH ROW SET NEW.name = upper(NEW.name)"

    async def work() -> None:
        async with database(*FAMILY, cascade, noisy) as base:
            with pytest.raises(PeerUnsafe, match="2 problems"):
                await base.ready("parents", "children")
            found = [await base.ready_collection(name) for name in ("parents", "children")]
            trigger, foreign = await base.peers[0].check(found)
            assert "noisy" in trigger.why
            assert "@syncline_applying" in trigger.hint
            assert "ON DELETE CASCADE" in foreign.why
            base.run("DROP TRIGGER noisy", foreign.hint.partition(";")[0])
            assert await base.peers[0].check(found) == []

    story(work)


@on_each_server
def test_d10_values_that_do_not_fit_are_refused_by_row_and_the_others_stand() -> None:
    table = (
        "CREATE TABLE t (id bigint PRIMARY KEY, a varchar(3), b decimal(6,2), c date, d int CHECK (d > 0), e tinyint NOT NULL, "
        "f timestamp NULL)"
    )

    async def work() -> None:
        async with database(table) as base:
            peer, found = await base.ready("t")
            rows: list[Row] = [(n, "x", 1, "2024-01-01", 1, 1, None) for n in range(40)]
            bad: dict[int, tuple[int, Value, str]] = {
                3: (1, "long", "too_large"), 5: (2, real(0.125), "rounded"), 7: (3, "2024-02-30", "value"),
                9: (4, 0, "check"), 11: (5, None, "notnull"), 13: (5, 128, "out_of_range"), 15: (3, "soon", "rewritten"),
                17: (6, "2300-01-01 00:00:00+00", "value"),
            }  # fmt: skip
            for place, (column, value, _) in bad.items():
                rows[place] = (*rows[place][:column], value, *rows[place][column + 1 :])
            done = await peer.apply(Batch(1, (_upsert("t", found["t"].columns, *rows),), 40))
            assert {refusal.key[0]: refusal.code for refusal in done.refused} == {n: code for n, (_, _, code) in bad.items()}
            assert [n for (n,) in base.run("SELECT id FROM t ORDER BY id")] == [n for n in range(40) if n not in bad]
            assert [t.refused for t in await captured(peer) if t.context == 1] == [done.refused]

    story(work)


@on_each_server
@pytest.mark.parametrize("kind", ["bigint", "bigint AUTO_INCREMENT"])
def test_c8_a_row_never_takes_the_place_of_another_by_a_second_unique_value(kind: str) -> None:
    table = f"CREATE TABLE t (id {kind}, no int UNIQUE NOT NULL, email varchar(50) UNIQUE, n int, PRIMARY KEY (id))"

    async def work() -> None:
        async with database(table, "INSERT INTO t VALUES (1, 1, 'a', 0), (2, 2, 'b', 0), (3, 3, 'c', 0)") as base:
            peer, found = await base.ready("t")
            columns = found["t"].columns
            rows = ((4, 4, "b", 9), (1, 1, "a", 9), (5, 3, "e", 9), (6, 6, "f", 9), (2, 2, "c", 9))
            done = await peer.apply(Batch(1, (_upsert("t", columns, *rows),), 5))
            assert {(refusal.key, refusal.code) for refusal in done.refused} == {((n,), "unique") for n in (4, 5, 2)}
            assert base.run("SELECT * FROM t ORDER BY id") == [(1, 1, "a", 9), (2, 2, "b", 0), (3, 3, "c", 0), (6, 6, "f", 9)]

    story(work)


@on_each_server
def test_t7_rows_that_exchange_unique_values_keep_what_was_not_sent() -> None:
    async def work() -> None:
        async with database(
            "CREATE TABLE t (id bigint PRIMARY KEY, email varchar(50) UNIQUE, kept longblob, n int)",
            f"INSERT INTO t SELECT seq, concat('e', seq), repeat(char(seq), 100), seq FROM {numbers(50)}",
        ) as base:
            peer, _ = await base.ready("t")
            keys: tuple[Key, ...] = tuple((n,) for n in range(1, 51))
            rows: tuple[Row, ...] = tuple((f"e{n % 50 + 1}", 1) for n in range(1, 51))
            done = await peer.apply(Batch(1, (Write(Op.UPDATE, "t", keys, ("email",), ("n",), rows),), 50))
            assert done.refused == ()
            found = base.run("SELECT id, email, kept = repeat(char(id), 100), n FROM t ORDER BY id")
            assert found == [(n, f"e{n % 50 + 1}", 1, n + 1) for n in range(1, 51)]

    story(work)


@on_each_server
def test_columns_that_were_not_sent_and_columns_that_set_themselves_stay() -> None:
    table = (
        "CREATE TABLE t (id bigint AUTO_INCREMENT PRIMARY KEY, a int, b int DEFAULT 7, "
        "at timestamp NOT NULL DEFAULT '2020-01-01' ON UPDATE CURRENT_TIMESTAMP)"
    )

    async def work() -> None:
        async with database(table, f"INSERT INTO t (id, a) SELECT seq, seq FROM {numbers(40)}") as base:
            peer, found = await base.ready("t")
            few = Write(Op.UPDATE, "t", ((1,), (2,)), ("a", "b"), (), ((10, ABSENT), (ABSENT, 20)))
            keys: tuple[Key, ...] = tuple((n,) for n in range(3, 41))
            many = Write(Op.UPDATE, "t", keys, ("a",), (), tuple((100 + n,) for n in range(3, 41)))
            zero = _upsert("t", found["t"].columns, (0, 1, 2, "2021-01-01 00:00:00+00"))
            done = await peer.apply(Batch(1, (few, many, zero), 41))
            assert done.refused == ()
            assert base.run("SELECT id, a, b FROM t WHERE id < 4 ORDER BY id") == [
                (0, 1, 2),
                (1, 10, 7),
                (2, 2, 20),
                (3, 103, 7),
            ]
            assert base.run("SELECT count(*) FROM t WHERE at = '2020-01-01'") == [(40,)]

    story(work)


@on_each_server
@pytest.mark.parametrize("rows", [1, 40])
def test_increments_of_every_kind_of_number_are_exact(rows: int) -> None:
    table = "CREATE TABLE t (id bigint PRIMARY KEY, a bigint, u int unsigned, d decimal(30,10), g double)"

    async def work() -> None:
        async with database(table, f"INSERT INTO t SELECT seq, {2**62}, 5, 0.1, NULL FROM {numbers(40)}") as base:
            peer, found = await base.ready("t")
            keys: tuple[Key, ...] = tuple((n,) for n in range(1, rows + 1))
            step = (1, -3, Tagged("real", "0.2"), Tagged("real", "0.5"))
            write = Write(Op.UPDATE, "t", keys, (), ("a", "u", "d", "g"), (step,) * rows)
            assert (await peer.apply(Batch(1, (write,), rows))).refused == ()
            (read,) = (await peer.rows(found["t"], [(1,)])).rows
            assert read[1] == (1, 2**62 + 1, 2, Tagged("real", "0.3"), Tagged("real", "0.5"))
            done = await peer.apply(Batch(2, (write,), rows))
            assert {refusal.code for refusal in done.refused} == {"value"}
            assert len(done.refused) == rows, "an unsigned number does not go below zero"

    story(work)


@on_each_server
def test_d40_names_of_any_kind_and_keys_of_many_kinds() -> None:
    name, odd = "semi;colon.dot `tick` %s ünï", 'a\'b`c%d "e" ??'
    tick = odd.replace("`", "``")
    table = (
        f"CREATE TABLE `{name.replace('`', '``')}` (`{tick}` varchar(20) COLLATE utf8mb4_nopad_bin NOT NULL, "
        "k2 varbinary(20) NOT NULL, k3 date NOT NULL, v int UNIQUE, "
        f"PRIMARY KEY (`{tick}`, k2, k3))"
    )

    async def work() -> None:
        async with database() as base:
            with base.server.connect(base.name) as program:
                program.query(written(table, base.server))
            peer, found = await base.ready(name)
            collection = found[name]
            rows: list[Row] = [(f"k{n} '\\", bytes([n, 0, 39, 92]), "2024-02-29", n) for n in range(60)]
            keys: tuple[Key, ...] = tuple(row[:3] for row in rows)
            await peer.apply(Batch(1, (Write(Op.UPSERT, name, keys, collection.columns, (), tuple(rows)),), 60))
            assert dict((await peer.rows(collection, keys)).rows) == dict(zip(keys, rows, strict=True))
            clash = Write(Op.UPDATE, name, keys[:30], ("v",), (), ((55,),) * 30)
            done = await peer.apply(Batch(2, (clash, Write(Op.DELETE, name, keys[30:50])), 50))
            assert len(done.refused) == 30
            left = await peer.chunk(collection, None, 100)
            assert [row[3] for _, row in left.rows] == [row[3] for row in rows[:30] + rows[50:]] or len(left.rows) == 40
            assert await changes(peer) == []

    story(work)


@on_each_server
def test_t13_a_lock_that_is_held_is_waited_for() -> None:
    async def work() -> None:
        async with database("CREATE TABLE t (id bigint PRIMARY KEY, n int)", "INSERT INTO t VALUES (1, 0), (2, 0)") as base:
            peer, _ = await base.ready("t")
            held = base.server.connect(base.name)
            held.begin()
            held.query("UPDATE t SET n = 5 WHERE id = 1")
            applying = asyncio.ensure_future(
                peer.apply(Batch(1, (Write(Op.UPDATE, "t", ((1,), (2,)), (), ("n",), ((1,), (1,))),), 2))
            )
            await _until(base.server, "UPDATE")
            held.commit()
            held.close()
            assert (await applying).refused == ()
            assert base.run("SELECT n FROM t ORDER BY id") == [(6,), (1,)]

    story(work)


async def _until(server: object, word: str) -> None:
    """Wait until a session of ours is held up in a statement that begins so."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + 10
    sql = "SELECT count(*) FROM information_schema.PROCESSLIST WHERE STATE = 'Updating' AND INFO LIKE %s"
    while not server.run(None, sql, values=(f"{word}%",))[0][0]:  # type: ignore[attr-defined]
        assert loop.time() < deadline, "nobody waits"
        await asyncio.sleep(0.01)


@on_each_server
def test_t13_increments_under_deadlocks_count_once() -> None:
    rows, turns = 10, 30

    async def work() -> None:
        async with database(
            "CREATE TABLE t (id bigint PRIMARY KEY, n int NOT NULL)", f"INSERT INTO t SELECT seq, 0 FROM {numbers(rows)}"
        ) as base:
            peer, _ = await base.ready("t")
            stop, added = threading.Event(), [0]

            def write() -> None:
                with base.server.connect(base.name) as program, program.cursor() as cursor:
                    while not stop.is_set():
                        try:
                            program.begin()
                            for n in range(rows, 0, -1):
                                cursor.execute("UPDATE t SET n = n + 1 WHERE id = %s", (n,))
                            program.commit()
                            added[0] += 1
                        except pymysql.err.OperationalError:
                            program.rollback()

            writing = asyncio.create_task(asyncio.to_thread(write))
            keys: tuple[Key, ...] = tuple((n,) for n in range(1, rows + 1))
            try:
                for turn in range(1, turns + 1):
                    await peer.apply(Batch(turn, (Write(Op.UPDATE, "t", keys, (), ("n",), ((1,),) * rows),), rows))
            finally:
                stop.set()
                await writing
            assert {n for (n,) in base.run("SELECT n FROM t")} == {turns + added[0]}
            assert len({change.after for change in await changes(peer)}) == added[0] * rows

    story(work)


@on_each_server
def test_a_row_that_is_larger_than_a_packet_is_parked_and_says_what_helps() -> None:
    async def work() -> None:
        async with database("CREATE TABLE t (id bigint PRIMARY KEY, b longblob)") as base:
            before = base.server.run(None, "SELECT @@GLOBAL.max_allowed_packet")[0][0]
            base.server.run(None, "SET GLOBAL max_allowed_packet = 1048576")
            try:
                peer, found = await base.ready("t")
            finally:
                base.server.run(None, "SET GLOBAL max_allowed_packet = %s", values=(before,))
            rows: tuple[Row, ...] = ((1, b"small"), (2, bytes(2**20)), (3, b"x" * 900_000), (4, b"y" * 900_000))
            done = await peer.apply(Batch(1, (_upsert("t", found["t"].columns, *rows),), 4))
            assert [(refusal.key, refusal.code) for refusal in done.refused] == [((2,), "too_large")]
            assert "max_allowed_packet" in done.refused[0].reason
            assert [n for (n,) in base.run("SELECT id FROM t ORDER BY id")] == [1, 3, 4]

    story(work)
