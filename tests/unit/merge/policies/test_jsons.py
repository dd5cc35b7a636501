"""Three-way merge of JSON documents by path."""

import json

import pytest
from tests.unit.merge.policies.contests import contest

from syncline.merge.policies.jsons import Json
from syncline.model import limits
from syncline.model.value import ABSENT, Tagged, Value


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "merged"),
    [
        ('{"a": 1, "b": 2}', '{"a": 9, "b": 2}', '{"a": 1, "b": 8}', '{"a": 9, "b": 8}'),
        ('{"a": 1}', '{"a": 1, "b": 2}', '{"a": 1, "c": 3}', '{"a": 1, "b": 2, "c": 3}'),
        ('{"a": 1, "b": 2}', '{"a": 1}', '{"a": 1, "b": 2, "c": 3}', '{"a": 1, "c": 3}'),
        ('{"a": 1, "b": 2}', '{"b": 2}', '{"a": 1}', "{}"),
        ('{"a": {"x": 1, "y": 1}}', '{"a": {"x": 2, "y": 1}}', '{"a": {"x": 1, "y": 3}}', '{"a": {"x": 2, "y": 3}}'),
        ('{"a": {"x": 1}}', '{"a": {"x": 1}, "b": 1}', "{}", '{"b": 1}'),
        ('{"a":1}', '{"a":1,"b":2}', '{ "a" : 1 , "c" : 3 }', '{"a":1,"b":2,"c" : 3}'),
        ("{}", '{"a": 1}', '{"b": 1}', '{"a": 1,"b": 1}'),
        ('{"t": ["a", "b"]}', '{"t": ["a", "b", "c"]}', '{"t": ["b", "d"]}', '{"t": ["b", "c", "d"]}'),
        ("[1, 2]", "[1, 2, 3]", "[1, 2, 4]", "[1, 2, 3, 4]"),
        ("[1, 2]", "[1, 2, 3]", "[1, 2, 3, 4]", "[1, 2, 3, 4]"),
        ("[1, 2]", "[1]", "[2]", "[]"),
        (ABSENT, '{"a": 1}', '{"b": 2}', '{"a": 1,"b": 2}'),
        (None, '{"a": {"x": 1}}', '{"a": {"y": 2}}', '{"a": {"x": 1,"y": 2}}'),
        ('{"a": 1}', '{"a": {"x": 1}}', '{"a": {"x": 1, "y": 2}}', '{"a": {"x": 1, "y": 2}}'),
        ('{"a": 1, "b": 1}', '{"b": 1, "a": 1}', '{"a": 2, "b": 1}', '{"a": 2, "b": 1}'),
    ],
)
def test_what_the_sides_changed_at_different_paths_is_both_kept(base: Value, ours: Value, theirs: Value, merged: str) -> None:
    for times in ((10, 20), (20, 10)):
        found = Json().settle(contest(base, ours, theirs, times=times))
        assert (found.value, found.lossless, found.note) == (merged, True, "")


DOCUMENT = """{
  "id": 12345678901234567890123,
  "rate": 0.1000000000000000055,
  "huge": 1e400,
  "zero": -0.0,
  "name": "\\u00c5sa \\/ \\ud83d\\ude00",
  "nested": { "tight":[1,2 , 3],   "x": true },
  "last": null
}
"""


def test_d19_what_nobody_changed_keeps_every_byte() -> None:
    ours, theirs = DOCUMENT.replace("true", "false"), DOCUMENT.replace('"last": null', '"last": 1.50')
    found = Json().settle(contest(DOCUMENT, ours, theirs))
    assert found.value == DOCUMENT.replace("true", "false").replace('"last": null', '"last": 1.50')


