"""The canonical text: rows with equal texts are equal rows, whatever stands in them, and digests add up."""

import hashlib
import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from syncline.model.canonical import (
    Class,
    Way,
    class_of,
    classes_of,
    digest_rows,
    text_of,
    total_of,
    total_written,
    written,
    written_numbers,
)
from syncline.model.codec import encode_row
from syncline.model.numbers import decimal_value
from syncline.model.schema import Collection, Kind
from syncline.model.value import Tagged, Value, real

DECIMALS = st.from_regex(r"-?(0|[1-9][0-9]{0,25})\.[0-9]{0,24}[1-9]", fullmatch=True).map(decimal_value)
VALUES: st.SearchStrategy[Value] = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-2, 2),
    st.floats().map(real),
    st.sampled_from([0.5, -0.5, 1.0, -0.0, 0.0, 1e300, 5e-324]).map(real),
    DECIMALS,
    st.text(max_size=4),
    st.sampled_from([";", ":", "", "1", "n1", "t1:a", "!n1", "1:a;1:b", "NaN"]),
    st.binary(max_size=3),
    st.builds(Tagged, st.sampled_from(["boolean", "rawtext", "oversize"]), st.text(max_size=3)),
)
CLASSES = st.sampled_from(Class)


@given(st.lists(st.tuples(CLASSES, VALUES, VALUES), min_size=1, max_size=3))
@example([(Class.TEXT, ";1:b", ";1:b"), (Class.TEXT, "", "1:b;")])
@example([(Class.TEXT, None, "")])
@example([(Class.ANY, 1, "1")])
@example([(Class.NUMBER, 1, real(1.0))])
def test_p17_texts_are_equal_exactly_where_rows_are(columns: list[tuple[Class, Value, Value]]) -> None:
    classes = [kind for kind, _, _ in columns]
    one, other = tuple(left for _, left, _ in columns), tuple(right for _, _, right in columns)
    (first,), (second,) = digest_rows([one], classes, Way()), digest_rows([other], classes, Way())
    assert (first == second) is (encode_row(one) == encode_row(other))


@given(st.lists(VALUES, max_size=6), CLASSES)
def test_a_column_of_values_is_written_as_each_of_them_is(column: list[Value], kind: Class) -> None:
    together = digest_rows([(value,) for value in column], [kind], Way())
    assert together == [digest_rows([(value,)], [kind], Way())[0] for value in column]


NUMBERS = st.one_of(
    st.floats(allow_nan=False), st.floats(-5, 5).map(lambda number: round(number, 3)), st.integers(-9, 9), st.none()
)


@given(st.lists(NUMBERS, min_size=1, max_size=6), CLASSES)
@example([0.1, 1e16, 1e-7, -0.0, 123456789012345.6, float("inf"), 3.0], Class.NUMBER)
def test_p17_doubles_are_written_as_the_reals_that_they_are(numbers: list[float | None], kind: Class) -> None:
    values: list[Value] = [real(one) if isinstance(one, float) else one for one in numbers]
    assert total_written([written_numbers(numbers, kind)], Way()) == total_of(
        digest_rows([(v,) for v in values], [kind], Way())
    )
    expected = [f"{text_of(value, kind)};" for value in values]
    assert [written(values, kind).form % parts for parts in zip(*written(values, kind).arguments, strict=True)] == expected


@pytest.mark.parametrize("columns", [[["a", "\0b;"], [1, 2]], [["a", "b\0\0"], ["\0", ""]], [["%s%%", "%d"], [b"%", b""]]])
def test_rows_are_told_apart_whatever_stands_in_them(columns: list[list[Value]]) -> None:
    """A NUL is no end, and a percent sign no place to fill."""
    classes, rows = [Class.ANY, Class.TEXT], list(zip(*columns, strict=True))
    together = digest_rows(rows, classes, Way())
    texts = ["".join(f"{text_of(value, kind)};" for value, kind in zip(row, classes, strict=True)) for row in rows]
    assert together == [int.from_bytes(hashlib.sha256(("0" * 16 + text).encode()).digest()[:8]) for text in texts]


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (12, Class.NUMBER, "12"),
        (12, Class.ANY, "n12"),
        (12, Class.TEXT, "!n12"),
        (decimal_value("0.5"), Class.NUMBER, "0.5"),
        (real(0.5), Class.NUMBER, "0.5"),
        (real(1e-7), Class.ANY, "n0.0000001"),
        (real(1.0), Class.NUMBER, "!r3ff0000000000000"),
        (real(0.5), Class.REAL, struct.pack(">d", 0.5).hex()),
        (real(float("nan")), Class.REAL, "NaN"),
        (real(float("-inf")), Class.NUMBER, "-Infinity"),
        ("\u00e4b", Class.TEXT, "3:\u00e4b"),
        ("\u00e4b", Class.ANY, "t3:\u00e4b"),
        ("ab", Class.NUMBER, "!t2:ab"),
        (b"\x00\xff", Class.BYTES, "x00ff"),
        (b"", Class.BYTES, "x"),
        (b"\x01", Class.TEXT, "!x01"),
        (None, Class.TEXT, ":"),
        (None, Class.BYTES, ""),
        ("", Class.TEXT, "0:"),
    ],
)
def test_the_text_of_a_value(value: Value, kind: Class, text: str) -> None:
    assert text_of(value, kind) == text


def test_sums_keep_their_halves_apart_and_do_not_cancel_out() -> None:
    assert total_of([2**128 - 1, 1]) == (2**64 - 1) << 64
    assert total_of([5, 5]) == 10
    assert total_of([]) == 0


def test_a_salt_changes_every_digest() -> None:
    rows = [(n,) for n in range(50)]
    one = digest_rows(rows, [Class.NUMBER], Way(salt="a" * 16))
    assert not set(one) & set(digest_rows(rows, [Class.NUMBER], Way(salt="b" * 16)))


def test_classes_follow_kinds_and_are_any_where_kinds_are_not_known() -> None:
    assert class_of(Kind.UUID) is Class.TEXT
    assert class_of(Kind.BOOLEAN) is Class.NUMBER
    known = Collection("c", ("a", "b"), ("a",), (Kind.REAL, Kind.BYTES))
    assert classes_of(known) == (Class.REAL, Class.BYTES)
    assert classes_of(Collection("c", ("a", "b"), ("a",))) == (Class.ANY, Class.ANY)
