"""Offices that wrote while no hub ran: the newer change of a field wins (C1), whatever their backlogs end with; and a clock
that was set back meanwhile (F19) turns nothing round."""

import pytest
from tests.stories.space import Space

ROWS = "INSERT INTO customers (id, name, balance) VALUES (1, 'one', 0), (2, 'two', 0), (3, 'three', 0)"
NAME = "SELECT name FROM customers WHERE id = ?"
OFFICES = [("van", "hq"), ("hq", "van")]  # whose backlog the hub takes up first must not matter


def named(row: int, text: str) -> str:
    """A program gives a row a name."""
    return f"UPDATE customers SET name = '{text}' WHERE id = {row}"


def begun(space: Space) -> None:
    """Three rows everywhere, and no hub."""
    space.write("hq", ROWS)
    space.settle()
    space.tick()


def in_turn(space: Space, *writes: tuple[str, str]) -> None:
    """Transactions, each later than the one before by any measure."""
    for peer, sql in writes:
        space.write(peer, sql)
        space.tick()


def names(space: Space, row: int) -> list[object]:
    """The name of a row at each office."""
    return [space.value(peer, NAME, row) for peer in space.peers]


@pytest.mark.parametrize(("slow", "other"), OFFICES)
def test_c1_the_newer_change_wins_though_the_backlog_of_the_older_goes_on(space: Space, slow: str, other: str) -> None:
    begun(space)
    in_turn(space, (slow, named(1, "FIRST")), (other, named(1, "SECOND")), (slow, named(3, "THIRD")))
    space.settle()
    assert names(space, 1) == ["SECOND"] * 2
    assert names(space, 3) == ["THIRD"] * 2
    space.assert_equal()
    mine = [one for one in space.verb("history", "customers", "1").data["history"] if one["origin"] == slow]
    its = [one for one in space.verb("history", "customers", "3").data["history"] if one["origin"] == slow]
    assert mine[0]["time"] < its[0]["time"], "each change has its own statement's time"


@pytest.mark.parametrize(("slow", "other"), OFFICES)
def test_c1_also_where_the_rows_cannot_be_told_by_columns(space: Space, slow: str, other: str) -> None:
    begun(space)
    made = "INSERT INTO customers (id, name) VALUES (9, 'nine')"
    in_turn(
        space, (slow, made), (slow, named(9, "NINE")), (slow, named(1, "FIRST")), (other, named(1, "SECOND")),
        (slow, named(3, "THIRD")), (slow, "DELETE FROM customers WHERE id = 9"),
    )  # fmt: skip
    space.settle()
    assert names(space, 1) == ["SECOND"] * 2
    assert names(space, 9) == [None] * 2
    space.assert_equal()


@pytest.mark.parametrize(("slow", "other"), OFFICES)
def test_f19_a_clock_that_was_set_back_reorders_nothing_of_its_own_office(space: Space, slow: str, other: str) -> None:
    begun(space)
    known = space.value(slow, "SELECT max(seq) FROM _syncline_changelog")
    in_turn(space, (slow, named(1, "early")), (slow, named(1, "late")), (other, named(2, "theirs")), (slow, named(2, "last")))
    with space.open(slow) as connection:  # as if the clock had been set back by an hour after the first of them
        connection.execute("UPDATE _syncline_changelog SET at = at - 1.0 / 24 WHERE seq > ? + 1", (known,))
    space.settle()
    assert names(space, 1) == ["late"] * 2
    assert names(space, 2) == ["theirs"] * 2, "by the clocks, it is the newer one"
    space.assert_equal()
