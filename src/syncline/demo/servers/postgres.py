"""A private PostgreSQL server. Its data is as durable as PostgreSQL makes it, unless settings say otherwise."""

import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

import psycopg

from syncline.demo.servers.postgres_programs import USERS, binaries
from syncline.demo.servers.process import ServerProcess

_NEEDED: Final = {"wal_level": "logical", "log_min_messages": "fatal"}


@dataclass
class PostgresServer(ServerProcess):
    """A server on 127.0.0.1 and on a socket in its folder. User `postgres` needs no password. `major`: of which version."""

    major: int | None = None

    USERS: ClassVar = USERS
    END: ClassVar = signal.SIGINT  # without waiting for sessions
    REFUSED: ClassVar = (psycopg.OperationalError,)

    def program(self, name: str) -> str:
        """A program of this server's version. Raises NotInstalled."""
        return str(binaries(self.major) / name)

    def make(self) -> None:
        """See ServerProcess."""
        words = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C.UTF-8"]
        self.call(self.program("initdb"), "-D", str(self.data), *words)

    def command(self) -> list[str]:
        """See ServerProcess."""
        words = [word for name, value in (_NEEDED | self.settings).items() for word in ("-c", f"{name}={value}")]
        return [self.program("postgres"), "-D", str(self.data), "-p", str(self.port), "-k", str(self.folder), *words]

    def greet(self) -> None:
        """See ServerProcess."""
        self.connect("postgres").close()

    def freeze(self) -> None:
        """See ServerProcess. All its processes."""
        super().freeze()
        self._signal_children(signal.SIGSTOP)

    def thaw(self) -> None:
        """See ServerProcess."""
        self._signal_children(signal.SIGCONT)
        super().thaw()

    def kill(self) -> None:
        """kill -9 of the server and of all its processes, as a power cut would leave it."""
        self.freeze()  # else it would start anew what is killed below
        self._signal_children(signal.SIGKILL)
        self._end(signal.SIGKILL)

    def remove(self) -> None:
        """See ServerProcess. Frozen or not; it takes its shared memory with it."""
        self.thaw()
        self._end(signal.SIGQUIT)
        super().remove()

    def _signal_children(self, number: int) -> None:
        if self.process is None:
            return
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        for child in children.read_text().split() if children.exists() else ():
            with suppress(ProcessLookupError):
                os.kill(int(child), number)

    def connect(self, database: str) -> psycopg.Connection[tuple[Any, ...]]:
        """A session as any program would have it, in autocommit mode."""
        return psycopg.connect(host="127.0.0.1", port=self.port, user="postgres", dbname=database, autocommit=True)

    def create(self, name: str) -> str:
        """Make an empty database; its address."""
        with self.connect("postgres") as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self.url(name)

    def url(self, database: str, *, user: str = "postgres") -> str:
        """The address of a database."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"
