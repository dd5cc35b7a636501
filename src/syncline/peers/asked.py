"""Places in a peer's history that somebody waits for, as its stream knows them: what every kind needs that groups transactions.

The rule: nothing is given out that reaches beyond such a place. Who reads rows at a position would else take a part of a group
for news that is in these rows already, and count increments twice.
"""

from bisect import insort
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from syncline.model.stamp import Position


class Asked:
    """Of one stream, in the order of the history."""

    def __init__(self) -> None:
        self._places: list[Position] = []
        self._pauses = 0

    def __bool__(self) -> bool:
        return bool(self._places)

    @property
    def alone(self) -> bool:
        """Whether somebody is asking just now for a place not known yet: transactions are given out one by one."""
        return self._pauses > 0

    def begin(self, after: Position, end: Position) -> None:
        """A stream begins after a place; where history ends now is waited for too."""
        self._places = sorted({end, *(one for one in self._places if one > after)})

    def add(self, where: Position) -> bool:
        """Wait for a place; False if somebody does already."""
        if where in self._places:
            return False
        insort(self._places, where)
        return True

    def parts(self, one: int, other: int) -> bool:
        """Whether what ends at `one` and what ends at `other` must not be given out together (major parts of positions)."""
        return any(one <= place.major < other for place in self._places)

    def majors(self) -> list[int]:
        """The major parts of all places that are waited for."""
        return [place.major for place in self._places]

    def reached(self, end: int) -> Iterator[Position]:
        """The places up to which everything was given out; they are waited for no more."""
        while self._places and self._places[0].major <= end:
            yield self._places.pop(0)


@contextmanager
def asking(all_asked: Iterable[Asked]) -> Iterator[None]:
    """While a place is being found out, streams give out transactions one by one."""
    held = list(all_asked)
    for asked in held:
        asked._pauses += 1
    try:
        yield
    finally:
        for asked in held:
            asked._pauses -= 1
