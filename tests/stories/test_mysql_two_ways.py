"""MySQL 8 kept equal with MariaDB and PostgreSQL by the command itself, whatever befalls it or the hub."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.servers import mariadb, mysql, postgres
from tests.stories.mixed import Mixed, make
from tests.stories.test_mariadb_server_trouble import Writers

ROWS = 20
pytestmark = pytest.mark.skipif(mysql.root() is None, reason="MySQL 8 is not there, and was not fetched")


@pytest.fixture(scope="module")
def server() -> Iterator[mysql.MysqlServer]:
    """A server of these stories' own, which may be killed and is durable."""
    made = mysql.MysqlServer({"sync-binlog": "1", "innodb-flush-log-at-trx-commit": "1", "gtid-mode": "ON",
                              "enforce-gtid-consistency": "ON"})  # fmt: skip
    yield made
    made.remove()


@pytest.fixture
def trio(tmp_path: Path, server: mysql.MysqlServer) -> Iterator[Mixed]:
    mixed = make(tmp_path, {"hq": server, "munich": mariadb.shared(), "paris": postgres.shared()})
    for peer, first in (("hq", 0), ("munich", ROWS // 2)):
        rows = ", ".join(f"({n}, 'name {n} ünï 😀')" for n in range(first, first + ROWS // 2))
        mixed.write(peer, f"INSERT INTO customers (id, name) VALUES {rows}")
    mixed.settle()
    yield mixed
    mixed.close()


def _wait_for_work(mixed: Mixed) -> None:
    head = mixed.space.status()["log"]["head"]
    mixed.space.wait(lambda: bool(mixed.space.status()["log"]["head"] > head + 20), "work is under way")


def _equal(mixed: Mixed) -> None:
    mixed.assert_equal()
    assert mixed.verify()["equal"] is True


def test_counters_sets_deletes_and_conflicts_come_out_alike_at_three_kinds_of_servers(trio: Mixed) -> None:
    assert len(trio.rows("hq")) == ROWS
    _equal(trio)
    trio.write("hq", "UPDATE customers SET tags = 'a' WHERE id = 5", "DELETE FROM customers WHERE id = 7")
    trio.settle()
    for peer, step in (("hq", 1), ("munich", 10), ("paris", 100)):
        trio.write(peer, f"UPDATE customers SET balance = balance + {step}, tags = 'a,{peer}', name = 'of {peer}' WHERE id = 5")
    trio.write("paris", "DELETE FROM customers WHERE id = 8", "UPDATE customers SET id = 500 WHERE id = 9")
    trio.write(
        "hq", "UPDATE customers SET notes = NULL, iban = 'DE''1\\\\' WHERE id = 10", "DELETE FROM customers WHERE id = 11"
    )
    trio.write("munich", "UPDATE customers SET balance = balance - 4 WHERE id = 11")
    trio.settle()
    _equal(trio)
    rows = {row[0]: row for row in trio.rows("hq")}
    assert rows[5][2] == 111
    assert set(rows[5][3].split(",")) == {"a", "hq", "munich", "paris"}
    assert rows[5][1] in {"of hq", "of munich", "of paris"}
    assert {7, 8, 9} & set(rows) == set()
    assert rows[500][1] == "name 9 ünï 😀"
    assert (rows[10][4], rows[10][5]) == (None, "DE'1\\")
    assert trio.space.conflicts("--all")


def test_f1_f4_the_hub_and_the_server_are_killed_under_load_and_every_increment_counts_once(
    trio: Mixed, server: mysql.MysqlServer
) -> None:
    trio.start()
    added = 0
    for turn in range(2):
        writers = Writers(trio, "munich", "hq")
        try:
            _wait_for_work(trio)
            trio.space.kill()
        finally:
            added += writers.stop()
        trio.start()
        writers = Writers(trio, "munich")
        try:
            _wait_for_work(trio)
            server.kill()
            server.start()
        finally:
            added += writers.stop()
        trio.write("hq", f"INSERT INTO customers (id, name, balance) SELECT {1000 + turn}, 'after', 0")
        trio.write("paris", f"UPDATE customers SET notes = 'turn {turn}'")
    trio.space.wait(lambda: {row[2] for row in trio.rows("paris") if row[0] < ROWS} == {added}, "every increment arrives")
    trio.wait_equal()
    assert trio.space.stop() == 0
    trio.settle()
    _equal(trio)
    assert {row[2] for row in trio.rows("hq") if row[0] < ROWS} == {added}
    assert len(trio.rows("hq")) == ROWS + 2


def test_f22_a_binary_log_that_was_purged_before_it_was_read_asks_for_a_rejoin(trio: Mixed, server: mysql.MysqlServer) -> None:
    trio.write("hq", "UPDATE customers SET name = 'unseen' WHERE id = 3", "DELETE FROM customers WHERE id = 4")

    def purged() -> bool:
        with server.connect() as program, program.cursor() as cursor:
            cursor.execute("FLUSH BINARY LOGS")
            cursor.execute("SHOW BINARY LOGS")
            cursor.execute("PURGE BINARY LOGS TO %s", (cursor.fetchall()[-1][0],))
            cursor.execute("SHOW BINARY LOGS")
            return len(cursor.fetchall()) == 1

    trio.space.wait(purged, "the older files are gone")
    told = trio.settle(code=None)
    assert told.code != 0
    assert "SYN-P06" in told.text
    assert "purged" in told.text
    assert "--rejoin" in told.text
    assert len(trio.rows("munich")) == ROWS, "nothing goes on from now"
    trio.space.verb("resume", "hq", "--rejoin")
    trio.settle()
    _equal(trio)
    assert any(row[1] == "unseen" for row in trio.rows("munich")) or "unseen" in str(trio.space.conflicts("--all"))


def test_a_server_without_a_binary_log_receives(tmp_path: Path) -> None:
    """MySQL 8 keeps one by default: it has to be told not to."""
    plain = mysql.MysqlServer({"log-bin": "OFF", "skip-log-bin": "ON"})
    receives = "{direction: {depot: receive}, merge: {balance: counter}}"
    mixed = make(tmp_path, {"hq": mariadb.shared(), "depot": plain}, collections=receives)
    try:
        assert plain.run(None, "SELECT @@log_bin") == [(0,)]
        mixed.write("hq", "INSERT INTO customers (id, name) VALUES (1, 'one'), (2, 'two')")
        assert [one for one in mixed.space.verb("check").data["problems"] if one["where"].get("peer") == "depot"] == []
        mixed.settle()
        mixed.assert_equal()
        mixed.write("hq", "UPDATE customers SET balance = balance + 5 WHERE id = 1", "DELETE FROM customers WHERE id = 2")
        mixed.settle()
        _equal(mixed)
        assert [row[:3] for row in mixed.rows("depot")] == [(1, "one", 5)]
    finally:
        mixed.close()
        plain.remove()