def test_d19_spacing_of_a_changed_object_is_kept_where_members_come_and_go() -> None:
    ours = DOCUMENT.replace('  "huge": 1e400,\n', "")
    theirs = DOCUMENT.replace('"last": null', '"last": null,\n  "new": 1E+2')
    expected = DOCUMENT.replace('  "huge": 1e400,\n', "").replace('"last": null', '"last": null,\n  "new": 1E+2')
    assert Json().settle(contest(DOCUMENT, ours, theirs)).value == expected
    ours = DOCUMENT.replace(',\n  "last": null', "")
    assert Json().settle(contest(DOCUMENT, ours, theirs)).value == ours.replace("true }", 'true },\n  "new": 1E+2')


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "older", "newer", "place"),
    [
        ('{"a": 1, "k": 0}', '{"a": 2, "k": 5}', '{"a": 3, "k": 0}', '{"a": 2, "k": 5}', '{"a": 3, "k": 5}', "$.a"),
        ('{"a": {"b c": 1}}', '{"a": {"b c": 2}}', '{"a": {"b c": 3}}', '{"a": {"b c": 2}}', '{"a": {"b c": 3}}', "$.a['b c']"),
        ('{"a": 1}', "{}", '{"a": 3}', "{}", '{"a": 3}', "$.a"),
        ('{"a": 1, "b": 1}', '{"a": 2, "b": 1}', '{"b": 1}', '{"a": 2, "b": 1}', '{"b": 1}', "$.a"),
        ('{"a": 1}', '{"a": [1]}', '{"a": {"x": 1}}', '{"a": [1]}', '{"a": {"x": 1}}', "$.a"),
        ("[1, 2]", "[2, 1]", "[1, 2, 3]", "[2, 1]", "[1, 2, 3]", "$"),
        ("[1, 2]", "[0, 1, 2]", "[1, 2, 3]", "[0, 1, 2]", "[1, 2, 3]", "$"),
        ("[1, 1]", "[1]", "[1, 1, 3]", "[1]", "[1, 1, 3]", "$"),
        ('[{"a": 1}]', '[{"a": 2}]', '[{"a": 1}, 2]', '[{"a": 2}]', '[{"a": 1}, 2]', "$"),
        ("1", "2", "3", "2", "3", "$"),
        (ABSENT, "[1]", "[2]", "[1]", "[2]", "$"),
    ],
)
def test_what_both_changed_at_one_path_goes_to_the_newer_and_is_noted(
    base: Value, ours: Value, theirs: Value, older: str, newer: str, place: str
) -> None:
    found = Json().settle(contest(base, ours, theirs, times=(10, 20)))
    assert (found.value, found.lossless) == (newer, False)
    assert found.note == f"both sides changed {place}; the newer value of munich stands there"
    found = Json().settle(contest(base, ours, theirs, times=(20, 10)))
    assert (found.value, found.lossless) == (older, False)


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "reason"),
    [
        ('{"a": 1}', '{"a": 1, "a": 2}', '{"a": 3}', "stands twice"),
        ('{"a": 1}', '{"a": 2', '{"a": 3}', "is missing"),
        ('{"a": NaN}', '{"a": 2}', '{"a": 3}', "starts no value"),
        ('{"a": 1}', "hello", '{"a": 3}', "starts no value"),
        ('{"a": 1}', None, '{"a": 3}', "no JSON document"),
        ('{"a": 1}', 12, '{"a": 3}', "no JSON document"),
        ("[]", "[" * 201 + "]" * 201, "[1]", "nested deeper"),
        ("[]", "[" + "1," * 500_000 + "1]", "[1]", f"more than {limits.JSON_MERGE_CHARS_MAX}"),
    ],
)
def test_what_cannot_be_taken_apart_goes_to_the_newer_whole(base: Value, ours: Value, theirs: Value, reason: str) -> None:
    found = Json().settle(contest(base, ours, theirs, times=(20, 10)))
    assert (found.value, found.lossless) == (ours, False)
    assert reason in found.note


def test_the_carrier_of_ours_is_kept() -> None:
    base, ours, theirs = (json.dumps(tree) for tree in ({"a": 1, "b": 1}, {"a": 2, "b": 1}, {"a": 1, "b": 2}))
    tagged = Json().settle(contest(Tagged("json", base), Tagged("json", ours), Tagged("json", theirs)))
    assert tagged.value == Tagged("json", '{"a": 2, "b": 2}')
    mixed = Json().settle(contest(base, ours, Tagged("json", theirs)))
    assert mixed.value == '{"a": 2, "b": 2}'


def test_the_note_names_a_few_paths_and_counts_the_rest() -> None:
    base, ours, theirs = (json.dumps({f"k{place}": value for place in range(9)}) for value in (1, 2, 3))
    found = Json().settle(contest(base, ours, theirs))
    assert f"and {9 - limits.NOTE_PLACES_MAX} more" in found.note
    assert len(found.note) < limits.NOTE_CHARS_MAX


def test_x9_documents_as_deep_as_allowed_are_merged() -> None:
    opening, closing = '{"a":' * (limits.JSON_DEPTH_MAX - 1), "}" * (limits.JSON_DEPTH_MAX - 1)
    base, ours, theirs = (opening + inner + closing for inner in ("{}", '{"x":1}', '{"y":1}'))
    assert Json().settle(contest(base, ours, theirs)).value == opening + '{"x":1,"y":1}' + closing
