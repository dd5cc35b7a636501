"""What a repair makes of one row: by each policy, for every shape of copies, and without a new stamp where nobody wrote."""

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline.compare.repair import (
    LONG_AGO,
    Does,
    Facts,
    Outcome,
    RepairPolicy,
    Told,
    classify,
    propose,
    read_policy,
    take_back,
)
from syncline.merge.copies import Told as Last
from syncline.merge.copies import merge_copies
from syncline.merge.policies.counter import Counter
from syncline.merge.policies.registers import Manual, Newest
from syncline.merge.policies.sets import Set
from syncline.merge.policy import Rules
from syncline.merge.view import View, grow
from syncline.model.change import Change
from syncline.model.value import ABSENT, Row, changed_fields, pad

COLUMNS: Final = ("id", "a", "n", "s", "m")
RULES: Final = Rules("items", COLUMNS, (Newest(), Newest(), Counter(), Set(), Manual()), "update_wins")
OLD: Final[Row] = (1, "x", 0, None, None)
NEW: Final[Row] = (1, "y", 5, None, None)
TIME: Final = 1_000

Rows = dict[str, Row | None]


def facts(rows: Rows, told: Told | None, *silent: str) -> Facts:
    """What a hub would know."""

    def merge(authority: str | None) -> Change:
        last = Last(told.row) if told is not None else None
        return merge_copies(RULES, (1,), rows, authority=authority or "", told=last, silent=silent)

    return Facts(told, silent, merge)


def outcome(text: str, rows: Rows, told: Told | None = None, *silent: str) -> Outcome:
    """What a policy makes of rows."""
    policy = read_policy(text)
    assert policy is not None
    return propose("items", (1,), rows, policy, facts(rows, told, *silent))


def does(found: Outcome) -> dict[str, str]:
    """What each peer does, with the fields of an update."""
    steps = found.steps(COLUMNS)
    return {peer: " ".join([step.does.value, *step.fields]) for peer, step in steps.items()}


def stamped(found: Outcome) -> View:
    """What the window would hold for a peer that was away."""
    (sent,) = found.sent
    return grow(None, sent.change, 7, sent.origin, 9_000)


LACKS: Final[Rows] = {"p": OLD, "q": None, "r": OLD}
DIFFER: Final[Rows] = {"p": OLD, "q": NEW, "r": OLD}
BOTH: Final[Rows] = {"p": OLD, "q": NEW, "r": None}
KNOWN: Final = Told(OLD, TIME, 3)
GONE: Final = Told(None, TIME, 3)
NO: Final = "nothing"

CASES: Final = [
    ("merge", LACKS, KNOWN, {"p": NO, "q": "insert", "r": NO}),
    ("merge", LACKS, GONE, {"p": "delete", "q": NO, "r": "delete"}),
    ("merge", DIFFER, KNOWN, {"p": NO, "q": "update a n", "r": NO}),
    ("merge", {"p": OLD, "q": NEW}, Told(NEW, TIME, 3), {"p": "update a n", "q": NO}),
    ("authority:q", DIFFER, KNOWN, {"p": "update a n", "q": NO, "r": "update a n"}),
    ("authority:q", LACKS, KNOWN, {"p": "delete", "q": NO, "r": "delete"}),
    ("authority:q", BOTH, GONE, {"p": "update a n", "q": NO, "r": "insert"}),
    ("upsert:q", DIFFER, KNOWN, {"p": "update a n", "q": NO, "r": "update a n"}),
    ("upsert:p", BOTH, None, {"p": NO, "q": "update a n", "r": "insert"}),
    ("insert:q", BOTH, None, {"p": NO, "q": NO, "r": "insert"}),
    ("insert", LACKS, GONE, {"p": NO, "q": "insert", "r": NO}),
]


@pytest.mark.parametrize(("text", "rows", "told", "expected"), CASES)
def test_every_policy_says_what_each_peer_will_do(text: str, rows: Rows, told: Told | None, expected: dict[str, str]) -> None:
    found = outcome(text, rows, told)
    assert not found.left
    assert does(found) == expected


