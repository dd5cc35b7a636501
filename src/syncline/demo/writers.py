"""One office's writer, a process of its own: `python -m syncline.demo.writers --db FILE --office NAME ...`.

It knows only SQLite and its ledger: no log, no peers, no merging. It may be killed at any moment and started again.
"""

import argparse
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from syncline.demo import record
from syncline.demo.edits import Editor
from syncline.demo.record import LedgerFile, Op

BUSY_SECONDS: Final = 30.0  # how long a transaction waits for another writer of the file before this one gives up
STATEMENTS_MAX: Final = 5


@dataclass(frozen=True, slots=True)
class Place:
    """Who writes where: the office's file, its name, the seed of its choices and its ledger."""

    db: Path
    office: str
    seed: int
    ledger: Path


@dataclass
class Writer:
    """Writes transactions into one file and its ledger, until told to stop."""

    connection: sqlite3.Connection
    ledger: LedgerFile
    editor: Editor
    stop: threading.Event

    def run(self, seconds: float, rate: float) -> tuple[int, int]:
        """Write for so many seconds at so many transactions a second (0: as fast as it goes); the office's totals."""
        transactions, writes = record.totals(self.connection)
        begin = due = time.monotonic()
        number = 0
        while not self.stop.is_set() and time.monotonic() - begin < seconds:
            number += 1
            txn = f"{self.editor.office}.{self.ledger.run}.{number}"
            count = self._transaction(txn)
            transactions, writes = transactions + 1, writes + count
            self.ledger.commit(txn, transactions, writes)
            if rate:
                due = max(due + 1.0 / rate, time.monotonic() - 1.0)  # after a stall, catch up one second's worth at most
                self.stop.wait(max(0.0, min(due, begin + seconds) - time.monotonic()))
        return transactions, writes

    def _transaction(self, txn: str) -> int:
        """One transaction of 1 to 5 statements; how many. The intent is in the ledger before the COMMIT begins."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            ops: tuple[Op, ...] = tuple(
                self.editor.edit(self.connection) for _ in range(self.editor.random.randint(1, STATEMENTS_MAX))
            )
            record.note(self.connection, txn, len(ops))
            self.ledger.intent(txn, ops)
            self.connection.execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            raise
        return len(ops)


def write(place: Place, seconds: float, rate: float, stop: threading.Event) -> tuple[int, int]:
    """Be the writer of an office; its totals of transactions and writes. Raises sqlite3.Error, OSError."""
    url = f"{place.db.absolute().as_uri()}?mode=rw"
    with closing(sqlite3.connect(url, uri=True, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
        record.create_table(connection)
        with closing(LedgerFile(place.ledger, place.office, place.seed)) as file:
            random = Random(f"{place.seed} {place.office} {file.run}")
            return Writer(connection, file, Editor(place.office, file.run, random), stop).run(seconds, rate)


def main(arguments: Sequence[str] | None = None) -> int:
    """The process: exit 0 when its time is up or it was asked to stop, 1 with a message when the file cannot be written."""
    parser = argparse.ArgumentParser(prog="python -m syncline.demo.writers", description="The demo's writer for one office.")
    parser.add_argument("--db", type=Path, required=True, help="the office's SQLite file")
    parser.add_argument("--office", required=True, help="its name")
    parser.add_argument("--seed", type=int, default=1, help="the same seed and file state give the same edits")
    parser.add_argument("--seconds", type=float, required=True, help="how long to write")
    parser.add_argument("--ledger", type=Path, required=True, help="the ledger to append to")
    parser.add_argument("--rate", type=float, default=50.0, help="transactions a second; 0 for as many as possible")
    chosen = parser.parse_args(arguments)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        place = Place(chosen.db, chosen.office, chosen.seed, chosen.ledger)
        transactions, writes = write(place, chosen.seconds, chosen.rate, stop)
    except (sqlite3.Error, OSError) as error:
        sys.stderr.write(f"the writer of {chosen.office} stopped: {error} ({chosen.db})\n")
        return 1
    sys.stdout.write(f'{{"transactions": {transactions}, "writes": {writes}}}\n')
    return 0


if __name__ == "__main__":
    sys.exit(main())
