"""Small offices for the tests of the ledger: a file with a few rows, and a hand to write to it with or without a record."""

import sqlite3
from contextlib import closing
from pathlib import Path

from syncline.demo import dataset, record
from syncline.demo.dataset import CellRow, Tables
from syncline.demo.desks.desk import Cell
from syncline.demo.desks.open import open_desk
from syncline.demo.edits import fetch
from syncline.demo.judge import Loser
from syncline.demo.ledger import LedgerReport, count
from syncline.demo.record import LedgerFile, Op

ROWS = 4


class Offices:
    """Offices side by side in one folder. What `commit` does stands in the ledger, what `sync` does does not."""

    def __init__(self, folder: Path, *names: str) -> None:
        self.folder = folder
        self.initial: Tables = dataset.load(ROWS)
        self.keys = list(self.initial["navaids"])
        self.number = 0
        for name in names:
            dataset.build(self.file(name), filled=True, limit=ROWS)
        self.files = {name: self.file(name) for name in names}
        self.ledgers = {name: folder / f"{name}.jsonl" for name in names}
        self._pens = {name: LedgerFile(path, name, 1) for name, path in self.ledgers.items()}
        for name in names:
            self.sync(name, f"CREATE TABLE {record.TABLE} (txn TEXT PRIMARY KEY NOT NULL, writes INTEGER NOT NULL)")

    def file(self, name: str) -> Path:
        """Where an office's file is."""
        return self.folder / f"{name}.db"

    def sync(self, name: str, sql: str, *values: Cell) -> None:
        """Change a file as the engine would, or as a fault would: no ledger knows of it."""
        with closing(sqlite3.connect(self.file(name))) as connection:
            connection.execute(sql, values)
            connection.commit()

    def put(self, name: str, key: Cell, column: str, value: Cell) -> None:
        """Put a value of a navaid into a file, unrecorded."""
        self.sync(name, f"UPDATE navaids SET {column} = ? WHERE id = ?", value, key)

    def commit(self, name: str, *ops: Op, to_table: bool = True, to_ledger: bool = True) -> None:
        """Record operations as committed by an office; what they did to the files is the test's to say."""
        self.number += 1
        txn = f"{name}.1.{self.number}"
        self._pens[name].intent(txn, ops)
        if to_table:
            self.sync(name, f"INSERT INTO {record.TABLE} VALUES (?, ?)", txn, len(ops))
        if to_ledger:
            self._pens[name].commit(txn, self.number, len(ops))

    def row(self, name: str, key: Cell) -> CellRow:
        """A navaid as a file has it."""
        with open_desk(self.file(name)) as desk:
            row = fetch(desk, dataset.NAVAIDS, key)
        assert row is not None
        return row

    def count(self, *losers: Loser) -> LedgerReport:
        """The report on all offices."""
        return count(self.ledgers, self.files, losers, self.initial)

    def close(self) -> None:
        """Close the ledgers."""
        for pen in self._pens.values():
            pen.close()
