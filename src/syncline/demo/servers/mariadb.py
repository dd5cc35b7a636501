"""A private MariaDB server. Its data is as durable as MariaDB makes it, unless settings say otherwise."""

import os
import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Final

import pymysql

from syncline.demo.servers.process import ServerProcess
from syncline.model.errors import NotInstalled

PLACES: Final = ("/usr/sbin", "/usr/local/sbin")  # where an ordinary user's PATH does not lead
_NEEDED: Final = {
    "server-id": "1",
    "log-bin": "binlog",
    "sync-binlog": "1",
    "binlog-format": "ROW",
    "binlog-row-image": "FULL",
    "binlog-row-metadata": "FULL",
    "character-set-server": "utf8mb4",
    "skip-name-resolve": "ON",
    "performance-schema": "OFF",
}


@cache
def binary(name: str) -> str:
    """One of the server's programs, wherever it is installed. Raises NotInstalled."""
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *PLACES]))
    if not found:
        what = "a MariaDB server's programs are not installed"
        raise NotInstalled(what, why=f"there is no {name}", hint="apt-get install mariadb-server")
    return found


@dataclass
class MariadbServer(ServerProcess):
    """A server on 127.0.0.1 and on a socket in its folder. User `root` needs no password.

    Settings are named as on the command line: {"binlog-format": "MIXED"}.
    """

    SCHEME: ClassVar = "mariadb"
    EXACT: ClassVar = "utf8mb4_nopad_bin"  # the collation that takes no two texts for one
    USERS: ClassVar = ("mysql", "nobody")
    REFUSED: ClassVar = (pymysql.err.OperationalError,)

    def program(self, name: str) -> str:
        """One of the server's programs. Raises NotInstalled."""
        return binary(name)

    def make(self) -> None:
        """See ServerProcess."""
        words = ["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"]
        words += [f"--datadir={self.data}", "--innodb-flush-log-at-trx-commit=0"]
        self.program("mariadbd")  # which the other one needs, and does not tell of
        self.call(self.program("mariadb-install-db"), *words)

    def command(self) -> list[str]:
        """See ServerProcess."""
        own = {"datadir": str(self.data), "port": str(self.port), "socket": str(self.socket), "bind-address": "127.0.0.1"}
        words = [f"--{name}={value}" for name, value in (_NEEDED | self.settings | own).items()]
        return [self.program("mariadbd"), "--no-defaults", *words]

    def greet(self) -> None:
        """See ServerProcess."""
        self.connect().close()

    @property
    def socket(self) -> Path:
        """The socket for programs of this machine."""
        return self.folder / "server.sock"

    def connect(self, database: str | None = None, *, user: str = "root", **options: Any) -> Any:
        """A session as any program would have it, in autocommit mode; `options` are PyMySQL's."""
        return pymysql.connect(
            host="127.0.0.1", port=self.port, user=user, database=database, autocommit=True, charset="utf8mb4", **options
        )

    def create(self, name: str) -> str:
        """Make an empty database; its address."""
        with self.connect() as connection:
            connection.cursor().execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE {self.EXACT}")
        return self.url(name)

    def url(self, database: str, *, user: str = "root") -> str:
        """The address of a database."""
        return f"{self.SCHEME}://{user}@127.0.0.1:{self.port}/{database}"
