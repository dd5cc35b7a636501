"""Frames: runs of entries as they lie in a log file, compressed and checksummed. Knows no file.

A frame proves itself: the checksum (xxh3, 64 bits) covers its span, its link to the frame with notes before it, its flags and
its body; the entries inside must have exactly the offsets of the span. Formats: https://github.com/Cyan4973/xxHash,
https://www.rfc-editor.org/rfc/rfc8878 (Zstandard).
"""

import struct
import sys
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import msgspec
import xxhash

from syncline.log.faults import damaged
from syncline.model.codec import decode_entries, encode_entries, join_entries, split_entries
from syncline.model.entry import Entry
from syncline.model.errors import LogError
from syncline.model.limits import FRAME_BYTES_MAX, FRAME_PLAIN_BYTES_MAX, FRAME_ROWS_MAX
from syncline.model.stamp import Offset

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

NOTES: Final = 1
ZSTD: Final = 2
_LEVEL: Final = 1  # measured: level 3 costs half as much again and saves nothing on rows
_HEAD: Final = struct.Struct(">qqqqq")


class Frame(NamedTuple):
    """One row of the frame table; see schema.sql."""

    first: Offset
    last: Offset
    noted: Offset
    flags: int
    size: int
    sum: int
    body: bytes

    @property
    def has_notes(self) -> bool:
        """Whether it may hold entries with notes."""
        return bool(self.flags & NOTES)


def checksum(span: tuple[Offset, Offset], noted: Offset, flags: int, size: int, body: bytes) -> int:
    """The checksum of a frame's columns, as SQLite stores integers (signed)."""
    digest = xxhash.xxh3_64(_HEAD.pack(*span, noted, flags, size))
    digest.update(body)
    return int.from_bytes(digest.digest(), "big", signed=True)


def as_frame(row: Sequence[object]) -> Frame:
    """A frame from the columns of a row, checksum verified. Raises LogDamaged."""
    first, last, noted, flags, size, total, body = row
    offset = first if isinstance(first, int) else None
    if not all(type(number) is int for number in row[:6]) or not isinstance(body, bytes):
        raise damaged("a frame has columns of the wrong type", offset)
    frame = Frame(first, last, noted, flags, size, total, body)  # type: ignore[arg-type]  # all(...) does not narrow
    if checksum(frame[:2], frame.noted, frame.flags, frame.size, body) != frame.sum:
        raise damaged("a frame fails its checksum", offset)
    return frame


class Packed(NamedTuple):
    """A frame before it is known what it follows: without link and checksum."""

    first: Offset
    last: Offset
    flags: int
    size: int
    body: bytes

    def seal(self, noted: Offset) -> Frame:
        """The frame, given the last offset of the last frame with notes before it."""
        total = checksum(self[:2], noted, self.flags, self.size, self.body)
        return Frame(self.first, self.last, noted, self.flags, self.size, total, self.body)


def shrink(first: Offset, last: Offset, data: bytes, *, notes: bool) -> Packed:
    """The codec's bytes of the entries first..last, compressed where that helps."""
    flags = NOTES if notes else 0
    if len(data) > FRAME_PLAIN_BYTES_MAX:
        small = zstd.compress(data, _LEVEL)
        if len(small) < len(data):
            return Packed(first, last, flags | ZSTD, len(data), small)
    return Packed(first, last, flags, len(data), data)


def data_of(frame: Frame) -> bytes:
    """The codec's bytes of a verified frame. Raises LogDamaged."""
    data = frame.body
    if frame.flags & ZSTD:
        try:
            data = zstd.ZstdDecompressor().decompress(data, frame.size)
        except (zstd.ZstdError, OverflowError, ValueError) as error:
            raise damaged(f"a frame does not decompress: {error}", frame.first) from error
    if len(data) != frame.size:
        raise damaged("a frame does not have its size", frame.first)
    return data


def entries_in(frame: Frame, data: bytes) -> tuple[Entry, ...]:
    """The entries of a verified frame from its bytes. Raises LogDamaged, or CodecError for an unknown version."""
    entries = decode_entries(data)
    if [entry.offset for entry in entries] != list(range(frame.first, frame.last + 1)):
        raise damaged("a frame's entries are not those of its span", frame.first)
    return entries


def unpack(frame: Frame) -> tuple[Entry, ...]:
    """The entries of a verified frame."""
    return entries_in(frame, data_of(frame))


def pack(entries: Sequence[Entry]) -> list[Packed]:
    """Entries as frames, cut so that a reader can hold one. Raises CodecError, or LogError for an entry beyond the limit."""
    return [_pack(run) for run in _runs(entries)]


def _pack(entries: Sequence[Entry]) -> Packed:
    data = encode_entries(entries)
    if len(data) > FRAME_BYTES_MAX:
        why = f"{len(data)} bytes; the limit is {FRAME_BYTES_MAX}"
        hint = "write smaller transactions at the peer"
        raise LogError("a transaction is too big for the log", why=why, hint=hint, peer=entries[0].peer or None)
    return shrink(entries[0].offset, entries[-1].offset, data, notes=any(entry.has_notes for entry in entries))


def _runs(entries: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    start = rows = 0
    for place, entry in enumerate(entries):
        if place > start and rows + entry.rows > FRAME_ROWS_MAX:
            yield entries[start:place]
            start, rows = place, 0
        rows += entry.rows + 1
    if entries:
        yield entries[start:]


def merge(frames: Sequence[tuple[Frame, bytes]]) -> Frame:
    """Adjacent frames (with their bytes) as one; every entry keeps its bytes."""
    parts = [part for _, data in frames for part in split_entries(data)]
    first, last = frames[0][0], frames[-1][0]
    if len(parts) != last.last - first.first + 1:
        raise damaged("a frame's entries are not those of its span", first.first)
    notes = any(frame.has_notes for frame, _ in frames)
    return shrink(first.first, last.last, join_entries(parts), notes=notes).seal(first.noted)


def rest_of(frame: Frame, after: Offset) -> Frame:
    """What is left of a frame without its entries up to `after`; it may say to have notes without having any left."""
    data = join_entries(split_entries(data_of(frame))[after + 1 - frame.first :])
    return shrink(after + 1, frame.last, data, notes=frame.has_notes).seal(frame.noted)


def alone(offset: Offset, part: msgspec.Raw) -> Frame:
    """One entry with notes as a frame of its own, its bytes as they are."""
    return shrink(offset, offset, join_entries([part]), notes=True).seal(0)
