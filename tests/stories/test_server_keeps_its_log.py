"""A peer is paused and its server goes on: an alarm tells before a disk fills or history is let go of, and ends by itself."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from tests.servers import mariadb, postgres
from tests.stories.mixed import Mixed, make

from syncline.demo.servers.postgres_programs import installed

Report = dict[str, Any]
HURRIED: Final = str(Path(__file__).with_name("hurried.py"))
TWO_MIB: Final = "SELECT pg_logical_emit_message(true, 'none of ours', repeat('x', 2097152))"
EXPIRE_SECONDS: Final = 8
CUSTOMERS_MARIADB: Final = (
    "CREATE TABLE customers (id bigint PRIMARY KEY, name text, balance bigint NOT NULL DEFAULT 0, tags text, notes longtext, "
    "iban text)"
)


def _alarm(mixed: Mixed) -> Report:
    return dict(mixed.space.status()["peers"]["hq"]["alarm"] or {})


def _serve(mixed: Mixed) -> Callable[[], str]:
    """A hub that looks often; what it says."""
    hub = mixed.space.hub = mixed.space.spawn("hub", HURRIED, "KEPT_SECONDS=0.2", "run", str(mixed.space.config))

    def live() -> bool:
        assert hub.poll() is None, mixed.space.said()[-3000:]
        found = mixed.space.status()
        return bool(found["hub"].get("running")) and found["peers"]["van"]["state"] == "live"

    mixed.space.wait(live, "the hub serves the van")
    return mixed.space.said


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Mixed]:
    """hq on a server that may keep 1 MB for it, van in a file."""
    mixed = make(tmp_path, {"hq": postgres.shared()}, ("van",))
    text = mixed.space.config.read_text(encoding="utf-8")
    name = mixed.databases["hq"]
    mixed.space.config.write_text(text.replace(f"/{name}\n", f"/{name}?wal_budget=1MB\n"), encoding="utf-8")
    mixed.settle()
    yield mixed
    mixed.close()


def _is_calm(mixed: Mixed) -> bool:
    mixed.write("hq", "CHECKPOINT")  # from here on the slot may begin: the server notes it now and then by itself
    return not _alarm(mixed)


def test_t9_f13_a_paused_peer_whose_slot_grows_raises_an_alarm_that_ends_when_it_goes_on(office: Mixed) -> None:
    space = office.space
    space.verb("pause", "hq")
    assert _alarm(office) == {}
    assert any("no hub runs" in one["why"] or "paused" in one["why"] for one in space.verb("check").data["advice"])
    office.write("hq", TWO_MIB, "INSERT INTO customers (id) VALUES (1)")
    told = _alarm(office)
    assert told["danger"] == "budget"
    assert told["code"] == "SYN-P10"
    for word in ("peer hq", "syncline_", "MiB", "the budget is 1.0 MiB", "it is paused since 20", "resume hq", "teardown hq"):
        assert word in str(told["text"])
    assert told["text"] in space.raw("status", str(space.config)).text
    kept = space.status()["peers"]["hq"]["kept"]
    assert kept["bytes"] > 2**20 == kept["budget"]
    assert space.status()["peers"]["van"]["kept"] is None
    advised = [one for one in space.verb("check").data["advice"] if "too much of its log" in one["what"]]
    assert [one["where"]["peer"] for one in advised] == ["hq"]
    said = _serve(office)
    space.wait(lambda: "history.alarm hq" in said() and _alarm(office).get("danger") == "budget", "the hub raises the alarm")
    space.verb("resume", "hq")
    space.wait(lambda: _is_calm(office), "the alarm is over")
    space.wait(lambda: "history.calm hq" in said(), "the hub says so")
    office.wait_equal()


NEWEST: Final = max(installed())


def test_f20_the_alarm_comes_before_the_server_invalidates_the_slot(tmp_path: Path) -> None:
    server = postgres.Server({"max_slot_wal_keep_size": "96MB"}, major=NEWEST)
    mixed = make(tmp_path, {"hq": server}, ("van",))
    try:
        mixed.settle()
        mixed.space.verb("pause", "hq")
        seen: list[str | None] = []
        for _ in range(12):
            mixed.write("hq", "SELECT pg_logical_emit_message(false, 'none of ours', 'x')", "SELECT pg_switch_wal()")
            mixed.write("hq", "CHECKPOINT")
            seen.append(_alarm(mixed).get("danger"))
        order = [None, "size", "leaving", "lost"]
        assert seen == sorted(seen, key=order.index)
        assert {"size", "lost"} <= set(seen), seen
        assert "--rejoin" in str(_alarm(mixed)["fix"])
        mixed.space.verb("teardown", "hq", "--yes")
        assert _alarm(mixed) == {}
    finally:
        mixed.close()
        server.remove()


@pytest.mark.skipif(NEWEST < 18, reason="PostgreSQL 18 is the first that lets go of idle slots")
def test_f20_the_alarm_comes_before_an_idle_slot_times_out(tmp_path: Path) -> None:
    server = postgres.Server({"idle_replication_slot_timeout": "30s"}, major=NEWEST)
    mixed = make(tmp_path, {"hq": server}, ("van",))
    try:
        mixed.settle()
        idle = "SELECT now() - inactive_since > '16s' FROM pg_replication_slots WHERE database = current_database()"
        mixed.space.wait(lambda: bool(server.run(mixed.databases["hq"], idle)[0][0]), "half of the time is over")
        text = str(_alarm(mixed)["text"])
        for word in ("nobody has read there for", "lets go after 30 seconds", "no hub runs", "'syncline run'"):
            assert word in text
        assert _alarm(mixed) == {}, "somebody has looked there"
    finally:
        mixed.close()
        server.remove()


def test_f20_a_mariadb_that_is_about_to_purge_what_a_paused_peer_needs(tmp_path: Path) -> None:
    server = mariadb.Server({"binlog-expire-logs-seconds": str(EXPIRE_SECONDS)})
    mixed = make(tmp_path, {"hq": server}, ("van",), schema=CUSTOMERS_MARIADB)
    try:
        mixed.settle()
        mixed.space.verb("pause", "hq")
        assert _alarm(mixed) == {}
        server.run(None, "FLUSH BINARY LOGS")
        mixed.space.wait(lambda: _alarm(mixed).get("danger") == "age", "half of the time is over")
        text = str(_alarm(mixed)["text"])
        for word in ("the binary log ", "nobody has read there for", "lets go after 8 seconds", "paused since", "resume hq"):
            assert word in text
        said = _serve(mixed)
        mixed.space.wait(lambda: "history.alarm hq" in said(), "the hub raises the alarm")
        mixed.space.verb("resume", "hq")
        mixed.write("van", "INSERT INTO customers (id, name) VALUES (1, 'on')")
        mixed.space.wait(lambda: not _alarm(mixed) and "history.calm hq" in said(), "the alarm is over")
        mixed.space.verb("pause", "hq")
        server.run(None, "FLUSH BINARY LOGS")
        mixed.space.wait(lambda: _alarm(mixed).get("danger") == "age", "half of the time is over again")

        def is_lost() -> bool:
            server.run(None, "FLUSH BINARY LOGS")
            return _alarm(mixed).get("danger") == "lost"

        mixed.space.wait(is_lost, "the server purges it")
    finally:
        mixed.close()
        server.remove()
