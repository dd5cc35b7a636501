"""Writes by columns: keys and rows are made when somebody asks, and then they are as if they had been there."""

from collections.abc import Sequence

from syncline.model.block import Series
from syncline.model.forms import INTEGER, PLAIN, TEXT
from syncline.model.write import Late, Op, Write

IDS = Series(INTEGER, [b"1", b"2"])
NAMES = Series(TEXT, [b"a", None])
ADDED = Series(PLAIN, [5, -1])


def test_what_is_made_late_is_made_once_and_only_when_asked() -> None:
    made: list[int] = []

    def make() -> Sequence[int]:
        made.append(1)
        return [1, 2, 3]

    late = Late(3, make)
    assert len(late) == 3
    assert not made
    assert (late[0], late[1:], list(late), 2 in late) == (1, [2, 3], [1, 2, 3], True)
    assert made == [1]


def test_what_is_made_late_is_equal_to_what_was_there() -> None:
    late = Late(2, lambda: [1, 2])
    there: Sequence[int] = (1, 2)
    assert late == there
    assert there == late
    assert late == Late(2, lambda: [1, 2])
    assert late != (1, 3)
    assert late != 5
    assert hash(late) == hash((1, 2))
    assert repr(late) == "(1, 2)"


def test_an_upsert_by_columns_has_its_rows_whole() -> None:
    write = Write.of_series(Op.UPSERT, "items", (NAMES, IDS), ("name", "id"), key_places=(1,))
    assert (write.keys, write.rows) == (((1,), (2,)), (("a", 1), (None, 2)))
    assert (len(write.keys), write.fields, write.deltas, write.series) == (2, ("name", "id"), (), (NAMES, IDS))


def test_an_update_by_columns_has_its_key_first() -> None:
    write = Write.of_series(Op.UPDATE, "items", (IDS, NAMES, ADDED), ("name",), ("n",), key_places=(0,))
    assert (write.keys, write.rows) == (((1,), (2,)), (("a", 5), (None, -1)))


def test_a_delete_by_columns_has_only_keys() -> None:
    write = Write.of_series(Op.DELETE, "items", (IDS, NAMES), key_places=(0, 1))
    assert (write.keys, write.rows) == (((1, "a"), (2, None)), ())
    assert len(write.rows) == 0
