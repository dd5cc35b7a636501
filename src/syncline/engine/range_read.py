"""A key range as it was read at a join, and what a peer did around the reading of it. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from syncline.engine.range_merge import Own, Where
from syncline.merge.copies import whole
from syncline.model.block import Block
from syncline.model.change import Change
from syncline.model.key import order
from syncline.model.stamp import Offset
from syncline.model.value import ABSENT, Key, Row, Value, changed_fields, pad
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


def beyond(last: Mapping[Where, Row | None], changes: Sequence[Change]) -> list[Change]:
    """The changes but for what led to these rows already: what is captured as one may have been told in part."""
    keyed: dict[Where, list[Change]] = {}
    for change in changes:
        keyed.setdefault((change.collection, change.key), []).append(change)
    found: list[Change] = []
    for where, own in keyed.items():
        found += since({where[1]: last[where]}, own) if where in last else own
    return found


def note(own: Own, change: Change) -> None:
    """What a peer did itself, into what is known of its own work."""
    where, after = (change.collection, change.key), whole(change)
    own.bases.setdefault(where, change.before)
    own.last[where] = after
    own.values[where] = _over(() if change.before is None else own.values.get(where, ()), _written(change.before, after))
    if after is None:
        own.deleted.add(where)
    own.added[where] = _sum(own.added.get(where, ()), [_whole(now) - _whole(was) for was, now in _sides(change)])


def _written(before: Row | None, after: Row | None) -> Row:
    """The values that a change gave fields; ABSENT in the others. A deleted row has none."""
    if before is None or after is None:
        return after or ()
    places = changed_fields(before, after)
    return tuple([value if place in places else ABSENT for place, value in enumerate(after)])


def _over(older: Row, newer: Row) -> Row:
    """What was written last into each field."""
    sides = zip_longest(older, newer, fillvalue=ABSENT) if newer else ()
    return tuple([was if now is ABSENT else now for was, now in sides])


def _sum(one: Sequence[int], other: Sequence[int]) -> tuple[int, ...]:
    return tuple([first + second for first, second in zip_longest(one, other, fillvalue=0)])


def _whole(value: object) -> int:
    return value if type(value) is int else 0


def without(own: Own, later: Sequence[Change]) -> Own:
    """What is known of a peer's own work, but for these changes, which it made after its row was read."""
    if not later:
        return own
    last, values, added = dict(own.last), dict(own.values), dict(own.added)
    for change in later:
        where = (change.collection, change.key)
        last[where] = None  # the row that was read says what it was
        again = _written(change.before, whole(change))  # nobody misses what it wrote over itself
        fields = zip_longest(values.get(where, ()), again, fillvalue=ABSENT) if again else ()
        values[where] = tuple([mine if now is ABSENT else ABSENT for mine, now in fields])
        row = [_whole(was) - _whole(now) for was, now in _sides(change)]
        added[where] = _sum(added.get(where, ()), row)
    return replace(own, last=last, values=values, added=added)


def _sides(change: Change) -> Iterator[tuple[Value, Value]]:
    before, after = change.before or (), change.after or ()
    width = max(len(before), len(after))
    return zip(pad(before, width), pad(after, width), strict=True)
