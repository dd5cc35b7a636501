"""A simulated peer: the peers' protocol over a SimDatabase, answering at once. The network in between is elsewhere."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

import msgspec

from syncline.model.change import Transaction
from syncline.model.errors import PeerChanged, PeerRestored, Problem
from syncline.model.key import order
from syncline.model.schema import Collection, Column, Table
from syncline.model.schema import Kind as ValueKind
from syncline.model.stamp import Micros, Offset, Position
from syncline.model.value import Key, Row
from syncline.model.write import Batch
from syncline.peers.digest import ReadsDigests
from syncline.peers.protocol import Applied, Chunk, Features, Identity, Kept
from syncline.sim.columns import Asked, Columns, by_columns, transaction_of
from syncline.sim.database import SimDatabase


class SimPeer(ReadsDigests):
    """A connection to a database. Several may exist, one after the other or side by side.

    `columns`: rows come by columns, and neighbouring transactions in groups, of sizes that this generator draws. `chunk_rows`:
    by collection, so many rows a range has at most, however many are asked for. `captures`: else it only receives.
    """

    def __init__(
        self,
        database: SimDatabase,
        now: Callable[[], Micros],
        *,
        exact: bool = True,
        columns: random.Random | None = None,
        chunk_rows: Mapping[str, int] | None = None,
        captures: bool = True,
    ) -> None:
        self.name = database.name
        self.features = Features("simulated", captures, transactions_exact=exact and columns is None)
        self.database = database
        self._now, self._exact, self._chunk_rows = now, exact, chunk_rows or {}
        self._columns = Columns(database, columns) if columns is not None else None
        self._news = asyncio.Event()
        database.on_news.append(self._news.set)

    async def connect(self) -> Identity:
        """Who is there."""
        content = self.database.content
        end = self._asked()
        fresh, fingerprint = not content.incarnation, content.fingerprint
        forgotten = Position(content.trimmed)
        return Identity(content.incarnation, content.nonce, content.watermark, end, fresh, fingerprint, forgotten)

    async def inspect(self) -> dict[str, Table]:
        """The tables."""
        return {
            shape.table_at(self.name): Table(shape.table_at(self.name), _columns(shape), rows_estimate=len(self._rows(shape)))
            for shape in self.database.shapes.values()
        }

    async def check(self, collections: Sequence[Collection]) -> list[Problem]:
        """A simulated database meets every precondition."""
        return []

    async def advice(self, collections: Sequence[Collection]) -> list[str]:
        """Nothing could be better."""
        return []

    async def kept(self, after: Position | None) -> Kept | None:
        """Nothing: it forgets what was acknowledged."""
        return None

    async def changed(self) -> PeerChanged | None:
        """Nobody alters a simulated table."""
        return None

    async def setup(self, collections: Sequence[Collection]) -> Identity:
        """Install the footprint; idempotent. `fresh` tells that this call made it."""
        fresh = not self.database.content.incarnation
        self.database.set_up([collection.name for collection in collections], captures=self.features.captures)
        return msgspec.structs.replace(await self.connect(), fresh=fresh)

    async def enter(self, nonce: str) -> Offset:
        """Mark the database with this session's nonce."""
        self.database.content.nonce = nonce
        return self.database.content.watermark

    async def teardown(self) -> None:
        """Remove the footprint."""
        self.database.tear_down()

    async def stream(self, after: Position | None) -> AsyncIterator[Transaction]:
        """Commits after a position, for ever; at once the end of history if there is nothing newer."""
        asked = self.begin()
        try:
            found = self.poll(after, asked)
            if not found:
                content = self.database.content
                yield Transaction(self.name, self.database.end, content.watermark, self._now())
            while True:
                for transaction in found:
                    yield transaction
                    after = transaction.position
                self._news.clear()
                found = self.poll(after, asked)
                if not found:
                    await self._news.wait()
        finally:
            self.end(asked)

    def begin(self) -> Asked:
        """A stream begins; what `poll` needs to know of it."""
        return set() if self._columns is None else self._columns.begin()

    def end(self, asked: Asked) -> None:
        """A stream has ended."""
        if self._columns is not None:
            self._columns.end(asked)

    def poll(self, after: Position | None, asked: Asked) -> list[Transaction]:
        """The commits after a position, as far as they are still there. Raises PeerRestored for another history's position."""
        content = self.database.content
        if not self.features.captures:
            return self._deliveries(after, asked)
        start = content.trimmed if after is None else max(after.major, content.trimmed)
        if after is not None and after.major > content.number:
            why = f"its history ends at {content.number}, the log has it up to {after.major}"
            raise PeerRestored("this is not the history that the log knows", peer=self.name, why=why)
        if after is not None and after.text and after.major > content.trimmed:
            found = content.history[after.major - content.trimmed - 1].position
            if found != after:
                why = f"commit {after.major} is not the one that the log has"
                raise PeerRestored("this is not the history that the log knows", peer=self.name, why=why)
        commits = self.database.poll(start, exact=self._exact)
        if self._columns is not None:
            return self._columns.told(self.name, commits, asked)
        return [transaction_of(self.name, one) for one in commits]

    def _deliveries(self, after: Position | None, asked: Asked) -> list[Transaction]:
        """How far it was brought, and what it refused with that, unless a stream was told so before."""
        content = self.database.content
        if after is not None and after.major > content.watermark:
            raise PeerRestored(
                "this is not the history that the log knows", peer=self.name, why=f"it is at {content.watermark}"
            )
        if asked and after is not None and after.major == content.watermark:
            return []
        asked.add(content.watermark)
        where, now = self.database.end, self._now()
        return [Transaction(self.name, where, content.watermark, now, (), content.refused)]

    async def position(self) -> Position:
        """The end of the history."""
        return self._asked()

    def _asked(self) -> Position:
        """The end of the history, for somebody who may wait for it: no group reaches beyond."""
        if self._columns is not None:
            self._columns.ask()
        return self.database.end

    async def acknowledge(self, upto: Position) -> None:
        """Forget the history up to here."""
        self.database.trim(upto.major)

    async def apply(self, batch: Batch) -> Applied:
        """Apply a batch with its watermark."""
        commit = self.database.apply(batch)
        if commit is None:
            return Applied(0)
        return Applied(sum(len(write.keys) for write in batch.writes) - len(commit.refused), commit.refused)

    async def chunk(self, collection: Collection, after: Key | None, limit: int, upto: Key | None = None) -> Chunk:
        """Rows of a key range, as of now."""
        keys = self._range(collection, after, upto)
        rows = self._rows(collection)
        taken = keys[: min(limit, self._chunk_rows.get(collection.name, limit))]
        chunk = self._chunk(tuple((key, rows[key]) for key in taken), done=len(taken) == len(keys))
        return chunk if self._columns is None else by_columns(chunk, collection)

    async def rows(self, collection: Collection, keys: Sequence[Key]) -> Chunk:
        """The rows of these keys, as of now."""
        rows = self._rows(collection)
        return self._chunk(tuple((key, rows[key]) for key in keys if key in rows), done=True)

    async def clock(self) -> Micros:
        """The database's own clock."""
        return self._now()

    async def close(self) -> None:
        """Nothing is held."""

    def _rows(self, collection: Collection) -> dict[Key, Row]:
        return self.database.content.tables[collection.name]

    def _range(self, collection: Collection, after: Key | None, upto: Key | None) -> list[Key]:
        low = None if after is None else order(after)
        high = None if upto is None else order(upto)
        ranked = sorted((order(key), key) for key in self._rows(collection))
        return [key for rank, key in ranked if (low is None or rank > low) and (high is None or rank <= high)]

    def _chunk(self, rows: tuple[tuple[Key, Row], ...], *, done: bool) -> Chunk:
        content = self.database.content
        return Chunk(rows, rows[-1][0] if rows else None, done, self._asked(), content.watermark)


def _columns(shape: Collection) -> tuple[Column, ...]:
    kinds = shape.kinds or (ValueKind.ANY,) * len(shape.columns)
    parts = {name: place for place, name in enumerate(shape.key, start=1)}
    return tuple(
        Column(name, kind.value, kind, key_part=parts.get(name, 0)) for name, kind in zip(shape.columns, kinds, strict=True)
    )
