"""The events of a binlog as they come: numbers of their kinds, and what the control events say. Pure.

Sources: https://mariadb.com/kb/en/replication-protocol/ and
https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_replication_binlog_event.html
"""

import sys
import zlib
from collections.abc import Iterator
from struct import Struct
from typing import Final, NamedTuple

from syncline.model.errors import CodecError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

HEAD: Final = 19  # bytes of the header: time, kind, server, size, end in the file, flags
_HEADER: Final = Struct("<IBIIIH")

QUERY, ROTATE, FORMAT, XID, TABLE_MAP, HEARTBEAT, XA_PREPARE = 2, 4, 15, 16, 19, 27, 38
INSERTS, UPDATES, DELETES = frozenset({23, 30, 166, 169}), frozenset({24, 31, 167, 170}), frozenset({25, 32, 168, 171})
ROWS: Final = INSERTS | UPDATES | DELETES
ROWS_V2: Final = frozenset({30, 31, 32, 169, 170, 171})  # with a part for extensions
ROWS_COMPRESSED: Final = frozenset(range(166, 172))
ROWS_PARTIAL: Final = 39  # MySQL: an update of a part of a JSON document
ROWS_OLD: Final = frozenset({20, 21, 22})  # of servers that are not supported
PAYLOAD: Final = 40  # MySQL: a whole transaction, compressed
STATEMENTS: Final = frozenset({5, 13, 14, 17, 18})  # parts of what was logged as a statement: variables, files to load
MYSQL_GTIDS: Final = frozenset({33, 34, 42})  # with, without, and with a tag
GTID, GTID_LIST, QUERY_COMPRESSED, START_ENCRYPTION = 162, 163, 165, 164
INCIDENT: Final = 26
ARTIFICIAL: Final = 0x20  # a flag: made for this stream, not in the file
STANDALONE, PREPARED_XA, COMPLETED_XA = 1, 64, 128  # flags of MariaDB's GTID events

_GTID: Final = Struct("<QIB").unpack_from
_QUERY: Final = Struct("<IIBHH").unpack_from
_OFFSET: Final = Struct("<Q").unpack_from
_PREPARE: Final = Struct("<?III").unpack_from
_U32: Final = Struct("<I").unpack_from
_SECOND: Final = 1_000_000
_FRESH: Final = 3 * _SECOND


class Gtid(NamedTuple):
    """What begins a group of events at MariaDB."""

    domain: int
    server: int
    sequence: int
    flags: int


class Query(NamedTuple):
    """A statement, and the schema that it was run in."""

    schema: str
    text: str


class Format(NamedTuple):
    """What a file begins with: the server's version, and when the file was made (seconds since 1970)."""

    version: str
    created: int


class Header(NamedTuple):
    """The header of an event. `end`: low 32 bits of where it ends in the file, 0 where it is not in the file."""

    time: int
    kind: int
    server: int
    size: int
    end: int
    flags: int


def header(event: bytes) -> Header:
    """The header of an event."""
    return Header(*_HEADER.unpack_from(event))


def commit_time(event: bytes, now: int) -> int:
    """When a transaction was committed, in microseconds: events tell only the second. `now`: the server's clock, 0 if unknown.

    One that comes fresh was committed just now; of an older one it is taken to be the middle of its second.
    """
    first: int = _U32(event, 0)[0] * _SECOND
    if first <= now < first + _FRESH:
        return min(now, first + _SECOND - 1)
    return first + _SECOND // 2


def gtid(event: bytes) -> Gtid:
    """Of a GTID event of MariaDB's."""
    sequence, domain, flags = _GTID(event, HEAD)
    return Gtid(domain, _U32(event, 5)[0], sequence, flags)


def gtid_list(event: bytes) -> dict[int, str]:
    """Of MariaDB's event at the beginning of a file: the last GTID of each domain before it."""
    (count,) = _U32(event, HEAD)
    found = {}
    for place in range(count & 0x0FFFFFFF):
        domain, server, sequence = Struct("<IIQ").unpack_from(event, HEAD + 4 + 16 * place)
        found[domain] = f"{domain}-{server}-{sequence}"
    return found


