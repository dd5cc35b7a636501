"""Reading a log from asyncio: by a hub that serves it, and by any other process beside a running hub."""

from collections.abc import AsyncIterator, Callable

import apsw

from syncline.log.faults import FAULTS, named
from syncline.log.lane import Lane
from syncline.log.place import connect, connect_resting, exists
from syncline.log.scan import Bite, Scan
from syncline.model.entry import Entry
from syncline.model.errors import LogError
from syncline.model.stamp import Offset

Frames = AsyncIterator[tuple[Entry, ...]]


class Reading:
    """Reads through one connection, in one lane. Holds a few frames at a time, and no transaction between them."""

    def __init__(self, scan: Scan, lane: Lane) -> None:
        self._scan, self._lane = scan, lane

    async def span(self) -> tuple[Offset, Offset]:
        """Floor and head now."""
        return await self._lane.run(self._scan.span)

    async def sound_span(self) -> tuple[Offset, Offset]:
        """Floor and head now, without a torn last frame."""
        return await self._lane.run(self._scan.sound_span)

    def read(self, after: Offset, upto: Offset) -> Frames:
        """Entries with after < offset <= upto."""
        return self._walk(after, upto, lambda reached: self._scan.read(reached, upto))

    def notes(self, after: Offset, upto: Offset) -> Frames:
        """Those with notes, with what was kept of the trimmed."""
        return self._walk(after, upto, lambda reached: self._scan.notes(reached, upto))

    def find(self, needle: bytes, after: Offset, upto: Offset) -> Frames:
        """Those whose encoded form holds `needle`."""
        return self._walk(after, upto, lambda reached: self._scan.find(needle, reached, upto))

    async def _walk(self, after: Offset, upto: Offset, step: Callable[[Offset], Bite]) -> Frames:
        while after < upto:
            bite = await self._lane.run(step, after)
            for entries in bite.frames:
                yield entries
            after = bite.upto

    async def verify_all(self) -> int:
        """Check every frame in full; how many there are. Raises LogDamaged with the first bad offset."""
        after, upto = await self.span()
        async for _ in self.notes(0, upto):
            pass
        count = 0
        while after < upto:
            checked, after = await self._lane.run(self._scan.verify, after, upto)
            count += checked
        return count


class SqliteReader:
    """A log as another process sees it: takes no lock, writes nothing. See open_reader."""

    def __init__(self, path: str, *, inline: bool = False) -> None:
        self._path = path
        self._lane = Lane("log-reader", inline=inline)
        self._db: apsw.Connection | None = None
        self._reading: Reading | None = None
        self._floor = self._head = 0

    async def open(self) -> Offset:
        """Open; the head. Raises LogError where there is no log, or none that can be read."""
        self._db = await self._lane.run(self._connect)
        self._reading = Reading(Scan(self._db, self._path), self._lane)
        return await self.refresh()

    def _connect(self) -> apsw.Connection:
        if not exists(self._path):
            raise LogError("there is no log here", hint="run the space first: syncline run", log=self._path)
        try:
            try:
                return connect(self._path, write=False)
            except apsw.CantOpenError:
                return connect_resting(self._path)
        except FAULTS as error:
            raise named(error, self._path) from error

    @property
    def head(self) -> Offset:
        """The last offset, as of open() or the last refresh()."""
        return self._head

    @property
    def floor(self) -> Offset:
        """The last trimmed offset, as of open() or the last refresh()."""
        return self._floor

    async def refresh(self) -> Offset:
        """Look again; the head now."""
        self._floor, self._head = await self._open_reading.sound_span()
        return self._head

    def read(self, after: Offset, upto: Offset | None = None) -> Frames:
        """See the log's protocol."""
        return self._open_reading.read(after, self._head if upto is None else min(upto, self._head))

    def read_notes(self, after: Offset) -> Frames:
        """See the log's protocol."""
        return self._open_reading.notes(after, self._head)

    def find(self, needle: bytes, after: Offset = 0, upto: Offset | None = None) -> Frames:
        """Entries with after < offset <= upto whose encoded form holds `needle`, such as encode_row(key)."""
        return self._open_reading.find(needle, after, self._head if upto is None else min(upto, self._head))

    async def verify_all(self) -> int:
        """Check every frame in full; how many there are. Raises LogDamaged."""
        return await self._open_reading.verify_all()

    async def close(self) -> None:
        """Close."""
        if self._db is not None:
            await self._lane.run(self._db.close)
            self._db = self._reading = None
        await self._lane.close()

    async def __aenter__(self) -> "SqliteReader":
        await self.open()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    @property
    def _open_reading(self) -> Reading:
        if self._reading is None:
            raise LogError("the log is not open", log=self._path)
        return self._reading
