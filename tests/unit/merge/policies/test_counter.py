"""Counters: exact, in every carrier that can be exact."""

import pytest
from tests.unit.merge.policies.contests import contest

from syncline.merge.policies.counter import Counter
from syncline.merge.policy import Settled
from syncline.model import limits
from syncline.model.errors import MergeError
from syncline.model.value import ABSENT, Tagged, Value


def counted(base: Value, ours: Value, theirs: Value) -> Value:
    found = Counter().settle(contest(base, ours, theirs))
    assert found.lossless
    assert not found.open
    return found.value


def dec(text: str) -> Tagged:
    return Tagged("decimal", text)


def real(text: str) -> Tagged:
    return Tagged("real", text)


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "sum_"),
    [
        (10, 15, 7, 12),
        (10, 12, 12, 14),
        (ABSENT, 3, 4, 7),
        (None, 5, 1, 6),
        (5, None, 6, 1),
        (5, 6, None, 1),
        (5, None, 0, -5),
        (5, 0, 0, -5),
        (0, 2**63 - 2, 1, 2**63 - 1),
        (0, -(2**63) + 1, -1, -(2**63)),
        (2**63, 2**63 + 5, 2**63 + 1, 2**63 + 6),
    ],
)
def test_c10_integers_add_up(base: Value, ours: Value, theirs: Value, sum_: int) -> None:
    assert counted(base, ours, theirs) == sum_


def test_c10_null_stays_null_where_there_is_nothing_to_count() -> None:
    assert counted(None, None, None) is None
    assert counted(0, None, None) is None
    assert counted(ABSENT, None, None) is None


def test_c10_clearing_is_counting_back_to_nothing() -> None:
    assert counted(5, None, None) == -5


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "sum_"),
    [
        (dec("1.10"), dec("2.10"), dec("1.35"), dec("2.35")),
        (dec("0.1"), dec("0.3"), dec("0.3"), dec("0.5")),
        (dec("1"), dec("1.000"), dec("2"), dec("2.000")),
        (0, dec("12345678901234567890123456789.01"), 1, dec("12345678901234567890123456790.01")),
        (ABSENT, dec("1.5"), dec("2.5"), dec("4.0")),
        (dec("1e3"), dec("1001"), dec("1002"), dec("1003")),
    ],
)
def test_d1_decimals_add_exactly_with_their_places(base: Value, ours: Value, theirs: Value, sum_: Value) -> None:
    assert counted(base, ours, theirs) == sum_


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "sum_"),
    [
        (real("0.1"), real("0.2"), real("0.4"), real("0.5")),
        (10, real("10.25"), real("9.75"), 10),
        (10, 11, real("10.5"), real("11.5")),
        (real("1234567890123.25"), real("1234567890123.5"), real("1234567890124.25"), real("1234567890124.5")),
    ],
)
def test_d2_money_in_a_numeric_column_of_sqlite_adds_as_it_is_read(
    base: Value, ours: Value, theirs: Value, sum_: Value
) -> None:
    """Such columns hold integers and binary reals; the reals stand for their shortest decimal text."""
    assert counted(base, ours, theirs) == sum_


@pytest.mark.parametrize(
    ("base", "ours", "theirs"),
    [
        (0, 2**63 - 1, 1),
        (0, -(2**63), -1),
        (0, 2**64 - 1, 1),
        (1, "12", 3),
        (1, 2, b"3"),
        (1, 2, Tagged("date", "2024-01-01")),
        (real("0.0"), real("nan"), 1),
        (dec("0"), dec("Infinity"), 1),
        (real("0.0"), real("9007199254740992.5"), 3),
        (real("0.0"), real("0.1"), real("9007199254740991.0")),
        (0, dec("1e200000"), 1),
        (0, dec("1e140000"), dec("1e-140000")),
        (0, dec("1e999999999999999999999"), 1),
    ],
)
def test_what_cannot_be_counted_exactly_is_an_error_with_a_fix(base: Value, ours: Value, theirs: Value) -> None:
    with pytest.raises(MergeError) as caught:
        Counter().settle(contest(base, ours, theirs))
    assert caught.value.hint
    assert caught.value.where["column"] == "field"


def test_many_digits_are_exact_up_to_the_limit() -> None:
    nines = "9" * 100_000
    assert counted(dec("0"), dec(nines), dec("1")) == dec("1" + "0" * 100_000)
    with pytest.raises(MergeError):
        counted(dec("0"), dec("9" * limits.DECIMAL_DIGITS_MAX), dec("1.1"))


def test_a_change_alone_is_taken_as_it_is() -> None:
    assert Counter().settle(contest(5, 5, dec("7.50"))) == Settled(dec("7.50"), "theirs", lossless=True)
    assert Counter().settle(contest(5, None, 5)) == Settled(None, "ours", lossless=True)
