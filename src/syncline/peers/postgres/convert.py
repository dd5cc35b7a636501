"""Values between PostgreSQL and the model, exactly both ways; what a column would change on its way in is refused.

PostgreSQL's own text of a value is its canonical text, since every session is pinned. Where SQLite can hold the same value,
the form is the one that SQLite gives: whole decimals and booleans are integers, decimals that a double means exactly are
reals, and what SQLite keeps as text (dates, times, UUIDs, JSON, arrays) is text. So peers of both kinds compare equal.
"""

import math
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import msgspec

from syncline.model import forms
from syncline.model.limits import VALUE_BYTES_MAX
from syncline.model.numbers import single
from syncline.model.schema import Kind
from syncline.model.value import INT64_MAX, INT64_MIN, Tagged, Value
from syncline.peers.storing import Unstorable, noun

INTEGERS: Final = {21: (-(2**15), 2**15 - 1), 23: (-(2**31), 2**31 - 1), 20: (INT64_MIN, INT64_MAX), 26: (0, 2**32 - 1)}
FLOAT4, FLOAT8 = 700, 701
BOOL, BYTEA, FLOATS, NUMERIC, BPCHAR = 16, 17, frozenset({FLOAT4, FLOAT8}), 1700, 1042
TEXTS: Final = frozenset({25, 1043, 19, 18, BPCHAR})
JSON, JSONB, UUID = 114, 3802, 2950
_KINDS: Final = {
    **dict.fromkeys(INTEGERS, Kind.INTEGER),
    **dict.fromkeys(FLOATS, Kind.REAL),
    **dict.fromkeys(TEXTS, Kind.TEXT),
    BOOL: Kind.BOOLEAN,
    BYTEA: Kind.BYTES,
    NUMERIC: Kind.DECIMAL,
    JSON: Kind.JSON,
    JSONB: Kind.JSON,
    UUID: Kind.UUID,
    1082: Kind.DATE,
    1083: Kind.TIME,
    1114: Kind.TIMESTAMP,
    1184: Kind.INSTANT,
    1186: Kind.INTERVAL,
}
_DATE: Final = r"\d{4,}-\d\d-\d\d"
_TIME: Final = r"\d\d:\d\d:\d\d(\.\d{0,5}[1-9])?"
# texts that PostgreSQL gives back as they are; others of these types are asked about
_CANONICAL: Final = {
    1082: re.compile(_DATE),
    1083: re.compile(_TIME),
    1114: re.compile(f"{_DATE} {_TIME}"),
    1184: re.compile(rf"{_DATE} {_TIME}\+00"),
    UUID: re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
}
_ROUNDED: Final = frozenset({1083, 1114, 1184})  # where a declared precision rounds
_NATIVE_ORDER: Final = frozenset({*INTEGERS, *FLOATS, BOOL, BYTEA, NUMERIC, UUID, 1082, 1083, 1114, 1184})


class Type(msgspec.Struct, frozen=True):
    """A column's type: what it is once domains are looked through. `scale`: of a declared numeric, else None."""

    oid: int
    name: str  # as SQL writes it, with schema and modifier
    scale: int | None = None
    enum: bool = False
    modifier: int = -1

    @property
    def kind(self) -> Kind:
        """What the model calls it."""
        return _KINDS.get(self.oid, Kind.ANY)

    @property
    def affinity(self) -> str:
        """The storage class in which SQLite keeps the same values, where it matters."""
        match self.kind:
            case Kind.INTEGER | Kind.BOOLEAN | Kind.DECIMAL:
                return "NUMERIC"
            case Kind.REAL:
                return "REAL"
            case Kind.TEXT:
                return "TEXT"
            case _:
                return ""

    @property
    def tag(self) -> str:
        """The tag of its series."""
        return tag_of(self.oid, self.modifier)

    @property
    def ordered(self) -> bool:
        """Whether the server sorts it as model.key.order does; else its text is sorted, by its bytes."""
        return self.oid in _NATIVE_ORDER

    @property
    def to_ask(self) -> bool:
        """Whether only the server can tell if a text is canonical."""
        return self.oid not in TEXTS and self.oid != JSON and not self.enum and self.kind not in CHECKED


CHECKED: Final = frozenset({Kind.INTEGER, Kind.REAL, Kind.DECIMAL, Kind.BOOLEAN, Kind.BYTES})


# -- from PostgreSQL ------------------------------------------------------------------------------------------------------


