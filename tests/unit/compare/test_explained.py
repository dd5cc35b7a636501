"""What a peer must hold of a row that never rests, or that nobody can tell."""

from collections.abc import Sequence

import pytest

from syncline.compare.explained import Expected, Step, expected, fits
from syncline.model.stamp import Offset, Position
from syncline.model.value import ABSENT, Row


def step(offset: Offset, peer: str, position: int, value: str, before: str | None = None, *, contested: bool = False) -> Step:
    """A change of the row to a value."""
    return Step(offset, peer, Position(position), None if before is None else (1, before), (1, value), contested)


MINE, OTHER = step(10, "p", 5, "mine", "old"), step(12, "q", 5, "other", "mine")


@pytest.mark.parametrize(
    ("steps", "position", "watermark", "row"),
    [
        ([MINE, OTHER], 9, 12, Expected((1, "other"))),
        ([MINE, OTHER], 9, 11, Expected((1, "mine"))),
        ([MINE, OTHER], 9, 9, Expected((1, "mine"))),  # its own, which it wrote before it was read
        ([MINE, OTHER], 4, 9, Expected((1, "old"))),  # read before it wrote
        ([OTHER], 9, 11, Expected((1, "mine"))),
        ([OTHER, step(13, "p", 6, "again")], 9, 11, None),  # another's change came between
        ([step(13, "p", 6, "again", contested=True)], 9, 11, None),
        ([step(13, "p", 6, "again"), step(14, "p", 7, "more"), OTHER._replace(offset=15)], 9, 11, Expected((1, "more"))),
        ([], 9, 11, None),
    ],
)
def test_p17_the_log_tells_what_a_peer_held(
    steps: Sequence[Step], position: int, watermark: Offset, row: Expected | None
) -> None:
    assert expected(steps, "p", Position(position), watermark) == row


@pytest.mark.parametrize(
    ("held", "row", "same"),
    [
        (None, None, True),
        (None, (1,), False),
        ((1, ABSENT), (1, "x"), True),
        ((1, "x", "y"), (1, "x"), False),
        ((1, "x"), (1, "y"), False),
    ],
)
def test_what_the_log_was_not_sent_does_not_count(held: Row | None, row: Row | None, same: bool) -> None:
    assert fits(held, row) is same
