"""The order of values, for max, min and rules: numbers by exact value, text by code point, moments by time. No float."""

import re
from decimal import Decimal, InvalidOperation
from typing import Final, TypeAlias

from syncline.model.value import Tagged, Value

MOMENTS: Final = frozenset({"date", "time", "timestamp", "instant"})
_NUMBERS: Final = frozenset({"real", "decimal"})
_BY_TEXT: Final = frozenset({"boolean", "uuid"})  # canonical text sorts as the values do: f < t, lower-case hex
_MOMENT: Final = re.compile(r"([+-]?)(\d+)(.*?)(?:Z|\+00(?::?00)?)?( BC)?", re.DOTALL)

Moment: TypeAlias = tuple[int, int, str]
Rank: TypeAlias = tuple[str, Decimal | str | bytes | Moment]


def compare(left: Value, right: Value) -> int | None:
    """-1, 0 or 1 as left is smaller, equal or larger; None where the two have no order (NULL, NaN, differing kinds)."""
    if type(left) is int and type(right) is int:
        return (left > right) - (left < right)
    one, other = rank(left), rank(right)
    if one is None or other is None or one[0] != other[0]:
        return None
    return (one[1] > other[1]) - (one[1] < other[1])  # type: ignore[operator]  # equal families have equal types


def rank(value: Value) -> Rank | None:
    """The family of a value and what it sorts by in it; None if it has no order."""
    match value:
        case int():
            return "number", Decimal(value)
        case str():
            return "text", value
        case bytes():
            return "bytes", value
        case Tagged(kind, text) if kind in _NUMBERS:
            number = exact(text)
            return None if number is None else ("number", number)
        case Tagged(kind, text) if kind in _BY_TEXT:
            return kind, text
        case Tagged(kind, text) if kind in MOMENTS:
            moment = _moment(text)
            return None if moment is None else (kind, moment)
        case _:
            return None


def exact(text: str) -> Decimal | None:
    """The number that a real's or decimal's text stands for, infinities included; None for NaN and what is no number."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return None if number.is_nan() else number


def _moment(text: str) -> Moment | None:
    """What canonical dates and times sort by: beyond the infinities, the signed leading number (year or hours), the rest."""
    if text in ("infinity", "-infinity"):
        return (1 if text == "infinity" else -1, 0, "")
    parts = _MOMENT.fullmatch(text)
    if parts is None:
        return None
    sign, lead, rest, ancient = parts.groups()
    number = Decimal(lead)  # int() refuses thousands of digits; Decimal does not
    whole = int(number) if number < 10**18 else 10**18
    if ancient:
        return 0, -whole, rest
    if sign == "-":  # a negative time of day: -838:59:59 is before -838:00:00
        return 0, -whole, _mirror(rest)
    return 0, whole, rest


def _mirror(text: str) -> str:
    return text.translate({ord(digit): ord("9") - int(digit) + ord("0") for digit in "0123456789"})
