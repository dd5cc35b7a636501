"""Groups decoded records into transactions: whole ones, neighbouring ones together, never past a watermark. Pure.

SQLite tells triggers nothing of transactions. What a reader sees ends at a commit, so a group that ends there is whole
transactions. Only a group that outgrows its limit before a commit is known is cut: at the longest pause between two
statements in it, which is most likely a commit, and never inside a statement unless that alone is larger than the limit.

While commits are watched, a group spans no longer than a look takes, so it has one time. A backlog may span days: each of its
changes then keeps its own statement's time (see dated).
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from syncline.model.change import Change, Refusal, Transaction
from syncline.model.limits import BATCH_BYTES_MAX, TRANSACTION_ROWS_MAX
from syncline.model.stamp import Offset
from syncline.peers.sqlite.dated import by_statement, places_of, together
from syncline.peers.sqlite.decode import Hit, Item, Mark, Piece
from syncline.peers.sqlite.footprint import position
from syncline.peers.sqlite.layout import Layout
from syncline.peers.sqlite.reconcile import changes_of, plain_changes


class Grouper:
    """Fed with pieces up to a commit, then finished. `context`: the watermark before the first record.

    `backlog`: the layouts of records whose commits nobody watched; each change keeps its own time. None: they were watched.
    """

    def __init__(self, peer: str, context: Offset, rows_max: int, backlog: Mapping[int, Layout] | None = None) -> None:
        self._peer, self.context, self._rows_max = peer, context, rows_max
        self._places = None if backlog is None else places_of(backlog.values())
        self._seqs: list[int] = []
        self._millis: list[int] = []
        self._items: list[Item] = []
        self._bytes = 0
        self._plain = True

    def feed(self, piece: Piece) -> Iterator[Transaction]:
        """Take records; yield the transactions that are complete by now."""
        start = 0
        for place, item in enumerate(piece.items) if piece.marked else ():
            if isinstance(item, Mark):
                self._take(piece, start, place)
                yield from self.finish()
                self.context = item.offset
                yield self._transaction(piece.seqs[place], piece.millis[place], (), item.refused)
                start = place + 1
        self._take(piece, start, len(piece.items))
        while self._is_large() and (cut := self._cut()):
            yield from self._emit(cut)

    def _cut(self) -> int:
        """Where to end a group: within its limit, unless a statement is longer than that."""
        upto = self._rows_max + 1
        within = _cut(self._millis[:upto], self._items[:upto], must=False) if len(self._items) >= upto else 0
        return within or _cut(self._millis, self._items, must=self._is_huge())

    def _is_large(self) -> bool:
        return len(self._items) > self._rows_max or self._bytes > BATCH_BYTES_MAX

    def _is_huge(self) -> bool:
        return len(self._items) > TRANSACTION_ROWS_MAX or self._bytes > 2 * BATCH_BYTES_MAX

    def finish(self) -> Iterator[Transaction]:
        """The records so far end at a commit: yield what is left."""
        if self._items:
            yield from self._emit(len(self._items))
        self._plain = True

    def _take(self, piece: Piece, start: int, stop: int) -> None:
        self._seqs += piece.seqs[start:stop]
        self._millis += piece.millis[start:stop]
        self._items += piece.items[start:stop]
        self._bytes += piece.bytes * (stop - start) // len(piece.items)
        self._plain = self._plain and piece.plain

    def _emit(self, count: int) -> Sequence[Transaction]:
        items, millis, seqs = self._items[:count], self._millis[:count], self._seqs[:count]
        self._bytes -= self._bytes * count // len(self._items)
        del self._items[:count], self._millis[:count], self._seqs[:count]
        changes = plain_changes(items) if self._plain else None
        if self._places is None or len(set(millis)) == 1:
            found = changes_of(items, millis) if changes is None else changes
            return [self._transaction(seqs[-1], millis[-1], found, ())]
        moments = by_statement(items, millis, plain=changes is not None)
        parts = [self._transaction(seqs[stop - 1], millis[stop - 1], found, ()) for stop, found in moments]
        return together(parts, self._places)

    def _transaction(self, seq: int, millis: int, changes: tuple[Change, ...], refused: tuple[Refusal, ...]) -> Transaction:
        return Transaction(self._peer, position(seq, millis), self.context, millis * 1000, changes, refused)


def _cut(millis: Sequence[int], items: Sequence[Item], *, must: bool) -> int:
    """Where to end a group that is too large: after the longest pause, in its second half if there is one.

    0: it is one statement and may grow on, unless it `must` be cut.
    """
    pauses = [abs(after - before) for before, after in pairwise(millis)]
    half = len(pauses) // 2
    for start, stop in ((half, len(pauses)), (0, half)):
        longest = max(pauses[start:stop], default=0)
        if longest:
            return pauses.index(longest, start) + 1
    last = len(items) - 1 if must else -1
    while last >= 0 and isinstance(items[last], Hit):  # what it announces is still to come
        last -= 1
    return last + 1
