"""How each type of column lies in a row event, and what turns whole columns of what lies there into values. Pure.

Source: https://dev.mysql.com/doc/dev/mysql-server/latest/field__types_8h.html; MariaDB's own types as its servers send them.
"""

import re
import zlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from ipaddress import IPv4Address
from struct import Struct
from typing import Any, Final, NamedTuple, TypeAlias

from syncline.model.errors import CodecError
from syncline.model.forms import oversize
from syncline.model.limits import VALUE_BYTES_MAX
from syncline.model.numbers import decimal_value, single, whole_value
from syncline.model.value import INT64_MAX, Tagged, Value, real
from syncline.peers.mysql import tables
from syncline.peers.mysql.charset import BINARY, UTF8, charset_of, text_reader
from syncline.peers.mysql.jsonb import json_text
from syncline.peers.mysql.tables import Field, string_bytes_max

Reader: TypeAlias = Callable[[Any], Value]
ColumnReader: TypeAlias = Callable[[Sequence[Any]], Sequence[Value]]  # of what a shape gives, and None

_INTEGERS: Final = {tables.TINY: "b", tables.SHORT: "h", tables.LONG: "i", tables.LONGLONG: "q"}
_FIXED: Final = {
    tables.FLOAT: "4s", tables.DOUBLE: "8s", tables.YEAR: "B", tables.INT24: "3s", tables.DATE: "3s", tables.NEWDATE: "3s",
    tables.TIME: "3s", tables.DATETIME: "q", tables.TIMESTAMP: "I",
}  # fmt: skip
_LENGTHS: Final = {1: "B", 2: "H", 3: "3s", 4: "I"}
_DIGIT_BYTES: Final = (0, 1, 1, 2, 2, 3, 3, 4, 4, 4)  # of a piece of a decimal with so many digits
_SINGLE, _DOUBLE = Struct("<f").unpack, Struct("<d").unpack
_BINARY_ID: Final = 63
_TWO_DIGITS: Final = tuple(f"{number:02d}" for number in range(100))
_WORDS: Final = Struct(">8H").unpack
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ZERO_TIME: Final = "0000-00-00 00:00:00"


class Shape(NamedTuple):
    """How a column lies in a row: a struct code, of the value or of the length before it, and what reads a column of it."""

    code: str
    length: bool  # the code is that of the length of what follows
    read: ColumnReader


def shape_of(field: Field, plain: str = "") -> Shape:
    """The shape of a column. `plain`: its type's name where the event does not tell it (uuid, inet4, inet6).

    Raises CodecError for a type or a character set that is not known: nothing is guessed (D46).
    """
    kind, meta = field.kind, field.meta
    if kind in _INTEGERS:
        code = _INTEGERS[kind]
        wide = field.unsigned and kind == tables.LONGLONG
        return Shape(code.upper() if field.unsigned else code, False, _wide if wide else _same)
    if kind in _FIXED:
        one = _int24u if kind == tables.INT24 and field.unsigned else _READERS[kind]
        return Shape(_FIXED[kind], False, _each(one))
    if kind in (tables.ENUM, tables.SET):
        return _choice(field)
    if kind == tables.NEWDECIMAL:
        return _decimal(meta >> 8, meta & 0xFF)
    if kind == tables.BIT:
        bits = (meta & 0xFF) * 8 + (meta >> 8)
        return Shape(f"{(bits + 7) // 8}s", False, _each(lambda raw: f"{int.from_bytes(raw, 'big'):0{bits}b}"))
    if kind in _FRACTIONS:
        width, make = _FRACTIONS[kind]
        return Shape(f"{width + (meta + 1) // 2}s", False, _each(make(meta)))
    return _variable(field, plain)


def passed_over(field: Field) -> Shape:
    """The shape of a column that nobody reads: its character set and labels may be any. Raises CodecError as `shape_of`."""
    return shape_of(field._replace(charset=_BINARY_ID, labels=field.labels or (b"",)))


