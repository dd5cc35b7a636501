"""The SQLite peer: the peers' protocol over one file.

Reads run on the event loop's thread in short pieces; everything that writes runs one after the other on a thread of its own,
as few and wide statements, during which SQLite works without the interpreter.
"""

import asyncio
import secrets
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from functools import partial
from typing import TypeVar

from syncline.model import limits
from syncline.model.canonical import Way
from syncline.model.change import Transaction
from syncline.model.errors import PeerBusy, PeerChanged, PeerFull, PeerUnreachable, PeerUnsafe, Problem
from syncline.model.schema import Collection, Table
from syncline.model.stamp import Micros, Offset, Position
from syncline.model.value import Key
from syncline.model.words import counted
from syncline.model.write import Batch
from syncline.peers.digest import ReadsDigests
from syncline.peers.protocol import Applied, Chunk, Digest, Digests, Identity, Kept, Range
from syncline.peers.sqlite import check, digest, footprint, inspect, snapshot
from syncline.peers.sqlite.apply import Applier
from syncline.peers.sqlite.capture import Capture, patiently
from syncline.peers.sqlite.connect import (
    Place,
    closed_unless,
    create_file,
    errors,
    is_to_be_created,
    open_reader,
    open_writer,
    parse_url,
)
from syncline.peers.sqlite.features import FEATURES, STATE, quote
from syncline.peers.sqlite.layout import load_layouts
from syncline.peers.sqlite.triggers import NOW

_T = TypeVar("_T")


class _Open:
    """The connections of a session, and the thread that writes."""

    def __init__(self, place: Place) -> None:
        self.reader = open_reader(place)
        with closed_unless(self.reader):
            self.writer = open_writer(place, limits.BUSY_SECONDS)
        self.thread = ThreadPoolExecutor(1, thread_name_prefix=f"sqlite-{place.peer}")

    def close(self) -> None:
        """Let the write that is under way end, then close."""
        self.thread.submit(self.writer.close).result()
        self.thread.shutdown()
        self.reader.close()


