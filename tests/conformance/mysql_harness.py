"""The MariaDB and MySQL kind in the conformance suite: databases of a private server, written by sessions that know nothing."""

from collections.abc import Iterable, Sequence
from typing import Any

from tests.servers.mariadb import Server, shared

from syncline.model.schema import Collection
from syncline.model.value import Key, Row
from syncline.peers.conformance.harness import PAIRS, PEOPLE, Insert, Statement, Update
from syncline.peers.mysql import MysqlPeer, open_peer
from syncline.peers.protocol import Peer

SCHEMA = {
    "people": (
        "CREATE TABLE people (id bigint PRIMARY KEY, name varchar(200) NOT NULL, email varchar(200) UNIQUE, "
        "age int CHECK (age >= 0), photo longblob, note longtext)"
    ),
    "pairs": (
        "CREATE TABLE pairs (b bigint NOT NULL, a varchar(50) COLLATE {exact} NOT NULL, amount bigint, PRIMARY KEY (a, b))"
    ),
}


class MysqlHarness:
    """See syncline.peers.conformance.harness.Harness."""

    def __init__(self, server: Server | None = None) -> None:
        self._server = server or shared()
        self._exact = self._server.EXACT
        self._peers: list[MysqlPeer] = []
        self._databases: dict[str, str] = {}
        self._programs: dict[str, Any] = {}

    async def make(self, label: str) -> None:
        self._databases[label] = self._server.database()
        program = self._programs[label] = self._server.connect(self._databases[label])
        for statement in SCHEMA.values():
            program.query(statement.format(exact=self._exact))

    def open(self, label: str, *, captures: bool = True) -> Peer:
        peer = open_peer(label, self._server.url(self._databases[label]), captures=captures)
        self._peers.append(peer)
        return peer

    async def write(self, label: str, statements: Sequence[Statement]) -> None:
        with self._programs[label].cursor() as cursor:
            cursor.execute("START TRANSACTION")
            for statement in statements:
                _run(cursor, statement)
            cursor.execute("COMMIT")

    async def read(self, label: str, collection: Collection) -> dict[Key, Row]:
        with self._programs[label].cursor() as cursor:
            cursor.execute(f"SELECT {', '.join(collection.columns)} FROM {collection.name}")
            return {tuple(row[place] for place in collection.key_places): row for row in cursor.fetchall()}

    async def add_column(self, label: str, collection: Collection, name: str) -> None:
        self._programs[label].query(f"ALTER TABLE {collection.name} ADD COLUMN {name} text")

    async def drop_table(self, label: str, collection: Collection) -> None:
        self._programs[label].query(f"DROP TABLE {collection.name}")
        self._programs[label].query(SCHEMA[collection.name].format(exact=self._exact))

    async def traces(self, label: str) -> Sequence[str]:
        with self._programs[label].cursor() as cursor:
            cursor.execute("SHOW TABLES LIKE '%syncline%'")
            return [name for (name,) in cursor.fetchall()]

    async def close(self) -> None:
        for peer in self._peers:
            await peer.close()
        for label, program in self._programs.items():
            program.close()
            self._server.forget(self._databases[label])


def _run(cursor: Any, statement: Statement) -> None:
    collection = PEOPLE if statement.collection == "people" else PAIRS
    if isinstance(statement, Insert):
        holders = ", ".join(["%s"] * len(statement.row))
        cursor.execute(f"INSERT INTO {collection.name} VALUES ({holders})", statement.row)
    elif isinstance(statement, Update):
        sql = f"UPDATE {collection.name} SET {_equal(statement.values, ', ')} WHERE {_equal(collection.key, ' AND ')}"
        cursor.execute(sql, (*statement.values.values(), *statement.key))
    else:
        cursor.execute(f"DELETE FROM {collection.name} WHERE {_equal(collection.key, ' AND ')}", statement.key)


def _equal(names: Iterable[str], separator: str) -> str:
    return separator.join(f"{name} = %s" for name in names)
