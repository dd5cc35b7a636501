"""A file with a peer on it, for tests of one peer: plain SQL on one side, the peers' protocol on the other."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from syncline.model.change import Change, Transaction
from syncline.model.schema import Collection
from syncline.model.stamp import Position
from syncline.model.value import Key, Row
from syncline.model.write import Batch, Op, Write
from syncline.peers.conformance.reading import captured, run
from syncline.peers.protocol import Applied
from syncline.peers.sqlite import SqlitePeer, open_peer

_T = TypeVar("_T")
__all__ = ["Office", "office", "run"]


class Office:
    """`sql`: a program's connection. `peer`: set up for `collections`."""

    def __init__(self, path: Path, collections: Sequence[Collection]) -> None:
        self.path = path
        self.collections = collections
        self.sql = sqlite3.connect(path, isolation_level=None, timeout=10)
        self.peer: SqlitePeer = open_peer("here", f"sqlite:///{path}", poll_seconds=0.005)
        self.upto = 0

    async def captured(self, after: Position | None = None) -> list[Transaction]:
        """Everything up to the end of history."""
        return await captured(self.peer, after)

    async def changes(self, after: Position | None = None) -> list[Change]:
        """All changes up to the end of history."""
        return [change for transaction in await self.captured(after) for change in transaction.changes]

    async def apply(self, *writes: Write) -> Applied:
        """Apply writes as the next batch."""
        self.upto += 1
        return await self.peer.apply(Batch(self.upto, writes, sum(len(write.keys) for write in writes)))

    async def rows(self, collection: Collection | None = None) -> dict[Key, Row]:
        """The rows of a collection, as the peer reads them."""
        return dict((await self.peer.chunk(collection or self.collections[0], None, 100_000)).rows)

    def upsert(self, *rows: Row, collection: Collection | None = None) -> Write:
        """Whole rows."""
        shape = collection or self.collections[0]
        keys = tuple(tuple(row[place] for place in shape.key_places) for row in rows)
        return Write(Op.UPSERT, shape.name, keys, shape.columns, (), rows)

    def delete(self, *keys: Key) -> Write:
        """Rows by key."""
        return Write(Op.DELETE, self.collections[0].name, keys)

    def update(self, fields: Sequence[str], *pairs: tuple[Key, Row], deltas: Sequence[str] = ()) -> Write:
        """Some fields of rows."""
        keys, rows = tuple(key for key, _ in pairs), tuple(row for _, row in pairs)
        return Write(Op.UPDATE, self.collections[0].name, keys, tuple(fields), tuple(deltas), rows)


@asynccontextmanager
async def office(
    folder: Path, schema: str, *collections: Collection, name: str = "office", wal: bool = True
) -> AsyncIterator[Office]:
    """A new file with this schema, and a peer that is set up on it."""
    path = folder / f"{name}.db"
    with sqlite3.connect(path) as maker:
        if wal:
            maker.execute("PRAGMA journal_mode=WAL")
        maker.executescript(schema)
    maker.close()
    place = Office(path, collections)
    try:
        await place.peer.connect()
        await place.peer.setup(collections)
        yield place
    finally:
        await place.peer.close()
        place.sql.close()


async def soon(work: Awaitable[_T], seconds: float = 20.0) -> _T:
    """The result of work that must not take long."""
    async with asyncio.timeout(seconds):
        return await work
