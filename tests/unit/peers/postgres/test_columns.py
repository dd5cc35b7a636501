"""Columns: a whole column is written as its values are one by one, or not at all."""

from collections.abc import Sequence
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncline.model.value import Tagged, Value
from syncline.peers.postgres.columns import store_column
from syncline.peers.postgres.convert import BOOL, BPCHAR, BYTEA, FLOAT8, JSONB, NUMERIC, Type, store
from syncline.peers.storing import Unstorable

TYPES = [
    *[Type(oid, "t") for oid in (20, 21, 23, 25, 1043, 1184, BOOL, BPCHAR, BYTEA, FLOAT8, JSONB, NUMERIC, 99_999)],
    *[Type(NUMERIC, f"numeric(12,{scale})", scale=scale) for scale in (0, 2, 5)],
]
NUMBERS = st.sampled_from(
    ["1.5", "-1.5", "0.25", "-0.25", "1.50", "1.0", "-0.0", "00.5", "1e300", "nan", "inf", "1.123", "٣.5", "7"]
)
TAGGED = st.one_of(
    st.builds(Tagged, st.sampled_from(["real", "decimal"]), NUMBERS),
    st.builds(
        Tagged, st.sampled_from(["json", "instant", "boolean", "oversize", "rawtext"]), st.sampled_from(["t", "{}", "a\0b", ""])
    ),
)
VALUES: st.SearchStrategy[Value] = st.one_of(
    st.none(), st.integers(-(2**70), 2**70), st.integers(-5, 5), st.sampled_from([32_767, 32_768]), TAGGED,
    st.binary(max_size=3),
    st.sampled_from(["", "a", "a ", " ", "a\0b", "\0", "é", "\ud800", "1.5", "a\tb\\c"]),
)  # fmt: skip
ALIKE = st.sampled_from(
    [st.integers(-5, 5), TAGGED, st.sampled_from(["", "a", "b ", "x\0"]), NUMBERS.map(lambda text: Tagged("real", text))]
)


def one_by_one(values: Sequence[Value], kind: Type) -> list[str | None] | None:
    """What `store` makes of each, or None."""
    try:
        return [store(value, kind) for value in values]
    except (Unstorable, ArithmeticError, ValueError):
        return None


@settings(max_examples=600, deadline=None)
@given(
    st.sampled_from(TYPES),
    st.one_of(st.lists(VALUES, max_size=5), ALIKE.flatmap(lambda one: st.lists(one | st.none(), max_size=6))),
)
def test_d1_d5_d30_a_column_is_written_as_its_values_are(kind: Type, values: list[Value]) -> None:
    wanted = one_by_one(values, kind)
    if wanted is not None:
        assert list(store_column(values, kind) or []) == wanted
    else:
        with suppress(ArithmeticError, ValueError):  # as `store` itself
            assert store_column(values, kind) is None


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (Type(20, "int8"), [1, None, 2**63 - 1]),
        (Type(NUMERIC, "numeric(12,2)", scale=2), [Tagged("real", "1.25"), 7, None]),
        (Type(1184, "timestamptz"), ["x", None]),
    ],
)
def test_what_no_value_needs_care_for_is_written_as_a_whole(kind: Type, values: list[Value]) -> None:
    assert list(store_column(values, kind) or []) == [
        None if v is None else v.text if isinstance(v, Tagged) else str(v) for v in values
    ]
