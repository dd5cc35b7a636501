"""Values that only grow."""

import pytest
from tests.unit.merge.policies.contests import contest

from syncline.merge.policies.append import Append
from syncline.model import limits
from syncline.model.errors import MergeError
from syncline.model.value import ABSENT, Tagged, Value


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "merged"),
    [
        ("a\n", "a\nb\n", "a\nc\n", "a\nb\nc\n"),
        ("a", "a\nb", "a\nc", "a\nb\nc"),
        (None, "b\n", "c\n", "b\nc\n"),
        ("", "b", "c", "bc"),
        ("a\n", "edited\n", "a\nc\n", "edited\nc\n"),
        ("a\n", None, "a\nc\n", "c\n"),
        ("[2024] a\n", "[2024] a\n[2025] b\n", "[2024] a\n[2025] c\n", "[2024] a\n[2025] b\n[2025] c\n"),
        ("[1]", "[1, 2]", "[1, 3]", "[1, 2, 3]"),
        ("[1]", "[1, 2]", "[1, 2, 3]", "[1, 2, 2, 3]"),
        ("[]", "[]", "[1]", "[1]"),
        (None, '[{"a": 1}]', '[{"b": 2}]', '[{"a": 1},{"b": 2}]'),
        ("[1]", None, "[1, 2]", "[2]"),
        (Tagged("json", "[1]"), Tagged("json", "[1,1]"), Tagged("json", "[1, 1e400]"), Tagged("json", "[1,1,1e400]")),
    ],
)
def test_both_additions_stay_in_the_order_of_the_log(base: Value, ours: Value, theirs: Value, merged: Value) -> None:
    for times in ((10, 20), (20, 10)):
        found = Append().settle(contest(base, ours, theirs, times=times))
        assert (found.value, found.lossless) == (merged, True)


@pytest.mark.parametrize(
    ("ours", "theirs", "merged"),
    [
        ("a\nb\nc\n", "a\nb\nd\n", "a\nb\nc\nd\n"),
        ("a\nb\n", "a\nb\nc\n", "a\nb\nc\n"),
        ("a\nb\nc\n", "a\n", "a\nb\nc\n"),
        ("ab\n", "ac\n", "ab\nac\n"),
        ("[1, 2]", "[1, 3]", "[1, 2, 3]"),
        ("[1, 2]", "[1]", "[1, 2]"),
        ("[1]", "[1, 2]", "[1, 2]"),
    ],
)
def test_without_a_common_version_what_both_begin_with_counts_as_it(ours: str, theirs: str, merged: str) -> None:
    found = Append().settle(contest(ABSENT, ours, theirs))
    assert (found.value, found.lossless) == (merged, True)


@pytest.mark.parametrize(
    ("base", "ours", "theirs"),
    [
        ("a\nb\n", "a\nb\nc\n", "a\n"),
        ("a\n", "a\nb\n", "edited\n"),
        ("a\n", "a\nb\n", None),
        ("a\n", "a\nb\n", 12),
        ("[1]", "[1, 2]", "[2]"),
        ("[1, 2]", "[1, 2, 3]", "[1]"),
        ("[1]", "[1, 2]", "[1"),
    ],
)
def test_what_did_more_than_grow_goes_to_the_newer_with_a_note(base: Value, ours: Value, theirs: Value) -> None:
    found = Append().settle(contest(base, ours, theirs, times=(10, 20)))
    assert (found.value, found.lossless) == (theirs, False)
    assert "the newer value stands" in found.note
    assert Append().settle(contest(base, ours, theirs, times=(20, 10))).value == ours


def test_d37_a_value_cannot_grow_beyond_what_a_value_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "VALUE_BYTES_MAX", 10)
    assert Append().settle(contest("", "é" * 2, "é" * 3)).value == "é" * 5
    with pytest.raises(MergeError, match="cannot grow"):
        Append().settle(contest("", "é" * 3, "é" * 3 + "x"))
