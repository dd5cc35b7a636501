"""A file that is overwritten in place under a running hub is another history, and capture says so."""

import shutil
import sqlite3
from contextlib import aclosing, closing
from pathlib import Path

import pytest

from syncline.model.errors import PeerRestored
from syncline.model.schema import Collection
from syncline.peers.conformance.reading import run
from syncline.peers.sqlite import open_peer

T = Collection("t", ("id", "v"), ("id",))


@pytest.mark.parametrize("more", [0, 5], ids=["shorter", "longer"])
def test_f26_a_file_overwritten_in_place_is_noticed_at_the_next_look(tmp_path: Path, more: int) -> None:
    path, backup = tmp_path / "t.db", tmp_path / "t.bak"

    def write(number: int) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as program:
            program.execute("INSERT INTO t VALUES (?, 'x')", (number,))

    async def story() -> None:
        with closing(sqlite3.connect(path)) as program:
            program.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
        peer = open_peer("here", f"sqlite:///{path}", poll_seconds=0.01)
        await peer.connect()
        await peer.setup([T])
        write(1)
        shutil.copyfile(path, backup)
        async with aclosing(peer.stream(None)) as stream:  # type: ignore[type-var]
            for number in (2, 3):
                write(number)
            seen: list[object] = []
            while len(seen) < 3:
                seen += [change.key for change in (await anext(stream)).changes]
            with backup.open("rb") as old, path.open("r+b") as place:  # cp keeps the inode
                place.write(old.read())
                place.truncate()
            for number in range(10, 11 + more):
                write(number)
            with pytest.raises(PeerRestored, match="not the history"):
                [transaction async for transaction in stream]
        await peer.close()

    run(story())
