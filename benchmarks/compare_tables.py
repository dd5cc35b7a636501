"""Comparing 1M rows at two servers: equal, and with scattered differences; beside reladiff, scans and pt-table-checksum.

python -m benchmarks.compare_tables [--rows 1000000] [--runs 3] [--ways postgres,mariadb] [--reladiff PROGRAM]

Whole processes are timed, with their start, Syncline's from bytecode as an installed package has it. Both compare the same
columns, without JSON, which reladiff leaves out; get it with pip install "reladiff[postgresql,mysql]" in an environment of its
own. pt-table-checksum is in Debian's percona-toolkit.
"""

import argparse
import asyncio
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
from tests.servers import mariadb

from benchmarks.mariadb_catchup import two
from benchmarks.offices import as_installed, hub, wait
from benchmarks.postgres import pair
from syncline.log.registry import open_reader
from syncline.model.entry import Kind
from syncline.model.proof import Mode, Proof

COLUMNS: Final = ("name", "email", "balance", "updated_at")
DIFFERENCES: Final = 100
CHANGES: Final = 3  # times that 1 % of the rows is changed
Ask = Callable[[int, str], Any]  # a side, a statement


class Setting:
    """Two sides with the same rows. `sides`: what reladiff calls them. `ask` runs a statement at one; `unseen` hides it."""

    def __init__(self, folder: Path, sides: tuple[str, str], ask: Ask, unseen: Ask) -> None:
        self.folder, self.sides, self.ask, self.unseen = folder, sides, ask, unseen

    def syncline(self, *words: str) -> tuple[float, float, dict[str, Any]]:
        """Seconds, peak memory in MiB and answer of a verb."""
        took, peak, out = timed([sys.executable, "-m", "syncline", *words, str(self.folder / "bench.yaml"), "--json"])
        return took, peak, json.loads(out)

    def prove(self, text: str) -> None:
        """Have a running hub compare everything, then what changed."""
        config = self.folder / "bench.yaml"
        config.write_text(config.read_text(encoding="utf-8") + f"verify: {text}\n", encoding="utf-8")


def timed(words: Sequence[str]) -> tuple[float, float, bytes]:
    """Seconds, peak memory in MiB and output of a program."""
    begun = time.perf_counter()
    with subprocess.Popen(words, stdout=subprocess.PIPE, env=as_installed()) as process:
        assert process.stdout is not None
        out = process.stdout.read()
        _, _, usage = os.wait4(process.pid, 0)
        process.returncode = 0
    return time.perf_counter() - begun, usage.ru_maxrss / 1024, out


@contextmanager
def postgres_pair(rows: int) -> Iterator[Setting]:
    """Two PostgreSQL servers."""
    with pair(rows) as made:
        for side in (0, 1):
            with made.connect(side) as connection:
                connection.execute("ALTER TABLE customers DROP COLUMN tags")
        made.configure(one_way=False)
        made.settle()
        for side in (0, 1):
            with made.connect(side) as connection:
                connection.execute("CHECKPOINT")  # from here on the slots go on, and not from before the tables were filled
        made.settle()

        def ask(side: int, sql: str) -> Any:
            with made.connect(side) as connection:
                found = connection.execute(sql.encode())
                return found.fetchall() if found.description else None

        yield Setting(made.folder, (made.url(0), made.url(1)), ask, ask)


@contextmanager
def mixed_pair(rows: int) -> Iterator[Setting]:
    """PostgreSQL and MariaDB."""
    with two(rows, ("maria", "postgres")) as made:
        for side in ("maria", "postgres"):
            made.run(side, "ALTER TABLE customers DROP COLUMN tags")
        made.settle()
        with made.postgres.connect(made.names[0]) as connection:
            connection.execute("CHECKPOINT")
            connection.execute("ANALYZE customers")
        made.settle()
        names = ("postgres", "maria")
        urls = (made.postgres.url(made.names[0]), made.mariadb.url(made.names[1]).replace("mariadb://", "mysql://"))

        def ask(side: int, sql: str) -> Any:
            return made.run(names[side], sql)

        def unseen(side: int, sql: str) -> Any:
            if side == 0:
                return ask(side, sql)
            with made.mariadb.connect(made.names[1]) as connection:
                connection.query("SET sql_log_bin = 0")
                connection.query(sql)
                connection.commit()
            return None

        made.mariadb.run(made.names[1], "ANALYZE TABLE customers")
        yield Setting(made.folder, urls, ask, unseen)


def drift(setting: Setting, rows: int) -> list[int]:
    """Change a field of some rows at the second side; their keys."""
    keys = [1 + (number * 7919 * 13) % rows for number in range(DIFFERENCES)]
    setting.unseen(1, f"UPDATE customers SET name = 'drifted' WHERE id IN ({', '.join(map(str, keys))})")
    return sorted(keys)


def mend(setting: Setting, keys: Sequence[int]) -> None:
    """Change them back."""
    listed = ", ".join(map(str, keys))
    joined = "concat('customer number ', id)"
    setting.unseen(1, f"UPDATE customers SET name = {joined} WHERE id IN ({listed})")


def scans(setting: Setting) -> float:
    """Seconds of one sequential scan at each side, both at once."""
    with ThreadPoolExecutor(2) as both:
        begun = time.perf_counter()
        list(both.map(lambda side: setting.ask(side, "SELECT count(*), max(balance) FROM customers"), (0, 1)))
        return time.perf_counter() - begun


