"""A MariaDB server whose history is not the one that was captured: a cold copy or a copy of a moment was brought back.

The peer stops and says why; it joins again by compare-and-merge; nothing is lost, and no increment counts twice.
"""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from tests.servers.mariadb import Server, shared
from tests.stories.mixed import Mixed, make

ROWS: Final = 20


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Mixed]:
    """hq on a server of its own."""
    server = Server()
    mixed = make(tmp_path, {"hq": server, "munich": shared()})
    mixed.write("hq", *(f"INSERT INTO customers (id, name) VALUES ({n}, 'name {n}')" for n in range(ROWS)))
    yield mixed
    mixed.close()
    server.remove()


def _cold(server: Server) -> Path:
    """A copy of the data folder while the server is down: with all that it holds, the binary log too."""
    place = server.folder / "backup"
    server.stop()
    subprocess.run(["cp", "-a", server.data, place], check=True)
    server.start()
    return place


def _snapshot(server: Server) -> Path:
    """A copy of a moment, as of a virtual machine: sessions go on, and the copy has their marks."""
    place = server.folder / "backup"
    server.freeze()
    subprocess.run(["cp", "-a", server.data, place], check=True)
    server.thaw()
    return place


@pytest.mark.parametrize(("copied", "many"), [(_cold, 0), (_snapshot, 1_000)])  # behind where the log had it, and beyond
def test_f26_f28_a_backup_that_was_brought_back(pair: Mixed, copied: Callable[[Server], Path], many: int) -> None:
    pair.start()
    pair.wait_equal()
    server = pair.servers["hq"]
    backup = copied(server)
    pair.write("munich", "UPDATE customers SET balance = balance + 10", "INSERT INTO customers (id) VALUES (100)")
    pair.write("hq", "UPDATE customers SET balance = balance + 1 WHERE id < 100", "INSERT INTO customers (id) VALUES (200)")
    pair.space.wait(lambda: pair.balances("munich") == {11, 0}, "the increments of both arrive")
    pair.wait_equal()
    server.stop()
    shutil.rmtree(server.data)
    backup.rename(server.data)
    server.start()
    for first in range(1000, 1000 + many, 100):  # in several transactions, well beyond where the log had it
        unseen = ", ".join(f"({n}, repeat('unseen', 100))" for n in range(first, first + 100))
        pair.write("hq", f"INSERT INTO customers (id, name) VALUES {unseen}")
    pair.space.wait(lambda: pair.space.status()["peers"]["hq"]["state"] == "broken", "hq is broken")
    assert "SYN-P06" in pair.space.state("hq")
    assert pair.balances("munich") == {11, 0}, "nothing goes on from now"
    pair.space.verb("resume", "hq", "--rejoin")
    pair.wait_equal()
    assert pair.space.stop() == 0
    pair.settle()
    pair.assert_equal()
    assert pair.verify()["equal"] is True
    rows = {row[0]: row for row in pair.rows("munich")}
    assert [rows[n][2] for n in range(ROWS)] == [11] * ROWS
    assert set(rows) == {*range(ROWS), 100, 200, *range(1000, 1000 + many)}
