"""Two private PostgreSQL servers and a hub process for the benchmarks: filled, written to and measured from outside."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg
from tests.servers.postgres import Server

from benchmarks.offices import cpu_seconds, hub

SERVER: Final = {"fsync": "on", "shared_buffers": "1GB", "max_wal_size": "16GB", "checkpoint_timeout": "1h", "work_mem": "64MB"}
TABLE: Final = (
    "CREATE TABLE customers (id bigint PRIMARY KEY, name text NOT NULL, email text NOT NULL, "
    "balance numeric(12,2) NOT NULL, tags jsonb, updated_at timestamptz NOT NULL)"
)
FILL: Final = (
    "INSERT INTO customers SELECT i, 'customer number ' || i, 'customer' || i || '@example.org', (i % 100000) / 100.0, "
    "jsonb_build_object('tier', i % 5, 'since', 2000 + i % 25), timestamptz '2026-01-01 00:00:00+00' + i * interval '1 second' "
    "FROM generate_series(1, {rows}) AS i"
)
# keys in an order that looks random and meets every key once
BACKLOG: Final = """
CREATE PROCEDURE backlog(first int8, count int8, size int8, rows int8) LANGUAGE plpgsql AS $$
BEGIN
  FOR start IN first .. first + count - 1 BY size LOOP
    UPDATE customers SET balance = balance + 1, updated_at = clock_timestamp()
    WHERE id IN (SELECT 1 + (n * 7919) % rows FROM generate_series(start, least(start + size, first + count) - 1) AS n);
    COMMIT;
  END LOOP;
END $$
"""


@dataclass
class Pair:
    """Databases of two servers, `left` and `right`, and a folder with the configuration."""

    left: Server
    right: Server
    folder: Path
    names: tuple[str, str]

    def connect(self, side: int) -> psycopg.Connection[tuple[Any, ...]]:
        """A session of an ordinary program."""
        return (self.left, self.right)[side].connect(self.names[side])

    def url(self, side: int) -> str:
        """The address of a side."""
        return (self.left, self.right)[side].url(self.names[side])

    def configure(self, *, one_way: bool) -> None:
        """Write the configuration: `left` sends, or both do."""
        lines = ["space: bench", "log: bench.log.db", "peers:", f"  left: {self.url(0)}", f"  right: {self.url(1)}"]
        lines += ["collections:", "  customers:", "    merge: {default: newest}"]
        lines += ["    direction: {left: send, right: receive}"] if one_way else []
        (self.folder / "bench.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def syncline(self, *words: str) -> None:
        """Run a verb to its end."""
        subprocess.run(
            [sys.executable, "-m", "syncline", *words, str(self.folder / "bench.yaml")], check=True, stdout=subprocess.DEVNULL
        )

    def settle(self) -> None:
        """Run the hub until everything is delivered and compared."""
        self.syncline("run", "--until-idle", "--json")

    def hub(self) -> AbstractContextManager[subprocess.Popen[bytes]]:
        """A running hub process."""
        return hub(self.folder)

    def backlog(self, updates: int, size: int, rows: int, first: int = 1) -> None:
        """Updates at `left`, `size` a transaction."""
        with self.connect(0) as connection:
            connection.execute("SET synchronous_commit = off")
            connection.execute(f"CALL backlog({first}, {updates}, {size}, {rows})".encode())
            connection.execute("CHECKPOINT")

    def mark(self, text: str) -> None:
        """One more update at `left`, the last."""
        with self.connect(0) as connection:
            connection.execute("UPDATE customers SET name = %s WHERE id = 1", (text,))

    def processors(self) -> dict[str, float]:
        """Seconds of processor by now: of the senders of each side and of the other sessions of each."""
        found: dict[str, float] = {}
        for name, server in (("left", self.left), ("right", self.right)):
            for stat in Path("/proc").glob("[0-9]*/stat"):
                with suppress(OSError):  # it ended meanwhile
                    if server.process and int(stat.read_text().rpartition(")")[2].split()[1]) == server.process.pid:
                        title = (stat.parent / "cmdline").read_text()
                        kind = "sender" if "walsender" in title else "sessions" if "127.0.0.1" in title else "rest"
                        found[f"{name}'s {kind}"] = found.get(f"{name}'s {kind}", 0.0) + cpu_seconds(int(stat.parent.name))
        return found

    def wait_for(self, text: str, seconds: float = 900.0) -> float:
        """Seconds until the mark is seen at `right`."""
        begun = time.perf_counter()
        with self.connect(1) as connection:
            while connection.execute("SELECT name FROM customers WHERE id = 1").fetchone() != (text,):
                if time.perf_counter() - begun > seconds:
                    raise TimeoutError(f"not within {seconds} s")
                time.sleep(0.01)
        return time.perf_counter() - begun


@contextmanager
def pair(rows: int, *, both: bool = True, settings: dict[str, str] | None = None) -> Iterator[Pair]:
    """Two servers; the table at both, with the same rows, or filled at `left` only."""
    with tempfile.TemporaryDirectory(prefix="syncline-bench-") as folder:
        servers = (Server(SERVER | (settings or {})), Server(SERVER | (settings or {})))
        try:
            made = Pair(*servers, Path(folder), (servers[0].database(), servers[1].database()))
            for side in (0, 1):
                with made.connect(side) as connection:
                    connection.execute(TABLE)
                    connection.execute(BACKLOG)
                    if both or not side:
                        connection.execute(FILL.format(rows=rows).encode())
                    connection.execute("VACUUM ANALYZE customers")
            yield made
        finally:
            for server in servers:
                server.remove()


def spent(made: Pair, pid: int, before: dict[str, float], rows: int, took: float) -> None:
    """Print what each process spent on a row, in microseconds of processor."""
    parts = {"hub": cpu_seconds(pid), **{name: used - before.get(name, 0.0) for name, used in made.processors().items()}}
    told = ", ".join(f"{name} {1e6 * used / rows:.1f}" for name, used in parts.items() if used > 0)
    print(f"  # {took:.1f} s; us of processor a row: {told}", flush=True)
