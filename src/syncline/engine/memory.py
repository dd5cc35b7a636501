"""What the space's rows were, when nobody is left to ask: a returning peer's own rows, and what the log tells since then.

Every entry holds the whole row as it was after it. So a peer's rows as of its watermark, overlaid with the rows of all later
entries, are the space's rows, even where the peer went back in time, or lost what it wrote itself.
"""

import asyncio
from collections.abc import Mapping

from syncline.engine.closing import closing
from syncline.engine.tail import Tail
from syncline.model.key import order
from syncline.model.stamp import Offset
from syncline.model.value import Key, Row
from syncline.peers.protocol import Chunk


class Memory:
    """The rows of all entries after an offset, by collection and key; None where the row was deleted."""

    def __init__(self, tail: Tail, after: Offset) -> None:
        self._tail = tail
        self._reached = after
        self._rows: dict[str, dict[Key, Row | None]] = {}
        self._reading = asyncio.Lock()

    async def complete(self, collection: str, after: Key | None, chunk: Chunk) -> Chunk:
        """A range of the peer's own rows, brought up to what the log holds now."""
        await self._catch_up()
        rows: dict[Key, Row | None] = dict(chunk.rows)
        low = None if after is None else order(after)
        high = None if chunk.done or chunk.last is None else order(chunk.last)
        for key, row in self._rows.get(collection, {}).items():
            rank = order(key)
            if (low is None or rank > low) and (high is None or rank <= high):
                rows[key] = row
        return _with(chunk, rows)

    def undo(self, collection: str, chunk: Chunk, bases: Mapping[Key, Row | None]) -> Chunk:
        """The same without what the peer wrote itself while nobody heard of it: `bases` has the rows before that.

        Else its own work would be taken for what the space has, and the log would never tell of it.
        """
        told = self._rows.get(collection, {})
        own = {key: row for key, row in bases.items() if key not in told}
        return _with(chunk, dict(chunk.rows) | own) if own else chunk

    async def _catch_up(self) -> None:
        """One after the other: who reads older entries would put their rows over newer ones."""
        async with self._reading, closing(self._tail.since(self._reached)) as frames:
            async for entries in frames:
                for entry in entries:
                    self._reached = entry.offset
                    for change in entry.changes if entry.is_data else ():
                        self._rows.setdefault(change.collection, {})[change.key] = change.after


def _with(chunk: Chunk, rows: Mapping[Key, Row | None]) -> Chunk:
    known = sorted(((key, row) for key, row in rows.items() if row is not None), key=lambda pair: order(pair[0]))
    last = known[-1][0] if chunk.done and known else chunk.last
    return Chunk(tuple(known), last, chunk.done, chunk.position, chunk.watermark)
