"""Filling an empty PostgreSQL peer from another one, beside psql's COPY | COPY on the same servers, and beside dlt.

python -m benchmarks.postgres_snapshot [--rows 1000000] [--runs 3] [--dlt PYTHON]

--dlt: the Python of an environment that has dlt (see benchmarks/dlt_copy.py); it is measured from the start of its process.
"""

import argparse
import statistics
import subprocess
import time
from pathlib import Path
from typing import Final

from benchmarks.offices import peak_rss_mib
from benchmarks.postgres import Pair, pair, spent

BACKENDS: Final = ("connectorx", "pyarrow")


def copied(made: Pair, rows: int) -> float:
    """Rows a second of psql COPY binary from one server piped into psql COPY binary at the other."""
    words = ["psql", "-X", "-q", "-h", "127.0.0.1", "-U", "postgres"]
    out = [*words, "-p", str(made.left.port), "-d", made.names[0], "-c", "COPY customers TO STDOUT (FORMAT binary)"]
    into = [*words, "-p", str(made.right.port), "-d", made.names[1], "-c", "COPY customers FROM STDIN (FORMAT binary)"]
    begun = time.perf_counter()
    with subprocess.Popen(out, stdout=subprocess.PIPE) as source:
        subprocess.run(into, stdin=source.stdout, check=True)
    took = time.perf_counter() - begun
    with made.connect(1) as right:
        right.execute("TRUNCATE customers")
        right.execute("CHECKPOINT")
    return rows / took


def loaded(made: Pair, rows: int, python: str, backend: str) -> float:
    """Rows a second of dlt, with its fastest way of loading, from the start of its process to its end."""
    target = made.url(1).replace("postgres@", "postgres:unused@")  # it asks for a password
    words = [python, str(Path(__file__).with_name("dlt_copy.py")), made.url(0), target, "customers", backend]
    begun = time.perf_counter()
    subprocess.run(words, check=True, capture_output=True)
    took = time.perf_counter() - begun
    with made.connect(1) as right:
        assert right.execute("SELECT count(*) FROM copied.customers").fetchone() == (rows,)
        right.execute("DROP SCHEMA copied CASCADE")
        right.execute("CHECKPOINT")
    return rows / took


def filled(made: Pair, rows: int, *, one_way: bool) -> tuple[float, float]:
    """Rows a second of a join, from the start of the hub's process to the last row's arrival; its peak memory in MiB."""
    made.configure(one_way=one_way)
    before = made.processors()
    begun = time.perf_counter()
    with made.hub() as process, made.connect(1) as right:
        right.execute("SET enable_seqscan = off")  # a plan from when the table was empty would read all of it at each look
        while right.execute("SELECT 1 FROM customers WHERE id = %s", (rows,)).fetchone() is None:
            time.sleep(0.01)
        took = time.perf_counter() - begun
        memory = peak_rss_mib(process.pid)
        spent(made, process.pid, before, rows, took)
    made.syncline("teardown", "--yes")
    for path in made.folder.glob("bench.log.db*"):
        path.unlink()
    with made.connect(1) as right:
        right.execute("TRUNCATE customers")
        right.execute("CHECKPOINT")
    return rows / took, memory


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--dlt", default="")
    options = parser.parse_args()
    floors: list[float] = []
    others: dict[str, list[float]] = {backend: [] for backend in BACKENDS if options.dlt}
    runs: dict[str, list[tuple[float, float]]] = {"one way": [], "two ways": []}
    for _ in range(options.runs):
        with pair(options.rows, both=False) as made:
            floors.append(copied(made, options.rows))
            for backend, rates in others.items():
                rates.append(loaded(made, options.rows, options.dlt, backend))
            for way, ours in runs.items():
                ours.append(filled(made, options.rows, one_way=way == "one way"))
    floor = statistics.median(floors)
    print(f"| {options.rows:,} rows into an empty table | rows/s, median | ratio | all runs | peak MiB |")
    print("|---|---|---|---|---|")
    print(f"| psql COPY binary, piped | {floor:,.0f} | 1.00 | {', '.join(f'{one:,.0f}' for one in floors)} | |")
    for backend, rates in others.items():
        median, listed = statistics.median(rates), ", ".join(f"{one:,.0f}" for one in rates)
        print(f"| dlt, backend {backend} | {median:,.0f} | {median / floor:.2f} | {listed} | |")
    for way, ours in runs.items():
        rate, listed = statistics.median(run[0] for run in ours), ", ".join(f"{run[0]:,.0f}" for run in ours)
        print(f"| Syncline, {way} | {rate:,.0f} | {rate / floor:.2f} | {listed} | {max(run[1] for run in ours):.0f} |")


if __name__ == "__main__":
    main()
