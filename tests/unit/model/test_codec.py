"""The codec: everything comes back as it was; what is broken, foreign or too large is a CodecError and nothing else."""

from contextlib import suppress

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.unit.model.strategies import ENTRIES, ROWS

from syncline.model.block import Block, Series
from syncline.model.change import Change
from syncline.model.codec import (
    VERSION,
    check_version,
    decode_entries,
    decode_row,
    encode_entries,
    encode_row,
    join_entries,
    split_entries,
)
from syncline.model.entry import Entry, Kind
from syncline.model.errors import CodecError
from syncline.model.forms import PLAIN
from syncline.model.stamp import Position
from syncline.model.value import ABSENT, INTEGER_MAX, INTEGER_MIN, Row, Tagged, Value, kind_of

DEEP = b"\x91" * 50_000


def kinds(row: Row) -> list[tuple[str, type]]:
    """What must not change besides equality: 1 and True are equal, and so are texts and enums."""
    return [(kind_of(value), type(value)) for value in row]


@settings(max_examples=60)
@given(st.lists(ENTRIES, max_size=3))
def test_entries_come_back_as_they_were(entries: list[Entry]) -> None:
    assert list(decode_entries(encode_entries(entries))) == entries


@given(st.lists(ENTRIES, min_size=1, max_size=3))
def test_entries_can_be_taken_apart_and_joined_byte_by_byte(entries: list[Entry]) -> None:
    data = encode_entries(entries)
    parts = split_entries(data)
    assert join_entries(parts) == data
    assert decode_entries(join_entries(parts[:1])) == (entries[0],)


@settings(max_examples=100)
@given(ROWS)
@example((None, "", b"", ABSENT, 0))
@example((INTEGER_MIN, INTEGER_MAX, Tagged("real", "-0.0"), Tagged("", ""), Tagged("a", "\0b\0")))
def test_rows_come_back_as_they_were(row: Row) -> None:
    back = decode_row(encode_row(row))
    assert back == row
    assert kinds(back) == kinds(row)


@given(ROWS, ROWS)
def test_equal_rows_have_equal_bytes_and_others_have_not(one: Row, other: Row) -> None:
    same = one == other and kinds(one) == kinds(other)
    assert (encode_row(one) == encode_row(other)) is same


def test_d31_null_empty_and_not_sent_are_four_things() -> None:
    values: list[Value] = [None, "", b"", ABSENT, 0, Tagged("json", "null")]
    assert len({encode_row((value,)) for value in values}) == len(values)


@pytest.mark.parametrize(
    "value", [INTEGER_MAX + 1, INTEGER_MIN - 1, 10**400, "\udcff", Tagged("real", "\ud800"), Tagged("\ud800", "")]
)
def test_d5_d29_what_the_wire_cannot_carry_is_refused(value: Value) -> None:
    with pytest.raises(CodecError):
        encode_row((value,))
    with pytest.raises(CodecError):
        encode_entries([Entry(1, Kind.VERIFY, body={"x": value})])


def test_something_that_is_no_value_is_refused() -> None:
    with pytest.raises(CodecError, match="object is not a value"):
        encode_row((object(),))  # type: ignore[arg-type]


OLD_CHANGE = b"\x95\xa5items\x91\x01\xc0\x92\x01\xa1a\xc0"  # items, (1,), NULL, (1, 'a'), no verdict
OLD_ENTRY = b"\x99\x05\xa6change\xa1p\x93\x07\x00\xa1x\x03\xcd\x03\xe8\x91" + OLD_CHANGE + b"\xa0\xc0"


