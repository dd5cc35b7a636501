"""The canonical text of a row, and its digest: what every engine can compute, so that rows are compared where they are.

A column's class follows from its collection's kind, so all peers write a value in the same way, whatever their own type is:

    number   12   -0.5   NaN: plain decimal digits without needless zeros; halves of doubles and of decimals alike
                                                                         NULL: nothing
    real     the sixteen hex digits of the double's bits, or NaN         NULL: nothing
    bytes    x00ff                                                       NULL: nothing
    text     5:hello   the number of UTF-8 bytes, then the text          NULL: a colon alone
    any      after a letter: n12, r3ff0000000000000 (only of doubles without a fraction), x00ff, t5:hello; NULL: nothing

A value that is none of its column's class stands as in `any`, after an exclamation mark. Every column ends in a semicolon. So
the text can be read in one way only: rows with equal texts are equal rows. A digest is a number of 64 bits that a hash over a
salt and this text begins with, or of two such halves; digests of many rows are added, each half modulo 2**64, and go with the
number of rows. Nobody who writes rows knows the salt, so rows cannot be made to cancel each other out.
"""

import math
import struct
from collections.abc import Iterable, Sequence
from decimal import Decimal
from enum import StrEnum
from hashlib import sha256
from types import NoneType
from typing import Final, NamedTuple, cast

import msgspec

from syncline.model.schema import Collection, Kind
from syncline.model.value import Row, Tagged, Value, pad, real

HALF: Final = 2**64
SHA256: Final = "sha256"  # the first 8 bytes of SHA-256 of the salt and the canonical text, the highest first: all can do it
CHAIN: Final = "chain"  # the same of the salt and the texts of all rows of a range, in the order of their keys; none: 0
HASH_BYTES: Final = 8
_BITS: Final = struct.Struct(">d")


class Class(StrEnum):
    """How the values of a column are written."""

    NUMBER = "number"
    REAL = "real"
    BYTES = "bytes"
    TEXT = "text"
    ANY = "any"


_CLASSES: Final = {
    Kind.INTEGER: Class.NUMBER,
    Kind.DECIMAL: Class.NUMBER,
    Kind.BOOLEAN: Class.NUMBER,
    Kind.REAL: Class.REAL,
    Kind.BYTES: Class.BYTES,
    Kind.ANY: Class.ANY,
}


class Way(msgspec.Struct, frozen=True):
    """How rows are digested: the algorithm, and a salt of 16 hex digits that is new for every proof."""

    algorithm: str = SHA256
    salt: str = "0" * 16

    @property
    def each(self) -> "Way":
        """How single rows are digested, which have no order."""
        return Way(SHA256, self.salt) if self.algorithm == CHAIN else self


def class_of(kind: Kind) -> Class:
    """The class of a column of this kind; dates, UUIDs, JSON and so on travel as text."""
    return _CLASSES.get(kind, Class.TEXT)


def classes_of(collection: Collection) -> tuple[Class, ...]:
    """The class of each column of a collection; where kinds are not known, any."""
    if len(collection.kinds) != len(collection.columns):
        return (Class.ANY,) * len(collection.columns)
    return tuple(map(class_of, collection.kinds))


def text_of(value: Value, kind: Class) -> str:
    """The canonical text of one value, without the semicolon."""
    if value is None:
        return ":" if kind is Class.TEXT else ""
    if kind is Class.REAL and isinstance(value, Tagged) and value.kind == "real":
        return _bits(float(value.text))
    tagged = _tagged(value)
    if kind is Class.ANY:
        return tagged
    if not tagged.startswith(_LETTERS[kind]):
        return f"!{tagged}"
    return tagged if kind is Class.BYTES else tagged[1:]


_LETTERS: Final = {Class.NUMBER: "n", Class.REAL: "r", Class.BYTES: "x", Class.TEXT: "t"}


def _tagged(value: Value) -> str:
    match value:
        case int():
            return f"n{value}"
        case str():
            return f"t{_sized(value)}"
        case bytes():
            return f"x{value.hex()}"
        case Tagged("real", text):
            number = float(text)
            if math.isfinite(number) and number == int(number):
                return f"r{_bits(number)}"
            return f"n{plain_decimal(text)}"
        case Tagged("decimal", text):
            return f"n{plain_decimal(text)}"
        case Tagged(kind, text):
            return f"{kind.upper()}{_sized(text)}"
        case _:
            return "ABSENT"
    raise AssertionError(value)


def _sized(text: str) -> str:
    return f"{len(text) if text.isascii() else len(text.encode(errors='surrogatepass'))}:{text}"


def _bits(number: float) -> str:
    return "NaN" if math.isnan(number) else _BITS.pack(number).hex()


def plain_decimal(text: str) -> str:
    """Plain digits of a decimal number: no exponent, no needless zeros; or NaN, Infinity, -Infinity."""
    number = Decimal(text)
    if not number.is_finite():
        return "NaN" if number.is_nan() else "-Infinity" if number < 0 else "Infinity"
    plain = f"{number:f}"
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


class Written(NamedTuple):
    """The texts of a column: a format for each of its values, and the columns of what goes into it."""

    form: str
    arguments: tuple[Sequence[object], ...]


