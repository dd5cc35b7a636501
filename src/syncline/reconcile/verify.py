"""Verify: all peers compared through digests of key ranges, then row by row where they differ. Reads only.

A difference counts only when it is none of: on its way (in flight), parked, or written between two reads. So every suspicious
key is read again after the pipeline has passed the reads, until two rounds agree.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Final, Protocol

import msgspec

from syncline.compare.rows import differing_fields, differing_keys
from syncline.model.event import Event, Listener
from syncline.model.key import order
from syncline.model.limits import COMPARE_ROWS_MAX, DIFFERENCES_MAX, RECHECK_SECONDS
from syncline.model.schema import Collection
from syncline.model.stamp import Offset, Position
from syncline.model.value import ABSENT, Key, Row, pad, plain
from syncline.peers.protocol import Digest, Peer

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
    """The result for one collection. `through`: the log offset up to which equality was compared, where it was found."""

    collection: str
    rows: int
    differences: tuple[Difference, ...]
    found: int  # how many differences there are; `differences` lists the first of them
    through: Offset | None
    states: dict[str, int] = {}  # how many of each state


Heal = Callable[[Sequence[Difference]], Awaitable[None]]


class _Found:
    """The differences so far: all counted, the first of them listed; drift before what waits or is on its way."""

    def __init__(self, heal: Heal | None) -> None:
        self._heal = heal
        self._drift: list[Difference] = []
        self._others: list[Difference] = []
        self.states: Counter[str] = Counter()

    async def add(self, found: Sequence[Difference]) -> None:
        """Take in more of them, and have drift healed."""
        for one in found:
            kept = self._drift if one.state == "drift" else self._others
            if len(kept) < DIFFERENCES_MAX:
                kept.append(one)
        self.states.update(one.state for one in found)
        drifted = [one for one in found if one.state == "drift"]
        if drifted and self._heal is not None:
            await self._heal(drifted)

    @property
    def listed(self) -> tuple[Difference, ...]:
        """The first of them."""
        return tuple([*self._drift, *self._others][:DIFFERENCES_MAX])


async def compare_collection(
    collection: Collection, peers: Sequence[Peer], rows: int, pipeline: Pipeline, emit: Listener, heal: Heal | None = None
) -> Compared:
    """Compare one collection at one or more peers. `rows` is an estimate, for the number of ranges. Raises PeerError.

    One peer alone proves nothing. `heal` is given all drift, however much there is, as it is found.
    """
    start = pipeline.head()
    first, others = peers[0], peers[1:]
    suspects: list[Key] = []
    found = _Found(heal)
    compared = 0
    ranges = await first.digest(collection, None, None, max(1, rows // COMPARE_ROWS_MAX))
    for done, piece in enumerate(ranges, 1):
        theirs = await asyncio.gather(*(peer.digest(collection, piece.after, piece.upto, 1) for peer in others))
        if any(_differs(piece, digests) for digests in theirs):
            async for keys in _suspects(collection, peers, piece):
                suspects += keys
                if len(suspects) >= COMPARE_ROWS_MAX:
                    await found.add(await _confirm(collection, peers, suspects, pipeline))
                    suspects = []
        compared += piece.count
        detail = {"done": compared, "total": max(rows, compared), "range": done, "ranges": len(ranges)}
        emit(Event("verify.progress", collection=collection.name, count=compared, detail=detail))
    await found.add(await _confirm(collection, peers, suspects, pipeline))
    async for behind in _behind(collection, peers, pipeline):
        await found.add(behind)
    count = found.states.total()
    through = start if not count and others else None
    return Compared(collection.name, compared, found.listed, count, through, dict(found.states))


def _differs(piece: Digest, digests: Sequence[Digest]) -> bool:
    return sum(one.count for one in digests) != piece.count or sum(one.total for one in digests) % 2**128 != piece.total


async def _behind(collection: Collection, peers: Sequence[Peer], pipeline: Pipeline) -> AsyncIterator[list[Difference]]:
    """Rows that are the same at every peer and not what the log holds: a decision that has reached nobody so far."""
    suspects = list(pipeline.held(collection.name))
    for start in range(0, len(suspects), COMPARE_ROWS_MAX):
        keys = suspects[start : start + COMPARE_ROWS_MAX]
        copies, _ = await read_copies(collection, peers, keys, pipeline)
        held, behind = pipeline.held(collection.name), []
        for key in keys:
            rows = {name: copy.get(key) for name, copy in copies.items()}
            if key in held and len(set(rows.values())) == 1 and not _fits(held[key], next(iter(rows.values()))):
                state = "parked" if pipeline.is_parked(collection.name, key) else "pending"
                behind.append(_difference(collection, key, {**rows, LOG: held[key]}, state))
        yield behind


def _fits(held: Row | None, row: Row | None) -> bool:
    """Whether a peer has the log's row; what the log was not sent does not count."""
    if held is None or row is None:
        return held is row
    return all(mine is ABSENT or mine == its for mine, its in zip(held, pad(row, len(held)), strict=False))


async def _suspects(collection: Collection, peers: Sequence[Peer], piece: Digest) -> AsyncIterator[list[Key]]:
    """The keys of a range that are not the same everywhere, some at a time: no peer is asked for more rows than fit."""
    after = piece.after
    while True:
        upto = piece.upto
        copies: list[dict[Key, Row]] = []
        for peer in peers:
            chunk = await peer.chunk(collection, after, COMPARE_ROWS_MAX, upto)
            upto = upto if chunk.done else chunk.last
            copies.append(dict(chunk.rows))
        if upto == piece.upto:
            yield differing_keys(copies)
            return
        end = order(upto or ())
        yield differing_keys([{key: row for key, row in copy.items() if order(key) <= end} for copy in copies])
        after = upto


async def _confirm(
    collection: Collection, peers: Sequence[Peer], suspects: Sequence[Key], pipeline: Pipeline
) -> list[Difference]:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + RECHECK_SECONDS
    before: dict[Key, dict[str, Row | None]] = {}
    settled: list[Difference] = []
    while suspects:
        flying = {key for key in suspects if pipeline.in_flight(collection.name, key)}
        copies, sure = await read_copies(collection, peers, suspects, pipeline)
        now = {key: {name: rows.get(key) for name, rows in copies.items()} for key in suspects}
        over = loop.time() > deadline
        still: list[Key] = []
        for key in suspects:
            if len(set(now[key].values())) == 1:
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


async def read_copies(
    collection: Collection, peers: Sequence[Peer], keys: Sequence[Key], pipeline: Pipeline
) -> tuple[Copies, bool]:
    """The rows of these keys at every peer; and whether the log has every history up to where it was read."""
    chunks = await asyncio.gather(*(peer.rows(collection, keys) for peer in peers))
    passed = [await pipeline.passed(peer.name, chunk.position) for peer, chunk in zip(peers, chunks, strict=True)]
    return {peer.name: dict(chunk.rows) for peer, chunk in zip(peers, chunks, strict=True)}, all(passed)


def _difference(collection: Collection, key: Key, rows: dict[str, Row | None], state: str) -> Difference:
    fields = differing_fields(collection.columns, list(rows.values()))
    return Difference(collection.name, key, fields, collection.columns, rows, state)