def _variable(field: Field, plain: str) -> Shape:
    kind, meta = field.kind, field.meta
    if kind in (tables.VARCHAR, tables.VAR_STRING, tables.VARCHAR_COMPRESSED):
        width = 1 if meta <= 0xFF else 2
    elif kind == tables.STRING:
        width = 1 if string_bytes_max(meta) <= 0xFF else 2
    elif kind in (tables.BLOB, tables.BLOB_COMPRESSED, tables.GEOMETRY, tables.JSON):
        width = meta
    else:
        raise CodecError(f"a column of a type that is not known: {kind}", column=field.name)
    return Shape(_LENGTHS[width], True, _content(field, plain))


def _content(field: Field, plain: str) -> ColumnReader:
    """What reads the bytes of a text or a blob."""
    if plain:
        if plain not in _PLAIN:
            raise CodecError(f"a column of a type that is not known: {plain}", column=field.name)
        return _each(_PLAIN[plain])
    if field.kind == tables.JSON:
        return _each(lambda raw: json_text(raw) if len(raw) <= VALUE_BYTES_MAX else oversize(raw))
    charset = BINARY if field.kind == tables.GEOMETRY else charset_of(field.charset)
    if charset == BINARY:
        if field.kind == tables.STRING:
            size = string_bytes_max(field.meta)
            return _each(lambda raw: raw.ljust(size, b"\0"))
        read: ColumnReader = _blobs
    elif charset:
        read = _texts(charset)
    else:
        raise CodecError(f"a column with a collation that is not known: {field.charset}", column=field.name)
    if field.kind in (tables.VARCHAR_COMPRESSED, tables.BLOB_COMPRESSED):
        return lambda column: read([None if raw is None else inflate_column(raw) for raw in column])
    return read


# -- columns --------------------------------------------------------------------------------------------------------------


def _same(column: Sequence[Any]) -> Sequence[Value]:
    return column


def _wide(column: Sequence[int | None]) -> Sequence[Value]:
    """BIGINT UNSIGNED: what is more than a signed one holds travels as a decimal (D5)."""
    return [Tagged("decimal", str(one)) if one is not None and one > INT64_MAX else one for one in column]


def _each(read: Reader) -> ColumnReader:
    """Every distinct value once: times and choices come again and again."""

    def column_of(column: Sequence[Any]) -> Sequence[Value]:
        if len(column) == 1:
            return [None if column[0] is None else read(column[0])]
        known = {raw: None if raw is None else read(raw) for raw in set(column)}
        return [known[raw] for raw in column]

    return column_of


def _blobs(column: Sequence[bytes | None]) -> Sequence[Value]:
    return [oversize(raw) if raw is not None and len(raw) > VALUE_BYTES_MAX else raw for raw in column]


def _texts(charset: str) -> ColumnReader:
    """All texts decoded as one, where the bytes are UTF-8's and none of them has a NUL."""
    one = text_reader(charset)
    whole = charset in UTF8

    def column_of(column: Sequence[bytes | None]) -> Sequence[Value]:
        if whole and len(column) > 1 and None not in column:
            joined = b"\0".join(column)  # type: ignore[arg-type]
            if len(joined) <= VALUE_BYTES_MAX and joined.count(0) == len(column) - 1:
                try:
                    return joined.decode("ascii" if charset == "ascii" else "utf-8").split("\0")
                except UnicodeDecodeError:
                    pass
        return [None if raw is None else one(raw) for raw in column]

    return column_of


# -- single values --------------------------------------------------------------------------------------------------------


def _int24(raw: bytes) -> Value:
    return int.from_bytes(raw, "little", signed=True)


def _int24u(raw: bytes) -> Value:
    return int.from_bytes(raw, "little")


def _float(raw: bytes) -> Value:
    return real(single(_SINGLE(raw)[0]))


def _double(raw: bytes) -> Value:
    return real(_DOUBLE(raw)[0])


