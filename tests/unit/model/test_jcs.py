"""One JSON value has one text: RFC 8785, as far as values have no fraction; no other bytes are read."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline.model.errors import CodecError
from syncline.model.jcs import DEPTH_MAX, EXACT_MAX, canonical_json, parsed_json

TEXT = st.text(st.characters(codec="utf-8"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-EXACT_MAX, EXACT_MAX) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


def test_the_example_of_the_standard_sorts_by_utf_16_units() -> None:
    """RFC 8785, 3.2.3: the smiling face is two units from U+D83D on, so it stands before U+FB33."""
    value = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\x80": 6, "\u00f6": 7}
    order = ["\r", "1", "\x80", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]
    assert list(json.loads(canonical_json(value))) == order


def test_texts_are_escaped_as_the_standard_says() -> None:
    assert canonical_json("\u20ac$\x0f\nA'B\"\\/\x7f\u2028") == '"\u20ac$\\u000f\\nA\'B\\"\\\\/\x7f\u2028"'.encode()


@given(VALUES)
def test_what_is_written_is_read_and_no_other_text_of_it_is(value: object) -> None:
    data = canonical_json(value)
    assert parsed_json(data) == value
    for other in (b" " + data, data + b"\n", json.dumps(value, indent=1).encode() + b" "):
        with pytest.raises(CodecError):
            parsed_json(other)


@pytest.mark.parametrize(
    "value", [1.0, EXACT_MAX + 1, -EXACT_MAX - 1, b"x", {1: 2}, "\ud800", {"\ud800": 1}, {"a": {1, 2}}], ids=repr
)
def test_what_languages_would_write_differently_is_refused(value: object) -> None:
    with pytest.raises(CodecError):
        canonical_json(value)


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b'{"a":1,"a":1}', b'{"b":1,"a":1}', b"1.0", b"1e2", b"NaN", b"-0", b'"\\u0041"', b"\xff", b'"\\ud800"',
     b"9007199254740992", b"[" * 100_000, b"9" * 10_000],
    ids=lambda data: repr(data[:20]),
)  # fmt: skip
def test_bytes_that_are_not_the_text_are_refused(data: bytes) -> None:
    with pytest.raises(CodecError):
        parsed_json(data)


def test_depth_is_bounded() -> None:
    value: object = 1
    for _ in range(DEPTH_MAX):
        value = [value]
    assert parsed_json(canonical_json(value)) == value
    with pytest.raises(CodecError, match="too deeply"):
        canonical_json([value])
