"""The process that serves a log is killed, put to sleep, or started twice."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from syncline.log.conformance import entries, mixed, plain, refused
from syncline.log.registry import open_reader
from syncline.log.sqlite import SqliteLog
from syncline.model.entry import Kind
from syncline.model.errors import LogBusy

ROOT = Path(__file__).resolve().parents[2]


class Server:
    """A running tests.stories.log_server."""

    def __init__(self, path: Path, *options: str) -> None:
        env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
        command = [sys.executable, "-m", "tests.stories.log_server", str(path), *options]
        self.process = subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def line(self) -> tuple[str, str]:
        """The next thing it says; ('', '') at its end."""
        assert self.process.stdout is not None
        word, _, rest = self.process.stdout.readline().strip().partition(" ")
        return word, rest

    def begin(self) -> None:
        """Let it append."""
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def drain(self) -> list[tuple[str, str]]:
        """Everything it still says until its end."""
        return list(iter(self.line, ("", "")))


@contextmanager
def server(path: Path, *options: str) -> Iterator[Server]:
    """A server, killed at the end if it still lives."""
    one = Server(path, *options)
    try:
        yield one
    finally:
        one.process.kill()
        one.process.communicate()


def largest(said: list[tuple[str, str]], word: str) -> int:
    return max([int(rest) for one, rest in said if one == word], default=0)


@pytest.mark.parametrize("after", [1, 17, 150])
def test_f7_f8_kill_9_while_appending_loses_nothing_that_was_acknowledged(tmp_path: Path, after: int) -> None:
    path = tmp_path / "log.db"
    with server(path) as one:
        assert one.line() == ("open", "0")
        one.begin()
        said = [one.line() for _ in range(after)]
        one.process.kill()
        said += one.drain()

    async def run() -> None:
        log = SqliteLog(str(path))
        head = await log.open()
        acked = largest(said, "acked")
        assert acked > 0
        assert acked <= head <= acked + 7, "at most the append under way is there unacknowledged"
        assert await entries(log.read(0)) == mixed(1, head)
        assert await log.append([plain(head + 1)], head) == head + 1
        assert await log.verify_all() > 0
        await log.close()

    asyncio.run(run())


@pytest.mark.parametrize("after", [90, 137, 260])
def test_f7_kill_9_while_compacting_and_trimming_leaves_the_old_or_the_new(tmp_path: Path, after: int) -> None:
    path = tmp_path / "log.db"
    with server(path, "--busy") as one:
        assert one.line() == ("open", "0")
        one.begin()
        said = [one.line() for _ in range(after)]
        one.process.kill()
        said += one.drain()

    async def run() -> None:
        log = SqliteLog(str(path))
        head = await log.open()
        assert largest(said, "acked") <= head
        assert log.floor <= largest(said, "trimming") < head
        assert await entries(log.read(log.floor)) == mixed(log.floor + 1, head)
        kept = [
            entry for entry in mixed(1, head) if entry.kind is Kind.CONFIRM or (entry.has_notes and entry.offset > log.floor)
        ]
        assert await entries(log.read_notes(0)) == kept
        await log.close()

    asyncio.run(run())


def test_f29_a_second_hub_is_refused_by_name_until_the_first_is_dead(tmp_path: Path) -> None:
    path = tmp_path / "log.db"

    async def run() -> None:
        with server(path) as one:
            assert one.line()[0] == "open"
            error = await refused(SqliteLog(str(path)).open(), LogBusy)
            assert f"pid {one.process.pid} on " in str(error)
            one.begin()
            assert one.line()[0] == "acked", "the first one is not disturbed"
            one.process.kill()
            one.process.wait()
            log = SqliteLog(str(path))
            assert await log.open() > 0
            await log.close()

    asyncio.run(run())


def test_f17_f29_a_hub_that_slept_and_lost_its_lock_is_fenced_when_it_wakes(tmp_path: Path) -> None:
    path = tmp_path / "log.db"

    async def run() -> None:
        with server(path) as one:
            assert one.line()[0] == "open"
            os.kill(one.process.pid, signal.SIGSTOP)
            (tmp_path / "log.db.lock").unlink()
            log = SqliteLog(str(path))
            assert await log.open() == 0
            assert await log.append([plain(1)], 0) == 1
            one.begin()
            os.kill(one.process.pid, signal.SIGCONT)
            word, rest = one.line()
            assert (word, rest[:7]) == ("ended", "SYN-L02"), rest
            assert f"taken over by pid {os.getpid()}" in rest
            assert await entries(log.read(0)) == [plain(1)]
            assert await log.append([plain(2)], 1) == 2
            await log.close()

    asyncio.run(run())


def test_a_reader_follows_a_hub_of_another_process_and_survives_its_death(tmp_path: Path) -> None:
    path = tmp_path / "log.db"

    async def run() -> None:
        with server(path) as one:
            assert one.line()[0] == "open"
            one.begin()
            async with await open_reader(str(path)) as reader:
                for _ in range(30):
                    word, acked = one.line()
                    assert word == "acked"
                    assert await reader.refresh() >= int(acked)
                assert await entries(reader.read(0)) == mixed(1, reader.head)
                one.process.kill()
                one.process.wait()
                head = await reader.refresh()
                assert await entries(reader.read(0)) == mixed(1, head)
        async with await open_reader(str(path)) as reader:
            assert head <= reader.head <= head + 7, "an append that was never acknowledged may turn up"
            assert await entries(reader.read(0)) == mixed(1, reader.head)

    asyncio.run(run())