class SqlitePeer(ReadsDigests):
    """See the protocol, syncline.peers.protocol.Peer."""

    def __init__(self, name: str, place: Place, poll_seconds: float = limits.POLL_SECONDS, *, captures: bool = True) -> None:
        self.name = name
        self.features = FEATURES  # of one that only receives, the changelog has its deliveries
        self._to_capture = captures
        self.place = place
        self._poll_seconds = poll_seconds
        self._open: _Open | None = None
        self._applier: Applier | None = None
        self._captures: set[Capture] = set()
        self._trimmed_at = time.monotonic()

    # -- coming and going -------------------------------------------------------------------------------------------------

    async def connect(self) -> Identity:
        """See the protocol. A file that is to be created is not touched yet."""
        await self.close()
        if is_to_be_created(self.place):
            return Identity("", "", 0, Position(0), fresh=True, empty=True)
        self._open = await patiently(self.place, self._poll_seconds, lambda: _Open(self.place))
        return await self._read(partial(footprint.read_identity, peer=self.name, captures=self._to_capture))

    async def inspect(self) -> dict[str, Table]:
        """See the protocol."""
        if self._is_to_be_created():
            return {}
        return await self._write(inspect.tables, "reading the catalog")

    async def check(self, collections: Sequence[Collection]) -> list[Problem]:
        """See the protocol."""
        if self._is_to_be_created():
            return _problems_of_new(self.name, collections)
        return await self._read(partial(check.problems, peer=self.name, collections=collections))

    async def advice(self, collections: Sequence[Collection]) -> list[str]:
        """What would be better at this peer, but need not be."""
        if self._is_to_be_created():
            return []
        return await self._read(partial(check.advice, peer=self.name, collections=collections))

    async def kept(self, after: Position | None) -> Kept | None:
        """Nothing: what is not captured yet is in the file itself."""
        return None

    async def changed(self) -> PeerChanged | None:
        """See the protocol."""

        def work(connection: sqlite3.Connection) -> PeerChanged | None:
            with snapshot.snapshot(connection):
                return footprint.examine(connection, self.name)

        return None if self._is_to_be_created() else await self._read(work)

    async def setup(self, collections: Sequence[Collection]) -> Identity:
        """See the protocol. `fresh` tells that the footprint was made by this call. Raises PeerUnsafe, PeerChanged."""
        anew = self._is_to_be_created()
        if anew:
            create_file(self.place)
            self._open = await patiently(self.place, self._poll_seconds, lambda: _Open(self.place))
        elif self._open is None:
            await self.connect()
        identity = await self._write(partial(self._install, collections, anew), "setting up")
        named = {collection.name: collection for collection in collections}
        self._applier = Applier(self.name, self._opened().writer, named)
        self._applier.nonce = identity.nonce
        return identity

    def _install(self, collections: Sequence[Collection], anew: bool, connection: sqlite3.Connection) -> Identity:
        with _transaction(connection):
            if anew:
                _make(connection, self.name, collections)
            footprint.require_undamaged(connection, self.name, collections)
            found = check.problems(connection, self.name, collections)
            if found:
                why = "; ".join(f"{problem.what} ({', '.join(map(str, problem.where.values()))})" for problem in found[:5])
                what = f"{counted(len(found), 'problem')} in the way of synchronising this peer"
                raise PeerUnsafe(what, why=why, hint=found[0].hint or "see 'syncline check'", peer=self.name)
            token = secrets.token_hex(8)
            return footprint.install(connection, self.name, collections, token, captures=self._to_capture)

    async def enter(self, nonce: str) -> Offset:
        """See the protocol."""
        entered = f"UPDATE {STATE} SET nonce = ? RETURNING watermark"
        watermark = await self._write(lambda connection: int(connection.execute(entered, (nonce,)).fetchone()[0]), "entering")
        if self._applier is not None:
            self._applier.nonce = nonce
        return watermark

    async def teardown(self) -> None:
        """See the protocol."""
        if self._is_to_be_created():
            return

        def write(connection: sqlite3.Connection) -> None:
            with _transaction(connection):
                footprint.remove(connection)

        await self._write(write, "tearing down")
        self._applier = None

    async def close(self) -> None:
        """See the protocol. Waits for a write that is under way."""
        opened, self._open, self._applier = self._open, None, None
        if opened is not None:
            await asyncio.to_thread(opened.close)

    # -- capture ----------------------------------------------------------------------------------------------------------

    async def stream(self, after: Position | None) -> AsyncIterator[Transaction]:
        """See the protocol. Polls; an apply of this process wakes it at once."""
        capture = Capture(self.place, self._opened().reader, self._poll_seconds, self._tend)
        self._captures.add(capture)
        try:
            async for transaction in capture.stream(after):
                yield transaction
        finally:
            self._captures.discard(capture)

    async def position(self) -> Position:
        """See the protocol."""
        return await self._read(lambda connection: snapshot.moment(connection, self.name)[0])

    async def acknowledge(self, upto: Position) -> None:
        """See the protocol. Records are forgotten with the next apply, or when nothing happens."""
        if self._applier is not None:
            self._applier.acknowledged = max(self._applier.acknowledged, upto.major)

    async def _tend(self) -> None:
        """Small work for idle moments: triggers that have to be made anew, records to forget. A busy file puts it off."""
        stale = [capture for capture in self._captures if capture.stale]
        if stale:
            with suppress(PeerBusy, PeerFull):
                await self._write(_refresh, "renewing triggers")
                for capture in stale:
                    capture.stale = False
        applier, now = self._applier, time.monotonic()
        due = 0 if applier is None else applier.to_trim
        if applier is None or due <= 0 or (due < limits.TRIM_ROWS_MIN and now - self._trimmed_at < limits.TRIM_SECONDS):
            return
        self._trimmed_at = now
        with suppress(PeerBusy, PeerFull):
            await self._write(partial(_trim, applier), "forgetting records")

    # -- apply and read ---------------------------------------------------------------------------------------------------

    async def apply(self, batch: Batch) -> Applied:
        """See the protocol."""
        applier = self._applier
        if applier is None:
            raise PeerUnsafe("this peer is not set up in this session", hint="call setup first", peer=self.name)
        applied = await self._write(lambda _: applier.apply(batch), "applying")
        for capture in self._captures:
            capture.news.set()
        return applied

    async def chunk(self, collection: Collection, after: Key | None, limit: int, upto: Key | None = None) -> Chunk:
        """See the protocol."""
        if self._is_to_be_created():
            return Chunk((), None, True, Position(0), 0)

        def work(connection: sqlite3.Connection) -> Chunk:
            with snapshot.snapshot(connection):
                return snapshot.read_chunk(connection, self.name, collection, after, limit, upto)

        return await self._read(work)

    async def rows(self, collection: Collection, keys: Sequence[Key]) -> Chunk:
        """See the protocol."""

        def work(connection: sqlite3.Connection) -> Chunk:
            with snapshot.snapshot(connection):
                return snapshot.read_keys(connection, self.name, collection, keys)

        return await self._read(work)

    async def fences(self, collection: Collection, ranges: Sequence[Range], size: int) -> list[list[Key]]:
        """See the protocol. Other work is done between some and the next."""
        found: list[list[Key]] = []
        for after, upto in ranges:
            start, fences, done = after, list[Key](), self._is_to_be_created()
            while not done:
                look = partial(digest.fences, peer=self.name, collection=collection, piece=(start, upto), size=size)
                some, done = await self._at_a_moment(look)
                start = some[-1] if some else start
                fences += some
                await asyncio.sleep(0)
            found.append(fences)
        return found

    async def digests(self, collection: Collection, ranges: Sequence[Range], way: Way) -> Digests:
        """See the protocol. Many rows are read in pieces, each of a moment of its own: the position is the first one's."""
        if self._is_to_be_created():
            return Digests((Digest(0, 0),) * len(ranges), Position(0), 0)
        found: list[Digests] = []
        left = digest.Asked(ranges)
        while not found or left.ranges:
            look = partial(digest.digest_some, peer=self.name, collection=collection, asked=left, way=way)
            some, left = await self._at_a_moment(look)
            found.append(some)
            await asyncio.sleep(0)
        parts = tuple(part for some in found for part in some.parts)
        return Digests(parts, found[0].position, found[0].watermark)

    async def digests_of(self, collection: Collection, groups: Sequence[Sequence[Key]], way: Way) -> Digests:
        """See the protocol."""
        if self._is_to_be_created():
            return Digests((Digest(0, 0),) * len(groups), Position(0), 0)
        look = partial(digest.digests_of, peer=self.name, collection=collection, groups=groups, way=way)
        return await self._at_a_moment(look)

    async def clock(self) -> Micros:
        """See the protocol. A file has no clock of its own: this is its host's, as triggers read it."""
        sql = f"SELECT CAST(({NOW} - 2440587.5) * 86400000.0 + 0.5 AS INTEGER)"
        return await self._read(lambda connection: int(connection.execute(sql).fetchone()[0]) * 1000)

    # -- inside -----------------------------------------------------------------------------------------------------------

    def _is_to_be_created(self) -> bool:
        return self._open is None and is_to_be_created(self.place)

    def _opened(self) -> _Open:
        if self._open is None:
            raise PeerUnreachable("this peer is not connected", hint="call connect first", peer=self.name)
        return self._open

    async def _read(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        reader = self._opened().reader
        return await patiently(self.place, self._poll_seconds, lambda: work(reader))

    async def _at_a_moment(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Read in one snapshot."""

        def inside(connection: sqlite3.Connection) -> _T:
            with snapshot.snapshot(connection):
                return work(connection)

        return await self._read(inside)

    async def _write(self, work: Callable[[sqlite3.Connection], _T], doing: str) -> _T:
        opened = self._opened()

        def translated() -> _T:
            with errors(self.place, doing):
                return work(opened.writer)

        return await asyncio.get_running_loop().run_in_executor(opened.thread, translated)


def _make(connection: sqlite3.Connection, peer: str, collections: Sequence[Collection]) -> None:
    """Make the tables of a file that begins empty."""
    for collection in collections:
        for before, after in collection.makes:
            connection.execute(f"{before} {quote(collection.table_at(peer))} {after}")


def _problems_of_new(peer: str, collections: Sequence[Collection]) -> list[Problem]:
    """What would stand against a file that is to be made."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as trial:
        try:
            _make(trial, peer, collections)
        except sqlite3.Error as error:
            hint = "make the file and its tables yourself"
            return [Problem("the tables cannot be made as another peer has them", why=str(error), hint=hint, peer=peer)]
        return check.problems(trial, peer, collections)


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """A write transaction around the block: all or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _refresh(connection: sqlite3.Connection) -> None:
    with _transaction(connection):
        for layout in load_layouts(connection).values():
            if layout.active:
                footprint.refresh(connection, layout)


def _trim(applier: Applier, connection: sqlite3.Connection) -> None:
    with _transaction(connection):
        applier.trim()


def open_peer(name: str, url: str, *, poll_seconds: float = limits.POLL_SECONDS, captures: bool = True) -> SqlitePeer:
    """The entry point of this kind: a peer at `sqlite:///path`. Raises PeerUnsafe for an address that cannot be read."""
    return SqlitePeer(name, parse_url(name, url), poll_seconds, captures=captures)
