"""What befalls a MariaDB server that is kept equal with others: killed, cut off, restarted, its binary log purged or reset."""

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pymysql
import pytest
from tests.servers.mariadb import Server, shared
from tests.servers.proxy import Proxy
from tests.stories.mixed import Mixed, make

ROWS, TURNS = 20, 2


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Mixed]:
    """hq on a server of its own, which may be killed and is durable; munich on the shared one."""
    server = Server({"sync-binlog": "1", "innodb-flush-log-at-trx-commit": "1"})
    mixed = make(tmp_path, {"hq": server, "munich": shared()})
    mixed.write("hq", *(f"INSERT INTO customers (id, name) VALUES ({n}, 'name {n}')" for n in range(ROWS)))
    mixed.settle()
    yield mixed
    mixed.close()
    server.remove()


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Mixed]:
    mixed = make(tmp_path, {"hq": shared(), "munich": shared()})
    mixed.write("hq", *(f"INSERT INTO customers (id, name) VALUES ({n}, 'name {n}')" for n in range(ROWS)))
    mixed.settle()
    yield mixed
    mixed.close()


class Writers:
    """Programs that count up every row of their databases, all the time, until they are stopped."""

    def __init__(self, mixed: Mixed, *names: str) -> None:
        self._mixed, self._over = mixed, threading.Event()
        self.added = 0
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._write, args=(name,)) for name in names]
        for thread in self._threads:
            thread.start()

    def _write(self, name: str) -> None:
        with self._mixed.servers[name].connect(self._mixed.databases[name]) as program, program.cursor() as cursor:
            while not self._over.is_set():
                with suppress(pymysql.err.OperationalError):  # a deadlock: as any program would, it tries again
                    cursor.execute("UPDATE customers SET balance = balance + 1")
                    with self._lock:
                        self.added += 1
                self._over.wait(0.005)

    def stop(self) -> int:
        """How often every row was counted up."""
        self._over.set()
        for thread in self._threads:
            thread.join()
        return self.added


def _head(mixed: Mixed) -> int:
    return int(mixed.space.status()["log"]["head"])


def _wait_for_work(mixed: Mixed) -> None:
    head = _head(mixed)
    mixed.space.wait(lambda: _head(mixed) > head + 20, "work is under way")


def _purge(server: Server) -> int:
    """Purge all but the newest file of the binary log; how many are left: a reader that has just gone may still hold one."""
    with server.connect() as program, program.cursor() as cursor:
        cursor.execute("FLUSH BINARY LOGS")
        cursor.execute("SHOW BINARY LOGS")
        cursor.execute("PURGE BINARY LOGS TO %s", (cursor.fetchall()[-1][0],))
        cursor.execute("SHOW BINARY LOGS")
        return len(cursor.fetchall())


def _is_known(mixed: Mixed, name: str) -> bool:
    """Whether a value that no log told of stands, or lies in the conflicts with its row."""
    return any(row[1] == name for row in mixed.rows("munich")) or name in str(mixed.space.conflicts("--all"))


def test_f4_a_server_that_is_killed_loses_nothing_and_counts_nothing_twice(own: Mixed) -> None:
    """kill -9 while rows are captured from it and delivered to it."""
    own.start()
    server, added = own.servers["hq"], 0
    for turn in range(1, TURNS + 1):
        writers = Writers(own, "munich")
        try:
            _wait_for_work(own)
            server.kill()
            server.start()
            _wait_for_work(own)
        finally:
            added += writers.stop()
        for n in range(ROWS):
            own.write("hq", f"UPDATE customers SET balance = balance + 1000000 WHERE id = {n}")
            if n == ROWS // 2:
                server.kill()
                server.start()
        own.wait_equal()
        assert own.balances("hq") == {added + turn * 1_000_000}
    assert own.space.stop() == 0
    own.settle()
    assert own.verify()["equal"] is True


