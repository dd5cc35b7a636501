"""Digests that a PostgreSQL server computes itself; what it cannot is read and digested here."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

import psycopg

from syncline.model.canonical import CHAIN, SHA256, Way
from syncline.model.errors import PeerUnsafe
from syncline.model.schema import Collection
from syncline.model.value import Key
from syncline.peers.digest import ReadsDigests, is_ordered, sample
from syncline.peers.postgres import digest, snapshot
from syncline.peers.postgres.connect import Connection
from syncline.peers.protocol import Digest, Digests, Peer, Range

_T = TypeVar("_T")


class AsksServer(Peer, Protocol):
    """A peer that can have its server compute something."""

    async def able(self) -> dict[str, str]:
        """The algorithms that the server computes, with samples."""
        ...

    async def inside(
        self, collection: Collection, work: Callable[[Connection, snapshot.Source], Awaitable[_T]]
    ) -> tuple[snapshot.Moment, _T]:
        """Have the server compute something of a collection, with the moment of its snapshot."""
        ...


class DigestsInServer(ReadsDigests):
    """The digests of a peer, asked of its server."""

    async def ways(self: AsksServer, collection: Collection) -> dict[str, str]:
        """See the protocol. What the server cannot compute is read."""
        able = await self.able()
        if not is_ordered(collection) or not (await self.inside(collection, digest.is_chained))[1]:
            able = {name: one for name, one in able.items() if name != CHAIN}
        return {SHA256: sample()} | able

    async def fences(self: AsksServer, collection: Collection, ranges: Sequence[Range], size: int) -> list[list[Key]]:
        """See the protocol."""
        _, found = await self.inside(collection, lambda one, source: digest.fences(one, source, ranges, size))
        return found

    async def digests(self: AsksServer, collection: Collection, ranges: Sequence[Range], way: Way) -> Digests:
        """See the protocol."""
        if way.algorithm in await self.able():
            taken, parts = await self.inside(collection, lambda one, at: digest.digests(one, at, collection, ranges, way))
            if parts is not None:
                return Digests(tuple(parts), taken.position, taken.watermark)
        return await ReadsDigests.digests(self, collection, ranges, way)

    async def hashes(self: AsksServer, collection: Collection, ranges: Sequence[Range], way: Way) -> list[dict[Key, int]]:
        """See the protocol."""
        if way.each.algorithm not in await self.able():
            return await ReadsDigests.hashes(self, collection, ranges, way)
        _, found = await self.inside(collection, lambda one, source: digest.hashes(one, source, collection, ranges, way))
        return found

    async def digests_of(self: AsksServer, collection: Collection, groups: Sequence[Sequence[Key]], way: Way) -> Digests:
        """See the protocol."""
        if way.each.algorithm not in await self.able():
            return await ReadsDigests.digests_of(self, collection, groups, way)

        async def work(plain: bool) -> tuple[snapshot.Moment, list[Digest]]:
            return await self.inside(
                collection, lambda one, source: digest.digests_of(one, source, collection, groups, way, plain=plain)
            )

        try:
            taken, parts = await work(False)
        except PeerUnsafe as error:
            if not isinstance(error.__cause__, psycopg.DataError | psycopg.IntegrityError | psycopg.errors.UndefinedFunction):
                raise
            taken, parts = await work(True)  # its type refuses a key, or has no equality
        return Digests(tuple(parts), taken.position, taken.watermark)
