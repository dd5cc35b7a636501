"""What a peer must hold of a row that never rests: the log tells it, for the moment at which the peer was read. Pure.

Two copies of a row that changes all the time cannot be compared with each other. Each of them can be compared with the log: a
peer that has everything through its watermark holds what the log held there, unless it has written the row since. Then it holds
what it wrote, if nobody else's change came between. Where that cannot be told, nothing is said.
"""

from collections.abc import Sequence
from typing import NamedTuple

from syncline.model.stamp import Offset, Position
from syncline.model.value import ABSENT, Row, pad


class Step(NamedTuple):
    """One change of the row in the log. `contested`: it is not just what its writer wrote."""

    offset: Offset
    peer: str
    position: Position | None
    before: Row | None
    after: Row | None
    contested: bool


class Expected(NamedTuple):
    """What a peer must hold; None: no row."""

    row: Row | None


def expected(steps: Sequence[Step], peer: str, position: Position, watermark: Offset) -> Expected | None:
    """What the peer held at `position` and `watermark`, by the row's last changes in the log; None if nobody can tell."""
    later = [one for one in steps if one.offset > watermark]
    own = [one for one in later if one.peer == peer and one.position is not None and one.position <= position]
    if own:
        last = own[-1]
        others = any(one.peer != peer for one in later if one.offset < last.offset)
        return None if others or any(one.contested for one in own) else Expected(last.after)
    earlier = [one for one in steps if one.offset <= watermark]
    if earlier:
        return Expected(earlier[-1].after)
    return Expected(later[0].before) if later else None


def fits(held: Row | None, row: Row | None) -> bool:
    """Whether a peer has the log's row; what the log was not sent does not count."""
    if held is None or row is None:
        return held is row
    return all(mine is ABSENT or mine == its for mine, its in zip(held, pad(row, len(held)), strict=False))
