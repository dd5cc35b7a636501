"""What values a column can hold, as its type tells: the forms they come in, and their bounds. Doors say it, nobody else."""

from typing import Final

import msgspec

INTEGER: Final = "whole numbers"
FRACTION: Final = "decimals"
REAL: Final = "floating numbers"
TEXT: Final = "text"
BYTES: Final = "bytes"
DATE: Final = "dates"
TIME: Final = "times of day"
WALL: Final = "dates with a time and no zone"
INSTANT: Final = "instants"
INTERVAL: Final = "intervals"
UUID: Final = "UUIDs"
JSON: Final = "JSON"
LABEL: Final = "labels"
OTHER: Final = "texts of its own kind"
NUMBERS: Final = frozenset({INTEGER, FRACTION, REAL})


class Holds(msgspec.Struct, frozen=True):
    """What a column can hold. No forms: nothing is known, so nothing can be said. A bound of None: there is none.

    `low`, `high`: of numbers; `loose`: it is meant for these, and takes others too. `scale`: digits after the point.
    `size`: the most `unit` of a text or blob; `exactly`: no fewer. `charset`: one that lacks
    characters. `fraction`: digits of a second.
    """

    forms: frozenset[str] = frozenset()
    low: int | None = None
    high: int | None = None
    scale: int | None = None
    size: int | None = None
    unit: str = "characters"
    exactly: bool = False
    loose: bool = False
    charset: str = ""
    fraction: int | None = None
    labels: tuple[str, ...] = ()


def bits(size: int) -> str:
    """The form of bit strings of one length."""
    return f"bit strings of {size}"
