"""The window: what the log holds for every key that some peer has not confirmed yet. State, no decisions, no I/O.

A slot of a key that only one peer touched is a chain of plain records (tuples: cheap, one per change), or the one run that
all keys of a block share. As soon as more than one peer, a correction or a fill is involved it is folded into a `View`. When
a key is not in the window, every peer has it, and a change's own before-image is the current row. See docs/decisions/0001
and 0003.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, repeat
from typing import NamedTuple

import msgspec

from syncline.merge.view import Fill, Record, Run, Slots, View, fold, grow, grow_alone, is_plain
from syncline.model.block import Block
from syncline.model.change import Change, change_of
from syncline.model.entry import Entry, Kind
from syncline.model.limits import CHAIN_LENGTH_MAX
from syncline.model.stamp import NOBODY, Micros, Offset, Stamp
from syncline.model.value import Key


class Parked(NamedTuple):
    """A parked row: from `since` on its peer lacks the key's entries; `retried`: the retry's offset, 0 if none is under way."""

    since: Offset
    retried: Offset = 0


class Line(NamedTuple):
    """Keys that came into the window together, and wait to leave it together."""

    offset: Offset
    collection: str
    keys: list[Key]
    block: Block | None = None  # that has them all


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
        self._queues: dict[str, deque[Line]] = {}  # by writer; NOBODY: needs everyone
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

    def since(self, collection: str, offset: Offset, wanted: Callable[[Block], bool]) -> Iterator[Key]:
        """The keys with something above an offset; of blocks only those that are wanted."""
        slots = self.of(collection)
        lines = (entry for line in self._queues.values() for entry in line if entry.offset > offset)
        lists = [one.keys for one in lines if one.collection == collection and (one.block is None or wanted(one.block))]
        lists.append([key for name, key in self._held if name == collection])
        for key in dict.fromkeys(chain.from_iterable(lists)):
            slot = slots.get(key)
            if slot is not None and slot.offset > offset:
                yield key

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
            self._line(peer).append(Line(offset, collection, keys))

    def record_block(self, block: Block, offset: Offset, peer: str, entry_time: Micros) -> None:
        """Record the plain changes of a block: as a run, but for keys that are in the window already."""
        for place in self._take_run(Run(offset, peer, block.span(entry_time)[1], block, entry_time)):
            self.record_plain(block.collection, (change_of(block, place),), offset, peer, block.time(place, entry_time))

    def record_fills(self, block: Block, offset: Offset, peer: str) -> None:
        """Record the rows of a block that were sent to one joining peer alone."""
        for place in self._take_run(Run(offset, NOBODY, 0, block, 0, fills=peer)):
            self.record_alone(change_of(block, place), offset, peer, fill=True)

    def _take_run(self, run: Run) -> list[int]:
        """Take in the keys of a run that are not in the window; the places of the others' changes, which are to be recorded."""
        block = run.block
        slots, keys = self.of(block.collection), block.keys
        known: dict[Key, None] = {}
        if not slots.keys().isdisjoint(keys):
            known = dict.fromkeys([key for key in keys if key in slots])
            keys = [key for key in keys if key not in known]
        slots.update(dict.fromkeys(keys, run))
        if keys:
            self._line(run.peer).append(Line(run.offset, block.collection, keys, block))
        return [place for key in known for place in block.places(key)]

    def record_change(self, change: Change, offset: Offset, peer: str, time: Micros) -> None:
        """Record one settled change."""
        self._put(change, grow(self.view(change.collection, change.key), change, offset, peer, time))

    def record_alone(self, change: Change, offset: Offset, peer: str, *, fill: bool) -> None:
        """Record a row sent to one peer alone: a fill, or the retry of a parked row."""
        self._put(change, grow_alone(self.view(change.collection, change.key), change, offset, peer, fill=fill))

    def _put(self, change: Change, view: View) -> None:
        self.of(change.collection)[change.key] = view
        self._line(NOBODY).append(Line(view.offset, change.collection, [change.key]))

    def _line(self, writer: str) -> deque["Line"]:
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
                    if entry.to:
                        self.record_alone(change, entry.offset, entry.to, fill=False)
                    else:
                        self.record_change(change, entry.offset, entry.peer, entry.time)
            case Kind.FILL if entry.blocks:
                for block in entry.blocks:
                    self.record_fills(block, entry.offset, entry.to)
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
                _, collection, keys, _ = line.popleft()
                count += self._forget(collection, keys, writer, bound)
        return count

    def _forget(self, collection: str, keys: list[Key], writer: str, bound: Offset) -> int:
        slots = self.slots[collection]
        found = list(map(slots.get, keys))
        run, count = found[0], len(slots)
        if isinstance(run, Run) and not self._held and found.count(run) == len(found):  # all of a block, and nothing since
            if run.offset <= bound and (run.peer == NOBODY) is (writer == NOBODY):
                deque(map(slots.pop, keys, repeat(None)), 0)
            return count - len(slots)
        count = 0
        for key in keys:
            slot = slots.get(key)
            if slot is None or slot.offset > bound or (self._held and (collection, key) in self._held):
                continue
            if (isinstance(slot, View) or slot.peer == NOBODY) is (writer == NOBODY):
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
                self._line(NOBODY if isinstance(slot, View) else slot.peer).appendleft(Line(slot.offset, name[1], [name[2]]))

    def clear(self) -> None:
        """Forget everything (a rebuild follows)."""
        for part in (self.slots, self.exceptions, self.pins, self._queues, self._held):
            part.clear()
        self._floors = Floors()
