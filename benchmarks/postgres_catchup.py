"""Catch-up of a backlog of updates, PostgreSQL to PostgreSQL, beside native logical replication on the same servers.

python -m benchmarks.postgres_catchup [--updates 500000] [--rows 1000000] [--sizes 500,1] [--runs 3] [--ways native,one,two]
"""

import argparse
import statistics
import time

from benchmarks.offices import peak_rss_mib
from benchmarks.postgres import Pair, pair, spent

WAYS = {"native": "native logical replication, binary", "one": "Syncline, one way", "two": "Syncline, two ways"}


def native(made: Pair, updates: int, size: int, rows: int) -> tuple[float, float]:
    """Rows a second of a subscription from its enabling; 0 MiB of ours."""
    with made.connect(0) as left, made.connect(1) as right:
        left.execute("CREATE PUBLICATION native FOR TABLE customers")
        where = f"host=127.0.0.1 port={made.left.port} user=postgres dbname={made.names[0]}"
        right.execute(
            f"CREATE SUBSCRIPTION native CONNECTION '{where}' PUBLICATION native WITH (copy_data=false, binary=true)".encode()
        )
        made.mark("ready")
        made.wait_for("ready")
        right.execute("ALTER SUBSCRIPTION native DISABLE")
        made.backlog(updates, size, rows)
        made.mark("native")
        begun = time.perf_counter()
        right.execute("ALTER SUBSCRIPTION native ENABLE")
        made.wait_for("native")
        took = time.perf_counter() - begun
        right.execute("DROP SUBSCRIPTION native")
        left.execute("DROP PUBLICATION native")
    return updates / took, 0.0


def syncline(made: Pair, updates: int, size: int, rows: int, *, one_way: bool) -> tuple[float, float]:
    """Rows a second from the start of the hub's process, and its peak memory in MiB."""
    made.configure(one_way=one_way)
    made.settle()
    made.backlog(updates, size, rows)
    made.mark("ours")
    before = made.processors()
    begun = time.perf_counter()
    with made.hub() as process:
        made.wait_for("ours")
        took = time.perf_counter() - begun
        memory = peak_rss_mib(process.pid)
        spent(made, process.pid, before, updates, took)
    made.syncline("teardown", "--yes")
    for path in made.folder.glob("bench.log.db*"):
        path.unlink()
    return updates / took, memory


def measure(way: str, size: int, options: argparse.Namespace) -> tuple[float, float]:
    """One run on new servers."""
    with pair(options.rows) as made:
        if way == "native":
            return native(made, options.updates, size, options.rows)
        return syncline(made, options.updates, size, options.rows, one_way=way == "one")


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--updates", type=int, default=500_000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--sizes", default="500,1")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--ways", default="native,one,two")
    options = parser.parse_args()
    print(f"| {options.updates:,} updates | rows a transaction | rows/s, median | of native | all runs | peak MiB |")
    print("|---|---|---|---|---|---|")
    for size in map(int, options.sizes.split(",")):
        floor = 0.0
        for way in options.ways.split(","):
            runs = [measure(way, size, options) for _ in range(options.runs)]
            rate = statistics.median(run[0] for run in runs)
            floor = rate if way == "native" else floor
            listed = ", ".join(f"{run[0]:,.0f}" for run in runs)
            ratio = f"{rate / floor:.2f}" if floor else ""
            print(
                f"| {WAYS[way]} | {size} | {rate:,.0f} | {ratio} | {listed} | {max(run[1] for run in runs):.0f} |", flush=True
            )


if __name__ == "__main__":
    main()
