"""MySQL's binary JSON -> the text that MySQL writes for it. Pure. (MariaDB keeps JSON as text.)

Source: https://dev.mysql.com/doc/dev/mysql-server/latest/json__binary_8h.html
"""

import base64
import math
from decimal import Decimal
from struct import Struct, error
from typing import Final

from syncline.model.errors import CodecError
from syncline.model.limits import JSON_DEPTH_MAX
from syncline.peers.mysql.tables import DATE, DATETIME, NEWDECIMAL, TIME, TIMESTAMP

_SMALL_OBJECT, _LARGE_OBJECT, _SMALL_ARRAY, _LARGE_ARRAY, _LITERAL = range(5)
_INT16, _UINT16, _INT32, _UINT32, _INT64, _UINT64, _DOUBLE, _STRING = range(5, 13)
_OPAQUE: Final = 15
_NUMBERS: Final = {
    _INT16: Struct("<h"), _UINT16: Struct("<H"), _INT32: Struct("<i"), _UINT32: Struct("<I"), _INT64: Struct("<q"),
    _UINT64: Struct("<Q"),
}  # fmt: skip
_REAL: Final = Struct("<d").unpack_from
_LITERALS: Final = ("null", "true", "false")
_INLINED: Final = {False: frozenset({_LITERAL, _INT16, _UINT16}), True: frozenset({_LITERAL, _INT16, _UINT16, _INT32, _UINT32})}
_ESCAPES: Final = str.maketrans(
    {chr(n): f"\\u{n:04x}" for n in range(32)}
    | {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
)


def json_text(data: bytes) -> str:
    """The text of a document. Raises CodecError."""
    if not data:
        return "null"  # as MySQL takes it
    try:
        return _value(data[0], data, 1, 0)
    except (error, IndexError, UnicodeDecodeError) as damage:
        raise CodecError("a JSON value cannot be read", why=str(damage)) from damage


def _value(kind: int, data: bytes, at: int, depth: int) -> str:
    if depth > JSON_DEPTH_MAX:
        raise CodecError("a JSON value is nested too deeply", why=f"more than {JSON_DEPTH_MAX} times")
    if kind <= _LARGE_ARRAY:
        return _container(kind, data, at, depth)
    if kind == _LITERAL:
        return _LITERALS[data[at]]
    if kind in _NUMBERS:
        return str(_NUMBERS[kind].unpack_from(data, at)[0])
    if kind == _DOUBLE:
        return real_text(_REAL(data, at)[0])
    if kind == _STRING:
        size, at = _length(data, at)
        return _quoted(_piece(data, at, size).decode())
    if kind == _OPAQUE:
        size, start = _length(data, at + 1)
        return _opaque(data[at], _piece(data, start, size))
    raise CodecError(f"a JSON value of a kind that is not known: {kind}")


def _container(kind: int, data: bytes, at: int, depth: int) -> str:
    """Both begin with the number of their members and their size; offsets count from there."""
    large = kind in (_LARGE_OBJECT, _LARGE_ARRAY)
    offset, width = (Struct("<I"), 4) if large else (Struct("<H"), 2)
    (count,) = offset.unpack_from(data, at)
    entry = at + 2 * width
    names: list[str] = []
    if kind in (_SMALL_OBJECT, _LARGE_OBJECT):
        for _ in range(count):
            (start,), (size,) = offset.unpack_from(data, entry), Struct("<H").unpack_from(data, entry + width)
            names.append(_quoted(_piece(data, at + start, size).decode()))
            entry += width + 2
    values = []
    for _ in range(count):
        one = data[entry]
        place = entry + 1 if one in _INLINED[large] else at + offset.unpack_from(data, entry + 1)[0]
        values.append(_value(one, data, place, depth + 1))
        entry += 1 + width
    if kind in (_SMALL_OBJECT, _LARGE_OBJECT):
        return "{" + ", ".join(f"{name}: {value}" for name, value in zip(names, values, strict=True)) + "}"
    return "[" + ", ".join(values) + "]"


def _length(data: bytes, at: int) -> tuple[int, int]:
    """A length in groups of seven bits, the lowest first."""
    size = shift = 0
    while True:
        size |= (data[at] & 0x7F) << shift
        at += 1
        if data[at - 1] < 0x80:
            return size, at
        shift += 7


def _piece(data: bytes, at: int, size: int) -> bytes:
    if at + size > len(data):
        raise IndexError("it is cut")
    return data[at : at + size]


def _quoted(text: str) -> str:
    return f'"{text.translate(_ESCAPES)}"'


def real_text(number: float) -> str:
    """A double as MySQL writes it in JSON: the shortest digits, with a point where nothing else tells that it is one."""
    if not math.isfinite(number):
        raise CodecError("a JSON value cannot be read", why="JSON has no such number")
    sign, digits, exponent = Decimal(repr(number)).normalize().as_tuple()
    assert isinstance(exponent, int)
    text = "".join(map(str, digits))
    point = len(text) + exponent  # where it stands among the digits
    minus = "-" if sign else ""
    if number == 0:
        return f"{minus}0.0"
    if -15 < point <= 15 or (point == 16 and len(text) > 16):
        if point <= 0:
            return f"{minus}0.{'0' * -point}{text}"
        return f"{minus}{text[:point].ljust(point, '0')}.{text[point:] or '0'}"
    return f"{minus}{text[0]}{'.' + text[1:] if len(text) > 1 else ''}e{point - 1}"


def _opaque(kind: int, data: bytes) -> str:
    """A value of a column's type: decimals are bare, dates and times are quoted, else the bytes are given in base 64."""
    if kind == NEWDECIMAL:
        return _decimal(data[2:], data[0], data[1])
    if kind in (DATE, TIME, DATETIME, TIMESTAMP):
        packed = int.from_bytes(_piece(data, 0, 8), "little", signed=True)
        whole, micros = abs(packed) >> 24, abs(packed) & 0xFFFFFF
        months, day = whole >> 22, whole >> 17 & 31
        date = f"{months // 13:04d}-{months % 13:02d}-{day:02d}"
        if kind == DATE:
            return f'"{date}"'
        hours = whole >> 12 & (0x3FF if kind == TIME else 31)
        time = f"{hours:02d}:{whole >> 6 & 63:02d}:{whole & 63:02d}.{micros:06d}"
        return f'"{"-" if packed < 0 else ""}{time}"' if kind == TIME else f'"{date} {time}"'
    return f'"base64:type{kind}:{base64.b64encode(data).decode()}"'


def _decimal(data: bytes, precision: int, scale: int) -> str:
    """All digits after the point are kept."""
    whole = precision - scale
    size = sum(part // 9 * 4 + (part % 9 + 1) // 2 for part in (whole, scale))
    number = int.from_bytes(_piece(data, 0, size), "big") ^ 1 << 8 * size - 1
    negative = number >> 8 * size - 1
    number = number ^ (1 << 8 * size) - 1 if negative else number
    left, text = 8 * size, ""
    for digits in (whole % 9, *[9] * (whole // 9), *[9] * (scale // 9), scale % 9):
        if digits:
            bits = 8 * ((digits + 1) // 2 if digits < 8 else 4)
            left -= bits
            text += f"{number >> left & (1 << bits) - 1:0{digits}d}"
    integer = text[:whole].lstrip("0") or "0"
    return f"{'-' if negative else ''}{integer}{'.' + text[whole:] if scale else ''}"
