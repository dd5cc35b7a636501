"""What only MySQL has: its ways to log in, its settings, its JSON, its columns that are not seen, its compressed log."""

import pymysql._auth
import pytest
from tests.servers import mysql
from tests.unit.peers.mysql.database import Database, changes, collection_of, database, numbers, story

from syncline.model.errors import PeerChanged, PeerDenied, PeerUnsafe, SynclineError
from syncline.model.value import Key, Row
from syncline.model.write import Batch, Op, Write
from syncline.peers.conformance.reading import captured
from syncline.peers.mysql import open_peer

ITEMS = "CREATE TABLE t (id int PRIMARY KEY, a varchar(200), j json, u int UNIQUE)"

pytestmark = pytest.mark.usefixtures("mysql_server")


def _set(base: Database, *statements: str) -> None:
    """What cannot be set inside a transaction."""
    with base.server.connect() as program:
        program.autocommit(True)
        for statement in statements:
            program.query(statement)


def _keys(*numbers: int) -> tuple[Key, ...]:
    return tuple((n,) for n in numbers)


def test_rows_are_delivered_where_every_table_must_have_a_primary_key_and_transactions_have_global_ids() -> None:
    """Many rows go through a table for the time being; rows that exchange unique values through another one."""

    async def work() -> None:
        async with database(ITEMS) as base:
            peer, found = await base.ready("t")
            rows: tuple[Row, ...] = tuple((n, "a", None, n) for n in range(40))
            await peer.apply(Batch(1, (Write(Op.UPSERT, "t", _keys(*range(40)), found["t"].columns, (), rows),), 40))
            counted = Write(Op.UPDATE, "t", _keys(*range(40)), ("a",), (), (("b",),) * 40)
            assert (await peer.apply(Batch(2, (counted,), 40))).refused == ()
            moved = tuple(((n + 1) % 40,) for n in range(40))
            assert (
                await peer.apply(Batch(3, (Write(Op.UPDATE, "t", _keys(*range(40)), ("u",), (), moved),), 40))
            ).refused == ()
            assert base.run("SELECT count(*), sum(u = (id + 1) MOD 40), min(a) FROM t") == [(40, 40, "b")]
            base.run("INSERT INTO t VALUES (100, 'x', '[1]', 100)")
            base.run("CREATE TABLE other (PRIMARY KEY (id)) AS SELECT id FROM t")
            assert [change.after for change in await changes(peer)] == [(100, "x", "[1]", 100)]

    story(work)


def test_a_server_that_ends_long_queries_does_not_end_ours() -> None:
    async def work() -> None:
        async with database(ITEMS) as base:
            base.run(f"INSERT INTO t SELECT seq, REPEAT('x', 200), NULL, NULL FROM {numbers(60_000)}")
            _set(base, "SET GLOBAL max_execution_time = 20")
            try:
                peer, found = await base.ready("t")
                assert len((await peer.chunk(found["t"], None, 60_000)).rows) == 60_000
            finally:
                _set(base, "SET GLOBAL max_execution_time = 0")

    story(work)


def test_a_compressed_binary_log_is_read_like_another_one() -> None:
    async def work() -> None:
        async with database(ITEMS) as base:
            _set(base, "SET GLOBAL binlog_transaction_compression = ON")
            try:
                peer, found = await base.ready("t")
                base.run(f"INSERT INTO t SELECT seq, REPEAT('text ', 30), '[1]', seq FROM {numbers(500)}")
                base.run("UPDATE t SET a = 'y' WHERE id < 100")
                base.run("DELETE FROM t WHERE id > 400")
                packed = base.run(f"SHOW BINLOG EVENTS IN '{base.run('SHOW MASTER STATUS')[0][0]}' LIMIT 1000000")
                assert len([row for row in packed if row[2] == "Transaction_payload"]) >= 3
                rows: tuple[Row, ...] = ((1000, "a", None, 1000),)
                await peer.apply(Batch(1, (Write(Op.UPSERT, "t", _keys(1000), found["t"].columns, (), rows),), 1))
                told = await captured(peer)
                assert [len(one.changes) for one in told if one.changes] == [500, 99, 100]
                assert told[-1].context == 1
                rest = await captured(peer, next(one.position for one in told if one.changes))
                assert sum(len(one.changes) for one in rest) == 199
                chunk = await peer.chunk(found["t"], None, 1000)
                assert len(chunk.rows) == 401
                base.run(f"INSERT INTO t SELECT seq + 2000, REPEAT('text ', 30), '[1]', seq + 2000 FROM {numbers(60_000)}")
                parts = [len(one.changes) for one in await captured(peer, chunk.position)]
                assert sum(parts) == 60_000
                assert max(parts) < 10_000
                base.run("TRUNCATE t")
                with pytest.raises(PeerChanged, match="truncated"):
                    await captured(peer)
            finally:
                _set(base, "SET GLOBAL binlog_transaction_compression = OFF")

    story(work)


