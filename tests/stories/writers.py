"""A program that writes at one peer while other things happen: a thread with its own connection, that counts its commits."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import Protocol

from tests.stories.space import Cell, Space, Statement

Work = Callable[[int], Iterable[Statement]]


class Writer(threading.Thread):
    """Commits `work(0)`, `work(1)`... as transactions until told to stop. It waits for a locked file, and skips nothing."""

    def __init__(self, space: Space, peer: str, work: Work, pause_seconds: float = 0.0) -> None:
        super().__init__(name=f"writer-{peer}", daemon=True)
        self._file, self._work, self._pause = space.file(peer), work, pause_seconds
        self._end = threading.Event()
        self.failed: Exception | None = None
        self.done = 0  # transactions that were committed

    def run(self) -> None:
        """The thread's work."""
        try:
            with closing(sqlite3.connect(self._file, isolation_level=None, timeout=30.0)) as connection:
                while not self._end.wait(self._pause):
                    self._commit(connection, list(self._work(self.done)))
                    self.done += 1
        except Exception as error:  # shown by finish(), in the test's own thread
            self.failed = error

    def _commit(self, connection: sqlite3.Connection, statements: Sequence[Statement]) -> None:
        deadline = time.monotonic() + 60.0
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
                for sql, values in statements:
                    connection.execute(sql, values)
                connection.execute("COMMIT")
                return
            except sqlite3.OperationalError as error:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise

    def wait_for(self, more: int) -> None:
        """Wait until it has committed so many transactions more."""
        wanted, deadline = self.done + more, time.monotonic() + 60.0
        while self.done < wanted:
            assert self.is_alive(), self.failed
            assert time.monotonic() < deadline, f"{self.name} does not get on"
            time.sleep(0.005)

    def linger(self, seconds: float) -> None:
        """Let it try for so long, whether or not it gets on."""
        self._end.wait(seconds)

    def finish(self) -> int:
        """Let the transaction under way end, and no other begin; how many there were."""
        self._end.set()
        self.join(90.0)
        assert not self.is_alive()
        if self.failed is not None:
            raise self.failed
        return self.done


class Worker(Protocol):
    """A thread that writes until it is told to finish."""

    def start(self) -> None:
        """Begin."""
        ...

    def finish(self) -> int:
        """Let the transaction under way end, and no other begin; how many there were."""
        ...


@contextmanager
def writing(*writers: Worker) -> Iterator[None]:
    """These writers work while the body runs."""
    with ExitStack() as stack:
        for writer in writers:
            writer.start()
            stack.callback(writer.finish)
        yield


def counting(first: int, counter: int = 1) -> Work:
    """Work that adds 1 to the customer `counter`, and inserts a customer of its own at each third time, ids from `first` on."""

    def work(number: int) -> Iterator[tuple[str, tuple[Cell, ...]]]:
        yield "UPDATE customers SET balance = balance + 1, name = ? WHERE id = ?", (f"by {first}, {number}", counter)
        if number % 3 == 0:
            yield "INSERT INTO customers (id, name, balance) VALUES (?, ?, 1)", (first + number // 3, f"{first}-{number}")

    return work


def assert_counted(space: Space, writers: Sequence[tuple[Writer, int]]) -> None:
    """Nothing that such writers committed is lost or doubled, at any peer. `writers`: each with its first id."""
    done = sum(writer.done for writer, _ in writers)
    for peer in space.peers:
        assert space.value(peer, "SELECT sum(balance) FROM customers WHERE id IN (1, 2)") == done, f"increments at {peer}"
        for writer, first in writers:
            sql = "SELECT id, balance FROM customers WHERE id BETWEEN ? AND ? ORDER BY id"
            found = space.read(peer, sql, first, first + 99_999)
            assert found == [(first + place, 1) for place in range(-(-writer.done // 3))]