LEFT: Final = [
    ("upsert:q", LACKS, "q has no such row"),
    ("insert:q", LACKS, "q has no such row"),
    ("insert", DIFFER, "no peer lacks the row"),
    ("insert", BOTH, "the copies that there are differ"),
    ("authority:z", DIFFER, "z was not compared"),
]


@pytest.mark.parametrize(("text", "rows", "why"), LEFT)
def test_what_a_policy_does_not_decide_is_left_and_says_why(text: str, rows: Rows, why: str) -> None:
    found = outcome(text, rows)
    assert found.left.startswith(why)
    assert (found.sent, set(does(found).values())) == ((), {NO})


def test_who_only_receives_has_no_say() -> None:
    assert outcome("authority:q", DIFFER, KNOWN, "q").left.startswith("q only receives")
    assert outcome("insert", {"p": None, "q": NEW}, None, "q").left == "who has the row only receives"
    assert outcome("insert:q", {"p": None, "q": NEW}, None, "q").left.startswith("q only receives")
    merged = outcome("merge", {"p": OLD, "q": NEW}, Told(NEW, TIME, 3), "q")
    assert does(merged) == {"p": NO, "q": "update a n"}


@pytest.mark.parametrize("text", ["merge", "authority:p", "upsert:p"])
def test_what_the_log_told_last_is_no_news_to_anybody(text: str) -> None:
    """A peer that was away and edits the row without knowing of the repair contests nothing: no field has a stamp."""
    view = stamped(outcome(text, DIFFER, KNOWN))
    assert view.row == OLD
    assert view.stamps == (None,) * 5
    assert view.touch == 7, "everyone gets the row"
    missing = stamped(outcome(text, LACKS, KNOWN))
    assert (missing.row, missing.stamps, missing.dead) == (OLD, (None,) * 5, None)


def test_a_row_that_the_log_deleted_goes_without_another_delete() -> None:
    view = stamped(outcome("merge", {"p": OLD, "q": None}, GONE))
    assert (view.row, view.dead, view.touch) == (None, None, 7)


def test_another_row_is_as_old_as_the_logs_word_and_its_own_peers() -> None:
    view = stamped(outcome("authority:q", DIFFER, KNOWN))
    assert view.stamps == (None, (7, "q", TIME), (7, "q", TIME), None, None)
    gone = stamped(outcome("authority:q", LACKS, KNOWN))
    assert (gone.dead, gone.last) == ((7, "q", TIME), OLD)
    back = stamped(outcome("authority:p", {"p": OLD, "q": None}, GONE))
    assert set(back.stamps) == {(7, "p", TIME)}
    unknown = stamped(outcome("upsert:q", DIFFER, None))
    assert unknown.stamps == (None, (7, "q", LONG_AGO), (7, "q", LONG_AGO), None, None)


def test_a_field_that_its_peer_does_not_send_is_nobodys() -> None:
    rows: Rows = {"p": OLD, "q": (1, "y", ABSENT, None, None)}
    (sent,) = outcome("authority:q", rows, Told((1, "z", 3, None, None), TIME, 3)).sent
    assert sent.change.after == (1, "y", 0, None, None)
    assert sent.change.verdict is not None
    assert sent.change.verdict.merged == (2,)


@pytest.mark.parametrize("text", ["merge", "authority:p", "upsert:p", "insert", "insert:p"])
def test_a_row_that_was_merely_missing_is_no_loser(text: str) -> None:
    for sent in outcome(text, LACKS, KNOWN).sent:
        assert sent.change.verdict is not None
        assert sent.change.verdict.conflicts == ()


@pytest.mark.parametrize("text", ["merge", "authority:p", "upsert:p"])
def test_what_does_not_stand_is_kept(text: str) -> None:
    (sent,) = outcome(text, DIFFER, KNOWN).sent
    assert sent.change.verdict is not None
    kept = {(one.field, one.theirs.peer, one.theirs.value, one.open) for one in sent.change.verdict.conflicts}
    assert kept == {("a", "q", "y", False), ("n", "q", 5, False)}
    (gone,) = outcome("authority:q", LACKS, KNOWN).sent
    assert gone.change.verdict is not None
    assert [one.theirs.row for one in gone.change.verdict.conflicts] == [OLD]


