"""Three-way merge of text."""

import re

import pytest
from tests.unit.merge.policies.contests import contest, swapped

from syncline.merge.policies.text import Text
from syncline.merge.policy import Settled
from syncline.model import limits
from syncline.model.value import ABSENT, Tagged, Value

POEM = "the rain\nfalls on\nthe roof\nall night\n"


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "merged"),
    [
        (POEM, POEM.replace("rain", "snow"), POEM.replace("night", "day"), "the snow\nfalls on\nthe roof\nall day\n"),
        (POEM, "title\n" + POEM, POEM + "end\n", "title\n" + POEM + "end\n"),
        (POEM, POEM.replace("falls on\n", ""), POEM.replace("all night\n", ""), "the rain\nthe roof\n"),
        (POEM, POEM.replace("falls on\n", ""), POEM + "end", "the rain\nthe roof\nall night\nend"),
        (
            POEM,
            POEM.replace("the rain", "The rain"),
            POEM.replace("the rain", "the rain,"),
            POEM.replace("the rain", "The rain,", 1),
        ),
        ("call Bob on Monday at nine", "call Rob on Monday at nine", "call Bob on Monday at ten", "call Rob on Monday at ten"),
        ("John Smith", "Jon Smith", "John Smyth", "Jon Smyth"),
        ("one two three", "one two three four", "zero one two three", "zero one two three four"),
        (
            "I live in Köln am Rhein",
            "I live in Ko\u0308ln am Rhein",
            "I lived in Köln am Rhein",
            "I lived in Ko\u0308ln am Rhein",
        ),
        ("漢字は難しい", "漢字は易しい", "仮字は難しい", "仮字は易しい"),
        ("हिन्दी भाषा सरल है", "हिन्दी भाषा कठिन है", "हिन्दी बोली सरल है", "हिन्दी बोली कठिन है"),
        ("x = 1, y = 2", "x = 5, y = 2", "x = 1, y = 7", "x = 5, y = 7"),
    ],
)
def test_changes_in_different_places_are_both_kept(base: str, ours: str, theirs: str, merged: str) -> None:
    for times in ((10, 20), (20, 10)):
        one = contest(base, ours, theirs, times=times)
        for found in (Text().settle(one), Text().settle(swapped(one))):
            assert (found.value, found.lossless, found.note) == (merged, True, "")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_endings_and_a_missing_last_one_stay(end: str) -> None:
    lines = ["one", "two", "three", "four", "five"]
    base = end.join(lines)
    ours, theirs = base.replace("one", "1"), base.replace("five", "5")
    assert Text().settle(contest(base, ours, theirs)).value == end.join(["1", "two", "three", "four", "5"])


def test_a_side_that_ends_its_last_line_keeps_the_end() -> None:
    assert Text().settle(contest("a\nb\nc", "a\nb\nc\n", "A\nb\nc")).value == "A\nb\nc\n"


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "older", "newer"),
    [
        ("the cat sat", "the dog sat", "the cow sat", "the dog sat", "the cow sat"),
        ("a\n", "b\n", "c\n", "b\n", "c\n"),
        ("a\n", "", "c\n", "", "c\n"),
        ("", "new", "other", "new", "other"),
        (
            "The cat sat on the mat.\nBye.\n",
            "The dog sat on the red mat.\nBye.\n",
            "The cow sat on the mat.\nBye!\n",
            "The dog sat on the red mat.\nBye!\n",
            "The cow sat on the red mat.\nBye!\n",
        ),
        (
            "call bob tomorrow",
            "met him already, all is fine",
            "call rob on monday",
            "met him already, all is fine",
            "call rob on monday",
        ),
    ],
)
def test_words_that_both_changed_go_to_the_newer_side(base: str, ours: str, theirs: str, older: str, newer: str) -> None:
    found = Text().settle(contest(base, ours, theirs, times=(10, 20)))
    assert (found.value, found.lossless, found.open) == (newer, False, False)
    found = Text().settle(contest(base, ours, theirs, times=(20, 10)))
    assert (found.value, found.lossless) == (older, False)


