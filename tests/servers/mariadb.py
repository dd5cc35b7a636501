"""Private MariaDB servers for tests: one per process, made of the installed binaries, gone with the process.

Servers that other tests may share are made once; a story that kills or restores one makes its own.
"""

import atexit
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import count
from typing import Any, Final

import pymysql

from syncline.demo.servers.mariadb import MariadbServer

_SETTINGS: Final = {
    "sync-binlog": "0",
    "gtid-strict-mode": "ON",
    "innodb-flush-log-at-trx-commit": "2",
    "innodb-buffer-pool-size": "256M",
    "max-allowed-packet": "256M",
    "max-connections": "200",
    "local-infile": "ON",
}
_NUMBERS: Final = count(1)


@dataclass
class Server(MariadbServer):
    """A server that is fast, and no more durable than a process; of the folder that SYNCLINE_TEST_MARIADB names, if it does."""

    def __post_init__(self) -> None:
        self.settings = _SETTINGS | self.settings
        super().__post_init__()
        atexit.register(self.remove)

    def program(self, name: str) -> str:
        """One of the server's programs."""
        return shutil.which(name, path=os.environ.get("SYNCLINE_TEST_MARIADB", "")) or super().program(name)

    def restart(self) -> None:
        """Stop it, then start it on the same data and the same port."""
        self.stop()
        self.start()

    def database(self, extra: str = "") -> str:
        """A new, empty database; `extra` goes to CREATE DATABASE, as in 'CHARACTER SET latin1'."""
        name = f"test_{next(_NUMBERS)}"
        with self.connect() as connection:
            connection.cursor().execute(f"CREATE DATABASE {name} {extra}")
        return name

    def run(self, database: str | None, *statements: str, values: Sequence[object] | None = None) -> list[tuple[Any, ...]]:
        """Run statements in one transaction as a program that knows nothing of Syncline; the rows of the last one."""
        with self.connect(database) as connection, connection.cursor() as cursor:
            cursor.execute("START TRANSACTION")
            for statement in statements:
                cursor.execute(statement, values)
            rows = list(cursor.fetchall())
            connection.commit()
        return rows

    def forget(self, database: str) -> None:
        """Drop a database, with the sessions that use it."""
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT ID FROM information_schema.PROCESSLIST WHERE DB = %s", (database,))
            for (number,) in cursor.fetchall():
                with suppress(pymysql.err.OperationalError):  # it went by itself
                    cursor.execute("KILL CONNECTION %s", (number,))
            cursor.execute(f"DROP DATABASE `{database}`")


@cache
def shared() -> Server:
    """The server that this process's tests share."""
    return Server()
