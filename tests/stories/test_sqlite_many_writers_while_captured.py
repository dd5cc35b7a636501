"""Several programs write one SQLite file at once, one of them is killed; what is captured meanwhile is what they did, whole."""

import asyncio
import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from syncline.model.change import Change, Transaction
from syncline.model.errors import PeerBusy
from syncline.model.schema import Collection
from syncline.model.value import Key, Row
from syncline.model.write import Batch
from syncline.peers.conformance.reading import replay, run
from syncline.peers.sqlite import SqlitePeer, open_peer

T = Collection("t", ("id", "u", "n"), ("id",))
PAIR = Collection("pair", ("id", "n"), ("id",))
SCHEMA = """
CREATE TABLE t (id INTEGER PRIMARY KEY, u TEXT UNIQUE, n INT);
CREATE TABLE pair (id TEXT NOT NULL PRIMARY KEY, n INT);
INSERT INTO pair VALUES ('left', 0), ('right', 0);
"""
WRITERS, TRANSACTIONS = 3, 80


def write(path: str, seed: int, transactions: int) -> None:
    """One program: random statements; each transaction sets both halves of the pair to the same new number."""
    dice = random.Random(seed)
    program = sqlite3.connect(path, isolation_level=None, timeout=60)
    program.execute("PRAGMA synchronous=OFF")  # a killed program loses nothing by it
    for number in range(transactions):
        program.execute("BEGIN IMMEDIATE")
        program.execute("UPDATE pair SET n = ? WHERE id = 'left'", (seed * 1_000_000 + number,))
        for _ in range(dice.randrange(6)):
            a, b, c = (dice.randrange(20) for _ in range(3))
            program.execute(dice.choice(STATEMENTS), {"a": a, "b": f"u{b}", "c": c})
        program.execute("UPDATE pair SET n = ? WHERE id = 'right'", (seed * 1_000_000 + number,))
        program.execute("ROLLBACK" if dice.random() < 0.1 else "COMMIT")


STATEMENTS = (
    "REPLACE INTO t VALUES (:a, :b, :c)",
    "INSERT OR IGNORE INTO t VALUES (:a, :b, :c)",
    "INSERT INTO t VALUES (:a, :b, :c) ON CONFLICT(id) DO UPDATE SET n = n + :c ON CONFLICT DO NOTHING",
    "UPDATE OR REPLACE t SET u = :b, n = :c WHERE id = :a",
    "UPDATE OR IGNORE t SET id = :c WHERE id = :a",
    "DELETE FROM t WHERE n = :c",
)


@pytest.mark.parametrize("wal", [True, False], ids=["wal", "rollback journal"])
def test_t3_p9_many_writers_are_captured_whole_while_they_write(tmp_path: Path, wal: bool) -> None:
    path = tmp_path / "office.db"
    with sqlite3.connect(path) as maker:
        maker.execute(f"PRAGMA journal_mode={'WAL' if wal else 'DELETE'}")
        maker.executescript(SCHEMA)
    maker.close()
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    commands = [[sys.executable, __file__, str(path), str(n), str(TRANSACTIONS if n else 10**6)] for n in range(WRITERS + 1)]
    writers: list[subprocess.Popen[bytes]] = []
    try:
        found = run(story(path, lambda: writers.extend(subprocess.Popen(command, env=env) for command in commands), writers))
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
    rows: dict[tuple[str, Key], Row] = {("pair", ("left",)): ("left", 0), ("pair", ("right",)): ("right", 0)}
    for transaction in found:
        rows = replay(rows, transaction.changes)
        halves = {rows["pair", (half,)][1] for half in ("left", "right")}
        assert len(halves) == 1, f"part of a transaction at {transaction.position}"
    program = sqlite3.connect(path)
    assert {key[0]: row for (name, key), row in rows.items() if name == "t"} == {
        row[0]: row for row in program.execute("SELECT * FROM t")
    }
    program.close()
    changes: list[Change] = [change for transaction in found for change in transaction.changes]
    assert len(changes) > WRITERS * TRANSACTIONS


async def story(path: Path, start: Callable[[], None], writers: "Sequence[subprocess.Popen[bytes]]") -> list[Transaction]:
    """Capture while programs write; kill one of them on the way, and commit watermarks in between."""
    peer = open_peer("office", f"sqlite:///{path}", poll_seconds=0.002)
    await peer.connect()
    await peer.setup([T, PAIR])
    found: list[Transaction] = []
    reading = asyncio.ensure_future(read(peer, found))
    start()
    upto = 0
    while any(writer.poll() is None for writer in writers[1:]):
        with suppress(PeerBusy):  # others held the file for all of ten seconds: tried again, as the engine does
            await peer.apply(Batch(upto + 1, (), 0))
            upto += 1
        await asyncio.sleep(0.03)
    assert writers[0].poll() is None
    writers[0].kill()  # most likely inside a transaction
    writers[0].wait()
    assert [writer.returncode for writer in writers[1:]] == [0] * WRITERS
    end = await peer.position()
    while not reading.done() and (not found or found[-1].position < end):
        await asyncio.sleep(0.01)
    reading.cancel()
    with suppress(asyncio.CancelledError):
        await reading
    await peer.close()
    contexts = [transaction.context for transaction in found]
    assert contexts == sorted(contexts)
    assert contexts[-1] == upto
    return found


async def read(peer: SqlitePeer, found: list[Transaction]) -> None:
    """Take what comes."""
    async for transaction in peer.stream(None):
        found.append(transaction)


if __name__ == "__main__":
    write(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
