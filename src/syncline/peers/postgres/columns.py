"""Reads whole columns of the server's texts: at C speed where no value needs care. The same values as convert.reader_of."""

from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any, Final, TypeAlias

from syncline.model.limits import VALUE_BYTES_MAX
from syncline.model.value import Tagged, Value
from syncline.peers.numbers import decimal_value
from syncline.peers.postgres.convert import BOOL, BPCHAR, BYTEA, FLOATS, INTEGERS, NUMERIC, reader_of

ColumnReader: TypeAlias = Callable[[Sequence[Any]], Sequence[Value]]  # of bytes and None

_ALONE: Final = frozenset({BOOL, BPCHAR, BYTEA, *FLOATS})


def column_reader_of(oid: int) -> ColumnReader:
    """What turns a column of this type into values."""
    one = reader_of(oid)
    fast = _integers if oid in INTEGERS else _decimals if oid == NUMERIC else None if oid in _ALONE else _texts

    def read(column: Sequence[Any]) -> Sequence[Value]:
        if fast is not None and None not in column:
            found = fast(column)
            if found is not None:
                return found
        return [None if value is None else one(value) for value in column]

    return read


def _integers(column: Sequence[bytes]) -> Sequence[Value]:
    return list(map(int, column))


def _texts(column: Sequence[bytes]) -> Sequence[Value] | None:
    """All texts decoded as one: a text of PostgreSQL's has no NUL."""
    joined = b"\0".join(column)
    if len(joined) > VALUE_BYTES_MAX:
        return None
    return joined.decode().split("\0")


def _decimals(column: Sequence[bytes]) -> Sequence[Value] | None:
    texts = b"\0".join(column).decode()
    if "a" in texts or "." not in texts:  # NaN, Infinity
        return None
    return list(map(_decimal, texts.split("\0"), repeat("real")))


def _decimal(text: str, kind: str) -> Value:
    if text[-1] != "0" and len(text) <= 16 and "." in text and repr(float(text)) == text:
        return Tagged(kind, text)
    return decimal_value(text.rstrip("0").rstrip(".") if "." in text else text)
