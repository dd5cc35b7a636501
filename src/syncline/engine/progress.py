"""A join under way: the members of a space as a join needs them, and what is known of the peer that joins."""

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

from syncline.engine.memory import Memory
from syncline.engine.range_merge import Own
from syncline.engine.range_read import beyond, note
from syncline.model.change import Transaction
from syncline.model.key import order
from syncline.model.limits import JOIN_RANGES_MAX, SNAPSHOT_ROWS_MIN
from syncline.model.stamp import Micros, Offset, Position
from syncline.model.value import Key, Row
from syncline.peers.protocol import Peer


class Member(Protocol):
    """A running session, as a join needs it."""

    name: str
    peer: Peer
    clock_offset: Micros
    receives_only: frozenset[str]  # collections
    sends_only: frozenset[str]

    captured: Position | None  # the log has everything of its history up to here
    parents: Mapping[str, frozenset[str]]  # by collection: those that its foreign keys refer to here, as last seen

    @property
    def ready(self) -> bool:
        """Whether its rows may serve as reference: live and connected."""
        ...

    def stop(self) -> None:
        """End its session; another one begins, with another mark."""
        ...

    async def wait_captured(self, end: Position) -> bool:
        """Wait until the log has its history up to `end`; False if its session ends before."""
        ...

    async def wait_delivered(self, upto: Offset) -> None:
        """Wait until it was given everything up to `upto`."""
        ...


@dataclass
class Ranges:
    """The ranges of one collection, at most one of which is under way."""

    reading: bool = False  # one is being read, or waits for the log
    waiting: list[tuple[Transaction, Micros]] = field(default_factory=list)  # what came meanwhile, with corrected times
    bare: bool = False  # the peer had no more rows, when last looked: its history tells if any came
    size: int = SNAPSHOT_ROWS_MIN  # rows of the next one

    def begin(self) -> None:
        """From here on, what the joining peer does in this collection waits."""
        self.reading, self.waiting = True, []

    def end(self) -> None:
        """Nothing of what waited is needed any more."""
        self.reading, self.waiting = False, []


@dataclass
class Progress:
    """A join under way: what the joining peer did itself, and what arrived from it beyond the ranges done."""

    memory: Memory
    own: Own = field(default_factory=Own)
    recalled: Position | None = None  # up to where its own history told what it did
    context: Offset = 0  # the last watermark in what it told
    heard: list[Transaction] = field(default_factory=list)  # what it did while its history is being read
    ranges: dict[str, Ranges] = field(default_factory=dict)  # by collection
    under_way: int = 0  # ranges of all collections
    estimates: dict[str, dict[str, int]] = field(default_factory=dict)  # by reference and table, about how many rows
    estimating: asyncio.Lock = field(default_factory=asyncio.Lock)
    ends: deque[Offset] = field(default_factory=deque)  # where ranges end in the log that may not be delivered yet
    written: dict[str, list[Key]] = field(default_factory=dict)  # rows that it wrote before, in key order
    ranked: dict[int, dict[str, list[Key]]] = field(default_factory=dict)  # all rows that it changed, in key order, by how many

    def of(self, collection: str) -> Ranges:
        """The ranges of a collection."""
        return self.ranges.setdefault(collection, Ranges())

    @asynccontextmanager
    async def room(self, member: Member) -> AsyncIterator[None]:
        """One more range, once not too many are under way or on their way to the peer."""
        while len(self.ends) + self.under_way >= JOIN_RANGES_MAX:
            first = self.ends[0]  # there is one: fewer collections are joined at once
            await member.wait_delivered(first)
            if self.ends and self.ends[0] == first:  # nobody else who waited has seen it
                self.ends.popleft()
        self.under_way += 1
        try:
            yield
        finally:
            self.under_way -= 1

    def begin_recall(self) -> None:
        """From here on, what the peer is heard of waits for what its history tells of the time before."""
        self.recalled, self.heard = None, []

    def end_recall(self, own: Own, reached: Position, context: Offset) -> None:
        """What the history told, up to a position; `context`: the last watermark there."""
        self.own, self.recalled, self.context = own, reached, context
        self._keep_written()
        heard, self.heard = self.heard, []
        for transaction in heard:
            self.hear(transaction)

    def hear(self, transaction: Transaction) -> None:
        """Note what the peer did in ranges to come, unless its history has told it already, alone or with what came before."""
        if self.recalled is None:
            self.heard.append(transaction)
        elif transaction.position > self.recalled:
            same = transaction.context == self.context  # nothing was delivered in between
            for change in beyond(self.own.last, transaction.changes) if same else transaction.changes:
                note(self.own, change)

    def _keep_written(self) -> None:
        """Note the rows that the peer wrote and did not delete: deliveries may have deleted them, so that no read has them."""
        self.written = {}
        for (collection, key), row in self.own.last.items():
            if row is not None:
                self.written.setdefault(collection, []).append(key)
        for keys in self.written.values():
            keys.sort(key=order)

    def bases_in(self, collection: str, after: Key | None, upto: Key | None) -> dict[Key, Row | None]:
        """Of a range, its rows as they were before its own work, as far as that is known."""
        if len(self.ranked) != 1 or len(self.own.bases) not in self.ranked:
            keys: dict[str, list[Key]] = {}
            for name, key in self.own.bases:
                keys.setdefault(name, []).append(key)
            for several in keys.values():
                several.sort(key=order)
            self.ranked = {len(self.own.bases): keys}
        found = _between(self.ranked[len(self.own.bases)].get(collection, []), after, upto)
        return {key: self.own.bases[collection, key] for key in found} if self.own.trusted else {}

    def written_in(self, collection: str, after: Key | None, upto: Key | None) -> list[Key]:
        """Those of a range: after < key <= upto."""
        return _between(self.written.get(collection, []), after, upto)


def _between(keys: list[Key], after: Key | None, upto: Key | None) -> list[Key]:
    low = 0 if after is None else bisect_right(keys, order(after), key=order)
    high = len(keys) if upto is None else bisect_right(keys, order(upto), key=order)
    return keys[low:high]


def pin_of(peer: str, collection: str) -> str:
    """The window's name for what the range under way needs of it."""
    return f"join {peer} {collection}"


class ReferenceLost(Exception):
    """The peer whose rows were being read cannot be read any more."""
