"""The log's protocol: append fenced, read dense, trim behind every known peer."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from syncline.model.entry import Entry
from syncline.model.stamp import Offset


class Log(Protocol):
    """An ordered, durable, append-only sequence of entries with dense offsets. One hub appends; anyone may read."""

    async def open(self) -> Offset:
        """Open, check the tail, take the fence; the head offset. Raises LogBusy, LogDamaged, LogError."""
        ...

    @property
    def head(self) -> Offset:
        """The offset of the last durable entry this hub knows; 0 for an empty log."""
        ...

    @property
    def floor(self) -> Offset:
        """The largest offset that has been trimmed away; 0 if none."""
        ...

    async def append(self, entries: Sequence[Entry], expected: Offset) -> Offset:
        """Append entries whose offsets follow `expected`, the current head; return the new head once they are durable.

        All or nothing. Raises LogFenced if the head is not `expected` or another hub took the log, LogFull, LogError.
        """
        ...

    def read(self, after: Offset, upto: Offset | None = None) -> AsyncIterator[tuple[Entry, ...]]:
        """Entries with after < offset <= upto (default: the head at call time), in order, a tuple per frame.

        Raises LogError if `after` is below the floor, LogDamaged at a broken frame.
        """
        ...

    def read_notes(self, after: Offset) -> AsyncIterator[tuple[Entry, ...]]:
        """Only the entries with `Entry.has_notes` (control records, conflicts), in order; cheap on a long log."""
        ...

    async def trim(self, upto: Offset) -> Offset:
        """Forget entries up to `upto`; the caller guarantees that no known peer needs them. The new floor.

        Entries of control kinds are kept readable by `read_notes` until a CHECKPOINT at or below the floor covers them.
        """
        ...

    async def compact(self) -> int:
        """Merge small frames into large ones; how many frames went away. Readers never see an entry change."""
        ...

    async def close(self) -> None:
        """Release the fence and close."""
        ...
