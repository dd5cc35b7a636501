"""Table maps: what a binlog says of a table before its rows. Pure: the schema of the event, never today's.

Source: https://dev.mysql.com/doc/dev/mysql-server/latest/classbinary__log_1_1Table__map__event.html
"""

from struct import Struct
from typing import Final, NamedTuple

from syncline.peers.mysql.events import HEAD, lenenc

TINY, SHORT, LONG, FLOAT, DOUBLE, NULL, TIMESTAMP, LONGLONG, INT24, DATE, TIME, DATETIME, YEAR = range(1, 14)
NEWDATE, VARCHAR, BIT, TIMESTAMP2, DATETIME2, TIME2 = range(14, 20)
BLOB_COMPRESSED, VARCHAR_COMPRESSED = 140, 141  # MariaDB
JSON, NEWDECIMAL, ENUM, SET, TINY_BLOB, MEDIUM_BLOB, LONG_BLOB, BLOB, VAR_STRING, STRING, GEOMETRY = range(245, 256)

_NUMERIC: Final = frozenset({TINY, SHORT, INT24, LONG, LONGLONG, FLOAT, DOUBLE, YEAR, NEWDECIMAL})
_TEXTS: Final = frozenset({VARCHAR, STRING, VAR_STRING, BLOB, GEOMETRY, BLOB_COMPRESSED, VARCHAR_COMPRESSED})
_CHOICES: Final = frozenset({ENUM, SET})
_TWO_BYTES: Final = frozenset({VARCHAR, VARCHAR_COMPRESSED, BIT, NEWDECIMAL, STRING, VAR_STRING, ENUM, SET})
_ONE_BYTE: Final = frozenset(
    {BLOB, TINY_BLOB, MEDIUM_BLOB, LONG_BLOB, BLOB_COMPRESSED, FLOAT, DOUBLE, JSON, GEOMETRY, TIMESTAMP2, DATETIME2, TIME2}
)
_SIGNS, _CHARSET, _CHARSETS, _NAMES, _SETS, _ENUMS, _CHOICE_CHARSET, _CHOICE_CHARSETS = 1, 2, 3, 4, 5, 6, 10, 11
_U16: Final = Struct("<H").unpack_from


class Field(NamedTuple):
    """A column as the event has it. `meta`: as the type has it, see `_meta`; `charset`: number of its collation, 0 for none.

    `name` is '' where the server does not tell names; `labels` are those of ENUM and SET, in the charset's bytes.
    """

    name: str
    kind: int
    meta: int
    unsigned: bool
    charset: int
    labels: tuple[bytes, ...]


class TableMap(NamedTuple):
    """A table, for the row events that name its number."""

    schema: str
    name: str
    fields: tuple[Field, ...]


def number_of(event: bytes) -> bytes:
    """The number of the table, in a table map or a row event."""
    return event[HEAD : HEAD + 6]


def table_names(event: bytes) -> tuple[str, str]:
    """Only the schema and the name."""
    schema, name, _ = _names(event)
    return schema, name


def _names(event: bytes) -> tuple[str, str, int]:
    at = HEAD + 8
    size = event[at]
    schema = event[at + 1 : at + 1 + size]
    at += size + 2
    size = event[at]
    return schema.decode(), event[at + 1 : at + 1 + size].decode(), at + size + 2


def table_map(event: bytes, *, mariadb: bool = True) -> TableMap:
    """Everything that the event says. `mariadb`: geometries have a character set there; MySQL does not count them."""
    schema, name, at = _names(event)
    count, at = lenenc(event, at)
    kinds = event[at : at + count]
    size, at = lenenc(event, at + count)
    metas = _metas(kinds, event[at : at + size])
    more = _more(event[at + size + (count + 7) // 8 :])
    kinds = bytes(_real(kind, meta) for kind, meta in zip(kinds, metas, strict=True))
    names = [name.decode() for name in _strings(more.get(_NAMES, b""))] or [""] * count
    signs = _signs(kinds, more.get(_SIGNS, b""))
    charsets = _charsets(kinds, _TEXTS if mariadb else _TEXTS - {GEOMETRY}, more.get(_CHARSET), more.get(_CHARSETS))
    charsets |= _charsets(kinds, _CHOICES, more.get(_CHOICE_CHARSET), more.get(_CHOICE_CHARSETS))
    labels = _labels(kinds, more)
    fields = (
        Field(names[place], kinds[place], metas[place], signs[place], charsets.get(place, 0), labels.get(place, ()))
        for place in range(count)
    )
    return TableMap(schema, name, tuple(fields))


def _metas(kinds: bytes, data: bytes) -> list[int]:
    """What each type adds, as one number: the first byte above the second where they are two parts, else as a length."""
    at, found = 0, []
    for kind in kinds:
        if kind in (VARCHAR, VARCHAR_COMPRESSED):
            found.append(_U16(data, at)[0])
            at += 2
        elif kind in _TWO_BYTES:
            found.append(data[at] << 8 | data[at + 1])
            at += 2
        elif kind in _ONE_BYTE:
            found.append(data[at])
            at += 1
        else:
            found.append(0)
    return found


def _real(kind: int, meta: int) -> int:
    """ENUM and SET come as STRING."""
    return meta >> 8 if kind == STRING and meta >> 8 in _CHOICES else kind


def string_bytes_max(meta: int) -> int:
    """The length of a STRING column in bytes: its two high bits are hidden, inverted, in the type's byte."""
    high = meta >> 8
    return (meta & 0xFF) | ((high & 0x30) ^ 0x30) << 4 if high & 0x30 != 0x30 else meta & 0xFF


def _more(data: bytes) -> dict[int, bytes]:
    at, found = 0, {}
    while at < len(data):
        kind = data[at]
        size, at = lenenc(data, at + 1)
        found[kind] = data[at : at + size]
        at += size
    return found


def _strings(data: bytes) -> list[bytes]:
    at, found = 0, []
    while at < len(data):
        size, at = lenenc(data, at)
        found.append(data[at : at + size])
        at += size
    return found


def _numbers(data: bytes) -> list[int]:
    at, found = 0, []
    while at < len(data):
        number, at = lenenc(data, at)
        found.append(number)
    return found


def _signs(kinds: bytes, data: bytes) -> list[bool]:
    """A bit for each numeric column, the first in the highest bit."""
    found, seen = [], 0
    for kind in kinds:
        numeric = kind in _NUMERIC
        found.append(numeric and seen // 8 < len(data) and bool(data[seen // 8] & 0x80 >> seen % 8))
        seen += numeric
    return found


def _charsets(kinds: bytes, which: frozenset[int], usual: bytes | None, each: bytes | None) -> dict[int, int]:
    """Collations of the columns of some types: listed one by one, or one for most and those that differ."""
    places = [place for place, kind in enumerate(kinds) if kind in which]
    if each is not None:
        return dict(zip(places, _numbers(each), strict=True))
    if usual is None:
        return {}
    first, *rest = _numbers(usual)
    other = dict(zip(rest[::2], rest[1::2], strict=True))
    return {place: other.get(number, first) for number, place in enumerate(places)}


def _labels(kinds: bytes, more: dict[int, bytes]) -> dict[int, tuple[bytes, ...]]:
    found = {}
    for kind, part in ((ENUM, _ENUMS), (SET, _SETS)):
        data, at = more.get(part, b""), 0
        for place in [place for place, one in enumerate(kinds) if one == kind]:
            if at >= len(data):
                break
            count, at = lenenc(data, at)
            labels = []
            for _ in range(count):
                size, at = lenenc(data, at)
                labels.append(data[at : at + size])
                at += size
            found[place] = tuple(labels)
    return found
