"""Filling several tables of an empty PostgreSQL peer from another one; both near, or at the end of a way that takes its time.

python -m benchmarks.postgres_tables [--tables 4] [--rows 100000] [--runs 3] [--trips-ms 0,5]

--trips-ms: how long a round trip to either server takes, added by a proxy; 0: none is between.
"""

import argparse
import statistics
import time
from typing import Final

from tests.servers.proxy import Proxy

from benchmarks.offices import cpu_seconds, peak_rss_mib
from benchmarks.postgres import FILL, TABLE, Pair, pair

WAIT_SECONDS: Final = 600.0


def filled(made: Pair, tables: int, rows: int, trip_ms: float) -> tuple[float, float, float]:
    """Seconds from the start of the hub's process to the last row's arrival; seconds of processor and peak MiB of the hub."""
    names = [f"customers{number}" for number in range(tables)]
    for side in (0, 1):
        with made.connect(side) as connection:
            for name in names:
                connection.execute(TABLE.replace("customers", name).encode())
                if not side:
                    connection.execute(FILL.replace("INTO customers", f"INTO {name}").format(rows=rows).encode())
                connection.execute(f"ANALYZE {name}".encode())
    ways = [Proxy(server.port, trip_ms / 2000) for server in (made.left, made.right)] if trip_ms else []
    urls = [made.url(side) for side in (0, 1)]
    for side, way in enumerate(ways):
        urls[side] = urls[side].replace(f":{(made.left, made.right)[side].port}/", f":{way.port}/")
    lines = ["space: bench", "log: bench.log.db", "peers:", f"  left: {urls[0]}", f"  right: {urls[1]}", "collections:"]
    lines += [f"  {name}: {{merge: {{default: newest}}}}" for name in names]
    (made.folder / "bench.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    begun = time.perf_counter()
    with made.hub() as process, made.connect(1) as right:
        for name in names:
            while right.execute(f"SELECT 1 FROM {name} WHERE id = %s".encode(), (rows,)).fetchone() is None:
                if time.perf_counter() - begun > WAIT_SECONDS:
                    raise TimeoutError(f"not within {WAIT_SECONDS} s")
                time.sleep(0.01)
        took = time.perf_counter() - begun
        used, memory = cpu_seconds(process.pid), peak_rss_mib(process.pid)
    for way in ways:
        way.close()
    return took, used, memory


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=int, default=4)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--trips-ms", default="0,5")
    options = parser.parse_args()
    print(f"| {options.tables} tables of {options.rows:,} rows | seconds, median | all runs | hub's processor | peak MiB |")
    print("|---|---|---|---|---|")
    for trip_ms in map(float, options.trips_ms.split(",")):
        runs = []
        for _ in range(options.runs):
            with pair(1, both=False) as made:
                runs.append(filled(made, options.tables, options.rows, trip_ms))
        took, used = statistics.median(run[0] for run in runs), statistics.median(run[1] for run in runs)
        listed = ", ".join(f"{run[0]:.1f}" for run in runs)
        peak = max(run[2] for run in runs)
        print(f"| {trip_ms:g} ms a round trip | {took:.1f} | {listed} | {used:.1f} s | {peak:.0f} |", flush=True)


if __name__ == "__main__":
    main()
