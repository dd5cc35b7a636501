"""Capture: the changelog of an SQLite file as a stream of transactions, watched by polling.

Records are read on the event loop's own thread, in small pieces and without waiting for locks: sqlite3 gives the interpreter
lock away at every row, so a second thread that fetches rows would wait for the busy first one row by row.
"""

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Final, TypeVar

from syncline.model import limits
from syncline.model.change import Transaction
from syncline.model.errors import PeerBusy, PeerChanged, PeerRestored, PeerUnsafe
from syncline.model.stamp import Offset, Position
from syncline.peers.sqlite.connect import Place, errors, moved
from syncline.peers.sqlite.decode import decode
from syncline.peers.sqlite.features import CHANGELOG, WATERMARK
from syncline.peers.sqlite.footprint import MILLIS, find_damage, millis_of, needs_refresh, position, read_end, read_state, width
from syncline.peers.sqlite.group import Grouper
from syncline.peers.sqlite.layout import Layout, load_layouts
from syncline.peers.sqlite.reading import Source, read

_T = TypeVar("_T")
_FileMark = tuple[int, int, int]  # time of the last change in nanoseconds, size, inode
_COARSE_NANOS: Final = 20_000_000
_ASK_NANOS: Final = 500_000_000
_LIVE_POLLS: Final = 10  # polls that may be missed before commits count as unwatched
_LIVE_SECONDS: Final = 1.0  # or this long, where polls are shorter than what a busy machine may keep us waiting


