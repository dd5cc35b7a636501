"""The PostgreSQL peer: the peers' protocol over one database.

One session reads, one writes, every stream has one of its own, and so has every range of rows that is being read.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Final, TypeVar

import msgspec

from syncline.model import limits
from syncline.model.block import Block
from syncline.model.change import Change, Refusal, Transaction
from syncline.model.errors import PeerBusy, PeerChanged, PeerUnreachable, PeerUnsafe, Problem
from syncline.model.schema import Collection, Table
from syncline.model.stamp import Micros, Offset, Position
from syncline.model.value import Key, Row
from syncline.model.words import counted
from syncline.model.write import Batch
from syncline.peers.asked import asking
from syncline.peers.postgres import check, digest, footprint, inspect, slot, snapshot
from syncline.peers.postgres.apply import Applier
from syncline.peers.postgres.capture import Capture, Recent
from syncline.peers.postgres.connect import Connection, Place, errors, open_session, parse_url
from syncline.peers.postgres.digesting import DigestsInServer
from syncline.peers.postgres.features import FEATURES, STATE
from syncline.peers.postgres.kept import read_kept
from syncline.peers.postgres.layout import load_layouts
from syncline.peers.postgres.pulse import Watch, sever
from syncline.peers.protocol import Applied, Chunk, Identity, Kept
from syncline.peers.receiving import Deliveries, is_captured
from syncline.peers.sessions import Sessions

_T = TypeVar("_T")
_SETTLE_SECONDS: Final = 10.0
_LOOK_SECONDS: Final = 0.002
_AGAIN_SECONDS: Final = 0.1
_HEAR_SECONDS: Final = 1.0


class PostgresPeer(DigestsInServer):
    """See the protocol, syncline.peers.protocol.Peer."""

    def __init__(self, name: str, place: Place, *, captures: bool = True) -> None:
        self.name = name
        self.features = msgspec.structs.replace(FEATURES, captures=captures)
        self._to_capture = captures
        self.place = place
        self._reader: Connection | None = None
        self._writer: Connection | None = None
        self._reading, self._writing = asyncio.Lock(), asyncio.Lock()
        self._apart: Sessions[Connection] | None = None
        self._applier: Applier | None = None
        self._captures: set[Capture] = set()
        self._recent = Recent()
        self._deliveries = Deliveries(name)
        self._algorithms: dict[str, str] | None = None

    # -- coming and going -------------------------------------------------------------------------------------------------

    async def connect(self) -> Identity:
        """See the protocol."""
        await self.close()
        self._algorithms = None
        self._reader = await open_session(self.place)
        self._writer = await open_session(self.place)
        self._apart = Sessions(self.name, lambda: open_session(self.place))
        return self._known(await self._read(self._identity, "connecting"))

    async def _identity(self, connection: Connection) -> Identity:
        return await footprint.read_identity(connection, self.name, captures=self._to_capture)

    def _known(self, identity: Identity) -> Identity:
        self.features = msgspec.structs.replace(FEATURES, captures=is_captured(identity, self._to_capture))
        return identity

    async def inspect(self) -> dict[str, Table]:
        """See the protocol."""
        return await self._read(lambda connection: inspect.tables(connection, self.place.schema), "reading the catalog")

    async def check(self, collections: Sequence[Collection]) -> list[Problem]:
        """See the protocol."""
        return await self._read(
            lambda connection: check.problems(connection, self.place, collections, captures=self.features.captures), "checking"
        )

    async def advice(self, collections: Sequence[Collection]) -> list[str]:
        """What would be better at this peer, but need not be."""
        return await self._read(
            lambda connection: check.advice(connection, self.place, collections, captures=self.features.captures), "checking"
        )

    async def kept(self, after: Position | None) -> Kept | None:
        """See the protocol."""

        async def work(connection: Connection) -> Kept | None:
            return await read_kept(connection, self.place.budget)

        if self._reader is not None and not self._reading.locked():
            return await self._read(work, "looking at its slot")
        session = await open_session(self.place)
        try:
            with errors(self.place, "looking at its slot"):
                return await work(session)
        finally:
            await session.close()

    async def changed(self) -> PeerChanged | None:
        """See the protocol."""

        async def work(connection: Connection) -> PeerChanged | None:
            state = await footprint.read_state(connection, self.name)
            return None if state is None else await footprint.examine(connection, self.place, state.incarnation)

        return await self._read(work, "looking at its tables")

    async def setup(self, collections: Sequence[Collection]) -> Identity:
        """See the protocol. `fresh` tells that the footprint was made by this call. Raises PeerUnsafe, PeerChanged."""
        if self._writer is None:
            await self.connect()

        async def work(connection: Connection) -> Identity:
            await self._require(connection, collections)
            token = secrets.token_hex(8)
            return await footprint.install(connection, self.place, collections, token, captures=self._to_capture)

        identity = self._known(await self._write(work, "setting up"))
        named = {collection.name: collection for collection in collections}
        self._applier = await self._write(lambda connection: self._make_applier(connection, named), "setting up")
        self._applier.nonce = identity.nonce
        return identity

    async def _require(self, connection: Connection, collections: Sequence[Collection]) -> None:
        found = await check.problems(connection, self.place, collections, captures=self.features.captures)
        if found:
            why = "; ".join(f"{problem.what} ({', '.join(map(str, problem.where.values()))})" for problem in found[:5])
            what = f"{counted(len(found), 'problem')} in the way of synchronising this peer"
            raise PeerUnsafe(what, why=why, hint=found[0].hint or "see 'syncline check'", peer=self.name)

    async def _make_applier(self, connection: Connection, collections: dict[str, Collection]) -> Applier:
        layouts = await load_layouts(connection)
        entries = await inspect.catalogs(connection, self.place.schema, [layout.name for layout in layouts.values()])
        await check.yield_to_others(connection)
        replicates = await check.may_replicate(connection)
        return Applier(self.name, connection, collections, layouts, entries, replicates=replicates)

    async def enter(self, nonce: str) -> Offset:
        """See the protocol."""

        async def work(connection: Connection) -> Offset:
            entered = f"UPDATE {STATE} SET nonce = %s RETURNING watermark"
            rows = await footprint.fetch(connection, entered, (nonce,))
            return int(rows[0][0])

        watermark = await self._write(work, "entering")
        if self._applier is not None:
            self._applier.nonce = nonce
        return watermark

    async def teardown(self) -> None:
        """See the protocol."""
        await self._write(footprint.remove, "tearing down")
        self._applier = None

    async def close(self) -> None:
        """See the protocol. Waits for what is under way."""
        self._applier = None
        apart, self._apart = self._apart, None
        async with self._writing:
            writer, self._writer = self._writer, None
            if writer is not None:
                await writer.close()
        async with self._reading:
            reader, self._reader = self._reader, None
            if reader is not None:
                await reader.close()
        if apart is not None:
            await apart.close()

    # -- capture ----------------------------------------------------------------------------------------------------------

    async def stream(self, after: Position | None) -> AsyncIterator[Transaction]:
        """See the protocol. The server pushes."""
        if not self.features.captures:
            async with aclosing(self._deliveries.stream(self._received)) as told:  # type: ignore[type-var]
                async for transaction in told:
                    yield transaction
            return
        capture = Capture(self.place, self._opened(self._reader), self._reading, self._recent)
        self._captures.add(capture)
        try:
            with errors(self.place, "capturing"):
                async with aclosing(capture.stream(after)) as history:  # type: ignore[type-var]
                    async for transaction in history:
                        yield transaction
        except PeerUnreachable:
            await self._hang_up()
            raise
        finally:
            self._captures.discard(capture)

    async def _received(self) -> tuple[Offset, tuple[Refusal, ...]]:
        """How far this peer was brought, and which rows it refused with that. An apply that is under way is told by itself."""
        return await self._write(footprint.read_delivery, "reading its watermark")

    async def _hang_up(self) -> None:
        """Have whoever waits for a server that is gone hear of it: by itself that wait would not end."""
        for connection in (self._writer, self._reader, *(self._apart.lent if self._apart is not None else ())):
            sever(connection)
        with suppress(TimeoutError):
            async with asyncio.timeout(_HEAR_SECONDS), self._writing, self._reading:
                return

    async def position(self) -> Position:
        """See the protocol."""
        taken = await self._read(self._moment, "reading its position")
        return taken.position

    async def _moment(self, connection: Connection) -> snapshot.Moment:
        """The end of history; while no apply is under way, or its commit could be in the log and its watermark not be seen."""
        bare = not await footprint.exists(connection)
        return await self._ask(connection, bare=bare)

    async def _ask(self, connection: Connection, *, bare: bool) -> snapshot.Moment:
        """The moment that this connection sees; captures tell when they are there, and give out nothing that reaches beyond."""
        with asking(capture.asked for capture in self._captures):
            async with self._writing:
                taken = await snapshot.moment(connection, bare=bare, heard=self.features.captures)
                if self._captures and not taken.flushed:
                    await snapshot.flush(self._opened(self._writer))
            for capture in self._captures:
                capture.ask(taken.position)
        return taken

    async def acknowledge(self, upto: Position) -> None:
        """See the protocol."""
        if not self.features.captures:
            return
        for capture in self._captures:
            if await capture.acknowledge(upto.major):
                return

        async def work(connection: Connection) -> None:
            state = await footprint.read_state(connection, self.name)
            if state is not None:
                await slot.advance(connection, state.incarnation, min(upto.major, state.end))

        await self._read(work, "acknowledging")

    # -- apply and read ---------------------------------------------------------------------------------------------------

    async def apply(self, batch: Batch) -> Applied:
        """See the protocol."""
        applier = self._applier
        if applier is None:
            raise PeerUnsafe("this peer is not set up in this session", hint="call setup first", peer=self.name)
        applied = await self._write(lambda _: applier.apply(batch), "applying")
        self._deliveries.note(batch.upto, applied.refused)
        return applied

    async def chunk(self, collection: Collection, after: Key | None, limit: int, upto: Key | None = None) -> Chunk:
        """See the protocol."""

        async def work(connection: Connection) -> tuple[snapshot.Moment, Block | None]:
            async with self._snapshot(connection) as taken:
                source = await snapshot.source_of(connection, self.place, collection)
                return taken, await snapshot.read_block(connection, source, collection.name, after, upto, limit + 1)

        taken, block, late = await self._whole(work, apart=True)
        return snapshot.chunk_of(collection.name, taken, block, late, after, limit, upto)

    async def rows(self, collection: Collection, keys: Sequence[Key]) -> Chunk:
        """See the protocol."""

        async def work(connection: Connection) -> tuple[snapshot.Moment, list[tuple[Key, Row]]]:
            async with self._snapshot(connection) as taken:
                source = await snapshot.source_of(connection, self.place, collection)
                return taken, await snapshot.read_keys(connection, source, keys)

        taken, found, late = await self._whole(work, apart=False)
        wanted = set(keys)
        complete = snapshot.put_over(found, late, collection.name, None, None) if late else found
        rows = [pair for pair in complete if pair[0] in wanted]
        return Chunk(tuple(rows), rows[-1][0] if rows else None, True, taken.position, taken.watermark)

    async def _whole(
        self, work: Callable[[Connection], Awaitable[tuple[snapshot.Moment, _T]]], *, apart: bool
    ) -> tuple[snapshot.Moment, _T, list[Change]]:
        """Read from a snapshot, with what it did not see; once more while nobody can tell that. Raises PeerBusy."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _SETTLE_SECONDS
        while True:
            taken, found = await (self._read_apart if apart else self._read)(work, "reading rows")
            late = await self._unseen(taken)
            if late is not None:
                return taken, found, late
            if loop.time() > deadline:
                why = "the server does not show yet what it has committed; it may wait for a synchronous standby"
                raise PeerBusy("rows cannot be read now", why=why, hint="it is tried again by itself", **self.place.where)
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _unseen(self, taken: snapshot.Moment) -> list[Change] | None:
        """What was committed before a snapshot's position and not seen by it, if a stream tells; None if it was too much."""
        if not self._captures:
            return []
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _SETTLE_SECONDS
        while self._recent.captured < taken.position.major and self._captures and loop.time() < deadline:
            await asyncio.sleep(_LOOK_SECONDS)
        return self._recent.unseen(taken.position.major, taken.is_visible)

    def _piece(
        self, source: snapshot.Source, after: Key | None, upto: Key | None
    ) -> Callable[[Connection], Awaitable[list[tuple[Key, Row]]]]:
        return lambda one: snapshot.read_range(one, source, after, upto, limits.COMPARE_ROWS_MAX)

    async def clock(self) -> Micros:
        """See the protocol."""
        sql = "SELECT (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000000)::int8"
        rows = await self._read(lambda connection: footprint.fetch(connection, sql), "reading its clock")
        return int(rows[0][0])

    # -- inside -----------------------------------------------------------------------------------------------------------

    async def able(self) -> dict[str, str]:
        """See syncline.peers.postgres.digesting."""
        if self._algorithms is None:
            self._algorithms = await self._read(digest.algorithms, "asking how it digests")
        return self._algorithms

    async def inside(
        self, collection: Collection, work: Callable[[Connection, snapshot.Source], Awaitable[_T]]
    ) -> tuple[snapshot.Moment, _T]:
        """See syncline.peers.postgres.digesting."""

        async def within(connection: Connection) -> tuple[snapshot.Moment, _T]:
            async with self._snapshot(connection) as taken:
                return taken, await work(connection, await snapshot.source_of(connection, self.place, collection))

        return await self._read(within, "digesting rows")

    @asynccontextmanager
    async def _snapshot(self, connection: Connection) -> AsyncIterator[snapshot.Moment]:
        """All reads of the block see one moment."""
        bare = not await footprint.exists(connection)
        async with connection.transaction():
            await connection.execute(b"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield await self._ask(connection, bare=bare)

    def _opened(self, opened: _T | None) -> _T:
        if opened is None:
            raise PeerUnreachable("this peer is not connected", hint="call connect first", peer=self.name)
        return opened

    async def _read(self, work: Callable[[Connection], Awaitable[_T]], doing: str) -> _T:
        async with self._reading:
            return await self._over(self._opened(self._reader), work, doing)

    async def _read_apart(self, work: Callable[[Connection], Awaitable[_T]], doing: str) -> _T:
        """Read over a session of its own, so that several ranges are read at once."""
        async with self._opened(self._apart).one() as session:
            return await (self._read(work, doing) if session is None else self._over(session, work, doing))

    async def _write(self, work: Callable[[Connection], Awaitable[_T]], doing: str) -> _T:
        async with self._writing:
            return await self._over(self._opened(self._writer), work, doing)

    async def _over(self, connection: Connection, work: Callable[[Connection], Awaitable[_T]], doing: str) -> _T:
        with errors(self.place, doing):
            async with Watch(self.place, connection):
                return await work(connection)


def open_peer(name: str, url: str, *, poll_seconds: float = limits.POLL_SECONDS, captures: bool = True) -> PostgresPeer:
    """The entry point of this kind: a peer at `postgresql://...`. Raises PeerUnsafe for an address that cannot be read."""
    del poll_seconds  # the server pushes
    return PostgresPeer(name, parse_url(name, url), captures=captures)
