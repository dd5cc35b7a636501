"""Which parts of a sequence are still there in another one: matching places of two token lists. Bounded and deterministic.

Anchors first: tokens that stand once in both, in the longest order both share (patience diff, after Bram Cohen,
https://bramcohen.livejournal.com/73318.html), then the same between anchors; where there is none, a longest common
subsequence by table. All of it within a budget of steps: beyond, the rest counts as changed.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from syncline.model import limits


class Budget:
    """Steps that may still be spent; shared by the differences of one merge."""

    __slots__ = ("left",)

    def __init__(self, left: int) -> None:
        self.left = left

    def spend(self, steps: int) -> bool:
        """Spend so many if they are there."""
        if steps > self.left:
            return False
        self.left -= steps
        return True


class _Stretch(NamedTuple):
    """old[a:b] against new[c:d]."""

    a: int
    b: int
    c: int
    d: int


def matches(old: Sequence[str], new: Sequence[str], budget: Budget) -> dict[int, int]:
    """Places of `old` -> equal places of `new`, both rising."""
    found: dict[int, int] = {}
    todo = [_Stretch(0, len(old), 0, len(new))]
    while todo:
        stretch = _trim(old, new, todo.pop(), found)
        a, b, c, d = stretch
        if a == b or c == d or not budget.spend((b - a) + (d - c)):
            continue
        anchors = _anchors(old, new, stretch)
        if anchors:
            found.update(anchors)
            todo += _between(stretch, anchors)
            continue
        cells = (b - a) * (d - c)
        if cells <= limits.DIFF_TABLE_CELLS_MAX and budget.spend(cells):
            found.update(_table(old, new, stretch))
    return found


def _trim(old: Sequence[str], new: Sequence[str], stretch: _Stretch, found: dict[int, int]) -> _Stretch:
    """Without the equal tokens at both ends, which are recorded."""
    a, b, c, d = stretch
    while a < b and c < d and old[a] == new[c]:
        found[a] = c
        a, c = a + 1, c + 1
    while a < b and c < d and old[b - 1] == new[d - 1]:
        b, d = b - 1, d - 1
        found[b] = d
    return _Stretch(a, b, c, d)


def _anchors(old: Sequence[str], new: Sequence[str], stretch: _Stretch) -> list[tuple[int, int]]:
    """Tokens that stand once on either side, in their longest rising order."""
    a, b, c, d = stretch
    here, there = Counter(old[a:b]), Counter(new[c:d])
    places = {new[place]: place for place in range(c, d) if there[new[place]] == 1}
    pairs = [(place, places[old[place]]) for place in range(a, b) if here[old[place]] == 1 and old[place] in places]
    return _longest_rising(pairs)


def _longest_rising(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest run of pairs whose second parts rise too (patience sorting)."""
    tops: list[int] = []
    last: list[int] = []
    before = [-1] * len(pairs)
    for index, (_, place) in enumerate(pairs):
        pile = bisect_left(tops, place)
        before[index] = last[pile - 1] if pile else -1
        if pile == len(tops):
            tops.append(place)
            last.append(index)
        else:
            tops[pile], last[pile] = place, index
    run: list[tuple[int, int]] = []
    index = last[-1] if last else -1
    while index >= 0:
        run.append(pairs[index])
        index = before[index]
    return run[::-1]


def _between(stretch: _Stretch, anchors: list[tuple[int, int]]) -> list[_Stretch]:
    starts = [(stretch.a, stretch.c), *((old + 1, new + 1) for old, new in anchors)]
    ends = [*anchors, (stretch.b, stretch.d)]
    return [_Stretch(a, b, c, d) for (a, c), (b, d) in zip(starts, ends, strict=True)]


def _table(old: Sequence[str], new: Sequence[str], stretch: _Stretch) -> dict[int, int]:
    """A longest common subsequence by dynamic programming; of several, the one that matches earliest."""
    a, b, c, d = stretch
    width = d - c
    rows = [[0] * (width + 1)]
    for place in range(b - 1, a - 1, -1):
        below, token = rows[-1], old[place]
        row = [0] * (width + 1)
        for column in range(width - 1, -1, -1):
            if token == new[c + column]:
                row[column] = below[column + 1] + 1
            else:
                row[column] = max(below[column], row[column + 1])
        rows.append(row)
    rows.reverse()
    found: dict[int, int] = {}
    place, column = 0, 0
    while place < b - a and column < width:
        if old[a + place] == new[c + column]:
            found[a + place] = c + column
            place, column = place + 1, column + 1
        elif rows[place + 1][column] >= rows[place][column + 1]:
            place += 1
        else:
            column += 1
    return found
