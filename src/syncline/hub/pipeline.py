"""What a comparison knows of the stream: from the running engine, or from the log and the peers when no hub runs."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from typing import Protocol

from syncline.compare.explained import Step
from syncline.engine.closing import closing
from syncline.engine.core import Engine
from syncline.engine.state import State
from syncline.merge.copies import whole
from syncline.model.change import Change, change_of
from syncline.model.entry import Entry
from syncline.model.limits import RECHECK_SECONDS
from syncline.model.stamp import Offset, Position
from syncline.model.value import Key, Row
from syncline.peers.protocol import Identity, Peer


class Readable(Protocol):
    """A log, as far as a comparison reads it."""

    @property
    def floor(self) -> Offset:
        """The largest offset that has been trimmed away."""
        ...

    def read(self, after: Offset) -> AsyncIterator[tuple[Entry, ...]]:
        """Entries after an offset, in order, a tuple per frame."""
        ...


class LivePipeline:
    """The running engine's."""

    resting = False

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def head(self) -> Offset:
        """The offset of the last entry with rows."""
        return self._engine.state.data

    async def passed(self, peer: str, position: Position) -> bool:
        """Wait, for a while, until the log has the peer's history up to there."""
        session = self._engine.sessions[peer]
        try:
            async with asyncio.timeout(RECHECK_SECONDS):
                return await session.wait_captured(position)
        except TimeoutError:
            return False

    def in_flight(self, collection: str, key: Key) -> bool:
        """Whether the window has the key."""
        return self._engine.window.view(collection, key) is not None

    def is_parked(self, collection: str, key: Key) -> bool:
        """Whether some peer refused this row."""
        state = self._engine.state
        return any((peer, collection, key) in state.parked for peer in state.peers)

    def steps(self, collection: str, keys: Sequence[Key]) -> Mapping[Key, Sequence[Step]]:
        """What the tail has of them."""
        wanted = set(keys)
        found: dict[Key, list[Step]] = {}
        for entry in self._engine.ingest.tail.entries():
            if entry.is_data and not entry.to:
                for change in _of(entry, collection, wanted):
                    step = Step(
                        entry.offset, entry.peer, entry.position, change.before, whole(change), change.verdict is not None
                    )
                    found.setdefault(change.key, []).append(step)
        return found

    def held(self, collection: str) -> Mapping[Key, Row | None]:
        """The window's rows of keys that are parked somewhere: whatever else it holds gets to everyone."""
        views = {name[2]: self._engine.window.view(*name[1:]) for name in self._engine.state.parked if name[1] == collection}
        return {key: view.row for key, view in views.items() if view is not None}


class RestingPipeline:
    """Without a hub nothing moves but the peers' own writers: what was not captured or not delivered is pending.

    `peers`: those that are compared; `heard`: of which collections each peer's writes are for the others.
    """

    resting = True

    def __init__(
        self,
        state: State,
        rows: Mapping[str, dict[Key, Row | None]],
        peers: Sequence[Peer],
        heard: Mapping[str, frozenset[str]],
    ) -> None:
        self._state, self._rows = state, rows
        self._peers, self._heard = {peer.name: peer for peer in peers}, heard
        self._reached = {peer.name: state.peer(peer.name).position for peer in peers}
        self._written: set[tuple[str, Key]] = set()
        self._uncaptured: Counter[tuple[str, str]] = Counter()  # changes by peer and collection

    def head(self) -> Offset:
        """The offset of the last entry with rows."""
        return self._state.data

    def uncaptured(self, collections: Collection[str]) -> dict[str, int]:
        """How many changes of these collections each peer has that the log does not; who has none is not named."""
        found: Counter[str] = Counter()
        for (peer, collection), count in self._uncaptured.items():
            found[peer] += count if collection in collections else 0
        return {peer: count for peer, count in found.items() if count}

    async def passed(self, peer: str, position: Position) -> bool:
        """Read on in the peer's own history: what it wrote beyond the log, up to there, is known to be pending."""
        reached = self._reached[peer]
        end = min(position, await self._peers[peer].position())
        if reached is not None and reached >= end:
            return True
        async with closing(self._peers[peer].stream(reached)) as history:
            async for transaction in history:
                changes = [change for change in transaction.changes if change.collection in self._heard[peer]]
                self._written.update((change.collection, change.key) for change in changes)
                self._uncaptured.update((peer, change.collection) for change in changes)
                if transaction.position >= end:
                    break
        self._reached[peer] = end
        return True

    def in_flight(self, collection: str, key: Key) -> bool:
        """Whether some peer wrote the key without the log having it, or the log has it and some peer may not."""
        return (collection, key) in self._written or key in self._rows.get(collection, {})

    def is_parked(self, collection: str, key: Key) -> bool:
        """Whether some peer refused this row."""
        return any((peer, collection, key) in self._state.parked for peer in self._state.peers)

    def steps(self, collection: str, keys: Sequence[Key]) -> Mapping[Key, Sequence[Step]]:
        """Nothing moves, so nothing has to be explained."""
        return {}

    def held(self, collection: str) -> Mapping[Key, Row | None]:
        """The rows of the entries that some peer may not have."""
        return self._rows.get(collection, {})


def _of(entry: Entry, collection: str, wanted: set[Key]) -> Iterator[Change]:
    """The changes of some rows in an entry; of blocks, only these rows are made."""
    for block in entry.blocks:
        if block.collection == collection and not wanted.isdisjoint(block.keys):
            yield from (change_of(block, place) for key in wanted for place in block.places(key))
    for change in () if entry.blocks else entry.changes:
        if change.collection == collection and change.key in wanted:
            yield change


async def resting(
    state: State, log: Readable, peers: Mapping[str, tuple[Peer, Identity]], heard: Mapping[str, frozenset[str]]
) -> RestingPipeline:
    """Find what is pending: the log's entries beyond each peer's watermark, and each peer's history beyond the log.

    An entry for one peer alone waits for that peer: no other one ever has it, however far its watermark is.
    """
    rows: dict[str, dict[Key, Row | None]] = {}
    behind = min((identity.watermark for _, identity in peers.values()), default=0)
    parked = {name[1:] for name in state.parked}
    start = min([behind, *(row.since - 1 for row in state.parked.values())])
    async with closing(log.read(max(start, log.floor))) as frames:
        async for entries in frames:
            for entry in (entry for entry in entries if entry.is_data):
                reached = behind if not entry.to else peers[entry.to][1].watermark if entry.to in peers else entry.offset
                for change in entry.changes:
                    if entry.offset > reached or (change.collection, change.key) in parked:
                        rows.setdefault(change.collection, {})[change.key] = whole(change)
    found = RestingPipeline(state, rows, [peer for peer, _ in peers.values()], heard)

    async def look(name: str, peer: Peer) -> None:
        await found.passed(name, await peer.position())

    await asyncio.gather(*(look(name, peer) for name, (peer, _) in peers.items()))
    return found
