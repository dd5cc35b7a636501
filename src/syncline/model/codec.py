"""One codec for log, wire and digest: a version byte, then MessagePack. Unknown versions are refused.

Tagged values and ABSENT travel as MessagePack extensions 2 and 1.
Source of the format: https://github.com/msgpack/msgpack/blob/master/spec.md
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from syncline.model.block import Block, Series
from syncline.model.change import Rows
from syncline.model.entry import Entry
from syncline.model.errors import CodecError
from syncline.model.forms import PLAIN
from syncline.model.value import ABSENT, Absent, Tagged, Value

VERSION: Final = 2  # 2: entries may have blocks
VERSIONS: Final = frozenset({1, VERSION})  # that can be read
_PREFIX: Final = bytes([VERSION])
_EXT_ABSENT: Final = 1
_EXT_TAGGED: Final = 2


def _ext(code: int, data: memoryview) -> Value:
    body = bytes(data)
    if code == _EXT_ABSENT and not body:
        return ABSENT
    if code == _EXT_TAGGED and b"\0" in body:
        kind, _, text = body.partition(b"\0")
        return Tagged(kind.decode(), text.decode())
    if code in (_EXT_ABSENT, _EXT_TAGGED):
        raise CodecError(f"extension {code} is broken", why=f"its body is {body[:20]!r}")
    raise CodecError(f"unknown extension {code}", why="written by a newer Syncline", hint="upgrade this one")


def _enc(value: object) -> object:
    match value:
        case Tagged(kind, text):
            return msgspec.msgpack.Ext(_EXT_TAGGED, f"{kind}\0{text}".encode())
        case Absent():
            return msgspec.msgpack.Ext(_EXT_ABSENT, b"")
        case Block():
            return value.wire()
        case Rows():
            return ()  # its blocks travel
        case _:
            raise CodecError(f"a {type(value).__name__} is not a value", hint="report this: a door let it in")


def _dec(kind: type, data: object) -> object:
    if kind is Block and isinstance(data, list | tuple):
        return Block.from_wire(data)
    raise CodecError(f"a {kind.__name__} cannot be read")


_ENCODER: Final = msgspec.msgpack.Encoder(enc_hook=_enc)
_ENTRIES: Final = msgspec.msgpack.Decoder(tuple[Entry, ...], ext_hook=_ext, dec_hook=_dec)
_PARTS: Final = msgspec.msgpack.Decoder(tuple[msgspec.Raw, ...])
_ROW: Final = msgspec.msgpack.Decoder(tuple[Any, ...], ext_hook=_ext)
_VALUES: Final = frozenset({type(None), int, str, bytes, Tagged, Absent})
_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, ValueError, RecursionError)
_UNWRITABLE: Final = (OverflowError, UnicodeEncodeError)


def encode_entries(entries: Sequence[Entry]) -> bytes:
    """Entries to bytes. Raises CodecError for a value that the wire cannot carry."""
    try:
        return _PREFIX + _ENCODER.encode(entries)
    except _UNWRITABLE as error:
        raise CodecError("a value does not fit the wire", why=str(error)) from error


def decode_entries(data: bytes | memoryview) -> tuple[Entry, ...]:
    """Bytes to entries. Raises CodecError for an unknown version or a broken body."""
    check_version(data)
    try:
        return _ENTRIES.decode(memoryview(data)[1:])
    except _UNREADABLE as error:
        raise CodecError("these bytes are not log entries", why=str(error)) from error


def split_entries(data: bytes | memoryview) -> tuple[msgspec.Raw, ...]:
    """The encoded entries one by one, not decoded: what join_entries takes. Raises CodecError."""
    check_version(data)
    try:
        return _PARTS.decode(memoryview(data)[1:])
    except _UNREADABLE as error:
        raise CodecError("these bytes are not log entries", why=str(error)) from error


def join_entries(parts: Sequence[msgspec.Raw]) -> bytes:
    """The bytes of entries from their separate encodings, each kept as it is, byte by byte."""
    return _PREFIX + _ENCODER.encode(parts)


def check_version(data: bytes | memoryview) -> None:
    """Raise CodecError unless the first byte is a version this Syncline reads."""
    if not len(data) or data[0] not in VERSIONS:
        found = data[0] if len(data) else "nothing"
        raise CodecError(f"format version {found} is not {VERSION}", hint="use the Syncline that wrote it, or a newer one")


def encode_row(row: tuple[Value, ...]) -> bytes:
    """The canonical bytes of a row or key: equal rows have equal bytes. Raises CodecError for what the wire cannot carry."""
    try:
        return _ENCODER.encode(row)
    except _UNWRITABLE as error:
        raise CodecError("a value does not fit the wire", why=str(error)) from error


def block_mark(collection: str) -> bytes:
    """How the encoding of every block of a collection begins. Bytes of other things may look like it."""
    head = _ENCODER.encode(collection)
    wire = _ENCODER.encode(Block(collection, (0,), (Series(PLAIN, []),), ()))
    return wire[: wire.index(head) + len(head)]


def decode_row(data: bytes | memoryview) -> tuple[Value, ...]:
    """The inverse of encode_row. Raises CodecError."""
    try:
        row: tuple[Value, ...] = _ROW.decode(data)
    except _UNREADABLE as error:
        raise CodecError("these bytes are not a row", why=str(error)) from error
    if not _VALUES.issuperset(map(type, row)):
        raise CodecError("these bytes are not a row", why="something in it is not a value")
    return row
