"""A PostgreSQL peer that may not leave foreign keys out joins: no row comes before the one that it refers to, in whatever order
the collections are listed."""

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.servers.postgres import Server, shared

from syncline.log.registry import open_reader
from syncline.model.entry import Kind

ROWS = 12_000  # some ranges
ROLE = "sync_family"
TABLES = (
    "CREATE TABLE people (id int8 PRIMARY KEY, name text)",
    "CREATE TABLE orders (id int8 PRIMARY KEY, person int8 NOT NULL REFERENCES people)",
    "CREATE TABLE lines (id int8 PRIMARY KEY, ordered int8 NOT NULL REFERENCES orders)",
)
LISTED = ("lines", "people", "orders")


@pytest.fixture
def shop() -> Iterator[tuple[Server, str]]:
    """A database whose tables a plain role owns."""
    server = shared()
    name = server.database()
    server.run(name, *TABLES, f"CREATE ROLE {ROLE} LOGIN REPLICATION", f"GRANT CREATE ON DATABASE {name} TO {ROLE}")
    server.run(name, *(f"ALTER TABLE {table} OWNER TO {ROLE}" for table in LISTED))
    yield server, name
    server.forget(name)
    server.run("postgres", f"DROP ROLE {ROLE}")


def test_t6_a_peer_that_checks_foreign_keys_is_filled_without_a_row_being_set_aside(
    shop: tuple[Server, str], tmp_path: Path
) -> None:
    server, name = shop
    with closing(sqlite3.connect(tmp_path / "office.db")) as office, office:
        for statement in TABLES:
            office.execute(statement.replace("int8", "INTEGER"))
        office.executemany("INSERT INTO people VALUES (?, ?)", [(n, f"name {n}") for n in range(ROWS)])
        for table in ("orders", "lines"):
            office.executemany(f"INSERT INTO {table} VALUES (?, ?)", [(n, ROWS - 1 - n) for n in range(ROWS)])
    lines = ["space: shop", "log: shop.log.db", "peers:", "  office: sqlite:///office.db"]
    lines += [f"  shop: {server.url(name, user=ROLE)}", "collections:", *(f"  {table}: {{}}" for table in LISTED)]
    (tmp_path / "shop.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    words = [sys.executable, "-m", "syncline", "run", "shop.yaml", "--until-idle", "--json"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for table in LISTED:
        assert server.run(name, f"SELECT count(*) FROM {table}") == [(ROWS,)]
    assert asyncio.run(kinds(tmp_path / "shop.log.db")) >= {Kind.FILL, Kind.JOIN}
    assert Kind.PARK not in asyncio.run(kinds(tmp_path / "shop.log.db"))


async def kinds(log: Path) -> set[Kind]:
    """The kinds of entries that a log has."""
    async with await open_reader(str(log)) as reader:
        return {entry.kind async for entries in reader.read(0) for entry in entries}