def test_f38_what_version_1_wrote_is_read() -> None:
    """An entry of nine fields, from before there were blocks; also beside entries of today, after a compaction."""
    was = Entry(5, Kind.CHANGE, "p", Position(7, 0, "x"), 3, 1000, (Change("items", (1,), None, (1, "a")),))
    (entry,) = decode_entries(b"\x01\x91" + OLD_ENTRY)
    assert (entry, entry.blocks) == (was, ())
    columns = (Series(PLAIN, [1]), Series(PLAIN, ["a"]))
    now = Entry(6, Kind.CHANGE, "p", Position(8), 3, 1001, blocks=(Block("items", (0,), (), columns),))
    both = join_entries([*split_entries(b"\x01\x91" + OLD_ENTRY), *split_entries(encode_entries([now]))])
    assert both[0] == VERSION
    assert decode_entries(both) == (was, now)


@pytest.mark.parametrize("data", [b"", bytes([VERSION + 1]) + b"\x90", b"\x00", b"\xff\xff"])
def test_f38_unknown_versions_are_refused_by_name(data: bytes) -> None:
    for read in (decode_entries, split_entries, check_version):
        with pytest.raises(CodecError, match="format version"):
            read(data)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"\xc1", b"\x91", b"\x91\x01", b"\x90\x90", DEEP, b"\x91\x92\x01\xa4nope", b"\x91\x92\x01\xa6change\xff",
        b"\x91\x97\x01\xa6change\xa0\xc0\x00\x00\x91\x94\xa1c" + DEEP,
        b"\x91\x99\x01\xa6change\xa0\xc0\x00\x00\x90\xa0\x81\xa1x\xd4\x09\x00",
    ],
)  # fmt: skip
def test_broken_entries_are_a_codec_error(body: bytes) -> None:
    with pytest.raises(CodecError):
        decode_entries(bytes([VERSION]) + body)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\xc0", b"\x91", b"\x92\x01", DEEP, b"\x91\xd4\x09\x00", b"\x91\xc7\x03\x02abc", b"\x91\xd4\x01\x00",
        b"\x91\xc7\x03\x02\xff\x00\xff", b"\x91\xa1\xff", b"\x91\x80", b"\x91\x90", b"\x91\xc3",
        b"\x91\xd6\xff\x00\x00\x00\x01", b"\x91\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00", b"\x91\x81\x81\x01\x02\x01",
    ],
)  # fmt: skip
def test_broken_rows_are_a_codec_error(data: bytes) -> None:
    """Also such as hold what is no value: a map, a list, a boolean, a time, a float."""
    with pytest.raises(CodecError):
        decode_row(data)


@settings(max_examples=100)
@given(st.lists(ENTRIES, min_size=1, max_size=2), st.data())
def test_flipped_and_torn_bytes_never_raise_anything_else(entries: list[Entry], data: st.DataObject) -> None:
    wire = bytearray(encode_entries(entries))
    place = data.draw(st.integers(1, len(wire) - 1))
    if data.draw(st.booleans()):
        wire[place] ^= data.draw(st.integers(1, 255))
    else:
        del wire[place:]
    for read in (decode_entries, split_entries):
        with suppress(CodecError):
            read(bytes(wire))
    with suppress(CodecError):
        decode_row(bytes(wire[place:]))


@given(st.binary(max_size=60))
def test_x9_any_bytes_are_read_or_refused(data: bytes) -> None:
    for read, wire in ((decode_row, data), (decode_entries, data), (decode_entries, bytes([VERSION]) + data)):
        with suppress(CodecError):
            assert isinstance(read(wire), tuple)


def test_a_memoryview_is_as_good_as_bytes() -> None:
    wire = encode_entries([Entry(1, Kind.VERIFY, body={"c": {"p": 1}})])
    assert decode_entries(memoryview(wire)) == decode_entries(wire)
    assert decode_row(memoryview(encode_row((1, "a")))) == (1, "a")
    assert isinstance(split_entries(memoryview(wire))[0], msgspec.Raw)


def test_what_carries_rows_and_notes_says_so() -> None:
    assert [kind for kind in Kind if Entry(1, kind).is_data] == [Kind.CHANGE, Kind.FILL, Kind.RETRY, Kind.SETTLE]
    assert not Entry(1, Kind.CHANGE).has_notes
    assert all(Entry(1, kind).has_notes for kind in Kind if kind is not Kind.CHANGE)
