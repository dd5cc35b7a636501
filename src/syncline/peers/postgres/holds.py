"""What values a PostgreSQL column can hold, as its type tells (model.holds)."""

from typing import Final

from syncline.model import holds
from syncline.model.holds import Holds
from syncline.model.schema import Kind
from syncline.peers.postgres.convert import BOOL, BPCHAR, INTEGERS, NUMERIC, Type

_HEAD: Final = 4  # how much the modifier of a length is larger than it
_NAME_BYTES, _BIT = 63, 1560
_FORMS: Final = {
    Kind.REAL: holds.REAL,
    Kind.TEXT: holds.TEXT,
    Kind.BYTES: holds.BYTES,
    Kind.DATE: holds.DATE,
    Kind.TIME: holds.TIME,
    Kind.TIMESTAMP: holds.WALL,
    Kind.INSTANT: holds.INSTANT,
    Kind.INTERVAL: holds.INTERVAL,
    Kind.UUID: holds.UUID,
    Kind.JSON: holds.JSON,
}
_SECONDS: Final = frozenset({Kind.TIME, Kind.TIMESTAMP, Kind.INSTANT})


def holds_of(kind: Type) -> Holds:
    """What a column of this type can hold."""
    if kind.oid == BOOL:
        return Holds(frozenset({holds.INTEGER}), low=0, high=1, scale=0)
    if kind.oid in INTEGERS:
        low, high = INTEGERS[kind.oid]
        return Holds(frozenset({holds.INTEGER}), low=low, high=high, scale=0)
    if kind.oid == NUMERIC:
        return _numeric(kind)
    if kind.enum:
        return Holds(frozenset({holds.LABEL}))
    if kind.oid == _BIT and kind.modifier > 0:
        return Holds(frozenset({holds.bits(kind.modifier)}))
    forms = frozenset({_FORMS.get(kind.kind, holds.OTHER)})
    if kind.kind in _SECONDS:
        return Holds(forms, fraction=kind.modifier if kind.modifier >= 0 else 6)
    if kind.kind is Kind.TEXT:
        return Holds(forms, size=_size(kind), unit="bytes" if kind.oid in (18, 19) else "characters")
    return Holds(forms)


def _size(kind: Type) -> int | None:
    if kind.oid in (18, 19):  # "char" and name
        return _NAME_BYTES if kind.oid == 19 else 1
    return kind.modifier - _HEAD if kind.oid in (1043, BPCHAR) and kind.modifier > _HEAD else None


def _numeric(kind: Type) -> Holds:
    forms = frozenset({holds.INTEGER, holds.FRACTION})
    if kind.scale is None:
        return Holds(forms)
    precision = (kind.modifier - _HEAD) >> 16 & 0xFFFF
    high = 10 ** max(0, precision - kind.scale) - 1
    return Holds(forms, low=-high, high=high, scale=kind.scale)
