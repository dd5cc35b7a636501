"""What the window holds for one key: a chain of plain records, a run of a block, or a view folded of them. Pure."""

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

import msgspec

from syncline.model.block import Block
from syncline.model.change import Change, Verdict, change_of
from syncline.model.stamp import NOBODY, Micros, Offset, Stamp
from syncline.model.value import ABSENT, Key, Row, changed_fields, pad


class Record(NamedTuple):
    """A plain change in the window: written by one peer alone, on top of `prev`, plain records of the same peer."""

    offset: Offset
    peer: str
    time: Micros
    change: Change
    prev: "Record | Run | None"
    length: int


class Run(NamedTuple):
    """The plain changes of a block in the window, for all its keys at once; where nothing was in the window before.

    `fills`: the joining peer whose fills they are instead; then `peer` is NOBODY.
    """

    offset: Offset
    peer: str
    time: Micros  # of the last of its rows
    block: Block
    entry_time: Micros
    length: int = 1
    fills: str = ""


ROW = -1  # the place that stands for the row itself


class Fill(NamedTuple):
    """A row sent to a joining peer: until it confirms `offset`, it does not know the fields at `unknown`, it had others."""

    offset: Offset
    unknown: tuple[int, ...]


class View(msgspec.Struct, frozen=True):
    """A key in the window, folded: the current row, the stamps of its fields, and who has not seen what.

    `row` is None while deleted; `last` is then the row before the delete, `dead` the delete's stamp. `touch` is the offset of
    the last entry with an effect at every peer but `spared`, who wrote it in full knowledge of all before it.
    `alone` maps a peer to the offset of the last entry meant for it only (a fill, a retry, a correction). `fills` maps a
    joining peer to its fill: until it has that, it does not know what even those know who have no entry under way.
    """

    offset: Offset
    row: Row | None
    stamps: tuple[Stamp | None, ...]
    last: Row | None = None
    dead: Stamp | None = None
    touch: Offset = 0
    spared: str = NOBODY
    alone: dict[str, Offset] = {}
    fills: dict[str, Fill] = {}

    def touched(self, peer: str) -> Offset:
        """The offset of the last entry that had an effect on this key at `peer`."""
        shared = 0 if peer and peer == self.spared else self.touch
        return max(shared, self.alone.get(peer, 0))


Slot: TypeAlias = Record | Run | View
Slots: TypeAlias = dict[Key, Slot]


PLAIN = Verdict()


def is_plain(verdict: Verdict | None) -> bool:
    """Whether a change was not contended (a moved key alone is plain)."""
    return verdict is None or not (verdict.correct or verdict.full or verdict.merged or verdict.time or verdict.conflicts)


def fold(slot: Slot | None, key: Key) -> View | None:
    """The view of a key's slot: walks a chain of plain records from its oldest."""
    if slot is None or isinstance(slot, View):
        return slot
    chain: list[Record | Run] = []
    record: Record | Run | None = slot
    while record is not None:
        chain.append(record)
        record = record.prev if isinstance(record, Record) else None
    view: View | None = None
    for record in reversed(chain):
        if isinstance(record, Record):
            view = grow(view, record.change, record.offset, record.peer, record.time)
            continue
        for place in record.block.places(key):
            if record.fills:
                view = grow_alone(view, change_of(record.block, place), record.offset, record.fills, fill=True)
                continue
            time = record.block.time(place, record.entry_time)
            view = grow(view, change_of(record.block, place), record.offset, record.peer, time)
    return view


def grow(view: View | None, change: Change, offset: Offset, peer: str, time: Micros) -> View:
    """The view after one more canonical change. The same live and when the window is rebuilt from the log."""
    verdict = change.verdict or PLAIN
    before, after = change.before, change.after
    width = max(len(before or ()), len(after or ()), len(view.stamps) if view else 0)
    stamps = list(view.stamps) if view else []
    stamps += [None] * (width - len(stamps))
    stamp = Stamp(offset, peer, verdict.time or time)
    last, dead = (view.last, view.dead) if view else (None, None)
    if after is not None:
        places: Iterable[int] = range(width)
        if before is not None:
            before, after = pad(before, width), pad(after, width)
            if ABSENT in after:  # not sent: it is what it was
                after = tuple([old if new is ABSENT else new for old, new in zip(before, after, strict=True)])
            places = changed_fields(before, after)
        for place in places:
            if place not in verdict.kept:
                stamps[place] = stamp._replace(peer=NOBODY) if place in verdict.merged else stamp
        last = dead = None
    elif before is not None:
        last, dead = before, stamp
    fills = view.fills if view else {}
    return View(offset, after, tuple(stamps), last, dead, *_touch(view, change, offset, peer), fills)


def _touch(view: View | None, change: Change, offset: Offset, peer: str) -> tuple[Offset, str, dict[str, Offset]]:
    touch, spared, alone = (view.touch, view.spared, view.alone) if view else (0, NOBODY, {})
    verdict = change.verdict or PLAIN
    if change.before != change.after or verdict.full:
        touch, spared = offset, NOBODY if verdict.correct else peer
    elif verdict.correct:
        alone = {**alone, peer: offset}
    return touch, spared, alone


def grow_alone(view: View | None, change: Change, offset: Offset, peer: str, *, fill: bool) -> View:
    """The view after an entry for one peer alone (a fill or a retry): the row stays what it is."""
    after = change.after or ()
    if view is None:
        view = View(offset, change.after, (None,) * len(after))
    fills = {**view.fills, peer: Fill(offset, _unknown(change))} if fill else view.fills
    return msgspec.structs.replace(view, offset=offset, alone={**view.alone, peer: offset}, fills=fills)


def _unknown(change: Change) -> tuple[int, ...]:
    """What a fill's peer, which had `before`, does not know of the log's row `after`."""
    before, after = change.before, change.after
    if before is None or after is None:
        return (ROW, *range(len(before or after or ())))
    return changed_fields(pad(before, len(after)), after)
