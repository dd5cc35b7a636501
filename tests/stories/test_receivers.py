"""Peers that only receive: nothing of them is captured, so they need no log, slot, trigger or right beyond their rows."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest
from tests.stories.mixed import Mixed
from tests.stories.receiving import KINDS, RECEIVES, ask, die, fed
from tests.stories.space import CUSTOMERS, Report

ROWS: Final = 300

Fed: TypeAlias = Callable[..., Mixed]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Fed]:
    """Makes a space whose `hq` has customers for its `depot`; it takes what `fed` takes after the folder."""
    spaces: list[Mixed] = []

    def begin(kind: str, **options: Any) -> Mixed:
        spaces.append(fed(tmp_path, kind, **options))
        values = ", ".join(f"({number}, 'row {number}')" for number in range(1, ROWS + 1))
        spaces[-1].write("hq", f"INSERT INTO customers (id, name) VALUES {values}")
        return spaces[-1]

    yield begin
    for one in spaces:
        one.close()


def told(mixed: Mixed, what: str, *, code: int) -> list[Report]:
    """What `check` has to say of the depot: `problems`, or `advice`."""
    return [one for one in mixed.space.verb("check", code=code).data[what] if one["where"].get("peer") == "depot"]


def advised(mixed: Mixed) -> list[str]:
    """What `check` would have better of the depot's log, which nobody reads."""
    return [one["what"] for one in told(mixed, "advice", code=0) if "wal" in one["what"] or "binary log" in one["what"]]


@pytest.mark.parametrize("kind", KINDS)
def test_what_cannot_be_captured_is_filled_and_follows_and_nothing_is_left_behind(made: Fed, kind: str) -> None:
    mixed = made(kind)
    assert told(mixed, "problems", code=0) == []
    assert advised(mixed) == []
    mixed.settle()
    mixed.assert_equal()
    assert len(mixed.rows("depot")) == ROWS
    mixed.write(
        "hq", "UPDATE customers SET balance = balance + 5, tags = 'a' WHERE id < 20", "DELETE FROM customers WHERE id = 30"
    )
    mixed.write("hq", "UPDATE customers SET id = 9000 WHERE id = 40", "INSERT INTO customers (id, name) VALUES (9001, NULL)")
    mixed.settle()
    mixed.assert_equal()
    found = {row[0]: row for row in mixed.rows("depot")}
    assert (len(found), found[9000][1], found[9001][1], found[19][2]) == (ROWS, "row 40", None, 5)
    compared = mixed.verify()
    assert (compared["equal"], compared["rows"], compared["not_compared"]) == (True, ROWS, [])
    assert told(mixed, "problems", code=0) == [], "nor is anything wrong with what it has become"
    assert advised(mixed) == []
    (captures,), (traces,) = ask(mixed, KINDS[kind].captures), ask(mixed, KINDS[kind].traces)
    assert (captures[0], traces[0] > 0) == (0, True)
    mixed.space.verb("teardown", "depot", "--yes")
    assert ask(mixed, KINDS[kind].traces) == [(0,)]
    assert len(mixed.rows("depot")) == ROWS


NEEDED: Final = {
    "postgresql": ("wal_level is minimal", "clerk lacks REPLICATION", "max_wal_senders", "the role does not own the table"),
    "mariadb": ("the server keeps no binary log", "the user may not read the binary log", "REPLICATION SLAVE"),
}
DIRECTIONS: Final = {
    "both": {"customers": RECEIVES.replace("receive", "both")},
    "one_of_two": {"customers": RECEIVES, "orders": "{}"},
}


@pytest.mark.parametrize("directions", DIRECTIONS.values(), ids=DIRECTIONS)
@pytest.mark.parametrize("kind", NEEDED)
def test_who_is_to_be_heard_needs_all_that_capture_needs(made: Fed, kind: str, directions: dict[str, str]) -> None:
    """Also where only one collection of several is to be heard."""
    mixed = made(kind, collections=directions)
    for peer in mixed.peers:
        mixed.write(peer, "CREATE TABLE orders (id int NOT NULL PRIMARY KEY)")
    found = told(mixed, "problems", code=1)
    for words in NEEDED[kind]:
        assert words in str(found), words
    assert "SYN-C01" in mixed.settle(code=1).codes
    assert mixed.rows("depot") == []
    assert ask(mixed, KINDS[kind].traces) == [(0,)]


def test_the_programs_of_a_file_that_only_receives_pay_nothing(made: Fed) -> None:
    mixed = made("sqlite")
    mixed.settle()
    changelog = ask(mixed, "SELECT * FROM _syncline_changelog")
    counted = {}
    for peer in mixed.peers:
        with mixed.space.open(peer) as connection:
            for sql in ("INSERT INTO customers (id) VALUES (7000)", "UPDATE customers SET name = 'mine' WHERE id = 7000"):
                connection.execute(sql)
            connection.execute("DELETE FROM customers WHERE id = 7000")
            counted[peer] = connection.total_changes  # those of triggers, too
    assert counted["depot"] == 3
    assert counted["hq"] >= 6
    assert ask(mixed, "SELECT * FROM _syncline_changelog") == changelog
    mixed.settle()
    mixed.assert_equal()


