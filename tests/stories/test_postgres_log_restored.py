"""The log is an older copy, and a PostgreSQL server gave its history away since: it is noticed, and nothing moves."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.servers.postgres import shared
from tests.stories.mixed import Mixed, make

GIVEN = "SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE database = current_database()"


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Mixed]:
    """hq on a server, van in a file."""
    mixed = make(tmp_path, {"hq": shared()}, ("van",))
    mixed.write("hq", *(f"INSERT INTO customers (id, name) VALUES ({n}, 'n')" for n in range(5)))
    mixed.settle()
    yield mixed
    mixed.close()


def _given(mixed: Mixed) -> str:
    return str(mixed.servers["hq"].run(mixed.databases["hq"], GIVEN)[0][0])


def _blocked(mixed: Mixed) -> bool:
    sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return bool(mixed.servers["hq"].run(mixed.databases["hq"], sql)[0][0])


def test_f27_what_the_slot_gave_away_is_not_in_an_older_log(pair: Mixed) -> None:
    """A locked row holds back what hq is given, so no watermark of it tells that the log is an older one; its slot does."""
    space, server = pair.space, pair.servers["hq"]
    pair.start()
    with server.connect(pair.databases["hq"]) as program, program.transaction():
        program.execute("SELECT * FROM customers WHERE id = 3 FOR UPDATE")
        pair.write("van", "UPDATE customers SET balance = 7 WHERE id = 3")
        space.wait(lambda: _blocked(pair), "hq is to get the change of the van")
        space.copy(space.log.name, "log.backup")
        before = _given(pair)
        pair.write("hq", "UPDATE customers SET name = 'after the backup' WHERE id = 1", "DELETE FROM customers WHERE id = 2")
        space.wait(lambda: _given(pair) != before, "the server lets go of what the log has")
        space.kill()
    space.wait(lambda: not _blocked(pair), "what was under way ends")
    space.copy("log.backup", space.log.name)
    before, rows = _given(pair), pair.rows("hq")
    told = space.verb("status").data["peers"]["hq"]
    assert told["state"] == "broken"
    assert "has forgotten its history" in told["reason"]
    assert "SYN-P06" in pair.settle(code=3).codes
    assert (_given(pair), pair.rows("hq")) == (before, rows), "nothing moves, and the history is not given up"
    space.verb("resume", "hq", "--rejoin", "--authority", "hq")
    space.verb("resume", "van", "--rejoin")
    pair.settle()
    pair.assert_equal()
    assert {row[0]: row[1] for row in pair.rows("hq")}[1] == "after the backup"
