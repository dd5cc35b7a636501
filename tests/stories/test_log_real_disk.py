"""A real file system under the log runs full, or is read-only: named errors, nothing lost, and on it goes without edits."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from syncline.log.conformance import entries, mixed, plain, refused
from syncline.log.registry import log_exists, open_reader
from syncline.log.sqlite import SqliteLog
from syncline.model.errors import LogBusy, LogError, LogFull

SIZE = 4 * 1024 * 1024


def mounting(*words: str) -> bool:
    """Whether a mount command succeeded."""
    if os.geteuid() != 0 or shutil.which(words[0]) is None:
        return False
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB of its own."""
    place = tmp_path / "small"
    place.mkdir()
    if not mounting("mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(place)):
        pytest.skip("needs the right to mount a small file system")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def fill(place: Path) -> Path:
    """A file that takes all the space that is left."""
    ballast = place / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                continue
    return ballast


def test_f13_a_full_file_system_acknowledges_nothing_and_recovers_by_itself(small: Path) -> None:
    async def run() -> None:
        log = SqliteLog(str(small / "log.db"))
        await log.open()
        head = await log.append(mixed(1, 100), 0)
        ballast = fill(small)
        error = None
        while error is None:
            try:
                head = await log.append([plain(offset, 20) for offset in range(head + 1, head + 200)], head)
            except LogFull as full:
                error = full
        assert error.transient
        assert log.head == head
        await refused(log.append([plain(offset, 100) for offset in range(head + 1, head + 400)], head), LogFull)
        seen = await entries(log.read(0))
        assert [entry.offset for entry in seen] == list(range(1, head + 1))
        ballast.unlink()
        assert await log.append([plain(offset, 20) for offset in range(head + 1, head + 200)], head) == head + 199
        await log.close()
        assert await log.open() == head + 199
        assert (await entries(log.read(0)))[:head] == seen
        assert await log.verify_all() > 0
        await log.close()

    asyncio.run(run())


def test_f13_a_log_can_be_neither_made_nor_opened_without_space_and_then_it_can(small: Path) -> None:
    async def run() -> None:
        path = small / "log.db"
        ballast = fill(small)
        error = await refused(SqliteLog(str(path)).open(), LogError)
        assert error.transient  # type: ignore[attr-defined]
        assert not log_exists(str(path))
        ballast.unlink()
        log = SqliteLog(str(path))
        await log.open()
        await log.append(mixed(1, 50), 0)
        await log.close()
        ballast = fill(small)
        await refused(SqliteLog(str(path)).open(), LogError)
        ballast.unlink()
        assert await log.open() == 50
        assert await entries(log.read(0)) == mixed(1, 50)
        await log.close()

    asyncio.run(run())


def test_f14_on_a_read_only_file_system_a_log_is_not_served_but_can_be_read(small: Path) -> None:
    async def run() -> None:
        path = small / "log.db"
        log = SqliteLog(str(path))
        await log.open()
        await log.append(mixed(1, 50), 0)
        await log.close()
        assert mounting("mount", "-o", "remount,ro", str(small))
        error = await refused(SqliteLog(str(path)).open(), LogError)
        assert not isinstance(error, LogBusy)
        assert "Read-only" in str(error)
        async with await open_reader(str(path)) as reader:
            assert await entries(reader.read(0)) == mixed(1, 50)
        assert mounting("mount", "-o", "remount,rw", str(small))
        assert await log.open() == 50
        await log.close()

    asyncio.run(run())


def test_f14_a_log_file_that_may_not_be_written_is_a_named_error(tmp_path: Path) -> None:
    async def run() -> None:
        path = tmp_path / "log.db"
        log = SqliteLog(str(path))
        await log.open()
        await log.append(mixed(1, 20), 0)
        await log.close()
        if os.geteuid() == 0 and not mounting("chattr", "+i", str(path)):
            pytest.skip("root may write everything here")
        path.chmod(0o444) if os.geteuid() else None
        try:
            error = await refused(SqliteLog(str(path)).open(), LogError)
            assert "rights of the file" in str(error)
        finally:
            path.chmod(0o644) if os.geteuid() else mounting("chattr", "-i", str(path))
        assert await log.open() == 20
        assert await entries(log.read(0)) == mixed(1, 20)
        await log.close()

    asyncio.run(run())
