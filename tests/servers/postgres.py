"""Private PostgreSQL servers for tests: one per process, made of the installed binaries, gone with the process.

Servers that other tests may share are made once; a story that kills or restores one makes its own.
"""

import atexit
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, Final

import psycopg

from syncline.demo.servers.postgres import PostgresServer
from syncline.demo.servers.process import START_SECONDS

_SETTINGS: Final = {
    "max_replication_slots": "60",
    "max_wal_senders": "60",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "fsync": "off",
    "autovacuum": "off",
    "max_prepared_transactions": "10",
}
_NUMBERS: Final = count(1)


@dataclass
class Server(PostgresServer):
    """A server that is fast, and no more durable than a process. `primary`: the server that this is a standby of.

    Of the version whose folder SYNCLINE_TEST_POSTGRES names, if no other one is asked for.
    """

    primary: "Server | None" = None

    def __post_init__(self) -> None:
        self.settings = _SETTINGS | self.settings
        super().__post_init__()
        atexit.register(self.remove)

    def program(self, name: str) -> str:
        """A program of this server's version."""
        named = os.environ.get("SYNCLINE_TEST_POSTGRES")
        return str(Path(named) / name) if named and self.major is None else super().program(name)

    def make(self) -> None:
        """Its data folder: new, or a copy of the primary's."""
        if self.primary is None:
            super().make()
        else:
            self.primary.back_up(self.data, "--write-recovery-conf")

    def back_up(self, place: Path, *words: str) -> None:
        """A base backup of it while it runs."""
        url = self.url("postgres")
        self.call(self.program("pg_basebackup"), "-d", url, "-D", str(place), "--checkpoint=fast", "--no-sync", *words)

    def database(self) -> str:
        """A new, empty database."""
        name = f"test_{next(_NUMBERS)}"
        with self.connect("postgres") as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return name

    def run(self, database: str, *statements: str, values: Sequence[object] | None = None) -> list[tuple[Any, ...]]:
        """Run statements in one transaction as a program that knows nothing of Syncline; the rows of the last one."""
        with self.connect(database) as connection, connection.transaction():
            for statement in statements:
                cursor = connection.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def forget(self, database: str) -> None:
        """Drop a database with its slots."""
        with self.connect("postgres") as connection:
            slots = "SELECT slot_name, active_pid FROM pg_replication_slots WHERE database = %s"
            for name, pid in connection.execute(slots, (database,)).fetchall():
                if pid is not None:
                    connection.execute("SELECT pg_terminate_backend(%s)", (pid,))
                self._drop_slot(connection, name)
            connection.execute(f"DROP DATABASE {database} WITH (FORCE)".encode())

    def _drop_slot(self, connection: psycopg.Connection[tuple[Any, ...]], name: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                connection.execute("SELECT pg_drop_replication_slot(%s)", (name,))
            except psycopg.errors.UndefinedObject:
                return  # a temporary one that went with its session
            except psycopg.errors.ObjectInUse:
                assert time.monotonic() < deadline, f"slot {name} stays in use"
                time.sleep(0.01)
            else:
                return


@cache
def shared(major: int | None = None) -> Server:
    """The server of a major version that this process's tests share; without one, of the default version."""
    return Server(major=major)
