"""Values go into SQLite and come out again as they were, or are refused because SQLite would change them."""

import math
import sqlite3
import struct

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from syncline.model.limits import VALUE_BYTES_MAX
from syncline.model.value import ABSENT, Tagged, Value, real
from syncline.peers.sqlite.convert import (
    OVERSIZE,
    as_compared,
    bind,
    bulk,
    decode_text,
    read_columns,
    read_row,
    store,
)
from syncline.peers.storing import Unstorable

AFFINITIES = {"BLOB": "", "TEXT": "TEXT", "INTEGER": "INT", "NUMERIC": "DECIMAL(20,4)", "REAL": "DOUBLE"}
number_texts = st.from_regex(r"[ \t]*[+-]?[0-9]{0,3}\.?[0-9]{0,3}([eE][+-]?[0-9]{0,2})?[ \n]*", fullmatch=True)
values = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(2**52, 2**64 - 1),
    st.text(),
    number_texts,
    st.binary(),
    st.floats().map(real),
    st.integers(-(2**53), 2**53).map(lambda number: real(float(number))),
    st.binary().map(lambda data: decode_text(b"\xff" + data)),
    st.decimals(allow_nan=False, allow_infinity=False).map(lambda number: Tagged("decimal", f"{number:f}")),
)


def round_trip(value: Value, affinity: str) -> Value:
    """What is read after a value was written without any care for what the column makes of it."""
    connection = sqlite3.connect(":memory:")
    connection.text_factory = decode_text
    connection.execute(f"CREATE TABLE t (v {AFFINITIES[affinity]})")
    holder, native = bind(value, "BLOB")
    connection.execute(f"INSERT INTO t VALUES ({holder})", (native,))
    (found,) = read_row(connection.execute("SELECT v FROM t").fetchone())
    connection.close()
    return found


def refusal_of(value: Value, affinity: str) -> str:
    """The code with which a value is refused, or ''."""
    try:
        bind(value, affinity)
    except Unstorable as refused:
        return refused.code
    return ""


def canonical(value: Value) -> Value:
    """What stands for a value in an engine that has no type for it: its text."""
    return value.text if isinstance(value, Tagged) and value.kind == "decimal" else value


@settings(max_examples=1500, deadline=None)
@given(values, st.sampled_from(sorted(AFFINITIES)))
@example(Tagged("decimal", "12345678901234567.8901"), "NUMERIC")
@example(real(-0.0), "REAL")
@example(real(-0.0), "BLOB")
@example(real(5e-324), "REAL")
@example(real(9223372036854775807.0), "INTEGER")
@example(real(-9223372036854775808.0), "INTEGER")
@example(".", "NUMERIC")
@example("1.", "INTEGER")
@example("0x10", "NUMERIC")
@example("a\0b", "TEXT")
def test_d2_d4_d44_a_value_is_stored_exactly_if_and_only_if_the_column_can(value: Value, affinity: str) -> None:
    code = refusal_of(value, affinity)
    if code == "affinity":
        assert round_trip(value, affinity) != canonical(value), "refused without need"
    if code:
        return
    found = round_trip(value, affinity)
    if affinity == "REAL" and isinstance(value, int):
        assert found == real(float(value))  # the one number that it means
        assert float(value) == value
    else:
        assert found == canonical(value)


@settings(max_examples=300, deadline=None)
@given(st.lists(values, min_size=1, max_size=8), st.sampled_from(sorted(AFFINITIES)))
def test_columns_in_bulk_are_as_single_values(column: list[Value], affinity: str) -> None:
    ready = bulk(column, affinity)
    try:
        single = [store(value, affinity) for value in column]
    except Unstorable:
        single = None
    if ready is not None and single is not None:
        assert [(type(one), one) for one in ready] == [(type(one), one) for one in single]
    if ready is not None and single is None:  # numbers and texts that sqlite3 itself refuses are found when they are bound
        assert {type(value) for value in column} <= {int, str, bytes, type(None), Tagged}


