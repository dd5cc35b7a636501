"""Verify: all peers compared through digests of key ranges, then row by row where they differ. Reads only.

A difference counts only when it is none of: on its way (in flight), parked, or written between two reads. So every suspicious
key is read again after the pipeline has passed the reads, until two rounds agree.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from typing import Final, Protocol

import msgspec

from syncline.compare.explained import Step, expected, fits
from syncline.compare.rows import differing_fields
from syncline.model.canonical import Way
from syncline.model.event import Event, Listener
from syncline.model.limits import COMPARE_ROWS_MAX, DIFFERENCES_MAX, RECHECK_SECONDS
from syncline.model.schema import Collection
from syncline.model.stamp import Offset, Position
from syncline.model.value import Key, Row, plain
from syncline.peers.protocol import Chunk, Peer
from syncline.reconcile.pace import FREE, Pace
from syncline.reconcile.walk import Walk, way_for

AGAIN_SECONDS = 0.05  # between two looks at the same keys
LOG: Final = "(log)"  # the log's row among those of the peers, where they all lack it

Copies = Mapping[str, Mapping[Key, Row]]


class Pipeline(Protocol):
    """What a comparison must know of the stream. `resting`: nothing moves while we look, so one look decides."""

    resting: bool

    def head(self) -> Offset:
        """The offset of the last entry with rows."""
        ...

    async def passed(self, peer: str, position: Position) -> bool:
        """Wait until the log has this peer's history up to `position`, or in_flight knows it; False if it took too long."""
        ...

    def in_flight(self, collection: str, key: Key) -> bool:
        """Whether some change of this key is not at every peer yet."""
        ...

    def is_parked(self, collection: str, key: Key) -> bool:
        """Whether some peer refused this row."""
        ...

    def steps(self, collection: str, keys: Sequence[Key]) -> Mapping[Key, Sequence[Step]]:
        """The last changes of these rows in the log, as far as they are at hand."""
        ...

    def held(self, collection: str) -> Mapping[Key, Row | None]:
        """The log's rows that may have reached nobody: there the peers are equal with each other, and not with the log."""
        ...


class Difference(msgspec.Struct, frozen=True):
    """A key whose rows are not equal. `state`: drift, pending (a change is, or may be, on its way) or parked."""

    collection: str
    key: Key
    fields: tuple[str, ...]
    columns: tuple[str, ...]
    rows: dict[str, Row | None]
    state: str

    def shown(self, row: Row | None) -> dict[str, object] | None:
        """The differing fields of one copy; None where it has no row."""
        if row is None:
            return None
        return {name: plain(value) for name, value in zip(self.columns, row, strict=False) if name in self.fields}


class Compared(msgspec.Struct, frozen=True):
    """The result for one collection. `through`: the log offset up to which equality was compared, where it was found.

    `rows` were compared by `ranges` digests, in `seconds`, from the offset `start` on. `whole`: every row was.
    `algorithm`: that of the digests.
    """

    collection: str
    rows: int
    differences: tuple[Difference, ...]
    found: int  # how many differences there are; `differences` lists the first of them
    through: Offset | None
    states: dict[str, int] = {}  # how many of each state
    start: Offset = 0
    ranges: int = 0
    seconds: float = 0.0
    whole: bool = True
    algorithm: str = ""


class Progress(msgspec.Struct, frozen=True):
    """How far a comparison has come: all up to the key (None: to the end) was compared, from `start` on. `unequal`: so far."""

    upto: Key | None
    start: Offset
    rows: int
    ranges: int
    unequal: dict[str, int]


class How(msgspec.Struct, frozen=True):
    """How to compare. `share`: of the ranges, chosen by `seed`. `since`: go on where an earlier comparison stopped."""

    pace: Pace = FREE
    share: float = 1.0
    seed: int = 0
    since: Progress | None = None
    start: Offset | None = None  # what all peers are known to have; else what the log has when it begins
    told: Callable[[Progress, Sequence[Difference]], Awaitable[None]] | None = None  # after every piece, with what it found


WHOLE: Final = How()
CONFIRM_KEYS: Final = 1_000  # so many suspicious keys are looked at together
CONFIRM_SECONDS: Final = 1.0  # or those of so long
EXPLAINED_KEYS: Final = 200  # that are looked for in the log's last entries
PORTION_KEYS: Final = 10_000  # keys that are asked about in one go
GROUP_KEYS: Final = 64  # that one digest stands for, where keys are compared

Heal = Callable[[Sequence[Difference]], Awaitable[None]]


