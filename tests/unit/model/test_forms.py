"""Forms: a column that is read as a whole has the values that it has one by one."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from syncline.model import forms
from syncline.model.forms import DECIMAL, INTEGER, PLAIN, READERS, TEXT, read_column
from syncline.model.limits import VALUE_BYTES_MAX
from syncline.model.value import Tagged, Value

WHOLE = st.integers(-(2**70), 2**70).map(lambda number: str(number).encode())
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, places=None).map(lambda number: f"{number:f}".encode())
CENTS = st.decimals(-(10**9), 10**9, places=2).map(lambda number: f"{number:f}".encode())
NUMERICS = DECIMALS | CENTS | WHOLE | st.sampled_from([b"NaN", b"Infinity", b"-Infinity", b"0.00", b"1.50", b"100", b"-0.5"])
TEXTS = st.text(st.characters(codec="utf-8"), max_size=8).map(str.encode)


def one_by_one(form: str, column: list[bytes | None]) -> list[Value]:
    """What the readers say of each."""
    return [None if one is None else READERS[form](one) for one in column]


@settings(max_examples=300)
@given(st.lists(NUMERICS, min_size=1, max_size=8))
@example([b"1.5", b"Infinity"])
@example([b"1.5", b"-Infinity"])
@example([b"1.5", b"NaN"])
@example([b"1.0", b"1.00", b"1", b"-1.10"])
@example([b"0.1234567890123456789", b"12345678901234567890.5"])
def test_d5_a_column_of_decimals_is_read_as_its_values_are(column: list[bytes]) -> None:
    assert list(read_column(DECIMAL, column)) == one_by_one(DECIMAL, list(column))


@given(st.lists(TEXTS | st.none(), max_size=8))
@example([b"a\0b", b"c"])
@example([b""])
@example([b"\xc3\xa9", None, b"\0"])
def test_a_column_of_texts_is_read_as_its_values_are(column: list[bytes | None]) -> None:
    assert list(read_column(TEXT, column)) == one_by_one(TEXT, column)


@given(st.lists(WHOLE | st.none(), max_size=8))
def test_a_column_of_integers_is_read_as_its_values_are(column: list[bytes | None]) -> None:
    assert list(read_column(INTEGER, column)) == one_by_one(INTEGER, column)


@pytest.mark.parametrize(
    ("form", "data", "value"),
    [
        (forms.PADDED, b"a b  ", "a b"),
        (forms.PADDED, b"   ", ""),
        (forms.BOOLEAN, b"t", 1),
        (forms.BOOLEAN, b"f", 0),
        (forms.HEX, b"\\x00ff", b"\x00\xff"),
        (forms.HEX, b"\\x", b""),
        (forms.REAL, b"1e+100", Tagged("real", "1e+100")),
        (forms.REAL, b"-0", Tagged("real", "-0.0")),
        (forms.REAL, b"NaN", Tagged("real", "nan")),
        (forms.REAL, b"-Infinity", Tagged("real", "-inf")),
        (forms.DECIMAL, b"1.50", Tagged("real", "1.5")),
        (forms.DECIMAL, b"2.00", 2),
        (forms.DECIMAL, b"9" * 30, Tagged("decimal", "9" * 30)),
        (forms.DECIMAL, b"NaN", Tagged("real", "nan")),
        (forms.DECIMAL, b"Infinity", Tagged("real", "inf")),
    ],
)
def test_each_form_has_its_reading(form: str, data: bytes, value: Value) -> None:
    assert list(read_column(form, [data])) == [value]
    assert list(read_column(form, [data, None])) == [value, None]


def test_values_as_they_are_need_no_reading() -> None:
    column = [1, "a", None, Tagged("date", "2020-01-01")]
    assert read_column(PLAIN, column) is column


def test_d29_what_is_too_large_to_travel_is_marked_wherever_it_stands() -> None:
    large = b"x" * (VALUE_BYTES_MAX + 1)
    found = read_column(TEXT, [b"a", large])
    assert found[0] == "a"
    assert isinstance(found[1], Tagged)
    assert found[1].kind == "oversize"
    (one,) = read_column(forms.HEX, [b"\\x" + b"0" * (2 * VALUE_BYTES_MAX + 2)])
    assert isinstance(one, Tagged)
