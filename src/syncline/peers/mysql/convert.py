"""Values between MariaDB or MySQL and the model, exactly both ways; what a column would change on its way in is refused.

The forms are those that the other kinds of peers give for the same value (see peers/postgres/convert.py): whole decimals are
integers, decimals that a double means exactly are reals; dates, times, enums, sets, bits, UUIDs, JSON are text.
"""

import math
import re
from collections.abc import Callable
from decimal import Decimal
from struct import Struct
from typing import Final, TypeAlias

import msgspec

from syncline.model.forms import oversize
from syncline.model.limits import VALUE_BYTES_MAX
from syncline.model.numbers import decimal_value, single, whole_value
from syncline.model.schema import Kind
from syncline.model.value import Tagged, Value, real
from syncline.peers.mysql import charset
from syncline.peers.storing import Unstorable, noun

Reader: TypeAlias = Callable[[bytes], Value]

_SINGLE: Final = Struct("f")
_BITS: Final = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}
INTEGERS: Final = frozenset({*_BITS, "year"})
FLOATS: Final = frozenset({"float", "double"})
LENGTHS: Final = {"tinytext": 255, "text": 65_535, "mediumtext": 2**24 - 1, "longtext": 2**32 - 1}
TEXTS: Final = frozenset({"char", "varchar", *LENGTHS})
BYTES: Final = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"})
GEOMETRIES: Final = frozenset(
    {"geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection"}
    | {"geomcollection"}
)
TIMES: Final = frozenset({"date", "time", "datetime", "timestamp"})
_KINDS: Final = {
    **dict.fromkeys(INTEGERS, Kind.INTEGER),
    **dict.fromkeys(FLOATS, Kind.REAL),
    **dict.fromkeys(TEXTS, Kind.TEXT),
    **dict.fromkeys(BYTES | GEOMETRIES, Kind.BYTES),
    "decimal": Kind.DECIMAL,
    "date": Kind.DATE,
    "time": Kind.TIME,
    "datetime": Kind.TIMESTAMP,
    "timestamp": Kind.INSTANT,
    "json": Kind.JSON,
    "uuid": Kind.UUID,
}
_AS_TEXT: Final = frozenset({"enum", "set", "bit", "json", "uuid", "inet4", "inet6", *TIMES})  # without being text columns
KNOWN: Final = frozenset({*_KINDS, *_AS_TEXT})
_DAY: Final = r"\d{4}-\d\d-\d\d"
_CLOCK: Final = r"\d\d:\d\d:\d\d(?:\.\d{0,5}[1-9])?"
# what the server gives back as it came; it looks itself whether there is such a day
_CANONICAL: Final = {
    "date": re.compile(_DAY),
    "time": re.compile(rf"(?!-00:00:00$)-?[1-9]?{_CLOCK}"),
    "datetime": re.compile(f"{_DAY} {_CLOCK}"),
    "timestamp": re.compile(rf"{_DAY} {_CLOCK}\+00"),
    "uuid": re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
}
_NATIVE_ORDER: Final = frozenset({*INTEGERS, *FLOATS, *BYTES, "decimal", "bit", "date", "datetime", "timestamp"})


