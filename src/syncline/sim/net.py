"""The network between a hub and a peer: every call may be delayed, cut, answered by nothing, answered late, or repeated.

A call is a request, the effect at the peer, and a reply; a fault may fall between any two. After a broken call the
connection is gone and every further call fails until `connect`, as with a real one.
"""

import asyncio
import contextvars
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final, TypeVar

from syncline.model.canonical import Way
from syncline.model.change import Transaction
from syncline.model.errors import PeerChanged, PeerUnreachable, Problem
from syncline.model.schema import Collection, Table
from syncline.model.stamp import Micros, Offset, Position
from syncline.model.value import Key
from syncline.model.write import Batch
from syncline.peers.protocol import Applied, Chunk, Digests, Identity, Kept, Range
from syncline.sim.columns import Asked
from syncline.sim.effects import Effects
from syncline.sim.history import Acknowledged, BatchApplied, Entered, History, Hub
from syncline.sim.peer import SimPeer

T = TypeVar("T")

DELAY_SECONDS: Final = (0.0002, 0.002)
TIMEOUT_SECONDS: Final = 10.0  # after so long without an answer a door gives the connection up
SLOW_FACTOR: Final = 1000.0


class Link:
    """The wire to one peer. The switches are the simulation's; `counts` tells how often each fault really hit a call."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.counts: Counter[str] = Counter()
        self.cut = False  # nothing passes, and the caller knows at once
        self.silent = False  # nothing passes, and the caller waits for its timeout (half-open)
        self.deaf = False  # requests arrive, replies are lost
        self.slow = False
        self.repeat_share = 0.0  # of polls that give some transactions a second time
        self.late_share = 0.0  # of applies that take effect long after the caller gave up
        self.generation = 0  # of connections: a change breaks all that are open
        self.changed: list[Callable[[], None]] = []

    def set(self, *, cut: bool | None = None, silent: bool | None = None, deaf: bool | None = None) -> None:
        """Throw switches; open connections break when the wire is cut or goes silent."""
        broken = self.cut, self.silent
        self.cut = self.cut if cut is None else cut
        self.silent = self.silent if silent is None else silent
        self.deaf = self.deaf if deaf is None else deaf
        if broken != (self.cut, self.silent):
            self.generation += 1
        for listener in list(self.changed):
            listener()

    def heal(self) -> None:
        """No more faults."""
        self.slow, self.repeat_share, self.late_share = False, 0.0, 0.0
        self.set(cut=False, silent=False, deaf=False)

    async def travel(self) -> None:
        """The time one direction takes."""
        if self.slow:
            self.counts["slow"] += 1
        await asyncio.sleep(self.rng.uniform(*DELAY_SECONDS) * (SLOW_FACTOR if self.slow else 1.0))


class SimNetPeer:
    """A hub's connection to a peer over a link: the peers' protocol, with everything that can go wrong with it."""

    def __init__(self, peer: SimPeer, link: Link, effects: Effects, history: History, hub: Hub) -> None:
        self.name = peer.name
        self.features = peer.features
        self._peer, self._link, self._effects, self._history, self._hub = peer, link, effects, history, hub
        self._nonce = ""  # of the session that entered over this door
        self._generation: int | None = None  # of the link when the connection was made; None: not connected

    async def connect(self) -> Identity:
        """A new connection."""
        self._generation = self._link.generation
        return await self._call("connect", self._peer.connect)

    async def inspect(self) -> dict[str, Table]:
        """See the protocol."""
        return await self._call("inspect", self._peer.inspect)

    async def check(self, collections: Sequence[Collection]) -> list[Problem]:
        """See the protocol."""
        return await self._call("check", lambda: self._peer.check(collections))

    async def advice(self, collections: Sequence[Collection]) -> list[str]:
        """See the protocol."""
        return await self._call("advice", lambda: self._peer.advice(collections))

    async def kept(self, after: Position | None) -> Kept | None:
        """See the protocol: no message is needed."""
        return await self._peer.kept(after)

    async def changed(self) -> PeerChanged | None:
        """See the protocol."""
        return await self._call("changed", self._peer.changed)

    async def setup(self, collections: Sequence[Collection]) -> Identity:
        """See the protocol."""
        identity = await self._call("setup", lambda: self._peer.setup(collections))
        self._nonce = identity.nonce
        return identity

    async def enter(self, nonce: str) -> Offset:
        """See the protocol."""

        async def effect() -> Offset:
            watermark = await self._peer.enter(nonce)
            self._history.note(Entered(self._hub, self._peer.database.name))
            return watermark

        watermark = await self._call("enter", effect)
        self._nonce = nonce
        return watermark

    async def teardown(self) -> None:
        """See the protocol."""
        await self._call("teardown", self._peer.teardown)

    async def position(self) -> Position:
        """See the protocol."""
        return await self._call("position", self._peer.position)

    async def acknowledge(self, upto: Position) -> None:
        """See the protocol."""

        async def effect() -> None:
            self._history.note(Acknowledged(self._hub, self._peer.database.name, upto.major, self._history.durable))
            await self._peer.acknowledge(upto)

        await self._call("acknowledge", effect, str(upto.major))

    async def apply(self, batch: Batch) -> Applied:
        """See the protocol."""
        rows = [f"{write.op} {write.collection}{list(write.keys)}" for write in batch.writes]
        detail = f"upto {batch.upto}: {', '.join(rows)}"
        if self._link.late_share and self._link.rng.random() < self._link.late_share:
            self._effects.hit(f"{self.name}.apply", detail)
            await self._apply_late(batch)
        return await self._call("apply", lambda: self._apply(batch, self._nonce), detail)

    async def _apply(self, batch: Batch, nonce: str) -> Applied:
        content = self._peer.database.content
        if content.nonce != nonce:
            raise PeerUnreachable("this session is over", why="another one has entered since", peer=self.name)
        before, incarnation = content.watermark, content.incarnation
        applied = await self._peer.apply(batch)
        if content.watermark == before and batch.writes and batch.upto <= before:
            return applied  # it was there already
        refused = tuple((one.collection, one.key) for one in applied.refused)
        touched = self._history.touched(before, batch.upto)
        held = tuple(((name, key), content.tables[name].get(key)) for name, key in touched)
        seen = (self._history.durable, refused, held, content.number)
        self._history.note(BatchApplied(self._hub, self._peer.database.name, incarnation, before, batch.upto, *seen))
        return applied

    async def _apply_late(self, batch: Batch) -> None:
        """The peer is at it still when the caller has long given up."""
        self._link.counts["late"] += 1
        delay = self._link.rng.uniform(0.0, 2 * TIMEOUT_SECONDS)
        nonce = self._nonce

        async def later() -> None:
            await asyncio.sleep(delay)
            with suppress(PeerUnreachable):
                await self._apply(batch, nonce)

        asyncio.get_running_loop().create_task(later(), context=contextvars.Context())  # nobody's process: the peer's own
        await asyncio.sleep(TIMEOUT_SECONDS)
        raise self._lost("no answer")

    async def chunk(self, collection: Collection, after: Key | None, limit: int, upto: Key | None = None) -> Chunk:
        """See the protocol."""
        return await self._call("chunk", lambda: self._peer.chunk(collection, after, limit, upto))

    async def rows(self, collection: Collection, keys: Sequence[Key]) -> Chunk:
        """See the protocol."""
        return await self._call("rows", lambda: self._peer.rows(collection, keys))

    async def ways(self, collection: Collection) -> dict[str, str]:
        """See the protocol."""
        return await self._call("ways", lambda: self._peer.ways(collection))

    async def fences(self, collection: Collection, ranges: Sequence[Range], size: int) -> list[list[Key]]:
        """See the protocol."""
        return await self._call("fences", lambda: self._peer.fences(collection, ranges, size))

    async def digests(self, collection: Collection, ranges: Sequence[Range], way: Way) -> Digests:
        """See the protocol."""
        return await self._call("digests", lambda: self._peer.digests(collection, ranges, way))

    async def hashes(self, collection: Collection, ranges: Sequence[Range], way: Way) -> list[dict[Key, int]]:
        """See the protocol."""
        return await self._call("hashes", lambda: self._peer.hashes(collection, ranges, way))

    async def digests_of(self, collection: Collection, groups: Sequence[Sequence[Key]], way: Way) -> Digests:
        """See the protocol."""
        return await self._call("digests_of", lambda: self._peer.digests_of(collection, groups, way))

    async def clock(self) -> Micros:
        """See the protocol."""
        return await self._call("clock", self._peer.clock)

    async def close(self) -> None:
        """Give the connection up."""
        self._effects.hit(f"{self.name}.close")
        self._generation = None

    async def stream(self, after: Position | None) -> AsyncIterator[Transaction]:
        """See the protocol. Breaks with the connection; may give some transactions twice."""
        self._effects.hit(f"{self.name}.stream", str(after))
        await self._request()
        bell = asyncio.Event()
        listeners = self._link.changed, self._peer.database.on_news
        for listener in listeners:
            listener.append(bell.set)
        asked = self._peer.begin()
        try:
            found = self._peer.poll(after, asked) or [Transaction(self.name, *await self._standing())]
            while True:
                for transaction in self._repeated(found):
                    await self._reply()
                    self._effects.hit(f"{self.name}.stream.done", _show(transaction))
                    self._link.counts["by columns"] += bool(transaction.blocks)
                    self._link.counts["together"] += transaction.split is not None
                    yield transaction
                    after = transaction.position if after is None else max(after, transaction.position)
                await self._quiet(bell, after, asked)
                found = self._peer.poll(after, asked)
        finally:
            self._peer.end(asked)
            for listener in listeners:
                listener.remove(bell.set)

    async def _standing(self) -> tuple[Position, int, Micros]:
        identity = await self._peer.connect()
        return identity.position, identity.watermark, await self._peer.clock()

    async def _quiet(self, bell: asyncio.Event, after: Position | None, asked: Asked) -> None:
        """Return when there is something new to poll."""
        while not self._link.silent and not self._peer.poll(after, asked):
            bell.clear()
            await bell.wait()
            if not self._link.silent:
                self._check()
        await self._request()

    def _repeated(self, found: list[Transaction]) -> list[Transaction]:
        if found and self._link.repeat_share and self._link.rng.random() < self._link.repeat_share:
            self._link.counts["repeated"] += 1
            again = self._link.rng.randint(0, len(found) - 1)
            return [*found, *found[again:]]
        return found

    async def _call(self, name: str, effect: Callable[[], Awaitable[T]], detail: str = "") -> T:
        self._effects.hit(f"{self.name}.{name}", detail)
        await self._request()
        reply = await effect()
        self._effects.hit(f"{self.name}.{name}.done")
        await self._reply()
        return reply

    async def _request(self) -> None:
        if not self._link.silent:
            self._check()
        await self._pass()

    async def _reply(self) -> None:
        if self._link.deaf:
            await self._hang("deaf")
        await self._pass()

    async def _pass(self) -> None:
        await self._link.travel()
        if self._link.silent:
            await self._hang("silent")
        self._check()

    async def _hang(self, fault: str) -> None:
        self._link.counts[fault] += 1
        await asyncio.sleep(TIMEOUT_SECONDS)
        raise self._lost("no answer")

    def _check(self) -> None:
        self._effects.alive()
        if self._link.cut:
            self._link.counts["cut"] += 1
            raise self._lost("the wire is cut")
        if self._generation != self._link.generation:
            raise self._lost("the connection is gone")

    def _lost(self, why: str) -> PeerUnreachable:
        self._generation = None
        return PeerUnreachable("the peer does not answer", peer=self.name, why=why)


def _show(transaction: Transaction) -> str:
    rows = ", ".join(f"{change.collection}{change.key} {change.before} -> {change.after}" for change in transaction.changes)
    return f"{transaction.position.major} context {transaction.context}: {rows}"
