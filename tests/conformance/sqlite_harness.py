"""The SQLite kind in the conformance suite: files in a folder, written by connections that know nothing of Syncline."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from syncline.model.schema import Collection
from syncline.model.value import Key, Row
from syncline.peers.conformance.harness import Insert, Statement, Update
from syncline.peers.protocol import Peer
from syncline.peers.sqlite import SqlitePeer, open_peer

SCHEMA = {
    "people": (
        "CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT UNIQUE, "
        "age INTEGER CHECK (age >= 0), photo BLOB, note TEXT)"
    ),
    "pairs": "CREATE TABLE pairs (b INTEGER NOT NULL, a TEXT NOT NULL, amount INTEGER, PRIMARY KEY (a, b))",
}


class SqliteHarness:
    """See syncline.peers.conformance.harness.Harness."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._peers: list[SqlitePeer] = []
        self._programs: dict[str, sqlite3.Connection] = {}

    async def make(self, label: str) -> None:
        program = sqlite3.connect(self._folder / f"{label}.db", isolation_level=None)
        program.execute("PRAGMA journal_mode=WAL")
        for statement in SCHEMA.values():
            program.execute(statement)
        self._programs[label] = program

    def open(self, label: str, *, captures: bool = True) -> Peer:
        peer = open_peer(label, f"sqlite:///{self._folder / label}.db", captures=captures)
        self._peers.append(peer)
        return peer

    async def write(self, label: str, statements: Sequence[Statement]) -> None:
        program = self._programs[label]
        program.execute("BEGIN IMMEDIATE")
        for statement in statements:
            self._run(program, statement)
        program.execute("COMMIT")

    def _run(self, program: sqlite3.Connection, statement: Statement) -> None:
        table = statement.collection
        if isinstance(statement, Insert):
            program.execute(f"INSERT INTO {table} VALUES ({','.join('?' * len(statement.row))})", statement.row)
            return
        names = ("id",) if table == "people" else ("a", "b")
        where = " AND ".join(f"{name} = ?" for name in names)
        if isinstance(statement, Update):
            sets = ", ".join(f"{name} = ?" for name in statement.values)
            program.execute(f"UPDATE {table} SET {sets} WHERE {where}", (*statement.values.values(), *statement.key))
        else:
            program.execute(f"DELETE FROM {table} WHERE {where}", statement.key)

    async def read(self, label: str, collection: Collection) -> dict[Key, Row]:
        rows = self._programs[label].execute(f"SELECT {', '.join(collection.columns)} FROM {collection.name}").fetchall()
        return {tuple(row[place] for place in collection.key_places): row for row in rows}

    async def add_column(self, label: str, collection: Collection, name: str) -> None:
        self._programs[label].execute(f"ALTER TABLE {collection.name} ADD COLUMN {name} TEXT")

    async def drop_table(self, label: str, collection: Collection) -> None:
        self._programs[label].execute(f"DROP TABLE {collection.name}")
        self._programs[label].execute(SCHEMA[collection.name])

    async def traces(self, label: str) -> Sequence[str]:
        found = self._programs[label].execute("SELECT name, sql FROM sqlite_schema").fetchall()
        return [name for name, sql in found if "syncline" in f"{name} {sql}"]

    async def close(self) -> None:
        for peer in self._peers:
            await peer.close()
        for program in self._programs.values():
            program.close()
