"""Which classes of conflicts a run met, named as in the list of torture: told from what users did and what they had seen.

The engine's own records are asked only where the class is about the engine: equal stamps, parked rows, echoes.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import combinations
from typing import Final, NamedTuple

from tests.simulation.stepped_world import SteppedWorld

from syncline.model.change import Change
from syncline.model.entry import Kind
from syncline.model.stamp import Offset
from syncline.model.value import Row
from syncline.sim.check.books import Books
from syncline.sim.check.verdict import Where
from syncline.sim.history import BatchApplied
from syncline.sim.shape import FIELDS, Field

CLASSES: Final = (
    "C1 update, update: same field",
    "C2 update, update: different fields",
    "C3 update, update: alike",
    "C4 update, delete",
    "C4 delete, update",
    "C7 insert, insert",
    "C10 counter, counter",
    "C11 same time",
    "C13 key change, update",
    "C17 echo",
    "C19 three peers at once",
    "F26 restored peer",
    "F29 second hub",
    "F32 parked row",
)
_BY_NUMBER: Final = {name.split()[0]: name for name in CLASSES}


class Touch(NamedTuple):
    """One change of a row by a user: where it came to stand in the log, and how much of the log its writer had seen."""

    peer: str
    offset: Offset
    context: Offset
    change: Change

    @property
    def kind(self) -> str:
        """What happened to the row."""
        if self.change.verdict is not None and self.change.verdict.moved is not None:
            return "move"
        if self.change.before is None:
            return "insert"
        return "update" if self.change.after is not None else "delete"


def classes_of(world: SteppedWorld) -> Counter[str]:
    """How often each class came up in a world that has come to rest."""
    books = world.books()
    found: Counter[str] = Counter()
    for (collection, _), touches in _touches(books).items():
        for one, other in combinations(touches, 2):
            if _concurrent(one, other):
                found.update(_pair(collection, one, other))
        trios = combinations(touches, 3)
        if any(all(_concurrent(one, other) for one, other in combinations(trio, 2)) for trio in trios):
            found[_BY_NUMBER["C19"]] += 1
    for entry in books.entries:
        found[_BY_NUMBER["F32"]] += entry.kind is Kind.PARK
        for change in entry.changes:
            for conflict in change.verdict.conflicts if change.verdict is not None else ():
                ours, theirs = conflict.ours, conflict.theirs
                found[_BY_NUMBER["C11"]] += ours.peer != theirs.peer and 0 < ours.time == theirs.time
    found[_BY_NUMBER["C17"]] += sum(isinstance(fact, BatchApplied) for fact in world.history.facts)
    found[_BY_NUMBER["F26"]] += world.restored
    found[_BY_NUMBER["F29"]] += world.rivals_lost
    return +found


def _touches(books: Books) -> dict[Where, list[Touch]]:
    """Every change of every row, in the order of the log."""
    found: dict[Where, list[Touch]] = defaultdict(list)
    for acked in books.ledger.counted:
        for change in acked.changes:
            where = (change.collection, change.key)
            offset = books.offset_of(acked, where)
            if offset is not None:
                found[where].append(Touch(acked.peer, offset, acked.context, change))
    for touches in found.values():
        touches.sort(key=lambda touch: touch.offset)
    return found


def _concurrent(one: Touch, other: Touch) -> bool:
    """Whether neither of two changes, in the order of the log, had seen the other."""
    return one.peer != other.peer and one.offset > other.context


def _pair(collection: str, one: Touch, other: Touch) -> Iterator[str]:
    match one.kind, other.kind:
        case ("move", "update") | ("update", "move"):
            yield _BY_NUMBER["C13"]
        case "insert", "insert":
            yield _BY_NUMBER["C7"]
        case ("update", "delete") | ("delete", "update") as order:
            yield f"C4 {order[0]}, {order[1]}"
        case "update", "update":
            yield from _updates(collection, one.change, other.change)
        case _:
            pass


def _updates(collection: str, one: Change, other: Change) -> Iterator[str]:
    mine, theirs = _changed(one), _changed(other)
    if mine.isdisjoint(theirs):
        yield _BY_NUMBER["C2"]
    for place in mine & theirs:
        field = FIELDS[collection][place]
        if field is Field.COUNTER:
            yield _BY_NUMBER["C10"]
        elif _row(one.after)[place] == _row(other.after)[place]:
            yield _BY_NUMBER["C3"]
        else:
            yield _BY_NUMBER["C1"]


def _changed(change: Change) -> set[int]:
    pairs = zip(_row(change.before), _row(change.after), strict=True)
    return {place for place, (before, after) in enumerate(pairs) if before != after}


def _row(row: Row | None) -> Row:
    assert row is not None, "an update has both images"
    return row
