"""The window: what the log holds for every key that some peer has not confirmed yet. State, no decisions, no I/O.

A slot of a key that only one peer touched is a chain of plain records (tuples: cheap, one per change), or the one run that
all keys of a block share. As soon as more than one peer, a correction or a fill is involved it is folded into a `View`. When
a key is not in the window, every peer has it, and a change's own before-image is the current row. See docs/decisions/0001
and 0003.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, TypeAlias

import msgspec

from syncline.model.block import Block
from syncline.model.change import Change, Verdict, change_of
from syncline.model.entry import Entry, Kind
from syncline.model.limits import CHAIN_LENGTH_MAX
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
    """The plain changes of a block in the window, for all its keys at once; where nothing was in the window before."""

    offset: Offset
    peer: str
    time: Micros  # of the last of its rows
    block: Block
    entry_time: Micros
    length: int = 1


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


class Parked(NamedTuple):
    """A parked row: from `since` on its peer lacks the key's entries; `retried`: the retry's offset, 0 if none is under way."""

    since: Offset
    retried: Offset = 0


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


class Floors(NamedTuple):
    """How far everybody has confirmed the log: `everyone`, and `others`, which is everyone but `slowest`."""

    everyone: Offset = 0
    slowest: str = NOBODY
    others: Offset = 0

    def below(self, writer: str) -> Offset:
        """The offset up to which everybody but the writer itself has confirmed; a NOBODY needs everybody."""
        return self.others if writer and writer == self.slowest else self.everyone


def floors_of(confirmed: Mapping[str, Offset], pins: Iterable[Offset]) -> Floors:
    """The floors for captured watermarks by peer; nothing above a pin counts as confirmed."""
    if not confirmed:
        return Floors()
    ranked = sorted((at, peer) for peer, at in confirmed.items())
    everyone, slowest = ranked[0]
    others = ranked[1][0] if len(ranked) > 1 else everyone
    pin = min(pins, default=others)
    return Floors(min(everyone, pin), slowest, min(others, pin))


class Window:
    """All keys in flight, by collection. The single writer of the log records each entry here, in order.

    A plain chain of one peer leaves once every *other* peer confirmed it (its writer has it by definition); any other slot
    once every peer did. A parked exception holds its key, and ends when its peer confirmed the retry.

    To rebuild: park what is parked, replay the data entries after the lowest of all captured watermarks and of the offsets
    just before the exceptions, then release. The rebuilt window decides as the one that was lost.
    """

    def __init__(self) -> None:
        self.slots: dict[str, Slots] = {}
        self.exceptions: dict[tuple[str, str, Key], Parked] = {}
        self.pins: dict[str, Offset] = {}  # nothing above these offsets is released (a join reads rows beside the stream)
        self._floors = Floors()
        self._queues: dict[str, deque[tuple[Offset, str, list[Key]]]] = {}  # by writer; NOBODY: needs everyone
        self._held: dict[tuple[str, Key], int] = {}

    def __len__(self) -> int:
        return sum(map(len, self.slots.values()))

    def of(self, collection: str) -> Slots:
        """The slots of one collection."""
        slots = self.slots.get(collection)
        if slots is None:
            slots = self.slots[collection] = {}
        return slots

    def view(self, collection: str, key: Key) -> View | None:
        """What the log holds for a key, or None if every peer has it. Stamps that every peer has are left out, so that a
        decision does not depend on what happens to be released (a restart would change it)."""
        view = fold(self.of(collection).get(key), key)
        if view is None:
            return None
        forgotten = self._forgotten(collection, key, view.fills)
        stamps = tuple([None if one is None or forgotten(one) else one for one in view.stamps])
        dead = None if view.dead is None or forgotten(view.dead) else view.dead
        if stamps == view.stamps and dead == view.dead:
            return view
        return msgspec.structs.replace(view, stamps=stamps, dead=dead, last=view.last if dead else None)

    def _forgotten(self, collection: str, key: Key, fills: Mapping[str, Fill]) -> Callable[[Stamp], bool]:
        """Whether everybody but a stamp's writer has confirmed it, and has its effect on this key (no row parked there).

        A peer that has not confirmed its fill needs its own stamps: it would take a stamp that is left out for news.
        """
        floors = self._floors
        filling = {peer for peer, fill in fills.items() if fill.offset > floors.everyone}
        lacking = [
            (name[0], parked.since)
            for name, parked in (self.exceptions.items() if (collection, key) in self._held else ())
            if name[1:] == (collection, key)
        ]

        def forgotten(stamp: Stamp) -> bool:
            offset, writer, _ = stamp
            if offset > (floors.everyone if writer in filling else floors.below(writer)):
                return False
            return not any(peer != writer and since <= offset for peer, since in lacking)

        return forgotten

    def context(self, peer: str, collection: str, key: Key, context: Offset) -> Offset:
        """What a peer's change of a key had seen: as captured, but before the parked entry until the retry was applied."""
        parked = self.exceptions.get((peer, collection, key))
        return context if parked is None or 0 < parked.retried <= context else min(context, parked.since - 1)

    def record_plain(self, collection: str, changes: Iterable[Change], offset: Offset, peer: str, time: Micros) -> None:
        """Record plain changes of one transaction: chained where their peer alone touched the key, folded elsewhere."""
        slots = self.of(collection)
        keys: list[Key] = []
        for change in changes:
            key = change.key
            prev = slots.get(key)
            if prev is None:
                slots[key] = Record(offset, peer, time, change, None, 1)
            elif not isinstance(prev, View) and prev.peer == peer and prev.length < CHAIN_LENGTH_MAX:
                slots[key] = Record(offset, peer, time, change, prev, prev.length + 1)
            else:
                self._put(change, grow(fold(prev, key), change, offset, peer, time))
                continue
            keys.append(key)
        if keys:
            self._line(peer).append((offset, collection, keys))

    def record_block(self, block: Block, offset: Offset, peer: str, entry_time: Micros) -> None:
        """Record the plain changes of a block: as a run, but for keys that are in the window already."""
        slots, keys = self.of(block.collection), block.keys
        run = Run(offset, peer, block.span(entry_time)[1], block, entry_time)
        if not slots.keys().isdisjoint(keys):
            known = dict.fromkeys([key for key in keys if key in slots])
            for place in [place for key in known for place in block.places(key)]:
                change = change_of(block, place)
                self.record_plain(block.collection, (change,), offset, peer, block.time(place, entry_time))
            keys = [key for key in keys if key not in known]
        slots.update(dict.fromkeys(keys, run))
        if keys:
            self._line(peer).append((offset, block.collection, keys))

    def record_change(self, change: Change, offset: Offset, peer: str, time: Micros) -> None:
        """Record one settled change."""
        self._put(change, grow(self.view(change.collection, change.key), change, offset, peer, time))

    def record_alone(self, change: Change, offset: Offset, peer: str, *, fill: bool) -> None:
        """Record a row sent to one peer alone: a fill, or the retry of a parked row."""
        self._put(change, grow_alone(self.view(change.collection, change.key), change, offset, peer, fill=fill))

    def _put(self, change: Change, view: View) -> None:
        self.of(change.collection)[change.key] = view
        self._line(NOBODY).append((view.offset, change.collection, [change.key]))

    def _line(self, writer: str) -> deque[tuple[Offset, str, list[Key]]]:
        line = self._queues.get(writer)
        if line is None:
            line = self._queues[writer] = deque()
        return line

    def replay(self, entry: Entry) -> None:
        """Record an entry read back from the log, exactly as it was recorded when it was made."""
        match entry.kind:
            case Kind.CHANGE if entry.blocks:
                for block in entry.blocks:
                    self.record_block(block, entry.offset, entry.peer, entry.time)
            case Kind.CHANGE:
                for change in entry.changes:
                    if is_plain(change.verdict):
                        self.record_plain(change.collection, (change,), entry.offset, entry.peer, entry.time)
                    else:
                        self.record_change(change, entry.offset, entry.peer, entry.time)
            case Kind.SETTLE:
                for change in entry.changes:
                    self.record_change(change, entry.offset, NOBODY, entry.time)
            case Kind.FILL | Kind.RETRY:
                for change in entry.changes:
                    self.record_alone(change, entry.offset, entry.to, fill=entry.kind is Kind.FILL)
                    if entry.kind is Kind.RETRY:
                        self.retry(entry.to, change.collection, change.key, entry.offset)
            case Kind.PARK:
                for change in entry.changes:
                    if (entry.peer, change.collection, change.key) in self.exceptions:  # the retry before it was refused
                        self.park(entry.peer, change.collection, change.key, (entry.body or {}).get("since", entry.offset))

    def park(self, peer: str, collection: str, key: Key, since: Offset) -> None:
        """From `since` on, `peer` lacks this key's entries. The key stays in the window. A refused retry keeps the first."""
        name = (peer, collection, key)
        known = self.exceptions.get(name)
        if known is None:
            self._held[collection, key] = self._held.get((collection, key), 0) + 1
        elif not 0 < known.retried < since:  # the retry itself was refused, or something before it
            since = known.since
        self.exceptions[name] = Parked(since)

    def retry(self, peer: str, collection: str, key: Key, offset: Offset) -> None:
        """The entry at `offset` brings the row to this peer again: the exception ends once the peer confirmed it."""
        name = (peer, collection, key)
        parked = self.exceptions.get(name)
        if parked is not None and parked.since <= offset:  # not a retry of old, met again in a replay
            self.exceptions[name] = Parked(parked.since, offset)

    def release(self, confirmed: Mapping[str, Offset]) -> int:
        """Forget what no peer can be ignorant of any more. `confirmed` maps each peer to its captured watermark; how many."""
        for name, parked in list(self.exceptions.items()):
            if 0 < parked.retried <= confirmed.get(name[0], 0):
                self._unpark(name)
        self._floors = floors_of(confirmed, self.pins.values())
        count = 0
        for writer, line in self._queues.items():
            bound = self._floors.below(writer)
            while line and line[0][0] <= bound:
                _, collection, keys = line.popleft()
                count += self._forget(collection, keys, writer, bound)
        return count

    def _forget(self, collection: str, keys: list[Key], writer: str, bound: Offset) -> int:
        slots = self.slots[collection]
        count = 0
        for key in keys:
            slot = slots.get(key)
            if slot is None or slot.offset > bound or (self._held and (collection, key) in self._held):
                continue
            if isinstance(slot, View) is (writer == NOBODY):
                del slots[key]
                count += 1
        return count

    def _unpark(self, name: tuple[str, str, Key]) -> None:
        del self.exceptions[name]
        held = name[1:]
        self._held[held] -= 1
        if not self._held[held]:
            del self._held[held]
            slot = self.of(name[1]).get(name[2])
            if slot is not None:
                self._line(NOBODY if isinstance(slot, View) else slot.peer).appendleft((slot.offset, name[1], [name[2]]))

    def clear(self) -> None:
        """Forget everything (a rebuild follows)."""
        for part in (self.slots, self.exceptions, self.pins, self._queues, self._held):
            part.clear()
        self._floors = Floors()