class _Found:
    """The differences so far: all counted, the first of them listed; drift before what waits or is on its way."""

    def __init__(self, heal: Heal | None, most: int | None = None) -> None:
        self._heal, self._most = heal, DIFFERENCES_MAX if most is None else most
        self._drift: list[Difference] = []
        self._others: list[Difference] = []
        self.states: Counter[str] = Counter()

    async def add(self, found: Sequence[Difference]) -> None:
        """Take in more of them, and have drift healed."""
        for one in found:
            kept = self._drift if one.state == "drift" else self._others
            if len(kept) < self._most:
                kept.append(one)
        self.states.update(one.state for one in found)
        drifted = [one for one in found if one.state == "drift"]
        if drifted and self._heal is not None:
            await self._heal(drifted)

    @property
    def listed(self) -> tuple[Difference, ...]:
        """The first of them."""
        return tuple([*self._drift, *self._others][: self._most])


async def compare_collection(
    collection: Collection,
    peers: Sequence[Peer],
    rows: int,
    pipeline: Pipeline,
    emit: Listener,
    heal: Heal | None = None,
    how: How = WHOLE,
) -> Compared:
    """Compare one collection at one or more peers. `rows` is an estimate, for the progress. Raises PeerError.

    One peer alone proves nothing. `heal` is given all drift, however much there is, as it is found.
    """
    clock = asyncio.get_running_loop().time
    began, since = clock(), how.since
    start, after = (since.start, since.upto) if since else (pipeline.head() if how.start is None else how.start, None)
    compared, ranges = (since.rows, since.ranges) if since else (0, 0)
    found = _Found(heal)
    found.states.update(since.unequal if since else {})
    way = await way_for(collection, peers)
    walk = Walk(collection, peers, way, ahead=how.pace == FREE)
    pick = random.Random(how.seed) if how.share < 1 else None
    suspects: list[Key] = []
    before = looked = clock()
    async with aclosing(walk.pieces(after, how.share, pick)) as pieces:
        async for piece in pieces:
            suspects += piece.suspects
            compared, ranges = compared + piece.rows, ranges + piece.ranges
            if piece.upto is None or len(suspects) >= CONFIRM_KEYS or clock() - looked > CONFIRM_SECONDS:
                differences = await _confirm(collection, peers, suspects, pipeline)
                await found.add(differences)
                if how.told is not None:
                    await how.told(Progress(piece.upto, start, compared, ranges, dict(found.states)), differences)
                suspects, looked = [], clock()
            detail = {"done": compared, "total": max(rows, compared)}
            emit(Event("verify.progress", collection=collection.name, count=compared, detail=detail))
            await how.pace.after(clock() - before, piece.rows)
            before = clock()
    async for behind in _behind(collection, peers, pipeline):
        await found.add(behind)
    whole = how.share >= 1
    return _result(collection, peers, found, compared, ranges, start, clock() - began, way, whole=whole)


async def compare_keys(
    collection: Collection,
    peers: Sequence[Peer],
    keys: Sequence[Key],
    pipeline: Pipeline,
    how: How = WHOLE,
) -> Compared:
    """Compare the rows of these keys: those that may have changed since all were compared. Raises PeerError."""
    clock = asyncio.get_running_loop().time
    began, start = clock(), pipeline.head()
    found = _Found(None, most=len(keys) + 1)  # all are listed
    compared = ranges = 0
    way = await way_for(collection, peers)
    walk = Walk(collection, peers, way)
    for place in range(0, len(keys), PORTION_KEYS):
        before, some = clock(), keys[place : place + PORTION_KEYS]
        groups = [some[at : at + GROUP_KEYS] for at in range(0, len(some), GROUP_KEYS)]
        suspects = await walk.differing_groups(groups)
        await found.add(await _confirm(collection, peers, suspects, pipeline))
        compared, ranges = compared + len(some), ranges + len(groups)
        await how.pace.after(clock() - before, len(some))
    async for behind in _behind(collection, peers, pipeline):
        await found.add(behind)
    return _result(collection, peers, found, compared, ranges, start, clock() - began, way, whole=False)


def _result(
    collection: Collection,
    peers: Sequence[Peer],
    found: _Found,
    rows: int,
    ranges: int,
    start: Offset,
    seconds: float,
    way: Way,
    *,
    whole: bool,
) -> Compared:
    count = found.states.total()
    through = start if whole and not count and len(peers) > 1 else None
    states = dict(found.states)
    return Compared(collection.name, rows, found.listed, count, through, states, start, ranges, seconds, whole, way.algorithm)


