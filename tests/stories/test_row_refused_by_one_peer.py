"""One peer refuses a row: it is parked with its reason, its later changes wait behind it, and everything else flows."""

import pytest
from tests.stories.conftest import MakeSpace
from tests.stories.space import Space

WIDE = "CREATE TABLE customers (id INTEGER PRIMARY KEY, age INTEGER, email TEXT, name TEXT)"


def _picky(make: MakeSpace, table: str) -> Space:
    """hq's table refuses some rows, the others' take all."""
    space = make(("hq", "lab", "van"), {"hq": table, "lab": WIDE, "van": WIDE}, "{merge: {name: newest}}")
    space.settle()
    return space


@pytest.mark.parametrize(
    ("table", "bad", "reason", "good"),
    [
        (WIDE.replace("age INTEGER", "age INTEGER CHECK (age >= 0)"), "-5", "CHECK constraint failed", "5"),
        (WIDE.replace("age INTEGER", "age INTEGER NOT NULL"), "NULL", "NOT NULL constraint failed", "5"),
        (f"{WIDE} STRICT", "'abc'", "cannot store TEXT value in INTEGER column", "5"),
        (
            f"{WIDE}; CREATE TRIGGER adult BEFORE INSERT ON customers WHEN NEW.age < 18 BEGIN SELECT RAISE(ABORT, 'too young'); END",  # noqa: E501
            "17", "too young", "18",
        ),
    ],
    ids=["check", "not_null", "d44_strict", "trigger"],
)  # fmt: skip
def test_c2_f32_d44_the_row_waits_with_its_followers_and_a_retry_brings_it_as_it_is_then(
    make: MakeSpace, table: str, bad: str, reason: str, good: str
) -> None:
    space = _picky(make, table)
    space.write("van", f"INSERT INTO customers (id, age, name) VALUES (1, {bad}, 'refused'), (2, {good}, 'flows')")
    assert space.settle(code=1).data["verify"]["drift"] == 0
    (parked,) = space.parked()
    assert (parked["peer"], parked["key"]) == ("hq", [1])
    assert reason in parked["reason"]
    assert space.status()["peers"]["hq"]["collections"]["customers"]["parked"] == 1
    assert space.status()["peers"]["lab"]["collections"]["customers"]["parked"] == 0
    space.write(
        "van", "UPDATE customers SET name = 'a follower' WHERE id = 1", "UPDATE customers SET name = 'flows on' WHERE id = 2"
    )
    space.settle(code=1)
    assert space.read("hq", "SELECT id, name FROM customers") == [(2, "flows on")], "whole or not at all"
    assert space.value("lab", "SELECT name FROM customers WHERE id = 1") == "a follower", "the others do not wait"
    (one,) = space.verify(code=1)["differences"]
    assert (one["key"], one["state"]) == ([1], "parked")
    space.write("lab", f"UPDATE customers SET age = {good} WHERE id = 1")  # the obstacle goes
    space.verb("parked", "retry", parked["id"])
    space.settle()
    assert space.parked() == []
    space.assert_equal()
    assert space.value("hq", "SELECT name FROM customers WHERE id = 1") == "a follower"


def test_f32_a_retry_that_is_refused_again_stays_parked_and_a_skip_gives_it_up(make: MakeSpace) -> None:
    space = _picky(make, WIDE.replace("age INTEGER", "age INTEGER CHECK (age >= 0)"))
    space.write("van", "INSERT INTO customers (id, age, name) VALUES (1, -5, 'refused')")
    space.settle(code=1)
    (first,) = space.parked()
    assert f"syncline parked retry {first['id']}" in first["next"]
    space.verb("parked", "retry", first["id"])
    space.settle(code=1)
    (parked,) = space.parked()
    assert (parked["attempts"], parked["id"]) == (2, first["id"]), "its name stays"
    space.verb("parked", "skip", parked["id"])
    space.settle(code=1)
    (parked,) = space.parked()
    assert parked["skipped"] is True
    assert [one["state"] for one in space.verify(code=1)["differences"]] == ["parked"], "it is not hidden"
    for words in (("retry", "4711"), ("skip", "nonsense")):
        assert space.verb("parked", *words, code=2).codes == ["SYN-U01"]
    space.write("van", "DELETE FROM customers WHERE id = 1")
    space.verb("parked", "retry", parked["id"])
    space.settle()
    assert space.parked() == []


