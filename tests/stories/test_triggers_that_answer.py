"""Triggers of the user's that change delivered rows: whatever they do to one another, the space comes to rest."""

from tests.stories.conftest import MakeSpace

TABLE = "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, a INTEGER DEFAULT 0, b INTEGER DEFAULT 0);"
TOUCH = "CREATE TRIGGER touch AFTER UPDATE OF {} ON customers BEGIN UPDATE customers SET {} WHERE id = NEW.id; END;"


def test_c18_triggers_of_two_peers_that_move_one_another_end_with_a_parked_row(make: MakeSpace) -> None:
    """Each answers a column that the other's trigger changes: no delivery ever looks like the answer before it."""
    schema = {"hq": TABLE + TOUCH.format("a", "b = b + 1"), "van": TABLE + TOUCH.format("b", "a = a + 1")}
    space = make(schema=schema, collections="{}")
    space.write("hq", "INSERT INTO customers (id, name) VALUES (1, 'n'), (2, 'still')")
    space.settle()
    space.write("van", "UPDATE customers SET a = 1 WHERE id = 1", "UPDATE customers SET name = 'moved' WHERE id = 2")
    space.settle(code=None)
    (one, *more) = space.parked()
    assert (one["key"], one["code"]) == ([1], "trigger")
    assert "touch" in one["reason"]
    assert "applying" in one["reason"]
    assert not more
    assert space.value("hq", "SELECT name FROM customers WHERE id = 2") == "moved"
    space.write(one["peer"], "DROP TRIGGER touch")
    space.verb("parked", "retry", one["id"])
    space.settle()
    assert space.parked() == []
    space.assert_equal()


def test_c18_three_peers_that_count_their_deliveries_come_to_rest_after_a_conflict(make: MakeSpace) -> None:
    schema = TABLE + TOUCH.format("name", "a = a + 1")
    space = make(("hq", "lab", "van"), schema=schema, collections="{merge: {a: max}}")
    space.write("hq", *(f"INSERT INTO customers (id, name) VALUES ({number}, 'n')" for number in range(1, 31)))
    space.settle()
    space.write("hq", "UPDATE customers SET name = 'by hq'")
    space.tick()
    space.write("van", "UPDATE customers SET name = 'by van'")
    space.settle(code=None)
    assert {one["code"] for one in space.parked()} <= {"trigger"}
    for peer in space.peers:
        assert space.read(peer, "SELECT DISTINCT name FROM customers") == [("by van",)]
