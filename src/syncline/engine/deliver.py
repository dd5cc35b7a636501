"""Deliver: the only place that writes to a peer. Entries in log order, whole, folded per key, one transaction a batch.

The watermark commits with the rows, so a batch takes effect exactly once whatever happens between. Batches adapt: small
when idle, growing while behind, shrinking when an apply takes too long.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence, Set
from typing import Protocol

import msgspec

from syncline.engine.clock import monotonic
from syncline.engine.guard import Guard
from syncline.engine.ingest import Ingest
from syncline.engine.state import PeerRecord, Stage, State
from syncline.mapping.bulk import Wheres
from syncline.mapping.project import Target, project
from syncline.model.entry import Entry, Kind
from syncline.model.event import Event, Listener
from syncline.model.limits import BATCH_ROWS_MIN, LATENCY_TARGET_SECONDS
from syncline.model.space import Settings
from syncline.model.stamp import Offset
from syncline.model.value import Key
from syncline.model.write import Batch
from syncline.peers.protocol import Peer

FLUSH_SECONDS = 0.1  # a watermark with no rows is written when nothing else came for so long
FLUSH_ENTRIES = 2_000  # or when it lags so much
FLUSH_ROWS = 40_000  # or by so many rows, which the window keeps until every peer has confirmed them
DRAIN_SECONDS = 0.25  # how long an apply waits for capture to reach the peer's end

Where = tuple[str, Key]


class Unjoined(Protocol):
    """What a join under way says of a peer's rows."""

    def is_unjoined(self, peer: str, where: Where) -> bool:
        """Whether a row of a joining peer has not been compared with the space's yet."""
        ...

    def pass_over(self, peer: str, where: Where) -> None:
        """The peer was not told that the space deleted this row."""
        ...


class Withheld(Set[Where]):
    """Keys that are not delivered now: behind a parked row, or a joining peer's own row still to be compared."""

    def __init__(self, record: PeerRecord, unjoined: Unjoined) -> None:
        self._record, self._unjoined = record, unjoined
        self.parked: dict[Where, None] = {}

    def __contains__(self, where: object) -> bool:
        if where in self.parked:
            return True
        return self._record.footing is Stage.JOINING and self._unjoined.is_unjoined(self._record.name, where)  # type: ignore[arg-type]

    def __len__(self) -> int:
        return len(self.parked) + (self._record.footing is Stage.JOINING)

    def __iter__(self) -> Iterator[Where]:
        return iter(self.parked)

    def isdisjoint(self, other: Iterable[object]) -> bool:
        """Whether none of these keys is withheld. Of a block, the last key tells it for a join."""
        if self.parked and any(where in self.parked for where in other):
            return False
        if self._record.footing is not Stage.JOINING:
            return True
        if not isinstance(other, Wheres):
            return not any(where in self for where in other)
        last = (other.block.collection, other.block.bounds[1])
        return not self._unjoined.is_unjoined(self._record.name, last)

    def take_in(self, entries: Sequence[Entry]) -> None:
        """Entries that come next: retries end the wait behind a parked row; deletes that are withheld are noted."""
        if not self:
            return
        name = self._record.name
        joining = self._record.footing is Stage.JOINING
        for entry in entries:
            if entry.blocks and not (joining and not entry.to and any(not block.after for block in entry.blocks)):
                continue  # nothing is deleted
            for change in entry.changes:
                where = (change.collection, change.key)
                if entry.kind is Kind.RETRY and entry.to == name:
                    self.parked.pop(where, None)
                elif joining and change.after is None and not entry.to and self._unjoined.is_unjoined(name, where):
                    self._unjoined.pass_over(name, where)


def _who_deletes(entries: Sequence[Entry]) -> str:
    by = {entry.peer or "a person" for entry in entries if any(change.after is None for change in entry.changes)}
    return ", ".join(sorted(by))


