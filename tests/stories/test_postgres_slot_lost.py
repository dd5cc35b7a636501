"""A hub stays away for so long that the server lets go of its log: the peer stops with a plan, or goes on where it can."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.servers.postgres import Server, shared
from tests.stories.mixed import Mixed, make

from syncline.demo.servers.postgres_programs import installed

ROWS = 20
_IDLE_TIMEOUT_SINCE = 18
_STATUS = "SELECT wal_status FROM pg_replication_slots WHERE database = current_database()"


@pytest.fixture
def pair(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Mixed]:
    """hq on a server of the version and with the settings that a test names; munich on the shared one."""
    major, settings = request.param
    server = Server(settings, major=major)
    mixed = make(tmp_path, {"hq": server, "munich": shared()})
    mixed.write("hq", *(f"INSERT INTO customers (id, name) VALUES ({n}, 'name {n}')" for n in range(ROWS)))
    mixed.settle()
    yield mixed
    mixed.close()
    server.remove()


def _status(mixed: Mixed) -> str:
    return str(mixed.servers["hq"].run(mixed.databases["hq"], _STATUS)[0][0])


def _fill_segments(mixed: Mixed) -> None:
    """More log than the server keeps for a slot."""
    for _ in range(4):
        mixed.write("hq", "SELECT pg_logical_emit_message(false, 'none of ours', 'x')", "SELECT pg_switch_wal()")


def _assert_stops_and_rejoins(mixed: Mixed, counted: int) -> None:
    told = mixed.settle(code=None)
    assert "SYN-P06" in told.codes
    assert "lost" in told.text
    mixed.write("munich", "UPDATE customers SET balance = balance + 10 WHERE id < 100")
    mixed.space.verb("resume", "hq", "--rejoin")
    mixed.settle()
    mixed.assert_equal()
    assert {row[2] for row in mixed.rows("hq") if row[0] < 100} == {counted}
    assert 100 in {row[0] for row in mixed.rows("munich")}, "it was written while nobody looked"


SHORT = {"max_slot_wal_keep_size": "16MB"}
VERSIONS = [pytest.param((major, SHORT), id=str(major)) for major in sorted({min(installed()), max(installed())})]
IDLE = [
    pytest.param((major, {"idle_replication_slot_timeout": "1s"}), id=str(major))
    for major in installed()
    if major >= _IDLE_TIMEOUT_SINCE
]


@pytest.mark.parametrize("pair", VERSIONS, indirect=True)
def test_f20_a_slot_without_its_log_goes_on_while_it_can_and_stops_when_it_is_lost(pair: Mixed) -> None:
    pair.write("hq", "UPDATE customers SET balance = balance + 1")
    _fill_segments(pair)
    assert _status(pair) == "unreserved"
    pair.settle()
    assert pair.balances("munich") == {1}
    pair.write("hq", "INSERT INTO customers (id, balance) VALUES (100, 1)")
    _fill_segments(pair)
    pair.write("hq", "CHECKPOINT")
    assert _status(pair) == "lost"
    _assert_stops_and_rejoins(pair, 11)


@pytest.mark.parametrize("pair", IDLE, indirect=True)
def test_f20_a_slot_that_was_idle_for_too_long(pair: Mixed) -> None:
    pair.write("hq", "INSERT INTO customers (id, balance) VALUES (100, 1)")

    def is_lost() -> bool:
        pair.servers["hq"].run("postgres", "CHECKPOINT")
        return _status(pair) == "lost"

    pair.space.wait(is_lost, "the server invalidates the slot")
    _assert_stops_and_rejoins(pair, 10)
