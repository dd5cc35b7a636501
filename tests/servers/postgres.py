"""Private PostgreSQL servers for tests: one per process, made of the installed binaries, gone with the process.

Servers that other tests may share are made once; a story that kills or restores one makes its own.
"""

import atexit
import os
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
from tests.servers.postgres_programs import as_other, binaries, give

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


@dataclass
class Server:
    """A server that listens on 127.0.0.1 and on a socket in its folder. User `postgres` needs no password.

    `major`: of which version; the default one if nothing is said. `primary`: the server that this is a standby of.
    `under`: where its folder is to be.
    """

    settings: dict[str, str] = field(default_factory=dict)
    major: int | None = None
    primary: "Server | None" = None
    under: Path | None = None
    folder: Path = field(init=False)
    port: int = field(init=False)
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="syncline-pg-", dir=self.under))
        give(self.folder)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        if self.primary is not None:
            self.primary.back_up(self.data, "--write-recovery-conf")
        else:
            words = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C.UTF-8"]
            self._call("initdb", "-D", str(self.data), *words)
        self.start()
        atexit.register(self.remove)

    def program(self, name: str) -> str:
        """A program of this server's version."""
        return str(binaries(self.major) / name)

    def _call(self, name: str, *words: str) -> None:
        subprocess.run([self.program(name), *words], check=True, capture_output=True, cwd="/", **as_other())

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
                [self.program("postgres"), "-D", str(self.data), "-p", str(self.port), "-k", str(self.folder), *words],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/", **as_other(),
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

    @property
    def is_up(self) -> bool:
        """Whether its main process runs: a server that cannot write its log ends by itself."""
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """kill -9 of the server and of all its processes, as a power cut would leave it."""
        self.freeze()  # else it would start anew what is killed below
        self._signal_children(signal.SIGKILL)
        self._end(signal.SIGKILL)

    def back_up(self, place: Path, *words: str) -> None:
        """A base backup of it while it runs."""
        url = self.url("postgres")
        self._call("pg_basebackup", "-d", url, "-D", str(place), "--checkpoint=fast", "--no-sync", *words)

    def freeze(self) -> None:
        """Stop all its processes where they stand: it takes connections, and answers nobody."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        self._signal_children(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on after a freeze."""
        assert self.process is not None
        self._signal_children(signal.SIGCONT)
        self.process.send_signal(signal.SIGCONT)

    def _signal_children(self, number: int) -> None:
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        for child in children.read_text().split() if children.exists() else ():
            with suppress(ProcessLookupError):
                os.kill(int(child), number)

    def _end(self, number: int) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(START_SECONDS)
        self.process = None

    def remove(self) -> None:
        """Stop it, frozen or not, and remove its folder."""
        if self.process is not None:
            self.thaw()
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
def shared(major: int | None = None) -> Server:
    """The server of a major version that this process's tests share; without one, of the default version."""
    return Server(major=major)
