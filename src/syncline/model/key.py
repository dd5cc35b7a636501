"""Keys: their canonical order, the same at every peer, and how people write them."""

import math
from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
from typing import TypeAlias

import msgspec

from syncline.model.errors import UsageError
from syncline.model.value import INTEGER_MAX, INTEGER_MIN, Key, Tagged, Value

Rank: TypeAlias = tuple[int, float | int | Decimal | bytes]


def _rank(value: Value) -> Rank:
    match value:
        case int():
            return 1, value
        case Tagged("real", text):
            number = float(text)
            return 1, math.inf if math.isnan(number) else number  # NaN, where an engine knows it, is the largest
        case Tagged("decimal", text):
            exact = Decimal(text)
            return 1, math.inf if exact.is_nan() else exact
        case Tagged("rawtext", text):
            return 2, bytes.fromhex(text)
        case Tagged(kind, text):
            return 2, f"{kind} {text}".encode()
        case str():
            return 2, value.encode("utf-8", "surrogatepass")
        case bytes():
            return 3, value
        case _:
            return 0, 0


def order(key: Key) -> tuple[Rank, ...]:
    """Sorts keys as every door does when it reads ranges: NULL, numbers, text by its UTF-8 bytes, blobs; part by part."""
    return tuple(map(_rank, key))


def ends(keys: Sequence[Key]) -> tuple[Key, Key]:
    """The first and the last of some keys, of which there is at least one."""
    plain = set(map(len, keys)) == {1} and set(map(type, [key[0] for key in keys])) == {int}  # these sort by themselves
    return (min(keys), max(keys)) if plain else (min(keys, key=order), max(keys, key=order))


def parse_key(text: str, parts: int) -> tuple[Key, ...]:
    """The keys that a person may mean by `text`: numbers, texts or x'hex', comma separated for several columns.

    Several readings are possible ('12' is a number or a text); the likelier comes first. Raises UsageError.
    """
    words = [text] if parts == 1 else [word.strip() for word in text.split(",")]
    if len(words) != parts:
        raise UsageError(f"the key has {parts} parts, {len(words)} were given", key=text, hint="separate them by commas")
    readings: list[tuple[Value, ...]] = [()]
    for word in words:
        readings = [(*known, value) for known in readings for value in _readings(word)]
    return tuple(readings)


def _readings(word: str) -> list[Value]:
    found: list[Value] = []
    if len(word) > 2 and word[:2].lower() == "x'" and word.endswith("'"):
        with suppress(ValueError):
            return [bytes.fromhex(word[2:-1])]
    if len(word) > 1 and word[0] == word[-1] == "'":
        return [word[1:-1].replace("''", "'")]
    with suppress(msgspec.ValidationError):
        number = msgspec.convert(word, int, strict=False)
        if INTEGER_MIN <= number <= INTEGER_MAX:
            found.append(number)
    return [*found, word]
