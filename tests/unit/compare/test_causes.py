"""What a row's copies and its history in the log say of why they differ."""

from collections.abc import Mapping, Sequence

import pytest

from syncline.compare.causes import Cause, Guess, explain, guess
from syncline.model.value import ABSENT, Row, Tagged

OLD: Row = (1, "old")
NEW: Row = (1, "new")
ODD: Row = (1, "odd")
NONE: frozenset[str] = frozenset()


@pytest.mark.parametrize(
    ("rows", "told", "cascading", "found"),
    [
        ({"p": NEW, "q": ODD, "r": NEW}, [OLD, NEW], NONE, Guess(Cause.UNCAPTURED, ("q",))),
        ({"p": NEW, "q": OLD, "r": NEW}, [OLD, NEW], NONE, Guess(Cause.WENT_BACK, ("q",))),
        ({"p": NEW, "q": None}, [None, NEW], NONE, Guess(Cause.WENT_BACK, ("q",))),
        ({"p": NEW, "q": None}, [OLD, NEW], NONE, Guess(Cause.UNCAPTURED, ("q",))),
        ({"p": NEW, "q": None}, [OLD, NEW], frozenset({"q"}), Guess(Cause.CASCADE, ("q",))),
        ({"p": NEW, "q": None}, [OLD, NEW], frozenset({"p"}), Guess(Cause.UNCAPTURED, ("q",))),
        ({"p": (1, "Straße "), "q": (1, "STRASSE")}, [(1, "Straße ")], NONE, Guess(Cause.LENS, ("q",))),
        ({"p": (1, Tagged("real", "0.123456")), "q": (1, Tagged("real", "0.1235"))}, [], NONE, Guess(Cause.LENS, ())),
        ({"p": NEW, "q": ODD}, [], NONE, Guess(Cause.UNKNOWN, ())),
        ({"p": NEW, "q": ODD, "r": NEW}, [], NONE, Guess(Cause.UNKNOWN, ("q",))),
        ({"p": NEW, "q": ODD}, [OLD, (1, ABSENT)], NONE, Guess(Cause.UNKNOWN, ())),
        ({"p": (1, "new", "x"), "q": ODD}, [OLD, NEW], NONE, Guess(Cause.UNCAPTURED, ("q",))),
    ],
)
def test_p17_a_cause_is_guessed_from_what_the_log_told(
    rows: Mapping[str, Row | None], told: Sequence[Row | None], cascading: frozenset[str], found: Guess
) -> None:
    assert guess(rows, told, cascading) == found


def test_in_a_complete_log_what_it_never_had_was_not_captured() -> None:
    rows: dict[str, Row | None] = {"p": None, "q": NEW, "r": None}
    assert guess(rows, [], NONE, complete=True) == Guess(Cause.UNCAPTURED, ("q",))
    assert guess({"p": NEW, "q": None}, [NEW], NONE) == Guess(Cause.UNCAPTURED, ("q",)), "a filled row that is gone"
    assert guess({"p": NEW, "q": None}, [], NONE, complete=True) == Guess(Cause.UNKNOWN, ())


@pytest.mark.parametrize("cause", Cause)
@pytest.mark.parametrize("peers", [(), ("q",), ("q", "r")])
def test_every_guess_is_told_with_what_helps(cause: Cause, peers: tuple[str, ...]) -> None:
    why, fix = explain(Guess(cause, peers), "items")
    assert why
    assert "syncline" in fix


@pytest.mark.parametrize(
    ("rows", "told", "found"),
    [
        ({"p": NEW, "q": ODD}, [OLD, NEW], Guess(Cause.UNCAPTURED, ("q",))),
        ({"p": None, "q": ODD}, [], Guess(Cause.UNCAPTURED, ("q",))),
        ({"p": NEW, "q": ODD, "r": NEW}, [], Guess(Cause.UNCAPTURED, ("q",))),
        ({"p": NEW, "q": NEW, "r": ODD}, [], Guess(Cause.UNKNOWN, ("r",))),
    ],
)  # fmt: skip
def test_what_is_written_at_a_peer_that_only_receives_is_told_as_that(
    rows: Mapping[str, Row | None], told: Sequence[Row | None], found: Guess
) -> None:
    """No policy can make its rows stand, so none is proposed that would."""
    silent = frozenset("q")
    assert guess(rows, told, NONE, silent=silent) == found
    why, remedy = explain(found, "items", silent)
    assert "authority" not in remedy
    assert ("it only receives" in why) is (found.cause is Cause.UNCAPTURED)
    assert "it only receives" not in explain(found, "items")[0]
