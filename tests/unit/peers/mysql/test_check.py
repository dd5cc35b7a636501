"""What stands against a database is said at once, each with the statement that helps; and that statement helps."""

import pytest
from tests.servers.mariadb import Server
from tests.unit.peers.mysql.database import database, on_each_server, only_mariadb, story

from syncline.model.schema import Collection
from syncline.peers.mysql import inspect
from syncline.peers.mysql.connect import parse_url
from syncline.peers.mysql.features import server_of
from syncline.peers.mysql.rights import rights_of, server_problems

SERVER = server_of("10.11.19-MariaDB")
FITTING = {
    "engine": ("CREATE TABLE t (id int PRIMARY KEY) ENGINE = Aria", "not transactional"),
    "ci": ("CREATE TABLE t (id varchar(20) PRIMARY KEY) COLLATE utf8mb4_general_ci", "not compared exactly"),
    "pad": ("CREATE TABLE t (id varchar(20) COLLATE utf8mb4_bin PRIMARY KEY)", "not compared exactly"),
    "null": ("CREATE TABLE t (id int, UNIQUE (id))", "may be NULL"),
    "not unique": ("CREATE TABLE t (id int NOT NULL, KEY (id))", "not unique"),
    "versioned": ("CREATE TABLE t (id int PRIMARY KEY) WITH SYSTEM VERSIONING", "system-versioned"),
    "charset": ("CREATE TABLE t (id int PRIMARY KEY, a varchar(20) CHARACTER SET dec8)", "unknown character set"),
}


@on_each_server
@pytest.mark.parametrize("name", FITTING)
def test_d25_d26_a_table_that_does_not_fit_is_named_with_what_helps(name: str) -> None:
    table, expected = FITTING[name]
    only_mariadb(table)

    async def work() -> None:
        async with database(table) as base:
            peer = base.peer()
            await peer.connect()
            columns = tuple(column.name for column in (await peer.inspect())["t"].columns)
            collection = Collection("t", columns, ("id",))
            (problem,) = await peer.check([collection])
            assert expected in problem.what
            assert problem.why
            base.run(problem.hint)
            assert await peer.check([collection]) == []

    story(work)


NEVER = {
    "float": ("CREATE TABLE t (id double PRIMARY KEY)", "floating number"),
    "prefix": ("CREATE TABLE t (id text COLLATE utf8mb4_nopad_bin NOT NULL, UNIQUE (id(10)))", "not unique"),
    "generated": ("CREATE TABLE t (id int PRIMARY KEY, v int AS (id + 1))", "generated"),
    "missing": ("CREATE TABLE t (id int PRIMARY KEY)", "column is missing"),
    "no table": ("CREATE TABLE T2 (id int PRIMARY KEY)", "no table"),
}


@on_each_server
@pytest.mark.parametrize("name", NEVER)
def test_what_cannot_be_helped_by_a_statement_is_said_too(name: str) -> None:
    table, expected = NEVER[name]

    async def work() -> None:
        async with database(table) as base:
            peer = base.peer()
            await peer.connect()
            columns = ("id", "v") if name in ("generated", "missing") else ("id",)
            found = await peer.check([Collection("t", columns, ("id",))])
            assert any(expected in problem.what for problem in found), found
            assert all(problem.hint for problem in found)

    story(work)


@on_each_server
def test_d48_settings_of_the_binary_log_are_looked_at() -> None:
    async def work() -> None:
        async with database("CREATE TABLE t (id int PRIMARY KEY)") as base:
            bad = {"binlog_format": "MIXED", "binlog_row_image": "MINIMAL", "binlog_row_metadata": "MINIMAL", "read_only": "ON"}
            peer = base.peer()
            await peer.connect()
            before = {name: base.run(f"SELECT @@GLOBAL.{name}")[0][0] for name in bad}
            program = base.server.connect()
            try:
                for name, value in bad.items():
                    program.query(f"SET GLOBAL {name} = '{value}'")
                found = await peer.check([Collection("t", ("id",), ("id",))])
            finally:
                for name, value in before.items():
                    program.query(f"SET GLOBAL {name} = '{'OFF' if name == 'read_only' else value}'")
                program.close()
            assert [problem.what for problem in found] == [
                "binlog_format is MIXED", "binlog_row_image is MINIMAL", "binlog_row_metadata is MINIMAL",
                "this server is read-only",
            ]  # fmt: skip
            assert all("SET GLOBAL" in problem.hint for problem in found)
            assert await peer.check([Collection("t", ("id",), ("id",))]) == []

    story(work)


