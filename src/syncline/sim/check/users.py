"""P2, P3, P4, P7 from the users' side: what they were told against what stands in the end. Trusts no image in the log."""

from collections import defaultdict
from collections.abc import Iterator

from syncline.model.change import Change
from syncline.model.value import Value
from syncline.sim.check.books import Books
from syncline.sim.check.verdict import States, Tables, Violation, Where
from syncline.sim.ledger import Acked
from syncline.sim.shape import FIELDS, Field, registers, set_items

Write = tuple[Acked, int, Where, int]  # whose write, which change of it, where, at which place


def check_lost(books: Books, states: States) -> list[Violation]:
    """P2: every register write is final, superseded by a write that had seen it, or kept in a conflict record."""
    writes = _writes(books)
    final = _final(states)
    found: list[Violation] = []
    for value, (acked, order, where, place) in writes.items():
        if acked.early or acked.void or value in final or value in books.kept[where]:
            continue
        if not _superseded(books, acked, order, where, place):
            field = f"{where[0]}{where[1]} field {place}"
            found.append(Violation("P2", f"{value!r}, written to {field} by commit {acked.number} of {acked.peer}, is lost"))
    return found


def _superseded(books: Books, acked: Acked, order: int, where: Where, place: int) -> bool:
    for later in books.ledger.acked:
        if later is acked:
            rest = acked.changes[order + 1 :]
        elif books.saw(later, acked, where, place):
            rest = later.changes
        else:
            continue
        if any((change.collection, change.key) == where and _touches(change, place) for change in rest):
            return True
    return False


def _touches(change: Change, place: int) -> bool:
    if change.after is None or change.before is None:
        return True
    return change.after[place] != change.before[place]


def check_early(books: Books, states: States) -> list[Violation]:
    """P2: of what a peer wrote before it was part of the space, the last value of each field is somewhere."""
    last: dict[tuple[str, Where, int], Value] = {}
    for acked in books.ledger.acked:
        if acked.void:
            continue
        for change in acked.changes:
            where = (change.collection, change.key)
            for place in range(len(FIELDS[change.collection])):
                last.pop((acked.peer, where, place), None)
            if not acked.early:
                continue  # its own later write, which others look after
            for place, value in registers(change.collection, change.after).items():
                last[acked.peer, where, place] = value
    known = _final(states) | {value for kept in books.kept.values() for value in kept}
    for entry in books.entries:
        for change in entry.changes:
            known.update(change.before or ())
            known.update(change.after or ())
    return [
        Violation("P2", f"{value!r}, the last early value of {where[0]}{where[1]} field {place} at {peer}, is nowhere")
        for (peer, where, place), value in last.items()
        if value not in known
    ]


def check_resurrected(books: Books, states: States) -> list[Violation]:
    """P3: nothing stands that a delete had seen, unless the delete lost and the record says so."""
    writes = {(write[2], value): write for value, write in _written(books)}
    standing = {
        ((collection, key), value)
        for tables in states.values()
        for collection, rows in tables.items()
        for key, row in rows.items()
        for value in registers(collection, row).values()
    }
    deletes = [
        (acked, order, (change.collection, change.key))
        for acked in books.ledger.counted
        for order, change in enumerate(acked.changes)
        if change.after is None
    ]
    found: list[Violation] = []
    for where, value in sorted(standing, key=repr):
        write = writes.get((where, value))
        if write is None or write[0].early or value in books.kept[where] or (where, value) in books.brought:
            continue
        acked, order, _, place = write
        for delete, rank, target in deletes:
            seen = rank > order if delete is acked else books.saw(delete, acked, where, place)
            if target == where and seen and not books.overruled(delete, target):
                text = f"{value!r} stands in {where[0]}{where[1]} though commit {delete.number} of {delete.peer} had deleted it"
                found.append(Violation("P3", text))
                break
    return found


def check_invented(books: Books, states: States) -> list[Violation]:
    """P4: every register value, set item and line of text was written by someone."""
    known = set(books.ledger.initial)
    for acked in books.ledger.acked:
        for change in acked.changes:
            known.update(atom for atom in atoms(change.collection, change.after))
    return [
        Violation("P4", f"{atom!r} stands in {collection}{key} at {peer}, and nobody wrote it")
        for peer, tables in sorted(states.items())
        for collection, rows in tables.items()
        for key, row in rows.items()
        for atom in atoms(collection, row)
        if atom not in known
    ]


def check_counters(books: Books, states: States, initial: Tables) -> list[Violation]:
    """P7: where a row lived all the time, its counter is its first value and all acknowledged increments, each once."""
    sums: dict[tuple[Where, int], int] = defaultdict(int)
    born: set[Where] = set()
    for acked in books.ledger.acked:
        for change in acked.changes:
            where = (change.collection, change.key)
            early = acked.early and (acked.peer, acked.number) not in books.recounted
            if change.before is None or change.after is None or early or acked.void:
                born.add(where)
                continue
            for place in counters(change.collection):
                sums[where, place] += number(change.after[place]) - number(change.before[place])
    found: list[Violation] = []
    for peer, tables in sorted(states.items()):
        for (where, place), total in sums.items():
            if where in born:
                continue
            start = initial.get(where[0], {}).get(where[1])
            stands = tables[where[0]].get(where[1])
            if start is None or stands is None:
                continue
            if number(stands[place]) != number(start[place]) + total:
                right = number(start[place]) + total
                found.append(Violation("P7", f"{where[0]}{where[1]} counts {stands[place]!r} at {peer}; it should be {right}"))
    return found


def counters(collection: str) -> list[int]:
    """The places of a collection's counters."""
    return [place for place, field in enumerate(FIELDS[collection]) if field is Field.COUNTER]


def number(value: Value) -> int:
    """A counter's value; NULL counts as 0."""
    return value if isinstance(value, int) else 0


def atoms(collection: str, row: tuple[Value, ...] | None) -> Iterator[Value]:
    """The smallest written things in a row: register values, set items, lines."""
    for field, value in zip(FIELDS[collection], row or (), strict=False):
        if field is Field.REGISTER and value is not None:
            yield value
        elif field is Field.SET:
            yield from sorted(set_items(value))
        elif field is Field.TEXT and isinstance(value, str):
            yield from value.split("\n")


def _writes(books: Books) -> dict[Value, Write]:
    """Who wrote each register value, and where last (a moved row takes its values along)."""
    return dict(_written(books))


def _written(books: Books) -> Iterator[tuple[Value, Write]]:
    """Every register value that somebody wrote into a row, in the order of the writing."""
    for acked in books.ledger.acked:
        for order, change in enumerate(acked.changes):
            old = registers(change.collection, change.before)
            for place, value in registers(change.collection, change.after).items():
                if old.get(place) != value:
                    yield value, (acked, order, (change.collection, change.key), place)


def _final(states: States) -> set[Value]:
    return {
        value
        for tables in states.values()
        for collection, rows in tables.items()
        for row in rows.values()
        for value in registers(collection, row).values()
    }
