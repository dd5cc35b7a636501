"""Row differences: which keys and fields."""

from hypothesis import given
from hypothesis import strategies as st

from syncline.compare.rows import differing_fields, differing_keys
from syncline.model.value import ABSENT, Key, Row, Tagged

ROWS = st.tuples(st.integers(0, 2), st.sampled_from(["a", "b", None]))
COPIES = st.lists(st.dictionaries(st.tuples(st.integers(0, 4)), ROWS, max_size=5), min_size=1, max_size=3)


def test_missing_extra_and_differing_keys_are_found_once() -> None:
    one: dict[Key, Row] = {(1,): (1, "a"), (2,): (2, "a"), (3,): (3, "a")}
    other: dict[Key, Row] = {(2,): (2, "b"), (3,): (3, "a"), (4,): (4, "a")}
    assert differing_keys([one, other]) == [(1,), (2,), (4,)]
    assert differing_keys([one, one, other]) == [(1,), (2,), (4,)]
    assert differing_keys([one]) == []


@given(COPIES)
def test_a_key_differs_if_and_only_if_some_copy_is_not_as_the_first(copies: list[dict[Key, Row]]) -> None:
    found = differing_keys(copies)
    every = {key for copy in copies for key in copy}
    assert set(found) == {key for key in every if len({copy.get(key) for copy in copies}) > 1}
    assert len(found) == len(set(found))


def test_fields_that_differ_are_named() -> None:
    columns = ("id", "a", "b")
    assert differing_fields(columns, [(1, "x", None), (1, "y", None)]) == ("a",)
    assert differing_fields(columns, [(1, "x", None), None]) == columns
    assert differing_fields(columns, [(1, "x", None), (1, "x", None)]) == ()


def test_kinds_count_even_where_python_calls_values_equal() -> None:
    assert differing_fields(("a",), [(1,), (Tagged("real", "1.0"),)]) == ("a",)
    assert differing_fields(("a",), [("1",), (1,)]) == ("a",)
    assert differing_fields(("a",), [(None,), ("",)]) == ("a",)
    assert differing_fields(("a",), [(b"",), ("",)]) == ("a",)


def test_a_row_without_the_newest_column_differs_in_it() -> None:
    assert differing_fields(("a", "b"), [(1, 2), (1,)]) == ("b",)
    assert differing_fields(("a", "b"), [(1, ABSENT), (1,)]) == ()
