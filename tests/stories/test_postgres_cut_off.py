"""The hub is killed, and connections to a server are cut, more than once in the middle of work: every increment counts once."""

import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from tests.servers.postgres import shared
from tests.servers.proxy import Proxy
from tests.stories.mixed import Mixed, make

ROWS, TURNS = 20, 2


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Mixed]:
    mixed = make(tmp_path, {"hq": shared(), "munich": shared()})
    mixed.write("hq", *(f"INSERT INTO customers (id, name) VALUES ({n}, 'name {n}')" for n in range(ROWS)))
    mixed.settle()
    yield mixed
    mixed.close()


class Writers:
    """Two programs that count up every row of both databases, all the time, until they are stopped."""

    def __init__(self, mixed: Mixed) -> None:
        self._mixed, self._over = mixed, threading.Event()
        self.added = 0
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._write, args=(name,)) for name in mixed.servers]
        for thread in self._threads:
            thread.start()

    def _write(self, name: str) -> None:
        with self._mixed.servers[name].connect(self._mixed.databases[name]) as program:
            while not self._over.is_set():
                with suppress(psycopg.errors.DeadlockDetected):  # as any program would, it tries again
                    program.execute("UPDATE customers SET balance = balance + 1")
                    with self._lock:
                        self.added += 1
                self._over.wait(0.005)

    def stop(self) -> int:
        """How often every row was counted up."""
        self._over.set()
        for thread in self._threads:
            thread.join()
        return self.added


def test_f1_f2_f4_f5_a_hub_that_is_killed_again_and_again(pair: Mixed) -> None:
    writers = Writers(pair)
    try:
        for _ in range(TURNS):
            pair.start()
            head = pair.space.status()["log"]["head"]
            pair.space.wait(lambda head=head: pair.space.status()["log"]["head"] > head + 20, "work is under way")  # type: ignore[misc]
            pair.space.kill()
    finally:
        added = writers.stop()
    pair.settle()
    assert {row[2] for row in pair.rows("hq")} == {added}
    pair.assert_equal()


def test_f15_a_connection_that_is_cut_again_and_again(pair: Mixed) -> None:
    proxy = Proxy(shared().port)
    pair.detour("munich", proxy.port)
    writers = Writers(pair)
    try:
        pair.start()
        for _ in range(TURNS):
            head = pair.space.status()["log"]["head"]
            pair.space.wait(lambda head=head: pair.space.status()["log"]["head"] > head + 20, "work is under way")  # type: ignore[misc]
            assert proxy.cut() > 0
    finally:
        added = writers.stop()
    pair.space.wait(lambda: {row[2] for row in pair.rows("munich")} == {added}, "every increment arrives")
    pair.wait_equal()
    assert pair.space.stop() == 0
    proxy.close()
