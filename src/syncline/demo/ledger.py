"""Counts what was lost, from the writers' own ledgers and the final files, without asking the engine what it did.

What is checked, for each file: counters equal their start plus all committed increments; rows that nobody deleted are there,
rows only ever deleted are not; tags and note lines that were added and never removed are there; each register holds a value
that somebody wrote. A value that no later write had seen is the final one or lies among the recorded losers.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final

from syncline.demo import dataset, record
from syncline.demo.dataset import CellRow, Tables
from syncline.demo.desks.desk import Cell, Desk
from syncline.demo.desks.open import open_desk
from syncline.demo.judge import Loser, Loss, judge
from syncline.demo.record import Commit, Intent, LedgerError
from syncline.demo.story import Stories, Story, tell

DETAILS_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class LedgerReport:
    """`lost` counts each broken promise once, however many files show it; `details` say what and where, up to 200."""

    writes: int
    transactions: int
    lost: int
    details: tuple[str, ...]


def count(
    ledgers: Mapping[str, Path],
    files: Mapping[str, Path | str],
    losers: Sequence[Loser] = (),
    initial: Tables | None = None,
) -> LedgerReport:
    """Compare what the offices' writers committed with what the files hold now.

    `ledgers` and `files` (or addresses of databases) are by office; a file without a ledger was never written to and is checked
    all the same. `losers` are the conflict store's images. `initial` is what all started from: the demo's data, if not given.
    Raises LedgerError if a ledger and its file do not belong together, OSError and the driver's errors if they cannot be read.
    """
    start = dataset.load() if initial is None else initial
    tally = _Tally()
    for office, path in ledgers.items():
        if office not in files:
            raise LedgerError(f"there is a ledger of {office}, but no file")
        tally.add(office, path, files[office])
    losses, recorded = tally.losses, _by_row(losers)
    for office, place in files.items():
        for loss in _losses(place, start, tally.stories, recorded):
            losses.setdefault(loss, []).append(office)
    details = [f"{loss.text()} (at {', '.join(where)})" for loss, where in islice(losses.items(), DETAILS_MAX)]
    if len(losses) > DETAILS_MAX:
        details.append(f"and {len(losses) - DETAILS_MAX} more")
    return LedgerReport(tally.writes, tally.transactions, len(losses), tuple(details))


@dataclass(slots=True)
class _Tally:
    """What the ledgers say, read line by line: they may be far larger than what is to be known of them."""

    stories: Stories = field(default_factory=dict)
    losses: dict[Loss, list[str]] = field(default_factory=dict)
    transactions: int = 0
    writes: int = 0

    def add(self, office: str, ledger: Path, file: Path | str) -> None:
        """Add what an office committed, and what its ledger saw committed but its file does not have."""
        with open_desk(file) as desk:
            committed = record.committed(desk)
        unknown = {txn for txn in committed if txn.startswith(f"{office}.")}
        for line in record.lines(ledger):
            match line:
                case Intent(txn=txn, ops=ops) if txn in committed:
                    unknown.discard(txn)
                    tell(self.stories, office, ops)
                    self.transactions, self.writes = self.transactions + 1, self.writes + len(ops)
                case Commit(txn=txn) if txn not in committed:
                    self.losses[Loss("transaction gone from its own file", record.TABLE, txn)] = [office]
        if unknown:
            raise LedgerError(f"{len(unknown)} transactions in the file of {office} are not in its ledger, as {min(unknown)}")


def _by_row(losers: Sequence[Loser]) -> Mapping[tuple[str, Cell], list[Mapping[str, Cell]]]:
    found: dict[tuple[str, Cell], list[Mapping[str, Cell]]] = defaultdict(list)
    for loser in losers:
        found[loser.table, loser.key].append(loser.image)
    return found


def _losses(
    place: Path | str,
    start: Tables,
    stories: Stories,
    recorded: Mapping[tuple[str, Cell], list[Mapping[str, Cell]]],
) -> Iterable[Loss]:
    """What one file lacks, or holds without reason."""
    with open_desk(place) as desk:
        final = {sheet.name: _table(desk, sheet) for sheet in dataset.SHEETS}
    for sheet in dataset.SHEETS:
        before, now = start[sheet.name], final[sheet.name]
        for key in before.keys() | now.keys() | {key for table, key in stories if table == sheet.name}:
            spot = (sheet.name, key)
            yield from judge(sheet, key, before.get(key), now.get(key), stories.get(spot, Story()), recorded.get(spot, []))


def _table(desk: Desk, sheet: dataset.Sheet) -> dict[Cell, CellRow]:
    columns = ", ".join(sheet.columns)
    found = desk.read(f"SELECT {columns} FROM {sheet.name}")
    return {row[0]: dict(zip(sheet.columns, row, strict=True)) for row in found}
