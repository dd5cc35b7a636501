"""Many messages looked at at once: where whole small transactions stand one after the other, and what they say. Pure.

Source: https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html (Begin, Commit)
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from syncline.model.limits import BATCH_BYTES_MAX
from syncline.model.stamp import Micros
from syncline.peers.arrays import Indexes, np
from syncline.peers.postgres.decode import EPOCH_MICROS
from syncline.peers.postgres.tuples import Joined

_BEGIN: Final = [("kind", "u1"), ("final", ">u8"), ("time", ">i8"), ("xid", ">u4")]
_COMMIT: Final = [("kind", "u1"), ("flags", "u1"), ("final", ">u8"), ("end", ">u8"), ("time", ">i8")]
_B, _C, _ROWS = ord("B"), ord("C"), (ord("I"), ord("U"), ord("D"))


class Whole(NamedTuple):
    """A small transaction that was received."""

    xid: int
    end: int
    final: int
    time: Micros
    messages: list[bytes]


class Run(NamedTuple):
    """Small transactions, one after the other: arrays with an item for each, and the messages of all their rows."""

    xids: Indexes
    ends: Indexes
    finals: Indexes
    times: Indexes  # Unix microseconds
    counts: Indexes  # of rows
    rows: Joined

    @property
    def size(self) -> int:
        """How many transactions."""
        return len(self.xids)

    @classmethod
    def of(cls, group: Sequence["Whole | Run"]) -> "Run":
        """All of a group."""
        if len(group) == 1 and isinstance(group[0], Run):
            return group[0]
        whole = [one for part in group for one in wholes(part)]
        table = np.array([(one.xid, one.end, one.final, one.time, len(one.messages)) for one in whole], np.int64).T
        xids, ends, finals, times, counts = table
        return cls(xids, ends, finals, times, counts, Joined.of([message for one in whole for message in one.messages]))

    def take(self, first: int, last: int) -> "Run":
        """The transactions from one on, before another."""
        if (first, last) == (0, self.size):
            return self
        at = np.concatenate((np.zeros(1, np.int64), np.cumsum(self.counts)))
        here = slice(first, last)
        rows = self.rows.take(slice(int(at[first]), int(at[last])))
        return Run(self.xids[here], self.ends[here], self.finals[here], self.times[here], self.counts[here], rows)

    def only(self, kept: "Indexes") -> "Run":
        """The transactions at these places."""
        if len(kept) == self.size:
            return self
        mask = np.zeros(self.size, bool)
        mask[kept] = True
        rows = self.rows.take(np.flatnonzero(np.repeat(mask, self.counts)))
        return Run(self.xids[kept], self.ends[kept], self.finals[kept], self.times[kept], self.counts[kept], rows)

    def cut(self, first: int, room: int, places: Iterable[int]) -> int:
        """Where those end that go together, from `first` on: once they have so many rows, or at one of these places."""
        full = int(np.searchsorted(np.cumsum(self.counts[first:]), room)) + first + 1
        beyond = [int(np.searchsorted(self.ends, place, side="right")) for place in places]
        return min(full, self.size, *[one for one in beyond if one > first])


def wholes(part: Whole | Run) -> Iterator[Whole]:
    """Its transactions one by one."""
    if isinstance(part, Whole):
        yield part
        return
    at, messages = 0, part.rows.messages()
    fields = zip(*[field.tolist() for field in part[:4]], part.counts.tolist(), strict=True)
    for xid, end, final, time, count in fields:
        yield Whole(xid, end, final, time, messages[at : at + count])
        at += count


class Pieces:
    """Messages that were received together, and where in them what begins and ends. `state`: the table of the watermark."""

    def __init__(self, messages: Sequence[bytes], state: int) -> None:
        self._joined = joined = Joined.of(messages)
        kinds = joined.kinds
        self._is_row = np.isin(kinds, _ROWS)
        self._begins, self._commits = np.flatnonzero(kinds == _B), np.flatnonzero(kinds == _C)
        self._stops = np.flatnonzero(~self._is_row)
        self._marks = np.flatnonzero(self._is_row & (joined.tables == state))
        others = np.flatnonzero(~(self._is_row | (kinds == _B) | (kinds == _C)))
        self._odd = np.sort(np.concatenate((others, self._marks)))
        self._is_light = len(joined.data) < BATCH_BYTES_MAX

    def plain(self, at: int) -> int:
        """Where a run of whole small transactions of others ends that begins at this place; this place if there is none."""
        if not self._is_light:
            return at
        odd = self._odd[np.searchsorted(self._odd, at) :]
        commits = self._commits if not len(odd) else self._commits[: np.searchsorted(self._commits, odd[0])]
        return max(at, int(commits[-1]) + 1) if len(commits) else at

    def is_open(self, at: int) -> bool:
        """Whether all from this place on are rows of a transaction that begins there."""
        return self._is_light and not len(self._odd[np.searchsorted(self._odd, at) :]) and self._next(self._commits, at) is None

    def rows(self, at: int) -> int:
        """Where the rows end that begin at this place."""
        stop = self._next(self._stops, at)
        return len(self._joined) if stop is None else stop

    def told(self, at: int) -> int:
        """Where the rows of a transaction of ours end, or it writes its watermark once more: with what was refused."""
        mark, rows = self.mark(at), self.rows(at)
        return rows if mark is None else min(mark, rows)

    def mark(self, at: int) -> int | None:
        """The next write of a watermark, from this place on."""
        return self._next(self._marks, at)

    @staticmethod
    def _next(places: Indexes, at: int) -> int | None:
        found = int(np.searchsorted(places, at))
        return int(places[found]) if found < len(places) else None

    def run(self, at: int, upto: int, rows_max: int) -> Run | None:
        """The transactions of a run; None if one has so many rows that it may not be whole."""
        begins = self._begins[slice(*np.searchsorted(self._begins, (at, upto)))]
        commits = self._commits[slice(*np.searchsorted(self._commits, (at, upto)))]
        counts = commits - begins - 1
        if (counts >= rows_max).any():
            return None
        begun, done = self._joined.take(begins).records(_BEGIN), self._joined.take(commits).records(_COMMIT)
        fields = [begun["xid"], done["end"], begun["final"], begun["time"]]
        xids, ends, finals, times = [field.astype(np.int64) for field in fields]
        rows = self._joined.take(np.flatnonzero(self._is_row[at:upto]) + at)
        return Run(xids, ends, finals, times + EPOCH_MICROS, counts, rows)
