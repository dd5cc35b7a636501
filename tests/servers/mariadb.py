"""Private MariaDB servers for tests: one per process, made of the installed binaries, gone with the process.

Servers that other tests may share are made once; a story that kills or restores one makes its own.
"""

import atexit
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, Final

import pymysql

START_SECONDS: Final = 30.0
_SETTINGS: Final = {
    "server-id": "1",
    "log-bin": "binlog",
    "binlog-format": "ROW",
    "binlog-row-image": "FULL",
    "binlog-row-metadata": "FULL",
    "gtid-strict-mode": "ON",
    "sync-binlog": "0",
    "innodb-flush-log-at-trx-commit": "2",
    "innodb-buffer-pool-size": "256M",
    "max-allowed-packet": "256M",
    "max-connections": "200",
    "local-infile": "ON",
    "character-set-server": "utf8mb4",
    "skip-name-resolve": "ON",
    "performance-schema": "OFF",
}
_NUMBERS: Final = count(1)


@cache
def binary(name: str) -> str:
    """One of the server's programs: from the folder that SYNCLINE_TEST_MARIADB names, else wherever it is installed."""
    folders = [os.environ.get("SYNCLINE_TEST_MARIADB", ""), os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]
    found = shutil.which(name, path=os.pathsep.join(folder for folder in folders if folder))
    assert found, f"these tests need a MariaDB server's programs ({name}): apt-get install mariadb-server"
    return found


def _as_other() -> dict[str, Any]:
    """The server refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam("mysql")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": ()}


@dataclass
class Server:
    """A server that listens on 127.0.0.1 and on a socket in its folder. User `root` needs no password.

    `settings` go over the usual ones, named as on the command line: {"binlog-format": "MIXED"}.
    """

    settings: dict[str, str] = field(default_factory=dict)
    folder: Path = field(init=False)
    port: int = field(init=False)
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="syncline-my-"))
        if os.geteuid() == 0:
            shutil.chown(self.folder, "mysql", "mysql")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        words = ["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"]
        words += [f"--datadir={self.data}", "--innodb-flush-log-at-trx-commit=0"]
        made = subprocess.run(
            [binary("mariadb-install-db"), *words],
            check=False,
            capture_output=True,
            text=True,
            cwd="/",
            env=self._env,
            **_as_other(),
        )
        assert made.returncode == 0, made.stdout + made.stderr
        self.start()
        atexit.register(self.remove)

    @property
    def data(self) -> Path:
        """The data folder; the binary log is in it, as binlog.000001 and so on."""
        return self.folder / "data"

    @property
    def _env(self) -> dict[str, str]:
        """A server that starts removes the temporary tables that it finds, also those of others."""
        return {**os.environ, "TMPDIR": str(self.folder)}

    @property
    def socket(self) -> Path:
        """The socket for programs of this machine."""
        return self.folder / "server.sock"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        own = {"datadir": str(self.data), "port": str(self.port), "socket": str(self.socket), "bind-address": "127.0.0.1"}
        words = [f"--{name}={value}" for name, value in (_SETTINGS | self.settings | own).items()]
        with (self.folder / "server.out").open("ab") as output:
            self.process = subprocess.Popen(
                [binary("mariadbd"), "--no-defaults", *words],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/", env=self._env, **_as_other(),
            )  # fmt: skip
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.connect().close()
            except pymysql.err.OperationalError:
                said = (self.folder / "server.out").read_text(errors="replace")[-2000:]
                assert self.process.poll() is None, f"the server ended: {said}"
                assert time.monotonic() < deadline, f"the server does not answer: {said}"
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        """An orderly shutdown."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """kill -9, as a power cut would leave it."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop it, then start it on the same data and the same port."""
        self.stop()
        self.start()

    def _end(self, number: int) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(START_SECONDS)
        self.process = None

    def remove(self) -> None:
        """Stop it and remove its folder."""
        self._end(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def connect(self, database: str | None = None, *, user: str = "root", **options: Any) -> Any:
        """A session as any program would have it, in autocommit mode; `options` are PyMySQL's."""
        return pymysql.connect(
            host="127.0.0.1", port=self.port, user=user, database=database, autocommit=True, charset="utf8mb4", **options
        )

    def database(self, extra: str = "") -> str:
        """A new, empty database; `extra` goes to CREATE DATABASE, as in 'CHARACTER SET latin1'."""
        name = f"test_{next(_NUMBERS)}"
        with self.connect() as connection:
            connection.cursor().execute(f"CREATE DATABASE {name} {extra}")
        return name

    def url(self, database: str, *, user: str = "root") -> str:
        """The address of a database."""
        return f"mariadb://{user}@127.0.0.1:{self.port}/{database}"

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
                    cursor.execute("KILL HARD CONNECTION %s", (number,))
            cursor.execute(f"DROP DATABASE `{database}`")


@cache
def shared() -> Server:
    """The server that this process's tests share."""
    return Server()
