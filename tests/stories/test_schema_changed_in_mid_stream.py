"""Tables change while the hub runs: a column more at one peer and later at all, tables dropped, renamed and made anew."""

import sqlite3

import pytest
from tests.stories.conftest import MakeSpace
from tests.stories.space import CUSTOMERS, Space


def _three(make: MakeSpace) -> Space:
    space = make(("hq", "lab", "van"))
    space.write("hq", *(f"INSERT INTO customers (id, name) VALUES ({number}, 'n')" for number in range(1, 4)))
    space.settle()
    space.start()
    return space


def test_f30_a_column_of_one_peer_disturbs_nobody_and_is_synced_once_all_have_it(make: MakeSpace) -> None:
    space = _three(make)
    column = "ALTER TABLE customers ADD COLUMN city TEXT"
    space.write("hq", column)
    space.write("hq", "UPDATE customers SET city = 'Bonn', name = 'renamed' WHERE id = 1")
    space.wait_value("van", "renamed", "SELECT name FROM customers WHERE id = 1")
    space.write("lab", column, "INSERT INTO customers (id, name, city) VALUES (4, 'new', NULL)")
    space.wait_value("van", "new", "SELECT name FROM customers WHERE id = 4")
    space.write("van", column)
    space.wait(lambda: "city" in str(space.verb("history", "customers", "4").data), "the log has the column")
    for peer, number, city in (("van", 2, "Mainz"), ("lab", 3, "Ulm"), ("hq", 4, None)):
        space.write(peer, ("UPDATE customers SET city = ?, notes = 'moved' WHERE id = ?", (city, number)))
    for peer in space.peers:
        space.wait_value(peer, 3, "SELECT count(*) FROM customers WHERE notes = 'moved'")
        assert space.read(peer, "SELECT city FROM customers WHERE id > 1 ORDER BY id") == [("Mainz",), ("Ulm",), (None,)]
    (one,) = space.verify(code=1)["differences"]
    assert (one["key"], one["fields"], one["peers"]["hq"], one["peers"]["van"]) == (
        [1],
        ["city"],
        {"city": "Bonn"},
        {"city": None},
    )
    space.write("hq", "UPDATE customers SET city = 'Berlin' WHERE id = 1")  # written again, now that all have it
    space.wait_equal()
    assert space.stop() == 0
    space.settle()


def test_f30_a_column_added_while_no_hub_runs_is_there_at_the_next_start(make: MakeSpace) -> None:
    space = _three(make)
    assert space.stop() == 0
    for peer in space.peers:
        space.write(peer, "ALTER TABLE customers ADD COLUMN rank INTEGER NOT NULL DEFAULT 5")
    space.settle()
    space.write("van", "UPDATE customers SET rank = rank + 1")
    space.settle()
    space.assert_equal()
    assert space.read("hq", "SELECT DISTINCT rank FROM customers") == [(6,)]


@pytest.mark.parametrize("peers", [("hq", "van"), ("hq", "lab", "van")], ids=["two", "three"])
def test_f30_what_each_office_wrote_into_a_new_column_is_settled_by_a_repair_and_not_emptied(
    make: MakeSpace, peers: tuple[str, ...]
) -> None:
    space = make(peers)
    space.write("hq", *(f"INSERT INTO customers (id, name) VALUES ({number}, 'n')" for number in range(1, 5)))
    space.settle()
    for peer in peers:
        space.write(peer, "ALTER TABLE customers ADD COLUMN phone TEXT", "ALTER TABLE customers ADD COLUMN rank INT DEFAULT 5")
    space.write("hq", "UPDATE customers SET phone = '1-hq' WHERE id = 1", "UPDATE customers SET rank = 7 WHERE id = 4")
    space.write("van", "UPDATE customers SET phone = '2-van' WHERE id = 2")
    for peer in ("hq", "van"):
        space.write(peer, f"UPDATE customers SET phone = '3-{peer}' WHERE id = 3")
    told = space.settle(code=1).data["verify"]
    assert told["drift"] == 4
    assert space.verify("--repair", code=1)["repaired"] == 4
    space.settle()
    space.assert_equal()
    phones = [phone for (phone,) in space.read(peers[-1], "SELECT phone FROM customers ORDER BY id")]
    assert phones[:2] + phones[3:] == ["1-hq", "2-van", None]
    found = {one["field"]: one for one in space.conflicts()}
    assert {field: one["key"] for field, one in found.items()} == {"phone": [3], "rank": [4]}
    assert {found["rank"][side]["value"] for side in ("ours", "theirs")} == {5, 7}
    space.verb("conflicts", "resolve", found["phone"]["id"], "--take", "van")
    space.verb("conflicts", "resolve", found["rank"]["id"], "--take", "hq")
    space.settle()
    space.assert_equal()
    assert space.read("van", "SELECT phone, rank FROM customers WHERE id IN (3, 4) ORDER BY id") == [("3-van", 5), (None, 7)]
    assert "repair" in space.raw("history", "customers", "1", "--config", str(space.config)).text


