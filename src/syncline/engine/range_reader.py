"""Reads a key range at a live peer and at a joining one, once the log has both histories up to there.

Ranges of several collections of one join are read side by side; of one collection, one after the other.
"""

from collections.abc import Mapping

from syncline.engine.progress import Member, Progress, ReferenceLost, pin_of
from syncline.engine.range_read import RangeRead
from syncline.engine.state import PeerRecord, State
from syncline.merge.window import Window
from syncline.model.change import weigh_rows
from syncline.model.errors import PeerError
from syncline.model.key import order
from syncline.model.limits import SNAPSHOT_BYTES_MAX, SNAPSHOT_ROWS_MAX, SNAPSHOT_ROWS_MIN
from syncline.model.schema import Collection
from syncline.model.value import Key
from syncline.peers.protocol import Chunk


class RangeReader:
    """Reads the ranges of all joins."""

    def __init__(self, authority: Mapping[str, str], state: State, window: Window) -> None:
        self._authority, self._state, self._window = authority, state, window

    async def read(
        self, member: Member, reference: Member, collection: Collection, record: PeerRecord, progress: Progress
    ) -> RangeRead:
        """The next range at both peers, once the log has both histories up to there. Raises ReferenceLost, PeerError."""
        pin = min(self._state.peer(reference.name).captured, record.captured)
        self._window.pins[pin_of(member.name, collection.name)] = pin
        ranges = progress.of(collection.name)
        ranges.begin()
        after, lacking = record.joins.get(collection.name), self.lacking(reference.name, collection.name)
        try:
            theirs = await reference.peer.chunk(collection, after, min(ranges.size, SNAPSHOT_ROWS_MAX))
        except PeerError as error:
            raise ReferenceLost(str(error)) from error
        ranges.size = _fitting(theirs)
        alone = reference is member and (record.authority or self._authority.get(collection.name, "")) != member.name
        if alone:
            theirs = await progress.memory.complete(collection.name, after, theirs)
        upto = None if theirs.done else theirs.last
        mine = await self._read_mine(member, collection, record, progress, (after, upto), len(theirs.rows))
        if not mine.done and mine.last is not None:  # it has more rows than the reference here: the shorter range counts
            upto = mine.last
            end = order(upto)
            kept = tuple(pair for pair in theirs.rows if order(pair[0]) <= end)
            theirs = Chunk(kept, upto, False, theirs.position, theirs.watermark)
        await member.wait_captured(mine.position)
        if not await reference.wait_captured(theirs.position):
            raise ReferenceLost("its session ended")
        if alone:
            theirs = progress.memory.undo(collection.name, theirs, progress.bases_in(collection.name, after, upto))
        return RangeRead(after, upto, theirs, mine, pin, reference.name, lacking)

    async def _read_mine(
        self,
        member: Member,
        collection: Collection,
        record: PeerRecord,
        progress: Progress,
        span: tuple[Key | None, Key | None],
        count: int,
    ) -> Chunk:
        """The range at the joining peer. Where it had nothing more, and its history tells of no new rows, it has none now."""
        ranges = progress.of(collection.name)
        if ranges.bare and progress.own.is_blank and member.captured is not None:
            return Chunk((), None, True, member.captured, record.captured)
        mine = await member.peer.chunk(collection, span[0], max(count, min(ranges.size, SNAPSHOT_ROWS_MAX)), span[1])
        if not mine.rows and mine.done and not ranges.bare:
            beyond = await member.peer.chunk(collection, span[1], 1) if span[1] is not None else mine
            if not beyond.rows:
                await member.wait_captured(beyond.position)
                ranges.bare = True
        return mine

    def lacking(self, peer: str, collection: str) -> frozenset[Key]:
        """The keys of a collection that are parked at a peer."""
        return frozenset(key for name, place, key in self._window.exceptions if (name, place) == (peer, collection))


def _fitting(chunk: Chunk) -> int:
    """How many rows the next range may have, so that it fits into memory."""
    if not chunk.rows:
        return SNAPSHOT_ROWS_MIN
    size = chunk.block.weight if chunk.block is not None else weigh_rows([row for _, row in chunk.rows])
    return max(SNAPSHOT_ROWS_MIN // 10, SNAPSHOT_BYTES_MAX * len(chunk.rows) // max(1, size))