def test_f32_parked_rows_outlive_the_hub_and_are_tried_by_a_running_one(make: MakeSpace) -> None:
    space = _picky(make, WIDE.replace("age INTEGER", "age INTEGER CHECK (age >= 0)"))
    space.start()
    space.write("van", "INSERT INTO customers (id, age, name) VALUES (1, -5, 'refused')")
    space.wait(lambda: len(space.parked()) == 1, "it is parked")
    space.kill()
    space.start()
    assert len(space.parked()) == 1
    space.write("van", "UPDATE customers SET age = 5")
    space.verb("parked", "retry", space.parked()[0]["id"])
    space.wait_equal()
    space.wait(lambda: space.parked() == [], "nothing is parked")
    assert space.stop() == 0
    space.settle()


UNIQUE = "CREATE TABLE customers (id INTEGER PRIMARY KEY, email TEXT UNIQUE, phone TEXT UNIQUE, name TEXT)"


def test_c8_f32_two_rows_with_one_unique_value_are_both_kept_and_a_person_makes_room(make: MakeSpace) -> None:
    space = make(("hq", "van"), UNIQUE, "{}")
    space.settle()
    space.write("hq", "INSERT INTO customers VALUES (1, 'a@x', NULL, 'of hq')")
    space.write(
        "van", "INSERT INTO customers VALUES (2, 'a@x', NULL, 'of van')", "INSERT INTO customers VALUES (3, NULL, NULL, 'c')"
    )
    space.write("hq", "INSERT INTO customers VALUES (4, NULL, NULL, 'NULL never collides')")
    assert space.settle(code=1).data["verify"]["drift"] == 0
    parked = space.parked()
    assert {(one["peer"], tuple(one["key"])) for one in parked} <= {("hq", (2,)), ("van", (1,))}
    assert parked
    assert all("UNIQUE constraint failed: customers.email" in one["reason"] for one in parked)
    everywhere = {row for peer in space.peers for row in space.read(peer, "SELECT id, name FROM customers")}
    assert everywhere == {(1, "of hq"), (2, "of van"), (3, "c"), (4, "NULL never collides")}, "both are kept somewhere"
    assert space.value("van", "SELECT name FROM customers WHERE id = 4"), "other keys flow"
    space.write("van", "UPDATE customers SET email = 'b@x' WHERE id = 2")
    space.settle(code=1)
    for one in space.parked():
        space.verb("parked", "retry", one["id"])
    space.settle()
    space.assert_equal()
    assert space.parked() == []
    assert space.read("hq", "SELECT id, email FROM customers WHERE id < 3") == [(1, "a@x"), (2, "b@x")]


def test_c8_a_row_that_meets_two_unique_values_of_two_other_rows(make: MakeSpace) -> None:
    space = make(("hq", "van"), UNIQUE, "{}")
    space.settle()
    space.write("hq", "INSERT INTO customers VALUES (1, 'a@x', '11', 'mail'), (2, 'b@x', '22', 'phone')")
    space.write("van", "INSERT INTO customers VALUES (3, 'a@x', '22', 'both')")
    space.settle(code=1)
    assert ("hq", [3]) in [(one["peer"], one["key"]) for one in space.parked()]
    assert space.read("hq", "SELECT id FROM customers") == [(1,), (2,)]
    space.write("van", "DELETE FROM customers WHERE id = 3")
    space.settle(code=None)
    for one in space.parked():
        space.verb("parked", "retry", one["id"])
    space.settle()
    space.assert_equal()
    assert space.read("van", "SELECT id FROM customers ORDER BY id") == [(1,), (2,)]
