"""Whole columns at a time: at C speed where no value needs care. The same values and literals as convert has for one."""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final, TypeAlias

from syncline.model.limits import VALUE_BYTES_MAX
from syncline.model.value import INT64_MAX, Tagged, Value
from syncline.peers.mysql.charset import UTF8
from syncline.peers.mysql.convert import BYTES, INTEGERS, TEXTS, Type, bounds, literal, reader_of
from syncline.peers.storing import Unstorable

ColumnReader: TypeAlias = Callable[[Sequence[bytes | None]], Sequence[Value]]
_PLAIN: Final = frozenset({"varchar", "text", "mediumtext", "longtext"})


def column_reader_of(kind: Type) -> ColumnReader:
    """What turns a column of the server's bytes into values."""
    one = reader_of(kind)
    small = kind.base in INTEGERS and not (kind.base == "bigint" and kind.unsigned)
    fast = _integers if small else _texts if kind.base in TEXTS and kind.charset in UTF8 else None
    if kind.base in BYTES:
        fast = _blobs

    def read(column: Sequence[bytes | None]) -> Sequence[Value]:
        if fast is not None and None not in column:
            found = fast(column)  # type: ignore[arg-type]
            if found is not None:
                return found
        return [None if value is None else one(value) for value in column]

    return read


def _integers(column: Sequence[bytes]) -> Sequence[Value]:
    return list(map(int, column))


def _blobs(column: Sequence[bytes]) -> Sequence[Value] | None:
    return column if max(map(len, column), default=0) <= VALUE_BYTES_MAX else None


def _texts(column: Sequence[bytes]) -> Sequence[Value] | None:
    """All texts decoded as one, where none of them has a NUL."""
    joined = b"\0".join(column)
    if len(joined) > VALUE_BYTES_MAX:
        return None
    try:
        found = joined.decode().split("\0")
    except UnicodeDecodeError:
        return None
    return found if len(found) == len(column) else None


def literals(values: Sequence[Value], kind: Type) -> list[bytes] | None:
    """A whole column of literals, or None if some value has to be looked at alone."""
    kinds = set(map(type, values))
    if kinds == {int} and kind.base in INTEGERS and kind.base != "year":
        low, high = bounds(kind)
        fits = low <= min(values) and max(values) <= min(high, INT64_MAX)  # type: ignore[type-var, operator]
        return str(list(values))[1:-1].encode().split(b", ") if fits else None
    if kinds == {str} and kind.base in _PLAIN and kind.charset in ("utf8mb4", "ascii"):
        found = _plain_texts(values, kind)  # type: ignore[arg-type]
        if found is not None:
            return found
    if kind.base == "decimal" and kinds <= {int, Tagged}:
        decimals = _decimals(values, kind)
        if decimals is not None:
            return decimals
    try:
        return [literal(value, kind) for value in values]
    except Unstorable:
        return None


@lru_cache(maxsize=256)
def _fits(kind: Type) -> Callable[[str], re.Match[str] | None]:
    """What tells plain numbers that a DECIMAL keeps as they are: no more digits than it has, and no zeros at their end."""
    scale = kind.scale or 0
    fraction = rf"(?:\.\d{{0,{scale - 1}}}[1-9])?" if scale else ""
    whole = rf"\d{{1,{kind.size - scale}}}" if kind.size > scale else "0"
    return re.compile(f"{'' if kind.unsigned else '-?'}{whole}{fraction}").fullmatch


def _decimals(values: Sequence[Value], kind: Type) -> list[bytes] | None:
    texts = [str(value) if type(value) is int else value.text for value in values]  # type: ignore[union-attr]
    odd = [value for value in values if type(value) is Tagged and (value.kind != "real" or "." not in value.text)]
    numbers = all(value.kind == "decimal" for value in odd)
    return "\0".join(texts).encode().split(b"\0") if numbers and all(map(_fits(kind), texts)) else None


def _plain_texts(values: Sequence[str], kind: Type) -> list[bytes] | None:
    """Texts without anything to escape, that fit whatever they are made of."""
    joined = "'\0'".join(values)
    longest = max(map(len, values))
    most = kind.size if kind.base == "varchar" else kind.size // 4
    if longest > most or "\\" in joined or joined.count("'") != 2 * (len(values) - 1):
        return None
    if kind.charset == "ascii" and not joined.isascii():
        return None
    try:
        found = f"'{joined}'".encode().split(b"\0")
    except UnicodeEncodeError:
        return None
    return found if len(found) == len(values) else None
