"""Walking through a collection: ranges whose digests differ are cut smaller until few rows are left, and those are read."""

import asyncio
import random
import secrets
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator, Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from syncline.compare.rows import differing_keys
from syncline.model.canonical import CHAIN, SHA256, Way
from syncline.model.errors import PeerChanged
from syncline.model.key import order
from syncline.model.limits import COMPARE_ROWS_MAX
from syncline.model.schema import Collection
from syncline.model.value import Key, Row
from syncline.peers.protocol import Digest, Peer, Range

RANGE_ROWS: Final = 2_048  # of the ranges that are compared first
LEAF_ROWS: Final = 64  # ranges of so many rows are read
RANGES_AT_ONCE: Final = 32  # of one question: some tens of thousands of rows, so that a budget can be kept
LEAVES_AT_ONCE: Final = RANGES_AT_ONCE * RANGE_ROWS // LEAF_ROWS
RANGES_MAX: Final = 512  # of one question, where each question takes as long as a whole table
SLOW_SECONDS: Final = 0.5  # for so many ranges as are asked for at once
GAIN: Final = 0.85  # of the time per range is left, at most, where larger questions help
REST: Final = 4  # questions of the old size after larger ones did not help, as what else a server does blurs that
_T = TypeVar("_T")
PREFERRED: Final = ("lookup3", CHAIN, SHA256)  # the fastest that all peers have in common


class Piece(msgspec.Struct, frozen=True):
    """What was compared in one go: up to `upto` (None: the end), `rows` rows in `ranges` ranges; the keys that differ."""

    upto: Key | None
    rows: int
    ranges: int
    suspects: tuple[Key, ...]


class _Differing(NamedTuple):
    """A range that is not the same everywhere, with how many rows each peer has there."""

    range: Range
    counts: tuple[int, ...]

    @property
    def fullest(self) -> int:
        """The place of the peer that has most rows."""
        return self.counts.index(max(self.counts))

    def is_leaf(self, rows: int) -> bool:
        """Whether it is best read as it is: at most so many rows, or some peer has none of them."""
        return max(self.counts) <= rows or min(self.counts) == 0

    @property
    def is_large(self) -> bool:
        """Whether it has many more rows than the ranges that are compared first, as the peer that cut them has few there."""
        return max(self.counts) > 4 * RANGE_ROWS


class _Size:
    """How many ranges one question has: more where it takes long whatever it asks for, as all rows are looked at for it."""

    def __init__(self) -> None:
        self.ranges = self._proven = RANGES_AT_ONCE
        self._rest = 0
        self._is_first = True  # it is open below, and what it reads was not at hand: no measure for those that follow
        self._by_first = False  # the size was made larger by that one alone
        self._tried: float | None = None  # the time per range before the last question was made larger
        self._slow_cut = False

    @property
    def leaf_rows(self) -> int:
        """Ranges of so many rows are not cut any smaller: where questions are dear, none of those that are compared first."""
        return 4 * RANGE_ROWS if self._slow_cut or self.ranges > RANGES_AT_ONCE else LEAF_ROWS

    def took(self, asked: int, seconds: float) -> None:
        """Learn from a question; one of fewer ranges, as the last one may be, tells nothing."""
        if asked < self.ranges:
            return
        each, before = seconds / asked, self._tried
        usual = each * RANGES_AT_ONCE
        self._tried = None
        rest, self._rest = self._rest, max(0, self._rest - 1)
        if before is not None and each > GAIN * before:  # its rows explain the time
            self.ranges, self._rest, self._by_first = self._proven, REST, False
        elif usual > SLOW_SECONDS and not rest and self.ranges < RANGES_MAX:
            self._proven = self._proven if self._by_first else self.ranges
            self._by_first = self._is_first
            self.ranges, self._tried = self.ranges * 2, None if self._is_first else each
        elif usual < SLOW_SECONDS / 4 and self.ranges > RANGES_AT_ONCE:
            self.ranges //= 2
        self._is_first = False

    def cut(self, seconds: float) -> None:
        """Learn from how long it took to cut the ranges of a question."""
        self._slow_cut = self._slow_cut or seconds > SLOW_SECONDS


class _Question(NamedTuple):
    """Ranges that peers were asked about, up to a key, and what will be known of them."""

    upto: Key | None
    ranges: list[Range]
    answer: asyncio.Task[tuple[int, list[_Differing]]]


