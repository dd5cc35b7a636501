"""How a key column is sorted, and compared with a key of any peer, as model.key.order does it. Pure text.

A bound may be a value that the column cannot hold, as another peer has wider numbers or other texts. It still has a place
among the column's values, and every row before it belongs to the range: a bound that compares as unknown would hide them.
"""

from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple

from syncline.model.key import order
from syncline.model.value import Tagged, Value
from syncline.peers.mysql.convert import BYTES, FLOATS, INTEGERS, TIMES, Type, literal, quoted
from syncline.peers.storing import Unstorable

_NUMBERS: Final = INTEGERS | FLOATS | {"decimal"}
_NUMBER, _TEXT, _BYTES = 1, 2, 3  # as model.key ranks them
_NO_DAY: Final = "0000-00-00"


class Compared(NamedTuple):
    """Both sides of a comparison."""

    term: bytes
    bound: bytes


_ABOVE: Final = Compared(b"1", b"0")  # the column is
_BELOW: Final = Compared(b"0", b"1")


def term(text: str, kind: Type) -> str:
    """What sorts a column."""
    return text if kind.ordered else f"CAST(CONVERT({text} USING utf8mb4) AS BINARY)"


def compared(name: str, value: Value, kind: Type) -> Compared:
    """A column, by its quoted name, beside a bound for it."""
    ((rank, held),) = order((value,))
    own = _NUMBER if kind.base in _NUMBERS else _BYTES if kind.base in BYTES else _TEXT
    if rank != own:
        return _BELOW if own < rank else _ABOVE
    with suppress(Unstorable):
        if kind.ordered and (kind.base not in TIMES or _is_day(str(value), kind)):
            return Compared(name.encode(), literal(value, kind))
    if own == _TEXT and isinstance(held, bytes):
        bound = _padded(value, kind) if isinstance(value, str) and kind.base == "time" else b"x'" + held.hex().encode() + b"'"
        return Compared(f"CAST(CONVERT({_text(name, kind)} USING utf8mb4) AS BINARY)".encode(), bound)
    if isinstance(held, bytes):
        return Compared(name.encode(), b"x'" + held.hex().encode() + b"'")
    number = Decimal(value.text if isinstance(value, Tagged) else str(value))
    if not number.is_finite():
        return _ABOVE if number.is_infinite() and number < 0 else _BELOW
    return Compared(
        name.encode(), f"{number:e}".encode() if isinstance(value, Tagged) and value.kind == "real" else f"{number:f}".encode()
    )


def _text(name: str, kind: Type) -> str:
    """A column's text as the model has it."""
    if kind.base == "bit":
        return f"LPAD(BIN({name}), {kind.size}, '0')"
    if kind.base in {"datetime", "timestamp"} and kind.scale:
        name = f"TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM {name}))"
    return f"CONCAT({name}, '+00')" if kind.base == "timestamp" else name


def _padded(text: str, kind: Type) -> bytes:
    """A TIME as the server's own text has it."""
    whole, _, fraction = text.partition(".")
    return quoted(f"{whole}.{fraction:0<{kind.scale}}" if kind.scale else text)


def _is_day(text: str, kind: Type) -> bool:
    """Whether a column of days takes this text, so that the server can compare by it."""
    if text.startswith(_NO_DAY):
        return True
    try:
        datetime.fromisoformat(text.removesuffix("+00") if kind.base == "timestamp" else text)
    except ValueError:
        return False
    return not (kind.base == "datetime" and "+" in text)