async def _behind(collection: Collection, peers: Sequence[Peer], pipeline: Pipeline) -> AsyncIterator[list[Difference]]:
    """Rows that are the same at every peer and not what the log holds: a decision that has reached nobody so far."""
    suspects = list(pipeline.held(collection.name))
    for start in range(0, len(suspects), COMPARE_ROWS_MAX):
        keys = suspects[start : start + COMPARE_ROWS_MAX]
        copies, _ = await read_copies(collection, peers, keys, pipeline)
        held, behind = pipeline.held(collection.name), []
        for key in keys:
            rows = {name: copy.get(key) for name, copy in copies.items()}
            if key in held and len(set(rows.values())) == 1 and not fits(held[key], next(iter(rows.values()))):
                state = "parked" if pipeline.is_parked(collection.name, key) else "pending"
                behind.append(_difference(collection, key, {**rows, LOG: held[key]}, state))
        yield behind


async def _confirm(
    collection: Collection, peers: Sequence[Peer], suspects: Sequence[Key], pipeline: Pipeline
) -> list[Difference]:
    """Which of the suspicious keys differ though nothing of them is under way; some at a time."""
    found: list[Difference] = []
    for place in range(0, len(suspects), COMPARE_ROWS_MAX):
        found += await _confirm_some(collection, peers, suspects[place : place + COMPARE_ROWS_MAX], pipeline)
    return found


async def _confirm_some(
    collection: Collection, peers: Sequence[Peer], suspects: Sequence[Key], pipeline: Pipeline
) -> list[Difference]:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + RECHECK_SECONDS
    before: dict[Key, dict[str, Row | None]] = {}
    settled: list[Difference] = []
    explained: dict[Key, set[str]] = {}  # the peers that were found to hold what the log says, one by one
    while suspects:
        flying = {key for key in suspects if pipeline.in_flight(collection.name, key)}
        chunks, sure = await read_chunks(collection, peers, suspects, pipeline)
        copies = {name: dict(chunk.rows) for name, chunk in chunks.items()}
        now = {key: {name: rows.get(key) for name, rows in copies.items()} for key in suspects}
        if sure and before and len(suspects) <= EXPLAINED_KEYS:
            for key, steps in pipeline.steps(collection.name, suspects).items():
                explained.setdefault(key, set()).update(_explained(steps, now[key], chunks))
        over = loop.time() > deadline
        still: list[Key] = []
        for key in suspects:
            if len(set(now[key].values())) == 1 or len(explained.get(key, ())) == len(peers):
                continue
            moving = not sure or key in flying or pipeline.in_flight(collection.name, key)
            steady = not moving and (pipeline.resting or before.get(key) == now[key])
            if pipeline.is_parked(collection.name, key):
                settled.append(_difference(collection, key, now[key], "parked"))
            elif steady or over or pipeline.resting:
                settled.append(_difference(collection, key, now[key], "drift" if steady else "pending"))
            else:
                still.append(key)
        before, suspects = now, still
        if suspects:
            await asyncio.sleep(AGAIN_SECONDS)
    return settled


def _explained(steps: Sequence[Step], rows: Mapping[str, Row | None], chunks: Mapping[str, Chunk]) -> Iterator[str]:
    """The peers whose row is what the log says they must have had when they were read."""
    for name, row in rows.items():
        told = expected(steps, name, chunks[name].position, chunks[name].watermark)
        if told is not None and fits(told.row, row):
            yield name


async def read_copies(
    collection: Collection, peers: Sequence[Peer], keys: Sequence[Key], pipeline: Pipeline
) -> tuple[Copies, bool]:
    """The rows of these keys at every peer; and whether the log has every history up to where it was read."""
    chunks, sure = await read_chunks(collection, peers, keys, pipeline)
    return {name: dict(chunk.rows) for name, chunk in chunks.items()}, sure


async def read_chunks(
    collection: Collection, peers: Sequence[Peer], keys: Sequence[Key], pipeline: Pipeline
) -> tuple[dict[str, Chunk], bool]:
    """The same, with what each peer had when it was read."""
    chunks = await asyncio.gather(*(peer.rows(collection, keys) for peer in peers))
    passed = [await pipeline.passed(peer.name, chunk.position) for peer, chunk in zip(peers, chunks, strict=True)]
    return {peer.name: chunk for peer, chunk in zip(peers, chunks, strict=True)}, all(passed)


def _difference(collection: Collection, key: Key, rows: dict[str, Row | None], state: str) -> Difference:
    fields = differing_fields(collection.columns, list(rows.values()))
    return Difference(collection.name, key, fields, collection.columns, rows, state)