class Deliver:
    """Delivery to one peer."""

    def __init__(
        self,
        peer: Peer,
        target: Target,
        record: PeerRecord,
        state: State,
        ingest: Ingest,
        guard: Guard,
        settings: Settings,
        emit: Listener,
        drain: Callable[[float | None], Awaitable[None]],
        count: Callable[[], Awaitable[Mapping[str, int]]],
        unjoined: Unjoined,
        watermark: Offset,
    ) -> None:
        self._peer, self._target, self._record, self._state = peer, target, record, state
        self._ingest, self._guard, self._settings, self._emit = ingest, guard, settings, emit
        self._drain, self._count, self._withheld = drain, count, Withheld(record, unjoined)
        self.watermark = watermark  # durable at the peer
        self.cursor = watermark  # considered; everything between the two had nothing for this peer
        self._fingerprint = ""  # of the entry at the cursor
        self._rows = BATCH_ROWS_MIN
        self._passed = 0  # rows of others between the watermark and the cursor

    @property
    def caught_up(self) -> bool:
        """Whether every entry with rows is in the peer, watermark included."""
        return self.watermark >= self._state.data

    async def run(self) -> None:
        """Deliver for ever, once capture has told all that happened here. Raises PeerError, GuardTripped or LogError."""
        parked = self._state.parked.values()
        self._withheld.parked = {(row.collection, row.key): None for row in parked if row.peer == self._peer.name}
        while True:
            if self.cursor >= self._state.head:
                await self._rest()
                continue
            entries = await self._ingest.tail.take(self.cursor, self._rows)
            if self.cursor < self._record.approved:  # a batch is approved as a whole, or not at all
                entries = [entry for entry in entries if entry.offset <= self._record.approved]
            if entries:
                await self._deliver(entries)

    async def _rest(self) -> None:
        if not self.caught_up:
            try:
                async with asyncio.timeout(FLUSH_SECONDS):
                    await self._more()
                return
            except TimeoutError:
                await self._apply(Batch(self.cursor, (), 0, self._fingerprint))
                return
        await self._more()

    async def _more(self) -> None:
        async with self._ingest.appended:
            await self._ingest.appended.wait_for(lambda: self._state.head > self.cursor)

    async def _deliver(self, recorded: list[Entry]) -> None:
        entries = self._state.names.all_now(recorded)
        self._withheld.take_in(entries)
        batch = project(entries, self._target, self._withheld)
        if entries[-1] is not recorded[-1]:
            batch = msgspec.structs.replace(batch, fingerprint=recorded[-1].fingerprint)
        if not batch.rows:
            self.cursor, self._fingerprint = batch.upto, batch.fingerprint
            self._passed += sum(entry.rows for entry in entries)
            far = self.cursor - self.watermark >= FLUSH_ENTRIES or self._passed >= FLUSH_ROWS
            if far and not self.caught_up:
                await self._apply(batch)
            return
        if self._guard.exceeds(batch, monotonic(), self._record.approved):
            self._guard.count(await self._count())
        self._guard.check(batch, monotonic(), self._record.approved, lambda: _who_deletes(entries))
        if batch.upto >= self._state.data:  # far behind, there is always something under way at the peer
            await self._drain(DRAIN_SECONDS)
        await self._apply(batch, sum(entry.rows for entry in entries))

    async def _apply(self, batch: Batch, considered: int = 0) -> None:
        begun = monotonic()
        applied = await self._peer.apply(batch)
        took = monotonic() - begun
        self.watermark, self.cursor, self._passed = batch.upto, batch.upto, 0
        self._fingerprint = batch.fingerprint
        if applied.refused and not self._peer.features.captures:
            await self._drain(None)  # a peer that keeps no history remembers what it refused until the next batch only
        for refusal in applied.refused:
            self._withheld.parked[refusal.collection, refusal.key] = None
        self._adapt(took, considered)
        if batch.rows:
            detail = {"seconds": took, "upto": batch.upto, "refused": len(applied.refused)}
            self._emit(Event("batch.applied", self._peer.name, count=applied.rows, detail=detail))

    def _adapt(self, took: float, considered: int) -> None:
        """`considered`: rows of the log; few of them may be left to write, its own and what folds into one being gone."""
        if took > 2 * LATENCY_TARGET_SECONDS:
            self._rows = max(BATCH_ROWS_MIN, self._rows // 2)
        elif considered >= self._rows // 2:
            self._rows = min(self._settings.batch_rows, self._rows * 2)
