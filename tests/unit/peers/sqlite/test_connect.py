"""Addresses, and what SQLite's errors mean: every one is named, with its cause and the way out."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.unit.peers.sqlite.office import office, run

from syncline.model.errors import PeerBusy, PeerError, PeerFull, PeerUnreachable, PeerUnsafe
from syncline.model.schema import Collection
from syncline.peers.sqlite import open_peer
from syncline.peers.sqlite.connect import Place, parse_url, require_version, translate

T = Collection("t", ("id", "v"), ("id",))
SCHEMA = "CREATE TABLE t (id INTEGER PRIMARY KEY, v)"


@pytest.mark.parametrize(
    ("url", "path", "create"),
    [
        ("sqlite:///van.db", "van.db", False),
        ("sqlite:////data/a%20b.db", "/data/a b.db", False),
        ("sqlite:///x/%F0%9F%98%80%23.db?create=1", "x/😀#.db", True),
        ("sqlite:////data/a.db?create=0", "/data/a.db", False),
    ],
)
def test_an_address_is_read(url: str, path: str, create: bool) -> None:
    assert parse_url("p", url) == Place("p", Path(path).absolute(), create)


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://van.db",
        "sqlite:van.db",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///a%00b",
        "sqlite:///a?mode=ro",
        "sqlite:///a?create=yes",
    ],
)
def test_a_bad_address_is_refused(url: str) -> None:
    with pytest.raises(PeerUnsafe, match="Fix"):
        parse_url("p", url)


async def connected(path: Path, options: str = "") -> PeerError | None:
    """What connecting raises."""
    peer = open_peer("p", f"sqlite:///{path}{options}")
    try:
        await peer.connect()
    except PeerError as error:
        return error
    finally:
        await peer.close()
    return None


def test_a_missing_file_is_not_created(tmp_path: Path) -> None:
    error = run(connected(tmp_path / "no.db"))
    assert isinstance(error, PeerUnreachable)
    assert "no.db" in error.what
    assert "create=1" in error.hint
    assert list(tmp_path.iterdir()) == []


def test_a_folder_garbage_and_a_damaged_file_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "garbage.db").write_bytes(b"this is a text, and it is long enough" * 100)
    with sqlite3.connect(tmp_path / "hurt.db") as connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v)")
        connection.executemany("INSERT INTO t(v) VALUES (?)", [("x" * 500,)] * 100)
    connection.close()
    data = bytearray((tmp_path / "hurt.db").read_bytes())
    data[100:4096] = b"\xff" * (4096 - 100)
    (tmp_path / "hurt.db").write_bytes(data)
    folder, garbage, hurt = (run(connected(tmp_path / name)) for name in ("", "garbage.db", "hurt.db"))
    assert isinstance(folder, PeerUnsafe)
    assert "folder" in folder.what
    assert isinstance(garbage, PeerUnsafe)
    assert "not an SQLite database" in garbage.what
    assert isinstance(hurt, PeerUnsafe)
    assert "damaged" in hurt.what
    assert not any(error.transient for error in (folder, garbage, hurt))


def test_an_old_library_is_refused() -> None:
    require_version((3, 37, 0))
    with pytest.raises(PeerUnsafe, match=r"3\.36\.0 is too old"):
        require_version((3, 36, 0))


def test_every_code_has_a_meaning(tmp_path: Path) -> None:
    place = Place("p", tmp_path / "f.db")
    expected: dict[int, type[PeerError]] = {
        sqlite3.SQLITE_BUSY: PeerBusy,
        sqlite3.SQLITE_BUSY_SNAPSHOT: PeerBusy,
        sqlite3.SQLITE_LOCKED: PeerBusy,
        sqlite3.SQLITE_FULL: PeerFull,
        sqlite3.SQLITE_READONLY: PeerUnsafe,
        sqlite3.SQLITE_IOERR_WRITE: PeerUnreachable,
        sqlite3.SQLITE_CANTOPEN: PeerUnreachable,
        sqlite3.SQLITE_MISUSE: PeerUnsafe,
    }
    for code, kind in expected.items():
        error = sqlite3.OperationalError("what SQLite says")
        error.sqlite_errorcode, error.sqlite_errorname = code, "NAME"
        told = translate(error, place, "testing")
        assert type(told) is kind
        assert "what SQLite says" in told.why
        assert told.hint
        assert told.where["peer"] == "p"


def test_f13_no_space_is_transient_and_nothing_is_half_done(tmp_path: Path) -> None:
    async def story() -> None:
        async with office(tmp_path, SCHEMA, T) as here:
            await here.apply(here.upsert((1, "first")))
            here.sql.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            (pages,) = here.sql.execute("PRAGMA page_count").fetchone()
            await here.peer._write(lambda writer: writer.execute(f"PRAGMA max_page_count={pages + 2}").fetchall(), "filling")
            with pytest.raises(PeerFull) as caught:
                await here.apply(here.upsert(*((n, "x" * 1000) for n in range(2, 400))))
            assert caught.value.transient
            identity = await here.peer.connect()
            assert identity.watermark == 1
            assert await here.rows() == {(1,): (1, "first")}
            await here.peer.setup([T])
            await here.apply(here.upsert(*((n, "x" * 1000) for n in range(2, 400))))
            assert len(await here.rows()) == 399

    run(story())


@pytest.mark.parametrize("wal", [True, False])
def test_a_locked_file_is_waited_for_then_told(tmp_path: Path, wal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncline.model.limits.BUSY_SECONDS", 0.3)

    async def story() -> None:
        async with office(tmp_path, SCHEMA, T, wal=wal) as here:
            here.sql.execute("BEGIN EXCLUSIVE")
            here.sql.execute("INSERT INTO t VALUES (1, 'mine')")
            with pytest.raises(PeerBusy) as caught:
                await here.apply(here.upsert((2, "theirs")))
            assert caught.value.transient
            if wal:
                assert await here.rows() == {}  # readers go on
            else:
                with pytest.raises(PeerBusy):
                    await here.rows()
            here.sql.execute("COMMIT")
            await here.apply(here.upsert((2, "theirs")))
            assert await here.rows() == {(1,): (1, "mine"), (2,): (2, "theirs")}
            assert [change.key for change in await here.changes()] == [(1,)]

    run(story())


@pytest.mark.parametrize("freed", [True, False])
def test_opening_waits_for_a_lock_and_lets_other_work_go_on(
    tmp_path: Path, freed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("syncline.model.limits.BUSY_SECONDS", 30.0 if freed else 0.3)

    async def story() -> None:
        async with office(tmp_path, SCHEMA, T, wal=False) as here:
            here.sql.execute("BEGIN EXCLUSIVE")
            opening = asyncio.create_task(connected(here.path))
            done, _ = await asyncio.wait({opening}, timeout=0.2)
            assert not done, "nothing is told yet, and this task could go on"
            if freed:
                here.sql.execute("COMMIT")
                assert await opening is None
            else:
                assert isinstance(await opening, PeerBusy)

    run(story())


def test_what_is_not_connected_says_so(tmp_path: Path) -> None:
    peer = open_peer("p", f"sqlite:///{tmp_path}/f.db")
    with pytest.raises(PeerUnreachable, match="not connected"):
        run(peer.position())


@pytest.mark.parametrize("how", ["moved", "replaced"])
def test_f16_a_file_that_goes_while_it_is_open_cannot_be_reached_now(tmp_path: Path, how: str) -> None:
    """SQLite says that it is read-only; a matter of rights it is not."""
    with closing(sqlite3.connect(tmp_path / "f.db", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE t (id)")
        (tmp_path / "f.db").rename(tmp_path / "away.db")
        if how == "replaced":
            (tmp_path / "f.db").touch()
        with pytest.raises(sqlite3.OperationalError) as caught:
            connection.execute("INSERT INTO t VALUES (1)")
    told = translate(caught.value, Place("van", tmp_path / "f.db"), "applying")
    assert type(told) is PeerUnreachable
    assert told.transient
    assert "moved or replaced" in told.what
    assert "put it back" in told.hint


def test_f16_a_delivery_to_a_file_that_was_moved_is_made_once_it_is_back(tmp_path: Path) -> None:
    async def story() -> None:
        async with office(tmp_path, SCHEMA, T, wal=False) as here:
            here.path.rename(tmp_path / "away.db")
            with pytest.raises(PeerUnreachable, match="moved or replaced"):
                await here.apply(here.upsert((1, "x")))
            with pytest.raises(PeerUnreachable, match="no such file"):
                await here.peer.connect()
            (tmp_path / "away.db").rename(here.path)
            await here.peer.connect()
            await here.peer.setup([T])
            await here.apply(here.upsert((1, "x")))
            assert here.sql.execute("SELECT * FROM t").fetchall() == [(1, "x")]

    run(story())
