"""Apply: a batch of writes and its watermark in one transaction, so that it takes effect exactly once.

The watermark comes first in the transaction: it fences off earlier sessions by its row lock, and capture knows our own
transactions by their first row. Everything here blocks and is run in the session's thread.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec
import pymysql

from syncline.model.change import Refusal
from syncline.model.errors import PeerChanged, PeerUnreachable
from syncline.model.limits import BUSY_SECONDS
from syncline.model.schema import Collection
from syncline.model.stamp import Offset
from syncline.model.write import Batch, Op, Write
from syncline.peers.mysql.careful import write_carefully
from syncline.peers.mysql.connect import BUSY, Connection, fetch, number_of, transaction
from syncline.peers.mysql.features import APPLYING, STATE
from syncline.peers.mysql.inspect import Catalog
from syncline.peers.mysql.layout import Layout
from syncline.peers.mysql.statement import Target
from syncline.peers.mysql.writing import Stages, execute, prepare, setback
from syncline.peers.protocol import Applied

_ORDER: Final = {Op.DELETE: 0, Op.UPDATE: 1, Op.UPSERT: 2}  # what makes room comes first
_PAUSE_SECONDS: Final = 0.05
# as replication writes: without foreign keys; only rows that are met are locked
_WRITER: Final = (
    f"SET SESSION foreign_key_checks = 0, {APPLYING} = 1",
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
)
_SPARE_BYTES: Final = 64 * 1024  # of a packet, for what stands around a row


Look = Callable[[Sequence[str]], Mapping[str, Catalog]]  # what the catalog says of tables now


def be_writer(connection: Connection) -> None:
    """Pin what only a session that applies needs."""
    for statement in _WRITER:
        connection.query(statement)


def enter(connection: Connection, nonce: str) -> Offset:
    """Write a session's nonce; the watermark as of then. Waits for an apply that is under way."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            with transaction(connection):
                fetch(connection, f"UPDATE {STATE} SET nonce = %s, beat = beat + 1", (nonce,))
                ((watermark,),) = fetch(connection, f"SELECT watermark FROM {STATE}")
                return int(watermark)
        except pymysql.err.Error as error:
            if number_of(error) not in BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE_SECONDS)


class _Altered(Exception):
    """A type was altered since the catalog was read: what was refused may be held now."""


class Applier:
    """Writes batches over one connection; one at a time."""

    def __init__(
        self,
        peer: str,
        connection: Connection,
        collections: Mapping[str, Collection],
        layouts: Mapping[str, Layout],
        look: Look,
    ) -> None:
        self._peer, self._connection = peer, connection
        self._collections, self._layouts, self._look = collections, layouts, look
        self._targets = self._find()
        ((packet,),) = fetch(connection, "SELECT @@max_allowed_packet")
        self._row_bytes_max = int(packet) - _SPARE_BYTES
        self._stages = Stages()
        self.nonce = ""  # of the session that this is; another one in the database fences it off

    def _find(self) -> dict[str, Target]:
        names = {name: self._layouts[name] for name in self._collections if name in self._layouts}
        found = self._look([layout.name for layout in names.values()])
        return {
            name: Target(self._collections[name], layout, found[layout.name])
            for name, layout in names.items()
            if layout.name in found
        }

    def _has_altered(self) -> bool:
        """Whether the tables' types are not those that were known; from now on they are."""
        before = {name: target.catalog.types for name, target in self._targets.items()}
        self._targets = self._find()
        return before != {name: target.catalog.types for name, target in self._targets.items()}

    def apply(self, batch: Batch) -> Applied:
        """Apply a batch; see the protocol. Raises driver errors that concern no single row; then nothing happened."""
        careful, tries, deadline = False, 0, time.monotonic() + BUSY_SECONDS
        while True:
            try:
                return self._attempt(batch, careful=careful)
            except _Altered:
                self._stages.clear()
            except pymysql.err.Error as error:
                self._stages.clear()
                if setback(error) and not careful:
                    careful = True
                elif number_of(error) in BUSY and time.monotonic() <= deadline:
                    tries += 1
                    time.sleep(_PAUSE_SECONDS * min(tries, 10))
                else:
                    raise

    def _attempt(self, batch: Batch, *, careful: bool) -> Applied:
        connection = self._connection
        with transaction(connection):
            rows = fetch(connection, f"SELECT watermark, nonce FROM {STATE} FOR UPDATE")
            if not rows or rows[0][1] != self.nonce:
                raise PeerUnreachable("this session is over", why="another one has entered since", peer=self._peer)
            if batch.writes and batch.upto <= rows[0][0]:
                return Applied(0)  # it took effect before: its commit was not heard of
            mark = f"UPDATE {STATE} SET watermark = %s, fingerprint = %s, refused = NULL, beat = beat + 1"
            fetch(connection, mark, (batch.upto, batch.fingerprint))
            refused = self._write(batch.writes, careful=careful)
            if refused and self._has_altered():
                raise _Altered
            if refused:
                blob = msgspec.msgpack.encode(tuple(refused))
                fetch(connection, f"UPDATE {STATE} SET refused = %s", (blob,))
        return Applied(sum(len(write.keys) for write in batch.writes) - len(refused), tuple(refused))

    def _write(self, writes: Sequence[Write], *, careful: bool) -> list[Refusal]:
        ordered = sorted((write for write in writes if write.keys), key=lambda write: _ORDER[write.op])
        targets = [self._target(write.collection) for write in ordered]
        prepared = [
            prepare(self._connection, write, target, self._row_bytes_max)
            for write, target in zip(ordered, targets, strict=True)
        ]
        if careful or any(one.odd for one in prepared):
            return write_carefully(self._connection, self._stages, prepared, self._row_bytes_max)
        for one in prepared:
            execute(self._connection, self._stages, one, 0, len(one.rows))
        return []

    def _target(self, collection: str) -> Target:
        target = self._targets.get(collection)
        if target is None:
            hint = "look at the tables, then let it join again"
            raise PeerChanged("this collection has no table here", hint=hint, peer=self._peer, collection=collection)
        return target