class Capture:
    """Reads one file's changelog. `tend` is awaited now and then while nothing happens."""

    def __init__(
        self, place: Place, connection: sqlite3.Connection, poll_seconds: float, tend: Callable[[], Awaitable[None]]
    ) -> None:
        self._place, self._connection, self._poll_seconds, self._tend = place, connection, poll_seconds, tend
        self.news = asyncio.Event()  # set to have the changelog looked at now
        self.stale = False  # the triggers have to be made anew
        self._layouts: dict[int, Layout] = {}
        self._schema = self._version = -1
        self._width = 0
        self._damage: PeerChanged | None = None
        self._file = os.stat(place.path)
        self._checked = time.monotonic()
        self._looked = float("-inf")
        self._seen: tuple[_FileMark, ...] = ()
        self._asked = 0

    async def stream(self, after: Position | None) -> AsyncIterator[Transaction]:
        """See the protocol. Never ends by itself."""
        cursor, context = await self._patiently(lambda: self._begin(after))
        self._version, self._seen, self._asked = -1, (), 0
        told, known = False, after or Position(0)  # the last record seen: it must stay what it was
        while True:
            live = time.monotonic() - self._looked < max(_LIVE_SECONDS, _LIVE_POLLS * self._poll_seconds)
            self._looked = time.monotonic()
            end = await self._patiently(partial(self._look, known))
            if end is not None and (end.major > cursor or not told):
                rows_max, backlog = (limits.TRANSACTION_ROWS_MAX, None) if live else (limits.GROUP_ROWS_MAX, self._layouts)
                grouper = Grouper(self._place.peer, context, rows_max, backlog)
                async for transaction in self._drain(cursor, end, grouper):
                    yield transaction
                cursor, context, told, known = end.major, grouper.context, True, end
                if self._damage is not None:
                    raise self._damage
            elif self._damage is not None:
                raise self._damage
            else:
                await self._rest()

    def _begin(self, after: Position | None) -> tuple[int, Offset]:
        """Where to start, and the watermark that holds there. Raises PeerRestored for a position of another history."""
        state = read_state(self._connection, self._place.peer)
        if state is None:
            raise PeerUnsafe("this peer is not set up", hint="run 'syncline run' once", peer=self._place.peer)
        self._layouts = load_layouts(self._connection)
        if after is None:
            return state.trimmed, state.trimmed_watermark
        self._require_continuity(after, read_end(self._connection))
        sql = f"SELECT b0 FROM {CHANGELOG} WHERE kind = {WATERMARK} AND seq <= ? ORDER BY seq DESC LIMIT 1"
        row = self._connection.execute(sql, (after.major,)).fetchone()
        return max(after.major, state.trimmed), int(row[0]) if row else state.trimmed_watermark

    def _require_continuity(self, after: Position, end: Position) -> None:
        row = self._connection.execute(f"SELECT seq, {MILLIS} FROM {CHANGELOG} WHERE seq = ?", (after.major,)).fetchone()
        if after.major > end.major:
            why = f"its history ends at {end.major}, the log has it up to {after.major}"
        elif row and after.text and position(*row) != after:
            why = f"record {after.major} of its history is not the one that the log has"
        else:
            return
        hint = f"let it join again by compare-and-merge: 'syncline resume {self._place.peer} --rejoin'"
        raise PeerRestored("this is not the history that the log knows", why=why, hint=hint, peer=self._place.peer)

    def _look(self, known: Position) -> Position | None:
        """The end of the changelog if anything was committed since the last look, else None.

        Raises PeerRestored if the record at `known` is another one by now: the file was overwritten in place.
        """
        if not self._touched():
            return None
        self._check_file()
        (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        if version == self._version:
            return None
        self._check_catalog()
        end = read_end(self._connection)
        self._require_continuity(known, end)
        self._version = version
        return end

    def _touched(self) -> bool:
        """Whether the file or its write-ahead log may have changed since the last look: two cheap calls instead of a lock.

        Times of files are coarse, so a fresh one proves nothing; and once in a while it is not asked at all.
        """
        now = time.time_ns()
        seen = tuple(_mark(path) for path in (self._place.path, f"{self._place.path}-wal"))
        fresh = any(now - changed < _COARSE_NANOS for changed, _, _ in seen)
        if fresh or seen != self._seen or now - self._asked > _ASK_NANOS:
            self._seen, self._asked = (() if fresh else seen), now
            return True
        return False

    def _check_file(self) -> None:
        now = time.monotonic()
        if now - self._checked < limits.FILE_CHECK_SECONDS:
            return
        self._checked = now
        try:
            same = os.path.samestat(os.stat(self._place.path), self._file)
        except OSError:
            same = False
        if not same:
            raise moved(self._place)

    def _check_catalog(self) -> None:
        (schema,) = self._connection.execute("PRAGMA schema_version").fetchone()
        if schema == self._schema:
            return
        self._layouts = load_layouts(self._connection)
        self._width = width(self._connection)
        try:
            find_damage(self._connection, self._place.peer, self._layouts.values())
            self.stale = needs_refresh(self._connection, self._layouts.values())
        except PeerChanged as damage:
            self._damage = damage  # told once everything that was captured before it is out
        self._schema = schema

    async def _drain(self, cursor: int, end: Position, grouper: Grouper) -> AsyncIterator[Transaction]:
        """Everything after `cursor` up to `end`, a commit; the last one yielded stands at `end`."""
        told = 0
        names = ("seq", "kind", MILLIS, *(f"{side}{n}" for n in range(self._width) for side in "ba"))
        source = Source(CHANGELOG, names, ("seq",))
        tail = f"WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT {limits.CAPTURE_ROWS_MAX}"
        while cursor < end.major:
            found = await self._patiently(partial(read, self._connection, source, tail, (cursor, end.major)))
            if not found.rows:
                break
            piece = decode(found.rows, self._layouts, found.size)
            cursor = piece.seqs[-1]
            for transaction in grouper.feed(piece):
                told = transaction.position.major
                yield transaction
            await asyncio.sleep(0)
        for transaction in grouper.finish():
            told = transaction.position.major
            yield transaction
        if told < end.major:
            yield Transaction(self._place.peer, end, grouper.context, millis_of(end) * 1000)

    async def _rest(self) -> None:
        """Wait for the next poll, or for news."""
        await self._tend()
        loop = asyncio.get_running_loop()
        tick = (loop.time() // self._poll_seconds + 1) * self._poll_seconds  # all peers' polls wake the loop together
        timer = loop.call_at(tick, self.news.set)
        try:
            await self.news.wait()
        finally:
            timer.cancel()
        self.news.clear()

    async def _patiently(self, work: Callable[[], _T]) -> _T:
        """Run a short read; wait a little where a writer holds the file. Raises PeerError."""
        return await patiently(self._place, self._poll_seconds, work)


def _mark(path: str | os.PathLike[str]) -> _FileMark:
    try:
        found = os.stat(path)
    except OSError:
        return 0, 0, 0
    return found.st_mtime_ns, found.st_size, found.st_ino


async def patiently(place: Place, poll_seconds: float, work: Callable[[], _T]) -> _T:
    """Run a short read on this thread; try again for a while when another program has the file locked. Raises PeerError."""
    deadline = time.monotonic() + limits.BUSY_SECONDS
    while True:
        try:
            with errors(place, "reading"):
                return work()
        except PeerBusy:
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(poll_seconds)
