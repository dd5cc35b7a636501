"""Matching places of two sequences: right, and within their budget."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncline.merge.policies.difference import Budget, matches
from syncline.model import limits

tokens = st.lists(st.sampled_from("aabbcdef"), max_size=14)


@settings(max_examples=300, deadline=None)
@given(old=tokens, new=tokens, steps=st.integers(0, 400))
def test_matches_are_equal_and_rising_whatever_the_budget(old: list[str], new: list[str], steps: int) -> None:
    budget = Budget(steps)
    found = sorted(matches(old, new, budget).items())
    assert all(old[place] == new[other] for place, other in found)
    assert [other for _, other in found] == sorted({other for _, other in found})
    assert budget.left >= 0


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("aabb", "abab"),
        ("abab", "baba"),
        ("aabbaabb", "bbaabbaa"),
        ("abcabcabc", "cbacbacba"),
        ("xaabbx", "xbbaax"),
        ("aa", "bb"),
    ],
)
def test_without_anchors_a_longest_common_part_is_found(old: str, new: str) -> None:
    assert len(matches(list(old), list(new), Budget(limits.DIFF_STEPS_MAX))) == longest(list(old), list(new))


def longest(old: list[str], new: list[str]) -> int:
    """The length of a longest common subsequence, by definition."""
    if not old or not new:
        return 0
    if old[0] == new[0]:
        return 1 + longest(old[1:], new[1:])
    return max(longest(old[1:], new), longest(old, new[1:]))


def test_a_moved_part_is_matched_once() -> None:
    old, new = list("abcdefgh"), list("efghabcd")
    assert len(matches(old, new, Budget(1000))) == 4


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (["a", "b"] * 250_000, ["b", "a", "a"] * 160_000),
        ([f"{number % 700}" for number in range(300_000)], [f"{number * 7 % 700}" for number in range(300_000)]),
        ([str(number) for number in range(200_000)], [str(number) for number in range(200_000, 0, -1)]),
        (["x"] * 400_000 + ["y"], ["y"] + ["x"] * 400_000),
    ],
    ids=["two words", "cycles", "reversed", "one moved"],
)
def test_x9_bad_cases_end_within_the_budget(old: list[str], new: list[str]) -> None:
    """Work is bounded by the budget and the size; the wide deadline only catches work that is quadratic in the size."""
    budget = Budget(limits.DIFF_STEPS_MAX)
    start = time.process_time()
    matches(old, new, budget)
    assert budget.left >= 0
    assert time.process_time() - start < 30
