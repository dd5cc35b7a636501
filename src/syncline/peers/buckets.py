"""Ranges in order, so that one reading of a table serves them all: each row finds its own by halving the list of bounds.

The bounds cut all keys into buckets: bucket n holds the keys that have n bounds before them. Some buckets are ranges that were
asked for, the others are gaps between them. Pure text.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from syncline.model.key import order
from syncline.model.value import Key
from syncline.peers.protocol import Range

Sql = TypeVar("Sql", str, bytes)


class Buckets(NamedTuple):
    """The bounds, in order, and which of the ranges each bucket is; the others are gaps."""

    bounds: list[Key]
    places: dict[int, int]

    @property
    def ends(self) -> tuple[int, int]:
        """The first and the last bucket that is a range."""
        return min(self.places), max(self.places)

    def number(self, leaf: Callable[[int], Sql], either: Callable[[int, Sql, Sql], Sql]) -> Sql:
        """What tells the bucket of a row between both ends: `either` decides at a bound, between up to it and beyond it."""
        return _halved(*self.ends, leaf, either)

    def inside(self, yes: Sql, no: Sql, either: Callable[[int, Sql, Sql], Sql]) -> Sql:
        """What tells whether a row between both ends is in a range: `yes` alone if there are no gaps."""
        return _halved(*self.ends, lambda bucket: yes if bucket in self.places else no, either)


def buckets_of(ranges: Sequence[Range]) -> Buckets | None:
    """For ranges that follow one another, in order, with gaps or without; None for others."""
    bounds: list[Key] = []
    places: dict[int, int] = {}
    last: Key | None = None
    for place, (after, upto) in enumerate(ranges):
        if (place > 0 and (after is None or last is None or order(after) < order(last))) or _is_empty((after, upto)):
            return None
        if after is not None and (not bounds or after != bounds[-1]):
            bounds.append(after)
        places[len(bounds)] = place
        if upto is not None:
            bounds.append(upto)
        last = upto
    return Buckets(bounds, places) if places else None


def _is_empty(one: Range) -> bool:
    after, upto = one
    return after is not None and upto is not None and order(after) >= order(upto)


def _halved(low: int, high: int, leaf: Callable[[int], Sql], either: Callable[[int, Sql, Sql], Sql]) -> Sql:
    """As deep as the list can be halved; nothing is asked where all buckets are alike."""
    first = leaf(low)
    if all(leaf(bucket) == first for bucket in range(low + 1, high + 1)):
        return first
    middle = (low + high) // 2
    return either(middle, _halved(low, middle, leaf, either), _halved(middle + 1, high, leaf, either))
