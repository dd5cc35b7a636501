"""Which tables a table's foreign keys refer to, as every kind of peer tells it."""

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.unit.peers.mysql import database as mariadb
from tests.unit.peers.postgres import database as postgres

from syncline.peers.sqlite import inspect

TABLES = (
    "CREATE TABLE owners (id int PRIMARY KEY, boss int, FOREIGN KEY (boss) REFERENCES owners (id))",
    "CREATE TABLE kinds (id int PRIMARY KEY)",
    "CREATE TABLE pets (id int PRIMARY KEY, o int, p int, k int, FOREIGN KEY (o) REFERENCES owners (id), "
    "FOREIGN KEY (p) REFERENCES owners (id), FOREIGN KEY (k) REFERENCES kinds (id))",
)
PARENTS = {"owners": (), "kinds": (), "pets": ("kinds", "owners")}


def test_parents_in_sqlite(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "x.db")) as connection:
        for table in TABLES:
            connection.execute(table)
        assert {name: table.parents for name, table in inspect.tables(connection).items()} == PARENTS


def test_parents_in_mariadb() -> None:
    async def work() -> None:
        async with mariadb.database(*TABLES) as base:
            peer = base.peer()
            await peer.connect()
            assert {name: table.parents for name, table in (await peer.inspect()).items()} == PARENTS

    mariadb.story(work)


def test_parents_in_postgres() -> None:
    async def work() -> None:
        async with postgres.database(*TABLES) as base:
            peer = base.peer()
            await peer.connect()
            assert {name: table.parents for name, table in (await peer.inspect()).items()} == PARENTS

    postgres.story(work)
