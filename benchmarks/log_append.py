"""The embedded log: what it appends and reads back, beside a plain SQLite table in the same run.

    python benchmarks/log_append.py [--changes 300000] [--singles 2000] [--runs 3] [--folder DIR]

A change is an update of a four-column row with its image before and after. Both sides sync before each acknowledgement. The
peer is a table with one row per change (offset, the entry in the same MessagePack codec), written by a plain program: one
commit per 1000 changes with executemany, or one per change; neither compressed nor checksummed. Medians of the runs.
"""

import argparse
import asyncio
import gc
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from random import Random

import apsw

from syncline.log.sqlite import SqliteLog
from syncline.model.change import Change
from syncline.model.codec import decode_entries, encode_entries
from syncline.model.entry import Entry, Kind
from syncline.model.stamp import Position
from syncline.model.value import Row, Tagged

BATCH = 1000


def entries(count: int, per_entry: int, seed: int = 1) -> list[Entry]:
    """Entries with `count` changes in all, `per_entry` in each."""
    rng = Random(seed)

    def change(key: int) -> Change:
        name, mail = f"customer {rng.randrange(10**6)}", f"u{rng.randrange(10**9)}@example.org"
        before: Row = (key, name, Tagged("decimal", f"{rng.randrange(10**6) / 100:.2f}"), mail)
        after: Row = (key, name, Tagged("decimal", f"{rng.randrange(10**6) / 100:.2f}"), mail)
        return Change("customers", (key,), before, after)

    return [
        Entry(
            offset, Kind.CHANGE, "hq", Position(offset), max(0, offset - 9), 1_700_000_000_000_000 + offset,
            tuple(change(rng.randrange(10**6)) for _ in range(per_entry)),
        )
        for offset in range(1, count // per_entry + 1)
    ]  # fmt: skip


def append(path: Path, made: Sequence[Entry], batch: int) -> float:
    """Seconds to append entries to a new log, so many at a time."""

    async def run() -> float:
        log = SqliteLog(str(path))
        head = await log.open()
        begun = time.perf_counter()
        for start in range(0, len(made), batch):
            head = await log.append(made[start : start + batch], head)
        spent = time.perf_counter() - begun
        await log.close()
        return spent

    return asyncio.run(run())


def read_back(path: Path) -> tuple[float, int]:
    """Seconds to read a log from its beginning, and how many changes that were."""

    async def run() -> tuple[float, int]:
        log = SqliteLog(str(path))
        await log.open()
        begun = time.perf_counter()
        count = 0
        async for frame in log.read(0):
            count += sum(len(entry.changes) for entry in frame)
        spent = time.perf_counter() - begun
        await log.close()
        return spent, count

    return asyncio.run(run())


def plain(path: Path) -> apsw.Connection:
    """The peer: a table with one row per change, as durable as the log."""
    db = apsw.Connection(str(path))
    for pragma in ("journal_mode = WAL", "synchronous = FULL"):
        db.execute(f"PRAGMA {pragma}").fetchall()
    db.execute("CREATE TABLE change (offset INTEGER PRIMARY KEY, body BLOB NOT NULL)")
    return db


def plain_append(path: Path, made: Sequence[Entry], batch: int) -> float:
    """Seconds to write entries of one change to the peer, so many in a transaction."""
    with closing(plain(path)) as db:
        begun = time.perf_counter()
        for start in range(0, len(made), batch):
            db.execute("BEGIN IMMEDIATE")
            part = [(one.offset, encode_entries([one])) for one in made[start : start + batch]]
            db.executemany("INSERT INTO change VALUES (?, ?)", part)
            db.execute("COMMIT")
        return time.perf_counter() - begun


def plain_read(path: Path) -> float:
    """Seconds to read and decode every row of the peer."""
    with closing(apsw.Connection(str(path))) as db:
        begun = time.perf_counter()
        for (body,) in db.execute("SELECT body FROM change ORDER BY offset"):
            decode_entries(body if isinstance(body, bytes) else b"")
        return time.perf_counter() - begun


def median(runs: int, folder: Path, once: Callable[[Path], float]) -> float:
    """The median of some runs, each with a file of its own."""
    taken = []
    for _ in range(runs):
        with tempfile.TemporaryDirectory(dir=folder) as place:
            taken.append(once(Path(place) / "file.db"))
    return statistics.median(taken)


def measure(folder: Path, changes: int, singles: int, runs: int) -> list[tuple[str, float, float]]:
    """Rows of the table: what, the log's rate a second, the peer's."""
    small, large = entries(changes, 1), entries(changes, BATCH)
    gc.collect()
    gc.freeze()  # what is written is the caller's; its size must not slow down either side

    def reading(made: Sequence[Entry], batch: int) -> Callable[[Path], float]:
        def once(path: Path) -> float:
            append(path, made, batch)
            spent, count = read_back(path)
            if count != changes:
                raise RuntimeError(f"read {count} of {changes} changes")
            return spent

        return once

    def peer_reading(path: Path) -> float:
        plain_append(path, small, BATCH)
        return plain_read(path)

    by_peer = changes / median(runs, folder, lambda path: plain_append(path, small, BATCH))
    peer_read = changes / median(runs, folder, peer_reading)
    return [
        (
            f"append, {BATCH} transactions of one change at a time",
            changes / median(runs, folder, lambda path: append(path, small, BATCH)),
            by_peer,
        ),
        (
            f"append, one transaction of {BATCH} changes at a time",
            changes / median(runs, folder, lambda path: append(path, large, 1)),
            by_peer,
        ),
        (
            "append, a single change at a time",
            singles / median(runs, folder, lambda path: append(path, small[:singles], 1)),
            singles / median(runs, folder, lambda path: plain_append(path, small[:singles], 1)),
        ),
        ("read back, transactions of one change", changes / median(runs, folder, reading(small, BATCH)), peer_read),
        (f"read back, transactions of {BATCH} changes", changes / median(runs, folder, reading(large, 1)), peer_read),
    ]


def sizes(folder: Path, changes: int) -> tuple[float, float, float]:
    """Bytes a change: encoded, in the log, in the peer."""
    small = entries(changes, 1)
    with tempfile.TemporaryDirectory(dir=folder) as name:
        log, table = Path(name) / "log.db", Path(name) / "table.db"
        append(log, small, BATCH)
        plain_append(table, small, BATCH)
        return len(encode_entries(small)) / changes, log.stat().st_size / changes, table.stat().st_size / changes


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--changes", type=int, default=300_000, help="a multiple of 1000")
    parser.add_argument("--singles", type=int, default=2_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where the files are made (default: the system's temporary folder)")
    asked = parser.parse_args()
    folder = asked.folder or Path(tempfile.gettempdir())
    changes = asked.changes // BATCH * BATCH
    lines = ["| work | log, changes/s | plain table, changes/s | ratio |", "|---|---|---|---|"]
    for what, ours, theirs in measure(folder, changes, asked.singles, asked.runs):
        lines.append(f"| {what} | {ours:,.0f} | {theirs:,.0f} | {ours / theirs:.2f} |")
    encoded, ours, theirs = sizes(folder, changes)
    print("\n".join(lines))
    print(f"\nBytes a change: {ours:.0f} in the log, {theirs:.0f} in the table, {encoded:.0f} as encoded.")


if __name__ == "__main__":
    main()
