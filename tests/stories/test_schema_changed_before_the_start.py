"""A table changed at one peer while no hub ran: that peer waits for a person, the others go on as if a hub had run."""

import pytest
from tests.held_answers import hold_answers
from tests.stories.conftest import MakeSpace
from tests.stories.space import CUSTOMERS, Space

CHANGES = {
    "column_renamed": ("ALTER TABLE customers RENAME COLUMN notes TO memo",),
    "table_renamed": ("ALTER TABLE customers RENAME TO clients",),
    "table_dropped": ("DROP TABLE customers",),
    "table_of_other_types": (
        "DROP TABLE customers",
        "CREATE TABLE customers (id INTEGER PRIMARY KEY, name REAL, balance, tags TEXT, notes TEXT, iban TEXT)",
    ),
    "other_key": (
        "DROP TABLE customers",
        "CREATE TABLE customers (id INT, name TEXT NOT NULL PRIMARY KEY, balance INTEGER, tags TEXT, notes TEXT, iban TEXT)",
    ),
}


def _begun(make: MakeSpace, changed: str, change: str) -> Space:
    space = make(("hq", "lab", "van"))
    space.write("hq", *(f"INSERT INTO customers (id, name) VALUES ({number}, 'n')" for number in range(1, 4)))
    space.settle()
    space.write(changed, *CHANGES[change])
    return space


@pytest.mark.parametrize("changed", ["hq", "van"])
@pytest.mark.parametrize("change", sorted(CHANGES))
def test_f25_f30_at_the_next_start_only_the_changed_peer_stops(make: MakeSpace, change: str, changed: str) -> None:
    space = _begun(make, changed, change)
    others = tuple(peer for peer in space.peers if peer != changed)
    space.write(others[0], "UPDATE customers SET balance = 7 WHERE id = 2")
    space.write(others[1], "INSERT INTO customers (id, name) VALUES (5, 'on it goes')")
    told = space.settle(code=3)
    assert told.codes == ["SYN-P05"]
    assert changed in told.text
    space.assert_equal(peers=others)
    assert space.value(others[0], "SELECT name || balance FROM customers WHERE id = 5") == "on it goes0"
    assert space.value(others[1], "SELECT balance FROM customers WHERE id = 2") == 7
    checked = space.verb("check", code=None)
    assert checked.code != 0
    assert changed in checked.text
    space.start(live=others)
    assert space.state(changed).startswith("broken SYN-P05")
    assert space.stop() == 0


@pytest.mark.parametrize("change", sorted(CHANGES))
@pytest.mark.parametrize("changed", ["hq", "van"])
def test_f25_of_two_peers_the_one_that_changed_is_told(make: MakeSpace, change: str, changed: str) -> None:
    space = make()
    space.write("hq", "INSERT INTO customers (id, name) VALUES (1, 'n')")
    space.settle()
    space.write(changed, *CHANGES[change])
    told = space.settle(code=3)
    assert told.codes == ["SYN-P05"]
    assert told.data["error"]["where"]["peer"] == changed


@pytest.mark.parametrize("first", ["hq", "van"])
@pytest.mark.parametrize("changed", ["hq", "van"])
def test_f25_whoever_answers_first_the_one_that_changed_is_told_and_the_other_goes_on(
    make: MakeSpace, changed: str, first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answers of the peers are held until the first one is there: no table is right for having come early."""
    space = make()
    space.write("hq", "INSERT INTO customers (id, name) VALUES (1, 'n')")
    space.settle()
    space.write(changed, *CHANGES["table_of_other_types"])
    assert space.state(changed).startswith("broken SYN-P05")
    hold_answers(monkeypatch, first)
    told = space.settle(code=3)
    assert (told.codes, told.data["error"]["where"]["peer"]) == (["SYN-P05"], changed)
    monkeypatch.undo()
    other = "van" if changed == "hq" else "hq"
    space.start(live=(other,))
    assert space.stop() == 0


def test_f25_a_changed_table_made_as_it_was_joins_again(make: MakeSpace) -> None:
    space = _begun(make, "van", "table_dropped")
    space.settle(code=3)
    space.verb("teardown", "van", "--yes")
    space.write("van", CUSTOMERS)
    space.verb("resume", "van", "--rejoin")
    space.settle()
    space.assert_equal()


def test_f30_a_new_collection_is_refused_at_once_where_a_peer_lacks_its_table(make: MakeSpace) -> None:
    """What the log does not know yet was never agreed on: nobody begins with it."""
    space = _begun(make, "van", "column_renamed")
    space.write("hq", "CREATE TABLE orders (id INTEGER PRIMARY KEY)")
    space.configure(collections={"customers": "{}", "orders": "{}"})  # type: ignore[arg-type]
    told = space.settle(code=1)
    assert "SYN-C20" in told.codes


def test_f25_a_peer_with_a_table_of_another_name_comes_back_to_it(make: MakeSpace) -> None:
    schema = {"hq": CUSTOMERS, "lab": CUSTOMERS, "van": CUSTOMERS.replace("customers", "clients")}
    space = make(("hq", "lab", "van"), schema=schema, collections="{at: {van: clients}}")
    space.write("hq", "INSERT INTO customers (id, name) VALUES (1, 'n')")
    space.settle()
    space.move("van", "away")
    space.start(live=("hq", "lab"))
    space.write("lab", "UPDATE customers SET name = 'moved'")
    space.wait_value("hq", "moved", "SELECT name FROM customers")
    space.move("away", "van")
    space.wait_value("van", "moved", "SELECT name FROM clients")
    assert space.stop() == 0
