"""Puts the messages of a stream together into transactions. Pure.

A transaction of ours begins by writing the watermark: it yields only context, and its rows are not even decoded. A large
one of somebody else's is given out in parts, cut by what was received alone, so that a restart cuts it in the same way.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from syncline.model.change import Change, Refusal, Transaction
from syncline.model.errors import PeerChanged
from syncline.model.limits import BATCH_BYTES_MAX, INGEST_ROWS_MAX, TRANSACTION_ROWS_MAX
from syncline.model.stamp import Offset, Position
from syncline.peers.postgres.decode import BEGIN, COMMIT, EPOCH_MICROS, Decoder
from syncline.peers.postgres.footprint import position

PART_ROWS: Final = INGEST_ROWS_MAX  # of a transaction that is larger than TRANSACTION_ROWS_MAX
_REFUSALS: Final = msgspec.msgpack.Decoder(tuple[Refusal, ...])


class Seen(NamedTuple):
    """A transaction as received, with the number that snapshots know it by."""

    xid: int
    end: int
    transaction: Transaction


class Assembler:
    """Fed with messages in order. `context`: the watermark before the first one; `after`: where reading goes on."""

    def __init__(self, peer: str, decoder: Decoder, context: Offset, after: Position) -> None:
        self._peer, self._decoder, self.context, self._after = peer, decoder, context, after
        self.inside = False
        self.end = after.major  # of the last transaction
        self.damage: PeerChanged | None = None
        self._final = self._time = self._xid = self._part = self._bytes = self._rows = 0
        self._rows_max = TRANSACTION_ROWS_MAX
        self._ours: Offset | None = None
        self._refused: tuple[Refusal, ...] = ()
        self._pending: list[bytes] = []
        self._changes: list[Change] = []

    def feed(self, message: bytes) -> Iterator[Seen]:
        """Take one message; yield what is complete by now. Raises PeerChanged at the row that tells of it.

        `damage`: the transaction that is being received did something that its log does not tell.
        """
        kind = message[0]
        if kind in (73, 85, 68):  # I, U, D
            self._row(message)
            if self._rows >= self._rows_max or self._bytes > BATCH_BYTES_MAX:
                yield from self._cut()
        elif kind == 66:  # B
            self._begin(message)
        elif kind == 67:  # C
            yield from self._commit(message)
        elif kind == 82:  # R
            self._decode()  # what came before looks as it did before
            self._decoder.relation(message)
        elif kind == 84 and self._ours is None:  # T
            self.damage = self._decoder.truncated(message)

    def _begin(self, message: bytes) -> None:
        self._final, micros, self._xid = BEGIN.unpack(message)
        self._time = micros + EPOCH_MICROS
        self._decoder.at = self._final
        self.inside, self._ours, self._refused = True, None, ()
        self._part = self._bytes = self._rows = 0
        self._rows_max = TRANSACTION_ROWS_MAX

    def _row(self, message: bytes) -> None:
        mark = self._decoder.mark(message) if message[1:5] == self._decoder.state_table else None
        if mark is not None:
            self._ours, self._pending = mark.watermark, []
            self._refused = _REFUSALS.decode(mark.refused) if mark.refused else ()
        elif self._ours is None:
            self._pending.append(message)
            self._bytes += len(message)
            self._rows += 1

    def _decode(self) -> None:
        if self._pending:
            pending, self._pending = self._pending, []
            self._changes += self._decoder.changes(pending)

    def _cut(self) -> Iterator[Seen]:
        """Give out parts of a transaction that is still going on: they stand just before its own commit."""
        while self._pending:
            rows, self._pending = self._pending[:PART_ROWS], self._pending[PART_ROWS:]
            changes = (*self._changes, *self._decoder.changes(rows))
            self._changes = []
            self._part += 1
            where = position(self._final, self.context, self._part)
            if (where.major, where.minor) > (self._after.major, self._after.minor) and changes:
                yield Seen(self._xid, self._final, Transaction(self._peer, where, self.context, self._time, changes))
        self._rows_max, self._bytes, self._rows = PART_ROWS, 0, 0

    def _commit(self, message: bytes) -> Iterator[Seen]:
        _, _, end, _ = COMMIT.unpack(message)
        self._decode()
        changes, self._changes = tuple(self._changes), []
        self.inside, self.end = False, end
        if end <= self._after.major:
            return
        if self._ours is not None:
            self.context = self._ours
            where = position(end, self.context)
            yield Seen(self._xid, end, Transaction(self._peer, where, self.context, self._time, (), self._refused))
        elif changes:
            where = position(end, self.context)
            yield Seen(self._xid, end, Transaction(self._peer, where, self.context, self._time, changes))