def _year(raw: int) -> Value:
    return raw + 1900 if raw else 0


def _date(raw: bytes) -> Value:
    number = int.from_bytes(raw, "little")
    return f"{number >> 9:04d}-{number >> 5 & 15:02d}-{number & 31:02d}"


def _old_time(raw: bytes) -> Value:
    number = int.from_bytes(raw, "little", signed=True)
    hours, rest = divmod(abs(number), 10_000)
    return f"{'-' if number < 0 else ''}{hours:02d}:{rest // 100:02d}:{rest % 100:02d}"


def _old_datetime(raw: int) -> Value:
    day, time = divmod(raw, 1_000_000)
    return (
        f"{day // 10_000:04d}-{day // 100 % 100:02d}-{day % 100:02d} "
        f"{time // 10_000:02d}:{time // 100 % 100:02d}:{time % 100:02d}"
    )


def _instant(seconds: int, fraction: str = "") -> Value:
    if seconds == 0 and not fraction:
        return _ZERO_TIME + "+00"
    days, rest = divmod(seconds, 86_400)
    minutes, second = divmod(rest, 60)
    hour, minute = divmod(minutes, 60)
    return f"{_day(days)} {_TWO_DIGITS[hour]}:{_TWO_DIGITS[minute]}:{_TWO_DIGITS[second]}{fraction}+00"


@lru_cache(maxsize=4096)
def _day(days: int) -> str:
    """A day of the epoch."""
    return (_EPOCH + timedelta(days=days)).date().isoformat()


def _fraction(number: int, digits: int) -> str:
    """The part after the point, without needless zeros; it is kept in pairs of digits."""
    return f".{number:0{digits + digits % 2}d}".rstrip("0") if number else ""


def _make_instant(digits: int) -> Reader:
    return lambda raw: _instant(int.from_bytes(raw[:4], "big"), _fraction(int.from_bytes(raw[4:], "big"), digits))


def _make_datetime(digits: int) -> Reader:
    bits, two = (digits + 1) // 2 * 8, _TWO_DIGITS

    def read(raw: bytes) -> Value:
        number = int.from_bytes(raw, "big") - (0x8000000000 << bits)
        fraction, number = number & (1 << bits) - 1, number >> bits
        year, month = divmod(number >> 22, 13)
        day, time = two[number >> 17 & 31], f"{two[number >> 12 & 31]}:{two[number >> 6 & 63]}:{two[number & 63]}"
        return f"{year:04d}-{two[month]}-{day} {time}{_fraction(fraction, digits)}"

    return read


def _make_time(digits: int) -> Reader:
    bits = (digits + 1) // 2 * 8

    def read(raw: bytes) -> Value:
        number = int.from_bytes(raw, "big") - (0x800000 << bits)
        whole, fraction = abs(number) >> bits, abs(number) & (1 << bits) - 1
        text = f"{whole >> 12 & 0x3FF:02d}:{whole >> 6 & 63:02d}:{whole & 63:02d}{_fraction(fraction, digits)}"
        return f"-{text}" if number < 0 else text

    return read


def _uuid(raw: bytes) -> Value:
    text = raw.ljust(16, b"\0").hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _inet6(raw: bytes) -> Value:
    """As MariaDB writes it: `::` for the first of the longest runs of zeros, even of one; IPv4 in dots where that is meant."""
    data = raw.ljust(16, b"\0")
    words = [f"{word:x}" for word in _WORDS(data)]
    runs = re.finditer("0+", "".join("0" if word == "0" else "x" for word in words))
    start, end = max((found.span() for found in runs), key=lambda run: run[1] - run[0], default=(0, 0))
    if start == end:
        return ":".join(words)
    tail = words[end:]
    if start == 0 and (end == 6 or (end == 5 and words[5] == "ffff")):
        tail[-2:] = [str(IPv4Address(data[12:]))]
    return f"{':'.join(words[:start])}::{':'.join(tail)}"


