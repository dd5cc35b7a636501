"""A peer's file is not what it was: restored, another peer's, or empty. It is stopped, the others go on, it joins again."""

from collections.abc import Callable

import pytest
from tests.stories.conftest import MakeSpace
from tests.stories.space import Space


def _three(make: MakeSpace) -> Space:
    """Six customers; customer 2 was deleted after the backup, customer 1 was renamed."""
    space = make(("hq", "lab", "van"))
    space.write("hq", *(f"INSERT INTO customers (id, name) VALUES ({number}, 'n')" for number in range(1, 7)))
    space.settle()
    space.copy("van.db", "backup.db")
    space.write("hq", "UPDATE customers SET name = 'renamed' WHERE id = 1", "DELETE FROM customers WHERE id = 2")
    space.settle()
    return space


def _restored(space: Space) -> None:
    space.copy("backup.db", "van.db")


def _cloned(space: Space) -> None:
    space.copy("lab.db", "van.db")


def _emptied(space: Space) -> None:
    space.file("van").unlink()
    space.build("van")


def _undone(space: Space) -> None:
    with space.open("van") as connection:  # back at the very rows, but by another way
        connection.execute("UPDATE _syncline_state SET nonce = 'f00'")


@pytest.mark.parametrize(
    ("spoil", "evidence"),
    [
        (_restored, "its session mark is not the last one"),
        (_cloned, "its incarnation is"),
        (_emptied, "Syncline's tables are gone"),
        (_undone, "its session mark is not the last one"),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_f26_f28_f37_c6_noticed_stopped_and_joined_again_and_nothing_deleted_comes_back(
    make: MakeSpace, spoil: Callable[[Space], None], evidence: str
) -> None:
    space = _three(make)
    spoil(space)
    if spoil is not _emptied:
        space.write("van", "UPDATE customers SET notes = 'written afterwards' WHERE id = 4")
    space.write("van", "INSERT INTO customers (id, name) VALUES (77, 'new afterwards')")
    space.start(live=("hq", "lab"))
    space.wait(lambda: space.state("van").startswith("broken SYN-P06"), "it is noticed")
    assert evidence in space.state("van")
    space.write("lab", "UPDATE customers SET balance = balance + 1 WHERE id = 5")
    space.wait_equal(peers=("hq", "lab"))
    assert space.value("van", "SELECT count(*) FROM customers WHERE id = 5 AND balance = 1") == 0, "it is left alone"
    space.verb("resume", "van", "--rejoin")
    space.wait_equal()
    assert space.stop() == 0
    space.settle()
    rows = {row[0]: row for row in space.rows("lab")}
    assert set(rows) - {77} == {1, 3, 4, 5, 6}, "nothing is missing, and what was deleted stays so"
    assert (rows[1][1], rows[5][2]) == ("renamed", 1)
    kept = {(tuple(one["key"]), str(one["theirs"]["row"])) for one in space.conflicts("--all")}
    if spoil is not _emptied:
        assert rows[4][4] == "written afterwards" or any(key == (4,) and "written afterwards" in row for key, row in kept)
    assert 77 in rows or any(key == (77,) and "new afterwards" in row for key, row in kept)


def test_f26_c23_restored_under_a_running_hub_while_others_write(make: MakeSpace) -> None:
    space = _three(make)
    space.start()
    space.write("hq", "UPDATE customers SET name = 'again' WHERE id = 1")
    space.wait_equal()
    _restored(space)
    space.wait(lambda: "SYN-P06" in space.state("van"), "it is noticed")
    space.write("lab", "UPDATE customers SET name = 'and again' WHERE id = 1")
    space.wait_equal(peers=("hq", "lab"))
    space.verb("resume", "van", "--rejoin")
    space.wait_equal()
    space.write("van", "UPDATE customers SET name = 'by the van' WHERE id = 1")
    space.wait_value("hq", "by the van", "SELECT name FROM customers WHERE id = 1")
    assert space.stop() == 0
    space.settle()
    assert space.value("lab", "SELECT count(*) FROM customers") == 5


def test_f28_the_restored_peer_may_be_declared_the_right_one(make: MakeSpace) -> None:
    space = _three(make)
    _restored(space)
    space.start(live=("hq", "lab"))
    space.wait(lambda: "SYN-P06" in space.state("van"), "it is noticed")
    space.verb("resume", "van", "--rejoin", "--authority", "van")
    space.wait_equal()
    assert space.stop() == 0
    space.settle()
    assert space.value("hq", "SELECT name FROM customers WHERE id = 1") == "n"
    lost = [one for one in space.conflicts("--all") if one["key"] == [1]]
    assert "renamed" in str(lost), "what lost is kept"


def test_f26_two_peers_that_were_copied_before_the_first_run_are_two_peers(make: MakeSpace) -> None:
    space = make(("hq", "lab", "van"))
    space.write("hq", "INSERT INTO customers (id, name) VALUES (1, 'n')")
    space.configure()
    text = space.config.read_text()
    space.config.write_text(text.replace("  van: sqlite:///van.db\n", ""))
    space.settle()
    space.copy("lab.db", "van.db")  # a new office from a copy of an old one, footprint and all
    space.config.write_text(text)
    space.settle()
    space.write("van", "UPDATE customers SET balance = balance + 1")
    space.write("lab", "UPDATE customers SET balance = balance + 2")
    space.settle()
    space.assert_equal()
    assert space.value("hq", "SELECT balance FROM customers") == 3
