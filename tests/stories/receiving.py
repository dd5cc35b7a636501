"""Spaces with a peer that only receives, `depot`, at servers whose history nobody could capture, and at SQLite files.

The servers keep no log that can be read, and their user may do no more than write rows and make tables of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.servers import mariadb, postgres
from tests.stories import mixed, space
from tests.stories.dying import KILLED
from tests.stories.life import FILES
from tests.stories.mixed import Mixed

HERE: Final = Path(__file__).parent
RECEIVES: Final = "{direction: {depot: receive}, merge: {balance: counter}}"
_RIGHTS: Final = "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, TRIGGER, CREATE TEMPORARY TABLES"


@dataclass
class PlainPostgres(postgres.Server):
    """A server that writes no more into its log than a crash needs. Hubs come as `clerk`, who owns no table."""

    def url(self, database: str, *, user: str = "clerk") -> str:
        """The address of a database."""
        return super().url(database, user=user)

    def database(self) -> str:
        """A new, empty database. Who makes tables there lets the clerk write their rows."""
        name = super().database()
        tables = "ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO clerk"
        self.run(name, f"GRANT CREATE, TEMPORARY ON DATABASE {name} TO clerk", tables)
        return name


@dataclass
class PlainMariadb(mariadb.Server):
    """A server without a binary log. Hubs come as `clerk`, who may not read one either."""

    def url(self, database: str, *, user: str = "clerk") -> str:
        """The address of a database."""
        return super().url(database, user=user)

    def database(self, extra: str = "") -> str:
        """A new, empty database that the clerk may write."""
        name = super().database(extra)
        self.run(None, f"GRANT {_RIGHTS} ON {name}.* TO clerk@'127.0.0.1'")
        return name


@cache
def plain_postgres() -> PlainPostgres:
    """The server that this process's stories share."""
    server = PlainPostgres(settings={"wal_level": "minimal", "max_wal_senders": "0"})
    server.run("postgres", "CREATE ROLE clerk LOGIN")
    return server


@cache
def plain_mariadb() -> PlainMariadb:
    """The server that this process's stories share."""
    server = PlainMariadb({"skip-log-bin": "ON", "binlog-expire-logs-seconds": "3600"})
    server.run(None, "CREATE USER clerk@'127.0.0.1'")
    return server


class Kind(NamedTuple):
    """A kind of depot: its server; queries for what Syncline left in its database, and for what of that captures."""

    server: Callable[[], Any] | None
    traces: str
    captures: str


_SLOTS: Final = (
    "(SELECT count(*) FROM pg_replication_slots WHERE database = current_database()) + (SELECT count(*) FROM pg_publication) "
    "+ (SELECT count(*) FROM pg_class WHERE relname = 'customers' AND relreplident <> 'd')"
)
_TRIGGERS: Final = "(SELECT count(*) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE())"
_TABLES: Final = "FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME LIKE '%syncline%'"
KINDS: Final = {
    "postgresql": Kind(
        plain_postgres,
        f"SELECT (SELECT count(*) FROM pg_namespace WHERE nspname LIKE '%syncline%') + {_SLOTS}",
        f"SELECT {_SLOTS}",
    ),
    "mariadb": Kind(
        plain_mariadb,
        f"SELECT {_TRIGGERS} + (SELECT count(*) {_TABLES})",
        f"SELECT {_TRIGGERS} + (SELECT count(*) FROM syncline_state WHERE incarnation NOT LIKE 'received-%')",
    ),
    "sqlite": Kind(None, FILES, "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger'"),
}


def fed(folder: Path, kind: str, *, server: Any = None, refusing: str = "", **options: Any) -> Mixed:
    """A space whose `hq` sends to a `depot` of this kind: PostgreSQL to PostgreSQL, SQLite to the others.

    `server`: the depot's, if it is not the plain one. `refusing`: a constraint of the depot's table.
    """
    options = {"collections": RECEIVES} | options
    tables, files = ({"hq": text, "depot": _with(text, refusing)} for text in (mixed.CUSTOMERS, space.CUSTOMERS))
    begin = KINDS[kind].server
    if begin is None:
        return mixed.make(folder, {}, ("hq", "depot"), files_schema=files, **options)
    servers = {"depot": server or begin()}
    if kind == "postgresql":
        return mixed.make(folder, {"hq": postgres.shared(), **servers}, schema=tables, **options)
    return mixed.make(folder, servers, ("hq",), files_schema=files, schema=tables, **options)


def table_of(kind: str) -> str:
    """What makes the customers' table at a depot of this kind."""
    return space.CUSTOMERS if kind == "sqlite" else mixed.CUSTOMERS


def _with(table: str, constraint: str) -> str:
    return f"{table.removesuffix(')')}, CONSTRAINT picky {constraint})" if constraint else table


def turn(made: Mixed, old: str, new: str) -> None:
    """Change the depot's direction in the configuration."""
    text = made.space.config.read_text(encoding="utf-8")
    assert f"depot: {old}" in text
    made.space.config.write_text(text.replace(f"depot: {old}", f"depot: {new}"), encoding="utf-8")


def ask(made: Mixed, sql: str) -> list[tuple[Any, ...]]:
    """What a query finds in the depot's database."""
    if "depot" in made.servers:
        return list(made.servers["depot"].run(made.databases["depot"], sql))
    return made.space.read("depot", sql)


def die(made: Mixed, place: str) -> None:
    """Run a hub that is killed at a place of dying.POINTS."""
    process = made.space.spawn("dying", str(HERE / "dying.py"), place, "run", str(made.space.config), "--json")
    try:
        assert process.wait(60) == KILLED, f"{place} was not reached\n{made.space.said('dying')}"
    finally:
        process.kill()
