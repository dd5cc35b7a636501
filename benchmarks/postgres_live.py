"""PostgreSQL to PostgreSQL while it goes on: the latency of single changes on an idle system, and the lag under steady load.

python -m benchmarks.postgres_live [--changes 200] [--seconds 60] [--rate 2000] [--rows 100000]
"""

import argparse
import statistics
import threading
import time

from benchmarks.offices import cpu_seconds, peak_rss_mib
from benchmarks.postgres import Pair, pair


def latencies(made: Pair, changes: int, rows: int) -> list[float]:
    """Milliseconds from a commit at `left` until it is visible at `right`, sorted."""
    found: list[float] = []
    with made.connect(0) as left, made.connect(1) as right:
        for number in range(changes):
            key, mark = 1 + (number * 7919) % rows, f"n{number}"
            left.execute("UPDATE customers SET name = %s WHERE id = %s", (mark, key))
            begun = time.perf_counter()
            while right.execute("SELECT name FROM customers WHERE id = %s", (key,)).fetchone() != (mark,):
                if time.perf_counter() - begun > 30:
                    raise TimeoutError("a change did not arrive within 30 s")
            found.append(1000 * (time.perf_counter() - begun))
            time.sleep(0.05 + (number * 37 % 100) / 1000)
    return sorted(found)


def lags(made: Pair, seconds: float, rate: int, rows: int) -> list[tuple[float, float]]:
    """Seconds of lag over time, while a program updates `rate` rows a second at `left`, one a transaction."""
    stop = threading.Event()

    def write() -> None:
        with made.connect(0) as left:
            left.execute("SET synchronous_commit = off")
            begun, done = time.perf_counter(), 0
            while not stop.is_set():
                due = int((time.perf_counter() - begun) * rate)
                for number in range(done, due):
                    key = 2 + (number * 7919) % (rows - 2)
                    left.execute("UPDATE customers SET balance = balance + 1 WHERE id = %s", (key,), prepare=True)
                left.execute("UPDATE customers SET updated_at = clock_timestamp() WHERE id = 1")
                done = due
                time.sleep(0.005)

    writer = threading.Thread(target=write)
    found: list[tuple[float, float]] = []
    with made.connect(1) as right:
        writer.start()
        begun = time.perf_counter()
        while time.perf_counter() - begun < seconds:
            row = right.execute(
                "SELECT extract(epoch FROM clock_timestamp() - updated_at) FROM customers WHERE id = 1"
            ).fetchone()
            found.append((time.perf_counter() - begun, max(0.0, float(row[0])) if row else 0.0))
            time.sleep(0.1)
        stop.set()
        writer.join()
    return found


def measure(changes: int, seconds: float, rate: int, rows: int) -> dict[str, object]:
    """Both, with one hub."""
    with pair(rows) as made:
        made.configure(one_way=False)
        made.settle()
        with made.hub() as process:
            made.mark("ready")
            made.wait_for("ready", 60.0)
            time.sleep(3.0)
            before = cpu_seconds(process.pid)
            time.sleep(10.0)
            idle = (cpu_seconds(process.pid) - before) / 10.0
            single = latencies(made, changes, rows)
            series = lags(made, seconds, rate, rows)
            memory = peak_rss_mib(process.pid)
    return {"latencies_ms": single, "lag_seconds": series, "idle_share": idle, "peak_mib": memory, "rate": rate}


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--changes", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=int, default=2000)
    parser.add_argument("--rows", type=int, default=100_000)
    options = parser.parse_args()
    print(table(measure(options.changes, options.seconds, options.rate, options.rows)))


def table(found: dict[str, object]) -> str:
    """The figures as Markdown."""
    single: list[float] = found["latencies_ms"]  # type: ignore[assignment]
    series = [lag for at, lag in found["lag_seconds"] if at > 5]  # type: ignore[attr-defined]
    lines = ["| PostgreSQL to PostgreSQL, two ways | value |", "|---|---|"]
    lines.append(f"| one change on an idle system, p50 | {statistics.median(single):.1f} ms |")
    lines.append(f"| p99 | {single[min(len(single) - 1, int(len(single) * 0.99))]:.1f} ms |")
    lines.append(f"| processor of the idle hub | {100 * float(str(found['idle_share'])):.2f} % of a core |")
    ranked = sorted(series)
    lines.append(
        f"| lag at {found['rate']} transactions of one row a second, p50 | {1000 * statistics.median(ranked):.0f} ms |"
    )
    lines.append(f"| the same, p99 | {1000 * ranked[int(len(ranked) * 0.99)]:.0f} ms |")
    half = len(series) // 2
    slope = statistics.mean(series[half:]) - statistics.mean(series[:half])
    lines.append(f"| the same, second half against the first | {1000 * slope:+.0f} ms |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
