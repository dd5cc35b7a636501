"""Policies that keep one side whole."""

import pytest
from tests.unit.merge.policies.contests import contest, swapped

from syncline.merge.policies.registers import Extreme, First, Manual, Newest, Prefer, newer
from syncline.merge.policy import Settled
from syncline.model.value import Tagged, Value

LARGEST, SMALLEST = Extreme("max", 1), Extreme("min", -1)


def test_newest_takes_the_later_time() -> None:
    assert Newest().settle(contest("b", "o", "t", times=(10, 20))) == Settled("t", "theirs")
    assert Newest().settle(contest("b", "o", "t", times=(20, 10))) == Settled("o", "ours")


def test_c11_equal_times_go_to_the_larger_peer_name_from_either_side() -> None:
    one = contest("b", "o", "t", times=(10, 10), peers=("hq", "munich"))
    assert Newest().settle(one).value == "t"
    assert Newest().settle(swapped(one)).value == "t"


def test_a_change_that_had_seen_ours_is_newer_whatever_the_clocks_say() -> None:
    assert newer(contest("b", "o", "t", times=(20, 10), contended=False)) == "theirs"


def test_first_keeps_what_the_log_has() -> None:
    assert First().settle(contest("b", "o", "t")) == Settled("o", "ours")


@pytest.mark.parametrize(
    ("peers", "listed", "winner"),
    [
        (("hq", "munich"), ["hq"], "ours"),
        (("hq", "munich"), ["munich"], "theirs"),
        (("hq", "munich"), ["munich", "hq"], "theirs"),
        (("van", "munich"), ["hq", "munich"], "theirs"),
        (("hq", "van"), ["hq", "munich"], "ours"),
    ],
)
def test_prefer_takes_the_peer_that_is_listed_first(peers: tuple[str, str], listed: list[str], winner: str) -> None:
    for times in ((10, 20), (20, 10)):
        assert Prefer(listed).settle(contest("b", "o", "t", peers=peers, times=times)).winner == winner


@pytest.mark.parametrize("peers", [("van", "boat"), ("hq", "hq"), ("", "boat")])
def test_prefer_without_a_preference_takes_the_newer_and_says_so(peers: tuple[str, str]) -> None:
    found = Prefer(["hq", "munich"]).settle(contest("b", "o", "t", peers=peers, times=(10, 20)))
    assert found.winner == "theirs"
    assert "newer" in found.note


@pytest.mark.parametrize(
    ("small", "large"),
    [
        (-5, 3),
        (2**53, 2**53 + 1),
        (2**63 - 1, 2**64 - 1),
        (Tagged("decimal", "9.99"), Tagged("decimal", "10.0")),
        (
            Tagged("decimal", "0.1000000000000000000000000000000000001"),
            Tagged("decimal", "0.1000000000000000000000000000000000002"),
        ),
        (Tagged("real", "-inf"), Tagged("real", "-1.7976931348623157e+308")),
        (Tagged("real", "5e-324"), Tagged("real", "inf")),
        (Tagged("real", "1.5"), 2),
        (Tagged("decimal", "1.5"), Tagged("real", "1.75")),
        ("Z", "a"),
        ("zebra", "Ärger"),
        ("\uffff", "\U00010000"),
        (b"\x01", b"\x01\x00"),
        (Tagged("boolean", "f"), Tagged("boolean", "t")),
        (Tagged("date", "9999-12-31"), Tagged("date", "10000-01-01")),
        (Tagged("date", "0044-03-15 BC"), Tagged("date", "0001-01-01")),
        (Tagged("date", "0100-01-01 BC"), Tagged("date", "0044-03-15 BC")),
        (Tagged("date", "0044-01-01 BC"), Tagged("date", "0044-03-15 BC")),
        (Tagged("date", "-infinity"), Tagged("date", "4713-01-01 BC")),
        (Tagged("timestamp", "294276-12-31 23:59:59"), Tagged("timestamp", "infinity")),
        (Tagged("instant", "2024-01-01 12:00:00Z"), Tagged("instant", "2024-01-01 12:00:00.5Z")),
        (Tagged("instant", "2024-01-01 12:00:00+00"), Tagged("instant", "2024-01-01 12:00:00.5+00")),
        (Tagged("time", "-838:59:59"), Tagged("time", "-838:00:00")),
        (Tagged("time", "23:59:59"), Tagged("time", "24:00:00")),
        (Tagged("time", "99:00:00"), Tagged("time", "838:59:59")),
        (None, -(2**63)),
        (None, ""),
    ],
)
def test_max_takes_the_larger_and_min_the_smaller_exactly(small: Value, large: Value) -> None:
    for times in ((10, 20), (20, 10)):
        assert LARGEST.settle(contest(None, small, large, times=times)).value == large
        assert LARGEST.settle(contest(None, large, small, times=times)).value == large
        if small is not None:
            assert SMALLEST.settle(contest(None, small, large, times=times)).value == small
            assert SMALLEST.settle(contest(None, large, small, times=times)).value == small


def test_null_loses_against_everything_under_max_and_min() -> None:
    for policy in (LARGEST, SMALLEST):
        assert policy.settle(contest(1, None, 7, times=(20, 10))).value == 7
        assert policy.settle(contest(1, 7, None, times=(10, 20))).value == 7


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (12, "12"),
        ("a", b"a"),
        (Tagged("real", "nan"), Tagged("real", "1.0")),
        (Tagged("interval", "P1D"), Tagged("interval", "P1M")),
        (Tagged("date", "2024-01-01"), "2024-01-02"),
        (Tagged("decimal", "not a number"), 1),
        (Tagged("date", "tomorrow"), Tagged("date", "2024-01-01")),
    ],
)
def test_d44_values_without_an_order_go_to_the_newer_with_a_note(ours: Value, theirs: Value) -> None:
    for policy in (LARGEST, SMALLEST):
        assert policy.settle(contest(None, ours, theirs, times=(10, 20))).value == theirs
        older = policy.settle(contest(None, ours, theirs, times=(20, 10)))
        assert older.value == ours
        assert "no order" in older.note


def test_a_tie_of_max_goes_to_the_newer_from_either_side() -> None:
    one = contest(None, Tagged("decimal", "1.0"), Tagged("decimal", "1.00"))
    assert LARGEST.settle(one).value == LARGEST.settle(swapped(one)).value == Tagged("decimal", "1.00")


def test_manual_keeps_ours_open() -> None:
    assert Manual().settle(contest("b", "o", "t")) == Settled("o", "ours", open=True)