class Type(msgspec.Struct, frozen=True):
    """A column's type. `size`: characters, bytes, bits or digits. `scale`: digits after the point, of a number or a second.

    `labels`: of an ENUM or SET. `minus_zero`: the server keeps the sign of a floating zero.
    """

    base: str  # as information_schema has it: int, varchar, datetime; json also for MariaDB's
    name: str  # as SQL writes it: int(10) unsigned
    unsigned: bool = False
    charset: str = ""
    collation: str = ""
    size: int = 0
    scale: int | None = None
    labels: tuple[str, ...] = ()
    nullable: bool = True
    minus_zero: bool = False

    @property
    def kind(self) -> Kind:
        """What the model calls it."""
        return _KINDS.get(self.base, Kind.ANY)

    @property
    def affinity(self) -> str:
        """The storage class in which SQLite keeps the same values, where it matters."""
        match self.kind:
            case Kind.INTEGER | Kind.DECIMAL:
                return "NUMERIC"
            case Kind.REAL:
                return "REAL"
            case Kind.TEXT:
                return "TEXT"
            case _:
                return ""

    @property
    def is_text(self) -> bool:
        """Whether its values are texts of any content."""
        return self.base in TEXTS or self.base == "json"

    @property
    def exact(self) -> bool:
        """Whether texts that differ are different keys here: no case, accents or blanks are passed over."""
        name = self.collation
        return not name or name == "binary" or (name.endswith("_bin") and (self.base == "char" or self.pads_not))

    @property
    def pads_not(self) -> bool:
        """Whether a binary collation compares texts without filling them up with blanks."""
        return "nopad" in self.collation or self.collation == "utf8mb4_0900_bin"

    @property
    def ordered(self) -> bool:
        """Whether the server sorts it as model.key.order does; else its text is sorted, by its bytes."""
        exact = self.base in TEXTS and self.charset in charset.UTF8 and self.collation.endswith("_bin")
        return self.base in _NATIVE_ORDER or (exact and self.pads_not)

    @property
    def asked_as(self) -> str:
        """The type of the CAST that tells how the server would write a text; '' where it need not be asked."""
        return {"inet4": "INET4", "inet6": "INET6"}.get(self.base) or ("JSON" if self.name == "json" else "")


# -- from the server's text -----------------------------------------------------------------------------------------------


def reader_of(kind: Type) -> Reader:
    """What turns the server's bytes of this type into a value, as they come in rows of a SELECT of `selected`."""
    if kind.base in INTEGERS:
        return _read_integer
    if kind.base in FLOATS:
        return single_value if kind.base == "float" else double_value
    if kind.base in _READERS:
        return _READERS[kind.base]
    if kind.base in BYTES or kind.base in GEOMETRIES:
        return bytes_value
    if kind.base == "bit":
        return lambda data: bits_value(int.from_bytes(data), kind.size)
    if kind.name == "json":
        return charset.text_reader("utf8mb4")
    return charset.text_reader(kind.charset or "utf8mb4")


def selected(column: str, kind: Type) -> str:
    """How a quoted column is selected, so that nothing of its value is lost."""
    if kind.base == "float" or (kind.base == "double" and kind.scale is not None):
        return f"CAST({column} AS DOUBLE)"  # its own text is cut to six digits
    return column


def _read_integer(data: bytes) -> Value:
    return whole_value(int(data))


def single_value(data: bytes) -> Value:
    """A FLOAT, from the text of the double that it is."""
    return real(single(float(data)))


def double_value(data: bytes) -> Value:
    """A DOUBLE."""
    return real(float(data))


def decimal_text_value(text: str) -> Value:
    """A DECIMAL from its text, with or without zeros at its ends."""
    if text[-1] != "0" and text[0] in "123456789" and len(text) <= 16 and "." in text:  # as numbers.decimal_value has it
        return Tagged("real", text)
    whole, _, fraction = text.removeprefix("-").partition(".")
    whole, fraction = whole.lstrip("0") or "0", fraction.rstrip("0")
    number = f"{whole}.{fraction}" if fraction else whole
    return decimal_value(f"-{number}" if text[0] == "-" and number != "0" else number)


def bytes_value(data: bytes) -> Value:
    """Bytes."""
    return data if len(data) <= VALUE_BYTES_MAX else oversize(data)


def bits_value(number: int, size: int) -> Value:
    """A BIT: the text of its digits."""
    return format(number, f"0{size}b")


def time_value(text: str) -> str:
    """A DATE, TIME or DATETIME: fractions without needless zeros."""
    return text.rstrip("0").rstrip(".") if "." in text else text


def instant_value(text: str) -> str:
    """A TIMESTAMP, in UTC."""
    return time_value(text) + "+00"


