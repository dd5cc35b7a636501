"""Digests for kinds of peers whose engine cannot compute them: the rows are read, in pieces, and digested here."""

import asyncio
from collections.abc import Sequence
from typing import Final

from syncline.model.canonical import CHAIN, SHA256, Total, Way, classes_of, digest_rows, total_of
from syncline.model.schema import Collection, Kind
from syncline.model.value import Key, Row, Tagged
from syncline.peers.protocol import Chunk, Digest, Digests, Peer, Range

PIECE: Final = 10_000  # rows read at a time
_SAMPLE: Final = Collection("sample", ("a", "b", "c"), ("a",), (Kind.INTEGER, Kind.TEXT, Kind.ANY))
_ROW: Final[Row] = (-12, "\u00e4 'b;\n", Tagged("real", "0.5"))


def sample(algorithm: str = SHA256) -> str:
    """The digest of one row, as hex: what an algorithm makes of it."""
    total = Total(Way(algorithm))
    total.add_rows([_ROW], classes_of(_SAMPLE))
    return f"{total.value:016x}"


def is_ordered(collection: Collection) -> bool:
    """Whether every engine has the rows in the same order, and finds them so: by keys that are integers."""
    kinds = dict(zip(collection.columns, collection.kinds, strict=False))
    return bool(collection.key) and all(kinds.get(name) is Kind.INTEGER for name in collection.key)


class ReadsDigests:
    """A peer that reads its rows to digest them, in pieces; other work goes on between them."""

    async def ways(self: Peer, collection: Collection) -> dict[str, str]:
        """See the protocol."""
        return {SHA256: sample()} | ({CHAIN: sample(CHAIN)} if is_ordered(collection) else {})

    async def fences(self: Peer, collection: Collection, ranges: Sequence[Range], size: int) -> list[list[Key]]:
        """See the protocol."""
        found: list[list[Key]] = []
        for after, upto in ranges:
            fences: list[Key] = []
            start, done = after, False
            while not done:
                chunk = await self.chunk(collection, start, size, upto)
                start, done = chunk.last, chunk.done
                if not done and start is not None:
                    fences.append(start)
            found.append(fences)
        return found

    async def digests(self: Peer, collection: Collection, ranges: Sequence[Range], way: Way) -> Digests:
        """See the protocol. Each piece is a snapshot of its own: position and watermark are the first one's."""
        classes = classes_of(collection)
        parts: list[Digest] = []
        first: Chunk | None = None
        for after, upto in ranges:
            total = Total(way)
            start, done = after, False
            while not done:
                chunk = await self.chunk(collection, start, PIECE, upto)
                first = first or chunk
                total.add_rows([row for _, row in chunk.rows], classes)
                start, done = chunk.last, chunk.done
                await asyncio.sleep(0)
            parts.append(Digest(total.count, total.value))
        first = first or await self.chunk(collection, None, 1)
        return Digests(tuple(parts), first.position, first.watermark)

    async def hashes(self: Peer, collection: Collection, ranges: Sequence[Range], way: Way) -> list[dict[Key, int]]:
        """See the protocol."""
        classes = classes_of(collection)
        found: list[dict[Key, int]] = []
        for after, upto in ranges:
            hashed: dict[Key, int] = {}
            start, done = after, False
            while not done:
                chunk = await self.chunk(collection, start, PIECE, upto)
                digests = digest_rows([row for _, row in chunk.rows], classes, way.each)
                hashed.update(zip((key for key, _ in chunk.rows), digests, strict=True))
                start, done = chunk.last, chunk.done
            found.append(hashed)
        return found

    async def digests_of(self: Peer, collection: Collection, groups: Sequence[Sequence[Key]], way: Way) -> Digests:
        """See the protocol."""
        chunk = await self.rows(collection, [key for group in groups for key in group])
        rows, classes = dict(chunk.rows), classes_of(collection)
        parts = []
        for group in groups:
            found = [rows[key] for key in dict.fromkeys(group) if key in rows]
            parts.append(Digest(len(found), total_of(digest_rows(found, classes, way.each))))
        return Digests(tuple(parts), chunk.position, chunk.watermark)
