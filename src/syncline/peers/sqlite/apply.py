"""Apply: a batch of writes and its watermark in one transaction, so that it takes effect exactly once.

The triggers see our writes like anybody's; their records are removed again before the commit, and one watermark record
stands for the whole transaction. So no writer pays for asking whether Syncline is writing.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from syncline.model.change import Refusal
from syncline.model.errors import PeerChanged, PeerUnreachable
from syncline.model.limits import TRIM_ROWS_MAX
from syncline.model.schema import Collection
from syncline.model.value import Key
from syncline.model.write import Batch, Op, Write
from syncline.peers.protocol import Applied
from syncline.peers.sqlite.careful import Job, RolledBack, write_carefully
from syncline.peers.sqlite.effects import Answered, Rounds, keep_effects
from syncline.peers.sqlite.features import CHANGELOG, STATE, WATERMARK
from syncline.peers.sqlite.footprint import find_damage, refresh
from syncline.peers.sqlite.inspect import catalog
from syncline.peers.sqlite.layout import Layout, load_layouts
from syncline.peers.sqlite.statement import Target
from syncline.peers.sqlite.triggers import NOW
from syncline.peers.sqlite.writing import Prepared, Setbacks, execute, prepare

_ORDER: Final = {Op.DELETE: 0, Op.UPDATE: 1, Op.UPSERT: 2}  # what makes room comes first
_Where = tuple[str, Key]


class Applier:
    """Writes batches over one connection. Not thread-safe: one thread at a time."""

    def __init__(self, peer: str, connection: sqlite3.Connection, collections: Mapping[str, Collection]) -> None:
        self._peer, self._connection, self._collections = peer, connection, collections
        self._schema = -1
        self._layouts: dict[int, Layout] = {}
        self._targets: dict[str, Target] = {}
        self._rounds = Rounds()
        self.nonce = ""  # of the session that this is; another one in the file fences it off
        self.acknowledged = 0  # records up to here may be forgotten
        self._trimmed = 0

    def apply(self, batch: Batch) -> Applied:
        """Apply a batch; see the protocol. Raises sqlite3 errors that concern no single row; then nothing happened."""
        left_out: dict[_Where, Refusal] = {}
        careful = singly = False
        while True:
            try:
                return self._attempt(batch, left_out, careful=careful, singly=singly)
            except _Careful:
                careful = True
            except RolledBack as lost:
                left_out[lost.refusal.collection, lost.refusal.key] = lost.refusal
            except Answered as answered:
                left_out |= {(refusal.collection, refusal.key): refusal for refusal in answered.refusals}
            except Setbacks:
                if singly:
                    raise
                careful = singly = True  # a trigger of the user's rolled the transaction back: find out at which row

    def _attempt(self, batch: Batch, left_out: Mapping[_Where, Refusal], *, careful: bool, singly: bool) -> Applied:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            self._learn()
            watermark, nonce = connection.execute(f"SELECT watermark, nonce FROM {STATE}").fetchone()
            if nonce != self.nonce:
                raise PeerUnreachable("this session is over", why="another one has entered since", peer=self._peer)
            if batch.writes and batch.upto <= watermark:
                connection.execute("ROLLBACK")
                return Applied(0)  # it took effect before: its commit was not heard of
            connection.execute(f"UPDATE {STATE} SET applying = 1")
            marked = f"INSERT INTO {CHANGELOG} (kind, at, b0) VALUES ({WATERMARK}, {NOW}, ?)"
            mark = int(connection.execute(marked, (batch.upto,)).lastrowid or 0)
            refused = self._write(batch.writes, left_out, mark, careful=careful, singly=singly)
            if refused:
                blob = msgspec.msgpack.encode(tuple(refused))
                connection.execute(f"UPDATE {CHANGELOG} SET a0 = ? WHERE seq = ?", (blob, mark))
            self.trim()
            connection.execute(
                f"UPDATE {STATE} SET applying = 0, watermark = ?, fingerprint = ?", (batch.upto, batch.fingerprint)
            )
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return Applied(sum(len(write.keys) for write in batch.writes) - len(refused), tuple(refused))

    def _learn(self) -> None:
        """Read the catalog again if it changed, and renew triggers as it asks. Raises PeerChanged for a table that is gone."""
        (schema,) = self._connection.execute("PRAGMA schema_version").fetchone()
        if schema == self._schema:
            return
        layouts = load_layouts(self._connection)
        find_damage(self._connection, self._peer, layouts.values())
        self._layouts = {n: refresh(self._connection, one) if one.active else one for n, one in layouts.items()}
        self._targets = {
            layout.collection: Target(self._collections[layout.collection], layout, catalog(self._connection, layout.table))
            for layout in self._layouts.values()
            if layout.active and layout.collection in self._collections
        }
        (self._schema,) = self._connection.execute("PRAGMA schema_version").fetchone()

    def _target(self, collection: str) -> Target:
        target = self._targets.get(collection)
        if target is None or not target.catalog.table.columns:
            hint = "look at the tables, then let it join again"
            raise PeerChanged("this collection has no table here", hint=hint, peer=self._peer, collection=collection)
        return target

    def _write(
        self, writes: Sequence[Write], left_out: Mapping[_Where, Refusal], mark: int, *, careful: bool, singly: bool
    ) -> list[Refusal]:
        ordered = sorted((_without(write, left_out) for write in writes), key=lambda write: _ORDER[write.op])
        prepared = [prepare(write, self._target(write.collection)) for write in ordered if write.keys]
        refused = list(left_out.values())
        if careful or any(one.odd for one in prepared):
            refused += write_carefully(self._connection, prepared, singly=singly)
        else:
            self._write_fast(prepared)
        if any(one.target.has_triggers for one in prepared):
            gone = {(refusal.collection, refusal.key) for refusal in refused}
            jobs = [Job(one.write, place, one.target) for one in prepared for place in range(len(one.write.keys))]
            written = [job for job in jobs if (job.write.collection, job.write.keys[job.place]) not in gone]
            refused += keep_effects(self._connection, self._layouts, written, mark, self._rounds)
        else:
            self._connection.execute(f"DELETE FROM {CHANGELOG} WHERE seq > ?", (mark,))
        return refused

    def _write_fast(self, prepared: Sequence[Prepared]) -> None:
        """Without a savepoint, for which SQLite would keep a copy of every page that is written to. Raises _Careful."""
        try:
            for one in prepared:
                execute(self._connection, one, 0, len(one.rows))
        except Setbacks as error:
            if not self._connection.in_transaction:
                raise
            raise _Careful from error

    @property
    def to_trim(self) -> int:
        """About how many records may be forgotten now."""
        return self.acknowledged - 1 - self._trimmed

    def trim(self) -> None:
        """Forget some acknowledged records, inside a transaction. The last acknowledged one stays."""
        connection = self._connection
        (trimmed,) = connection.execute(f"SELECT trimmed FROM {STATE}").fetchone()
        (newest,) = connection.execute(f"SELECT max(seq) FROM {CHANGELOG}").fetchone()
        upto = min(self.acknowledged - 1, newest - 1, trimmed + TRIM_ROWS_MAX)
        self._trimmed = max(trimmed, upto)
        if upto <= trimmed:
            return
        held = f"SELECT b0 FROM {CHANGELOG} WHERE kind = {WATERMARK} AND seq <= ? ORDER BY seq DESC LIMIT 1"
        row = connection.execute(held, (upto,)).fetchone()
        connection.execute(f"DELETE FROM {CHANGELOG} WHERE seq <= ?", (upto,))
        kept = f"UPDATE {STATE} SET trimmed = ?, trimmed_watermark = COALESCE(?, trimmed_watermark)"
        connection.execute(kept, (upto, row[0] if row else None))


class _Careful(Exception):
    """The fast way met a constraint: the transaction has to begin anew, row by row where need be."""


def _without(write: Write, left_out: Mapping[_Where, Refusal]) -> Write:
    """The write without rows that are left out."""
    if not left_out:
        return write
    kept = [place for place, key in enumerate(write.keys) if (write.collection, key) not in left_out]
    rows = tuple(write.rows[place] for place in kept) if write.rows else ()
    return msgspec.structs.replace(write, keys=tuple(write.keys[place] for place in kept), rows=rows)
