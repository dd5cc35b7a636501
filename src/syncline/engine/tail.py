"""The tail: the log's last entries kept in memory, so that a peer that keeps up never reads the log back."""

from collections import deque
from collections.abc import AsyncIterator, Sequence

from syncline.engine.closing import closing
from syncline.log.protocol import Log
from syncline.model.entry import Entry
from syncline.model.limits import TAIL_ROWS_MAX
from syncline.model.stamp import Micros, Offset


class Tail:
    """The newest entries, bounded by rows, over the log itself."""

    def __init__(self, log: Log, rows_max: int = TAIL_ROWS_MAX) -> None:
        self._log = log
        self._rows_max = rows_max
        self._entries: deque[Entry] = deque()
        self._rows = 0

    def extend(self, entries: Sequence[Entry]) -> None:
        """Entries that just became durable."""
        kept = self._entries
        kept.extend(entries)
        self._rows += sum(entry.rows for entry in entries)
        while len(kept) > 1 and (self._rows > self._rows_max or len(kept) > self._rows_max):
            self._rows -= kept.popleft().rows

    def lag(self, watermark: Offset, data: Offset, now: Micros) -> tuple[int, float]:
        """How far a peer is behind: entries, and the age in seconds of the oldest one it lacks, as far as memory tells."""
        if watermark >= data:
            return 0, 0.0
        waiting = next((entry for entry in self._entries if entry.offset > watermark and entry.is_data), None)
        return data - watermark, max(0.0, (now - waiting.time) / 1e6) if waiting is not None else 0.0

    async def take(self, after: Offset, rows: int) -> list[Entry]:
        """The entries after an offset, as many as make about `rows` rows, at least one if there is any."""
        if not self._entries or after >= self._entries[-1].offset:
            return await self._read(after, rows) if after < self._log.head else []
        first = self._entries[0].offset
        if after + 1 < first:
            return await self._read(after, rows)
        return self._slice(after + 1 - first, rows)

    def _slice(self, start: int, rows: int) -> list[Entry]:
        taken: list[Entry] = []
        count = 0
        for place in range(start, len(self._entries)):
            entry = self._entries[place]
            if taken and count + entry.rows > rows:
                break
            taken.append(entry)
            count += entry.rows + 1
        return taken

    async def _read(self, after: Offset, rows: int) -> list[Entry]:
        taken: list[Entry] = []
        count = 0
        async with closing(self._log.read(after)) as frames:
            async for frame in frames:
                taken += frame
                count += sum(entry.rows for entry in frame)
                if count >= rows:
                    break
        return taken

    def since(self, after: Offset) -> AsyncIterator[tuple[Entry, ...]]:
        """All entries after an offset that the log still has, a tuple per frame."""
        return self._log.read(max(after, self._log.floor))
