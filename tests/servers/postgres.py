"""Private PostgreSQL servers for tests: one per process, made of the installed binaries, gone with the process.

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

import psycopg

START_SECONDS: Final = 30.0
_SETTINGS: Final = {
    "wal_level": "logical",
    "max_replication_slots": "60",
    "max_wal_senders": "60",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "fsync": "off",
    "autovacuum": "off",
    "max_prepared_transactions": "10",
    "log_min_messages": "fatal",
}
_NUMBERS: Final = count(1)


@cache
def binaries() -> Path:
    """The folder of initdb and postgres: the one that SYNCLINE_TEST_POSTGRES names, else of the newest version installed."""
    if named := os.environ.get("SYNCLINE_TEST_POSTGRES"):
        return Path(named)
    found = [Path(path).parent for path in [shutil.which("initdb") or ""] if path and (Path(path).parent / "postgres").exists()]
    found += Path("/usr/lib/postgresql").glob("*/bin")
    if shutil.which("pg_config"):
        told = subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True, check=True)
        found.append(Path(told.stdout.strip()))
    found = [folder for folder in found if (folder / "initdb").exists() and (folder / "postgres").exists()]
    assert found, "these tests need a PostgreSQL server's programs: apt-get install postgresql"
    return max(found, key=lambda folder: [int(part) for part in folder.parts if part.isdigit()])


def _as_other() -> dict[str, Any]:
    """initdb and postgres refuse to run as root."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam("postgres")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": ()}


@dataclass
class Server:
    """A server that listens on 127.0.0.1 and on a socket in its folder. User `postgres` needs no password."""

    settings: dict[str, str] = field(default_factory=dict)
    folder: Path = field(init=False)
    port: int = field(init=False)
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="syncline-pg-"))
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        words = ["-D", str(self.data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C.UTF-8"]
        subprocess.run([str(binaries() / "initdb"), *words], check=True, capture_output=True, cwd="/", **_as_other())
        self.start()
        atexit.register(self.remove)

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.folder / "data"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        settings = _SETTINGS | self.settings
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with (self.folder / "server.out").open("ab") as output:
            self.process = subprocess.Popen(
                [str(binaries() / "postgres"), "-D", str(self.data), "-p", str(self.port), "-k", str(self.folder), *words],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/", **_as_other(),
            )  # fmt: skip
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.connect("postgres").close()
            except psycopg.OperationalError:
                said = (self.folder / "server.out").read_text(errors="replace")[-2000:]
                assert self.process.poll() is None, f"the server ended: {said}"
                assert time.monotonic() < deadline, f"the server does not answer: {said}"
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        """A fast shutdown."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """kill -9 of the server and of all its processes, as a power cut would leave it."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)  # else it would start anew what is killed below
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)
        self._end(signal.SIGKILL)

    def _end(self, number: int) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(START_SECONDS)
        self.process = None

    def remove(self) -> None:
        """Stop it and remove its folder."""
        self._end(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def connect(self, database: str) -> psycopg.Connection[tuple[Any, ...]]:
        """A session as any program would have it, in autocommit mode."""
        return psycopg.connect(host="127.0.0.1", port=self.port, user="postgres", dbname=database, autocommit=True)

    def database(self) -> str:
        """A new, empty database."""
        name = f"test_{next(_NUMBERS)}"
        with self.connect("postgres") as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return name

    def url(self, database: str, *, user: str = "postgres") -> str:
        """The address of a database."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

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
def shared() -> Server:
    """The server that this process's tests share."""
    return Server()
