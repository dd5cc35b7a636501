"""A key range as it was read at a join, and what a peer did around the reading of it. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from syncline.engine.range_merge import Own
from syncline.model.block import Block
from syncline.model.change import Change
from syncline.model.key import order
from syncline.model.stamp import Offset
from syncline.model.value import Key, Row, Value, pad
from syncline.peers.protocol import Chunk


@dataclass(frozen=True)
class RangeRead:
    """One range as it was read: after < key <= upto, nothing above offset `pin` is released since.

    `lacking`: keys of the collection that are parked at the reference, so that its rows are not the space's.
    """

    after: Key | None
    upto: Key | None
    theirs: Chunk
    mine: Chunk
    pin: Offset
    reference: str
    lacking: frozenset[Key]

    def has(self, key: Key) -> bool:
        """Whether a key is of this range."""
        rank = order(key)
        return (self.after is None or rank > order(self.after)) and (self.upto is None or rank <= order(self.upto))

    def meets(self, block: Block) -> bool:
        """Whether keys of this range may be among those of a block."""
        first, last = map(order, block.bounds)
        return (self.after is None or last > order(self.after)) and (self.upto is None or first <= order(self.upto))


def since(rows: dict[Key, Row | None], changes: Sequence[Change]) -> tuple[Change, ...]:
    """The changes that came after these rows were read; brings the rows up to them.

    Neighbouring transactions may be captured as one, and the read may lie between them: so where the images do not start
    from the row that was read, what counts is the way from that row to the last image.
    """
    keyed: dict[Key, list[Change]] = {}
    for change in changes:
        keyed.setdefault(change.key, []).append(change)
    kept: list[Change] = []
    for key, own in keyed.items():
        row, last = rows.get(key), own[-1]
        rows[key] = last.after
        if own[0].before == row:
            kept += own
        elif last.after != row:
            kept.append(Change(last.collection, key, row, last.after, last.verdict))
    return tuple(kept)


def note(own: Own, change: Change) -> None:
    """What a peer did itself, into what is known of its own work."""
    where = (change.collection, change.key)
    own.bases.setdefault(where, change.before)
    own.last[where] = change.after
    (own.deleted.add if change.after is None else own.deleted.discard)(where)
    own.added[where] = _sum(own.added.get(where, ()), [_whole(now) - _whole(was) for was, now in _sides(change)])


def _sum(one: Sequence[int], other: Sequence[int]) -> tuple[int, ...]:
    return tuple([first + second for first, second in zip_longest(one, other, fillvalue=0)])


def _whole(value: object) -> int:
    return value if type(value) is int else 0


def precede(own: Own, found: Own) -> None:
    """What a peer's history tells of the time before that which is known of its own work already."""
    for where, change in found.last.items():
        if where not in own.last:
            own.last[where], own.added[where] = change, found.added[where]
            if where in found.deleted:
                own.deleted.add(where)
        else:
            own.added[where] = _sum(found.added[where], own.added[where])
    own.bases |= found.bases  # the older base is the right one


def without(own: Own, later: Sequence[Change]) -> Own:
    """What is known of a peer's own work, but for these changes, which it made after its row was read."""
    if not later:
        return own
    last, added = dict(own.last), dict(own.added)
    for change in later:
        where = (change.collection, change.key)
        last[where] = None  # the row that was read says what it was
        row = [_whole(was) - _whole(now) for was, now in _sides(change)]
        added[where] = _sum(added.get(where, ()), row)
    return replace(own, last=last, added=added)


def _sides(change: Change) -> Iterator[tuple[Value, Value]]:
    before, after = change.before or (), change.after or ()
    width = max(len(before), len(after))
    return zip(pad(before, width), pad(after, width), strict=True)
