"""Apply: a batch of writes and its watermark in one transaction, so that it takes effect exactly once.

The watermark comes first in the transaction: it fences off earlier sessions by its row lock, and capture knows our own
transactions by their first row. The commit is flushed (synchronous_commit local, not off): one flush per batch costs less
than a thousandth of it, and the stream tells of a commit only once it is flushed, so 'off' would delay every confirmation.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
import psycopg

from syncline.model.change import Refusal
from syncline.model.errors import PeerChanged, PeerUnreachable
from syncline.model.limits import BUSY_SECONDS
from syncline.model.schema import Collection
from syncline.model.write import Batch, Op, Write
from syncline.peers.postgres.careful import write_carefully
from syncline.peers.postgres.connect import Connection
from syncline.peers.postgres.features import STATE
from syncline.peers.postgres.inspect import Catalog
from syncline.peers.postgres.layout import Layout
from syncline.peers.postgres.statement import Target
from syncline.peers.postgres.writing import Prepared, Setbacks, Stages, execute, prepare
from syncline.peers.protocol import Applied

_ORDER: Final = {Op.DELETE: 0, Op.UPDATE: 1, Op.UPSERT: 2}  # what makes room comes first
_PAUSE_SECONDS: Final = 0.05
_PASSING: Final = (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected, psycopg.errors.LockNotAvailable)
_LOCK_SECONDS: Final = 0.2  # well under deadlock_timeout: in a deadlock it is our batch that begins anew, not a user's work
# an index is the way to a batch's rows: without figures of a staging table the planner would read whole tables
_BEGIN: Final = (
    f"SET LOCAL synchronous_commit = local; SET LOCAL lock_timeout = '{_LOCK_SECONDS * 1000:.0f}ms'; "
    "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET CONSTRAINTS ALL DEFERRED"
).encode()


class Applier:
    """Writes batches over one connection; one at a time."""

    def __init__(
        self,
        peer: str,
        connection: Connection,
        collections: Mapping[str, Collection],
        layouts: Mapping[str, Layout],
        catalogs: Mapping[str, Catalog],
        *,
        replicates: bool,
    ) -> None:
        self._peer, self._connection = peer, connection
        self._targets = {
            name: Target(collection, layouts[name], catalogs[layouts[name].name])
            for name, collection in collections.items()
            if name in layouts and layouts[name].name in catalogs
        }
        self._replicates = replicates  # the session writes as replication does: no triggers, no foreign keys
        self._stages = Stages()
        self.nonce = ""  # of the session that this is; another one in the database fences it off

    async def apply(self, batch: Batch) -> Applied:
        """Apply a batch; see the protocol. Raises driver errors that concern no single row; then nothing happened."""
        careful, tries, deadline = False, 0, time.monotonic() + BUSY_SECONDS
        while True:
            try:
                return await self._attempt(batch, careful=careful)
            except Setbacks:
                self._stages.clear()
                if careful:
                    raise
                careful = True
            except _PASSING:
                self._stages.clear()
                tries += 1
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(_PAUSE_SECONDS * min(tries, 10))
            except BaseException:
                self._stages.clear()
                raise

    async def _attempt(self, batch: Batch, *, careful: bool) -> Applied:
        connection = self._connection
        async with connection.transaction():
            await connection.execute(_BEGIN)
            if self._replicates:
                await connection.execute(b"SET LOCAL session_replication_role = replica")
            row = await (await connection.execute(f"SELECT watermark, nonce FROM {STATE} FOR UPDATE".encode())).fetchone()
            if row is None or row[1] != self.nonce:
                raise PeerUnreachable("this session is over", why="another one has entered since", peer=self._peer)
            if batch.writes and batch.upto <= row[0]:
                return Applied(0)  # it took effect before: its commit was not heard of
            mark = f"UPDATE {STATE} SET watermark = %s, fingerprint = %s, refused = NULL"
            await connection.execute(mark.encode(), (batch.upto, batch.fingerprint))
            refused = await self._write(batch.writes, careful=careful)
            if refused:
                blob = msgspec.msgpack.encode(tuple(refused))
                await connection.execute(f"UPDATE {STATE} SET refused = %s".encode(), (blob,))
            if not self._replicates:
                await connection.execute(b"SET CONSTRAINTS ALL IMMEDIATE")
        return Applied(sum(len(write.keys) for write in batch.writes) - len(refused), tuple(refused))

    async def _write(self, writes: Sequence[Write], *, careful: bool) -> list[Refusal]:
        ordered = sorted(writes, key=lambda write: _ORDER[write.op])
        prepared = [await prepare(self._connection, write, self._target(write.collection)) for write in ordered if write.keys]
        if careful and not self._replicates:
            await self._connection.execute(b"SET CONSTRAINTS ALL IMMEDIATE")  # so that a row's own savepoint meets them
        if careful or any(one.odd for one in prepared):
            return await write_carefully(self._connection, self._stages, prepared, may_remove=self._replicates)
        for one in prepared:
            await self._write_all(one)
        return []

    async def _write_all(self, prepared: Prepared) -> None:
        await execute(self._connection, self._stages, prepared, 0, len(prepared.places))

    def _target(self, collection: str) -> Target:
        target = self._targets.get(collection)
        if target is None:
            hint = "look at the tables, then let it join again"
            raise PeerChanged("this collection has no table here", hint=hint, peer=self._peer, collection=collection)
        return target
