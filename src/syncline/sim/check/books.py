"""The ledger laid beside the log: which entry holds which acknowledged transaction, which values lie in conflict records."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from syncline.model.change import Change
from syncline.model.entry import Entry, Kind
from syncline.model.stamp import Offset
from syncline.model.value import Row, Value
from syncline.sim.check.verdict import Violation, Where
from syncline.sim.ledger import Acked, Ledger


class _Fill(NamedTuple):
    """A row sent to a joining peer: when its join began, the entry, and the peer's row before and after it."""

    begun: Offset
    offset: Offset
    change: Change

    def brings(self, place: int) -> bool:
        """Whether the peer had another value in this field, or none."""
        before, after = self.change.before, self.change.after
        return before is None or after is None or before[place] != after[place]


class Books:
    """Both sides. `refused` names rows that a peer refused at some time: there a watermark does not say what it has seen."""

    def __init__(self, entries: Sequence[Entry], ledger: Ledger, refused: Iterable[tuple[str, str, object]] = ()) -> None:
        self.entries = sorted(entries, key=lambda entry: entry.offset)
        self.refused = frozenset(refused)
        self.changes = [entry for entry in self.entries if entry.kind is Kind.CHANGE and not is_join(entry)]
        self._numbers: dict[str, list[int]] = defaultdict(list)
        self._by_number: dict[tuple[str, int], list[Entry]] = defaultdict(list)
        for entry in self.changes:
            number = entry.position.major if entry.position is not None else 0
            if any(entry.peer == peer and entry.offset <= head and number > kept for peer, kept, head in ledger.restores):
                continue  # from a history that its peer has forgotten; the number was given again
            self._by_number[entry.peer, number].append(entry)
        for peer, number in sorted(self._by_number):
            self._numbers[peer].append(number)
        self.recounted: set[tuple[str, int]] = set()  # commits made while their peer was out, of which its history told a join
        self.ledger = self._without_absorbed(ledger)
        self.groups: dict[Offset, list[Acked]] = defaultdict(list)
        self._offsets: dict[tuple[str, int, Where | None], Offset | None] = {}
        self._joins = [entry for entry in self.entries if entry.kind is Kind.JOIN]
        self.written: dict[tuple[str, str, object], list[Acked]] = defaultdict(list)
        for acked in self.ledger.acked:
            for change in acked.changes:
                self.written[acked.peer, change.collection, change.key].append(acked)
        for acked in self.ledger.counted:
            for entry in self.entries_of(acked):
                self.groups[entry.offset].append(acked)
        self.kept = self._kept()
        self._stages: dict[str, list[tuple[Offset, str]]] = defaultdict(list)
        for one in self.entries:
            if one.kind is Kind.PEER and (one.body or {}).get("stage"):
                self._stages[one.peer].append((one.offset, str((one.body or {})["stage"])))
        self._overruled = self._lost_deletes()
        self.brought = self._brought_back()
        self._fills = self._filled()

    def _without_absorbed(self, ledger: Ledger) -> Ledger:
        """The ledger with those commits as early that their peer made while it was out, and that a join took up as rows."""
        spans = [span for peer in sorted({one.peer for one in ledger.acked}) for span in self._absences(peer)]
        if not spans:
            return ledger
        absorbed = Ledger()
        absorbed.initial, absorbed.restores = ledger.initial, ledger.restores
        for acked in ledger.acked:
            within = [told for peer, last, back, told in spans if peer == acked.peer and last < acked.number < back]
            out = bool(within) and (acked.peer, acked.number) not in self._by_number
            if out and all(within) and not acked.early:
                self.recounted.add((acked.peer, acked.number))
            absorbed.note(msgspec.structs.replace(acked, early=True) if out else acked)
        return absorbed

    def _absences(self, peer: str) -> Iterator[tuple[str, int, int, bool]]:
        """Per absence of a peer: its last commit in the log before it went stale or out, the first one after it was back,
        and whether all that it did meanwhile was told by its own history, to one join.
        """
        out: Offset | None = None
        told: list[bool] = []
        for entry in self.entries:
            if entry.kind is not Kind.PEER or entry.peer != peer:
                continue
            stage = (entry.body or {}).get("stage")
            if stage in ("stale", "new", "left") and out is None:
                out, told = entry.offset, []
            elif stage == "joining":
                returns = (entry.body or {}).get("rejoining") and (entry.body or {}).get("since") is not None
                told.append(bool(returns))
            elif stage == "live" and out is not None:
                yield (peer, *self._around(peer, out, entry.offset), told == [True])
                out = None
        if out is not None:
            yield (peer, self._around(peer, out, out)[0], 2**63, False)

    def _around(self, peer: str, out: Offset, back: Offset) -> tuple[int, int]:
        numbers = [(entry.offset, entry.position.major) for entry in self.changes if entry.peer == peer and entry.position]
        before = max((number for offset, number in numbers if offset < out), default=0)
        return before, min((number for offset, number in numbers if offset > back), default=2**63)

    def is_joining(self, peer: str, offset: Offset) -> bool:
        """Whether a peer's rows were being compared when this entry was made."""
        begun = [stage for at, stage in self._stages[peer] if at < offset]
        return begun[-1:] == ["joining"]

    def early_in(self, entry: Entry) -> list[Acked]:
        """What a peer wrote while it was out, and that came in one transaction with what it wrote when it was in."""
        number = entry.position.major if entry.position is not None else 0
        numbers = self._numbers.get(entry.peer, [])
        before = numbers[bisect_left(numbers, number) - 1] if bisect_left(numbers, number) else 0
        return [one for one in self.ledger.acked if one.early and one.peer == entry.peer and before < one.number <= number]

    def entries_of(self, acked: Acked) -> Sequence[Entry]:
        """The entries that hold a transaction: the first of its peer that reach its number (neighbours may come as one).

        More than one only of a joining peer: what is of the range that is being read follows when that is joined.
        """
        numbers = self._numbers.get(acked.peer, [])
        place = bisect_left(numbers, acked.number)
        return self._by_number[acked.peer, numbers[place]] if place < len(numbers) else ()

    def offset_of(self, acked: Acked, where: Where | None = None) -> Offset | None:
        """The entry from which on the log has a transaction, whole or what it did to one row; None if it has not.

        What is in none of its entries came with the rows of the range that was read next.
        """
        name = (acked.peer, acked.number, where)
        if name not in self._offsets:
            self._offsets[name] = self._find_offset(acked, where)
        return self._offsets[name]

    def _find_offset(self, acked: Acked, where: Where | None) -> Offset | None:
        entries = self.entries_of(acked)
        if where is None or not entries:
            return entries[-1].offset if entries else None
        first = entries[0].offset
        for entry in entries:
            if any((change.collection, change.key) == where for change in entry.changes):
                return entry.offset
        if not self.is_joining(acked.peer, first):
            return first
        joins = (one for one in self._joins if one.peer == acked.peer and (one.body or {})["collection"] == where[0])
        return next((one.offset for one in joins if one.offset > first), first)

    def check_balance(self, exact: Iterable[str]) -> list[Violation]:
        """P2, P7: every acknowledged transaction is in the log, none of its rows twice; at peers of `exact`, by itself."""
        found: list[Violation] = []
        for acked in self.ledger.counted:
            entries = self.entries_of(acked)
            if not entries:
                found.append(Violation("P2", f"commit {acked.number} of {acked.peer} is not in the log"))
            elif acked.peer in exact and entries[0].position is not None and entries[0].position.major != acked.number:
                found.append(Violation("P2", f"commit {acked.number} of {acked.peer} has no entry of its own"))
        for (peer, number), entries in self._by_number.items():
            rows = [{(change.collection, change.key) for change in entry.changes} for entry in entries]
            if len(set().union(*rows)) < sum(map(len, rows)):
                offsets = ", ".join(str(entry.offset) for entry in entries)
                found.append(Violation("P7", f"commit {number} of {peer} is in the log more than once: {offsets}"))
        return found

    def _filled(self) -> dict[tuple[str, Where], list[_Fill]]:
        """Per peer and key, the fills of its joins: until it has one, it does not know what that brings."""
        found: dict[tuple[str, Where], list[_Fill]] = defaultdict(list)
        for entry in self.entries:
            for change in entry.changes if entry.kind is Kind.FILL else ():
                begun = max((at for at, stage in self._stages[entry.to] if stage == "joining" and at < entry.offset), default=0)
                found[entry.to, (change.collection, change.key)].append(_Fill(begun, entry.offset, change))
        return found

    def had(self, peer: str, context: Offset, where: Where, place: int, offset: Offset) -> bool:
        """Whether a peer whose watermark was `context` had the value that the entry at `offset` gave a field of a row.

        What a join compares is not delivered before: up to its fill the peer knows only the fields that were equal.
        """
        if offset > context:
            return False
        return not any(fill.begun <= context < fill.offset and fill.brings(place) for fill in self._fills[peer, where])

    def overwrote(self, entry: Entry, where: Where, place: int, value: Value) -> bool:
        """Whether users at an entry's peer had this value before their eyes when they wrote over it, up to its position."""
        number = entry.position.major if entry.position is not None else 0
        written = (one for acked in self.written[entry.peer, *where] if acked.number <= number for one in acked.changes)
        olds = (one.before for one in written if (one.collection, one.key) == where)
        return any(before is not None and before[place] == value for before in olds)

    def _kept(self) -> dict[Where, set[Value]]:
        """Per key, every value that a conflict record holds: losers stay restorable."""
        kept: dict[Where, set[Value]] = defaultdict(set)
        for entry in self.entries:
            for change in entry.changes:
                kept[change.collection, change.key] |= sides(change)
        return kept

    def _brought_back(self) -> set[tuple[Where, Value]]:
        """Values in rows that only a peer had that had been in before and joined again as at first: they count as its own."""
        found: set[tuple[Where, Value]] = set()
        first: dict[str, bool] = {}  # by peer: whether its join takes all its rows for its own, though it was in before
        for entry in self.entries:
            body = entry.body or {}
            if entry.kind is Kind.PEER and body.get("stage") == "joining":
                first[entry.peer] = entry.peer in first and not body.get("rejoining")
            elif entry.kind is Kind.PEER and body.get("stage") == "live":
                first[entry.peer] = False
            elif first.get(entry.peer) and entry.kind is Kind.CHANGE and is_join(entry):
                alone = (change for change in entry.changes if change.before is None)
                found.update(((one.collection, one.key), value) for one in alone for value in one.after or ())
        return found

    def _lost_deletes(self) -> set[tuple[Where, Offset]]:
        """The deletes that a conflict record says did not stand: the key, and the entry that held the delete."""
        found: set[tuple[Where, Offset]] = set()
        for entry in self.entries:
            for change in entry.changes:
                for conflict in change.verdict.conflicts if change.verdict is not None else ():
                    for side in (conflict.ours, conflict.theirs):
                        if side.row is None and side.peer != conflict.winner:
                            found.add(((change.collection, change.key), side.offset or entry.offset))
        return found

    def overruled(self, delete: Acked, where: Where) -> bool:
        """Whether a record says that this delete did not stand."""
        offset = self.offset_of(delete, where)
        return offset is not None and (where, offset) in self._overruled

    def saw(self, later: Acked, earlier: Acked, where: Where, place: int) -> bool:
        """Whether the writer of one transaction had before its eyes what the other one wrote into a field."""
        if later.peer == earlier.peer:
            return later.number > earlier.number
        offset = self.offset_of(earlier, where)
        return offset is not None and self.had(later.peer, later.context, where, place, offset)


def is_join(entry: Entry) -> bool:
    """Whether an entry came from comparing a joining peer's rows, not from a commit."""
    verdicts = [change.verdict for change in entry.changes]
    return bool(verdicts) and all(
        verdict is not None and (verdict.full or any(one.kind == "join" for one in verdict.conflicts)) for verdict in verdicts
    )


def sides(change: Change) -> set[Value]:
    """Every value in a change's conflict records."""
    found: set[Value] = set()
    for conflict in change.verdict.conflicts if change.verdict is not None else ():
        for side in (conflict.ours, conflict.theirs):
            found.add(side.value)
            row: Row | None = side.row
            found.update(row or ())
    return found
