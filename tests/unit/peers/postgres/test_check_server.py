"""What `check` says of a real server: row security, what a role was given, slots that are all in use, a pooler."""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from tests.servers.postgres import Server, shared
from tests.unit.peers.postgres.database import Database, collection_of, database, story

from syncline.demo.servers.postgres_programs import as_other
from syncline.model.errors import PeerError, PeerUnsafe
from syncline.model.schema import Collection
from syncline.peers.postgres import PostgresPeer, open_peer

T = "CREATE TABLE t (id int8 PRIMARY KEY, n int8)"
COLLECTION = Collection("t", ("id", "n"), ("id",))
POOLER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")


@contextmanager
def role(base: Database, name: str) -> Iterator[str]:
    """A role that may be a peer's, gone at the end."""
    base.run(f"CREATE ROLE {name} LOGIN REPLICATION", f"GRANT CREATE ON DATABASE {base.name} TO {name}")
    base.run(f"GRANT CREATE ON SCHEMA public TO {name}")
    try:
        yield name
    finally:
        base.run(f"REASSIGN OWNED BY {name} TO postgres", f"DROP OWNED BY {name}", f"DROP ROLE {name}")


async def said(peer: PostgresPeer) -> list[tuple[str, str]]:
    """What `check` says, and what helps."""
    await peer.connect()
    return [(problem.what, problem.hint) for problem in await peer.check([COLLECTION])]


def test_row_security_that_would_hide_rows_is_refused_until_what_is_printed_was_done() -> None:
    async def work() -> None:
        async with database(T) as base:
            with role(base, "secured") as name:
                base.run(
                    f"ALTER TABLE t OWNER TO {name}", "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
                    "CREATE POLICY mine ON t USING (n = 1)", "INSERT INTO t VALUES (1, 1), (2, 2)",
                )  # fmt: skip
                assert await said(base.peer(user=name)) == [], "an owner sees all rows"
                base.run("ALTER TABLE t FORCE ROW LEVEL SECURITY")
                ((what, hint),) = await said(base.peer(user=name))
                assert what == "row security holds for the role"
                for statement in hint.split("; or: "):
                    base.run("ALTER TABLE t FORCE ROW LEVEL SECURITY", f"ALTER ROLE {name} NOBYPASSRLS")
                    base.run(statement)
                    peer = base.peer(user=name)
                    assert await said(peer) == []
                    assert len((await peer.chunk(COLLECTION, None, 10)).rows) == 2
                    await peer.close()

    story(work)


def test_a_role_with_timeouts_and_read_only_transactions_works_all_the_same() -> None:
    async def work() -> None:
        async with database(T) as base:
            with role(base, "hasty") as name:
                base.run(f"ALTER TABLE t OWNER TO {name}")
                for setting in (
                    "statement_timeout = '1ms'", "idle_in_transaction_session_timeout = '1ms'", "idle_session_timeout = '50ms'",
                    "lock_timeout = '1ms'", "default_transaction_read_only = on",
                ):  # fmt: skip
                    base.run(f"ALTER ROLE {name} SET {setting}")
                peer = base.peer(user=name)
                assert await said(peer) == []
                await peer.setup([COLLECTION])
                assert peer._reader is not None
                asked = b"SELECT pg_sleep(0.1), current_setting('lock_timeout'), current_setting('idle_session_timeout')"
                row = await (await peer._reader.execute(asked)).fetchone()
                assert row is not None
                assert row[1:] == ("0", "0")
                await peer.teardown()
                await peer.close()

    story(work)


def test_f20_slots_that_are_all_in_use_are_told_and_a_member_of_rds_replication_may_replicate() -> None:
    server = Server({"max_replication_slots": "1", "wal_sender_timeout": "0"})

    async def work() -> None:
        base = Database(server, server.database())
        base.run(T, "SELECT pg_create_physical_replication_slot('of_others')")
        base.run("CREATE ROLE rds_replication", "CREATE ROLE sync LOGIN", f"GRANT CREATE ON DATABASE {base.name} TO sync")
        base.run("ALTER TABLE t OWNER TO sync")
        peer = base.peer(user="sync")
        assert [what for what, _ in await said(peer)] == ["the role may not replicate", "no replication slot is free"]
        advised = "\n".join(await peer.advice([COLLECTION]))
        assert "wal_sender_timeout is 0" in advised
        assert "after a failover" in advised
        await peer.close()
        base.run("SELECT pg_drop_replication_slot('of_others')", "GRANT rds_replication TO sync")
        peer = base.peer(user="sync")
        assert await said(peer) == []
        await peer.close()

    try:
        story(work)
    finally:
        server.remove()


