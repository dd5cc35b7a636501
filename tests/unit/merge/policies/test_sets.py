"""Sets in lists and JSON arrays."""

import pytest
from tests.unit.merge.policies.contests import contest

from syncline.merge.policies.sets import Set
from syncline.model import limits
from syncline.model.value import ABSENT, Tagged, Value


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "merged"),
    [
        ("a,b", "a,b,c", "b,d", "b,c,d"),
        ("a, b", "a, b, c", "b", "b, c"),
        ("a , b", "a,b , c", "b", "b,c"),
        ("a", "c,a,b", "a,z,y", "c,a,b,z,y"),
        ("a,b,c", "a,c", "a,b", "a"),
        ("a", "a,b", "a,b,c", "a,b,c"),
        ("", "b", "a", "b,a"),
        (None, "b", "a", "b,a"),
        (ABSENT, "b, c", "a", "b, c, a"),
        ("a", " a ,, b,", "a,c", "a, b, c"),
        ("a", "A,a", "a,á", "A,a,á"),
        ('["a"]', '["a", "b"]', '["c"]', '["b", "c"]'),
        ('["a"]', '["a","b"]', '["a", "c"]', '["a","b","c"]'),
        ("[]", '["b"]', '["a"]', '["b","a"]'),
        (None, '["b"]', '["a"]', '["b","a"]'),
        ("", '[\n  "b",\n  "c"\n]', '["a"]', '[\n  "b",\n  "c",\n  "a"\n]'),
        ('["\\u0061"]', '["a", 1, null]', "[]", "[1, null]"),
        (Tagged("json", "[1]"), Tagged("json", "[1, 2]"), Tagged("json", "[1, 3]"), Tagged("json", "[1, 2, 3]")),
        ("[1]", "[1, 2]", Tagged("json", "[1, 3]"), "[1, 2, 3]"),
    ],
)
def test_additions_and_removals_of_both_sides_count(base: Value, ours: Value, theirs: Value, merged: Value) -> None:
    found = Set().settle(contest(base, ours, theirs))
    assert found.value == merged
    assert found.lossless


def test_d19_numbers_of_a_json_array_keep_their_text() -> None:
    found = Set().settle(contest("[1]", "[1, 1.0, 1e400, 12345678901234567890123]", "[0.1000000000000000055]"))
    assert found.value == "[1.0, 1e400, 12345678901234567890123, 0.1000000000000000055]"


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "merged"),
    [
        ("a", None, "", None),
        ("a", "", None, None),
        ("a,b", None, "b", None),
        ("a,b", "a", "b", ""),
        ('["a"]', None, "[ ]", None),
        ('["a", "b"]', '["a"]', '["b"]', "[]"),
        ("a", None, "a,b", "b"),
        ('["a"]', None, '["a", "b"]', '["b"]'),
    ],
)
def test_d31_null_is_empty_and_comes_back_only_for_an_empty_result(
    base: Value, ours: Value, theirs: Value, merged: Value
) -> None:
    assert Set().settle(contest(base, ours, theirs)).value == merged


@pytest.mark.parametrize(
    ("separator", "base", "ours", "theirs", "merged"),
    [
        (";", "a;b", "a; b; c", "b", "b; c"),
        (";", "", "[x];a,b", "y", "[x];a,b;y"),
        ("\n", "a\nb", "a\nb\nc", "b\nd", "b\nc\nd"),
        (" ", "a b", "a  b c", "b d", "b c d"),
        (" | ", "a | b", "a | b | c", "b", "b | c"),
        ("json", None, "[1]", "[2]", "[1,2]"),
    ],
)
def test_a_declared_separator(separator: str, base: Value, ours: Value, theirs: Value, merged: Value) -> None:
    assert Set(separator).settle(contest(base, ours, theirs)).value == merged


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "reason"),
    [
        ("a", '["a"]', "a,b", "JSON array and the other a list"),
        ("[]", "[1", "[2]", "missing"),
        ("[]", "[[1]]", "[2]", "object or array"),
        ("[]", "[1] x", "[2]", "follows"),
        ("a", 12, "a,b", "no text"),
        ("a", b"a", "a,b", "no text"),
        ("a", "x" + ",x" * limits.SET_ITEMS_MAX, "a,b", "more than"),
    ],
)
def test_what_is_no_set_goes_to_the_newer_with_the_reason(base: Value, ours: Value, theirs: Value, reason: str) -> None:
    newer = Set().settle(contest(base, ours, theirs, times=(10, 20)))
    assert (newer.value, newer.lossless) == (theirs, False)
    older = Set().settle(contest(base, ours, theirs, times=(20, 10)))
    assert (older.value, older.lossless) == (ours, False)
    assert reason in older.note


def test_json_is_demanded_where_it_is_declared() -> None:
    assert "starts no value" in Set("json").settle(contest("", "a,b", "[1]")).note
    assert "no JSON array" in Set("json").settle(contest("[]", '{"a": 1}', "[1]")).note
