"""A log in memory, with the real codec in between and faults on demand. What `append` returned from survives every engine."""

from collections.abc import AsyncIterator, Sequence

from syncline.model.codec import decode_entries, encode_entries
from syncline.model.entry import Entry, Kind
from syncline.model.errors import LogError, LogFenced
from syncline.model.stamp import Offset

FRAME = 7  # entries a reader gets at once


class MemoryLog:
    """The log's protocol. `faults` are raised by the next appends, one each; `asked` counts appends, failed ones too."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.kept: list[Entry] = []  # control entries of what was trimmed
        self.faults: list[Exception] = []
        self.asked = 0
        self.floor: Offset = 0
        self.open_readers = 0

    @property
    def head(self) -> Offset:
        """See the protocol."""
        return self.floor + len(self.entries)

    async def open(self) -> Offset:
        """See the protocol."""
        return self.head

    async def append(self, entries: Sequence[Entry], expected: Offset) -> Offset:
        """See the protocol."""
        self.asked += 1
        if self.faults:
            raise self.faults.pop(0)
        if expected != self.head or [entry.offset for entry in entries] != [*range(expected + 1, expected + len(entries) + 1)]:
            raise LogFenced("these entries do not follow")
        self.entries += decode_entries(encode_entries(entries))
        return self.head

    async def read(self, after: Offset, upto: Offset | None = None) -> AsyncIterator[tuple[Entry, ...]]:
        """See the protocol."""
        if after < self.floor:
            raise LogError("trimmed away")
        part = self.entries[after - self.floor : None if upto is None else upto - self.floor]
        self.open_readers += 1
        try:
            for start in range(0, len(part), FRAME):
                yield tuple(part[start : start + FRAME])
        finally:
            self.open_readers -= 1

    async def read_notes(self, after: Offset) -> AsyncIterator[tuple[Entry, ...]]:
        """See the protocol."""
        for entry in (*self.kept, *self.entries):
            if entry.offset > after and entry.has_notes:
                yield (entry,)

    async def trim(self, upto: Offset) -> Offset:
        """See the protocol: what a checkpoint covers is forgotten for good."""
        gone = [entry for entry in self.entries if entry.offset <= upto]
        self.kept += [entry for entry in gone if entry.kind not in (Kind.CHANGE, Kind.FILL)]
        covered = max((entry.offset for entry in self.kept if entry.kind is Kind.CHECKPOINT), default=0)
        self.kept = [entry for entry in self.kept if entry.offset >= covered]
        self.entries = self.entries[len(gone) :]
        self.floor += len(gone)
        return self.floor

    async def compact(self) -> int:
        """See the protocol."""
        return 0

    async def close(self) -> None:
        """See the protocol."""

    def of(self, *kinds: Kind) -> list[Entry]:
        """The entries of these kinds."""
        return [entry for entry in self.entries if entry.kind in kinds]
