"""Keys: our order is SQLite's own, for all storage classes at once; what a person writes is read as what it may mean."""

import math
import sqlite3
from contextlib import closing
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from syncline.model.errors import UsageError
from syncline.model.key import order, parse_key
from syncline.model.value import INTEGER_MAX, INTEGER_MIN, Key, Tagged, Value, real

Native = int | float | str | bytes | None

NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([0, 1, 2**53, 2**53 + 1, 2**63 - 1, -(2**63)])
FLOATS = st.floats(allow_nan=False) | st.sampled_from([0.0, -0.0, 2.0**53, 2.0**63, -(2.0**63), math.inf, -math.inf, 1.5])
TEXTS = st.text(max_size=6) | st.sampled_from(["", "a", "A", "ä", "a\0b", "\uffff", "𝄞"])
RAW = st.binary(min_size=1, max_size=4)  # bytes that a text column may hold though they are not UTF-8
NATIVE: st.SearchStrategy[tuple[str, Native]] = st.one_of(
    st.just(("?", None)),
    NUMBERS.map(lambda value: ("?", value)),
    FLOATS.map(lambda value: ("?", value)),
    TEXTS.map(lambda value: ("?", value)),
    RAW.map(lambda value: ("CAST(? AS TEXT)", value)),
    st.binary(max_size=4).map(lambda value: ("?", value)),
)


def text(data: bytes) -> str | bytes:
    """Text as it is, or its bytes."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return Tagged("rawtext", data.hex())  # type: ignore[return-value]


def value_of(native: object) -> Value:
    """A value as the SQLite door makes it."""
    return real(native) if isinstance(native, float) else native  # type: ignore[return-value]


def test_d27_decimals_stand_among_the_other_numbers() -> None:
    keys: list[Key] = [
        (Tagged("decimal", "-100000000000000000000"),),
        (-(2**63),),
        (3,),
        (Tagged("decimal", "12345678901234.56789"),),
        (Tagged("real", "12345678901234.75"),),
        (Tagged("decimal", "9999999999999999999"),),
        (Tagged("decimal", "10000000000000000000"),),
        (Tagged("real", "inf"),),
        ("1",),
    ]
    assert all(order(one) < order(other) for one, other in pairwise(keys))


@settings(max_examples=120, deadline=None)
@given(st.lists(st.tuples(NATIVE, NATIVE), max_size=12))
@example([(("?", 2**53 + 1), ("?", None)), (("?", 2.0**53), ("?", None)), (("?", 2**53), ("?", None))])
@example(
    [
        (("CAST(? AS TEXT)", b"\xff"), ("?", None)),
        (("?", "z"), ("?", None)),
        (("?", "rawtext ff"), ("?", None)),
        (("?", b"a"), ("?", 1)),
    ]
)
def test_d27_keys_sort_as_sqlite_sorts_them(pairs: list[tuple[tuple[str, Native], tuple[str, Native]]]) -> None:
    with closing(sqlite3.connect(":memory:")) as db:
        db.text_factory = text
        db.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, a BLOB, b BLOB)")
        for (one, first), (other, second) in pairs:
            db.execute(f"INSERT INTO t (a, b) VALUES ({one}, {other})", (first, second))
        rows = db.execute("SELECT a, b FROM t ORDER BY a, b, n").fetchall()
        stored = db.execute("SELECT a, b FROM t ORDER BY n").fetchall()
    keys = [tuple(map(value_of, row)) for row in stored]
    assert [order(key) for key in sorted(keys, key=order)] == [order(tuple(map(value_of, row))) for row in rows]


@settings(max_examples=120, deadline=None)
@given(NATIVE, NATIVE)
def test_two_values_compare_as_in_sqlite(one: tuple[str, Native], other: tuple[str, Native]) -> None:
    with closing(sqlite3.connect(":memory:")) as db:
        db.text_factory = text
        db.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, a BLOB)")
        db.execute(f"INSERT INTO t (a) VALUES ({one[0]}), ({other[0]})", (one[1], other[1]))
        first, second, same = db.execute("SELECT x.a, y.a, x.a IS y.a FROM t x, t y WHERE x.n = 1 AND y.n = 2").fetchone()
        (smallest,) = db.execute("SELECT n FROM t ORDER BY a, n DESC LIMIT 1").fetchone()
    mine, theirs = order((value_of(first),)), order((value_of(second),))
    assert (mine == theirs) is bool(same)
    assert (mine < theirs) is (smallest == 1)


@given(st.lists(st.tuples(NUMBERS | TEXTS | st.none(), TEXTS | st.binary(max_size=3)), max_size=8))
def test_the_order_is_total(keys: list[Key]) -> None:
    ranked = sorted(keys, key=order)
    assert all(order(one) <= order(other) for one, other in pairwise(ranked))


def test_values_of_other_engines_have_a_place_too() -> None:
    """Only that they can be sorted at all, and always in the same way."""
    nan = Tagged("real", "nan")
    assert order((nan,)) == order((nan,))
    assert order((nan,)) > order((10**15,))
    assert order((Tagged("date", "2024-01-01"),)) < order((Tagged("date", "2024-01-02"),))


@pytest.mark.parametrize(
    ("written", "parts", "read"),
    [
        ("12", 1, [(12,), ("12",)]),
        ("-5", 1, [(-5,), ("-5",)]),
        ("abc", 1, [("abc",)]),
        ("a, 2", 2, [("a", 2), ("a", "2")]),
        ("x'00ff'", 1, [(b"\x00\xff",)]),
        ("X'00'", 1, [(b"\x00",)]),
        ("x'", 1, [("x'",)]),
        ("x'0g'", 1, [("x'0g'",)]),
        ("'12'", 1, [("12",)]),
        ("'it''s'", 1, [("it's",)]),
        ("a,b", 1, [("a,b",)]),
        ("", 1, [("",)]),
        (str(INTEGER_MAX), 1, [(INTEGER_MAX,), (str(INTEGER_MAX),)]),
        (str(INTEGER_MAX + 1), 1, [(str(INTEGER_MAX + 1),)]),
        (str(INTEGER_MIN - 1), 1, [(str(INTEGER_MIN - 1),)]),
        ("9" * 500, 1, [("9" * 500,)]),
    ],
)
def test_what_a_person_writes_is_read_as_what_it_may_mean(written: str, parts: int, read: list[Key]) -> None:
    assert list(parse_key(written, parts)) == read


@pytest.mark.parametrize(("written", "parts"), [("1", 2), ("1,2,3", 2), ("1,2", 3)])
def test_a_wrong_number_of_parts_is_refused(written: str, parts: int) -> None:
    with pytest.raises(UsageError, match=f"the key has {parts} parts"):
        parse_key(written, parts)
