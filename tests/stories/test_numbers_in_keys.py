"""Keys without a type: to SQLite 1 and 1.0 name one row, and so they must to everyone."""

import pytest
from tests.stories.conftest import MakeSpace

KEYS = {
    "typeless": "CREATE TABLE customers (k NOT NULL PRIMARY KEY, v)",
    "any": "CREATE TABLE customers (k ANY NOT NULL PRIMARY KEY, v ANY) STRICT",
    "blob": "CREATE TABLE customers (k BLOB NOT NULL PRIMARY KEY, v) WITHOUT ROWID",
    "numeric": "CREATE TABLE customers (k NUMERIC NOT NULL PRIMARY KEY, v)",
    "real": "CREATE TABLE customers (k REAL NOT NULL PRIMARY KEY, v)",
}


@pytest.mark.parametrize("kind", sorted(KEYS))
def test_d4_a_number_written_in_another_way_is_still_the_same_row(make: MakeSpace, kind: str) -> None:
    space = make(("hq", "lab", "van"), schema=KEYS[kind], collections="{deletes: delete_wins}")
    space.write("hq", "INSERT INTO customers VALUES (1, 'one'), (2, 'two'), (0.0, 'zero'), (-9223372036854775807 - 1, 'min')")
    space.settle()
    space.write("hq", "REPLACE INTO customers VALUES (1.0, 'again')", "UPDATE customers SET k = 2.0 WHERE k = 2")
    space.write("van", "UPDATE customers SET k = -0.0, v = 'minus' WHERE k = 0", "INSERT INTO customers VALUES (7.0, 'van')")
    space.write("van", "REPLACE INTO customers VALUES (-9223372036854775808.0, 'least')")
    space.write("lab", "UPDATE customers SET v = 'TWO' WHERE k = 2", "INSERT INTO customers VALUES (2.5, 'half')")
    space.settle()
    space.write("hq", "DELETE FROM customers WHERE k = 7", "UPDATE customers SET v = 'last' WHERE k = 2.0")
    space.settle()
    least = (-(2**63), "least")
    for peer in space.peers:
        held = space.read(peer, "SELECT k, v FROM customers ORDER BY k")
        assert held == [least, (0, "minus"), (1, "again"), (2, "last"), (2.5, "half")]
        assert space.value(peer, "SELECT v FROM customers WHERE k = 1") == "again"
    space.verify()
