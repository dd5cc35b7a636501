"""Canonical values of numbers that engines give as decimal text or as singles: one form, whichever kind of peer reads."""

import math
import struct
from decimal import Decimal

from syncline.model.value import INT64_MAX, INT64_MIN, Tagged, Value, real

_SINGLE = struct.Struct("f")


def whole_value(number: int) -> Value:
    """An integer of any size."""
    return number if INT64_MIN <= number <= INT64_MAX else Tagged("decimal", str(number))


def decimal_value(text: str) -> Value:
    """A plain decimal number without needless zeros, as an engine without decimals would keep it where it can."""
    if "." not in text:
        return whole_value(int(text))
    if len(text) <= 16 and text[0] in "123456789":  # up to 15 digits: a double tells them apart, and is written like this
        return Tagged("real", text)
    if len(text) <= 17 and repr(float(text)) == text:
        return Tagged("real", text)
    if Decimal(repr(number := float(text))) == Decimal(text):
        return real(number)
    return Tagged("decimal", text)


def single(number: float) -> float:
    """The shortest decimal that means the nearest single, as a double; infinity where the single would overflow."""
    try:
        packed = _SINGLE.pack(number)
    except OverflowError:
        return math.inf
    nearest: float = _SINGLE.unpack(packed)[0]
    if not math.isfinite(nearest):
        return nearest
    first = 6 if abs(nearest) >= 2.0**-126 else 1  # six digits always survive, but for the smallest numbers
    texts = (f"{nearest:.{digits}g}" for digits in range(first, 10))
    return next((float(text) for text in texts if _SINGLE.pack(float(text)) == packed), nearest)
