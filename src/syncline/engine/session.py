"""A session: one peer's connection to the space. Connect, prove who it is, set up, join, then capture and deliver.

Whatever fails ends the session, not the others; supervise decides whether and when to try again.
"""

import asyncio
from collections.abc import Callable, Mapping
from enum import StrEnum

import msgspec

from syncline.engine.clock import Clock, monotonic
from syncline.engine.closing import closing
from syncline.engine.deliver import Deliver
from syncline.engine.guard import Guard
from syncline.engine.identity import (
    is_twin,
    require_copy,
    require_free,
    require_heard,
    require_kept,
    require_same,
    verify_identity,
)
from syncline.engine.ingest import Ingest
from syncline.engine.join import Joiner
from syncline.engine.state import PeerRecord, Stage, State
from syncline.mapping.parents import parents_at
from syncline.mapping.project import Target
from syncline.model.change import Change, Transaction
from syncline.model.entry import Entry, Kind
from syncline.model.errors import PeerBusy, PeerRestored, SynclineError
from syncline.model.event import Event, Listener
from syncline.model.schema import Collection
from syncline.model.space import Settings
from syncline.model.stamp import Micros, Offset, Position
from syncline.model.write import Batch
from syncline.peers.protocol import Identity, Peer

CLOCK_SECONDS = 60.0
TEND_SECONDS = 0.5
DELIVERED_SECONDS = 0.02  # between two looks at how far delivery is


class Phase(StrEnum):
    """What a session is doing now."""

    WAITING = "waiting"  # not connected; will try again
    CONNECTING = "connecting"
    JOINING = "joining"
    LIVE = "live"
    PAUSED = "paused"
    BROKEN = "broken"  # needs a person


class Stopped(SynclineError):
    """A person asked this session to stop; not a failure."""

    code = "SYN-P08"
    transient = True