_READERS: Final[dict[str, Reader]] = {
    "decimal": lambda data: decimal_text_value(data.decode()),
    **dict.fromkeys(("date", "time", "datetime"), lambda data: time_value(data.decode())),
    "timestamp": lambda data: instant_value(data.decode()),
    **dict.fromkeys(("uuid", "inet4", "inet6"), lambda data: data.decode()),
}


# -- to the server --------------------------------------------------------------------------------------------------------

_ESCAPES: Final = str.maketrans({"\\": "\\\\", "'": "''", "\0": "\\0"})


def quoted(text: str) -> bytes:
    """A text as a literal of a session in utf8mb4."""
    if "\\" in text or "'" in text or "\0" in text:
        text = text.translate(_ESCAPES)
    return f"'{text}'".encode()


def literal(value: Value, kind: Type) -> bytes:
    """The literal to send so that the column holds exactly this value. Raises Unstorable."""
    match value:
        case None:
            if kind.base == "timestamp" and not kind.nullable:
                raise Unstorable("notnull", f"{kind.name} would turn NULL into the current time")
            return b"NULL"
        case int():
            return _integer(value, kind)
        case str():
            return _text(value, kind)
        case bytes() if kind.base in BYTES or kind.base in GEOMETRIES:
            return _bytes(value, kind)
        case Tagged("oversize", text):
            raise Unstorable("too_large", f"the value did not travel: {text}")
        case Tagged("rawtext", _):
            raise Unstorable("not_utf8", "the text is not valid in its character set, and the server takes no such text")
        case Tagged("real" | "decimal", text) as number:
            return _number(text, number, kind)
        case Tagged(_, text) if kind.base in _AS_TEXT:
            return _text(text, kind)
        case _:
            raise Unstorable("type", f"{noun(value)} does not fit a column of type {kind.name}")


def _misfit(value: Value, kind: Type) -> Unstorable:
    return Unstorable("type", f"{noun(value)} does not fit a column of type {kind.name}")


def bounds(kind: Type) -> tuple[int, int]:
    """The smallest and the largest integer of a type."""
    bits = _BITS[kind.base]
    return (0, 2**bits - 1) if kind.unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _integer(value: int, kind: Type) -> bytes:
    if kind.base == "decimal":
        return _decimal(Decimal(value), kind)
    if kind.base not in INTEGERS:
        raise _misfit(value, kind)
    if kind.base == "year":
        fits = value == 0 or 1901 <= value <= 2155
    else:
        low, high = bounds(kind)
        fits = low <= value <= high
    if not fits:
        raise Unstorable("out_of_range", f"{value} does not fit {kind.name}")
    return b"%d" % value


def _number(text: str, value: Tagged, kind: Type) -> bytes:
    if kind.base in FLOATS and value.kind == "real":
        return _float(float(text), text, kind)
    number = Decimal(text)
    whole = number.is_finite() and number == number.to_integral_value()
    if kind.base == "bigint" and value.kind == "decimal" and whole:
        low, high = bounds(kind)
        if low <= number <= high:
            return b"%d" % int(number)
        raise Unstorable("out_of_range", f"{text} does not fit {kind.name}")
    if kind.base != "decimal":
        raise _misfit(value, kind)
    if not number.is_finite():
        raise Unstorable("type", f"{kind.name} has no {text}")
    if (value.kind == "real" and whole) or (number.is_zero() and number.is_signed()):
        raise Unstorable("type", f"{kind.name} would turn the real {text} into an integer")
    return _decimal(number, kind)


def _float(number: float, text: str, kind: Type) -> bytes:
    if not math.isfinite(number):
        raise Unstorable("type", f"{kind.name} has no {text}")
    if number == 0 and math.copysign(1, number) < 0 and not kind.minus_zero:
        raise Unstorable("type", f"{kind.name} would drop the sign of {text}")
    if kind.base == "float" and single(number) != number:
        raise Unstorable("rounded", f"{kind.name} would round {text}")
    if kind.scale is not None and _places(Decimal(text)) > kind.scale:
        raise Unstorable("rounded", f"{kind.name} would round {text}")
    if kind.base == "float":  # its shortest decimal may be beyond the largest FLOAT
        text = repr(_SINGLE.unpack(_SINGLE.pack(number))[0])
    return (text if "e" in text else f"{text}e0").encode()


