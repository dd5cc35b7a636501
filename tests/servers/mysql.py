"""Private MySQL 8 servers for tests, where the server's program is there: installed, or fetched (see fetch_mysql)."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar, Final

from tests.servers.fetch_mysql import is_there, place
from tests.servers.mariadb import Server

_NEEDED: Final = {
    "server-id": "1",
    "log-bin": "binlog",
    "binlog-format": "ROW",
    "binlog-row-image": "FULL",
    "binlog-row-metadata": "FULL",
    "character-set-server": "utf8mb4",
    "skip-name-resolve": "ON",
    "performance-schema": "OFF",
    "mysqlx": "OFF",
    "sync-binlog": "0",
    "innodb-flush-log-at-trx-commit": "2",
    "innodb-buffer-pool-size": "256M",
    "max-allowed-packet": "256M",
    "max-connections": "200",
    "local-infile": "ON",
}
# whoever comes by TCP is another root than the one of the socket
_FIRST: Final = "CREATE USER root@'127.0.0.1';\nGRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;\n"


@cache
def root() -> Path | None:
    """The folder that has MySQL's usr/sbin/mysqld; None where there is none."""
    named = os.environ.get("SYNCLINE_TEST_MYSQL", "")
    fetched = [place()] if is_there(place()) else []
    for folder in [Path(named)] if named else [*fetched, Path("/")]:
        if (folder / "usr/sbin/mysqld").exists():
            told = subprocess.run(_run(folder, "--version"), capture_output=True, text=True, check=False).stdout
            if " Ver 8." in told and "MariaDB" not in told:
                return folder
    return None


def _run(folder: Path, *words: str) -> list[str]:
    libraries = folder / "usr/lib/x86_64-linux-gnu"
    return [shutil.which("env") or "env", f"LD_LIBRARY_PATH={libraries}", str(folder / "usr/sbin/mysqld"), *words]


@dataclass
class MysqlServer(Server):
    """See tests.servers.mariadb.Server; settings as MySQL names them."""

    SCHEME: ClassVar = "mysql"
    EXACT: ClassVar = "utf8mb4_0900_bin"

    def __post_init__(self) -> None:
        self._given = dict(self.settings)
        super().__post_init__()

    def make(self) -> None:
        """See ServerProcess."""
        first = self.folder / "first.sql"
        first.write_text(_FIRST, encoding="utf-8")
        first.chmod(0o644)
        self.call(*self._words("--initialize-insecure", "--innodb-flush-log-at-trx-commit=0", f"--init-file={first}"))

    def command(self) -> list[str]:
        """See ServerProcess."""
        own = {"port": str(self.port), "socket": str(self.socket), "bind-address": "127.0.0.1", "pid-file": "server.pid"}
        return self._words(*(f"--{name}={value}" for name, value in (_NEEDED | self._given | own).items()))

    def _words(self, *words: str) -> list[str]:
        folder = root()
        assert folder is not None, "ask `root` before"
        places = (f"--datadir={self.data}", f"--basedir={folder / 'usr'}", f"--secure-file-priv={self.folder}")
        return _run(folder, "--no-defaults", *places, *words)


@cache
def shared() -> MysqlServer:
    """The server that this process's tests share."""
    return MysqlServer()
