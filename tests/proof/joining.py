"""A peer that joins while the stream runs, as the engine does it: one range, read at a member and at the joining peer.

What becomes of the range is decided by the engine's own `merge_range`; here are only the steps around it and their order.
"""

from typing import NamedTuple

from tests.proof.apply import Broken
from tests.proof.audit import Ghost, after, judge
from tests.proof.words import KEY, NAMES, PEERS, A, Written, as_changes, folded

from syncline.engine.range_merge import Own, RangeRows, merge_range
from syncline.merge import transact
from syncline.merge.policy import RuleBook
from syncline.merge.window import Window
from syncline.model.change import Transaction
from syncline.model.entry import Entry, Kind
from syncline.model.stamp import Position
from syncline.model.value import Row

APART, THEIRS, BOTH, JOINED = range(4)


class Join(NamedTuple):
    """How far a join is. `*_left`: items of the history up to the read that were not captured yet."""

    peer: int
    stage: int = APART
    pin: int = 0
    theirs: Row | None = None
    theirs_left: int = 0
    mine: Row | None = None
    mine_left: int = 0
    based: bool = False  # it wrote the row itself, and this is what it had before
    base: Row | None = None
    deleted: bool = False
    waiting: tuple[Written, ...] = ()

    @property
    def apart(self) -> bool:
        """Whether the row was not compared yet: nothing of it is delivered or taken."""
        return self.stage != JOINED


def own_of(join: Join) -> Own:
    """What the engine would have noted of the joining peer's own work."""
    where = (NAMES[0], KEY)
    return Own(bases={where: join.base} if join.based else {}, deleted={where} if join.deleted else set())


def taken(join: Join, peer: int, item: object) -> Join:
    """The join after one more item of a history was captured."""
    if peer == 0:
        return join._replace(theirs_left=max(0, join.theirs_left - 1)) if join.apart else join
    if peer != join.peer:
        return join
    if join.apart and isinstance(item, Written):
        for local in item.changes:
            if not join.based:
                join = join._replace(based=True, base=local.before)
            join = join._replace(deleted=local.after is None)
        if join.stage == BOTH and not join.mine_left:
            join = join._replace(waiting=(*join.waiting, item))
    return join._replace(mine_left=max(0, join.mine_left - 1)) if join.apart else join


class Built(NamedTuple):
    """What a range gives: entries, and the key's truth after them."""

    entries: list[Entry]
    ghost: Ghost


def build(join: Join, window: Window, book: RuleBook, ghost: Ghost, offset: int, context: int, times: list[int]) -> Built:
    """The entries of a range both sides of which were read, recorded in the window. Checks them against the truth."""
    name, collection = PEERS[join.peer], NAMES[0]
    slot = window.of(collection).get(KEY)
    flying = [KEY] if slot is not None and slot.offset > join.pin else []
    theirs = {KEY: join.theirs} if join.theirs is not None else {}
    mine = {KEY: join.mine} if join.mine is not None else {}
    merged = merge_range(window, book[collection], RangeRows(theirs, mine, flying), own_of(join), name, "")
    made: list[Entry] = []
    if merged.changes:
        made.append(Entry(offset, Kind.CHANGE, name, Position(0), context, times[0], tuple(merged.changes)))
    if merged.fills:
        made.append(Entry(offset + len(made), Kind.FILL, time=times[0], changes=tuple(merged.fills), to=name))
    held = ghost.row
    for entry in made:
        ghost = _checked(entry, ghost, join, name)
        window.replay(entry)
    _nothing_lost(made, held, ghost.row, join)
    made.append(Entry(offset + len(made), Kind.JOIN, name, body={"collection": collection, "done": True}))
    for item in join.waiting:
        place = offset + len(made)
        late = Transaction(name, Position(item.seq + 1), item.context, 0, as_changes(item))
        made.append(transact.settle(window, book, late, place, times[item.seq]))
        for local, change in zip(folded(item.changes, len(made[-1].changes)), made[-1].changes, strict=True):
            ghost = judge(ghost, local, change, name, place, book[collection].deletes)
    return Built(made, ghost)


def _checked(entry: Entry, ghost: Ghost, join: Join, name: str) -> Ghost:
    for change in entry.changes:
        if entry.kind is Kind.FILL:
            if change.after != ghost.row:
                raise Broken(f"F24: a fill brings {change.after} and not the log's row {ghost.row}")
        else:
            if change.before != ghost.row:
                raise Broken(f"F24: a join starts from {change.before} and not from the log's row {ghost.row}")
            ghost = after(ghost, join.mine, change, name, entry.offset, ())
    return ghost


def _nothing_lost(entries: list[Entry], held: Row | None, out: Row | None, join: Join) -> None:
    """P2: of two values that meet at a join, the one that does not stand is on record."""
    if held is None or join.mine is None:
        return
    conflicts = [one for entry in entries for change in entry.changes if change.verdict for one in change.verdict.conflicts]
    known = {join.base[A]} if join.base is not None else set()
    for value in {held[A], join.mine[A]} - {out[A] if out is not None else None} - known:
        sides = [(one.ours, one.theirs) for one in conflicts]
        if not any(value in (side.value, (side.row or (None, None))[A]) for pair in sides for side in pair):
            raise Broken(f"P2: {value!r} is lost at the join of {join.mine} with {held}")
