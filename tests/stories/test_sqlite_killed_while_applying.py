"""A hub is killed again and again while it applies batches to an SQLite file: each batch takes effect once, or not yet."""

import asyncio
import os
import random
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from syncline.model.schema import Collection
from syncline.model.write import Batch, Op, Write
from syncline.peers.conformance.reading import run
from syncline.peers.sqlite import open_peer

T = Collection("t", ("id", "batch"), ("id",))
COUNTER = Collection("counter", ("id", "n"), ("id",))
ROWS = 300


async def keep_applying(path: str) -> None:
    """The hub: go on after the watermark, one batch after the other, until killed."""
    peer = open_peer("office", f"sqlite:///{path}")
    identity = await peer.connect()
    await peer.setup([T, COUNTER])
    for upto in range(identity.watermark + 1, sys.maxsize):
        rows = tuple((upto * ROWS + n, upto) for n in range(ROWS))
        upsert = Write(Op.UPSERT, "t", tuple((row[0],) for row in rows), T.columns, (), rows)
        await peer.apply(Batch(upto, (upsert, Write(Op.UPDATE, "counter", ((1,),), (), ("n",), ((1,),))), ROWS + 1))


def test_f4_f5_every_batch_takes_effect_exactly_once(tmp_path: Path) -> None:
    path = tmp_path / "office.db"
    program = sqlite3.connect(path, isolation_level=None, timeout=10)
    program.execute("PRAGMA journal_mode=WAL")
    program.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, batch INT)")
    program.execute("CREATE TABLE counter (id INTEGER PRIMARY KEY, n INT)")
    program.execute("INSERT INTO counter VALUES (1, 0)")
    dice = random.Random(11)
    seen = 0
    for _ in range(6):
        hub = subprocess.Popen(
            [sys.executable, __file__, str(path)], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        )
        wait_for_progress(program, seen, hub)
        time.sleep(dice.uniform(0.0, 0.05))  # a random moment inside some batch
        hub.kill()
        hub.wait()
        seen = check(program, path)
    assert seen >= 6


def wait_for_progress(program: sqlite3.Connection, seen: int, hub: "subprocess.Popen[bytes]") -> None:
    """Until the hub has applied something new."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert hub.poll() is None, "the hub ended by itself"
        if program.execute("SELECT n > ? FROM counter", (seen + 1,)).fetchone() == (1,):
            return
        time.sleep(0.005)
    raise AssertionError("the hub does nothing")


def check(program: sqlite3.Connection, path: Path) -> int:
    """Rows, counter and watermark agree."""
    peer = open_peer("office", f"sqlite:///{path}")
    identity = run(peer.connect())
    run(peer.close())
    watermark = identity.watermark
    assert program.execute("SELECT n FROM counter").fetchone() == (watermark,)
    batches = program.execute("SELECT batch, count(*) FROM t GROUP BY batch").fetchall()
    assert batches == [(batch, ROWS) for batch in range(1, watermark + 1)]
    return watermark


if __name__ == "__main__":
    asyncio.run(keep_applying(sys.argv[1]))
