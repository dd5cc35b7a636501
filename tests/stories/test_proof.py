"""A hub that runs proves all the time: it claims what it compared, calls nothing else drift, and names drift with its cause.

How long writers go on in the long mode: SYNCLINE_TEST_PROOF_SECONDS (an hour: 3600); how many rows the large comparison has:
SYNCLINE_TEST_PROOF_ROWS (a million: 1000000).
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from tests.servers import mariadb, postgres
from tests.stories.conftest import MakeSpace
from tests.stories.drifting import MANY, unseen
from tests.stories.mixed import Mixed, make
from tests.stories.space import Report
from tests.stories.writers import Writer, assert_counted, counting, writing

SECONDS: Final = float(os.environ.get("SYNCLINE_TEST_PROOF_SECONDS", "8"))
ROWS: Final = int(os.environ.get("SYNCLINE_TEST_PROOF_ROWS", "20000"))
OFTEN: Final = "{every: 0.5s, full: 1h, budget: 100%}"
ALWAYS: Final = "{every: 0.5s, full: 1s, budget: 100%}"


def test_p17_status_says_in_sync_only_through_what_was_compared_and_drift_is_told_with_its_cause(make: MakeSpace) -> None:
    space = make(("hq", "lab", "van"), verifying=OFTEN)
    space.write("hq", f"{MANY.format(500)} INSERT INTO customers (id, name) SELECT n, 'row ' || n FROM many")
    space.start()
    space.wait_proven()
    space.write("hq", "UPDATE customers SET name = 'told' WHERE id = 7")
    space.wait_proven()
    proven = space.proof("van")["through"]
    assert proven == space.status()["peers"]["van"]["collections"]["customers"]["verified_through"]
    unseen(space, "van", "UPDATE customers SET name = 'behind our back' WHERE id = 7")
    space.write("lab", "UPDATE customers SET notes = 'looked at again' WHERE id = 7")
    space.wait(lambda: bool(space.drift()), "the drift is found")
    (incident,) = space.drift()
    assert (incident["collection"], incident["peers"], incident["keys"], incident["cause"]) == (
        "customers", ["van"], [[7]], "uncaptured",
    )  # fmt: skip
    assert incident["first"] == proven
    assert incident["last"] > proven
    assert "syncline repair customers" in incident["remedy"]
    for peer, standing in (("hq", "moving"), ("lab", "moving"), ("van", "drift")):
        told = space.proof(peer)
        assert (told["standing"], told["alarm"], told["through"]) == (standing, peer == "van", proven)
    assert "never in the log" in space.raw("status", str(space.config)).text
    space.verify("--repair", code=None)
    space.wait_proven()
    assert space.drift() == []
    (closed,) = space.verb("drift", "--all").data["incidents"]
    assert (closed["id"], closed["how"]) == (incident["id"], "equal again")
    space.assert_equal()
    assert space.stop() == 0
    space.start()
    assert space.proof("van")["standing"] in {"in sync", "moving"}, "a restart forgets nothing"
    assert space.stop() == 0


def test_p17_a_proof_that_stands_still_turns_red_with_the_cause(make: MakeSpace) -> None:
    space = make(("hq", "van"), verifying="{every: 0.2s, full: 1h, budget: 100%}")
    space.write("hq", "INSERT INTO customers (id, name) VALUES (1, 'one')")
    space.start()
    space.wait_proven()
    with space.open("van") as connection:
        connection.execute("CREATE UNIQUE INDEX only_once ON customers (iban)")
    space.write("hq", "INSERT INTO customers (id, name, iban) VALUES (2, 'two', 'x'), (3, 'three', 'x')")
    space.wait(lambda: bool(space.parked()), "a row is parked")
    space.wait(lambda: space.proof("van")["standing"] == "stalled", "it turns red", 60.0)
    told = space.proof("van")
    assert told["alarm"]
    assert "parked" in told["cause"]
    assert "stalled" in space.raw("status", str(space.config)).text
    assert space.stop() == 0


def test_p17_s6_no_false_alarm_while_writers_go_on_for_as_long_as_you_like(make: MakeSpace) -> None:
    space = make(("hq", "lab", "van"), verifying=ALWAYS)
    space.write("hq", f"{MANY.format(3000)} INSERT INTO customers (id, name) SELECT n, 'row ' || n FROM many")
    space.start()
    space.wait_proven()
    begun = space.proof("van")["through"]
    writers = [(Writer(space, peer, counting(first), 0.01), first) for peer, first in (("hq", 10**6), ("van", 2 * 10**6))]
    with writing(*(writer for writer, _ in writers)):
        seen: set[int] = set()
        deadline = time.monotonic() + SECONDS + 60.0
        while len(seen) < 3 or time.monotonic() < deadline - 60.0:
            assert time.monotonic() < deadline, "the proof moves while writes go on"
            writers[0][0].linger(1.0)
            seen.add(space.proof("lab")["through"])
            assert space.verb("drift", "--all").data["incidents"] == []
        assert max(seen) > begun
    space.wait_equal()
    space.wait_proven()
    assert space.verb("drift", "--all").data["incidents"] == []
    assert space.stop() == 0
    assert_counted(space, writers)


# -- the historical ways to say 'identical' of tables that are not -------------------------------------------------------------


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mixed]:
    """PostgreSQL, MariaDB and SQLite with equal tables, at rest."""
    mixed = make(tmp_path_factory.mktemp("three"), {"hq": postgres.shared(), "munich": mariadb.shared()}, ("van",))
    mixed.write("hq", f"{MANY.format(ROWS)} INSERT INTO customers (id, name, balance) SELECT 10 * n, 'row ' || n, n FROM many")
    mixed.settle()
    assert mixed.verify()["rows"] == ROWS
    yield mixed
    mixed.close()


EDGES: Final = [2048, 2049, 4096, 64, 65, 1]  # rows at the ends of the ranges that are compared, and of their parts
DRIFT: Final = {
    "the last row of a range is gone and the first of the next is there twice as large": [
        f"DELETE FROM customers WHERE id = {10 * EDGES[0]}",
        f"UPDATE customers SET balance = balance * 2 WHERE id = {10 * EDGES[1]}",
    ],
    "rows at the ends of ranges": [f"UPDATE customers SET name = 'edge' WHERE id IN ({', '.join(str(10 * n) for n in EDGES)})"],
    "a row beyond the largest key": [f"INSERT INTO customers (id, name) VALUES ({10 * ROWS + 5}, 'beyond')"],
    "a row before the smallest key": ["INSERT INTO customers (id, name) VALUES (-9007199254740991, 'before')"],
    "the same key with other data": ["UPDATE customers SET name = 'other' WHERE id = 777770 OR id = 7770"],
    "two rows that changed their data": [
        "UPDATE customers SET name = CASE id WHEN 100 THEN 'row 11' ELSE 'row 10' END, "
        "balance = CASE id WHEN 100 THEN 11 ELSE 10 END WHERE id IN (100, 110)"
    ],
    "sums that stay the same": [
        "UPDATE customers SET balance = balance + 1 WHERE id = 5000",
        "UPDATE customers SET balance = balance - 1 WHERE id = 5010",
    ],
    "a row under another key": ["UPDATE customers SET id = 1235 WHERE id = 1230"],
    "NULL and nothing": ["UPDATE customers SET notes = '' WHERE id = 2000"],
    "one bit of a text": ["UPDATE customers SET name = 'Row 300' WHERE id = 3000"],
    "blanks at the end": ["UPDATE customers SET name = 'row 301 ' WHERE id = 3010"],
}


@pytest.mark.parametrize("peer", ["hq", "munich", "van"])
@pytest.mark.parametrize("what", DRIFT)
def test_p17_no_drift_is_called_identical(three: Mixed, what: str, peer: str) -> None:
    """Each is undone again, and the tables are equal again."""
    before = {row[0]: row for row in three.rows(peer)}
    three.write(peer, *DRIFT[what])
    after = {row[0]: row for row in three.rows(peer)}
    differ = {key for key in {*before, *after} if before.get(key) != after.get(key)}
    assert differ
    told: Report = three.space.verify(code=1)
    assert {one["key"][0] for one in told["differences"]} == differ
    for key in differ:
        three.write(peer, f"DELETE FROM customers WHERE id = {key}")
        if key in before:
            values = ", ".join("NULL" if value is None else repr(value) for value in before[key])
            three.write(peer, f"INSERT INTO customers VALUES ({values})")
    assert {row[0]: row for row in three.rows(peer)} == before


def test_p17_s6_one_row_of_many_is_found_at_a_running_hub(tmp_path: Path) -> None:
    """Written where the log does not see it, found by comparing alone; a proof made before does not hide it."""
    mixed = make(
        tmp_path, {"hq": postgres.shared(), "munich": mariadb.shared()}, verifying="{every: 0.5s, full: 1h, budget: 100%}"
    )
    try:
        mixed.write("hq", f"{MANY.format(ROWS)} INSERT INTO customers (id, name, balance) SELECT n, 'row ' || n, n FROM many")
        mixed.start()
        mixed.space.wait_proven()
        with mixed.servers["munich"].connect(mixed.databases["munich"]) as connection:
            connection.query("SET sql_log_bin = 0")
            connection.query(f"UPDATE customers SET name = 'odd' WHERE id = {ROWS - 7}")
            connection.commit()
        assert mixed.space.drift() == []
        told = mixed.space.verify(code=1)
        assert [(one["key"], one["fields"], one["state"]) for one in told["differences"]] == [([ROWS - 7], ["name"], "drift")]
        (incident,) = mixed.space.drift()
        assert (incident["keys"], incident["rows"]) == ([[ROWS - 7]], 1)
        mixed.space.verify("--repair", code=None)
        mixed.wait_equal()
        assert mixed.space.stop() == 0
    finally:
        mixed.close()


def test_d41_rows_that_a_cascade_took_are_found_and_the_cascade_is_named(tmp_path: Path) -> None:
    schema = "CREATE TABLE orders (id int8 PRIMARY KEY, customer int8, note text)"
    mixed = make(
        tmp_path,
        {"hq": postgres.shared(), "munich": mariadb.shared()},
        schema=schema,
        collections={"orders": "{}"},
        verifying="{every: 0.5s, full: 1s, budget: 100%}",
    )
    foreign = "FOREIGN KEY (customer) REFERENCES buyers (id) ON DELETE CASCADE"
    try:
        mixed.write("munich", "CREATE TABLE buyers (id bigint PRIMARY KEY)")
        mixed.write("munich", "INSERT INTO buyers VALUES (1), (2)")
        mixed.write("munich", "INSERT INTO orders VALUES (1, 1, 'a'), (2, 2, 'b'), (3, 1, 'c')")
        mixed.start()
        mixed.space.wait_proven(collection="orders")
        mixed.write("munich", "UPDATE orders SET note = 'told' WHERE customer = 1")
        mixed.space.wait_proven(collection="orders")
        mixed.write("munich", f"ALTER TABLE orders ADD {foreign}")  # `check` would have refused to begin with it
        mixed.write("munich", "DELETE FROM buyers WHERE id = 1")
        mixed.space.wait(lambda: bool(mixed.space.drift()), "the missing rows are found")
        (incident,) = mixed.space.drift()
        assert (incident["peers"], incident["rows"], incident["cause"]) == (["munich"], 2, "cascade")
        assert "foreign keys" in incident["why"]
        assert mixed.space.stop() == 0
    finally:
        mixed.close()