def test_parts_of_json_values_are_refused_before_and_while_they_are_logged() -> None:
    async def work() -> None:
        async with database(ITEMS, ITEMS.replace(" t ", " other ")) as base:
            peer, found = await base.ready("t")
            value = '{"a": 1, "b": "' + "x" * 50 + '"}'
            for table in ("t", "other"):
                base.run(f"INSERT INTO {table} VALUES (1, 'x', %s, 1)", values=(value,))
            _set(base, "SET GLOBAL binlog_row_value_options = PARTIAL_JSON")
            try:
                (problem,) = await peer.check(list(found.values()))
                assert problem.what == "binlog_row_value_options is PARTIAL_JSON"
                base.run("UPDATE other SET j = JSON_SET(j, '$.a', 2)")
                assert [change.after for change in await changes(peer)] == [(1, "x", value, 1)]
                base.run("UPDATE t SET j = JSON_SET(j, '$.a', 2)")
            finally:
                _set(base, problem.hint.partition(",")[0])
            assert await peer.check(list(found.values())) == []
            with pytest.raises(PeerChanged, match="PARTIAL_JSON"):
                await captured(peer)

    story(work)


@pytest.mark.parametrize(
    ("option", "password", "tls"),
    [("", "se:cr/et", False), ("?insecure=true", "se:cr/et", True), ("", "wrong", False), ("?insecure=true", "wrong", True)],
)
def test_a_password_is_told_without_tls_and_with_a_certificate_that_proves_nothing(
    mysql_server: mysql.MysqlServer, option: str, password: str, tls: bool
) -> None:
    """The server does not know it by heart yet, so that it has to be told in whole."""

    async def work() -> None:
        async with database(ITEMS) as base:
            user = f"u_{base.name}"
            _set(base, f"CREATE USER {user}@'%' IDENTIFIED WITH caching_sha2_password BY 'se:cr/et'",
                 f"GRANT ALL ON *.* TO {user}@'%'")  # fmt: skip
            secret = password.replace(":", "%3A").replace("/", "%2F")
            peer = open_peer("my", f"mysql://{user}:{secret}@127.0.0.1:{mysql_server.port}/{base.name}{option}")
            base.peers.append(peer)
            if password == "wrong":
                with pytest.raises(PeerDenied, match="Access denied"):
                    await peer.connect()
                return
            await peer.connect()
            assert peer._reader is not None
            assert bool((await peer._reader.fetch("SHOW STATUS LIKE 'Ssl_cipher'"))[0][1]) is tls
            await peer.setup([collection_of((await peer.inspect())["t"])])
            base.run("INSERT INTO t VALUES (1, 'x', NULL, 1)")
            assert [change.key for change in await changes(peer)] == [(1,)]

    story(work)


