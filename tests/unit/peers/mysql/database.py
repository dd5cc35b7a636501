"""A database of the shared server for one test, with a peer on it."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, TypeVar

import pytest
from tests.servers.mariadb import Server, shared
from tests.servers.mysql import MysqlServer

from syncline.model.change import Change
from syncline.model.schema import Collection, Table
from syncline.model.stamp import Position
from syncline.peers.conformance.reading import captured
from syncline.peers.mysql.peer import MysqlPeer, open_peer

SECONDS = 60.0
_S = TypeVar("_S", bound=Server)
_chosen: list[Server] = []
on_each_server = pytest.mark.usefixtures("each_server")


@contextmanager
def chosen(server: _S) -> Iterator[_S]:
    """Databases are made on this server meanwhile, where no other is given."""
    _chosen.append(server)
    try:
        yield server
    finally:
        _chosen.pop()


def current() -> Server:
    """The server that databases are made on, where no other is given."""
    return _chosen[-1] if _chosen else shared()


def numbers(count: int) -> str:
    """A table of the numbers from 1 on, `seq`, in order."""
    return f"seq_1_to_{count}"


def written(statement: str, server: Server) -> str:
    """A statement of MariaDB's as this server takes it: a table of numbers, the collation that takes no two texts for one."""
    if not isinstance(server, MysqlServer):
        return statement
    ones = "JSON_TABLE(CONCAT('[', REPEAT('0,', {} - 1), '0]'), '$[*]' COLUMNS (seq FOR ORDINALITY)) AS numbers"
    found = re.sub(r"seq_1_to_(\d+)", lambda match: ones.format(match[1]), statement)
    return found.replace("utf8mb4_nopad_bin", server.EXACT)


_MARIADB: Final = re.compile(
    r"\b(uuid|inet4|inet6|compressed|uca1400_\w+|latin1_nopad_bin|decimal\(38,38|aria|system versioning|or replace table)\b",
    re.IGNORECASE,
)


def is_here(declared: str) -> bool:
    """Whether the server at hand has such a type, or such a statement."""
    return not isinstance(current(), MysqlServer) or not _MARIADB.search(declared)


def only_mariadb(declared: str) -> None:
    """Leave the story out where only MariaDB has what it is about."""
    if not is_here(declared):
        pytest.skip(f"only MariaDB has {declared}")


class Database:
    """What a test needs of it."""

    def __init__(self, server: Server, name: str) -> None:
        self.server, self.name = server, name
        self.peers: list[MysqlPeer] = []

    def run(self, *statements: str, values: Sequence[object] | None = None) -> list[tuple[Any, ...]]:
        """One transaction of a foreign program, see `written`."""
        return self.server.run(self.name, *[written(one, self.server) for one in statements], values=values)

    def peer(self, *, user: str = "root", options: str = "") -> MysqlPeer:
        """A peer on it, not connected."""
        peer = open_peer("my", self.server.url(self.name, user=user) + options)
        self.peers.append(peer)
        return peer

    async def ready(self, *names: str, user: str = "root") -> tuple[MysqlPeer, dict[str, Collection]]:
        """A connected peer, set up for these tables."""
        peer = self.peer(user=user)
        await peer.connect()
        tables = await peer.inspect()
        found = {name: collection_of(tables[name]) for name in names}
        await peer.setup(list(found.values()))
        return peer, found

    async def ready_collection(self, name: str) -> Collection:
        """A table as a collection."""
        peer = self.peer()
        await peer.connect()
        return collection_of((await peer.inspect())[name])


def collection_of(table: Table) -> Collection:
    """A collection of all that can be written of a table."""
    columns = tuple(column for column in table.columns if not column.generated)
    return Collection(table.name, tuple(one.name for one in columns), table.key, tuple(one.kind for one in columns))


@asynccontextmanager
async def database(*statements: str, server: Server | None = None, extra: str = "") -> AsyncIterator[Database]:
    """A new database with tables, on the server at hand if no other is given."""
    where = server or current()
    found = Database(where, where.database(extra))
    try:
        if statements:
            found.run(*statements)
        yield found
    finally:
        for peer in found.peers:
            await peer.close()
        if where.process is not None:
            where.forget(found.name)


async def changes(peer: MysqlPeer, after: Position | None = None) -> list[Change]:
    """All changes, in order."""
    return [change for transaction in await captured(peer, after) for change in transaction.changes]


def story(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a story to its end, within the deadline."""

    async def timed() -> None:
        async with asyncio.timeout(SECONDS):
            await work()

    asyncio.run(timed())
