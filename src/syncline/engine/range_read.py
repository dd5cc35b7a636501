"""A key range as it was read at a join, and what a peer did around the reading of it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from syncline.engine.range_merge import Own
from syncline.model.change import Change
from syncline.model.key import order
from syncline.model.stamp import Offset
from syncline.model.value import Key, Row
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