def test_f15_a_connection_that_is_cut_again_and_again(pair: Mixed) -> None:
    proxy = Proxy(shared().port)
    pair.detour("munich", proxy.port)
    writers = Writers(pair, "hq", "munich")
    try:
        pair.start()
        for _ in range(TURNS):
            _wait_for_work(pair)
            pair.space.wait(lambda: proxy.cut() > 0, "there is a connection to cut")
    finally:
        added = writers.stop()
    pair.space.wait(lambda: pair.balances("munich") == {added}, "every increment arrives")
    pair.wait_equal()
    assert pair.space.stop() == 0
    proxy.close()


def test_a_server_that_is_restarted_goes_on_with_a_new_file(own: Mixed) -> None:
    own.start()
    for turn in range(TURNS):
        own.write("hq", "UPDATE customers SET balance = balance + 1")
        own.servers["hq"].restart()
        own.write("hq", f"INSERT INTO customers (id, name) VALUES ({100 + turn}, 'after')")
        own.write("munich", "UPDATE customers SET balance = balance + 1 WHERE id < 100")
        own.wait_equal()
    assert {row[2] for row in own.rows("munich") if row[0] < 100} == {2 * TURNS}
    assert own.space.stop() == 0


def test_f22_a_binary_log_that_was_purged_before_it_was_read_asks_for_a_rejoin(own: Mixed) -> None:
    own.write("hq", "UPDATE customers SET name = 'unseen' WHERE id = 3", "DELETE FROM customers WHERE id = 4")
    own.space.wait(lambda: _purge(own.servers["hq"]) == 1, "the older files are gone")
    told = own.settle(code=None)
    assert told.code != 0
    assert "SYN-P06" in told.text
    assert "purged" in told.text
    assert len(own.rows("munich")) == ROWS, "nothing goes on from now"
    own.space.verb("resume", "hq", "--rejoin")
    own.settle()
    own.assert_equal()
    assert _is_known(own, "unseen")


def test_f22_reset_master_asks_for_a_rejoin(own: Mixed) -> None:
    own.write("hq", "UPDATE customers SET name = 'unseen' WHERE id = 3")
    with own.servers["hq"].connect() as program:
        program.query("RESET MASTER")
    own.write("hq", *(f"UPDATE customers SET notes = 'later {n}' WHERE id = 5" for n in range(50)))
    told = own.settle(code=None)
    assert told.code != 0
    assert "SYN-P06" in told.text
    own.space.verb("resume", "hq", "--rejoin")
    own.settle()
    own.assert_equal()
    assert _is_known(own, "unseen")


def test_f22_a_join_that_finds_its_history_reset_begins_anew_without_a_hub(own: Mixed) -> None:
    """Reset while it had the same file: only the reading of it tells, and by then the peer is joining."""
    made = int(time.time())
    own.space.wait(lambda: int(time.time()) > made, "another second has begun")
    with own.servers["hq"].connect() as program:
        program.query("RESET MASTER")
    own.write("hq", "UPDATE customers SET name = 'unseen' WHERE id = 3")
    codes = []
    for _ in range(2):
        own.space.verb("resume", "hq", "--rejoin")
        codes.append(own.settle(code=None).code)
    assert codes[-1] == 0
    own.assert_equal()
    assert _is_known(own, "unseen")


def test_d38_a_truncated_table_stops_its_peer_and_comes_back_when_it_joins_again(pair: Mixed) -> None:
    pair.write("hq", "INSERT INTO customers (id, name) VALUES (50, 'before')")
    pair.write("hq", "TRUNCATE customers")
    told = pair.settle(code=None)
    assert told.code != 0
    assert "TRUNCATE" in told.text.upper()
    assert len(pair.rows("munich")) >= ROWS, "rows went at hq, and nobody said which"
    pair.space.verb("resume", "hq", "--rejoin")
    pair.settle()
    pair.assert_equal()
    assert len(pair.rows("hq")) >= ROWS


def test_f25_a_table_that_is_renamed_while_a_hub_runs_is_noticed(pair: Mixed) -> None:
    pair.start()
    pair.write("hq", "ALTER TABLE customers RENAME TO clients")
    pair.space.wait(lambda: pair.space.status()["peers"]["hq"]["state"] == "broken", "hq is broken")
    assert "renamed" in pair.space.state("hq")
    pair.space.stop()
