"""Programs that write at servers while other things happen: threads with connections of their own, that count their commits.

A program begins a transaction anew when the server asks for that, as any program would. Knows no kind of server but by what
Mixed says of it.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

from tests.stories.mixed import Mixed

Statement = tuple[str, tuple[Any, ...]]
Work = Callable[[int], Iterable[Statement]]


class Program(threading.Thread):
    """Commits `work(0)`, `work(1)`... as transactions at a peer until told to stop. `passing`: errors to begin anew after."""

    def __init__(
        self, mixed: Mixed, peer: str, work: Work, passing: tuple[type[Exception], ...], pause_seconds: float = 0.01
    ) -> None:
        super().__init__(name=f"program-{peer}", daemon=True)
        self._mixed, self._peer, self._work, self._passing, self._pause = mixed, peer, work, passing, pause_seconds
        self._end = threading.Event()
        self.failed: Exception | None = None
        self.done = 0  # transactions that were committed

    def run(self) -> None:
        """The thread's work."""
        try:
            with closing(self._mixed.servers[self._peer].connect(self._mixed.databases[self._peer])) as connection:
                while not self._end.wait(self._pause):
                    self._commit(connection, list(self._work(self.done)))
                    self.done += 1
        except Exception as error:  # shown by finish(), in the test's own thread
            self.failed = error

    def _commit(self, connection: Any, statements: list[Statement]) -> None:
        with closing(connection.cursor()) as cursor:
            while True:
                cursor.execute("BEGIN")
                try:
                    for sql, values in statements:
                        cursor.execute(sql, values)
                    cursor.execute("COMMIT")
                except self._passing:
                    cursor.execute("ROLLBACK")
                else:
                    return

    def wait_for(self, more: int) -> None:
        """Wait until it has committed so many transactions more."""
        wanted, deadline = self.done + more, time.monotonic() + 60.0
        while self.done < wanted:
            assert self.is_alive(), self.failed
            assert time.monotonic() < deadline, f"{self.name} does not get on"
            time.sleep(0.005)

    def finish(self) -> int:
        """Let the transaction under way end, and no other begin; how many there were."""
        self._end.set()
        self.join(90.0)
        assert not self.is_alive()
        if self.failed is not None:
            raise self.failed
        return self.done


@contextmanager
def working(*programs: Program) -> Iterator[None]:
    """These programs work while the body runs."""
    with ExitStack() as stack:
        for program in programs:
            program.start()
            stack.callback(program.finish)
        yield


def counting(first: int, counter: int = 1) -> Work:
    """Work that adds 1 to the customer `counter`, and inserts a customer of its own at each third time, ids from `first` on."""

    def work(number: int) -> Iterator[Statement]:
        yield "UPDATE customers SET balance = balance + 1, name = %s WHERE id = %s", (f"by {first}, {number}", counter)
        if number % 3 == 0:
            yield "INSERT INTO customers (id, name, balance) VALUES (%s, %s, 1)", (first + number // 3, f"{first}-{number}")

    return work


def assert_counted(mixed: Mixed, programs: Iterable[tuple[Program, int]]) -> None:
    """Nothing that such programs committed is lost or doubled, at any peer. `programs`: each with its first id."""
    counted = list(programs)
    done = sum(program.done for program, _ in counted)
    for peer in mixed.peers:
        rows = {row[0]: row[2] for row in mixed.rows(peer)}
        assert rows[1] + rows[2] == done, f"increments at {peer}"
        for program, first in counted:
            found = {key: value for key, value in rows.items() if first <= key < first + 100_000}
            assert found == dict.fromkeys(range(first, first + -(-program.done // 3)), 1), f"what {program.name} inserted"
