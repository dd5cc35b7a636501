"""P2, P3, P4, P5, P7 inside the log: a walk over all entries that asks of every value that came, went or was counted: why?

The row before an entry is the row after the last one about the same key. A register value may go when the writer had seen it,
or into a conflict record; it may come when the writer wrote it; a counter moves by exactly what the writer added.
"""

from collections import defaultdict
from collections.abc import Sequence

import msgspec

from syncline.model.change import Change
from syncline.model.entry import Entry, Kind
from syncline.model.stamp import Offset
from syncline.model.value import Row, Value
from syncline.sim.check.books import Books, is_join, sides
from syncline.sim.check.users import counters, number
from syncline.sim.check.verdict import Violation, Where
from syncline.sim.ledger import Acked
from syncline.sim.shape import FIELDS, Field, registers, set_items


class _Item(msgspec.Struct):
    """One key as the log tells it so far: its row, the row before it was last deleted, who brought each register value."""

    row: Row | None = None
    known: bool = False
    last: Row | None = None
    dead: tuple[Offset, str] = (0, "")  # the entry that deleted it last, and by whom
    brought: dict[int, tuple[Value, Offset, str]] = {}


class Audit:
    """The walk. `run` returns what does not add up."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._items: dict[Where, _Item] = defaultdict(_Item)
        self._found: list[Violation] = []

    def run(self) -> list[Violation]:
        """All entries in order."""
        for entry in self._books.entries:
            if entry.kind in (Kind.CHANGE, Kind.SETTLE):
                self._entry(entry)
        return self._found

    def _entry(self, entry: Entry) -> None:
        group = self._books.groups.get(entry.offset, [])
        moves: dict[Where, list[Change]] = defaultdict(list)
        for change in entry.changes:
            moves[change.collection, change.key].append(change)
        asked: dict[Where, list[Change]] = defaultdict(list)
        for acked in group:
            for change in acked.changes:
                _ask(asked[change.collection, change.key], change)
        before = {where: _copy(self._items[where]) for where in {*moves, *asked}}
        for where, changes in moves.items():
            for change in changes:
                self._move(entry, where, change, group, asked.get(where, []), changes)
        if not is_join(entry) and entry.kind is Kind.CHANGE:
            joining = self._books.is_joining(entry.peer, entry.offset)
            unsure = {(change.collection, change.key) for acked in self._books.early_in(entry) for change in acked.changes}
            for where, wanted in asked.items():
                if (joining and where not in moves) or where in unsure:
                    continue  # this row of the transaction is in a range to come, or came with what nobody counts
                self._answered(entry, where, wanted, moves.get(where, []), before[where])

    # -- what came and went -------------------------------------------------------------------------------------------------

    def _move(
        self, entry: Entry, where: Where, change: Change, group: Sequence[Acked], asked: list[Change], all_of_key: list[Change]
    ) -> None:
        item = self._items[where]
        if item.known and item.row != change.before:
            self._say("P2", entry, where, f"the row before it was {item.row}, but the entry says {change.before}")
        kept = set().union(*(sides(one) for one in all_of_key))
        old, new = registers(where[0], change.before), registers(where[0], change.after)
        for place, value in old.items():
            if new.get(place) != value and value not in kept and not self._may_go(entry, group, where, place, value):
                self._say("P2", entry, where, f"{value!r} went without a record, and the writer had not seen it")
        free = entry.kind is Kind.SETTLE or is_join(entry) or not group
        if not free:
            self._may_come(entry, where, change, asked, group)
        if not item.known:
            item.brought.update({place: (value, 0, "") for place, value in old.items()})
        for place, value in new.items():
            known = item.brought.get(place)
            kept_on = known is not None and known[0] == value and _is_revived(change)  # what it had keeps its writer
            if old.get(place) != value and not kept_on:
                item.brought[place] = (value, entry.offset, entry.peer)
        if change.after is None and change.before is not None:
            item.last, item.dead = change.before, (entry.offset, entry.peer)
        item.row, item.known = change.after, True

    def _may_go(self, entry: Entry, group: Sequence[Acked], where: Where, place: int, value: Value) -> bool:
        if entry.kind is Kind.SETTLE or (entry.peer, *where) in self._books.refused:
            return True
        brought = self._items[where].brought.get(place)
        if brought is None or brought[0] != value:
            return True  # from before the log's time
        if brought[2] == entry.peer:
            return True
        if not group:  # what a joining peer had before its own work may be what another one brought along, too
            return brought[1] <= entry.context or self._books.overwrote(entry, where, place, value)
        return self._books.had(entry.peer, group[0].context, where, place, brought[1])

    def _may_come(self, entry: Entry, where: Where, change: Change, asked: list[Change], group: Sequence[Acked]) -> None:
        item = self._items[where]
        early = [one for acked in self._books.early_in(entry) for one in acked.changes if (one.collection, one.key) == where]
        allowed = {value for one in (*asked, *early) for value in registers(where[0], one.after).values()}
        if change.before is None and change.after is not None:
            if _is_revived(change):
                allowed.update(registers(where[0], item.last).values())
            elif all(one.before is not None for one in (*asked, *early)) and not _knew(entry, group, item):
                self._say("P3", entry, where, f"a deleted row came back as {change.after} without a record")
        old = registers(where[0], change.before)
        for place, value in registers(where[0], change.after).items():
            if old.get(place) != value and value not in allowed:
                self._say("P4", entry, where, f"{value!r} came, but commit {group_numbers(entry)} did not write it")

    # -- what the writer wanted ---------------------------------------------------------------------------------------------

    def _answered(self, entry: Entry, where: Where, wanted: list[Change], moves: list[Change], before: _Item) -> None:
        held = [change.after for change in moves] or [before.row]
        kept = set().union(*(sides(change) for change in moves))
        for change in wanted:
            if change.after is None:
                self._deleted(entry, where, change, moves, before)
                continue
            old = registers(where[0], change.before)
            for place, value in registers(where[0], change.after).items():
                stands = any(row is not None and row[place] == value for row in held)
                if old.get(place) != value and not stands:
                    if value not in kept:
                        self._say("P2", entry, where, f"{value!r} was written, but it neither stands nor is it recorded")
                    elif self._saw_all(entry, where, place, before):
                        self._say("P5", entry, where, f"{value!r} lost to a value that its writer had seen")
        if any(change.after is None for change in wanted):
            return
        start = moves[0].before if moves else before.row
        end = moves[-1].after if moves else before.row
        if start is None and wanted[0].before is not None:
            if (entry.peer, *where) in self._books.refused:
                return  # its watermark does not tell which row it had before it
            anew = _knew(entry, self._books.groups[entry.offset], before)  # its peer had the row back, and goes on with that
            start = wanted[0].before if anew else before.last
        if end is not None and (moves or before.known):
            self._counted(entry, where, wanted, start, end)
            self._collected(entry, where, wanted, start, end)

    def _saw_all(self, entry: Entry, where: Where, place: int, before: _Item) -> bool:
        """Whether the writer had seen the value that stood before its entry (then no policy has a say)."""
        group = self._books.groups.get(entry.offset, [])
        brought = before.brought.get(place)
        if brought is None or not group or before.row is None or before.row[place] != brought[0]:
            return False
        seen = brought[2] == entry.peer or self._books.had(entry.peer, group[0].context, where, place, brought[1])
        return seen and (entry.peer, *where) not in self._books.refused

    def _deleted(self, entry: Entry, where: Where, change: Change, moves: list[Change], before: _Item) -> None:
        gone = any(move.after is None for move in moves) or (before.known and before.row is None)
        lost = any(
            one.theirs.row is None and one.theirs.peer == entry.peer
            for move in moves
            for one in (move.verdict.conflicts if move.verdict is not None else ())
        )
        if not gone and not lost:
            self._say("P2", entry, where, f"the delete of {change.before!r} neither happened nor is it recorded")

    def _counted(self, entry: Entry, where: Where, wanted: list[Change], start: Row | None, end: Row) -> None:
        for place in counters(where[0]):
            base = number(start[place]) if start is not None else 0
            added = number(_cell(wanted[-1].after, place)) - number(_cell(wanted[0].before, place))
            if number(end[place]) != base + added:
                self._say("P7", entry, where, f"the writer added {added} to {base}, and the log made it {end[place]!r}")

    def _collected(self, entry: Entry, where: Where, wanted: list[Change], start: Row | None, end: Row) -> None:
        for place, field in enumerate(FIELDS[where[0]]):
            if field is not Field.SET:
                continue
            items = set(set_items(_cell(start, place)))
            for change in wanted:
                old, new = set_items(_cell(change.before, place)), set_items(_cell(change.after, place))
                items = (items - (old - new)) | (new - old)
            if set_items(end[place]) != items:
                text = f"the set should be {sorted(items)}, and the log made it {sorted(set_items(end[place]))}"
                self._say("P7", entry, where, text)

    def _say(self, rule: str, entry: Entry, where: Where, text: str) -> None:
        self._found.append(Violation(rule, f"entry {entry.offset} by {entry.peer or 'nobody'}, {where[0]}{where[1]}: {text}"))


def _ask(asked: list[Change], change: Change) -> None:
    """Add what a commit asks for: a row that it deletes and inserts again is one that it changes; not one that moves away."""
    if asked and asked[-1].after is None and change.before is None and not (asked[-1].verdict or change.verdict):
        change = Change(change.collection, change.key, asked.pop().before, change.after)
    asked.append(change)


def _is_revived(change: Change) -> bool:
    """Whether a change brought back the row as it was before a delete that it had not seen."""
    conflicts = change.verdict.conflicts if change.verdict is not None else ()
    return change.before is None and any(one.kind == "update-delete" for one in conflicts)


def _knew(entry: Entry, group: Sequence[Acked], item: _Item) -> bool:
    """Whether the writer knew that the row had been deleted: somebody's delete it had seen, or its own peer's."""
    return item.dead[1] == entry.peer or bool(group and item.dead[0] <= group[0].context)


def group_numbers(entry: Entry) -> str:
    """An entry's commit for people."""
    return str(entry.position.major) if entry.position is not None else "?"


def _copy(item: _Item) -> _Item:
    return msgspec.structs.replace(item, brought=dict(item.brought))


def _cell(row: Row | None, place: int) -> Value:
    return row[place] if row is not None else None
