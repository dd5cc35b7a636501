"""The ledger file of one office: what its writer meant to do and what it committed, line by line, without the engine.

A transaction has an intent line before its COMMIT and a commit line after it. A kill between the two leaves an intent that
may or may not have been committed; the table `demo_ledger`, written in the same transaction and synced nowhere, knows.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal, TypeAlias

import msgspec

from syncline.demo.dataset import CellRow
from syncline.demo.desks.desk import Cell, Desk

TABLE: Final = "demo_ledger"
_TAIL_BYTES: Final = 4096


class Op(msgspec.Struct, frozen=True, omit_defaults=True):
    """One statement. insert, delete: `row` is the row that came or went. set: `column` went from `before` to `after`.

    add: `column` grew by `after`. tag, untag: `after` joined or left the set in `column`. line: `after` is a new line of text.
    """

    kind: Literal["insert", "delete", "set", "add", "tag", "untag", "line"]
    table: str
    key: int | str
    column: str = ""
    before: Cell = None
    after: Cell = None
    row: CellRow = {}


class Start(msgspec.Struct, frozen=True, tag_field="line", tag="start"):
    """A writer began; `run` counts the starts of this office, so that a restarted writer repeats no number."""

    office: str
    run: int
    seed: int


class Intent(msgspec.Struct, frozen=True, tag_field="line", tag="intent"):
    """A transaction about to be committed."""

    txn: str
    ops: tuple[Op, ...]


class Commit(msgspec.Struct, frozen=True, tag_field="line", tag="commit"):
    """A transaction that was committed, and the office's totals with it."""

    txn: str
    transactions: int
    writes: int


Line: TypeAlias = Start | Intent | Commit
_DECODER: Final = msgspec.json.Decoder(Line)


class LedgerError(ValueError):
    """The ledger and the file do not belong together, so nothing can be counted from them."""


def lines(path: Path) -> Iterator[Line]:
    """The lines of a ledger, also of one that is being written. A missing file has none.

    Lines that a kill cut short are left out: such an intent was never committed, and of such a commit the table knows.
    """
    if not path.exists():
        return
    with path.open("rb") as file:
        for text in file:
            with suppress(msgspec.DecodeError, UnicodeDecodeError):
                yield _DECODER.decode(text)


def progress(path: Path) -> tuple[int, int]:
    """Transactions and writes that an office has committed so far, from the end of its ledger; cheap, for a live view."""
    if not path.exists():
        return 0, 0
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
        tail = file.read().split(b"\n")
    for text in reversed(tail):
        if text.startswith(b'{"line":"commit"') and text.endswith(b"}"):
            line = _DECODER.decode(text)
            if isinstance(line, Commit):
                return line.transactions, line.writes
    return 0, 0


class LedgerFile:
    """The writing end of a ledger: appends only, and begins a line of its own after a torn one."""

    def __init__(self, path: Path, office: str, seed: int) -> None:
        self.run = 1 + sum(isinstance(line, Start) for line in lines(path))
        self._file = path.open("a+b")
        if self._file.tell():
            self._file.seek(-1, os.SEEK_END)
            if self._file.read() != b"\n":
                self._file.write(b"\n")
        self._write(Start(office, self.run, seed))
        self._sync()

    def intent(self, txn: str, ops: tuple[Op, ...]) -> None:
        """Note a transaction before its COMMIT. Handing it to the system is enough: a killed process cannot take it back."""
        self._write(Intent(txn, ops))

    def commit(self, txn: str, transactions: int, writes: int) -> None:
        """Note a transaction after its COMMIT; on the disk when this returns."""
        self._write(Commit(txn, transactions, writes))
        self._sync()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, line: Line) -> None:
        self._file.write(msgspec.json.encode(line) + b"\n")
        self._file.flush()

    def _sync(self) -> None:
        os.fsync(self._file.fileno())


def create_table(desk: Desk) -> None:
    """Create the table of committed transactions in an office's database, if it is not there."""
    name, number = desk.declared("NAME"), desk.declared("INTEGER")
    if TABLE not in desk.tables():
        desk.change(f"CREATE TABLE IF NOT EXISTS {TABLE} (txn {name} PRIMARY KEY NOT NULL, writes {number} NOT NULL)")


def note(desk: Desk, txn: str, writes: int) -> None:
    """Note a transaction in the database itself, inside that very transaction."""
    desk.change(f"INSERT INTO {TABLE} (txn, writes) VALUES (?, ?)", (txn, writes))


def totals(desk: Desk) -> tuple[int, int]:
    """Transactions and writes committed in this database so far."""
    ((count, writes),) = desk.read(f"SELECT count(*), coalesce(sum(writes), 0) FROM {TABLE}")
    return int(count), int(writes)


def committed(desk: Desk) -> set[str]:
    """The transactions that this database says were committed; none if no writer ever ran on it."""
    return {str(txn) for (txn,) in desk.read(f"SELECT txn FROM {TABLE}")} if TABLE in desk.tables() else set()
