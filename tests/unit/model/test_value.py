"""Values: kinds, floats both ways, what changed between two rows, how they look to people and programs."""

import copy
import json
import math
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.model.strategies import ROWS, VALUES

from syncline.model.errors import CodecError
from syncline.model.value import (
    ABSENT,
    Absent,
    Row,
    Tagged,
    Value,
    changed_fields,
    kind_of,
    pad,
    plain,
    real,
    show,
    show_key,
    to_float,
)


def test_there_is_one_absent_value_and_it_is_not_null() -> None:
    assert ABSENT == Absent() == copy.deepcopy(ABSENT) == copy.copy(ABSENT)
    assert pickle.loads(pickle.dumps(ABSENT)) == ABSENT
    assert len({ABSENT, Absent()}) == 1
    assert ABSENT != None  # noqa: E711
    assert repr(ABSENT) == "ABSENT"


@given(st.floats())
def test_d4_floats_are_exact_both_ways(number: float) -> None:
    back = to_float(real(number))
    assert math.isnan(back) if math.isnan(number) else (back, math.copysign(1, back)) == (number, math.copysign(1, number))


def test_d4_another_kind_is_not_a_float() -> None:
    with pytest.raises(CodecError, match="decimal value is not a real"):
        to_float(Tagged("decimal", "1.5"))


@given(st.lists(st.tuples(VALUES, VALUES), max_size=6))
def test_fields_of_equally_wide_rows_are_compared_one_by_one(pairs: list[tuple[Value, Value]]) -> None:
    before, after = tuple(one for one, _ in pairs), tuple(other for _, other in pairs)
    assert changed_fields(before, after) == tuple(place for place, (one, other) in enumerate(pairs) if one != other)


def test_a_column_that_was_added_since_counts_as_changed_if_it_has_a_value() -> None:
    assert changed_fields((1, "a"), (1, "b", "new")) == (1, 2)
    assert changed_fields((1, "a"), (1, "a", None)) == (2,)
    assert changed_fields((1, "a"), (1, "a", ABSENT)) == ()
    assert changed_fields((1, "a", "b"), (1, "x")) == (1,), "what was not sent did not change"


@given(ROWS, st.integers(0, 8))
def test_a_padded_row_is_wide_enough_and_starts_as_it_was(row: Row, width: int) -> None:
    padded = pad(row, width)
    assert len(padded) == max(len(row), width)
    assert padded[: len(row)] == row
    assert set(padded[len(row) :]) <= {ABSENT}


@pytest.mark.parametrize(
    ("value", "kind", "shown", "as_json"),
    [
        (None, "null", "NULL", None),
        (12, "integer", "12", 12),
        (2**60, "integer", str(2**60), {"integer": str(2**60)}),
        ("it's", "text", '"it\'s"', "it's"),
        (b"\x00\xff", "bytes", "x'00ff'", {"bytes": "00ff"}),
        (Tagged("real", "1.5"), "real", "1.5", 1.5),
        (Tagged("real", "0.1"), "real", "0.1", 0.1),
        (Tagged("real", "nan"), "real", "nan", {"real": "nan"}),
        (Tagged("real", "-inf"), "real", "-inf", {"real": "-inf"}),
        (Tagged("decimal", "0.10"), "decimal", "decimal 0.10", {"decimal": "0.10"}),
        (ABSENT, "absent", "(not sent)", {"absent": True}),
    ],
)
def test_every_kind_of_value_can_be_shown(value: Value, kind: str, shown: str, as_json: object) -> None:
    assert kind_of(value) == kind
    assert show(value) == shown
    assert plain(value) == as_json


@given(ROWS)
def test_any_value_is_fit_for_json_and_for_people(row: Row) -> None:
    assert json.loads(json.dumps([plain(value) for value in row])) == [plain(value) for value in row]
    assert show_key(row) == ", ".join(map(show, row))


@given(VALUES, VALUES)
def test_values_that_differ_look_different_to_programs(one: Value, other: Value) -> None:
    if one != other:
        assert plain(one) != plain(other)
