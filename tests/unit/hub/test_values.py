"""Values as people type them: what they mean, and what they do not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline.hub.values import parse_value
from syncline.model.errors import UsageError
from syncline.model.value import INTEGER_MAX, INTEGER_MIN, Value, real, to_float


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NULL", None),
        ("null", "null"),
        ("'NULL'", "NULL"),
        ("", ""),
        ("''", ""),
        ("'", "'"),
        ("'it''s'", "it's"),
        ("0", 0),
        ("-12", -12),
        (str(INTEGER_MAX), INTEGER_MAX),
        (str(INTEGER_MIN), INTEGER_MIN),
        ("1.5", real(1.5)),
        ("-.5", real(-0.5)),
        ("5.", real(5.0)),
        ("1e5", real(1e5)),
        ("-1.5E-3", real(-0.0015)),
        ("x'00ff'", b"\x00\xff"),
        ("X''", b""),
        ("two words", "two words"),
    ],
)
def test_what_is_meant(text: str, value: Value) -> None:
    found = parse_value(text)
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    "text",
    [
        "007", "-0", "+5", "1_000", " 1", "1 ", "1_0.5", " 1.5", "1e400", "-1e400", "inf", "nan", "Infinity", "0x10", "1,5",
        ".", "e", "1e", "1.5.2", "x'", "x'0'", "x'0g'", "xyz", "\u0663", "\uff11", str(INTEGER_MAX + 1), str(INTEGER_MIN - 1),
        "9" * 500, "1-2", "2024-01-01",
    ],
)  # fmt: skip
def test_what_is_text_and_nothing_else(text: str) -> None:
    """Phone numbers, dates, codes with leading zeros, and numbers that would not come back as they were typed."""
    assert parse_value(text) == text


def test_x4_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(UsageError, match="not text"):
        parse_value("caf\udce9")


@given(st.integers(INTEGER_MIN, INTEGER_MAX))
def test_every_integer_is_read_exactly(number: int) -> None:
    assert parse_value(str(number)) == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_is_read_exactly(number: float) -> None:
    found = parse_value(repr(number))
    assert found == real(number)
    assert to_float(real(number)) == number


@given(st.text())
def test_quoted_text_is_that_text(text: str) -> None:
    quoted = text.replace("'", "''")
    assert parse_value(f"'{quoted}'") == text


@given(st.binary())
def test_bytes_in_hex_are_those_bytes(data: bytes) -> None:
    assert parse_value(f"x'{data.hex()}'") == data