def test_insert_goes_to_those_alone_who_lack_the_row() -> None:
    found = outcome("insert:p", {"p": OLD, "q": None, "r": NEW, "s": None}, KNOWN)
    assert [(sent.to, sent.change.after) for sent in found.sent] == [("q", OLD), ("s", OLD)]
    assert found.after == {"p": OLD, "q": OLD, "r": NEW, "s": OLD}


CLASSES: Final = [
    (DIFFER, None, "field"),
    (DIFFER, GONE, "field"),
    (LACKS, KNOWN, "missing"),
    (LACKS, GONE, "extra"),
    (LACKS, None, "missing"),
    ({"p": OLD, "q": None, "r": None}, None, "extra"),
    ({"p": OLD, "q": None, "r": None}, KNOWN, "missing"),
    ({"p": OLD, "q": None}, None, "missing"),
]


@pytest.mark.parametrize(("rows", "told", "kind"), CLASSES)
def test_the_class_of_a_difference(rows: Rows, told: Told | None, kind: str) -> None:
    assert classify(rows, told) == kind


def test_who_only_receives_has_no_say_in_what_is_missing() -> None:
    ours, others = {"p": None, "q": OLD}, {"p": OLD, "q": None}
    assert [classify(rows, None, {"q"}) for rows in (ours, others)] == ["extra", "missing"]
    assert classify({"p": None, "q": OLD, "r": OLD}, None, {"q", "r"}) == "extra"
    assert classify(ours, KNOWN, {"q"}) == "missing", "the log knows"


@pytest.mark.parametrize("text", ["", "merge:", "merge:p", "authority", "authority:", "upsert", "insert:", "newest", "MERGE"])
def test_what_is_no_policy(text: str) -> None:
    assert read_policy(text) is None


@pytest.mark.parametrize("text", ["merge", "authority:hq", "upsert:v.2-x", "insert", "insert:hq"])
def test_a_policy_is_written_as_it_is_read(text: str) -> None:
    policy = read_policy(text)
    assert policy is not None
    assert policy.text == text
    assert isinstance(policy, RepairPolicy)


# -- taking back -------------------------------------------------------------------------------------------------------------


def test_the_row_that_the_log_had_is_everyones_again() -> None:
    now: Rows = {"p": NEW, "q": NEW, "r": NEW}
    found = take_back("items", (1,), now, DIFFER, KNOWN, Told(NEW, TIME, 9))
    (sent,) = found.sent
    assert (sent.to, sent.change.after, set(found.after.values())) == ("", OLD, {OLD})
    gone = take_back("items", (1,), {"p": None, "q": None}, {"p": OLD, "q": None}, KNOWN, Told(None, TIME, 9))
    assert does(gone) == {"p": "insert", "q": "insert"}


def test_nothing_is_taken_back_where_the_logs_row_stands() -> None:
    now: Rows = dict.fromkeys("pqr", OLD)
    assert take_back("items", (1,), now, DIFFER, KNOWN, Told(OLD, TIME, 9)).left.startswith("the space's row is as it was")


@pytest.mark.parametrize("before", [None, GONE])
def test_where_the_log_had_no_row_each_peer_gets_what_it_had(before: Told | None) -> None:
    now: Rows = dict.fromkeys("pqr", OLD)
    found = take_back("items", (1,), now, {"p": OLD, "q": None, "r": NEW}, before, Told(OLD, TIME, 9))
    assert found.after == {"p": OLD, "q": None, "r": NEW}
    assert {sent.to: sent.change.after for sent in found.sent} == {"q": None, "r": NEW}


# -- whatever the rows are ----------------------------------------------------------------------------------------------------

FIELD: Final = st.sampled_from([None, 1, 2, "a"])
ROW: Final = st.none() | st.tuples(st.just(1), FIELD, st.sampled_from([None, 1, 2]), st.sampled_from([None, "x", "x,y"]), FIELD)
COPIES: Final = st.lists(ROW, min_size=2, max_size=4).filter(lambda rows: len(set(rows)) > 1)
TOLD: Final = st.none() | ROW.map(lambda row: Told(row, TIME, 3))


