"""The guard alone: share and absolute count, its minute, what it remembers, approval (F37, P16)."""

import pytest

from syncline.engine.guard import SPAN_SECONDS, Guard
from syncline.model.errors import GuardTripped
from syncline.model.space import Settings
from syncline.model.write import Batch, Op, Write


def deletes(upto: int, count: int, collection: str = "items") -> Batch:
    """A batch that deletes so many rows, beside an upsert."""
    keys = tuple((upto * 10_000 + key,) for key in range(count))
    gone = Write(Op.DELETE, collection, keys)
    return Batch(upto, (gone, Write(Op.UPSERT, collection, ((1,),), ("id",), (), ((1,),))), count + 1)


def guard(rows: int, *, share: float = 0.5, least: int = 100) -> Guard:
    """A guard at a peer with so many rows in each of two collections."""
    made = Guard("q", Settings(guard_delete_share=share, guard_delete_rows=least))
    made.count({"items": rows, "other": rows})
    return made


def test_p16_over_share_and_count_trips() -> None:
    with pytest.raises(GuardTripped) as caught:
        guard(150).check(deletes(7, 100), 0.0, 0)
    assert caught.value.where == {"peer": "q", "collection": "items", "offset": 7}
    assert "100 deletes would hit 150 rows" in caught.value.what
    assert "--approve" in caught.value.hint


@pytest.mark.parametrize(("rows", "count"), [(150, 99), (200, 100), (1_000_000, 499_999)])
def test_p16_below_share_or_count_passes(rows: int, count: int) -> None:
    guard(rows).check(deletes(7, count), 0.0, 0)


def test_f37_an_emptied_source_trips_whatever_its_size_beyond_the_count() -> None:
    with pytest.raises(GuardTripped):
        guard(100).check(deletes(1, 100), 0.0, 0)


def test_small_batches_add_up_within_the_minute() -> None:
    brake = guard(150)
    for place in range(1, 8):
        brake.check(deletes(place, 10), place, 0)
    brake.check(deletes(8, 20), 9.0, 0)
    with pytest.raises(GuardTripped):
        brake.check(deletes(9, 10), 10.0, 0)


def test_a_new_minute_counts_anew() -> None:
    brake = guard(150)
    brake.check(deletes(1, 90), 0.0, 0)
    brake.check(deletes(2, 90), SPAN_SECONDS + 1, 0)


def test_collections_are_counted_apart() -> None:
    brake = guard(150)
    brake.check(deletes(1, 90), 0.0, 0)
    brake.check(deletes(2, 90, "other"), 0.0, 0)
    with pytest.raises(GuardTripped):
        brake.check(deletes(3, 10), 0.0, 0)


def test_p16_having_tripped_it_holds_smaller_batches_and_later_minutes() -> None:
    """A session that begins again sends the same deletes in other portions."""
    brake = guard(150)
    with pytest.raises(GuardTripped):
        brake.check(deletes(9, 120), 0.0, 0)
    for now in (1.0, 2 * SPAN_SECONDS):
        with pytest.raises(GuardTripped):
            brake.check(deletes(5, 1), now, 0)
    brake.check(deletes(10, 1), 2 * SPAN_SECONDS, 0)


def test_approved_deletes_pass_and_are_not_counted() -> None:
    brake = guard(150)
    with pytest.raises(GuardTripped):
        brake.check(deletes(9, 120), 0.0, 0)
    brake.check(deletes(9, 120), 1.0, 9)
    brake.check(deletes(10, 90), 2.0, 9)
    with pytest.raises(GuardTripped):
        brake.check(deletes(11, 10), 2.0, 9)


def test_rows_that_came_since_are_counted_with_those_deleted_already() -> None:
    """A peer that joined empty has its rows by now; half of what it had is still half of it."""
    brake = guard(0)
    assert brake.exceeds(deletes(1, 100), 0.0, 0) == "items"
    brake.count({"items": 1_000})
    brake.check(deletes(1, 400), 0.0, 0)
    assert brake.exceeds(deletes(2, 101), 1.0, 0) == "items"
    brake.count({"items": 600})
    assert brake.exceeds(deletes(2, 101), 1.0, 0) == "items"
    assert brake.exceeds(deletes(2, 100), 1.0, 0) == ""


def test_share_one_never_trips() -> None:
    guard(100, share=1.0).check(deletes(1, 100), 0.0, 0)