def inflate_column(data: bytes) -> bytes:
    """A value of a COMPRESSED column of MariaDB's: a byte of method and width, the size, and the data. Raises CodecError."""
    if not data or data[0] == 0:
        return data[1:]
    width = data[0] & 7
    size = int.from_bytes(data[1 : 1 + width], "big")
    if data[0] >> 4 != 8:
        raise CodecError(f"a value is compressed in a way that is not known: {data[0]:#x}")
    try:
        found = zlib.decompress(data[1 + width :], -zlib.MAX_WBITS if data[0] & 8 else zlib.MAX_WBITS, max(size, 1))
    except zlib.error as error:
        raise CodecError("a compressed value is damaged", why=str(error)) from error
    if len(found) != size:
        raise CodecError("a compressed value is damaged", why=f"it has {len(found)} bytes instead of {size}")
    return found


_READERS: Final[dict[int, Reader]] = {
    tables.FLOAT: _float, tables.DOUBLE: _double, tables.YEAR: _year, tables.INT24: _int24, tables.DATE: _date,
    tables.NEWDATE: _date, tables.TIME: _old_time, tables.DATETIME: _old_datetime, tables.TIMESTAMP: _instant,
}  # fmt: skip
_FRACTIONS: Final[dict[int, tuple[int, Callable[[int], Reader]]]] = {
    tables.TIMESTAMP2: (4, _make_instant),
    tables.DATETIME2: (5, _make_datetime),
    tables.TIME2: (3, _make_time),
}
_PLAIN: Final[dict[str, Reader]] = {
    "uuid": _uuid,
    "inet4": lambda raw: str(IPv4Address(raw.ljust(4, b"\0"))),
    "inet6": _inet6,
}


def _choice(field: Field) -> Shape:
    """ENUM: a number from 1 on, 0 is the text of what was not valid; SET: a bit for each."""
    charset, size = charset_of(field.charset), field.meta & 0xFF
    if not charset:
        raise CodecError(f"a column with a collation that is not known: {field.charset}", column=field.name)
    if not field.labels:
        raise CodecError("the binary log does not tell the labels of ENUM and SET", column=field.name)
    read = text_reader("latin1" if charset == BINARY else charset)
    labels = [str(read(label)) for label in field.labels]
    if field.kind == tables.ENUM:
        known = ["", *labels]
        return Shape("B" if size == 1 else "H", False, _each(lambda number: known[number]))

    def chosen(raw: bytes) -> Value:
        bits = int.from_bytes(raw, "little")
        return ",".join(label for place, label in enumerate(labels) if bits >> place & 1)

    return Shape(f"{size}s", False, _each(chosen))


def _decimal(precision: int, scale: int) -> Shape:
    """Digits in pieces of nine, the incomplete pieces outside; the highest bit is the sign, a negative has all bits turned."""
    whole = precision - scale
    digits_of = [whole % 9, *[9] * (whole // 9), *[9] * (scale // 9), scale % 9]
    at = size = sum(_DIGIT_BYTES[digits] for digits in digits_of)
    pieces: list[tuple[int, int, int]] = []
    for digits in filter(None, digits_of):
        at -= _DIGIT_BYTES[digits]
        pieces.append((8 * at, (1 << 8 * _DIGIT_BYTES[digits]) - 1, 10**digits))
    ones, top, unit = (1 << 8 * size) - 1, 1 << 8 * size - 1, 10**scale

    def read(raw: bytes) -> Value:
        number = int.from_bytes(raw, "big") ^ top
        negative = number & top
        if negative:
            number ^= ones
        total = 0
        for shift, mask, base in pieces:
            total = total * base + (number >> shift & mask)
        integer, rest = divmod(total, unit)
        if not rest:
            return whole_value(-integer if negative else integer)
        return decimal_value(f"{'-' if negative else ''}{integer}.{rest:0{scale}d}".rstrip("0"))

    return Shape(f"{size}s", False, _each(read))
