"""What a comparison knows of the stream: from the running engine, or from the log and the peers when no hub runs."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from syncline.engine.closing import closing
from syncline.engine.core import Engine
from syncline.engine.state import State
from syncline.model.entry import Entry
from syncline.model.limits import RECHECK_SECONDS
from syncline.model.stamp import Offset, Position
from syncline.model.value import Key
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
        return any(name[1:] == (collection, key) for name in self._engine.state.parked)


class RestingPipeline:
    """Without a hub nothing moves: what was not captured or not delivered when we looked is pending."""

    resting = True

    def __init__(self, state: State, pending: set[tuple[str, Key]]) -> None:
        self._state, self._pending = state, pending

    def head(self) -> Offset:
        """The offset of the last entry with rows."""
        return self._state.data

    async def passed(self, peer: str, position: Position) -> bool:
        """What the peer wrote beyond the log is known to be pending."""
        return True

    def in_flight(self, collection: str, key: Key) -> bool:
        """Whether some peer wrote the key without the log having it, or the log has it and some peer does not."""
        return (collection, key) in self._pending

    def is_parked(self, collection: str, key: Key) -> bool:
        """Whether some peer refused this row."""
        return any(name[1:] == (collection, key) for name in self._state.parked)


async def resting(state: State, log: Readable, peers: Mapping[str, tuple[Peer, Identity]]) -> RestingPipeline:
    """Find what is pending: the log's entries beyond each peer's watermark, and each peer's history beyond the log."""
    pending: set[tuple[str, Key]] = set()
    behind = min((identity.watermark for _, identity in peers.values()), default=0)
    async with closing(log.read(max(behind, log.floor))) as frames:
        async for entries in frames:
            pending.update((change.collection, change.key) for entry in entries for change in entry.changes)
    for name, (peer, _) in peers.items():
        end = await peer.position()
        async with closing(peer.stream(state.peer(name).position)) as history:
            async for transaction in history:
                pending.update((change.collection, change.key) for change in transaction.changes)
                if transaction.position >= end:
                    break
    return RestingPipeline(state, pending)
