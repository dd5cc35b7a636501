"""Catch-up of a backlog of updates between PostgreSQL and MariaDB, both ways, and the filling of either from the other.

python -m benchmarks.mariadb_catchup [--updates 300000] [--rows 500000] [--size 500] [--runs 3] [--ways maria,postgres]
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.servers import mariadb, postgres

from benchmarks.offices import cpu_seconds, hub, peak_rss_mib, wait
from benchmarks.postgres import BACKLOG, FILL, SERVER, TABLE

MARIADB_TABLE = (
    "CREATE TABLE customers (id BIGINT PRIMARY KEY, name VARCHAR(60) NOT NULL, email VARCHAR(80) NOT NULL, "
    "balance DECIMAL(12,2) NOT NULL, tags JSON, updated_at TIMESTAMP(6) NOT NULL DEFAULT '2026-01-01 00:00:00')"
)
MARIADB_FILL = (
    "INSERT INTO customers SELECT seq, concat('customer number ', seq), concat('customer', seq, '@example.org'), "
    "(seq % 100000) / 100.0, concat('{{\"tier\": ', seq % 5, ', \"since\": ', 2000 + seq % 25, '}}'), "
    "timestamp'2026-01-01 00:00:00' + INTERVAL seq SECOND FROM seq_1_to_{rows}"
)


@dataclass
class Two:
    """A PostgreSQL and a MariaDB database, and a folder with the configuration."""

    postgres: postgres.Server
    mariadb: mariadb.Server
    folder: Path
    names: tuple[str, str]

    def configure(self) -> None:
        """Both peers send and receive."""
        lines = ["space: bench", "log: bench.log.db", "peers:", f"  elephant: {self.postgres.url(self.names[0])}"]
        lines += [f"  seal: {self.mariadb.url(self.names[1])}", "collections:", "  customers:", "    merge: {default: newest}"]
        (self.folder / "bench.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def settle(self) -> None:
        """Run the hub until everything is delivered and compared."""
        words = [sys.executable, "-m", "syncline", "run", str(self.folder / "bench.yaml"), "--until-idle", "--json"]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)

    def backlog(self, way: str, updates: int, size: int, rows: int) -> None:
        """Updates at one side, `size` a transaction."""
        if way == "postgres":
            with self.postgres.connect(self.names[0]) as connection:
                connection.execute(f"CALL backlog(1, {updates}, {size}, {rows})".encode())
            return
        with closing(self.mariadb.connect(self.names[1])) as connection, connection.cursor() as cursor:
            for start in range(1, updates + 1, size):
                keys = ",".join([str(1 + (one * 7919) % rows) for one in range(start, min(start + size, updates + 1))])
                cursor.execute(
                    f"UPDATE customers SET balance = balance + 1, updated_at = CURRENT_TIMESTAMP(6) WHERE id IN ({keys})"
                )

    def run(self, side: str, sql: str) -> Any:
        """The rows of a statement at a side."""
        if side == "postgres":
            return self.postgres.run(self.names[0], sql)
        return self.mariadb.run(self.names[1], sql)


@contextmanager
def two(rows: int, filled: tuple[str, ...]) -> Iterator[Two]:
    """Both servers; the table filled at some of them."""
    with tempfile.TemporaryDirectory(prefix="syncline-bench-") as folder:
        elephant, seal = postgres.Server(dict(SERVER)), mariadb.Server({"innodb_buffer_pool_size": "1G"})
        try:
            made = Two(elephant, seal, Path(folder), (elephant.database(), seal.database()))
            made.postgres.run(made.names[0], TABLE)
            made.postgres.run(made.names[0], BACKLOG)
            made.mariadb.run(made.names[1], MARIADB_TABLE)
            if "postgres" in filled:
                made.postgres.run(made.names[0], FILL.format(rows=rows))
            if "maria" in filled:
                made.mariadb.run(made.names[1], MARIADB_FILL.format(rows=rows))
            made.configure()
            yield made
        finally:
            elephant.remove()
            seal.remove()


def timed(made: Two, there: Callable[[], bool], rows: int) -> tuple[float, float]:
    """Rows a second from the start of the hub's process until something is there; its peak memory in MiB."""
    begun = time.perf_counter()
    with hub(made.folder) as process:
        wait(there, 900.0, 0.02)
        took = time.perf_counter() - begun
        print(f"  # hub: {cpu_seconds(process.pid):.1f} s of processor in {took:.1f} s", flush=True)
        return rows / took, peak_rss_mib(process.pid)


def caught_up(way: str, options: argparse.Namespace) -> tuple[float, float]:
    """Catch-up of updates made at `way`."""
    other = "maria" if way == "postgres" else "postgres"
    with two(options.rows, ("maria", "postgres")) as made:
        made.settle()
        made.backlog(way, options.updates, options.size, options.rows)
        made.run(way, "UPDATE customers SET name = 'the last' WHERE id = 1")
        seen = "SELECT 1 FROM customers WHERE id = 1 AND name = 'the last'"
        return timed(made, lambda: bool(made.run(other, seen)), options.updates)


def filled(way: str, options: argparse.Namespace) -> tuple[float, float]:
    """The other side filled from `way`."""
    other = "maria" if way == "postgres" else "postgres"
    with two(options.rows, (way,)) as made:
        seen = f"SELECT 1 FROM customers WHERE id = {options.rows}"
        return timed(made, lambda: bool(made.run(other, seen)), options.rows)


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--updates", type=int, default=300_000)
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--size", type=int, default=500)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--ways", default="maria,postgres")
    options = parser.parse_args()
    names = {"maria": "MariaDB to PostgreSQL", "postgres": "PostgreSQL to MariaDB"}
    print(f"| two ways configured, {options.rows:,} rows | rows/s, median | all runs | peak MiB |")
    print("|---|---|---|---|")
    for way in options.ways.split(","):
        for what, work in (
            ("an empty table filled", filled),
            (f"{options.updates:,} updates, {options.size} a transaction", caught_up),
        ):
            runs = [work(way, options) for _ in range(options.runs)]
            rate, listed = statistics.median(run[0] for run in runs), ", ".join(f"{run[0]:,.0f}" for run in runs)
            print(f"| {names[way]}: {what} | {rate:,.0f} | {listed} | {max(run[1] for run in runs):.0f} |", flush=True)


if __name__ == "__main__":
    main()