class Session:
    """One peer in the running engine. Implements ingest's Source."""

    def __init__(
        self,
        peer: Peer,
        collections: Mapping[str, Collection],
        counters: Mapping[str, frozenset[int]],
        receives_only: frozenset[str],
        sends_only: frozenset[str],
        state: State,
        ingest: Ingest,
        joiner: Joiner,
        settings: Settings,
        clock: Clock,
        nonce: Callable[[], str],
        emit: Listener,
    ) -> None:
        self.peer, self.name = peer, peer.name
        self._collections = collections
        self.receives_only, self.sends_only = receives_only, sends_only
        self._heard = frozenset(collections) - receives_only
        self._state, self._ingest, self._joiner = state, ingest, joiner
        self._settings, self._clock, self._nonce, self._emit = settings, clock, nonce, emit
        self._target = Target(peer.name, collections, counters, sends_only)
        self._mark = ""  # this session's nonce
        self._shown = ""  # the mark of another peer that this one showed
        self.phase = Phase.WAITING
        self.reason: Exception | None = None
        self.clock_offset: Micros = 0
        self.parents: Mapping[str, frozenset[str]] = {}
        self.captured: Position | None = None  # the log has everything of the peer's history up to here
        self._moved = asyncio.Event()
        self.deliver: Deliver | None = None
        self._guard = Guard(peer.name, settings)
        self._acknowledged: Position | None = None
        self._stop = asyncio.Event()
        self.renew: Callable[[Peer], Peer] = lambda peer: peer  # its address may hold another secret since

    @property
    def record(self) -> PeerRecord:
        """What the log knows of this peer."""
        return self._state.peer(self.name)

    # -- Source, called by ingest -----------------------------------------------------------------------------------------

    def admit(self, transaction: Transaction) -> Transaction:
        """Drop changes of collections it only receives, or that are not configured; hold those of rows not joined yet."""
        if transaction.blocks:
            transaction = self._admit_blocks(transaction)
            if self.record.footing is not Stage.JOINING:
                return transaction
        changes = transaction.changes
        if not self._heard.issuperset([change.collection for change in changes]):
            kept = tuple(change for change in changes if change.collection in self._heard)
            self._emit(Event("change.ignored", self.name, count=len(changes) - len(kept)))
            changes = kept
        if self.record.footing is Stage.JOINING:
            changes = self._joiner.admit(self.name, transaction, changes)
        return transaction if changes is transaction.changes else _with(transaction, changes)

    def missed(self, transaction: Transaction) -> frozenset[str]:
        """See ingest.Source."""
        known = self._heard | self.record.unheard
        if transaction.blocks:
            return frozenset([block.collection for block in transaction.blocks]) - known
        return frozenset([change.collection for change in transaction.changes]) & frozenset(self._collections) - known

    def _admit_blocks(self, transaction: Transaction) -> Transaction:
        kept = tuple(block for block in transaction.blocks if block.collection in self._heard)
        if len(kept) == len(transaction.blocks):
            return transaction
        count = sum(block.count for block in transaction.blocks if block not in kept)
        self._emit(Event("change.ignored", self.name, count=count))
        return msgspec.structs.replace(transaction, changes=(), blocks=kept)

    def logged(self, transaction: Transaction) -> None:
        """The log has this transaction: note how far, wake whoever drains."""
        if self.captured is None or transaction.position > self.captured:
            self.captured = transaction.position
        self._moved.set()

    # -- life -------------------------------------------------------------------------------------------------------------

    async def serve(self) -> None:
        """Connect and work until something fails or `stop` is called. Raises what failed, or Stopped."""
        self.phase = Phase.CONNECTING
        self.captured = None
        self._stop.clear()
        try:
            self.peer = self.renew(self.peer)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._until_stopped())
                await self._work(tasks, await self._enter(await self._meet()))
        except BaseExceptionGroup as group:
            raise _first(group) from group
        finally:
            self.deliver = None
            self.phase = Phase.WAITING
            self._moved.set()
            await self.peer.close()

    async def _meet(self) -> Identity:
        identity = await self.peer.connect()
        self._mark = self._nonce()
        require_free(self.record, identity, self._mark)
        verify_identity(self.record, identity, self._state.head)
        require_heard(self.record, self._heard)
        await self._verify_log(identity)
        if self.record.stage in (Stage.STALE, Stage.LEFT):
            raise PeerRestored(
                "it was away for too long" if self.record.stage is Stage.STALE else "it left this space",
                peer=self.name,
                why="the others stopped waiting for it, so its place in the log is gone",
                hint=f"let it join again by compare-and-merge: 'syncline resume {self.name} --rejoin'",
            )
        return identity

    async def _verify_log(self, identity: Identity) -> None:
        """Raise PeerRestored if the entry at the peer's watermark is not the one that it had got (torture F27)."""
        if not self.record.holds_window or not identity.fingerprint:
            return
        found = await self._ingest.tail.at(identity.watermark)
        if found is not None and found.fingerprint != identity.fingerprint:
            raise PeerRestored(
                "this is not the log that the peer knows",
                peer=self.name,
                why=f"entry {identity.watermark} is another one than it was given: the log was restored from a copy",
                hint=f"let it join again by compare-and-merge: 'syncline resume {self.name} --rejoin'",
            )

    async def _enter(self, identity: Identity) -> Identity:
        twin = next((one for one in self._state.peers.values() if one is not self.record and is_twin(one, identity)), None)
        if twin is not None:
            if self.record.stage is not Stage.NEW:
                raise PeerRestored("this is a copy of another peer's database", peer=self.name, hint="give each peer its own")
            self._require_copy(twin, identity)
            await self.peer.teardown()  # a copy that enters as a peer of its own gets an identity of its own
        identity = await self.peer.setup(list(self._collections.values()))
        require_kept(self.record, identity)
        require_same(self.record, identity)
        if self.record.stage is Stage.NEW:
            await self._joiner.begin(self.peer, identity)
        if self.record.incarnation != identity.incarnation:
            await self._say({"incarnation": identity.incarnation})
        nonce = self._mark
        await self._say({"nonces": [identity.nonce, nonce]})  # in the log first: a crash between leaves both acceptable
        watermark = await self.peer.enter(nonce)  # what an earlier session asked for may have taken effect until now
        await self._say({"nonces": [nonce]})
        identity = msgspec.structs.replace(identity, watermark=watermark)
        if identity.watermark < self.record.joined_at or identity.watermark > self._state.head:
            await self.peer.apply(Batch(self.record.joined_at, (), 0))
            identity = msgspec.structs.replace(identity, watermark=self.record.joined_at)
        return identity

    def _require_copy(self, twin: PeerRecord, shown: Identity) -> None:
        """Raise PeerError if this may be the database of another peer; that one gets another mark, so that it can be told."""
        other = self._joiner.members.get(twin.name)
        again = bool(self._shown) and shown.nonce != self._shown and shown.nonce in twin.nonces
        self._shown = shown.nonce
        try:
            require_copy(self.name, twin, shown, listed=other is not None, again=again)
        except PeerBusy:
            if other is not None and other.ready:
                other.stop()
            raise

    async def _say(self, body: dict[str, object]) -> None:
        def build(offset: Offset) -> list[Entry]:
            return [Entry(offset, Kind.PEER, self.name, time=self._clock.now(), body=body)]

        await self._ingest.command(build)

    def stop(self) -> None:
        """End the session that is running, if any."""
        self._stop.set()

    async def _until_stopped(self) -> None:
        await self._stop.wait()
        raise Stopped("the session was asked to stop", peer=self.name)

    async def _work(self, tasks: asyncio.TaskGroup, identity: Identity) -> None:
        record = self.record
        self.captured = None  # whatever is still logged of the session before does not count
        await self._measure_clock()
        self._guard.count(await self._count())
        self.deliver = Deliver(
            self.peer, self._target, record, self._state, self._ingest, self._guard, self._settings, self._emit,
            self.drain, self._count, self._joiner, identity.watermark,
        )  # fmt: skip
        tasks.create_task(self._capture(record.position))
        await self.drain(None)
        self.phase = Phase.JOINING if record.stage is Stage.JOINING else Phase.LIVE
        self.reason = None
        self._emit(Event("peer.connected", self.name, detail={"stage": record.stage, "watermark": identity.watermark}))
        tasks.create_task(self.deliver.run())
        tasks.create_task(self._tend())
        if record.stage is Stage.JOINING:
            await self._joiner.join(self)
            self.phase = Phase.LIVE

    async def _count(self) -> dict[str, int]:
        """About how many rows the peer has, by collection. Notes which collections refer to which there."""
        tables = await self.peer.inspect()
        self.parents = parents_at(self.name, self._collections, tables)
        found = {name: tables.get(collection.table_at(self.name)) for name, collection in self._collections.items()}
        return {name: table.rows_estimate for name, table in found.items() if table is not None}

    async def _capture(self, after: Position | None) -> None:
        async with closing(self.peer.stream(after)) as history:
            async for transaction in history:
                await self._ingest.submit(self, transaction)

    async def _tend(self) -> None:
        measured = monotonic()
        while True:
            await asyncio.sleep(TEND_SECONDS)
            known = self._ingest.durable.get(self.name)  # a restart goes on from there, so what is before is not needed
            if known is not None and known != self._acknowledged and self.phase is Phase.LIVE:
                await self.peer.acknowledge(known)
                self._acknowledged = known
            if monotonic() - measured > CLOCK_SECONDS:
                await self._measure_clock()
                measured = monotonic()

    async def _measure_clock(self) -> None:
        before = self._clock.now()
        theirs = await self.peer.clock()
        after = self._clock.now()
        self.clock_offset = theirs - (before + after) // 2

    async def drain(self, seconds: float | None) -> None:
        """Wait until the log has the peer's history up to its current end, at most so long (None: as long as it takes)."""
        end = await self.peer.position()
        try:
            async with asyncio.timeout(seconds):
                await self.wait_captured(end)
        except TimeoutError:
            self._emit(Event("drain.late", self.name))

    async def wait_captured(self, end: Position) -> bool:
        """Wait until the log has everything of this peer up to `end`; False if the session ends before."""
        while self.captured is None or self.captured < end:
            if self.phase not in (Phase.CONNECTING, Phase.JOINING, Phase.LIVE):
                return False
            self._moved.clear()
            await self._moved.wait()
        return True

    @property
    def ready(self) -> bool:
        """Whether its rows may serve as reference: live and connected."""
        return self.phase is Phase.LIVE and self.deliver is not None

    async def wait_delivered(self, upto: Offset) -> None:
        """Wait until this peer was given everything up to `upto`."""
        while self.deliver is not None and self.deliver.cursor < upto:
            await asyncio.sleep(DELIVERED_SECONDS)

    async def is_idle(self) -> bool:
        """Whether nothing is under way here: all captured, all delivered, watermark confirmed."""
        return self.ready and self.is_idle_at(await self.peer.position())

    def is_idle_at(self, end: Position) -> bool:
        """Whether nothing is under way here, its own history ending at `end`."""
        if self.phase is not Phase.LIVE or self.deliver is None or not self.deliver.caught_up:
            return False
        return self.record.captured >= self._state.data and self.captured is not None and self.captured >= end


def _with(transaction: Transaction, changes: tuple[Change, ...]) -> Transaction:
    return Transaction(
        transaction.peer, transaction.position, transaction.context, transaction.time, changes, transaction.refused
    )


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
