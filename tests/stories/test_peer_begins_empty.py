"""A peer whose file is to be created: its tables are made as another peer has them, and only where nothing was."""

import sqlite3
from contextlib import closing

import pytest
from tests.stories.conftest import MakeSpace
from tests.stories.space import Space

TABLES = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL DEFAULT 'n', code ANY UNIQUE,
  CHECK (length(name) < 9)) STRICT;
CREATE UNIQUE INDEX by_name ON customers(name) WHERE code IS NOT NULL;
CREATE TABLE "odd ""name" (a TEXT NOT NULL, b INT NOT NULL, twice AS (b * 2), PRIMARY KEY (a, b)) WITHOUT ROWID;
CREATE TABLE private (id INTEGER PRIMARY KEY);
CREATE TRIGGER mine AFTER INSERT ON customers BEGIN INSERT INTO private VALUES (NULL); END;
"""
MADE = "SELECT type, sql FROM sqlite_schema WHERE name NOT LIKE '\\_syncline%' ESCAPE '\\' AND sql IS NOT NULL ORDER BY rowid"


def _begun(make: MakeSpace) -> Space:
    space = make(schema=TABLES, collections={"customers": "{}", "odd": "{at: {hq: 'odd \"name', van: plain}}"})
    space.file("van").unlink()
    for ending in ("-wal", "-shm"):
        (space.folder / f"van.db{ending}").unlink(missing_ok=True)
    space.config.write_text(space.config.read_text(encoding="utf-8").replace("van.db", "van.db?create=1"), encoding="utf-8")
    space.write("hq", "INSERT INTO customers (id, code) VALUES (1, 2.0)", 'INSERT INTO "odd ""name" VALUES (\'x\', 4)')
    return space


@pytest.mark.parametrize("left", [False, True])
def test_a_file_that_is_to_be_created_gets_the_tables_of_another_peer(make: MakeSpace, left: bool) -> None:
    """`left`: a file without a byte stands there, as after a crash between making the file and making its tables."""
    space = _begun(make)
    if left:
        space.file("van").touch()
    space.verb("check")
    planned = space.verb("plan").data["peers"]["van"]
    assert space.file("van").exists() == left
    assert (planned["state"], planned["rows_to_fill"]) == ("joins", 2)
    assert ['CREATE TABLE "customers"' in planned["statements"][0], 'CREATE TABLE "plain"' in planned["statements"][1]]
    space.settle()
    made = space.read("van", MADE)
    assert [kind for kind, _ in made] == ["table", "index", "table"], "no trigger, and no table of no collection"
    with closing(sqlite3.connect(":memory:")) as same:
        same.executescript(";".join(planned["statements"]))
        assert same.execute(MADE).fetchall() == made, "it was made as the plan says"
    assert space.rows("van") == space.rows("hq")
    assert space.read("van", "SELECT a, b, twice FROM plain") == [("x", 4, 8)]
    space.write("van", "UPDATE customers SET name = 'by van'", "INSERT INTO plain VALUES ('y', 5)")
    space.settle()
    assert space.value("hq", "SELECT name FROM customers") == "by van"
    assert space.value("hq", 'SELECT count(*) FROM "odd ""name"') == 2


def test_f20_the_lost_file_of_a_known_peer_is_not_made_anew_by_itself(make: MakeSpace) -> None:
    space = _begun(make)
    space.settle()
    space.move("van", "lost")
    told = space.settle(code=3)
    assert told.codes == ["SYN-P02"]
    assert not space.file("van").exists()
    space.verb("resume", "van", "--rejoin")
    space.settle()
    assert space.rows("van") == space.rows("hq")


def test_a_table_that_no_other_peer_has_cannot_be_made(make: MakeSpace) -> None:
    space = _begun(make)
    space.write("hq", "DROP TABLE customers")
    assert "SYN-C20" in space.settle(code=1).codes
    assert not space.file("van").exists()


def _gone(make: MakeSpace) -> Space:
    """A space whose van began as a file to be created, took part, and is away now."""
    space = _begun(make)
    space.settle()
    space.move("van", "gone")
    return space


def test_f16_a_known_peer_whose_file_is_away_is_waited_for_and_welcomed_back(make: MakeSpace) -> None:
    space = _begun(make)
    space.start()
    space.move("van", "gone")
    space.wait(lambda: "its database is away" in space.state("van"), "a session met nothing")
    assert space.state("van").startswith("waiting SYN-P02")
    space.write("hq", "UPDATE customers SET name = 'while'")
    assert not space.file("van").exists()
    space.move("gone", "van")
    space.wait(lambda: space.value("van", "SELECT name FROM customers") == "while", "it came back by itself")
    space.write("van", "UPDATE customers SET name = 'again'")
    space.wait_value("hq", "again", "SELECT name FROM customers")
    assert space.stop() == 0


def test_f16_without_a_hub_every_verb_says_that_it_is_away(make: MakeSpace) -> None:
    space = _gone(make)
    for verb in ("check", "plan", "verify"):
        assert space.verb(verb, code=3).codes == ["SYN-P02"], verb
    assert space.state("van").startswith("waiting SYN-P02: its database is away")
    assert not space.file("van").exists()
    space.file("van").touch()
    assert space.verb("check", code=3).codes == ["SYN-P02"], "a file without a byte is nothing"
    space.file("van").unlink()
    space.move("gone", "van")
    space.verb("check")
    space.settle()
    assert space.rows("van") == space.rows("hq")


def test_f20_a_running_hub_lets_an_empty_one_join_when_a_person_says_so(make: MakeSpace) -> None:
    space = _begun(make)
    space.start()
    space.move("van", "lost")
    space.wait(lambda: "its database is away" in space.state("van"), "it is told")
    space.verb("resume", "van", "--rejoin")
    space.wait(lambda: space.state("van") == "live", "an empty one joined")
    assert space.rows("van") == space.rows("hq")
    assert space.stop() == 0