class Walk:
    """One collection at two or more peers; one peer alone is only counted.

    `ahead`: ask the next question before all have answered this one, so that a faster peer does not wait for a slower one.
    """

    def __init__(self, collection: Collection, peers: Sequence[Peer], way: Way, *, ahead: bool = False) -> None:
        self._collection, self._peers, self._way, self._ahead = collection, peers, way, ahead
        self._size = _Size()
        self._answered = 0.0  # when the last question of usual size was

    async def pieces(
        self, after: Key | None = None, share: float = 1.0, pick: random.Random | None = None
    ) -> AsyncGenerator[Piece, None]:
        """Compare the rows after a key, in key order. `share`: of the ranges, chosen by `pick`, where less than 1."""
        ((*fences,),) = await self._cutter.fences(self._collection, [(after, None)], RANGE_ROWS)
        left = pairwise([after, *fences, None])
        asked: deque[_Question] = deque()
        try:
            while True:
                while len(asked) <= self._ahead and (question := self._ask(left, share, pick)) is not None:
                    asked.append(question)
                if not asked:
                    return
                rows, differing = await asked[0].answer
                upto, ranges, _ = asked.popleft()
                suspects = [key async for keys in self._descend(differing) for key in keys]
                yield Piece(upto, rows, len(ranges), tuple(suspects))
        finally:
            for question in asked:
                question.answer.cancel()
            await asyncio.gather(*(question.answer for question in asked), return_exceptions=True)

    def _ask(self, left: Iterator[Range], share: float, pick: random.Random | None) -> _Question | None:
        """Ask about the next ranges; None if there are none."""
        chosen: list[Range] = []
        last: Range | None = None
        while len(chosen) < self._size.ranges and (one := next(left, None)) is not None:
            last = one
            if pick is None or pick.random() < share:
                chosen.append(one)
        if last is None:
            return None
        return _Question(last[1], chosen, asyncio.ensure_future(self._compare(chosen, usual=True)))

    async def _all(self, ask: Callable[[Peer], Coroutine[Any, Any, _T]]) -> list[_T]:
        """What all peers answer. If one fails, the others are not left with a question that nobody waits for."""
        asked = [asyncio.ensure_future(ask(peer)) for peer in self._peers]
        try:
            return await asyncio.gather(*asked)
        finally:
            for one in asked:
                one.cancel()
            await asyncio.gather(*asked, return_exceptions=True)

    @property
    def _cutter(self) -> Peer:
        return self._peers[0]

    async def _compare(self, ranges: Sequence[Range], *, usual: bool) -> tuple[int, list[_Differing]]:
        """How many rows the first peer has there, and the ranges that are not the same everywhere. `usual`: in their size."""
        if not ranges:
            return 0, []
        clock = asyncio.get_running_loop().time
        began = clock()
        parts = [reply.parts for reply in await self._all(lambda peer: peer.digests(self._collection, ranges, self._way))]
        if usual:
            began, self._answered = max(began, self._answered), clock()  # it waited for the one before it
            self._size.took(len(ranges), self._answered - began)
        found = zip(ranges, zip(*parts, strict=True), strict=True)
        differing = [_Differing(one, tuple(digest.count for digest in digests)) for one, digests in found if not same(digests)]
        return sum(one.count for one in parts[0]), differing

    async def _descend(self, ranges: Sequence[_Differing]) -> AsyncIterator[list[Key]]:
        """The keys of these ranges that are not the same everywhere."""
        few = self._size.leaf_rows
        found = [one for one in ranges if one.is_leaf(few)]
        for size in (RANGE_ROWS, LEAF_ROWS):
            inner = [one for one in ranges if not one.is_leaf(few) and one.is_large is (size == RANGE_ROWS)]
            cut = await self._cut(inner, size)
            whole, uncut = {one.range for one in inner}, set(cut)
            found += [one for one in inner if one.range in uncut]  # it cannot be cut any smaller
            pieces = [piece for piece in cut if piece not in whole]
            while pieces:
                step = self._size.ranges if size == RANGE_ROWS else LEAVES_AT_ONCE
                some, pieces = pieces[:step], pieces[step:]
                _, differing = await self._compare(some, usual=size == RANGE_ROWS)
                if size == RANGE_ROWS:
                    async for keys in self._descend(differing):
                        yield keys
                else:
                    found += differing
        found.sort(key=lambda one: _place(one.range))
        for portion in _portions([one for one in found if max(one.counts) <= few]):
            yield await self._differing(portion)
        for leaf in _joined([one.range for one in found if max(one.counts) > few]):
            async for keys in self._keys(leaf):
                yield keys

    async def _differing(self, ranges: Sequence[Range]) -> list[Key]:
        """The keys of ranges of few rows that are not the same everywhere."""
        replies = await self._all(lambda peer: peer.hashes(self._collection, ranges, self._way))
        return [key for copies in zip(*replies, strict=True) for key in differing_keys(copies)]

    async def _cut(self, ranges: Sequence[_Differing], size: int) -> list[Range]:
        """Each range in parts of about `size` rows at the peer that has most rows there; all parts in order."""
        pieces: list[Range] = []
        clock = asyncio.get_running_loop().time
        began = clock()
        for number, peer in enumerate(self._peers):
            mine = [one.range for one in ranges if one.fullest == number]
            cuts = await peer.fences(self._collection, mine, size) if mine else []
            for (after, upto), fences in zip(mine, cuts, strict=True):
                pieces += pairwise([after, *fences, upto])
        if size == LEAF_ROWS:
            self._size.cut(clock() - began)
        return sorted(pieces, key=_place)

    async def _keys(self, leaf: Range) -> AsyncIterator[list[Key]]:
        """The keys of a range that are not the same everywhere, some at a time: no peer is asked for more rows than fit."""
        after, end = leaf
        while True:
            upto = end
            copies: list[dict[Key, Row]] = []
            for peer in self._peers:
                chunk = await peer.chunk(self._collection, after, COMPARE_ROWS_MAX, upto)
                upto = upto if chunk.done else chunk.last
                copies.append(dict(chunk.rows))
            if upto == end:
                yield differing_keys(copies)
                return
            last = order(upto or ())
            yield differing_keys([{key: row for key, row in copy.items() if order(key) <= last} for copy in copies])
            after = upto

    async def differing_groups(self, groups: Sequence[Sequence[Key]]) -> list[Key]:
        """The keys of those groups whose rows are not the same everywhere."""
        parts = [reply.parts for reply in await self._all(lambda peer: peer.digests_of(self._collection, groups, self._way))]
        return [key for group, found in zip(groups, zip(*parts, strict=True), strict=True) if not same(found) for key in group]


