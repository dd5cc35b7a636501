"""Forms: how a source wrote the values of a column, as bytes, while nobody has needed the values themselves.

A door names the form of each of its types; a value has one canonical reading (model.value), whatever form it came in. Whole
columns are read at C speed where no value needs care.
"""

from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any, Final, TypeAlias

from syncline.model.limits import VALUE_BYTES_MAX
from syncline.model.numbers import decimal_value, whole_value
from syncline.model.value import Tagged, Value, real

Reader: TypeAlias = Callable[[bytes], Value]

INTEGER: Final = "integer"
TEXT: Final = "text"
PADDED: Final = "padded"  # text with meaningless blanks at its end
DECIMAL: Final = "decimal"
FIXED: Final = "fixed"  # decimals of a column that writes all with equally many digits after the point, and none in two ways
REAL: Final = "real"  # shortest decimal that means a double
BOOLEAN: Final = "boolean"  # t or f
HEX: Final = "hex"  # bytes as \x00ff
PLAIN: Final = "plain"  # the values themselves
SPELLED: Final = frozenset({PADDED, DECIMAL})  # forms in which a value may be written in several ways


def _read_text(data: bytes) -> Value:
    return data.decode() if len(data) <= VALUE_BYTES_MAX else oversize(data)


def _read_padded(data: bytes) -> Value:
    return data.rstrip(b" ").decode()


def _read_hex(data: bytes) -> Value:
    return bytes.fromhex(data[2:].decode()) if len(data) <= 2 * VALUE_BYTES_MAX + 2 else oversize(data)


def _read_boolean(data: bytes) -> Value:
    return 1 if data == b"t" else 0


def _read_real(data: bytes) -> Value:
    return real(float(data))


def _read_decimal(data: bytes) -> Value:
    text = data.decode()
    if text.lstrip("-").isdigit():
        return whole_value(int(text))
    if "." in text:
        return decimal_value(text.rstrip("0").rstrip("."))
    return real(float(text))  # NaN, Infinity, -Infinity


def oversize(data: bytes) -> Value:
    """A marker for a value that is too large to travel; no peer can store it, so its row is parked with the size."""
    return Tagged("oversize", f"{len(data)} bytes are more than {VALUE_BYTES_MAX}")


READERS: Final[dict[str, Reader]] = {
    INTEGER: int,
    TEXT: _read_text,
    PADDED: _read_padded,
    DECIMAL: _read_decimal,
    FIXED: _read_decimal,
    REAL: _read_real,
    BOOLEAN: _read_boolean,
    HEX: _read_hex,
}


def read_column(form: str, column: Sequence[Any]) -> Sequence[Value]:
    """The values of a column of bytes and None (or of values, in the form PLAIN)."""
    if form == PLAIN:
        return column
    fast = _COLUMNS.get(form)
    if fast is not None and None not in column:
        found = fast(column)
        if found is not None:
            return found
    one = READERS[form]
    return [None if value is None else one(value) for value in column]


def _integers(column: Sequence[bytes]) -> Sequence[Value]:
    return list(map(int, column))


def _texts(column: Sequence[bytes]) -> Sequence[Value] | None:
    """All texts decoded as one, if none of them has a NUL."""
    joined = b"\0".join(column)
    if len(joined) > VALUE_BYTES_MAX:
        return None
    texts = joined.decode().split("\0")
    return texts if len(texts) == len(column) else None


def _decimals(column: Sequence[bytes]) -> Sequence[Value] | None:
    texts = b"\0".join(column).decode()
    if "a" in texts or "y" in texts or "." not in texts:  # NaN, Infinity
        return None
    return list(map(_decimal, texts.split("\0"), repeat("real")))


def _decimal(text: str, kind: str) -> Value:
    if text[-1] != "0" and len(text) <= 16 and text[0] in "123456789" and "." in text:  # as numbers.decimal_value has it
        return Tagged(kind, text)
    return decimal_value(text.rstrip("0").rstrip(".") if "." in text else text)


_COLUMNS: Final[dict[str, Callable[[Sequence[bytes]], Sequence[Value] | None]]] = {
    INTEGER: _integers,
    TEXT: _texts,
    DECIMAL: _decimals,
    FIXED: _decimals,
}
