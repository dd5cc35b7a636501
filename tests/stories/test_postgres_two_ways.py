"""PostgreSQL and SQLite, and PostgreSQL and PostgreSQL, kept equal in both directions by the command itself.

Every version of the server that is there meets the default one.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.servers.postgres import shared
from tests.stories.mixed import Mixed, make

from syncline.demo.servers.postgres_programs import installed


@pytest.fixture(params=installed())
def pair(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Mixed]:
    mixed = make(tmp_path, {"hq": shared(), "munich": shared(request.param)})
    yield mixed
    mixed.close()


@pytest.fixture
def trio(tmp_path: Path) -> Iterator[Mixed]:
    mixed = make(tmp_path, {"hq": shared()}, ("van", "boat"))
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


def test_a_database_and_files_become_and_stay_equal(trio: Mixed) -> None:
    trio.write("hq", *(f"INSERT INTO customers (id, name) VALUES ({n}, 'name {n}')" for n in range(50)))
    trio.write("van", "INSERT INTO customers (id, name, tags) VALUES (100, 'van', 'a,b')")
    trio.settle()
    trio.assert_equal()
    trio.write("hq", "UPDATE customers SET tags = 'a,b,hq', balance = balance + 10 WHERE id = 100")
    trio.write("van", "UPDATE customers SET tags = 'a,b,van', balance = balance + 1 WHERE id = 100")
    trio.write("boat", "DELETE FROM customers WHERE id = 4", "UPDATE customers SET notes = 'wet' WHERE id = 5")
    trio.settle()
    trio.assert_equal()
    row = next(row for row in trio.rows("boat") if row[0] == 100)
    assert row[2] == 11
    assert set(row[3].split(",")) == {"a", "b", "hq", "van"}
