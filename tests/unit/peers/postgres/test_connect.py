"""Addresses and errors: no way to another machine goes unproven, and no secret gets into a message."""

import psycopg
import pytest
from tests.servers.postgres import shared
from tests.unit.peers.postgres.database import database, story

from syncline.model.errors import PeerBusy, PeerChanged, PeerDenied, PeerFull, PeerUnreachable, PeerUnsafe
from syncline.peers.postgres import open_peer
from syncline.peers.postgres.connect import parse_url, translate

SECRET = "tr@p door/?&=%"
WRITTEN = "tr%40p%20door%2F%3F%26%3D%25"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://sync@127.0.0.1:5433/crm",
        "postgres://sync@localhost/crm",
        "postgresql:///crm?host=/var/run/postgresql",
        "postgresql://sync@[::1]/crm",
        "PostgreSQL:///crm",
    ],
)
def test_this_machine_needs_no_proof(url: str) -> None:
    assert "sslmode" not in parse_url("hq", url).conninfo


def test_x_another_machine_must_prove_who_it_is() -> None:
    found = parse_url("hq", "postgresql://sync@db.example.org/crm").conninfo
    assert (found["sslmode"], found["sslrootcert"]) == ("verify-full", "system")
    found = parse_url("hq", "postgresql://sync@db.example.org/crm?sslrootcert=/ca.pem").conninfo
    assert (found["sslmode"], found["sslrootcert"]) == ("verify-full", "/ca.pem")
    assert "sslmode" not in parse_url("hq", "postgresql://sync@db.example.org/crm?insecure=true").conninfo
    for url in (
        "postgresql://sync@db.example.org/crm?sslmode=require",
        "postgresql://localhost,db.example.org/crm?sslmode=disable",
    ):
        with pytest.raises(PeerUnsafe, match="does not prove"):
            parse_url("hq", url)


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://sync:{WRITTEN}%zz@h/crm",
        f"postgresql://h/crm?pasword={WRITTEN}",
        "postgresql://h/crm?insecure=maybe",
        *(f"postgresql://h/crm?wal_budget={text}" for text in ("", "4", "4gb", "0MB", "-1GB", "1.5GB", "2000TB", "4GB4GB")),
    ],
)
def test_an_address_that_cannot_be_read_is_refused_without_its_secret(url: str) -> None:
    with pytest.raises(PeerUnsafe) as caught:
        parse_url("hq", url)
    assert caught.value.hint
    for form in (SECRET, WRITTEN):
        assert form not in str(caught.value)


@pytest.mark.parametrize(("text", "count"), [("1MB", 2**20), ("512MB", 2**29), ("4GB", 2**32), ("1024TB", 2**50)])
def test_f13_a_budget_is_written_as_the_server_writes_sizes(text: str, count: int) -> None:
    assert parse_url("hq", f"postgresql://h/crm?wal_budget={text}").budget == count
    assert parse_url("hq", "postgresql://h/crm").budget == 4 * 2**30


@pytest.mark.parametrize("written", ["x@{0}", "x@y@{0}", "x/{0}", "x?{0}", "x?{0}=1", "x#{0}"])
def test_x11_a_password_that_should_have_been_escaped_is_not_told_in_parts(written: str) -> None:
    with pytest.raises(PeerUnsafe, match="escaped") as caught:
        parse_url("hq", f"postgresql://sync:{written.format('canarybird')}@127.0.0.1:5432/crm")
    assert "%40" in caught.value.hint
    assert "canarybird" not in str(caught.value)


def test_a_schema_of_its_own() -> None:
    async def work() -> None:
        async with database("CREATE SCHEMA crm", "CREATE TABLE crm.people (id int8 PRIMARY KEY)") as base:
            peer = base.peer(options="?schema=crm")
            await peer.connect()
            assert set(await peer.inspect()) == {"people"}
            other = base.peer()
            await other.connect()
            assert await other.inspect() == {}

    story(work)


def test_sessions_are_pinned_whatever_the_role_prefers() -> None:
    async def work() -> None:
        async with database() as base:
            base.run(
                f"ALTER DATABASE {base.name} SET datestyle = 'German'",
                f"ALTER DATABASE {base.name} SET timezone = 'Asia/Tokyo'",
            )
            peer = base.peer()
            await peer.connect()
            sql = b"SELECT now()::text LIKE '____-__-__ %+00', current_setting('search_path'), current_setting('TimeZone')"
            assert peer._reader is not None
            row = await (await peer._reader.execute(sql)).fetchone()
            assert row == (True, "", "UTC")

    story(work)


def test_f31_a_server_that_is_not_there_or_lets_nobody_in_is_told_apart() -> None:
    async def work() -> None:
        for url, error in (
            (f"postgresql://sync:{WRITTEN}@127.0.0.1:1/crm", PeerUnreachable),
            (f"postgresql://nobody_{WRITTEN}:{WRITTEN}@127.0.0.1:{shared().port}/postgres", PeerDenied),
            (shared().url("no_such_database"), PeerDenied),
        ):
            with pytest.raises(error) as caught:
                await open_peer("hq", url).connect()
            assert SECRET not in str(caught.value).replace(f"nobody_{SECRET}", "")
            assert ("the database does not exist" in str(caught.value)) is ("no_such_database" in url)

    story(work)


@pytest.mark.parametrize(
    ("error", "kind", "transient"),
    [
        (psycopg.errors.DeadlockDetected("x"), PeerBusy, True),
        (psycopg.errors.SerializationFailure("x"), PeerBusy, True),
        (psycopg.errors.LockNotAvailable("x"), PeerBusy, True),
        (psycopg.errors.DiskFull("x"), PeerFull, True),
        (psycopg.errors.AdminShutdown("x"), PeerUnreachable, True),
        (psycopg.errors.TooManyConnections("x"), PeerUnreachable, True),
        (psycopg.OperationalError("server closed the connection"), PeerUnreachable, True),
        (psycopg.errors.ObjectNotInPrerequisiteState("x"), PeerUnreachable, True),
        (psycopg.errors.UndefinedTable("x"), PeerChanged, False),
        (psycopg.errors.InsufficientPrivilege("x"), PeerUnsafe, False),
        (psycopg.errors.InvalidPassword("x"), PeerDenied, True),
        (psycopg.errors.SyntaxError("x"), PeerUnsafe, False),
    ],
)
def test_t13_errors_that_pass_are_told_from_those_that_stay(error: psycopg.Error, kind: type, transient: bool) -> None:
    place = parse_url("hq", f"postgresql://sync:{WRITTEN}@127.0.0.1/crm")
    told = translate(type(error)(f"it says {SECRET}"), place, "testing")
    assert type(told) is kind
    assert told.what != "the server cannot be reached now" or type(error) is not psycopg.errors.ObjectNotInPrerequisiteState
    assert told.transient is transient
    assert SECRET not in str(told)
    assert told.hint
