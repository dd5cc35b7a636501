"""A server whose history is not the one that was captured: a backup was brought back, or a standby took over.

The peer stops and says why; it joins again by compare-and-merge; nothing is lost, and no increment counts twice.
"""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from tests.servers.postgres import Server, shared
from tests.servers.proxy import Proxy
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
    """A copy of the data folder while the server is down: with all that it holds, the slot too."""
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
    (place / "postmaster.pid").unlink()
    return place


def _hot(server: Server) -> Path:
    """A base backup while the server runs: without slots."""
    place = server.folder / "backup"
    server.back_up(place)
    return place


def _assert_rejoined(mixed: Mixed, evidence: str) -> None:
    """The peer stops with its evidence, and nothing goes on from now; it joins again, and all are equal."""
    mixed.space.wait(lambda: mixed.space.status()["peers"]["hq"]["state"] == "broken", "hq is broken")
    assert "SYN-P06" in mixed.space.state("hq")
    assert evidence in mixed.space.state("hq")
    mixed.space.verb("resume", "hq", "--rejoin")
    mixed.wait_equal()
    assert mixed.space.stop() == 0
    mixed.settle()
    mixed.assert_equal()
    assert mixed.verify()["equal"] is True


COPIES: Final = [(_cold, "session mark"), (_snapshot, "went back"), (_hot, "slot is gone")]


@pytest.mark.parametrize(("copied", "evidence"), COPIES)
def test_f26_f28_a_backup_that_was_brought_back(pair: Mixed, copied: Callable[[Server], Path], evidence: str) -> None:
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
    many = "INSERT INTO customers (id, name) SELECT n, repeat('unseen', 100) FROM generate_series(1000, 1999) AS n"
    pair.write("hq", many)  # well beyond where the log had it
    _assert_rejoined(pair, evidence)
    rows = {row[0]: row for row in pair.rows("munich")}
    assert [rows[n][2] for n in range(ROWS)] == [11] * ROWS
    assert set(rows) == {*range(ROWS), 100, 200, *range(1000, 2000)}


def test_f20_f21_a_standby_without_the_slot_that_lost_the_tail_takes_over(pair: Mixed) -> None:
    primary = pair.servers["hq"]
    proxy = Proxy(primary.port)
    pair.detour("hq", proxy.port)
    pair.start()
    pair.wait_equal()
    standby = Server(primary=primary)
    standby.stop()
    pair.write("hq", "UPDATE customers SET balance = balance + 1", "INSERT INTO customers (id, name) VALUES (500, 'tail')")
    pair.wait_equal()
    primary.kill()
    standby.start()
    proxy.aim(standby.port)
    pair.space.wait(lambda: "this server is a standby" in pair.space.state("hq"), "a standby is not written to")
    assert "SYN-P02" in pair.space.state("hq"), "nothing broke yet: the primary may come back"
    standby.run("postgres", "SELECT pg_promote()")
    standby.run(pair.databases["hq"], "INSERT INTO customers (id, name) VALUES (600, 'new'), (601, 'new')")
    pair.servers = {**pair.servers, "hq": standby}
    pair.write("munich", "UPDATE customers SET balance = balance + 10 WHERE id < 500")
    _assert_rejoined(pair, "another branch")
    rows = {row[0]: row for row in pair.rows("hq")}
    assert [rows[n][2] for n in range(ROWS)] == [11] * ROWS, "the tail is at munich, and comes back"
    assert {500, 600, 601} < set(rows)
    proxy.close()
    standby.remove()
