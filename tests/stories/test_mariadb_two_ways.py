"""MariaDB with MariaDB, with SQLite and with PostgreSQL, kept equal in both directions by the command itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.servers import mariadb, postgres
from tests.stories.mixed import Mixed, make

THINGS = (
    "CREATE TABLE things (id int8 PRIMARY KEY, price decimal(12,2), ratio double precision, day date, at timestamp, "
    "label varchar(40), flag boolean)"
)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Mixed]:
    mixed = make(tmp_path, {"hq": mariadb.shared(), "munich": mariadb.shared()})
    yield mixed
    mixed.close()


@pytest.fixture
def quartet(tmp_path: Path) -> Iterator[Mixed]:
    mixed = make(tmp_path, {"hq": mariadb.shared(), "munich": postgres.shared()}, ("van", "boat"))
    yield mixed
    mixed.close()


def test_two_databases_become_and_stay_equal(pair: Mixed) -> None:
    pair.write("hq", *(f"INSERT INTO customers (id, name) VALUES ({n}, 'name {n}')" for n in range(200)))
    pair.write("munich", "INSERT INTO customers (id, name) VALUES (7, 'other seven'), (1000, 'only here')")
    pair.settle()
    assert len(pair.rows("hq")) == 201
    pair.assert_equal()
    pair.write("hq", "UPDATE customers SET balance = balance + 5 WHERE id = 1", "DELETE FROM customers WHERE id = 2")
    pair.write(
        "munich", "UPDATE customers SET balance = balance - 3 WHERE id = 1", "UPDATE customers SET id = 5000 WHERE id = 3"
    )
    pair.settle()
    pair.assert_equal()
    rows = {row[0]: row for row in pair.rows("hq")}
    assert rows[1][2] == 2
    assert 2 not in rows
    assert 3 not in rows
    assert rows[5000][1] == "name 3"
    assert pair.verify()["equal"] is True


def test_databases_of_two_kinds_and_files_become_and_stay_equal(quartet: Mixed) -> None:
    quartet.write("hq", *(f"INSERT INTO customers (id, name) VALUES ({n}, 'name {n} ünï 😀')" for n in range(50)))
    quartet.write("munich", "INSERT INTO customers (id, name, tags) VALUES (60, 'munich', 'a')")
    quartet.write("van", "INSERT INTO customers (id, name, tags) VALUES (100, 'van', 'a,b')")
    quartet.settle()
    quartet.assert_equal()
    assert len(quartet.rows("hq")) == 52
    quartet.write("hq", "UPDATE customers SET tags = 'a,b,hq', balance = balance + 10 WHERE id = 100")
    quartet.write("munich", "UPDATE customers SET tags = 'a,b,munich', balance = balance + 100 WHERE id = 100")
    quartet.write("van", "UPDATE customers SET tags = 'a,b,van', balance = balance + 1 WHERE id = 100")
    quartet.write("boat", "DELETE FROM customers WHERE id = 4", "UPDATE customers SET notes = 'wet' WHERE id = 5")
    quartet.settle()
    quartet.assert_equal()
    row = next(row for row in quartet.rows("hq") if row[0] == 100)
    assert row[2] == 111
    assert set(row[3].split(",")) == {"a", "b", "hq", "munich", "van"}
    assert quartet.verify()["equal"] is True


def test_a_hub_that_runs_brings_what_is_written_everywhere(quartet: Mixed) -> None:
    quartet.start()
    for n in range(30):
        quartet.write(quartet.peers[n % 4], f"INSERT INTO customers (id, name) VALUES ({n}, 'name {n}')")
    quartet.space.wait(lambda: len(quartet.rows("boat")) == 30, "all rows are at the boat")
    quartet.wait_equal()
    for n in range(40):
        quartet.write(quartet.peers[n % 4], f"UPDATE customers SET balance = balance + 1 WHERE id < {n}")
    quartet.space.wait(lambda: next(row for row in quartet.rows("van") if row[0] == 0)[2] == 39, "every increment counts")
    quartet.wait_equal()
    assert quartet.space.stop() == 0
    quartet.settle()
    assert quartet.verify()["equal"] is True


def test_numbers_days_and_instants_are_the_same_values_in_both_kinds(tmp_path: Path) -> None:
    servers = {"hq": mariadb.shared(), "munich": postgres.shared()}
    schema = {"hq": THINGS.replace("at timestamp", "at datetime"), "munich": THINGS}
    mixed = make(tmp_path, servers, schema=schema, collections={"things": "{}"})
    try:
        mixed.write("hq", "INSERT INTO things VALUES (1, 12.50, 0.1, '2024-02-29', '2024-02-29 23:59:59', 'x', 1)")
        mixed.write("munich", "INSERT INTO things VALUES (2, -3, 1e300, '1999-01-01', '1999-01-01 00:00:00', '', false)")
        mixed.settle()
        assert mixed.verify()["equal"] is True
        mixed.write("hq", "UPDATE things SET price = 7.25, flag = 1 WHERE id = 2")
        mixed.write("munich", "UPDATE things SET ratio = 2.5, day = '2000-12-31' WHERE id = 1")
        mixed.settle()
        assert mixed.verify()["equal"] is True
        assert [str(row[1]) for row in mixed.rows("munich", "things")] == ["12.50", "7.25"]
        assert [row[2] for row in mixed.rows("hq", "things")] == [2.5, 1e300]
    finally:
        mixed.close()