def _places(number: Decimal) -> int:
    return len(f"{number:f}".partition(".")[2].rstrip("0"))


def _decimal(number: Decimal, kind: Type) -> bytes:
    plain = f"{number:f}"
    whole, _, fraction = plain.lstrip("-").partition(".")
    scale = kind.scale or 0
    if len(fraction.rstrip("0")) > scale:
        raise Unstorable("rounded", f"{kind.name} would round {plain}")
    if len(whole.lstrip("0")) > kind.size - scale or (kind.unsigned and number < 0):
        raise Unstorable("out_of_range", f"{plain} does not fit {kind.name}")
    return plain.encode()


def _bytes(value: bytes, kind: Type) -> bytes:
    if len(value) > VALUE_BYTES_MAX:
        raise Unstorable("too_large", f"{len(value)} are more than {VALUE_BYTES_MAX} bytes")
    if kind.base == "binary" and len(value) != kind.size:
        raise Unstorable("padding", f"{kind.name} would make {kind.size} bytes of {len(value)}")
    if kind.base in BYTES and len(value) > kind.size:
        raise Unstorable("too_large", f"{len(value)} bytes are too many for {kind.name}")
    return b"_binary'" + value.replace(b"\\", b"\\\\").replace(b"'", b"''").replace(b"\0", b"\\0") + b"'"


def _text(value: str, kind: Type) -> bytes:
    if kind.is_text:
        _fit_text(value, kind)
    elif kind.base not in _AS_TEXT:
        raise _misfit(value, kind)
    elif kind.base == "bit":
        if len(value) != kind.size or value.strip("01"):
            raise Unstorable("value", f"{value[:80]!r} is not {kind.size} binary digits")
        return f"b'{value}'".encode()
    elif kind.base in {"enum", "set"}:
        _fit_labels(value, kind)
    elif (canonical := _CANONICAL.get(kind.base)) is not None:
        if not canonical.fullmatch(value):
            raise Unstorable("rewritten", f"{kind.name} would keep {value[:40]!r} in another way, or not at all")
        if kind.base != "uuid" and len(value.removesuffix("+00").partition(".")[2]) > (kind.scale or 0):
            raise Unstorable("rounded", f"{kind.name} would round {value}")
        value = value.removesuffix("+00")
    try:
        return quoted(value)
    except UnicodeEncodeError as error:
        raise Unstorable("not_utf8", f"the text cannot be UTF-8: {error.reason}") from error


def _fit_text(value: str, kind: Type) -> None:
    try:
        size = len(charset.encode(value, kind.charset))
    except UnicodeEncodeError as error:
        why = f"{value[error.start : error.start + 1]!r} is not in the character set {kind.charset}"
        raise Unstorable("charset", f"{kind.name}: {why}") from error
    if size > VALUE_BYTES_MAX:
        raise Unstorable("too_large", f"{size} are more than {VALUE_BYTES_MAX} bytes")
    most = LENGTHS.get(kind.base)
    if (size > most) if most is not None else kind.base != "json" and len(value) > kind.size:
        raise Unstorable("too_large", f"{len(value)} characters are too many for {kind.name}")
    if kind.base == "char" and value.endswith(" "):
        raise Unstorable("padding", f"{kind.name} does not keep blanks at the end")


def _fit_labels(value: str, kind: Type) -> None:
    if kind.base == "enum":
        fits = value in kind.labels
    else:
        chosen = value.split(",") if value else []
        fits = [label for label in kind.labels if label in chosen] == chosen
    if not fits:
        raise Unstorable("value", f"{value[:80]!r} is not one of the labels of {kind.name[:200]}, as it writes them")