@on_each_server
def test_rights_that_are_missing_are_named_and_the_statements_grant_them() -> None:
    async def work() -> None:
        async with database("CREATE TABLE t (id int PRIMARY KEY)") as base:
            user = f"sync_{base.name}"
            base.run(f"CREATE USER {user}@'127.0.0.1'", f"GRANT SELECT ON {base.name}.* TO {user}@'127.0.0.1'")
            peer = base.peer(user=user)
            try:
                await peer.connect()
                collection = Collection("t", ("id",), ("id",))
                found = await peer.check([collection])
                assert [problem.what for problem in found] == [
                    "the user may not read the binary log", "the user lacks rights on the database",
                ]  # fmt: skip
                for problem in found:
                    base.run(problem.hint)
                await peer.connect()
                assert await peer.check([collection]) == []
                await peer.setup([collection])
                await peer.position()
                await peer.teardown()
            finally:
                await peer.close()
                base.run(f"DROP USER {user}@'127.0.0.1'")

    story(work)


@pytest.mark.parametrize(
    ("line", "here"),
    [
        ("GRANT SELECT ON `crm`.* TO `u`@`%`", {"SELECT"}),
        ("GRANT SELECT, INSERT ON `c%`.* TO `u`@`%` WITH GRANT OPTION", {"SELECT", "INSERT"}),
        (r"GRANT SELECT ON `cr\_`.* TO `u`@`%`", set()),
        ("GRANT SELECT ON `cr_`.* TO `u`@`%`", {"SELECT"}),
        ("GRANT SELECT ON `other`.* TO `u`@`%`", set()),
        ("GRANT SELECT ON `crm`.`t` TO `u`@`%`", set()),
        ("GRANT USAGE ON *.* TO `u`@`%` IDENTIFIED BY PASSWORD '*ABC'", set()),
        ("GRANT `role` TO `u`@`%`", set()),
    ],
)
def test_grants_are_read_as_the_server_means_them(line: str, here: set[str]) -> None:
    assert rights_of([line], SERVER, "crm")[1] == here


def test_what_would_be_better_is_advised() -> None:
    async def work() -> None:
        async with database(
            "CREATE TABLE t (id varchar(20) CHARACTER SET latin1 COLLATE latin1_nopad_bin PRIMARY KEY)",
            "CREATE TABLE side (id int PRIMARY KEY, t varchar(20) CHARACTER SET latin1 COLLATE latin1_nopad_bin, "
            "FOREIGN KEY (t) REFERENCES t (id) ON DELETE CASCADE)",
        ) as base:
            peer = base.peer()
            await peer.connect()
            base.run("SET GLOBAL binlog_expire_logs_seconds = 3600")
            try:
                found = "\n".join(await peer.advice([Collection("t", ("id",), ("id",))]))
            finally:
                base.run("SET GLOBAL binlog_expire_logs_seconds = 0")
            for word in ("binlog_expire_logs_seconds", "order of its key's bytes", "leave rows of side behind"):
                assert word in found
            assert "max_allowed_packet" not in found

    story(work)


def test_a_server_without_a_binary_log_cannot_be_a_peer() -> None:
    server = Server({"skip-log-bin": "ON"})
    try:
        with server.connect() as connection:
            found = list(server_problems(connection, SERVER, parse_url("hq", server.url("mysql"))))
        assert [problem.why for problem in found] == ["the server keeps no binary log"]
    finally:
        server.remove()


def test_all_privileges_are_all_that_is_needed() -> None:
    anywhere, here = rights_of(["GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost`"], SERVER, "crm")
    assert {"REPLICATION SLAVE", "BINLOG MONITOR", "SELECT", "TRIGGER"} <= anywhere
    assert here == set()
    old = server_of("8.0.43")
    assert "REPLICATION CLIENT" in rights_of(["GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO `u`@`%`"], old, "crm")[0]


@on_each_server
def test_a_trigger_whose_text_is_hidden_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where two accounts have the user's name, a right on the database may hold for the other one."""

    async def work() -> None:
        trigger = "CREATE TRIGGER noisy BEFORE UPDATE ON t FOR EACH ROW SET NEW.n = 1"
        async with database("CREATE TABLE t (id int PRIMARY KEY, n int)", trigger) as base:
            peer = base.peer()
            await peer.connect()
            monkeypatch.setattr(inspect.Trigger, "body", None)
            (problem,) = await peer.check([Collection("t", ("id", "n"), ("id",))])
            assert "cannot be read" in problem.what
            assert "noisy" in problem.why

    story(work)