def test_a_certificate_for_another_name_is_refused_and_a_package_that_is_missing_is_named(
    mysql_server: mysql.MysqlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        async with database(ITEMS) as base:
            user = f"u_{base.name}"
            _set(base, f"CREATE USER {user}@'%' IDENTIFIED WITH caching_sha2_password BY 'secret'")
            place = f"mysql://{user}:secret@127.0.0.1:{mysql_server.port}/{base.name}"
            with pytest.raises(PeerUnsafe, match="does not prove who it is"):
                await open_peer("my", f"{place}?ssl_ca={mysql_server.data / 'ca.pem'}").connect()
            monkeypatch.setattr(pymysql._auth, "_have_cryptography", False)
            with pytest.raises(PeerDenied, match="cryptography"):
                await open_peer("my", place).connect()

    story(work)


def test_rights_that_were_revoked_for_the_database_are_named_and_can_be_granted() -> None:
    async def work() -> None:
        async with database(ITEMS) as base:
            user = f"u_{base.name}@'127.0.0.1'"
            _set(base, "SET GLOBAL partial_revokes = ON", f"CREATE USER {user}", f"GRANT ALL ON *.* TO {user}",
                 f"REVOKE INSERT, DROP ON {base.name}.* FROM {user}")  # fmt: skip
            peer = base.peer(user=f"u_{base.name}")
            try:
                await peer.connect()
                collection = collection_of((await peer.inspect())["t"])
                (problem,) = await peer.check([collection])
                assert problem.hint.startswith("GRANT DROP, INSERT ON")
                _set(base, problem.hint)
                await peer.connect()
                assert await peer.check([collection]) == []
                await peer.setup([collection])
            finally:
                await peer.close()
                _set(base, f"DROP USER {user}", "SET GLOBAL partial_revokes = OFF")

    story(work)


@pytest.mark.parametrize("collation", ["utf8mb4_0900_ai_ci", "utf8mb4_0900_as_cs", "utf8mb4_bin", "utf8mb3_bin", "latin1_bin"])
def test_keys_that_take_two_texts_for_one_are_refused(collation: str) -> None:
    async def work() -> None:
        charset = collation.partition("_")[0]
        async with database(f"CREATE TABLE t (id varchar(20) COLLATE {collation} PRIMARY KEY) CHARACTER SET {charset}") as base:
            collection = await base.ready_collection("t")
            (problem,) = await base.peers[0].check([collection])
            assert problem.what == "the key is not compared exactly"
            base.run(problem.hint)
            assert await base.peers[0].check([collection]) == []

    story(work)


def test_columns_that_are_not_seen_made_or_indexed_by_what_they_mean() -> None:
    """Hidden columns of indexes are in no row of the log; a key that is sorted downwards is read upwards."""
    table = (
        "CREATE TABLE t (id int, a varchar(20) INVISIBLE, v int AS (id + 1), w int AS (id + 2) STORED, x int DEFAULT (1 + 1), "
        "j json, PRIMARY KEY (id DESC), KEY f ((lower(a))), UNIQUE KEY g ((upper(a))), "
        "KEY m ((CAST(j->'$.x' AS UNSIGNED ARRAY))))"
    )

    async def work() -> None:
        async with database(table) as base:
            peer, found = await base.ready("t")
            assert found["t"].columns == ("id", "a", "x", "j")
            base.run("INSERT INTO t (id, a, j) VALUES (1, 'Ab', '{\"x\": [1, 2]}'), (2, NULL, NULL), (3, 'c', NULL)")
            base.run("UPDATE t SET a = 'd' WHERE id = 1")
            base.run("DELETE FROM t WHERE id = 2")
            first: Row = (1, "Ab", 2, '{"x": [1, 2]}')
            told = [(change.before, change.after) for change in await changes(peer)]
            assert (None, first) in told
            assert told[-2:] == [(first, (1, "d", 2, '{"x": [1, 2]}')), ((2, None, 2, None), None)]
            rows: tuple[Row, ...] = tuple((n, f"k{n}", 5, None) for n in range(10, 40))
            clash: Row = (40, "K11", 5, None)
            write = Write(Op.UPSERT, "t", _keys(*range(10, 41)), found["t"].columns, (), (*rows, clash))
            assert [one.code for one in (await peer.apply(Batch(1, (write,), 31))).refused] == ["unique"]
            chunk = await peer.chunk(found["t"], None, 4)
            assert [key for key, _ in chunk.rows] == [(1,), (3,), (10,), (11,)]

    story(work)


JSONS = (
    '{"b": 1, "aa": 2, "a": 3, "a": 4}', '{"x":  1.10}', "1.0", "1e2", "0.1", "123456789012345678901234567890", "-0",
    "18446744073709551615", '"\\u00e9\\n\\u0001\\u001f/\\\\"', "-0.0", "1e-7", "5e-324", "[]", "{}", '"\U0001f600"',
    "1.7976931348623157e308", "12345678901234567000", "1e15", "1e16", "1e17", "123456789.12345678", "null", "true",
)  # fmt: skip


def test_d19_json_is_streamed_as_it_is_read_and_what_the_server_would_rewrite_is_refused() -> None:
    async def work() -> None:
        async with database("CREATE TABLE t (id int PRIMARY KEY, j json)") as base:
            peer, found = await base.ready("t")
            for number, value in enumerate(JSONS):
                base.run("INSERT INTO t VALUES (%s, %s)", values=(number, value))
            base.run(
                "INSERT INTO t VALUES (100, JSON_OBJECT('d', DATE'2024-01-01', 't', CAST('-12:00:00.5' AS TIME(1)), "
                "'dt', TIMESTAMP'2024-01-01 10:00:00.25', 'dec', CAST(1.50 AS DECIMAL(10,3)), 'bin', CAST('abc' AS BINARY), "
                "'bit', b'101'))",
                f"INSERT INTO t SELECT 101, JSON_ARRAYAGG(REPEAT('x', 300)) FROM {numbers(400)}",
            )
            read = dict((await peer.chunk(found["t"], None, 1000)).rows)
            assert {change.key: change.after for change in await changes(peer)} == read
            assert len(read) == len(JSONS) + 2
            given: tuple[Row, ...] = ((201, '{"a":1}'), (202, '{"a": 1}'), (203, "[1.10]"))
            done = await peer.apply(Batch(1, (Write(Op.UPSERT, "t", _keys(201, 202, 203), ("id", "j"), (), given),), 3))
            assert [(one.key, one.code) for one in done.refused] == [((201,), "rewritten"), ((203,), "rewritten")]

    story(work)


def test_zero_dates_are_values_whatever_the_servers_own_mode() -> None:
    async def work() -> None:
        async with database("CREATE TABLE t (id int PRIMARY KEY, d date, w datetime(3), i timestamp NULL)") as base:
            assert "NO_ZERO_DATE" in base.run("SELECT @@GLOBAL.sql_mode")[0][0]
            peer, found = await base.ready("t")
            base.run("SET sql_mode = ''", "INSERT INTO t VALUES (1, 0, 0, 0)")
            zero: Row = (1, "0000-00-00", "0000-00-00 00:00:00", "0000-00-00 00:00:00+00")
            other: Row = (2, "2024-00-00", "0000-00-00 00:00:00", "0000-00-00 00:00:00+00")
            await peer.apply(Batch(1, (Write(Op.UPSERT, "t", _keys(2), found["t"].columns, (), (other,)),), 1))
            assert [change.after for change in await changes(peer)] == [zero]
            assert [row for _, row in (await peer.chunk(found["t"], None, 10)).rows] == [zero, other]

    story(work)


def test_a_server_that_is_read_only_even_for_its_administrator_is_named() -> None:
    async def work() -> None:
        async with database(ITEMS) as base:
            collection = await base.ready_collection("t")
            _set(base, "SET GLOBAL super_read_only = ON")
            try:
                found = await base.peers[0].check([collection])
                with pytest.raises(SynclineError, match="read-only"):
                    await base.peers[0].setup([collection])
            finally:
                _set(base, "SET GLOBAL super_read_only = OFF", "SET GLOBAL read_only = OFF")
            assert [problem.what for problem in found] == ["this server is read-only"]

    story(work)


@pytest.mark.parametrize(
    "columns",
    [
        "p point, a varchar(9) CHARACTER SET latin1, b varchar(9), c text, d text",
        "p point, a varchar(9) CHARACTER SET latin1, b varchar(9) CHARACTER SET ascii, g geometry, c text, d longblob",
        "a varchar(9) CHARACTER SET latin1, b varchar(9), p point, c text CHARACTER SET cp1251, d text CHARACTER SET latin1",
    ],
)
def test_texts_beside_geometries_are_read_in_their_own_character_set(columns: str) -> None:
    async def work() -> None:
        async with database(f"CREATE TABLE t (id int PRIMARY KEY, {columns})", extra="CHARACTER SET utf8mb4") as base:
            peer, found = await base.ready("t")
            base.run("INSERT INTO t (id, p, a, b, c, d) VALUES (1, POINT(1, 2), '\u00e9', 'b', '\u0436', 'd')")
            read = (await peer.chunk(found["t"], None, 10)).rows[0][1]
            assert "\u00e9" in read
            assert [change.after for change in await changes(peer)] == [read]

    story(work)
