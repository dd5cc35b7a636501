"""Frames: what went in comes out; what was damaged is refused."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.log.samples import entry_lists

from syncline.log import frame as frames
from syncline.log.conformance import contended, control, mixed, plain
from syncline.log.frame import Frame, as_frame, pack, unpack
from syncline.model.change import Change
from syncline.model.codec import VERSION, decode_entries, encode_entries, join_entries, split_entries
from syncline.model.entry import Entry, Kind
from syncline.model.errors import CodecError, LogDamaged, LogError
from syncline.model.limits import FRAME_ROWS_MAX


def sealed(entries: Sequence[Entry]) -> list[Frame]:
    return [one.seal(0) for one in pack(entries)]


@settings(deadline=None)
@given(entry_lists)
def test_entries_come_back_as_they_were(entries: list[Entry]) -> None:
    back = [entry for one in sealed(entries) for entry in unpack(as_frame(tuple(one)))]
    assert back == entries
    assert [type(value) for entry in back for change in entry.changes for value in change.key] == [
        type(value) for entry in entries for change in entry.changes for value in change.key
    ]


@settings(max_examples=40, deadline=None)
@given(entry_lists, entry_lists)
def test_merging_keeps_every_entry_byte_for_byte(left: list[Entry], right: list[Entry]) -> None:
    right = [
        Entry(place, one.kind, one.peer, one.position, one.context, one.time, one.changes, one.to, one.body)
        for place, one in enumerate(right, left[-1].offset + 1)
    ]
    parts = [(one, frames.data_of(one)) for one in (*sealed(left), *sealed(right))]
    merged = frames.merge(parts)
    assert unpack(as_frame(tuple(merged))) == (*left, *right)
    assert frames.data_of(merged) == encode_entries([*left, *right])
    assert merged.has_notes == any(entry.has_notes for entry in (*left, *right))


@settings(max_examples=50, deadline=None)
@given(entry_lists, st.data())
def test_what_is_left_of_a_frame_has_the_other_entries(entries: list[Entry], data: st.DataObject) -> None:
    (whole,) = sealed(entries)
    after = data.draw(st.integers(whole.first - 1, whole.last - 1))
    assert list(unpack(frames.rest_of(whole, after))) == [entry for entry in entries if entry.offset > after]


@settings(max_examples=400, deadline=None)
@given(st.sampled_from([sealed(mixed(1, 9))[0], sealed([control(2**40)])[0], sealed([plain(7, 300)])[0]]), st.data())
def test_f12_a_flipped_bit_never_gives_other_entries(whole: Frame, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, 6))
    if place == 6:
        body = bytearray(whole.body)
        body[data.draw(st.integers(0, len(body) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        broken: tuple[object, ...] = whole._replace(body=bytes(body))
    else:
        number = whole[place]
        assert isinstance(number, int)
        columns: list[object] = [*whole]
        columns[place] = number ^ (1 << data.draw(st.integers(0, 40)))
        broken = tuple(columns)
    with pytest.raises(LogDamaged):
        as_frame(broken)


@pytest.mark.parametrize("place", range(7))
def test_a_column_of_another_type_is_damage(place: int) -> None:
    columns: list[object] = list(sealed(mixed(1, 3))[0])
    for other in (None, "1", 1.0, b"x" if place < 6 else "x"):
        columns[place] = other
        with pytest.raises(LogDamaged):
            as_frame(columns)


def test_a_frame_that_holds_other_offsets_than_it_says_is_damage() -> None:
    (whole,) = sealed(mixed(1, 5))
    data = frames.data_of(whole)
    for first, last in ((2, 6), (1, 4), (1, 6)):
        with pytest.raises(LogDamaged):
            unpack(frames.shrink(first, last, data, notes=True).seal(0))


def test_f38_a_body_of_another_version_is_refused_and_not_taken_for_damage() -> None:
    (whole,) = sealed(mixed(1, 5))
    newer = bytes([VERSION + 1]) + frames.data_of(whole)[1:]
    with pytest.raises(CodecError, match=f"format version {VERSION + 1}"):
        unpack(frames.shrink(1, 5, newer, notes=True).seal(0))


def test_a_body_that_does_not_decompress_is_damage_even_with_a_right_checksum() -> None:
    for size in (500, 2**40, -1):
        with pytest.raises(LogDamaged):
            unpack(frames.Packed(1, 1, frames.ZSTD, size, b"\x28\xb5\x2f\xfdnonsense").seal(0))
    (whole,) = sealed([plain(1, 100)])
    assert whole.flags & frames.ZSTD
    with pytest.raises(LogDamaged):
        unpack(frames.Packed(1, 1, whole.flags, whole.size + 1, whole.body).seal(0))


def test_small_frames_are_stored_as_they_are() -> None:
    (small,) = sealed([control(1)])
    assert small.body == encode_entries([control(1)])
    (large,) = sealed([plain(1, 500)])
    assert len(large.body) < large.size / 2


def test_frames_know_whether_they_have_notes() -> None:
    assert [sealed([one])[0].has_notes for one in (plain(1), control(1), contended(1))] == [False, True, True]


def test_p14_a_long_append_is_cut_into_frames_that_a_reader_can_hold() -> None:
    entries = [plain(offset, 1000) for offset in range(1, 40)]
    found = pack(entries)
    assert len(found) > 3
    assert all(sum(entry.rows for entry in unpack(one.seal(0))) <= FRAME_ROWS_MAX for one in found)
    assert [one.first for one in found[1:]] == [one.last + 1 for one in found[:-1]]
    assert len(pack([plain(1, FRAME_ROWS_MAX + 5)])) == 1, "an entry is never cut"


def test_an_entry_beyond_the_limit_is_refused_with_its_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "FRAME_BYTES_MAX", 10_000)
    with pytest.raises(LogError, match="too big") as caught:
        pack([plain(1, 500)])
    assert caught.value.where["peer"] == "hq"


def test_what_is_no_value_is_refused() -> None:
    bad = Entry(1, Kind.CHANGE, "hq", changes=(Change("c", (1,), None, (object(),)),))  # type: ignore[arg-type]
    with pytest.raises(CodecError):
        pack([bad])


def test_encoded_entries_can_be_split_and_joined() -> None:
    entries = mixed(1, 40)
    parts = split_entries(encode_entries(entries))
    assert len(parts) == 40
    assert join_entries(parts) == encode_entries(entries)
    assert list(decode_entries(join_entries(parts[7:9]))) == entries[7:9]
    for broken in (b"", b"\x09\x90", b"\x01", b"\x01\xc1", b"\x01\x91"):
        with pytest.raises(CodecError):
            split_entries(broken)
