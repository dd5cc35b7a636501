"""End to end: a backlog of updates at one SQLite office, delivered to two others through the durable log.

    python -m benchmarks.end_to_end [--updates 500000] [--rows 500000] [--per-transaction 500]

Beside it, in the same run, what no synchronizer can beat on one core: the same updates written by one program to two untracked
SQLite files (executemany by primary key), one after the other.
"""

import argparse
import time
from contextlib import closing

from benchmarks.offices import Offices, joined, peak_rss_mib, unjoined, wait


def backlog(made: Offices, updates: int, rows: int, per_transaction: int) -> int:
    """Write the updates at 'here' while no hub runs; the key of the last one."""
    last = 0
    with closing(made.connect("here")) as connection:
        for start in range(0, updates, per_transaction):
            keys = [(one * 7919) % rows for one in range(start, min(start + per_transaction, updates))]
            connection.execute("BEGIN")
            connection.executemany(
                "UPDATE customers SET balance = balance + 1, updated = ? WHERE id = ?", [(f"u{start}", key) for key in keys]
            )
            connection.execute("COMMIT")
            last = keys[-1]
    return last


def deliver(made: Offices, last: int, updates: int) -> tuple[float, float, float]:
    """Rows a second to each of the two others (from the start of the hub process, and from the first arrival); peak MiB."""
    with closing(made.connect("here")) as here:
        wanted = here.execute("SELECT balance, updated FROM customers WHERE id = ?", (last,)).fetchone()
        first = here.execute("SELECT balance, updated FROM customers WHERE id = 0").fetchone()
    with closing(made.connect("there")) as there, closing(made.connect("elsewhere")) as elsewhere:
        begun = time.perf_counter()
        with made.hub() as process:
            query = "SELECT balance, updated FROM customers WHERE id = ?"
            wait(lambda: there.execute(query, (0,)).fetchone() == first, 300.0)
            arrived = time.perf_counter()
            for peer in (there, elsewhere):
                wait(lambda peer=peer: peer.execute(query, (last,)).fetchone() == wanted, 600.0, 0.05)  # type: ignore[misc]
            done = time.perf_counter()
            memory = peak_rss_mib(process.pid)
    return updates / (done - begun), updates / (done - arrived), memory


def floor(updates: int, rows: int, per_transaction: int) -> float:
    """Rows a second of the plain program that writes the same updates to two untracked files."""
    with unjoined(rows) as made:
        begun = time.perf_counter()
        for office in ("there", "elsewhere"):
            with closing(made.connect(office)) as connection:
                for start in range(0, updates, per_transaction):
                    keys = [(one * 7919) % rows for one in range(start, min(start + per_transaction, updates))]
                    connection.execute("BEGIN")
                    connection.executemany(
                        "UPDATE customers SET balance = ?, updated = ? WHERE id = ?", [(1, "u", key) for key in keys]
                    )
                    connection.execute("COMMIT")
        return updates / (time.perf_counter() - begun)


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--updates", type=int, default=500_000)
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--per-transaction", type=int, default=500)
    options = parser.parse_args()
    plain = floor(options.updates, options.rows, options.per_transaction)
    with joined(options.rows) as made:
        last = backlog(made, options.updates, options.rows, options.per_transaction)
        whole, flowing, memory = deliver(made, last, options.updates)
    title = f"{options.updates:,} updates of {options.rows:,} rows, {options.per_transaction} a transaction"
    print(f"| {title} | rows/s to each | ratio |")
    print("|---|---|---|")
    print(f"| plain program, two untracked files, no log, no capture | {plain:,.0f} | 1.00 |")
    print(f"| Syncline, from the start of its process | {whole:,.0f} | {whole / plain:.2f} |")
    print(f"| Syncline, from the first row that arrived | {flowing:,.0f} | {flowing / plain:.2f} |")
    print(f"\npeak memory of the hub process: {memory:.0f} MiB")


if __name__ == "__main__":
    main()