def test_d3_nan_and_infinity() -> None:
    with pytest.raises(Unstorable, match="NaN"):
        store(real(math.nan), "REAL")
    assert round_trip(real(math.inf), "REAL") == real(math.inf)
    assert round_trip(real(-math.inf), "BLOB") == real(-math.inf)


@given(st.floats(allow_nan=False))
def test_d4_floats_keep_every_bit(number: float) -> None:
    found = round_trip(real(number), "BLOB")
    assert isinstance(found, Tagged)
    assert struct.pack(">d", float(found.text)) == struct.pack(">d", number)


def test_d5_numbers_beyond_64_bits_are_refused_not_wrapped() -> None:
    for number in (2**63, 2**64 - 1, -(2**63) - 1):
        with pytest.raises(Unstorable, match="64 bits"):
            store(number, "INTEGER")
    assert refusal_of(2**64 - 1, "BLOB") == "out_of_range"
    assert round_trip(2**63 - 1, "INTEGER") == 2**63 - 1
    assert round_trip(-(2**63), "INTEGER") == -(2**63)


def test_d16_blobs_are_not_texts_and_keep_every_byte() -> None:
    everything = bytes(range(256))
    for affinity in AFFINITIES:
        assert round_trip(everything, affinity) == everything
        assert round_trip(b"", affinity) == b""
        assert round_trip(b"a", affinity) == b"a"
        assert round_trip(b"12\0\0", affinity) == b"12\0\0"


@given(st.binary())
def test_d29_text_that_is_not_utf8_travels_as_its_bytes(data: bytes) -> None:
    value = decode_text(data)
    assert isinstance(value, str) == (value == data.decode(errors="replace") and data.decode(errors="replace").encode() == data)
    assert round_trip(value, "TEXT") == value


def test_d29_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(Unstorable, match="UTF-8"):
        store("a\ud800", "TEXT")


def test_d30_nul_inside_a_text_is_kept() -> None:
    assert round_trip("a\0b\0", "TEXT") == "a\0b\0"


def test_d31_empty_null_and_not_sent_are_three_things() -> None:
    assert round_trip("", "TEXT") == ""
    assert round_trip(None, "TEXT") is None
    with pytest.raises(Unstorable, match="not sent"):
        store(ABSENT, "TEXT")


def test_d37_what_was_too_large_to_travel_is_refused_with_its_size() -> None:
    with pytest.raises(Unstorable, match="209715200"):
        store(Tagged(OVERSIZE, "a blob of 209715200 bytes"), "BLOB")
    with pytest.raises(Unstorable, match=f"more than {VALUE_BYTES_MAX}"):
        store(b"x" * (VALUE_BYTES_MAX + 1), "BLOB")


def test_columns_are_read_with_floats_tagged_and_nothing_else_touched() -> None:
    columns: list[tuple[object, ...]] = [(1, None, "a"), (1.5, 2, -0.0), (b"x", "y", math.inf)]
    assert read_columns(columns) == [(1, None, "a"), [real(1.5), 2, real(-0.0)], [b"x", "y", real(math.inf)]]


def test_d4_numbers_in_a_key_are_one_value_exactly_where_sqlite_takes_them_for_one() -> None:
    connection = sqlite3.connect(":memory:")
    floats = [-0.0, 0.0, 1.0, -1.0, 1.5, 2.0**53, -(2.0**63), 2.0**63, 1e300, math.inf, math.nextafter(2.0**63, 0)]
    numbers: list[int | float] = [*floats, 0, 1, -1, 2**53, 2**53 + 1, -(2**63), -(2**63) + 1, 2**63 - 1]
    read = as_compared([real(one) if isinstance(one, float) else one for one in numbers])
    for here, one in zip(numbers, read, strict=True):
        for there, other in zip(numbers, read, strict=True):
            (equal,) = connection.execute("SELECT ? = ?", (here, there)).fetchone()
            assert (one == other) == bool(equal), (here, there)
    others: list[Value] = ["1.0", b"1.0", None, Tagged("rawtext", "ff")]
    assert as_compared(others) == others
    connection.close()
