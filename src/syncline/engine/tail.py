"""The tail: the log's last entries kept in memory, so that a peer that keeps up never reads the log back."""

from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import islice

from syncline.engine.closing import closing
from syncline.log.protocol import Log
from syncline.model.change import weigh
from syncline.model.entry import Entry
from syncline.model.limits import BATCH_BYTES_MAX, TAIL_BYTES_MAX, TAIL_ROWS_MAX
from syncline.model.stamp import Micros, Offset

_Weighed = tuple[Entry, int]


class Tail:
    """The newest entries, bounded by rows and bytes, over the log itself."""

    def __init__(self, log: Log, rows_max: int = TAIL_ROWS_MAX, bytes_max: int = TAIL_BYTES_MAX) -> None:
        self._log = log
        self._rows_max, self._bytes_max = rows_max, bytes_max
        self._entries: deque[_Weighed] = deque()
        self._rows = self._bytes = 0

    @property
    def row_bytes(self) -> int:
        """About how many bytes a row takes here now."""
        return self._bytes // max(1, self._rows)

    def extend(self, entries: Sequence[Entry]) -> None:
        """Entries that just became durable."""
        kept = self._entries
        for entry in entries:
            weight = weigh(entry.changes)
            kept.append((entry, weight))
            self._rows += entry.rows
            self._bytes += weight
        while len(kept) > 1 and (self._rows > self._rows_max or len(kept) > self._rows_max or self._bytes > self._bytes_max):
            entry, weight = kept.popleft()
            self._rows -= entry.rows
            self._bytes -= weight

    def entries(self) -> Iterator[Entry]:
        """What it holds, in the log's order."""
        return (entry for entry, _ in self._entries)

    def lag(self, watermark: Offset, data: Offset, now: Micros) -> tuple[int, float]:
        """How far a peer is behind: entries, and the age in seconds of the oldest one it lacks, as far as memory tells."""
        if watermark >= data:
            return 0, 0.0
        waiting = next((entry for entry, _ in self._entries if entry.offset > watermark and entry.is_data), None)
        return data - watermark, max(0.0, (now - waiting.time) / 1e6) if waiting is not None else 0.0

    async def take(self, after: Offset, rows: int) -> list[Entry]:
        """The entries after an offset, as many as make about `rows` rows or a batch in bytes, at least one if there is any."""
        if not self._entries or after >= self._entries[-1][0].offset:
            return await self._read(after, rows) if after < self._log.head else []
        first = self._entries[0][0].offset
        if after + 1 < first:
            return await self._read(after, rows)
        return self._slice(after + 1 - first, rows)

    async def at(self, offset: Offset) -> Entry | None:
        """The entry at an offset, if the log still has it."""
        if not self._log.floor < offset <= self._log.head:
            return None
        return next(iter(await self.take(offset - 1, 1)), None)

    def _slice(self, start: int, rows: int) -> list[Entry]:
        taken: list[Entry] = []
        count = size = 0
        for entry, weight in islice(self._entries, start, None):
            size += weight
            if taken and (count + entry.rows > rows or size > BATCH_BYTES_MAX):
                break
            taken.append(entry)
            count += entry.rows + 1
        return taken

    async def _read(self, after: Offset, rows: int) -> list[Entry]:
        taken: list[Entry] = []
        count = size = 0
        async with closing(self._log.read(after)) as frames:
            async for frame in frames:
                taken += frame
                count += sum(entry.rows for entry in frame)
                size += sum(weigh(entry.changes) for entry in frame)
                if count >= rows or size >= BATCH_BYTES_MAX:
                    break
        return taken

    def since(self, after: Offset) -> AsyncIterator[tuple[Entry, ...]]:
        """All entries after an offset that the log still has, a tuple per frame."""
        return self._log.read(max(after, self._log.floor))
