"""Whole columns at a time: read by the form of their type, and written at C speed where no value needs care."""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from types import NoneType
from typing import Any, Final, TypeAlias

from syncline.model.forms import read_column
from syncline.model.limits import VALUE_BYTES_MAX
from syncline.model.value import Tagged, Value
from syncline.peers.postgres.convert import BPCHAR, CHECKED, INTEGERS, NUMERIC, Type, form_of, store
from syncline.peers.storing import Unstorable

ColumnReader: TypeAlias = Callable[[Sequence[Any]], Sequence[Value]]  # of bytes and None
_NO_TEXTS: Final = frozenset({"oversize", "rawtext", "real", "decimal"})  # kinds of values that are more than a text


def column_reader_of(oid: int) -> ColumnReader:
    """What turns a column of this type into values."""
    return partial(read_column, form_of(oid))


def store_column(values: Sequence[Value], kind: Type) -> Sequence[str | None] | None:
    """A whole column as the server reads it, as `store` has it, or None if some value has to be looked at alone."""
    kinds = set(map(type, values)) - {NoneType}
    try:
        if kind.kind not in CHECKED and kinds <= {str, Tagged}:
            return _texts(values, kind)
        if kinds == {int} and kind.oid in INTEGERS:
            return _integers(values, kind)
        if kind.oid == NUMERIC and kinds <= {int, Tagged}:
            fits = _fits(kind.scale)
            return [
                value.text
                if type(value) is Tagged and value.kind in ("real", "decimal") and fits(value.text)
                else store(value, kind)
                for value in values
            ]
        return [store(value, kind) for value in values]
    except Unstorable:
        return None


def _integers(values: Sequence[Value], kind: Type) -> Sequence[str | None] | None:
    numbers = [value for value in values if type(value) is int]
    low, high = INTEGERS[kind.oid]
    if min(numbers) < low or max(numbers) > high:
        return None
    if len(numbers) == len(values):
        return list(map(str, numbers))
    return [None if value is None else str(value) for value in values]


def _texts(values: Sequence[Value], kind: Type) -> Sequence[str | None] | None:
    """Texts, and what travels as the text that its server wrote."""
    if not _NO_TEXTS.isdisjoint([value.kind for value in values if type(value) is Tagged]):
        return None
    texts = [value.text if type(value) is Tagged else value for value in values]
    some = [text for text in texts if type(text) is str]
    joined = "\0".join(some)
    try:
        size = len(joined.encode())
    except UnicodeEncodeError:
        return None
    padded = kind.oid == BPCHAR and f"{joined}\0".find(" \0") >= 0
    return None if padded or size > VALUE_BYTES_MAX or joined.count("\0") != max(0, len(some) - 1) else texts  # type: ignore[return-value]


@lru_cache(maxsize=256)
def _fits(scale: int | None) -> Callable[[str], object]:
    """What tells plain fractions that a numeric keeps as they are: no more digits than it has, and no zeros at their end."""
    if scale is not None and scale <= 0:
        return lambda _text: False
    digits = "*" if scale is None else f"{{0,{scale - 1}}}"
    return re.compile(rf"-?(?:0|[1-9]\d*)\.\d{digits}[1-9]", re.ASCII).fullmatch
