"""The story of one row: what all offices committed on it, folded so that it can be judged. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from syncline.demo.dataset import set_items, sheet
from syncline.demo.desks.desk import Cell
from syncline.demo.record import Op

_SEVERAL = "\0several"  # the name of no office


@dataclass(slots=True)
class Story:
    """What was done to one row. Registers are told in three flat tables, because most rows have many and few are touched."""

    offices: dict[str, bool] = field(default_factory=dict)  # who did anything -> whether its last say was a delete
    inserts: int = 0
    deletes: int = 0
    changes: int = 0
    known: set[tuple[str, Cell]] = field(default_factory=set)  # registers: (column, value) ever written
    last: dict[tuple[str, str], Cell] = field(default_factory=dict)  # registers: (column, office) -> what it wrote last
    seen: dict[tuple[str, Cell], str] = field(default_factory=dict)  # registers: (column, value) -> who wrote over it
    added: dict[str, int] = field(default_factory=dict)  # counters: the sum of all increments
    first: dict[str, int] = field(default_factory=dict)  # counters: what an insert began with
    items: dict[str, set[str]] = field(default_factory=dict)  # sets: items ever added
    dropped: dict[str, set[str]] = field(default_factory=dict)  # sets: items ever removed
    lines: dict[str, list[str]] = field(default_factory=dict)  # texts: lines ever added

    def write(self, office: str, column: str, value: Cell) -> None:
        """An office wrote a value."""
        self.known.add((column, value))
        self.last[column, office] = value

    def see(self, office: str, column: str, value: Cell) -> None:
        """An office wrote over a value, or deleted it."""
        place = (column, value)
        self.seen[place] = office if self.seen.get(place, office) == office else _SEVERAL

    def open_values(self) -> set[tuple[str, Cell]]:
        """The (column, value) that nobody who wrote later had seen: one may stand, the others must be recorded.

        A value is seen by whoever wrote over it or deleted it, and by its own office's later writes. An inserted NULL is no
        value that could be lost.
        """
        return {
            (column, value) for (column, office), value in self.last.items() if self.seen.get((column, value), office) == office
        }


Stories: TypeAlias = dict[tuple[str, Cell], Story]


def tell(stories: Stories, office: str, ops: Iterable[Op]) -> None:
    """Go on with the stories of the rows that a committed transaction touched. An office's transactions come in its order."""
    for op in ops:
        _add(stories.setdefault((op.table, op.key), Story()), office, op)


def _add(story: Story, office: str, op: Op) -> None:
    story.offices[office] = op.kind == "delete"
    match op.kind:
        case "insert":
            _insert(story, office, op)
        case "delete":
            _delete(story, office, op)
        case "set":
            story.see(office, op.column, op.before)
            story.write(office, op.column, op.after)
        case "add":
            story.added[op.column] = story.added.get(op.column, 0) + _number(op.after)
        case "tag":
            story.items.setdefault(op.column, set()).add(str(op.after))
        case "untag":
            story.dropped.setdefault(op.column, set()).add(str(op.after))
        case "line":
            story.lines.setdefault(op.column, []).append(str(op.after))
    story.changes += op.kind not in ("insert", "delete")


def _insert(story: Story, office: str, op: Op) -> None:
    story.inserts += 1
    one = sheet(op.table)
    for column in one.of_role("register"):
        if op.row[column] is not None:
            story.write(office, column, op.row[column])
    for column in one.of_role("counter"):
        story.first[column] = _number(op.row[column])
    for column in one.of_role("set"):
        story.items.setdefault(column, set()).update(set_items(op.row[column]))
    for column in one.of_role("text"):
        story.lines.setdefault(column, []).extend(str(op.row[column] or "").splitlines())


def _delete(story: Story, office: str, op: Op) -> None:
    story.deletes += 1
    for column in sheet(op.table).of_role("register"):
        if op.row[column] is not None:
            story.see(office, column, op.row[column])
        story.last.pop((column, office), None)


def _number(value: Cell) -> int:
    if not isinstance(value, int):
        raise TypeError(f"not a number to count with: {value!r}")
    return value