def reladiff(setting: Setting, program: str) -> tuple[float, float, int]:
    """Seconds, peak memory in MiB and differing rows."""
    words = [program, setting.sides[0], "customers", setting.sides[1], "customers", "-k", "id", "--json"]
    took, peak, out = timed([*words, *(word for column in COLUMNS for word in ("-c", column))])
    return took, peak, len([line for line in out.splitlines() if line.startswith(b'["+"')])


def checksummed(server: mariadb.Server, name: str) -> float:
    """Seconds of pt-table-checksum for the table at one MariaDB server."""
    dsn = f"h=127.0.0.1,P={server.port},u=root"
    words = ["pt-table-checksum", dsn, "--databases", name, "--tables", "customers", "--replicate", f"{name}.checksums"]
    begun = time.perf_counter()
    subprocess.run([*words, "--no-check-binlog-format", "--no-check-replication-filters", "--quiet"], check=False)
    return time.perf_counter() - begun


def steadily(setting: Setting, rows: int) -> tuple[Proof, list[Proof]]:
    """The full proof of a running hub, and those after 1 % of the rows changed, again and again.

    They come seconds after the changes, as in use, when these have arrived: what is on its way would be looked at twice.
    """
    setting.prove("{every: 8s, full: 1h, budget: 100%}")
    log = str(setting.folder / "bench.log.db")

    def proofs(mode: Mode) -> list[Proof]:
        return [one for one in asyncio.run(_proofs(log)) if one.mode is mode]

    with hub(setting.folder):
        wait(lambda: bool(proofs(Mode.FULL)), 600.0, 0.2)
        full, few = proofs(Mode.FULL)[-1], rows // 100
        found: list[Proof] = []
        for turn in range(CHANGES):
            before = len(proofs(Mode.STEADY))
            changed = ", ".join(str(1 + (number * 7919 + turn) % rows) for number in range(few))
            setting.ask(0, f"UPDATE customers SET balance = balance + 1 WHERE id IN ({changed})")
            wait(lambda before=before: any(one.rows >= few for one in proofs(Mode.STEADY)[before:]), 120.0, 1.0)  # type: ignore[misc]
            found.append(next(one for one in proofs(Mode.STEADY)[before:] if one.rows >= few))
        return full, found


async def _proofs(log: str) -> list[Proof]:
    reader = await open_reader(log)
    try:
        bodies = [entry.body or {} async for entries in reader.read_notes(0) for entry in entries if entry.kind is Kind.VERIFY]
        return [msgspec.convert(one, Proof) for body in bodies for one in body.get("proofs", ())]
    finally:
        await reader.close()


def measure(way: str, options: argparse.Namespace) -> None:
    """Print the lines of one pair."""
    making = {"postgres": postgres_pair, "mariadb": mixed_pair}[way]
    title = {"postgres": "PostgreSQL, PostgreSQL", "mariadb": "PostgreSQL, MariaDB"}[way]
    with making(options.rows) as setting:
        setting.syncline("verify")  # what is read from disk once is read
        scanned = statistics.median(scans(setting) for _ in range(3))
        line(f"{title}: a sequential scan of each, both at once", [scanned])
        floors: dict[str, float] = {}
        for what in ("equal", f"{DIFFERENCES} differences"):
            keys = drift(setting, options.rows) if what != "equal" else []
            if options.reladiff:
                runs = [reladiff(setting, options.reladiff) for _ in range(options.runs)]
                assert {run[2] for run in runs} == {len(keys)}, runs
                floors[what] = statistics.median(run[0] for run in runs)
                line(f"{title}, {what}: reladiff", [run[0] for run in runs], peak=max(run[1] for run in runs))
            ours = [setting.syncline("verify") for _ in range(options.runs)]
            for _, _, told in ours:
                found = sorted(one["key"][0] for one in told["differences"])
                assert found == keys, (found[:5], keys[:5])
                assert all(one["fields"] == ["name"] for one in told["differences"])
            peak = max(run[1] for run in ours)
            line(f"{title}, {what}: Syncline", [run[0] for run in ours], floors.get(what), peak, scanned)
            mend(setting, keys) if keys else None
        setting.syncline("run", "--until-idle")
        full, steady = steadily(setting, options.rows)
        line(f"{title}: a full proof of a running hub", [full.seconds], scan=scanned)
        took = [one.seconds for one in steady]
        share = f"{100 * statistics.median(took) / full.seconds:.1f} % of the full one"
        line(f"{title}: the proof after 1 % of the rows changed ({share})", took)


def line(what: str, runs: Sequence[float], other: float | None = None, peak: float = 0.0, scan: float = 0.0) -> None:
    """A line of the table."""
    middle = statistics.median(runs)
    cells = [f"{middle:.2f}", f"{other / middle:.2f}" if other else "", f"{middle / scan:.1f}" if scan else ""]
    cells += [f"{peak:.0f}" if peak else "", ", ".join(f"{run:.2f}" for run in runs)]
    print(f"| {what} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--ways", default="postgres,mariadb")
    parser.add_argument("--reladiff", default=shutil.which("reladiff") or "")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    print(f"| {options.rows:,} rows | seconds, median | times as fast as reladiff | scans | peak MiB | all runs |")
    print("|---|---|---|---|---|---|", flush=True)
    for way in options.ways.split(","):
        measure(way, options)
    if shutil.which("pt-table-checksum") and "mariadb" in options.ways:
        with two(options.rows, ("maria",)) as made:
            line("MariaDB alone: pt-table-checksum", [checksummed(made.mariadb, made.names[1]) for _ in range(options.runs)])


if __name__ == "__main__":
    main()