def query(event: bytes) -> Query:
    """Of a query event, compressed or not. What is not UTF-8 in it is shown by what Python has for that."""
    _, _, size, _, extra = _QUERY(event, HEAD)
    at = HEAD + 13 + extra
    text = event[at + size + 1 :]
    if event[4] == QUERY_COMPRESSED:
        text = inflate(text)
    return Query(event[at : at + size].decode(errors="replace"), text.decode(errors="replace"))


def rotate(event: bytes) -> tuple[int, str]:
    """Where reading goes on: the offset, and the file."""
    return _OFFSET(event, HEAD)[0], event[HEAD + 8 :].rstrip(b"\0").decode()


def file_format(event: bytes) -> Format:
    """Of the event that a file begins with."""
    return Format(event[HEAD + 2 : HEAD + 52].rstrip(b"\0").decode(errors="replace"), _U32(event, 0)[0])


def prepared(event: bytes) -> tuple[str, bool]:
    """Of the event that ends the first half of an XA transaction: its name, and whether it is committed with it."""
    one_phase, number, first, second = _PREPARE(event, HEAD)
    data = event[HEAD + 13 : HEAD + 13 + first + second]
    return xid_text(data[:first], data[first:], number), one_phase


def xid_text(first: bytes, second: bytes, number: int) -> str:
    """The name of an XA transaction: both parts and the number of their format."""
    return f"{first.hex()},{second.hex()},{number}"


# -- what is compressed ---------------------------------------------------------------------------------------------------


def inflate(data: bytes) -> bytes:
    """What MariaDB compressed: a byte of method and width, the size, and the data. Raises CodecError."""
    width = data[0] & 7
    size = int.from_bytes(data[1 : 1 + width], "big")
    if data[0] & 0xF0 != 0x80:
        raise CodecError(f"an event is compressed in a way that is not known: {data[0]:#x}")
    try:
        found = zlib.decompress(data[1 + width :], bufsize=max(size, 1))
    except zlib.error as error:
        raise CodecError("a compressed event is damaged", why=str(error)) from error
    if len(found) != size:
        raise CodecError("a compressed event is damaged", why=f"it has {len(found)} bytes instead of {size}")
    return found


def lenenc(data: bytes, at: int) -> tuple[int, int]:
    """A length-encoded integer, and where it ends."""
    first = data[at]
    if first < 251:
        return first, at + 1
    width = {252: 2, 253: 3, 254: 8}[first]
    return int.from_bytes(data[at + 1 : at + 1 + width], "little"), at + 1 + width


_PIECE: Final = 1024 * 1024


def payload(event: bytes) -> Iterator[bytes]:
    """The events in MySQL's compressed transaction, one by one, in bounded memory. Raises CodecError."""
    at, method = HEAD, 0
    while True:
        kind, at = lenenc(event, at)
        if kind == 0:
            break
        size, at = lenenc(event, at)
        if kind == 2:
            method = lenenc(event, at)[0]
        at += size
    if method == 255:
        pieces = iter([event[at:]])
    elif method == 0:
        pieces = _unpacked(event[at:])
    else:
        raise CodecError(f"a transaction is compressed in a way that is not known: {method}")
    held = b""
    for piece in pieces:
        held += piece
        start = 0
        while len(held) - start >= HEAD and len(held) - start >= (size := _U32(held, start + 9)[0]):
            yield held[start : start + size]
            start += size
        held = held[start:]
    if held:
        raise CodecError("a compressed transaction is damaged", why=f"{len(held)} bytes are left at its end")


def _unpacked(data: bytes) -> Iterator[bytes]:
    reader = zstd.ZstdDecompressor()
    try:
        while not reader.eof:
            piece = reader.decompress(data, max_length=_PIECE)
            data = b""
            if not piece and reader.needs_input:
                break
            yield piece
    except zstd.ZstdError as error:
        raise CodecError("a compressed transaction is damaged", why=str(error)) from error
