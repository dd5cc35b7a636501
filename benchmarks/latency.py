"""Latency of a single change on an idle system: writer's commit at one SQLite office -> visible at another. And the idle cost.

python -m benchmarks.latency [--changes 200]
"""

import argparse
import statistics
import time
from contextlib import closing

from benchmarks.offices import Offices, cpu_seconds, joined, wait

ROWS = 10_000
IDLE_SECONDS = 10.0


def latencies(made: Offices, changes: int) -> list[float]:
    """Milliseconds of each change, sorted."""
    found: list[float] = []
    with closing(made.connect("here")) as here, closing(made.connect("there")) as there:
        query = "SELECT updated FROM customers WHERE id = ?"
        for number in range(changes):
            key = (number * 7919) % ROWS
            here.execute("UPDATE customers SET updated = ? WHERE id = ?", (f"n{number}", key))
            seen = wait(lambda key=key, mark=f"n{number}": there.execute(query, (key,)).fetchone()[0] == mark, 30.0, 0.0005)  # type: ignore[misc]
            found.append(1000 * seen)
            time.sleep(0.05 + (number * 37 % 100) / 1000)  # spread over the polling period
    return sorted(found)


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--changes", type=int, default=200)
    changes = parser.parse_args().changes
    with joined(ROWS) as made, made.hub() as process:
        wait(lambda: cpu_seconds(process.pid) > 0.3, 30.0)
        time.sleep(3.0)
        before = cpu_seconds(process.pid)
        time.sleep(IDLE_SECONDS)
        idle = (cpu_seconds(process.pid) - before) / IDLE_SECONDS
        found = latencies(made, changes)
    print("| one change, idle system, three SQLite offices | value |")
    print("|---|---|")
    print(f"| p50 | {statistics.median(found):.1f} ms |")
    print(f"| p99 | {found[min(len(found) - 1, int(len(found) * 0.99))]:.1f} ms |")
    print(f"| worst of {len(found)} | {found[-1]:.1f} ms |")
    print(f"| processor of the idle hub | {100 * idle:.2f} % of a core |")


if __name__ == "__main__":
    main()
