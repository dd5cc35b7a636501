"""A simulated peer whose calls can be held, made to fail, or watched. Everything else is the simulator's."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence

import msgspec

from syncline.model.canonical import Way
from syncline.model.change import Transaction
from syncline.model.errors import PeerUnreachable, SynclineError
from syncline.model.schema import Collection, Table
from syncline.model.stamp import Micros, Offset, Position
from syncline.model.value import Key
from syncline.model.write import Batch
from syncline.peers.protocol import Applied, Chunk, Digests, Identity, Range
from syncline.sim.database import SimDatabase
from syncline.sim.peer import SimPeer

APPLY_SECONDS = 0.002


class GatedPeer(SimPeer):
    """`hold(name)`: calls of that name wait until `let(name)`. `fail(name, error)`: the next ones raise. `calls` counts them.

    `cut`: everything fails and the stream breaks until it is False again. `after` runs right after a call took effect.
    The reading of a range also passes as `chunk NAME` before it reads the collection, and as `chunk NAME read` after that.
    """

    def __init__(self, database: SimDatabase, now: Callable[[], Micros], *, captures: bool = True) -> None:
        super().__init__(database, now, captures=captures)
        self.calls: Counter[str] = Counter()
        self.after: dict[str, Callable[[], object]] = {}
        self.apply_seconds = APPLY_SECONDS
        self.batches: list[Batch] = []
        self.reads: list[tuple[str, Key | None]] = []  # the ranges that were read, where each begins
        self.parents: dict[str, tuple[str, ...]] = {}  # by table, what its foreign keys refer to
        self.open_streams = 0
        self._held: dict[str, asyncio.Event] = {}
        self._errors: dict[str, list[Exception]] = {}
        self._cut = asyncio.Event()

    def hold(self, name: str) -> None:
        """From now on, calls of this name wait, before they do anything."""
        self._held[name] = asyncio.Event()

    def let(self, name: str) -> None:
        """Those that wait go on, and so do later ones."""
        self._held.pop(name).set()

    def fail(self, name: str, *errors: Exception) -> None:
        """The next calls of this name raise these, one each."""
        self._errors.setdefault(name, []).extend(errors)

    def cut(self, cut: bool = True) -> None:
        """Nothing reaches it, or again everything."""
        if cut:
            self._cut.set()
        else:
            self._cut.clear()

    async def _pass(self, name: str) -> None:
        self.calls[name] += 1
        if self._cut.is_set():
            raise PeerUnreachable("the wire is cut", peer=self.name)
        if name in self._held:
            await self._held[name].wait()
        if self._errors.get(name):
            raise self._errors[name].pop(0)

    def _done(self, name: str) -> None:
        if name in self.after:
            self.after[name]()

    async def connect(self) -> Identity:
        """See the protocol."""
        await self._pass("connect")
        identity = await super().connect()
        self._done("connect")
        return identity

    async def inspect(self) -> dict[str, Table]:
        """See the protocol."""
        await self._pass("inspect")
        found = await super().inspect()
        return {name: msgspec.structs.replace(table, parents=self.parents.get(name, ())) for name, table in found.items()}

    async def setup(self, collections: Sequence[Collection]) -> Identity:
        """See the protocol."""
        await self._pass("setup")
        return await super().setup(collections)

    async def position(self) -> Position:
        """See the protocol."""
        await self._pass("position")
        return await super().position()

    async def acknowledge(self, upto: Position) -> None:
        """See the protocol."""
        await self._pass("acknowledge")
        await super().acknowledge(upto)

    async def enter(self, nonce: str) -> Offset:
        """See the protocol."""
        await self._pass("enter")
        return await super().enter(nonce)

    async def apply(self, batch: Batch) -> Applied:
        """See the protocol."""
        await self._pass("apply")
        await asyncio.sleep(self.apply_seconds)
        self.batches.append(batch)
        applied = await super().apply(batch)
        self._done("apply")
        return applied

    async def chunk(self, collection: Collection, after: Key | None, limit: int, upto: Key | None = None) -> Chunk:
        """See the protocol."""
        await self._pass("chunk")
        await self._pass(f"chunk {collection.name}")
        chunk = await super().chunk(collection, after, limit, upto)
        self.reads.append((collection.name, after))
        self._done("chunk")
        await self._pass(f"chunk {collection.name} read")
        await asyncio.sleep(0.001)
        return chunk

    async def rows(self, collection: Collection, keys: Sequence[Key]) -> Chunk:
        """See the protocol."""
        await self._pass("rows")
        chunk = await super().rows(collection, keys)
        self._done("rows")
        await asyncio.sleep(0.001)
        return chunk

    async def digests(self, collection: Collection, ranges: Sequence[Range], way: Way) -> Digests:
        """See the protocol."""
        await self._pass("digests")
        found = await super().digests(collection, ranges, way)
        self._done("digests")
        return found

    async def stream(self, after: Position | None) -> AsyncIterator[Transaction]:
        """See the protocol; breaks when the wire is cut."""
        await self._pass("stream")
        self.open_streams += 1
        history = super().stream(after)
        try:
            while True:
                news, broken = asyncio.ensure_future(anext(history)), asyncio.ensure_future(self._cut.wait())
                try:
                    await asyncio.wait((news, broken), return_when=asyncio.FIRST_COMPLETED)
                    if broken.done():
                        raise PeerUnreachable("the wire is cut", peer=self.name)
                    transaction = news.result()
                finally:
                    for task in (news, broken):
                        task.cancel()
                    await asyncio.gather(news, broken, return_exceptions=True)
                yield transaction
        finally:
            self.open_streams -= 1


class Failure(SynclineError):
    """An error of a test's own."""

    code = "SYN-T01"
