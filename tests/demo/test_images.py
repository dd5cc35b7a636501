"""Conflicts as the ledger wants them: the losing side only, both where nobody lost or somebody must still decide."""

import pytest

from syncline.demo.images import losers
from syncline.demo.judge import Loser
from syncline.model.conflict import Conflict, Side
from syncline.model.value import ABSENT, real

COLUMNS = ("id", "name", "latitude_deg")
OURS = Side("hq", "A", (7, "A", real(1.5)), 1)
THEIRS = Side("van", "B", (7, "B", ABSENT), 2)
A = Loser("navaids", 7, {"id": 7, "name": "A", "latitude_deg": 1.5})
B = Loser("navaids", 7, {"id": 7, "name": "B"})


def conflict(winner: str, *, ours: Side = OURS, theirs: Side = THEIRS, still_open: bool = False) -> Conflict:
    return Conflict("field", "name", "newest", winner, ours, theirs, open=still_open)


@pytest.mark.parametrize(
    ("recorded", "images"),
    [
        (conflict("van"), [A]),
        (conflict("hq"), [B]),
        (conflict(""), [A, B]),
        (conflict("hq", still_open=True), [A, B]),
        (conflict("hq", theirs=Side("hq", "B", None, 2)), [A, Loser("navaids", 7, {"name": "B"})]),
    ],
)
def test_the_losing_sides_images_are_kept(recorded: Conflict, images: list[Loser]) -> None:
    assert list(losers("navaids", COLUMNS, [((7,), recorded)])) == images


def test_a_deleted_side_has_no_image_and_a_whole_row_conflict_no_field() -> None:
    whole = Conflict(
        "delete-update", "", "deletes update_wins", "hq", Side("hq", ABSENT, (7,), 1), Side("van", ABSENT, None, 1)
    )
    assert list(losers("navaids", COLUMNS, [((7,), whole)])) == [Loser("navaids", 7, {})]


def test_a_value_the_demo_cannot_hold_is_refused() -> None:
    with pytest.raises(TypeError, match="not a value of the demo"):
        list(losers("navaids", COLUMNS, [((7,), conflict("van", ours=Side("hq", b"\0", None, 1)))]))
