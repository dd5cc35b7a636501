"""Puts the messages of a stream together into transactions. Pure.

A transaction of ours begins by writing the watermark: it yields only context, and its rows are not even decoded. A large
one of somebody else's is given out in parts, cut by what was received alone, so that a restart cuts it in the same way. Many
small ones that were received at once are given out as one: they cost what one does.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from syncline.model.block import Block
from syncline.model.change import Change, Refusal, Transaction
from syncline.model.errors import PeerChanged
from syncline.model.limits import BATCH_BYTES_MAX, INGEST_ROWS_MAX, TRANSACTION_ROWS_MAX
from syncline.model.stamp import Offset, Position
from syncline.peers.arrays import Indexes, np
from syncline.peers.asked import Asked
from syncline.peers.postgres.decode import BEGIN, COMMIT, EPOCH_MICROS, Decoder
from syncline.peers.postgres.footprint import REFUSALS, position
from syncline.peers.postgres.runs import Pieces, Run, Whole, wholes
from syncline.peers.postgres.tuples import Joined

PART_ROWS: Final = INGEST_ROWS_MAX  # of a transaction that is larger than TRANSACTION_ROWS_MAX
MANY: Final = 40  # messages, from which on they are looked at at once
REST_MAX: Final = 2_000  # messages of a transaction that is not complete, up to which they wait for what comes next
GROUP_MIN: Final = 3  # transactions that are given out as one
BLOCK_ROWS_MIN: Final = 20  # of a transaction whose rows are given out by columns


class Seen(NamedTuple):
    """A transaction as received, with the number that snapshots know it by."""

    xid: int
    end: int
    transaction: Transaction
    parts: tuple[tuple[int, int], ...] = ()  # where it is several: `xid` and `end` of each


class Assembler:
    """Fed with messages in order. `context`: the watermark before the first one; `after`: where reading goes on."""

    def __init__(self, peer: str, decoder: Decoder, context: Offset, after: Position, asked: Asked) -> None:
        self._peer, self._decoder, self.context, self._after = peer, decoder, context, after
        self._inside = False
        self.end = after.major  # of the last transaction
        self._asked = asked
        self.damage: PeerChanged | None = None
        self._final = self._time = self._xid = self._part = self._bytes = self._rows = 0
        self._rows_max = TRANSACTION_ROWS_MAX
        self._ours: Offset | None = None
        self._refused: tuple[Refusal, ...] = ()
        self._pending: list[bytes] = []
        self._changes: list[Change] = []
        self._group: list[Whole | Run] = []
        self._grouped = self._grouped_end = 0  # rows, and where the last of them ends
        self._rest: Sequence[bytes] = ()  # the beginning of a transaction, which goes with what comes next

    @property
    def inside(self) -> bool:
        """Whether a transaction has begun that is not complete."""
        return self._inside or len(self._rest) > 0

    @property
    def cutting(self) -> bool:
        """Whether parts of a transaction were given out that is still going on."""
        return self._inside and self._part > 0

    def feed(self, messages: Sequence[bytes]) -> Iterator[Seen]:
        """Take messages; yield what is complete by now. Raises PeerChanged at the row that tells of it.

        `damage`: the transaction that is being received did something that its log does not tell.
        """
        if self._rest:
            messages, self._rest = [*self._rest, *messages], ()
        if len(messages) < MANY or self._asked.alone:
            yield from self._feed_each(messages)
            return
        at, pieces = 0, Pieces(messages, self._decoder.state_oid)
        while at < len(messages) and self.damage is None:
            upto = at if self._inside else pieces.plain(at)
            run = pieces.run(at, upto, TRANSACTION_ROWS_MAX) if upto > at else None
            if run is not None:
                yield from self._take_run(run)
                at = upto
            elif not self._inside and len(messages) - at < REST_MAX and pieces.is_open(at):
                self._rest, at = messages[at:], len(messages)
            else:
                upto = self._stretch(pieces, at)
                yield from self._feed_each(messages[at:upto])
                at = pieces.told(upto) if self._ours is not None and self._inside else upto

    def _stretch(self, pieces: Pieces, at: int) -> int:
        """How far messages are looked at one by one: the rows of one transaction, but none after its watermark."""
        mark, rows = pieces.mark(at), pieces.rows(at)
        return max(at, rows - 1 if mark is None or mark >= rows else mark) + 1

    def _feed_each(self, messages: Sequence[bytes]) -> Iterator[Seen]:
        for message in messages:
            yield from self._feed(message)
            if self.damage is not None:
                return

    def _feed(self, message: bytes) -> Iterator[Seen]:
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
        self._inside, self._ours, self._refused = True, None, ()
        self._part = self._bytes = self._rows = 0
        self._rows_max = TRANSACTION_ROWS_MAX

    def _row(self, message: bytes) -> None:
        mark = self._decoder.mark(message) if message[1:5] == self._decoder.state_table else None
        if mark is not None:
            self._ours, self._pending = mark.watermark, []
            self._refused = REFUSALS.decode(mark.refused) if mark.refused else ()
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
            blocks = None if earlier else self._decoder.blocks(Joined.of(rows))
            changes = (*earlier, *self._decoder.changes(rows)) if blocks is None else ()
            if changes or blocks:
                made = Transaction(self._peer, where, self.context, self._time, changes, blocks=blocks or ())
                yield Seen(self._xid, self._final, made)
        self._rows_max, self._bytes, self._rows = PART_ROWS, 0, 0

    def _commit(self, message: bytes) -> Iterator[Seen]:
        _, _, end, _ = COMMIT.unpack(message)
        self._inside, self.end = False, end
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
                yield from self._take_in(Whole(self._xid, end, self._final, self._time, pending), end, len(pending))

    def _take_in(self, one: Whole | Run, end: int, rows: int) -> Iterator[Seen]:
        """Keep what is to be given out with others, unless that is enough or what was asked for lies between."""
        if self._group and self._asked.parts(self._grouped_end, end):
            yield from self.flush()
        self._group.append(one)
        self._grouped += rows
        self._grouped_end = end
        if self._grouped >= INGEST_ROWS_MAX:
            yield from self.flush()

    def _take_run(self, run: Run) -> Iterator[Seen]:
        """Many small transactions at once: grouped as they are one by one."""
        self.end, self._decoder.at, self._ours = int(run.ends[-1]), int(run.finals[-1]), None
        run = run.only(np.flatnonzero((run.ends > self._after.major) & (run.counts > 0)))
        first = 0
        while first < run.size:
            if self._group and self._asked.parts(self._grouped_end, int(run.ends[first])):
                yield from self.flush()
            last = run.cut(first, INGEST_ROWS_MAX - self._grouped, self._asked.majors())
            part = run.take(first, last)
            yield from self._take_in(part, int(part.ends[-1]), len(part.rows))
            first = last

    def flush(self) -> Iterator[Seen]:
        """Give out what waits for more. Call it when there is nothing more for now."""
        group, self._group, self._grouped = self._group, [], 0
        if not group:
            return
        blocks = None
        if not self._asked.alone and sum([1 if isinstance(one, Whole) else one.size for one in group]) >= GROUP_MIN:
            run = Run.of(group)
            blocks = self._blocks(run.rows, int(run.finals[-1]), np.repeat(run.times[-1] - run.times, run.counts))
            if blocks:
                yield self._together(run, blocks)
        if blocks is None:
            for one in group:
                for whole in wholes(one):
                    yield from self._single(whole)

    def _blocks(self, rows: Joined, final: int, ages: Indexes | None = None) -> tuple[Block, ...] | None:
        self._decoder.at = final
        return self._decoder.blocks(rows, ages)

    def _together(self, run: Run, blocks: tuple[Block, ...]) -> Seen:
        """Several transactions as one, which can be had one by one."""
        context, decoder = self.context, self._decoder.as_now()

        def split() -> list[Transaction]:
            found = []
            for one in wholes(run):
                decoder.at = one.final
                changes = tuple(decoder.changes(one.messages))
                found.append(Transaction(self._peer, position(one.end, context), context, one.time, changes))
            return found

        parts = tuple(zip(run.xids.tolist(), run.ends.tolist(), strict=True))
        xid, end = parts[-1]
        made = Transaction(self._peer, position(end, context), context, int(run.times[-1]), blocks=blocks, split=split)
        return Seen(xid, end, made, parts)

    def _single(self, one: Whole) -> Iterator[Seen]:
        """One transaction: by columns where it is worth it."""
        where = position(one.end, self.context)
        if len(one.messages) >= BLOCK_ROWS_MIN:
            blocks = self._blocks(Joined.of(one.messages), one.final)
            if blocks:
                yield Seen(one.xid, one.end, Transaction(self._peer, where, self.context, one.time, blocks=blocks))
            if blocks is not None:
                return
        self._decoder.at = one.final
        changes = tuple(self._decoder.changes(one.messages))
        if changes:
            yield Seen(one.xid, one.end, Transaction(self._peer, where, self.context, one.time, changes))