def written(column: Sequence[Value], kind: Class) -> Written:
    """The texts of a column's values, each with its semicolon. At C speed where they are all alike."""
    kinds = set(map(type, column))
    if kinds == {int}:
        return Written(f"{_mark('n', kind)}%d;", (column,))
    if kinds == {str}:
        return Written(f"{_mark('t', kind)}%d:%s;", (_sizes(cast(Sequence[str], column)), column))
    if kinds == {bytes}:
        return Written(f"{_mark('x', kind)}%s;", ([value.hex() for value in cast(Sequence[bytes], column)],))
    if kinds == {str, NoneType} and kind is Class.TEXT:
        return Written("%s;", ([":" if value is None else _sized(value) for value in cast(Sequence[str | None], column)],))
    if kind is Class.NUMBER and kinds <= {int, Tagged, NoneType}:
        return Written("%s;", (list(map(_number, column)),))
    return Written("%s;", ([text_of(value, kind) for value in column],))


def _mark(letter: str, kind: Class) -> str:
    """What stands before the text of a value of a letter."""
    if kind is Class.ANY:
        return letter
    if _LETTERS[kind] != letter:
        return f"!{letter}"
    return letter if kind is Class.BYTES else ""


def _sizes(column: Sequence[str]) -> list[int]:
    if "".join(column).isascii():
        return list(map(len, column))
    return [len(value) if value.isascii() else len(value.encode(errors="surrogatepass")) for value in column]


def _number(value: Value) -> str:
    """text_of in a column of numbers."""
    if type(value) is Tagged and value.kind == "real" and _is_plain(value.text):
        return value.text
    return text_of(value, Class.NUMBER)


def _is_plain(text: str) -> bool:
    """Whether the text of a real is that of a decimal with a fraction: so few digits are not lost in a double."""
    return len(text) <= 16 and "." in text and text[-1] != "0" and "e" not in text


def written_numbers(column: Sequence[float | None], kind: Class) -> Written:
    """What `written` makes of integers, NULLs and the reals that doubles are, in a class of numbers."""
    if kind is Class.REAL and set(map(type, column)) == {float}:
        return Written("%s;", ([_bits(number) for number in cast(Sequence[float], column)],))
    if kind is not Class.NUMBER:
        return written([real(value) if type(value) is float else cast(int | None, value) for value in column], kind)
    return Written("%s;", ([_plain(value) if type(value) is float else "" if value is None else value for value in column],))


def _plain(number: float) -> str:
    """text_of a real in a column of numbers."""
    text = repr(number)
    return text if _is_plain(text) else text_of(Tagged("real", text), Class.NUMBER)


def _rows(columns: Sequence[Written], salt: str = "") -> list[str]:
    """The salt and the text of each row."""
    form = salt.replace("%", "%%") + "".join(column.form for column in columns)
    return list(map(form.__mod__, zip(*(one for column in columns for one in column.arguments), strict=True)))


def _texts(columns: Sequence[Written], way: Way) -> list[bytes]:
    """What is hashed of each row."""
    rows = _rows(columns, way.salt)
    together = "\0".join(rows).encode(errors="surrogatepass").split(b"\0")
    return together if len(together) == len(rows) else [row.encode(errors="surrogatepass") for row in rows]


def total_written(columns: Sequence[Written], way: Way) -> int:
    """The sum of the digests of all rows of these columns, of which there is at least one."""
    texts = _texts(columns, way)
    digests: tuple[int, ...] = struct.unpack(">" + "Q24x" * len(texts), b"".join([sha256(text).digest() for text in texts]))
    return sum(digests) % HALF


class Total:
    """The digest of the rows of a range, which are added in the order of their keys, some at a time."""

    def __init__(self, way: Way) -> None:
        self.count, self._sum, self._way = 0, 0, way
        self._chain = sha256(way.salt.encode()) if way.algorithm == CHAIN else None

    def add(self, columns: Sequence[Written], count: int) -> None:
        """Add some rows, by columns."""
        if not count:
            return
        self.count += count
        if self._chain is None:
            self._sum = total_of((self._sum, total_written(columns, self._way)))
        else:
            self._chain.update("".join(_rows(columns)).encode(errors="surrogatepass"))

    def add_rows(self, rows: Sequence[Row], classes: Sequence[Class]) -> None:
        """Add some rows."""
        columns = zip(*(pad(row, len(classes)) for row in rows), strict=True)
        self.add([written(column, kind) for column, kind in zip(columns, classes, strict=True)] if rows else [], len(rows))

    @property
    def value(self) -> int:
        """The digest so far."""
        if self._chain is None or not self.count:
            return self._sum
        return int.from_bytes(self._chain.digest()[:HASH_BYTES])


def digest_rows(rows: Sequence[Row], classes: Sequence[Class], way: Way) -> list[int]:
    """The digest of each row."""
    columns = zip(*(pad(row, len(classes)) for row in rows), strict=True)
    texts = _texts([written(column, kind) for column, kind in zip(columns, classes, strict=True)], way) if rows else []
    return [int.from_bytes(sha256(text).digest()[:HASH_BYTES]) for text in texts]


def total_of(digests: Iterable[int]) -> int:
    """The sum of digests: each half modulo 2**64."""
    high = low = 0
    for one in digests:
        high += one >> 64
        low += one & (HALF - 1)
    return combined(high, low)


def combined(high: int, low: int) -> int:
    """One number of two sums of halves, each of any size and sign; a hash of 64 bits has only the lower one."""
    return ((high % HALF) << 64) | (low % HALF)
