"""What is a log and what is not; what is not stays untouched. Connections have the durability that is promised."""

import asyncio
import os
import threading
from pathlib import Path

import apsw
import pytest
from tests.unit.log.samples import execute

from syncline.log import place
from syncline.log.conformance import mixed, plain
from syncline.log.registry import is_served, log_exists, open_desk, open_log, open_reader
from syncline.log.sqlite import SqliteLog
from syncline.model.errors import LogDamaged, LogError


def make(path: Path, upto: int = 5) -> None:
    async def run() -> None:
        log = SqliteLog(str(path))
        await log.open()
        await log.append(mixed(1, upto), 0)
        await log.close()

    asyncio.run(run())


def refused(path: Path) -> list[LogError]:
    """The errors of everything that may open a log; asserts that the folder is as before."""

    def content() -> dict[str, bytes]:
        return {str(file): file.read_bytes() for file in sorted(path.parent.glob("*")) if file.is_file()}

    before = content() if path.parent.is_dir() else {}
    found = []
    for step in (lambda: asyncio.run(open_log(str(path)).open()), lambda: asyncio.run(open_reader(str(path)))):
        with pytest.raises(LogError) as caught:
            step()
        found.append(caught.value)
    with pytest.raises(LogError) as caught:
        open_desk(str(path)).put("k", {})
    found.append(caught.value)
    assert (content() if path.parent.is_dir() else {}) == before
    assert all(error.hint and error.what for error in found)
    return found


def test_a_file_that_is_not_sqlite_is_refused_and_untouched(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    path.write_bytes(b"dear diary, " * 50)
    assert all("not an SQLite file" in error.why for error in refused(path))
    path.write_bytes(b"x")
    assert all("not an SQLite file" in error.why for error in refused(path))


def test_another_applications_file_is_refused_and_untouched(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    execute(path, "CREATE TABLE customers (id)")
    assert all("something else" in error.why for error in refused(path))
    execute(path, "PRAGMA application_id = 1234")
    assert all("something else" in error.why for error in refused(path))
    execute(path, "PRAGMA journal_mode = WAL")
    assert all("something else" in error.why for error in refused(path))


def test_f38_a_log_of_an_unknown_format_is_refused_and_untouched(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    make(path)
    (tmp_path / "log.db.lock").unlink()
    for version in (0, 2, 99):
        execute(path, f"PRAGMA user_version = {version}")
        assert all(f"format {version}" in error.what for error in refused(path))
    execute(path, "PRAGMA user_version = 1")

    async def run() -> None:
        log = open_log(str(path))
        assert await log.open() == 5
        await log.close()

    asyncio.run(run())


def test_f38_a_format_that_only_the_write_ahead_file_tells_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    make(path)
    holder = apsw.Connection(str(path))
    holder.execute("PRAGMA user_version = 7")
    with pytest.raises(LogError, match="format 7"):
        asyncio.run(open_log(str(path)).open())
    holder.close()


def test_f14_paths_that_cannot_hold_a_log_are_named_errors(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    assert all("directory is not there" in error.what for error in refused(tmp_path / "missing" / "log.db"))
    assert all("directory is not there" in error.what for error in refused(tmp_path / "file" / "log.db"))
    assert all("not a file" in error.what for error in refused(tmp_path / "folder"))
    assert all("not a file" in error.what for error in refused(tmp_path / "pipe"))
    assert all(error.code == "SYN-L01" for error in refused(tmp_path / ("n" * 300)))


def test_readers_and_desks_make_no_log(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    assert not log_exists(str(path))
    with pytest.raises(LogError, match="no log here"):
        asyncio.run(open_reader(str(path)))
    with pytest.raises(LogError, match="no log here"):
        open_desk(str(path)).take()
    assert list(tmp_path.iterdir()) == []
    path.touch()
    assert not log_exists(str(path))
    make(path)
    assert log_exists(str(path))


def test_what_an_unfinished_creation_left_is_no_hindrance(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    (tmp_path / "log.db.new").write_bytes(b"half a log")
    make(path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["log.db", "log.db.lock"]


def test_f8_every_writing_connection_syncs_before_it_acknowledges(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    make(path)
    db = place.connect(str(path), write=True)
    assert db.execute("PRAGMA journal_mode").fetchall() == [("wal",)]
    assert db.execute("PRAGMA synchronous").fetchall() == [(2,)]
    db.close()


def test_a_file_system_without_durability_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log.db"
    make(path)
    monkeypatch.setattr(place, "_FULL", 3)
    with pytest.raises(LogError, match="cannot be made durable"):
        asyncio.run(open_log(str(path)).open())


@pytest.mark.skipif(not os.path.exists("/proc/locks"), reason="needs Linux to list locks")
def test_looking_at_a_served_log_does_not_drop_the_servers_locks(tmp_path: Path) -> None:
    path = tmp_path / "log.db"

    def locks() -> list[str]:
        inode = f":{path.stat().st_ino} "
        lines = Path("/proc/locks").read_text().splitlines()
        return sorted(line.split(maxsplit=1)[1] for line in lines if inode in line and f" {os.getpid()} " in line)

    async def run() -> None:
        log = open_log(str(path))
        await log.open()
        await log.append([plain(1)], 0)
        before = locks()
        assert before, "the serving connection holds a lock"
        assert log_exists(str(path))
        reader = await open_reader(str(path))
        await reader.close()
        desk = open_desk(str(path))
        desk.put("k", {})
        desk.close()
        assert locks() == before
        await log.close()

    asyncio.run(run())


def test_whether_a_log_is_served_can_be_asked_without_disturbing_a_hub_that_starts(tmp_path: Path) -> None:
    path = str(tmp_path / "log.db")
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            is_served(path)

    async def run() -> None:
        log = open_log(path)
        assert not is_served(path)
        asking = threading.Thread(target=ask)
        asking.start()
        try:
            for _ in range(20):
                await log.open()
                assert is_served(path)
                await log.close()
        finally:
            stop.set()
            asking.join()
        assert not is_served(path)

    asyncio.run(run())


def test_a_state_row_that_was_changed_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    for statement in (
        "UPDATE state SET floor = 3",
        "UPDATE state SET epoch = 0",
        "UPDATE state SET kept = 1",
        "DELETE FROM state",
    ):
        path.unlink(missing_ok=True)
        make(path)
        execute(path, statement)
        with pytest.raises(LogDamaged, match="restore the log file from a copy"):
            asyncio.run(open_log(str(path)).open())
        with pytest.raises(LogDamaged):
            asyncio.run(open_reader(str(path)))
