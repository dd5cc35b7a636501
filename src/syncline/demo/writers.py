"""One office's writer, a process of its own: `python -m syncline.demo.writers --db PLACE --office NAME`.

It knows only its database and its ledger: no log, no peers, no merging. It may be killed at any moment and started again, and
so may the server that it writes to.
"""

import argparse
import signal
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
from syncline.demo.desks.desk import Desk
from syncline.demo.desks.open import open_desk
from syncline.demo.edits import Editor
from syncline.demo.record import LedgerFile, Op

AWAY_SECONDS: Final = 60.0  # how long a server may be away before its writer gives up
_PAUSE_SECONDS: Final = 0.1
STATEMENTS_MAX: Final = 5


@dataclass(frozen=True, slots=True)
class Place:
    """Who writes where: the office's file or address, its name, the seed of its choices and its ledger."""

    db: Path | str
    office: str
    seed: int
    ledger: Path


@dataclass
class Writer:
    """Writes transactions into one database and its ledger, until told to stop."""

    db: Path | str
    desk: Desk
    ledger: LedgerFile
    editor: Editor
    stop: threading.Event

    def run(self, seconds: float, rate: float) -> tuple[int, int]:
        """Write for so many seconds at so many transactions a second (0: as fast as it goes); the office's totals."""
        transactions, writes = record.totals(self.desk)
        begin = due = time.monotonic()
        number = 0
        while not self.stop.is_set() and time.monotonic() - begin < seconds:
            number += 1
            txn = f"{self.editor.office}.{self.ledger.run}.{number}"
            try:
                count = self._transaction(txn)
            except Exception as error:
                match self.desk.dialect.trouble(error):
                    case "again":
                        continue
                    case "lost":
                        transactions, writes = self._return(error)  # also if nobody heard of its commit
                        continue
                raise
            transactions, writes = transactions + 1, writes + count
            self.ledger.commit(txn, transactions, writes)
            if rate:
                due = max(due + 1.0 / rate, time.monotonic() - 1.0)  # after a stall, catch up one second's worth at most
                self.stop.wait(max(0.0, min(due, begin + seconds) - time.monotonic()))
        return transactions, writes

    def _transaction(self, txn: str) -> int:
        """One transaction of 1 to 5 statements; how many. The intent is in the ledger before the COMMIT begins."""
        self.desk.begin()
        try:
            ops: tuple[Op, ...] = tuple(
                self.editor.edit(self.desk) for _ in range(self.editor.random.randint(1, STATEMENTS_MAX))
            )
            record.note(self.desk, txn, len(ops))
            self.ledger.intent(txn, ops)
            self.desk.commit()
        except BaseException:
            self.desk.rollback()
            raise
        return len(ops)

    def _return(self, error: Exception) -> tuple[int, int]:
        """A new session, once the server is there again; the office's totals. Raises the error if it stays away."""
        deadline = time.monotonic() + AWAY_SECONDS
        self.desk.close()
        while time.monotonic() < deadline:
            try:
                self.desk = open_desk(self.db)
                return record.totals(self.desk)
            except Exception as other:
                if self.desk.dialect.trouble(other) != "lost" or self.stop.wait(_PAUSE_SECONDS):
                    break
        raise error


def write(place: Place, seconds: float, rate: float, stop: threading.Event) -> tuple[int, int]:
    """Be the writer of an office; its totals of transactions and writes. Raises the driver's errors, OSError, NotInstalled."""
    with open_desk(place.db) as desk:
        record.create_table(desk)
        with closing(LedgerFile(place.ledger, place.office, place.seed)) as file:
            random = Random(f"{place.seed} {place.office} {file.run}")
            return Writer(place.db, desk, file, Editor(place.office, file.run, random), stop).run(seconds, rate)


def main(arguments: Sequence[str] | None = None) -> int:
    """The process: exit 0 when its time is up or it was asked to stop, 1 with a message when it cannot write."""
    parser = argparse.ArgumentParser(prog="python -m syncline.demo.writers", description="The demo's writer for one office.")
    parser.add_argument("--db", required=True, help="the office's SQLite file, or the address of its database")
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
        place = Place(chosen.db if "://" in chosen.db else Path(chosen.db), chosen.office, chosen.seed, chosen.ledger)
        transactions, writes = write(place, chosen.seconds, chosen.rate, stop)
    except Exception as error:  # of whichever driver it is
        sys.stderr.write(f"the writer of {chosen.office} stopped: {error} ({chosen.db})\n")
        return 1
    sys.stdout.write(f'{{"transactions": {transactions}, "writes": {writes}}}\n')
    return 0


if __name__ == "__main__":
    sys.exit(main())
