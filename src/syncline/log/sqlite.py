"""The embedded log: one SQLite file, served by one hub. Implements log/protocol.py.

An entry is acknowledged once it is synced to disk. After a write that failed for any other reason than space, nobody knows what
the disk has: this instance then refuses to write until it is opened again from what is really there, and never syncs twice.
Source of that rule: Rebello et al., Can Applications Recover from fsync Failures?, USENIX ATC 2020.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar, TypeVarTuple

import apsw

from syncline.log.claim import Claim, me
from syncline.log.faults import FAULTS, named
from syncline.log.frame import pack
from syncline.log.lane import Lane
from syncline.log.opening import Opened, open_for_serving
from syncline.log.place import connect, create, exists, rewrite
from syncline.log.reading import Frames, Reading
from syncline.log.scan import Scan
from syncline.log.writer import Writer
from syncline.model.entry import Entry
from syncline.model.errors import LogBusy, LogError, LogFenced, LogFull, SynclineError
from syncline.model.event import Event, Listener
from syncline.model.stamp import Offset

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class SqliteLog:
    """See the module. `inline`: everything happens in the calling thread, for a simulation. `vfs`: SQLite's file system.

    With a `vfs` no operating system lock is taken: the exclusive use of the file and the epoch stand in for it.
    """

    def __init__(self, path: str, on_event: Listener | None = None, *, vfs: str = "", inline: bool = False) -> None:
        self._path = path if vfs else os.path.abspath(path)
        self._on_event, self._vfs, self._inline = on_event, vfs, inline
        self._head = self._floor = 0
        self._broken: SynclineError | None = None
        self._claim: Claim | None = None
        self._db: apsw.Connection | None = None
        self._reader: apsw.Connection | None = None
        self._writer: Writer | None = None
        self._reading: Reading | None = None
        self._lanes: list[Lane] = []

    # -- life ---------------------------------------------------------------------------------------------------------------

    async def open(self) -> Offset:
        """See the protocol. May be called again after close()."""
        if self._lanes:
            raise LogError("the log is open already", hint="close it first", log=self._path)
        shared = self._inline or bool(self._vfs)
        writing = Lane("log-writer", inline=self._inline)
        self._lanes = [writing] if shared else [writing, Lane("log-reader", inline=False)]
        self._broken = None
        try:
            opened = await writing.run(self._open)
        except BaseException:
            await self.close()
            raise
        if opened.torn is not None and self._on_event is not None:
            first, last = opened.torn
            detail = {"first": first, "last": last, "head": opened.head, "log": self._path}
            self._on_event(Event("log.truncated", count=max(1, last - first + 1), detail=detail))
        return opened.head

    def _open(self) -> Opened:
        try:
            if not self._vfs:
                is_there = exists(self._path)
                self._claim = Claim(self._path)
                if not is_there and not exists(self._path):
                    create(self._path)
            self._db = connect(self._path, write=True, vfs=self._vfs)
            rewrite(self._db)
            opened = open_for_serving(self._db, "another opening" if self._vfs else me())
            self._writer = Writer(self._db, opened.epoch)
            if not self._vfs:
                self._reader = connect(self._path, write=False)
        except FAULTS as error:
            raise self._named(error) from error
        self._reading = Reading(Scan(self._reader or self._db, self._path), self._lanes[-1])
        self._head, self._floor = opened.head, opened.floor
        return opened

    async def close(self) -> None:
        """See the protocol. What has begun is finished first."""
        lanes, self._lanes = self._lanes, []
        for lane in reversed(lanes[1:]):
            await lane.close()
        for lane in lanes[:1]:
            await lane.run(self._close)
            await lane.close()

    def _close(self) -> None:
        for db in (self._reader, self._db):
            if db is not None:
                with suppress(apsw.Error):  # nothing is lost: what is durable stays so
                    db.close()
        if self._claim is not None:
            self._claim.release()
        self._db = self._reader = self._writer = self._reading = self._claim = None

    # -- writing ------------------------------------------------------------------------------------------------------------

    @property
    def head(self) -> Offset:
        """See the protocol."""
        return self._head

    @property
    def floor(self) -> Offset:
        """See the protocol."""
        return self._floor

    async def append(self, entries: Sequence[Entry], expected: Offset) -> Offset:
        """See the protocol. If the caller is cancelled while it waits, the entries may be appended all the same."""
        offsets = range(expected + 1, expected + 1 + len(entries))
        if [entry.offset for entry in entries] != list(offsets):
            raise LogError("these entries do not follow each other", why=f"expected offsets after {expected}", log=self._path)
        return await self._write(self._append, tuple(entries), expected)

    def _append(self, writer: Writer, entries: tuple[Entry, ...], expected: Offset) -> Offset:
        if not entries:
            if expected != self._head:
                raise LogFenced("the log's head is another", why=f"it is {self._head}, not {expected}", log=self._path)
            return expected
        self._head = writer.append(pack(entries), expected)
        try:
            writer.checkpoint()
        except Exception as error:  # the entries are durable and acknowledged; the next append must not go on
            self._broken = self._named(error)
        return self._head

    async def trim(self, upto: Offset) -> Offset:
        """See the protocol. The file shrinks with it."""
        upto = min(upto, self._head)
        while self._floor < upto:
            await self._write(self._trim, upto)
        await self._give_back()
        return self._floor

    def _trim(self, writer: Writer, upto: Offset) -> None:
        self._floor = writer.trim(upto)

    async def compact(self) -> int:
        """See the protocol. Small frames are merged while that is worth it; other appends go on in between."""
        gone = 0
        while True:
            before = gone
            reached, done = await self._write(_settled), False
            while not done:
                went, reached, done = await self._write(Writer.compact, reached)
                gone += went
            if gone == before:
                break
        await self._give_back()
        return gone

    async def _give_back(self) -> None:
        while await self._write(Writer.give_back):
            pass
        await self._write(Writer.shorten)

    async def _write(self, job: Callable[[Writer, *Ts], T], *args: *Ts) -> T:
        if not self._lanes:
            raise LogError("the log is not open", log=self._path)
        return await self._lanes[0].run(self._guarded, job, *args)

    def _guarded(self, job: Callable[[Writer, *Ts], T], *args: *Ts) -> T:
        if self._writer is None:
            raise LogError("the log is not open", log=self._path)
        if self._broken is not None:
            why = f"an earlier write failed: {self._broken.why or self._broken.what}"
            raise LogError("the log takes no more entries", why=why, hint="start the hub again", log=self._path)
        try:
            return job(self._writer, *args)
        except SynclineError:
            raise
        except Exception as error:
            known = self._named(error)
            if not isinstance(known, LogFull | LogBusy):
                self._broken = known
            raise known from error

    def _named(self, error: Exception) -> LogError:
        return named(error, self._path, self._db.system_errno if self._db is not None else 0)

    # -- reading ------------------------------------------------------------------------------------------------------------

    def read(self, after: Offset, upto: Offset | None = None) -> Frames:
        """See the protocol."""
        return self._open_reading.read(after, self._head if upto is None else min(upto, self._head))

    def read_notes(self, after: Offset) -> Frames:
        """See the protocol."""
        return self._open_reading.notes(after, self._head)

    def find(self, needle: bytes, after: Offset = 0, upto: Offset | None = None) -> Frames:
        """Entries with after < offset <= upto whose encoded form holds `needle`, such as encode_row(key)."""
        return self._open_reading.find(needle, after, self._head if upto is None else min(upto, self._head))

    async def verify_all(self) -> int:
        """Check every frame in full; how many there are. Raises LogDamaged."""
        return await self._open_reading.verify_all()

    async def size_bytes(self) -> int:
        """How much room the log file takes, without what is on its way into it."""
        return await self._write(Writer.size_bytes)

    @property
    def _open_reading(self) -> Reading:
        if self._reading is None:
            raise LogError("the log is not open", log=self._path)
        return self._reading


def _settled(writer: Writer) -> Offset:
    return writer.settled
