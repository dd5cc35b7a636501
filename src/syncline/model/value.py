"""Values as they travel: exact, typed, never a float or a datetime.

A value is None (NULL), int, str (text), bytes (blob), or `Tagged` (everything else, as canonical text with its kind).
`ABSENT` says that the source did not send this column; it is never NULL. Which kind a column holds is the schema's say;
a value whose own kind differs from its column's (SQLite allows it) stays what it is.

Kinds of `Tagged` text: real (shortest round-trip decimal, or nan, inf, -inf, -0.0), decimal, boolean (t or f), date, time,
timestamp, instant (UTC), interval, uuid, json, bits, enum, array, rawtext (hex of text that is not UTF-8), other.
"""

import math
from operator import ne
from typing import TYPE_CHECKING, Any, Final, TypeAlias, final

from syncline.model.errors import CodecError


@final
class Absent:
    """The class of the one value that means 'not sent by the source'."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "ABSENT"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Absent)

    def __hash__(self) -> int:
        return 1

    def __copy__(self) -> "Absent":
        return self

    def __deepcopy__(self, _memo: object) -> "Absent":
        return self

    def __reduce__(self) -> str:
        return "ABSENT"


ABSENT: Final = Absent()


@final
class Tagged:
    """A value of a kind that has no exact native carrier: its kind and its canonical text. Immutable by convention."""

    __match_args__ = ("kind", "text")
    __slots__ = ("kind", "text")

    def __init__(self, kind: str, text: str) -> None:
        self.kind = kind
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tagged) and self.kind == other.kind and self.text == other.text

    def __hash__(self) -> int:
        return hash((self.kind, self.text))

    def __repr__(self) -> str:
        return f"Tagged({self.kind!r}, {self.text!r})"


Value: TypeAlias = int | str | bytes | Tagged | Absent | None
if TYPE_CHECKING:
    Row: TypeAlias = tuple[Value, ...]
    Key: TypeAlias = tuple[Value, ...]
else:  # the decoder builds tuples and leaves the values to the codec's extension hook
    Row = tuple[Any, ...]
    Key = tuple[Any, ...]

INTEGER_MIN: Final = -(2**63)
INTEGER_MAX: Final = 2**64 - 1  # what the wire carries as an integer; wider numbers travel as decimals
INT64_MIN: Final = -(2**63)
INT64_MAX: Final = 2**63 - 1


def changed_fields(before: Row, after: Row) -> tuple[int, ...]:
    """The indexes of the fields that differ. A row from before a column was added has no value there: any value is news."""
    if len(before) != len(after):
        width = max(len(before), len(after))
        pairs = zip(pad(before, width), pad(after, width), strict=True)
        return tuple([place for place, (old, new) in enumerate(pairs) if new is not ABSENT and old != new])
    return tuple([place for place, differs in enumerate(map(ne, before, after)) if differs])


def pad(row: Row, width: int) -> Row:
    """A row as wide as its collection: columns added after it was written are ABSENT."""
    return row if len(row) >= width else row + (ABSENT,) * (width - len(row))


def real(number: float) -> Tagged:
    """The canonical value of a binary float, bit-exact both ways except for NaN payloads."""
    return Tagged("real", "nan" if math.isnan(number) else repr(number))


def to_float(value: Tagged) -> float:
    """The float a `real` value stands for. Raises CodecError for other kinds."""
    if value.kind != "real":
        raise CodecError(f"a {value.kind} value is not a real")
    return float(value.text)


def kind_of(value: Value) -> str:
    """The kind of one value: null, integer, text, bytes, absent or the tag's own."""
    match value:
        case None:
            return "null"
        case Tagged(kind, _):
            return kind
        case int():
            return "integer"
        case str():
            return "text"
        case bytes():
            return "bytes"
        case _:
            return "absent"


def show(value: Value) -> str:
    """A value for people: NULL, 12, 1.5, 'text', x'00ff', uuid 6f...."""
    match value:
        case None:
            return "NULL"
        case Tagged("real", text):
            return text
        case Tagged(kind, text):
            return f"{kind} {text}"
        case int():
            return str(value)
        case str():
            return repr(value)
        case bytes():
            return f"x'{value.hex()}'"
        case _:
            return "(not sent)"


def show_key(key: Key) -> str:
    """A key for people: its values, joined by commas."""
    return ", ".join(show(part) for part in key)


def plain(value: Value) -> object:
    """A value for JSON faces: exact and tagged where JSON has no such thing."""
    match value:
        case Tagged("real", text) if math.isfinite(float(text)) and repr(float(text)) == text:
            return float(text)  # JSON writes it with the same digits
        case Tagged(kind, text):
            return {kind: text}
        case bytes():
            return {"bytes": value.hex()}
        case Absent():
            return {"absent": True}
        case int() if not -(2**53) <= value <= 2**53:
            return {"integer": str(value)}
        case _:
            return value
