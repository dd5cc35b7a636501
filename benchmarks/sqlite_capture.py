"""The SQLite peer: what its triggers cost a writer, how fast its changelog is read and batches are applied.

`python -m benchmarks.sqlite_capture [--rows N] [--repeat N]` prints a Markdown table. Rates are of this machine and run; the
ratios compare with the same work without Syncline, measured next to it, the best of several runs each.
"""

import argparse
import asyncio
import random
import sqlite3
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from syncline.model.schema import Collection
from syncline.model.write import Batch, Op, Write
from syncline.peers.sqlite import open_peer

COLUMNS = ("id", "name", "email", "balance", "tags", "updated_at")
CUSTOMERS = Collection("customers", COLUMNS, ("id",))
SCHEMA = "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, email TEXT, balance NUMERIC, tags TEXT, updated_at TEXT)"
STATEMENTS = 30_000
TRANSACTION = 1_000
BATCH = 10_000

Row = tuple[int, str, str, int, str, str]


def row(number: int) -> Row:
    """A customer of ordinary width."""
    return (
        number,
        f"name of person {number}",
        f"person{number}@example.org",
        number * 7 % 1000,
        '["a","b"]',
        "2024-01-01 00:00:00",
    )


def make(path: Path, rows: int, synchronous: str) -> sqlite3.Connection:
    """A file with so many customers, and a program's connection to it."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    program = sqlite3.connect(path, isolation_level=None)
    program.execute("PRAGMA journal_mode=WAL")
    program.execute(f"PRAGMA synchronous={synchronous}")
    program.execute(SCHEMA)
    program.execute("BEGIN")
    program.executemany("INSERT INTO customers VALUES (?,?,?,?,?,?)", map(row, range(rows)))
    program.execute("COMMIT")
    program.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return program


def write(program: sqlite3.Connection, sql: str, params: Sequence[tuple[object, ...]]) -> float:
    """Seconds for one statement per row, in transactions of TRANSACTION."""
    begun = time.perf_counter()
    for start in range(0, len(params), TRANSACTION):
        program.execute("BEGIN")
        for one in params[start : start + TRANSACTION]:
            program.execute(sql, one)
        program.execute("COMMIT")
    return time.perf_counter() - begun


def works(rows: int) -> dict[str, tuple[str, list[tuple[object, ...]]]]:
    """The writer's work by name: a statement and its parameters."""
    dice = random.Random(5)
    update = "UPDATE customers SET name = ?, balance = balance + 1 WHERE id = ?"
    scattered: list[tuple[object, ...]] = [(f"new name {n}", dice.randrange(rows)) for n in range(STATEMENTS)]
    orderly: list[tuple[object, ...]] = [(f"new name {n}", n % rows) for n in range(STATEMENTS)]
    fresh: list[tuple[object, ...]] = [row(rows + n) for n in range(STATEMENTS)]
    return {
        "update, random keys": (update, scattered),
        "update, keys in order": (update, orderly),
        "insert": ("INSERT INTO customers VALUES (?,?,?,?,?,?)", fresh),
        "delete, random keys": ("DELETE FROM customers WHERE id = ?", [one[1:] for one in scattered]),
    }


async def set_up(path: Path) -> None:
    """Install the footprint, as `syncline run` does."""
    peer = open_peer("bench", f"sqlite:///{path}")
    await peer.connect()
    await peer.setup([CUSTOMERS])
    await peer.close()


def slowdown(folder: Path, rows: int, repeat: int, synchronous: str) -> list[str]:
    """Table rows: a writer with and without triggers."""
    lines = []
    for name, (sql, params) in works(rows).items():
        best: dict[bool, float] = {}
        for captured in (False, True) * repeat:
            path = folder / "writer.db"
            program = make(path, rows, synchronous)
            if captured:
                asyncio.run(set_up(path))
            best[captured] = min(best.get(captured, 9e9), write(program, sql, params))
            program.close()
        without, with_triggers = (best[captured] / STATEMENTS * 1e6 for captured in (False, True))
        work = f"writer, synchronous={synchronous}: {name}"
        lines.append(f"| {work} | {without:.1f} us | {with_triggers:.1f} us | {with_triggers / without:.2f}x |")
    return lines


async def read_rate(path: Path, program: sqlite3.Connection, rows: int) -> float:
    """Changes per second from a backlog of updates."""
    peer = open_peer("bench", f"sqlite:///{path}")
    await peer.connect()
    await peer.setup([CUSTOMERS])
    sql, params = works(rows)["update, random keys"]
    for _ in range(5):
        write(program, sql, params)
    program.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    end = await peer.position()
    begun, changes = time.perf_counter(), 0
    async for transaction in peer.stream(None):
        changes += len(transaction.changes)
        if transaction.position >= end:
            break
    rate = changes / (time.perf_counter() - begun)
    await peer.close()
    return rate


async def apply_rates(path: Path, rows: int) -> dict[str, float]:
    """Rows per second applied, in batches of BATCH scattered rows."""
    peer = open_peer("bench", f"sqlite:///{path}")
    await peer.connect()
    await peer.setup([CUSTOMERS])
    dice = random.Random(6)
    picked = dice.sample(range(rows), min(rows, 100_000))
    kinds: dict[str, Callable[[list[int]], Write]] = {
        "update two fields": _update,
        "upsert rows that are there": lambda ids: _upsert(ids, 0),
        "insert": lambda ids: _upsert(ids, rows),
        "delete": lambda ids: Write(Op.DELETE, "customers", tuple((n,) for n in ids)),
    }
    rates, upto = {}, 0
    for name, make_write in kinds.items():
        writes = [make_write(sorted(picked[at : at + BATCH])) for at in range(0, len(picked), BATCH)]
        begun = time.perf_counter()
        for one in writes:
            upto += 1
            await peer.apply(Batch(upto, (one,), len(one.keys)))
        rates[name] = len(picked) / (time.perf_counter() - begun)
    await peer.close()
    return rates


def _update(ids: list[int]) -> Write:
    return Write(Op.UPDATE, "customers", tuple((n,) for n in ids), ("name", "balance"), (), tuple((f"new {n}", n) for n in ids))


def _upsert(ids: list[int], shift: int) -> Write:
    rows = tuple(row(n + shift) for n in ids)
    return Write(Op.UPSERT, "customers", tuple((one[0],) for one in rows), COLUMNS, (), rows)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    print(
        f"SQLite {sqlite3.sqlite_version}, {options.rows} rows, one row per statement, {TRANSACTION} statements per transaction"
    )
    print("\n| work | without | with | ratio |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for synchronous in ("NORMAL", "FULL"):
            for line in slowdown(folder, options.rows, options.repeat, synchronous):
                print(line, flush=True)
        path = folder / "peer.db"
        program = make(path, options.rows, "NORMAL")
        print("\n| work | rows per second |\n|---|---|")
        print(f"| changelog read, into changes | {asyncio.run(read_rate(path, program, options.rows)):,.0f} |")
        for kind, rate in asyncio.run(apply_rates(path, options.rows)).items():
            print(f"| apply, batches of {BATCH}: {kind} | {rate:,.0f} |")
        program.close()


if __name__ == "__main__":
    main()
