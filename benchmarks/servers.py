"""Everything about servers in one run: the table for BENCHMARKS.md, and two pictures. An hour; --quick is a tenth of it.

python -m benchmarks.servers [--quick] [--runs 3] [--sizes 1,500] [--pictures docs/images] [--dlt PYTHON]

Pictures need matplotlib; dlt needs an environment of its own, see benchmarks/dlt_copy.py.
"""

import argparse
import statistics
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from benchmarks import mariadb_catchup, postgres_catchup, postgres_live, postgres_snapshot
from benchmarks.postgres import pair

Rates = dict[str, dict[int, list[float]]]  # way -> rows a transaction -> rows a second of each run
NATIVE, ONE, TWO = "native", "one", "two"


def catch_up(options: argparse.Namespace, sizes: list[int]) -> tuple[Rates, float]:
    """Catch-up by transaction size, and the largest peak memory in MiB."""
    found: Rates = {NATIVE: {}, ONE: {}, TWO: {}}
    peak = 0.0
    for size in sizes:
        for way, rates in found.items():
            few = argparse.Namespace(rows=options.rows, updates=options.updates if size > 1 else options.updates // 2)
            runs = [postgres_catchup.measure(way, size, few) for _ in range(options.runs)]
            rates[size] = [run[0] for run in runs]
            peak = max([peak, *(run[1] for run in runs)])
            native = statistics.median(found[NATIVE][size])
            print(
                row(f"PostgreSQL catch-up, {size} a transaction: {postgres_catchup.WAYS[way]}", rates[size], native), flush=True
            )
    return found, peak


def row(what: str, runs: list[float], native: float = 0.0) -> str:
    """A line of the table."""
    ratio = f"{statistics.median(runs) / native:.2f}" if native else ""
    return f"| {what} | {statistics.median(runs):,.0f} | {ratio} | {', '.join(f'{run:,.0f}' for run in runs)} |"


def snapshots(options: argparse.Namespace) -> None:
    """Filling an empty peer."""
    floors: list[float] = []
    runs: dict[str, list[float]] = {"one way": [], "two ways": []}
    others: dict[str, list[float]] = {backend: [] for backend in postgres_snapshot.BACKENDS if options.dlt}
    for _ in range(options.runs):
        with pair(options.rows, both=False) as made:
            floors.append(postgres_snapshot.copied(made, options.rows))
            for backend, rates in others.items():
                rates.append(postgres_snapshot.loaded(made, options.rows, options.dlt, backend))
            for way, ours in runs.items():
                ours.append(postgres_snapshot.filled(made, options.rows, one_way=way == "one way")[0])
    native = statistics.median(floors)
    print(row("PostgreSQL, an empty table: psql COPY binary, piped", floors, native), flush=True)
    for backend, rates in others.items():
        print(row(f"PostgreSQL, an empty table: dlt, backend {backend}", rates, native), flush=True)
    for way, ours in runs.items():
        print(row(f"PostgreSQL, an empty table: Syncline, {way}", ours, native), flush=True)
    for way, name in (("maria", "MariaDB to PostgreSQL"), ("postgres", "PostgreSQL to MariaDB")):
        for what, work in (
            ("an empty table", mariadb_catchup.filled),
            ("catch-up, 500 a transaction", mariadb_catchup.caught_up),
        ):
            few = argparse.Namespace(rows=options.rows // 2, updates=options.updates // 2, size=500)
            print(row(f"{name}, {what}", [work(way, few)[0] for _ in range(options.runs)]), flush=True)


def picture(library: ModuleType, folder: Path, rates: Rates, live: dict[str, object]) -> None:
    """Throughput against transaction size, and lag over time."""
    folder.mkdir(parents=True, exist_ok=True)
    figure, axes = library.subplots(figsize=(7, 4))
    for way, points in rates.items():
        medians = [statistics.median(points[size]) for size in points]
        axes.plot(list(points), medians, marker="o", label=postgres_catchup.WAYS[way])
    axes.set(xscale="log", xlabel="rows a transaction", ylabel="rows a second", title="Catch-up, PostgreSQL to PostgreSQL")
    axes.set_ylim(bottom=0)
    axes.legend()
    figure.savefig(folder / "catch-up.svg", bbox_inches="tight")
    figure, axes = library.subplots(figsize=(7, 3))
    series: list[tuple[float, float]] = live["lag_seconds"]  # type: ignore[assignment]
    axes.plot([at for at, _ in series], [1000 * lag for _, lag in series], linewidth=0.8)
    axes.set(xlabel="seconds", ylabel="lag in ms", title=f"Lag at {live['rate']} transactions of one row a second")
    axes.set_ylim(bottom=0)
    figure.savefig(folder / "lag.svg", bbox_inches="tight")


def main() -> None:
    """Print the table, draw the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--sizes", default="1,10,100,500,5000", help="rows a transaction")
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--dlt", default="", metavar="PYTHON")
    options = parser.parse_args()
    options.rows, options.updates = (200_000, 100_000) if options.quick else (1_000_000, 500_000)
    options.runs = 1 if options.quick else options.runs
    print(f"| {options.rows:,} rows | rows/s, median | of native | all runs |")
    print("|---|---|---|---|", flush=True)
    rates, peak = catch_up(options, [1, 500] if options.quick else list(map(int, options.sizes.split(","))))
    snapshots(options)
    print(f"\npeak memory of the hub in catch-up: {peak:.0f} MiB\n")
    live = postgres_live.measure(200, 20.0 if options.quick else 120.0, 2000, 100_000)
    print(postgres_live.table(live), flush=True)
    if options.pictures is not None and find_spec("matplotlib") is not None:
        picture(import_module("matplotlib.pyplot"), options.pictures, rates, live)


if __name__ == "__main__":
    main()
