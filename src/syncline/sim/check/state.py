"""P1 convergence: in the end all peers are equal, and equal to what the log says."""

from collections.abc import Iterable

from syncline.model.entry import Entry, Kind
from syncline.model.value import Row
from syncline.sim.check.verdict import States, Violation, Where


def check_equal(states: States) -> list[Violation]:
    """P1: the same rows everywhere."""
    found: list[Violation] = []
    names = sorted(states)
    for name in names[1:]:
        for collection, rows in states[names[0]].items():
            others = states[name][collection]
            for key in sorted({*rows, *others}, key=repr):
                if rows.get(key) != others.get(key):
                    text = f"{collection}{key} is {rows.get(key)} at {names[0]} but {others.get(key)} at {name}"
                    found.append(Violation("P1", text))
    return found


def check_fold(entries: Iterable[Entry], states: States) -> list[Violation]:
    """P1: every peer has the row that the log's last entry about the key says."""
    last: dict[Where, tuple[int, Row | None]] = {}
    for entry in entries:
        if entry.kind in (Kind.CHANGE, Kind.SETTLE):
            last.update({(change.collection, change.key): (entry.offset, change.after) for change in entry.changes})
    found: list[Violation] = []
    for (collection, key), (offset, row) in last.items():
        for name in sorted(states):
            stands = states[name][collection].get(key)
            if stands != row:
                found.append(Violation("P1", f"{collection}{key} is {stands} at {name} but {row} in the log since {offset}"))
    return found