def _place(one: Range) -> tuple[object, ...]:
    """What sorts ranges that do not overlap: in order, a peer can find the rows of all of them in one reading."""
    return () if one[0] is None else order(one[0])


def _portions(ranges: Sequence[_Differing]) -> Iterator[list[Range]]:
    """As many at a time as one question should have."""
    some: list[Range] = []
    rows = 0
    for one in ranges:
        rows += max(one.counts)
        if some and (rows > RANGES_AT_ONCE * RANGE_ROWS or len(some) == LEAVES_AT_ONCE):
            yield some
            some, rows = [], max(one.counts)
        some.append(one.range)
    if some:
        yield some


def _joined(ranges: Sequence[Range]) -> list[Range]:
    """Neighbours as one range, so that they are read at once."""
    joined: list[Range] = []
    for after, upto in ranges:
        if joined and after is not None and joined[-1][1] == after:
            joined[-1] = (joined[-1][0], upto)
        else:
            joined.append((after, upto))
    return joined


def same(digests: Sequence[Digest]) -> bool:
    """Whether all copies are equal, as far as their digests tell."""
    return all(one == digests[0] for one in digests[1:])


async def way_for(collection: Collection, peers: Sequence[Peer]) -> Way:
    """How to digest, so that all these peers do it alike, with a salt that nobody knows. Raises PeerChanged if none does."""
    known = await asyncio.gather(*(peer.ways(collection) for peer in peers))
    for algorithm in PREFERRED:
        if len({ways.get(algorithm, peer.name) for ways, peer in zip(known, peers, strict=True)}) == 1 < len(peers):
            return Way(algorithm, secrets.token_hex(8))
    if len(peers) < 2:
        return Way(SHA256, secrets.token_hex(8))
    raise PeerChanged("the peers digest rows in different ways", hint="compare them with the same version of Syncline")