def form_of(oid: int, modifier: int = -1) -> str:
    """The form in which the server writes this type (model.forms)."""
    if oid == NUMERIC and modifier >= 0:
        return forms.FIXED
    return forms.INTEGER if oid in INTEGERS else forms.REAL if oid in FLOATS else _FORMS.get(oid, forms.TEXT)


def tag_of(oid: int, modifier: int) -> str:
    """The tag of a series of this type (Series.tag): the same in every database, or '' for a type of this one alone."""
    return f"postgres {oid} {modifier}" if oid < _BUILT_IN else ""


_BUILT_IN: Final = 16_384  # the first oid of what users make
_FORMS: Final = {BOOL: forms.BOOLEAN, BYTEA: forms.HEX, NUMERIC: forms.DECIMAL, BPCHAR: forms.PADDED}


# -- to PostgreSQL --------------------------------------------------------------------------------------------------------


def store(value: Value, kind: Type) -> str | None:
    """What to send so that the column holds exactly this value. Raises Unstorable."""
    match value:
        case None:
            return None
        case int():
            return _integer(value, kind)
        case str():
            return _text(value, kind)
        case bytes() if kind.oid == BYTEA:
            if len(value) > VALUE_BYTES_MAX:
                raise Unstorable("too_large", f"{len(value)} are more than {VALUE_BYTES_MAX} bytes")
            return r"\x" + value.hex()
        case Tagged("oversize", text):
            raise Unstorable("too_large", f"the value did not travel: {text}")
        case Tagged("rawtext", _):
            raise Unstorable("not_utf8", "the text is not UTF-8, and PostgreSQL holds nothing else")
        case Tagged("real" | "decimal", text) as number:
            return _number(text, number, kind)
        case Tagged("boolean", text) if kind.oid == BOOL:
            return text
        case Tagged(_, text) if kind.kind not in CHECKED:
            return _text(text, kind)
        case _:
            raise Unstorable("type", f"{noun(value)} does not fit a column of type {kind.name}")


def _integer(value: int, kind: Type) -> str:
    if bounds := INTEGERS.get(kind.oid):
        if bounds[0] <= value <= bounds[1]:
            return str(value)
        raise Unstorable("out_of_range", f"{value} does not fit {kind.name}")
    if kind.oid == NUMERIC or (kind.oid == BOOL and value in (0, 1)):
        return str(value)
    raise Unstorable("type", f"{noun(value)} does not fit a column of type {kind.name}")


def _number(text: str, value: Tagged, kind: Type) -> str:
    if kind.oid in FLOATS and value.kind == "real":
        if kind.oid == FLOAT4 and math.isfinite(float(text)) and single(float(text)) != float(text):
            raise Unstorable("rounded", f"{kind.name} would round {text}")
        return text
    if kind.oid != NUMERIC:
        raise Unstorable("type", f"{noun(value)} does not fit a column of type {kind.name}")
    number = Decimal(text)
    if not number.is_finite():
        return text
    if (value.kind == "real" and number == number.to_integral_value()) or (number.is_zero() and number.is_signed()):
        raise Unstorable("type", f"{kind.name} would turn the real {text} into an integer")
    plain = f"{number:f}"
    places = len(plain.partition(".")[2].rstrip("0"))
    if kind.scale is not None and places > kind.scale:
        raise Unstorable("rounded", f"{kind.name} would round {plain}")
    return plain


def _text(value: str, kind: Type) -> str:
    if kind.kind in CHECKED:
        raise Unstorable("type", f"{noun(value)} does not fit a column of type {kind.name}")
    if "\0" in value:
        raise Unstorable("nul", "the text has a NUL, and PostgreSQL's texts cannot")
    try:
        size = len(value.encode())
    except UnicodeEncodeError as error:
        raise Unstorable("not_utf8", f"the text cannot be UTF-8: {error.reason}") from error
    if size > VALUE_BYTES_MAX:
        raise Unstorable("too_large", f"{size} are more than {VALUE_BYTES_MAX} bytes")
    if kind.oid == BPCHAR and value.endswith(" "):
        raise Unstorable("padding", f"{kind.name} does not keep blanks at the end")
    return value


def doubtful(texts: Sequence[str | None], kind: Type) -> list[int]:
    """Places whose text the server may write in another way: to be asked about."""
    if not kind.to_ask:
        return []
    canonical = _CANONICAL.get(kind.oid)
    if canonical is None or (kind.modifier >= 0 and kind.oid in _ROUNDED):
        return [place for place, text in enumerate(texts) if text is not None]
    return [place for place, text in enumerate(texts) if text is not None and not canonical.fullmatch(text)]
