"""What values a MariaDB or MySQL column can hold, as its type tells (model.holds)."""

from typing import Final

from syncline.model import holds
from syncline.model.holds import Holds
from syncline.peers.mysql.convert import BYTES, FLOATS, GEOMETRIES, INTEGERS, LENGTHS, TEXTS, TIMES, Type, bounds

_FORMS: Final = {
    "date": holds.DATE,
    "time": holds.TIME,
    "datetime": holds.WALL,
    "timestamp": holds.INSTANT,
    "uuid": holds.UUID,
    "json": holds.JSON,
}
_WHOLE: Final = frozenset({"utf8mb4", "utf16", "utf16le", "utf32"})  # character sets that lack nothing


def holds_of(kind: Type) -> Holds:
    """What a column of this type can hold."""
    if kind.base in INTEGERS:
        low, high = (0, 2155) if kind.base == "year" else bounds(kind)
        return Holds(frozenset({holds.INTEGER}), low=low, high=high, scale=0)
    if kind.base == "decimal":
        high = 10 ** (kind.size - (kind.scale or 0)) - 1
        return Holds(
            frozenset({holds.INTEGER, holds.FRACTION}), low=0 if kind.unsigned else -high, high=high, scale=kind.scale or 0
        )
    if kind.base in FLOATS:
        return Holds(frozenset({holds.REAL}))
    if kind.base in TEXTS:
        return _text(kind)
    if kind.base in BYTES:
        return Holds(frozenset({holds.BYTES}), size=kind.size or None, unit="bytes", exactly=kind.base == "binary")
    if kind.base in GEOMETRIES:
        return Holds(frozenset({holds.BYTES}))
    if kind.base == "bit":
        return Holds(frozenset({holds.bits(kind.size)}))
    if kind.base in {"enum", "set"}:
        return Holds(frozenset({holds.LABEL}), labels=kind.labels if kind.base == "enum" else ())
    form = _FORMS.get(kind.base, holds.OTHER)
    return Holds(frozenset({form}), fraction=kind.scale or 0 if kind.base in TIMES - {"date"} else None)


def _text(kind: Type) -> Holds:
    most = LENGTHS.get(kind.base)
    lacks = "" if kind.charset in _WHOLE else kind.charset
    return Holds(
        frozenset({holds.TEXT}), size=most or kind.size, unit="bytes" if most is not None else "characters", charset=lacks
    )