UNDO: Final = {
    "postgresql": ("ALTER TABLE customers DROP CONSTRAINT picky",),
    "mariadb": ("ALTER TABLE customers DROP CONSTRAINT picky",),
    "sqlite": (  # which cannot drop one: the table is made anew
        CUSTOMERS.replace("customers", "fresh"),
        "INSERT INTO fresh SELECT * FROM customers",
        "DROP TABLE customers",
        "ALTER TABLE fresh RENAME TO customers",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_f4_f5_f32_a_row_that_it_refuses_waits_and_everything_else_flows_also_through_a_kill(made: Fed, kind: str) -> None:
    mixed = made(kind, refusing="CHECK (balance >= 0)")
    mixed.settle()
    mixed.write("hq", "INSERT INTO customers (id, balance, name) VALUES (5001, -5, 'refused'), (5002, 5, 'with it')")
    die(mixed, f"{kind}.f5_applied_but_not_told:1")
    assert {5001, 5002} & {row[0] for row in mixed.rows("depot")} == {5002}, "the batch took effect"
    assert mixed.space.parked() == [], "and nobody was told"
    mixed.write("hq", "INSERT INTO customers (id, name) VALUES (5003, 'later')", "UPDATE customers SET name = 'x' WHERE id < 9")
    for _ in range(2):  # what was refused last is told at every start
        assert mixed.settle(code=1).data["verify"]["drift"] == 0
        (parked,) = mixed.space.parked()
        assert (parked["peer"], parked["key"], parked["attempts"]) == ("depot", [5001], 1)
        assert "picky" in parked["reason"]
    assert [row for row in mixed.rows("hq") if row[0] != 5001] == mixed.rows("depot"), "later rows were not stopped"
    assert mixed.space.status()["peers"]["depot"]["collections"]["customers"]["parked"] == 1
    (one,) = mixed.space.verify(code=1)["differences"]
    assert (one["key"], one["state"]) == ([5001], "parked")

    mixed.write("hq", "UPDATE customers SET name = 'a follower', balance = balance - 2 WHERE id = 5001")
    mixed.space.verb("parked", "retry", parked["id"])
    mixed.settle(code=1)
    (again,) = mixed.space.parked()
    assert (again["id"], again["attempts"]) == (parked["id"], 2), "it is refused again"
    mixed.write("depot", *UNDO[kind])
    mixed.space.verb("parked", "retry", parked["id"])
    mixed.settle()
    mixed.assert_equal()
    assert mixed.space.parked() == []
    assert (5001, "a follower", -7) in {row[:3] for row in mixed.rows("depot")}


@pytest.mark.parametrize("kind", ["mariadb"])
def test_f32_what_was_given_up_stays_so_though_every_start_reads_of_it_again(made: Fed, kind: str) -> None:
    mixed = made(kind, refusing="CHECK (balance >= 0)")
    mixed.settle()
    mixed.write("hq", "INSERT INTO customers (id, balance) VALUES (5001, -5)")
    mixed.settle(code=1)
    mixed.space.verb("parked", "skip", mixed.space.parked()[0]["id"])
    given_up = mixed.space.parked()
    assert given_up[0]["skipped"] is True
    for _ in range(2):
        mixed.settle(code=1)
        assert mixed.space.parked() == given_up


@contextmanager
def busy(mixed: Mixed) -> Iterator[None]:
    """A program at the depot has written customer 1 and does not commit, so that nobody else can."""
    sql = "UPDATE customers SET notes = 'mine' WHERE id = 1"
    if "depot" not in mixed.servers:
        with mixed.space.open("depot") as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
        return
    with (
        closing(mixed.servers["depot"].connect(mixed.databases["depot"])) as connection,
        closing(connection.cursor()) as cursor,
    ):
        cursor.execute("BEGIN")
        cursor.execute(sql)
        yield
        cursor.execute("ROLLBACK")


@pytest.mark.parametrize("kind", ["postgresql"])
def test_p17_the_status_tells_how_far_behind_it_is_with_and_without_a_hub(made: Fed, kind: str) -> None:
    mixed = made(kind, verifying="{every: 0.3s}")
    space = mixed.space
    mixed.start()
    space.wait_proven()

    def copy() -> Report:
        return dict(space.status()["peers"]["depot"]["collections"]["customers"])

    def lags(entries: int) -> bool:
        return int(copy()["lag_entries"]) >= entries

    begun = copy()
    assert (begun["lag_entries"], begun["lag_seconds"]) == (0, 0.0)
    assert begun["watermark"] >= begun["verified_through"]
    with busy(mixed):
        for number in range(1, 4):
            mixed.write("hq", f"UPDATE customers SET balance = {number} WHERE id = 1")
            space.wait(partial(lags, number), f"{number} are not delivered")
        late = copy()
        assert (late["state"], late["watermark"], late["uncaptured"]) == ("live", begun["watermark"], None)
        assert late["lag_entries"] >= 3
        assert late["lag_seconds"] > 0
        assert late["proof"]["standing"] == "moving"
        space.kill()
    at_rest = copy()
    assert (at_rest["state"], at_rest["lag_seconds"], at_rest["uncaptured"]) == ("live", None, 0)
    assert (at_rest["lag_entries"], at_rest["watermark"]) == (late["lag_entries"], late["watermark"])
    assert (at_rest["proof"]["standing"], at_rest["proof"]["through"]) == ("moving", begun["verified_through"])
    mixed.write("depot", "UPDATE customers SET notes = 'local' WHERE id = 2")
    assert copy() == at_rest, "what its users write is not waited for"
    mixed.settle(code=1)
    now = copy()
    assert (now["lag_entries"], now["proof"]["standing"], now["proof"]["drift_rows"]) == (0, "drift", 1)
    mixed.write("depot", "UPDATE customers SET notes = NULL WHERE id = 2")
    mixed.settle()
    now = copy()
    assert (now["lag_entries"], now["proof"]["standing"]) == (0, "in sync")
    assert now["watermark"] >= now["verified_through"] > begun["watermark"]
    assert {row[0]: row[2] for row in mixed.rows("depot")}[1] == 3
