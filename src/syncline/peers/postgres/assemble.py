"""Puts the messages of a stream together into transactions. Pure.

A transaction of ours begins by writing the watermark: it yields only context, and its rows are not even decoded. A large
one of somebody else's is given out in parts, cut by what was received alone, so that a restart cuts it in the same way. Many
small ones that were received at once are given out as one: they cost what one does.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import msgspec

from syncline.model.block import Block
from syncline.model.change import Change, Refusal, Transaction
from syncline.model.errors import PeerChanged
from syncline.model.limits import BATCH_BYTES_MAX, INGEST_ROWS_MAX, TRANSACTION_ROWS_MAX
from syncline.model.stamp import Micros, Offset, Position
from syncline.peers.asked import Asked
from syncline.peers.postgres.decode import BEGIN, COMMIT, EPOCH_MICROS, Decoder
from syncline.peers.postgres.footprint import position

PART_ROWS: Final = INGEST_ROWS_MAX  # of a transaction that is larger than TRANSACTION_ROWS_MAX
GROUP_MIN: Final = 8  # transactions that are given out as one
BLOCK_ROWS_MIN: Final = 20  # of a transaction whose rows are given out by columns
_REFUSALS: Final = msgspec.msgpack.Decoder(tuple[Refusal, ...])


class Seen(NamedTuple):
    """A transaction as received, with the number that snapshots know it by."""

    xid: int
    end: int
    transaction: Transaction
    parts: tuple["Seen", ...] = ()  # where it is several: each without its changes


class Whole(NamedTuple):
    """A small transaction that was received."""

    xid: int
    end: int
    final: int
    time: Micros
    messages: list[bytes]


NOTHING: Final = Transaction("", Position(0), 0, 0)


class Assembler:
    """Fed with messages in order. `context`: the watermark before the first one; `after`: where reading goes on."""

    def __init__(self, peer: str, decoder: Decoder, context: Offset, after: Position, asked: Asked) -> None:
        self._peer, self._decoder, self.context, self._after = peer, decoder, context, after
        self.inside = False
        self.end = after.major  # of the last transaction
        self._asked = asked
        self.damage: PeerChanged | None = None
        self._final = self._time = self._xid = self._part = self._bytes = self._rows = 0
        self._rows_max = TRANSACTION_ROWS_MAX
        self._ours: Offset | None = None
        self._refused: tuple[Refusal, ...] = ()
        self._pending: list[bytes] = []
        self._changes: list[Change] = []
        self._group: list[Whole] = []
        self._grouped = 0  # rows

    @property
    def cutting(self) -> bool:
        """Whether parts of a transaction were given out that is still going on."""
        return self.inside and self._part > 0

    def feed(self, message: bytes) -> Iterator[Seen]:
        """Take one message; yield what is complete by now. Raises PeerChanged at the row that tells of it.

        `damage`: the transaction that is being received did something that its log does not tell.
        """
        kind = message[0]
        if kind in (73, 85, 68):  # I, U, D
            self._row(message)
            if self._rows >= self._rows_max or self._bytes > BATCH_BYTES_MAX:
                yield from self.flush()
                yield from self._cut()
        elif kind == 66:  # B
            self._begin(message)
        elif kind == 67:  # C
            yield from self._commit(message)
        elif kind == 82:  # R
            yield from self.flush()
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
            earlier, self._changes = self._changes, []
            self._part += 1
            where = position(self._final, self.context, self._part)
            if (where.major, where.minor) <= (self._after.major, self._after.minor):
                continue
            blocks = None if earlier else self._decoder.blocks(rows)
            changes = (*earlier, *self._decoder.changes(rows)) if blocks is None else ()
            if changes or blocks:
                made = Transaction(self._peer, where, self.context, self._time, changes, blocks=blocks or ())
                yield Seen(self._xid, self._final, made)
        self._rows_max, self._bytes, self._rows = PART_ROWS, 0, 0

    def _commit(self, message: bytes) -> Iterator[Seen]:
        _, _, end, _ = COMMIT.unpack(message)
        self.inside, self.end = False, end
        if self._ours is not None:
            yield from self.flush()
            if end > self._after.major:
                self.context = self._ours
                where = position(end, self.context)
                yield Seen(self._xid, end, Transaction(self._peer, where, self.context, self._time, (), self._refused))
        elif self._changes or self._part:
            self._decode()
            changes, self._changes = tuple(self._changes), []
            if end > self._after.major and changes:
                where = position(end, self.context)
                yield Seen(self._xid, end, Transaction(self._peer, where, self.context, self._time, changes))
        elif self._pending:
            pending, self._pending = self._pending, []
            if end > self._after.major:
                if self._group and self._asked.parts(self._group[-1].end, end):
                    yield from self.flush()
                self._group.append(Whole(self._xid, end, self._final, self._time, pending))
                self._grouped += len(pending)
                if self._grouped >= INGEST_ROWS_MAX:
                    yield from self.flush()

    def flush(self) -> Iterator[Seen]:
        """Give out what waits for more. Call it when there is nothing more for now."""
        group, self._group, self._grouped = self._group, [], 0
        if not group:
            return
        blocks = None
        if not self._asked.alone and len(group) >= GROUP_MIN:
            last = group[-1]
            ages = [last.time - one.time for one in group for _ in one.messages]
            blocks = self._blocks([message for one in group for message in one.messages], last.final, ages)
        if blocks is None:
            for one in group:
                yield from self._single(one)
        elif blocks:
            yield self._together(group, blocks)

    def _blocks(self, messages: list[bytes], final: int, ages: Sequence[Micros]) -> tuple[Block, ...] | None:
        self._decoder.at = final
        return self._decoder.blocks(messages, ages)

    def _together(self, group: list[Whole], blocks: tuple[Block, ...]) -> Seen:
        """Several transactions as one, which can be had one by one."""
        last, context, decoder = group[-1], self.context, self._decoder.as_now()

        def split() -> list[Transaction]:
            found = []
            for one in group:
                decoder.at = one.final
                changes = tuple(decoder.changes(one.messages))
                found.append(Transaction(self._peer, position(one.end, context), context, one.time, changes))
            return found

        where = position(last.end, context)
        parts = tuple([Seen(one.xid, one.end, NOTHING) for one in group])
        made = Transaction(self._peer, where, context, last.time, blocks=blocks, split=split)
        return Seen(last.xid, last.end, made, parts)

    def _single(self, one: Whole) -> Iterator[Seen]:
        """One transaction: by columns where it is worth it."""
        where = position(one.end, self.context)
        if len(one.messages) >= BLOCK_ROWS_MIN:
            blocks = self._blocks(one.messages, one.final, ())
            if blocks:
                yield Seen(one.xid, one.end, Transaction(self._peer, where, self.context, one.time, blocks=blocks))
            if blocks is not None:
                return
        self._decoder.at = one.final
        changes = tuple(self._decoder.changes(one.messages))
        if changes:
            yield Seen(one.xid, one.end, Transaction(self._peer, where, self.context, one.time, changes))