@contextmanager
def pooler(*lines: str) -> Iterator[int]:
    """A PgBouncer before the shared server, run by a user that may read its files; its port."""
    assert POOLER is not None
    folder = Path(tempfile.mkdtemp(prefix="syncline-pooler-"))
    folder.chmod(0o755)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    users, config = folder / "users.txt", folder / "pgbouncer.ini"
    users.write_text('"postgres" ""\n', encoding="utf-8")
    head = ["[databases]", f"* = host=127.0.0.1 port={shared().port}", "[pgbouncer]", "listen_addr = 127.0.0.1"]
    rest = [f"listen_port = {port}", "auth_type = trust", f"auth_file = {users}", "unix_socket_dir ="]
    config.write_text("\n".join([*head, *rest, "pool_mode = transaction", *lines]) + "\n", encoding="utf-8")
    process = subprocess.Popen([POOLER, "-q", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **as_other())
    try:
        deadline = time.monotonic() + 20
        while not _listens(port):
            assert process.poll() is None, "the pooler does not start"
            assert time.monotonic() < deadline, "the pooler does not answer"
            time.sleep(0.02)
        yield port
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.skipif(POOLER is None, reason="PgBouncer is not installed")
@pytest.mark.parametrize(
    ("lines", "evidence"),
    [((), "unsupported startup parameter"), (("ignore_startup_parameters = options",), "does not hold for its statements")],
    ids=["refuses", "ignores"],
)
def test_a_pooler_is_refused_whether_it_says_so_or_not(lines: tuple[str, ...], evidence: str) -> None:
    async def work() -> None:
        async with database(T) as base:
            with pooler(*lines) as port:
                peer = open_peer("pg", f"postgresql://postgres@127.0.0.1:{port}/{base.name}")
                with pytest.raises(PeerUnsafe) as caught:
                    await peer.connect()
                assert "a connection pooler stands before the server" in caught.value.what
                assert evidence in caught.value.why
                assert "5432" in caught.value.hint
                await peer.close()

    story(work)


@pytest.mark.skipif(POOLER is None, reason="PgBouncer is not installed")
def test_a_pooler_that_keeps_what_a_session_sets_is_told_by_the_process_that_answers() -> None:
    """Where the server itself is set as our sessions are, nothing but the process differs."""

    async def work() -> None:
        async with database(T) as base:
            pinned = (
                "search_path = ''", "row_security = off", "timezone = 'UTC'", "extra_float_digits = 3", "statement_timeout = 0"
            )  # fmt: skip
            for setting in pinned:
                base.run(f"ALTER DATABASE {base.name} SET {setting}")
            with pooler("ignore_startup_parameters = options") as port:
                peer = open_peer("pg", f"postgresql://postgres@127.0.0.1:{port}/{base.name}")
                await peer.connect()
                found = await peer.check([collection_of((await peer.inspect())["t"])])
                assert [one.what for one in found] == ["a connection pooler stands before the server"]
                await peer.close()

    story(work)


def test_the_address_of_a_known_pooler_is_refused_before_anything_is_dialled() -> None:
    async def work() -> None:
        peer = open_peer("pg", "postgresql://u@ep-a-1-pooler.eu-central-1.aws.neon.tech/crm")
        with pytest.raises(PeerError, match="leave out '-pooler': ep-a-1"):
            await peer.connect()

    story(work)


def test_a_session_that_failed_leaves_no_connection_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        async with database(T) as base:
            monkeypatch.setattr("syncline.peers.postgres.connect._HELD_SQL", b"SELECT false")
            with pytest.raises(PeerUnsafe, match="pooler"):
                await base.peer().connect()
            with psycopg.connect(base.server.url("postgres")) as watching:
                sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
                deadline = time.monotonic() + 20
                while watching.execute(sql, (base.name,)).fetchone() != (0,):
                    assert time.monotonic() < deadline
                    watching.rollback()

    story(work)