def test_two_new_texts_are_never_mixed() -> None:
    """Spaces and points that happen to be in both are nothing that was left alone."""
    base = "call bob. ask him. write back."
    ours, theirs = "met bob. all fine. paid him.", "call rob. ask her. send bill."
    found = Text().settle(contest(base, ours, theirs))
    assert found.value == theirs
    assert not found.lossless


def test_the_note_names_the_lines_and_the_peer() -> None:
    text = "".join(f"line {number} here\n" for number in range(1, 10))
    ours = text.replace("line 3", "row 3").replace("line 8 here", "eight").replace("line 9 here", "nine")
    theirs = text.replace("line 3", "item 3").replace("line 8 here", "VIII").replace("line 9 here", "IX")
    found = Text().settle(contest(text, ours, theirs))
    assert found.note == "both sides changed lines 3, 8-9; the newer words of munich stand there"
    one_line = Text().settle(contest("a", "b", "c", times=(20, 10)))
    assert one_line.note == "both sides changed line 1; the newer words of hq stand there"


def test_the_note_stays_short() -> None:
    text = "\n\n".join(f"stanza {number}\nrefrain" for number in range(50))
    found = Text().settle(contest(text, text.replace("stanza", "verse"), text.replace("stanza", "strophe")))
    assert f"and {50 - limits.NOTE_PLACES_MAX} more places" in found.note
    assert len(found.note) < limits.NOTE_CHARS_MAX


def test_no_marks_are_put_into_the_text() -> None:
    found = Text().settle(contest("a\nb\n", "x\nb\ny\n", "z\nb\nw\n"))
    assert isinstance(found.value, str)
    assert not re.search(r"<<<<|====|>>>>", found.value)


@pytest.mark.parametrize(
    ("base", "ours", "theirs"),
    [
        (ABSENT, "a", "b"),
        ("a", None, "b"),
        ("a", "b", 12),
        ("a", b"b", "c"),
        ("a", Tagged("rawtext", "ff"), "c"),
        ("a", "b" * (limits.TEXT_MERGE_CHARS_MAX + 1), "c"),
    ],
)
def test_what_cannot_be_merged_goes_to_the_newer_with_a_note(base: Value, ours: Value, theirs: Value) -> None:
    found = Text().settle(contest(base, ours, theirs, times=(20, 10)))
    assert (found.value, found.lossless) == (ours, False)
    assert found.note.endswith("the newer value stands")


def test_lines_that_both_sides_put_where_nothing_was_all_stay() -> None:
    found = Text().settle(contest(None, "from van\n", "from hq\n", times=(20, 10)))
    assert sorted(str(found.value).splitlines()) == ["from hq", "from van"]
    assert found.lossless


def test_x9_texts_made_to_be_slow_are_merged_coarsely_within_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """With no budget at all the two still differ as wholes, and the newer one stands."""
    base, ours, theirs = "a b a b a\n" * 50, "b a b a b\n" * 50, "a a b b a\n" * 50
    monkeypatch.setattr(limits, "DIFF_STEPS_MAX", 0)
    found = Text().settle(contest("start\n" + base, "START\n" + ours, "Start\n" + theirs))
    assert found.value == "Start\n" + theirs
    assert not found.lossless


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "merged"),
    [
        ("x\n", "x\ny\n", "x\nz\n", "x\ny\nz\n"),
        ("x", "x\ny", "x\nz", "x\ny\nz"),
        ("", "a\n", "b\n", "a\nb\n"),
        ("x\n", "x\na\nb\n", "x\na\nc\n", "x\na\nb\nc\n"),
    ],
)
def test_lines_that_both_add_at_one_place_all_stay(base: str, ours: str, theirs: str, merged: str) -> None:
    assert Text().settle(contest(base, ours, theirs)) == Settled(merged, "merged", lossless=True)
