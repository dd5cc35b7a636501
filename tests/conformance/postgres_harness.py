"""The PostgreSQL kind in the conformance suite: databases of a private server, written by sessions that know nothing of us."""

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import sql
from tests.servers.postgres import Server, shared

from syncline.model.schema import Collection
from syncline.model.value import Key, Row
from syncline.peers.conformance.harness import PAIRS, PEOPLE, Insert, Statement, Update
from syncline.peers.postgres import PostgresPeer, open_peer
from syncline.peers.protocol import Peer

SCHEMA = {
    "people": (
        "CREATE TABLE people (id int8 PRIMARY KEY, name text NOT NULL, email text UNIQUE, "
        "age int4 CHECK (age >= 0), photo bytea, note text)"
    ),
    "pairs": "CREATE TABLE pairs (b int8 NOT NULL, a text NOT NULL, amount int8, PRIMARY KEY (a, b))",
}
_TRACES = (
    "SELECT nspname FROM pg_namespace WHERE nspname LIKE '%syncline%' "
    "UNION ALL SELECT pubname FROM pg_publication "
    "UNION ALL SELECT slot_name FROM pg_replication_slots WHERE database = current_database() "
    "UNION ALL SELECT relname FROM pg_class WHERE relname IN ('people', 'pairs') AND relreplident <> 'd'"
)


class PostgresHarness:
    """See syncline.peers.conformance.harness.Harness."""

    def __init__(self, server: Server | None = None) -> None:
        self._server = server or shared()
        self._peers: list[PostgresPeer] = []
        self._databases: dict[str, str] = {}
        self._programs: dict[str, psycopg.Connection[tuple[Any, ...]]] = {}

    async def make(self, label: str) -> None:
        self._databases[label] = self._server.database()
        program = self._programs[label] = self._server.connect(self._databases[label])
        for statement in SCHEMA.values():
            program.execute(statement)

    def open(self, label: str, *, captures: bool = True) -> Peer:
        peer = open_peer(label, self._server.url(self._databases[label]), captures=captures)
        self._peers.append(peer)
        return peer

    async def write(self, label: str, statements: Sequence[Statement]) -> None:
        program = self._programs[label]
        with program.transaction():
            for statement in statements:
                self._run(program, statement)

    def _run(self, program: psycopg.Connection[tuple[Any, ...]], statement: Statement) -> None:
        collection = PEOPLE if statement.collection == "people" else PAIRS
        table = sql.Identifier(collection.name)
        if isinstance(statement, Insert):
            holders = sql.SQL(", ").join([sql.Placeholder()] * len(statement.row))
            program.execute(sql.SQL("INSERT INTO {} VALUES ({})").format(table, holders), statement.row)
            return
        where = _equal(collection.key, " AND ")
        if isinstance(statement, Update):
            text = sql.SQL("UPDATE {} SET {} WHERE {}").format(table, _equal(statement.values, ", "), where)
            program.execute(text, (*statement.values.values(), *statement.key))
        else:
            program.execute(sql.SQL("DELETE FROM {} WHERE {}").format(table, where), statement.key)

    async def read(self, label: str, collection: Collection) -> dict[Key, Row]:
        names = sql.SQL(", ").join(map(sql.Identifier, collection.columns))
        text = sql.SQL("SELECT {} FROM {}").format(names, sql.Identifier(collection.name))
        rows = self._programs[label].execute(text).fetchall()
        return {tuple(row[place] for place in collection.key_places): row for row in rows}

    async def add_column(self, label: str, collection: Collection, name: str) -> None:
        text = sql.SQL("ALTER TABLE {} ADD COLUMN {} text").format(sql.Identifier(collection.name), sql.Identifier(name))
        self._programs[label].execute(text)

    async def drop_table(self, label: str, collection: Collection) -> None:
        self._programs[label].execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(collection.name)))
        self._programs[label].execute(SCHEMA[collection.name].encode())

    async def traces(self, label: str) -> Sequence[str]:
        return [name for (name,) in self._programs[label].execute(_TRACES).fetchall()]

    async def close(self) -> None:
        for peer in self._peers:
            await peer.close()
        for label, program in self._programs.items():
            program.close()
            self._server.forget(self._databases[label])


def _equal(names: Any, separator: str) -> sql.Composable:
    return sql.SQL(separator).join([sql.SQL("{} = %s").format(sql.Identifier(name)) for name in names])
