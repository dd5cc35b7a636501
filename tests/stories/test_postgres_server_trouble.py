"""What befalls a PostgreSQL server that is kept equal with others: killed, its slot dropped or moved on, a table truncated."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.servers.postgres import Server, shared
from tests.stories.mixed import Mixed, make


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Mixed]:
    """hq on a server of its own, which may be killed and is durable; munich on the shared one."""
    server = Server({"fsync": "on", "wal_sender_timeout": "5s"})
    mixed = make(tmp_path, {"hq": server, "munich": shared()})
    yield mixed
    mixed.close()
    server.remove()


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Mixed]:
    mixed = make(tmp_path, {"hq": shared()}, ("van",))
    mixed.write("hq", *(f"INSERT INTO customers (id, name) VALUES ({n}, 'name {n}')" for n in range(20)))
    mixed.settle()
    yield mixed
    mixed.close()


def _slot(mixed: Mixed, peer: str) -> str:
    sql = "SELECT slot_name FROM pg_replication_slots WHERE database = current_database()"
    return str(mixed.servers[peer].run(mixed.databases[peer], sql)[0][0])


def _is_known(mixed: Mixed, name: str) -> bool:
    """Whether a value that no log told of stands, or lies in the conflicts with its row."""
    return any(row[1] == name for row in mixed.rows("van")) or name in str(mixed.space.conflicts("--all"))


def test_f4_a_server_that_is_killed_loses_nothing_and_counts_nothing_twice(own: Mixed) -> None:
    own.write("hq", *(f"INSERT INTO customers (id, name) VALUES ({n}, 'name {n}')" for n in range(40)))
    own.settle()
    own.start()
    server = own.servers["hq"]
    for turn in range(2):
        for n in range(40):
            own.write("munich", f"UPDATE customers SET balance = balance + 1 WHERE id = {n}")
            if n == 20:
                server.kill()
            if n == 25:
                server.start()
        for n in range(40):
            own.write("hq", f"UPDATE customers SET balance = balance + 10 WHERE id = {n}")
        own.wait_equal()
        assert {row[2] for row in own.rows("hq")} == {11 * (turn + 1)}
    assert own.space.stop() == 0
    own.settle()
    assert own.verify()["equal"] is True


def test_f20_a_slot_that_was_dropped_stops_the_peer_until_it_joins_again(pair: Mixed) -> None:
    slot = _slot(pair, "hq")
    pair.write("hq", f"SELECT pg_drop_replication_slot('{slot}')")
    pair.write("hq", "UPDATE customers SET name = 'unseen' WHERE id = 3", "DELETE FROM customers WHERE id = 4")
    told = pair.settle(code=None)
    assert told.code != 0
    assert "SYN-P06" in told.text
    assert "replication slot is gone" in told.text
    assert len(pair.rows("van")) == 20, "nothing goes on from now"
    pair.space.verb("resume", "hq", "--rejoin")
    pair.settle()
    pair.assert_equal()
    assert _is_known(pair, "unseen")


def test_f20_a_slot_that_somebody_moved_on_is_noticed(pair: Mixed) -> None:
    slot = _slot(pair, "hq")
    pair.write("hq", "UPDATE customers SET name = 'unseen' WHERE id = 3")
    pair.write("hq", f"SELECT pg_replication_slot_advance('{slot}', pg_current_wal_lsn())")
    told = pair.settle(code=None)
    assert told.code != 0
    assert "somebody else moved the peer's history on" in told.text
    pair.space.verb("resume", "hq", "--rejoin")
    pair.settle()
    pair.assert_equal()
    assert _is_known(pair, "unseen")


def test_d38_a_truncated_table_stops_its_peer_and_comes_back_when_it_joins_again(pair: Mixed) -> None:
    pair.write("hq", "INSERT INTO customers (id, name) VALUES (50, 'before')")
    pair.write("hq", "TRUNCATE customers")
    told = pair.settle(code=None)
    assert told.code != 0
    assert "truncated" in told.text
    assert len(pair.rows("van")) >= 20, "rows went at hq, and nobody said which"
    pair.space.verb("resume", "hq", "--rejoin")
    pair.settle()
    pair.assert_equal()
    assert len(pair.rows("hq")) >= 20


def test_f25_a_table_that_is_dropped_while_a_hub_runs_is_noticed(pair: Mixed) -> None:
    pair.start()
    pair.write("hq", "ALTER TABLE customers RENAME TO clients")
    pair.space.wait(lambda: pair.space.status()["peers"]["hq"]["state"] == "broken", "hq is broken")
    assert "dropped or renamed" in pair.space.state("hq")
    pair.space.stop()