def applied(found: Outcome) -> Rows:
    """The copies once every peer has what the log got for it: a whole row or none."""
    rows = dict(found.stood)
    for sent in found.sent:
        for peer in [sent.to] if sent.to else rows:
            rows[peer] = sent.change.after
    return rows


def named(copies: list[Row | None]) -> Rows:
    return dict(zip("pqrs", copies, strict=False))


@given(COPIES, TOLD, st.sampled_from(["merge", "authority:p", "authority:q", "upsert:p", "upsert:q"]))
def test_a_plan_that_is_applied_makes_all_peers_equal(copies: list[Row | None], told: Told | None, text: str) -> None:
    found = outcome(text, named(copies), told)
    if found.left:
        assert found.stood[text[-1]] is None
        assert text.startswith("upsert")
        return
    rows = applied(found)
    assert rows == found.after
    assert len(set(rows.values())) == 1
    if text != "merge":
        assert rows[text[-1]] == found.stood[text[-1]], "the named peer's row stands"


@given(COPIES, TOLD, st.sampled_from(["insert", "insert:p", "insert:q"]))
def test_insert_never_changes_or_deletes_a_row(copies: list[Row | None], told: Told | None, text: str) -> None:
    found = outcome(text, named(copies), told)
    rows = applied(found)
    assert rows == found.after
    assert all(rows[peer] == row for peer, row in found.stood.items() if row is not None)
    assert {step.does for step in found.steps(COLUMNS).values()} <= {Does.INSERT, Does.NOTHING}
    assert bool(found.left) == (rows == found.stood)


@given(COPIES, TOLD, st.sampled_from(["upsert:p", "upsert:q"]))
def test_upsert_never_deletes_a_row(copies: list[Row | None], told: Told | None, text: str) -> None:
    found = outcome(text, named(copies), told)
    assert all(found.after[peer] is not None for peer, row in found.stood.items() if row is not None)


@given(COPIES, ROW.map(lambda row: Told(row, TIME, 3)), st.sampled_from(["merge", "authority:p", "upsert:q"]))
def test_a_field_has_a_stamp_only_where_copies_differed_and_the_log_told_another_value(
    copies: list[Row | None], told: Told, text: str
) -> None:
    found = outcome(text, named(copies), told)
    if found.left:
        return
    view = stamped(found)
    assert all(stamp is None or stamp.time == TIME for stamp in view.stamps)
    if view.row is None or told.row is None:
        assert (view.dead is None) == (view.row is not None or told.row is None)
        return
    news = {place for place, stamp in enumerate(view.stamps) if stamp is not None}
    assert news <= set(changed_fields(pad(told.row, 5), view.row))


@given(COPIES, TOLD, st.sampled_from(["merge", "authority:p", "upsert:q", "insert"]))
def test_steps_say_what_changes(copies: list[Row | None], told: Told | None, text: str) -> None:
    found = outcome(text, named(copies), told)
    for peer, step in found.steps(COLUMNS).items():
        before, after = found.stood[peer], found.after[peer]
        assert (step.does is Does.NOTHING) == (before == after)
        assert (step.does is Does.DELETE) == (before is not None and after is None)
        assert bool(step.fields) == (step.does is Does.UPDATE)


@given(COPIES, TOLD, st.sampled_from(["merge", "authority:p", "upsert:q", "insert", "insert:q"]))
def test_taking_back_brings_the_logs_row_or_everyones_own(copies: list[Row | None], told: Told | None, text: str) -> None:
    found = outcome(text, named(copies), told)
    if found.left:
        return
    made = applied(found)
    back = take_back("items", (1,), made, found.stood, told, Told(made["p"], TIME, 9))
    rows = applied(back)
    assert rows == back.after
    if told is not None and told.row is not None:
        assert set(rows.values()) == {told.row}
    else:
        assert rows == found.stood