CHANGES = {
    "column_renamed": ("ALTER TABLE customers RENAME COLUMN notes TO memo",),
    "table_renamed": ("ALTER TABLE customers RENAME TO clients",),
    "table_dropped": ("DROP TABLE customers",),
    "table_made_anew": ("DROP TABLE customers", CUSTOMERS),
    "trigger_dropped": ("DROP TRIGGER _syncline_1_insert",),
}


@pytest.mark.parametrize("change", sorted(CHANGES))
def test_f25_f30_f37_a_change_that_needs_a_decision_stops_its_peer_and_no_other(make: MakeSpace, change: str) -> None:
    space = _three(make)
    space.write("van", *CHANGES[change])
    space.wait(lambda: "SYN-P05" in space.state("van"), "it is noticed")
    assert space.state("van").startswith("broken")
    assert "Fix: " in space.state("van")
    space.write(
        "hq", "UPDATE customers SET balance = 7 WHERE id = 2", "INSERT INTO customers (id, name) VALUES (5, 'on it goes')"
    )
    space.wait_equal(peers=("hq", "lab"))
    assert space.value("hq", "SELECT count(*) FROM customers") == 4, "a table that is gone deletes nothing elsewhere"
    assert space.stop() == 0
    told = space.verb("run", "--until-idle", code=None)
    assert told.code in (1, 3)
    assert "van" in told.text
    assert "Traceback" not in told.text


@pytest.mark.parametrize("change", ["table_made_anew", "trigger_dropped"])
def test_f25_the_way_back_is_as_the_message_says(make: MakeSpace, change: str) -> None:
    space = _three(make)
    space.write("van", *CHANGES[change])
    space.wait(lambda: "SYN-P05" in space.state("van"), "it is noticed")
    space.write("van", "INSERT INTO customers (id, name) VALUES (8, 'unseen')")
    space.verb("teardown", "van", "--yes")
    space.verb("resume", "van", "--rejoin")
    space.wait_equal()
    assert space.stop() == 0
    space.settle()
    assert {row[0] for row in space.rows("hq")} - {8} == {1, 2, 3}, "nothing is deleted"
    kept = [one["theirs"]["row"] for one in space.conflicts("--all") if one["key"] == [8]]
    assert space.value("hq", "SELECT name FROM customers WHERE id = 8") == "unseen" or kept[0]["name"] == "unseen"


def test_f30_a_captured_column_cannot_be_dropped_before_syncline_is_asked(make: MakeSpace) -> None:
    space = _three(make)
    with pytest.raises(sqlite3.OperationalError, match="no such column: NEW"):
        space.write("van", "ALTER TABLE customers DROP COLUMN notes")
    space.write("van", "UPDATE customers SET notes = 'still there' WHERE id = 1")
    space.wait_equal()
    assert space.stop() == 0


def test_t10_a_schema_change_and_rows_in_one_transaction(make: MakeSpace) -> None:
    space = _three(make)
    space.write(
        "van",
        "UPDATE customers SET name = 'before' WHERE id = 1",
        "ALTER TABLE customers ADD COLUMN extra TEXT",
        "CREATE TABLE other (id INTEGER PRIMARY KEY)",
        "UPDATE customers SET name = 'after', extra = 'x' WHERE id = 2",
        "INSERT INTO customers (id, name, extra) VALUES (6, 'born with it', 'y')",
    )
    names = "SELECT id, name FROM customers ORDER BY id"
    space.wait(lambda: space.read("hq", names) == [(1, "before"), (2, "after"), (3, "n"), (6, "born with it")], "all arrive")
    assert space.stop() == 0
    space.settle()
