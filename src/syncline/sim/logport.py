"""The log as a simulated hub reaches it: the real log, with every effect counted and every confirmation noted."""

from collections.abc import AsyncIterator, Sequence

from syncline.log.protocol import Log
from syncline.model.entry import Entry
from syncline.model.stamp import Offset
from syncline.sim.effects import Effects
from syncline.sim.history import History, Hub, LogOpened


class LogPort:
    """The log's protocol around another log."""

    def __init__(self, log: Log, effects: Effects, history: History, hub: Hub) -> None:
        self._log, self._effects, self._history, self._hub = log, effects, history, hub

    async def open(self) -> Offset:
        """See the protocol."""
        self._effects.hit("log.open")
        head = await self._log.open()
        self._effects.hit("log.open.done", str(head))
        self._history.note(LogOpened(self._hub, head))
        return head

    @property
    def head(self) -> Offset:
        """See the protocol."""
        return self._log.head

    @property
    def floor(self) -> Offset:
        """See the protocol."""
        return self._log.floor

    async def append(self, entries: Sequence[Entry], expected: Offset) -> Offset:
        """See the protocol."""
        self._effects.hit("log.append", ", ".join(f"{entry.offset} {entry.kind} {entry.peer}" for entry in entries))
        head = await self._log.append(entries, expected)
        self._effects.alive()
        for entry in entries:
            self._history.appended(self._hub, entry)
        self._effects.hit("log.append.done", str(head))
        return head

    async def read(self, after: Offset, upto: Offset | None = None) -> AsyncIterator[tuple[Entry, ...]]:
        """See the protocol."""
        self._effects.alive()
        async for entries in self._log.read(after, upto):
            self._effects.alive()
            for entry in entries:
                self._history.read(self._hub, entry)
            yield entries

    async def read_notes(self, after: Offset) -> AsyncIterator[tuple[Entry, ...]]:
        """See the protocol."""
        self._effects.alive()
        async for entries in self._log.read_notes(after):
            self._effects.alive()
            for entry in entries:
                self._history.read(self._hub, entry)
            yield entries

    async def trim(self, upto: Offset) -> Offset:
        """See the protocol."""
        self._effects.hit("log.trim", str(upto))
        floor = await self._log.trim(upto)
        self._effects.hit("log.trim.done", str(floor))
        return floor

    async def compact(self) -> int:
        """See the protocol."""
        self._effects.hit("log.compact")
        count = await self._log.compact()
        self._effects.hit("log.compact.done", str(count))
        return count

    async def close(self) -> None:
        """See the protocol."""
        self._effects.hit("log.close")
        await self._log.close()
        self._effects.hit("log.close.done")
