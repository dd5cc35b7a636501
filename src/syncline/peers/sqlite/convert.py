"""Values between SQLite and the model, exactly both ways; what SQLite would change on its way in is refused.

SQLite converts a value to its column's affinity when it can (https://sqlite.org/datatype3.html, section 3). Here a value is
stored only if it reads back as it was. Bulk functions work by columns, at C speed where no value needs care.
"""

import math
import re
from collections.abc import Sequence
from typing import Final, TypeAlias

from syncline.model.limits import VALUE_BYTES_MAX
from syncline.model.value import INT64_MAX, INT64_MIN, Row, Tagged, Value, real, to_float
from syncline.peers.storing import Unstorable

Native: TypeAlias = int | float | str | bytes | None

OVERSIZE: Final = "oversize"  # the kind of a marker that stands for a value too large to travel
RAWTEXT: Final = "rawtext"
# what SQLite takes for a number in a column of numeric affinity
_NUMBER: Final = re.compile(r"[ \t\n\v\f\r]*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?[ \t\n\v\f\r]*")
_NUMERIC: Final = frozenset({"INTEGER", "NUMERIC"})
_PLAIN: Final[dict[str, frozenset[type]]] = {
    "BLOB": frozenset({int, str, bytes, type(None)}),
    "TEXT": frozenset({str, bytes, type(None)}),
    "INTEGER": frozenset({int, bytes, type(None)}),
    "NUMERIC": frozenset({int, bytes, type(None)}),
    "REAL": frozenset({bytes, type(None)}),
}


# -- from SQLite ----------------------------------------------------------------------------------------------------------


def decode_text(data: bytes) -> Value:
    """A text factory for sqlite3: the text, or its bytes in hex where they are not UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return Tagged(RAWTEXT, data.hex())


def read_columns(columns: Sequence[Sequence[object]]) -> list[Sequence[Value]]:
    """Columns as sqlite3 gives them, with every float as its canonical value."""
    return [_floats(column) if float in set(map(type, column)) else column for column in columns]  # type: ignore[misc]


def _floats(column: Sequence[object]) -> list[object]:
    return [real(value) if type(value) is float else value for value in column]


def read_row(row: Sequence[object]) -> Row:
    """One row as sqlite3 gives it."""
    return tuple(real(value) if type(value) is float else value for value in row)  # type: ignore[misc]


def as_compared(column: Sequence[Value]) -> Sequence[Value]:
    """A key column as SQLite compares it: 1.0 is 1, and -0.0 is 0. Else one row could have two keys."""
    return list(map(_compared, column)) if Tagged in set(map(type, column)) else column


def _compared(value: Value) -> Value:
    if type(value) is Tagged and value.kind == "real":
        number = to_float(value)
        if number.is_integer() and INT64_MIN <= number <= INT64_MAX:  # no integer of SQLite's is equal to a larger real
            return int(number)
    return value


def size_of(row: Sequence[object]) -> int:
    """About how many bytes a row takes: its texts and blobs."""
    return sum([len(value) for value in row if type(value) is str or type(value) is bytes])


# -- to SQLite ------------------------------------------------------------------------------------------------------------


def bulk(column: Sequence[Value], affinity: str) -> Sequence[Native] | None:
    """A whole column ready to bind, or None if some value has to be looked at alone."""
    kinds = set(map(type, column))
    if kinds <= _PLAIN[affinity]:
        return column  # type: ignore[return-value]
    if Tagged in kinds and kinds <= _PLAIN[affinity] | {Tagged}:
        try:
            return [store(value, affinity) if type(value) is Tagged else value for value in column]  # type: ignore[misc]
        except Unstorable:
            return None
    return None


def bind(value: Value, affinity: str) -> tuple[str, Native]:
    """The placeholder and the value to bind for one value. Raises Unstorable."""
    if type(value) is Tagged and value.kind == RAWTEXT:
        return "CAST(? AS TEXT)", bytes.fromhex(value.text)
    return "?", store(value, affinity)


def store(value: Value, affinity: str) -> Native:
    """What to bind so that the column holds exactly this value. Raises Unstorable."""
    match value:
        case None | bytes():
            native: Native = value
        case int():
            native = _integer(value, affinity)
        case str():
            native = _text(value, affinity)
        case Tagged("real", _):
            native = _real(to_float(value), affinity)
        case Tagged(kind, text) if kind == OVERSIZE:
            raise Unstorable("too_large", f"the value did not travel: {text}")
        case Tagged(kind, _) if kind == RAWTEXT:
            raise Unstorable("not_utf8", "text that is not UTF-8 cannot be bound as it is")  # `bind` can
        case Tagged(_, text):
            native = _text(text, affinity)
        case _:
            raise Unstorable("not_sent", "the value was not sent by its source")
    if isinstance(native, str | bytes) and len(native) > VALUE_BYTES_MAX:
        raise Unstorable("too_large", f"{len(native)} are more than {VALUE_BYTES_MAX} bytes")
    return native


def _integer(value: int, affinity: str) -> int:
    if not INT64_MIN <= value <= INT64_MAX:
        raise Unstorable("out_of_range", f"{value} does not fit 64 bits")
    if affinity == "TEXT":
        raise Unstorable("affinity", f"the column would turn the number {value} into text")
    if affinity == "REAL" and float(value) != value:
        raise Unstorable("affinity", f"the column would round {value} to a binary real")
    return value


def _text(value: str, affinity: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise Unstorable("not_utf8", f"the text cannot be UTF-8: {error.reason}") from error
    if affinity not in {"TEXT", "BLOB"} and _NUMBER.fullmatch(value):
        raise Unstorable("affinity", f"the column would turn the text {value[:40]!r} into a number")
    return value


def _real(value: float, affinity: str) -> float:
    if math.isnan(value):
        raise Unstorable("not_a_number", "SQLite turns NaN into NULL")
    if affinity == "TEXT":
        raise Unstorable("affinity", f"the column would turn the real {value!r} into text")
    if affinity != "BLOB" and value == 0 and math.copysign(1, value) < 0:
        raise Unstorable("affinity", "the column would turn -0.0 into 0")
    if affinity in _NUMERIC and value.is_integer() and INT64_MIN < value < INT64_MAX:
        raise Unstorable("affinity", f"the column would turn the real {value!r} into an integer")
    return value
