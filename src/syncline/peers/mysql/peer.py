"""The MariaDB and MySQL peer: the peers' protocol over one database.

One session reads, one writes, every stream has a connection of its own, and so has every range of rows that is being read.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import TypeVar

import msgspec

from syncline.model import limits
from syncline.model.block import Block
from syncline.model.canonical import CHAIN, SHA256, Way, classes_of
from syncline.model.change import Refusal, Transaction
from syncline.model.errors import PeerChanged, PeerUnreachable, PeerUnsafe, Problem
from syncline.model.schema import Collection, Table
from syncline.model.stamp import Micros, Offset, Position
from syncline.model.value import Key, Row
from syncline.model.words import counted
from syncline.model.write import Batch
from syncline.peers.asked import asking
from syncline.peers.digest import ReadsDigests, is_ordered
from syncline.peers.mysql import apply, check, digest, footprint, inspect, snapshot
from syncline.peers.mysql.capture import Capture
from syncline.peers.mysql.connect import Connection, Place, Session, errors, fetch, open_session, parse_url
from syncline.peers.mysql.features import FEATURES
from syncline.peers.mysql.history import began, spot_of
from syncline.peers.mysql.kept import kept_of, made, next_file, read_keeping
from syncline.peers.mysql.layout import load_layouts
from syncline.peers.mysql.quiet import Quiet, held
from syncline.peers.protocol import Applied, Chunk, Digest, Digests, Identity, Kept, Range
from syncline.peers.receiving import Deliveries, is_captured
from syncline.peers.sessions import Sessions

_T = TypeVar("_T")
Rows = list[tuple[Key, Row]]


class MysqlPeer(ReadsDigests):
    """See the protocol, syncline.peers.protocol.Peer."""

    def __init__(self, name: str, place: Place, *, captures: bool = True) -> None:
        self.name = name
        self.features = msgspec.structs.replace(FEATURES, captures=captures)
        self._to_capture = captures
        self._deliveries = Deliveries(name)
        self.place = place
        self._reader: Session | None = None
        self._writer: Session | None = None
        self._apart: Sessions[Session] | None = None
        self._writing = asyncio.Lock()
        self._quiet = Quiet(place)
        self._applier: apply.Applier | None = None
        self._captures: set[Capture] = set()
        self._made = ("", 0)  # a file of the binary log, and when it was made

    # -- coming and going -------------------------------------------------------------------------------------------------

    async def connect(self) -> Identity:
        """See the protocol."""
        await self.close()
        self._quiet = Quiet(self.place)
        reader = self._reader = await open_session(self.place)
        self._writer = await open_session(self.place)
        self._apart = Sessions(self.name, lambda: open_session(self.place))
        await self._write(apply.be_writer, "connecting")
        look = partial(footprint.read_identity, server=reader.server, peer=self.name, captures=self._to_capture)
        return self._known(await self._read(look, "connecting"))

    def _known(self, identity: Identity) -> Identity:
        self.features = msgspec.structs.replace(FEATURES, captures=is_captured(identity, self._to_capture))
        return identity

    async def inspect(self) -> dict[str, Table]:
        """See the protocol."""
        server = self._opened(self._reader).server
        return await self._read(lambda connection: inspect.tables(connection, server), "reading the catalog")

    async def check(self, collections: Sequence[Collection]) -> list[Problem]:
        """See the protocol."""
        server, heard = self._opened(self._reader).server, self.features.captures
        return await self._read(lambda one: check.problems(one, server, self.place, collections, captures=heard), "checking")

    async def advice(self, collections: Sequence[Collection]) -> list[str]:
        """What would be better at this peer, but need not be."""
        server, heard = self._opened(self._reader).server, self.features.captures
        return await self._read(lambda one: check.advice(one, server, self.place, collections, captures=heard), "checking")

    async def kept(self, after: Position | None) -> Kept | None:
        """See the protocol. When a file was closed is asked for once."""
        if not self.features.captures:
            return None
        session = self._reader or await open_session(self.place)
        try:
            with errors(self.place, "looking at its binary log"):
                found = await session.run(lambda one: read_keeping(one) if footprint.exists(one) else None)
                spot = spot_of(after) if after is not None and after.text else None
                if found is not None and spot is None:
                    spot = await session.run(began)
        finally:
            if session is not self._reader:
                await session.close()
        if found is None or spot is None or not spot.file:
            return None
        following = next_file(found, spot.file)
        if following and self._made[0] != following:
            self._made = (following, await made(self.place, following))
        return kept_of(found, spot, self._made[1] if following else 0)

    async def changed(self) -> PeerChanged | None:
        """See the protocol."""
        server = self._opened(self._reader).server

        def work(connection: Connection) -> PeerChanged | None:
            return footprint.examine(connection, server, self.place) if footprint.exists(connection) else None

        return await self._read(work, "looking at its tables")

    async def setup(self, collections: Sequence[Collection]) -> Identity:
        """See the protocol. `fresh` tells that the footprint was made by this call. Raises PeerUnsafe, PeerChanged."""
        if self._writer is None:
            await self.connect()
        identity, self._applier = await self._write(lambda one: self._set_up(one, collections), "setting up")
        return identity

    def _set_up(self, connection: Connection, collections: Sequence[Collection]) -> tuple[Identity, apply.Applier]:
        server = self._opened(self._writer).server
        found = check.problems(connection, server, self.place, collections, captures=self.features.captures)
        if found:
            why = "; ".join(f"{problem.what} ({', '.join(map(str, problem.where.values()))})" for problem in found[:5])
            what = f"{counted(len(found), 'problem')} in the way of synchronising this peer"
            raise PeerUnsafe(what, why=why, hint=found[0].hint or "see 'syncline check'", peer=self.name)
        token = secrets.token_hex(8)
        made = footprint.install(connection, server, self.place, collections, token, captures=self._to_capture)
        identity = self._known(made)
        layouts = load_layouts(connection)
        named = {collection.name: collection for collection in collections}
        applier = apply.Applier(self.name, connection, named, layouts, partial(inspect.catalogs, connection, server))
        applier.nonce = identity.nonce
        return identity, applier

    async def enter(self, nonce: str) -> Offset:
        """See the protocol."""
        watermark = await self._write(lambda connection: apply.enter(connection, nonce), "entering")
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
        sessions = [self._writer, self._reader, self._apart]
        self._writer = self._reader = self._apart = None
        for session in sessions:
            if session is not None:
                await session.close()

    # -- capture ----------------------------------------------------------------------------------------------------------

    async def stream(self, after: Position | None) -> AsyncIterator[Transaction]:
        """See the protocol. The server pushes."""
        if not self.features.captures:
            async with aclosing(self._deliveries.stream(self._received)) as told:  # type: ignore[type-var]
                async for transaction in told:
                    yield transaction
            return
        capture = Capture(self.place, self._opened(self._reader))
        self._captures.add(capture)
        try:
            with errors(self.place, "capturing"):
                async with aclosing(capture.stream(after)) as history:  # type: ignore[type-var]
                    async for transaction in history:
                        yield transaction
        finally:
            self._captures.discard(capture)

    async def _received(self) -> tuple[Offset, tuple[Refusal, ...]]:
        """How far this peer was brought, and which rows it refused with that. An apply that is under way is told by itself."""
        return await self._write(footprint.read_delivery, "reading its watermark")

    async def position(self) -> Position:
        """See the protocol."""
        taken, _ = await self._at_a_moment(lambda _: None, "reading its position")
        return taken.position

    async def acknowledge(self, upto: Position) -> None:
        """See the protocol. The server keeps its binary log as long as it was told to, whatever is acknowledged."""

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

        def work(connection: Connection) -> Block | None:
            source = self._source(connection, collection)
            return snapshot.read_block(connection, source, collection.name, after, upto, limit + 1)

        taken, block = await self._apart_from_others(work, "reading rows", collection)
        if block is None:
            return Chunk((), upto, True, taken.position, taken.watermark)
        done = block.count <= limit
        block = block if done else block.head(limit)
        last = upto if done else block.keys[-1]
        return Chunk.of_block(block, last, done=done, position=taken.position, watermark=taken.watermark)

    async def rows(self, collection: Collection, keys: Sequence[Key]) -> Chunk:
        """See the protocol."""

        def work(connection: Connection) -> Rows:
            return snapshot.read_keys(connection, self._source(connection, collection), keys)

        taken, rows = await self._at_a_moment(work, "reading rows", collection)
        return Chunk(tuple(rows), rows[-1][0] if rows else None, True, taken.position, taken.watermark)

    async def ways(self, collection: Collection) -> dict[str, str]:
        """See the protocol."""

        def work(connection: Connection) -> dict[str, str]:
            chained = is_ordered(collection) and digest.is_chained(connection, self._source(connection, collection))
            return {name: digest.sample(connection, name) for name in ((SHA256, CHAIN) if chained else (SHA256,))}

        return await self._read(work, "digesting a sample")

    async def fences(self, collection: Collection, ranges: Sequence[Range], size: int) -> list[list[Key]]:
        """See the protocol. Other work is done between some and the next."""
        source = await self._read(lambda connection: self._source(connection, collection), "reading the catalog")
        found: list[list[Key]] = []
        for after, upto in ranges:
            start, fences, done = after, list[Key](), False
            while not done:
                look = partial(digest.fences, source=source, piece=(start, upto), size=size)
                some, done = await self._read(look, "reading keys")
                start = some[-1] if some else start
                fences += some
            found.append(fences)
        return found

    async def digests(self, collection: Collection, ranges: Sequence[Range], way: Way) -> Digests:
        """See the protocol. The rows are read where the server cannot digest them."""

        def work(connection: Connection) -> list[Digest] | None:
            return digest.digests(connection, self._source(connection, collection), classes_of(collection), ranges, way)

        taken, parts = await self._at_a_moment(work, "digesting rows", collection)
        if parts is None:
            return await super().digests(collection, ranges, way)
        return Digests(tuple(parts), taken.position, taken.watermark)

    async def hashes(self, collection: Collection, ranges: Sequence[Range], way: Way) -> list[dict[Key, int]]:
        """See the protocol. The rows are read where the server cannot digest them."""

        def work(connection: Connection) -> list[dict[Key, int]] | None:
            return digest.hashes(connection, self._source(connection, collection), classes_of(collection), ranges, way)

        _, found = await self._at_a_moment(work, "digesting rows", collection)
        return await super().hashes(collection, ranges, way) if found is None else found

    async def digests_of(self, collection: Collection, groups: Sequence[Sequence[Key]], way: Way) -> Digests:
        """See the protocol. The rows are read where the server cannot digest them."""

        def work(connection: Connection) -> list[Digest] | None:
            return digest.digests_of(connection, self._source(connection, collection), classes_of(collection), groups, way)

        taken, parts = await self._at_a_moment(work, "digesting rows", collection)
        if parts is None:
            return await super().digests_of(collection, groups, way)
        return Digests(tuple(parts), taken.position, taken.watermark)

    async def clock(self) -> Micros:
        """See the protocol."""
        sql = "SELECT CAST(UNIX_TIMESTAMP(SYSDATE(6)) * 1000000 AS SIGNED)"
        ((micros,),) = await self._read(lambda connection: fetch(connection, sql), "reading its clock")
        return int(micros)

    # -- inside -----------------------------------------------------------------------------------------------------------

    def _source(self, connection: Connection, collection: Collection) -> snapshot.Source:
        return snapshot.source_of(connection, self._opened(self._reader).server, self.place, collection)

    async def _at_a_moment(
        self, work: Callable[[Connection], _T], doing: str, collection: Collection | None = None
    ) -> tuple[snapshot.Moment, _T]:
        """Do something in one snapshot, while no apply is under way; whoever captures is asked to tell when it is there."""
        if collection is not None and self._is_mysql:
            return await self._apart_from_others(work, doing, collection)
        with asking(capture.asked for capture in self._captures):
            async with self._writing:
                taken, found = await self._read(partial(self._at_once, work), doing)
            self._ask(taken)
        return taken, found

    def _at_once(self, work: Callable[[Connection], _T], connection: Connection) -> tuple[snapshot.Moment, _T]:
        server, bare = self._opened(self._reader).server, not footprint.exists(connection)
        with snapshot.moment(connection, server, bare=bare, heard=self.features.captures) as taken:
            return taken, work(connection)

    def _ask(self, taken: snapshot.Moment) -> None:
        for capture in self._captures:
            capture.ask(taken.position)

    @property
    def _is_mysql(self) -> bool:
        """Whether the place of a snapshot matters, and the server does not tell it."""
        return self.features.captures and not self._opened(self._reader).server.mariadb

    async def _apart_from_others(
        self, work: Callable[[Connection], _T], doing: str, collection: Collection
    ) -> tuple[snapshot.Moment, _T]:
        """As `_at_a_moment`, over a session of its own: once the snapshot is taken, others read and apply meanwhile."""

        def read(connection: Connection) -> _T:
            try:
                return work(connection)
            finally:
                snapshot.end(connection)

        async with self._opened(self._apart).one() as session:
            if session is None:
                return await self._in_common(work, doing, collection)
            with errors(self.place, doing):
                with asking(capture.asked for capture in self._captures):
                    taken = await self._begin(session, collection)
                    self._ask(taken)
                return taken, await session.run(read)

    async def _begin(self, session: Session, collection: Collection) -> snapshot.Moment:
        if self._is_mysql:
            table = collection.table_at(self.name)
            return await self._quiet.begin(session, self._opened(self._writer), self._writing, table)

        def begin(connection: Connection) -> snapshot.Moment:
            bare = not footprint.exists(connection)
            return snapshot.begin(connection, session.server, bare=bare, heard=self.features.captures)

        async with self._writing:
            return await session.run(begin)

    async def _in_common(
        self, work: Callable[[Connection], _T], doing: str, collection: Collection
    ) -> tuple[snapshot.Moment, _T]:
        """As `_apart_from_others`, over the session that all share: where no more can be had."""
        if not self._is_mysql:
            return await self._at_a_moment(work, doing)
        with asking(capture.asked for capture in self._captures):
            async with self._writing, held(self._opened(self._writer), self.place, collection.table_at(self.name)):
                taken, found = await self._read(partial(self._at_once, work), doing)
            self._ask(taken)
        return taken, found

    def _opened(self, opened: _T | None) -> _T:
        if opened is None:
            raise PeerUnreachable("this peer is not connected", hint="call connect first", peer=self.name)
        return opened

    async def _read(self, work: Callable[[Connection], _T], doing: str) -> _T:
        with errors(self.place, doing):
            return await self._opened(self._reader).run(work)

    async def _write(self, work: Callable[[Connection], _T], doing: str) -> _T:
        async with self._writing:
            with errors(self.place, doing):
                return await self._opened(self._writer).run(work)


def open_peer(name: str, url: str, *, poll_seconds: float = limits.POLL_SECONDS, captures: bool = True) -> MysqlPeer:
    """The entry point of this kind: a peer at `mysql://...` or `mariadb://...`. Raises PeerUnsafe for one it cannot read."""
    del poll_seconds  # the server pushes
    return MysqlPeer(name, parse_url(name, url), captures=captures)
