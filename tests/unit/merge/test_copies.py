"""Copies that should be equal and are not: each field by its policy, rows by the log or by most; every loser is kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.merge.broken import Broken

from syncline.merge.copies import Told, merge_copies, whole
from syncline.merge.policies.counter import Counter
from syncline.merge.policies.registers import Extreme, First, Manual, Newest, Prefer
from syncline.merge.policies.sets import Set
from syncline.merge.policies.text import Text
from syncline.merge.policy import Policy, Rules
from syncline.model.change import Change
from syncline.model.conflict import Conflict
from syncline.model.value import ABSENT, Row, Value


def merge(
    *rows: Row | None, policy: Policy | None = None, deletes: str = "update_wins", authority: str = "", told: Told | None = None
) -> Change:
    """The outcome for rows at the peers p, q, r, s: an id and one field."""
    rules = Rules("c", ("id", "f"), (Newest(), policy or Newest()), deletes)
    return merge_copies(rules, (1,), dict(zip("pqrs", rows, strict=False)), authority=authority, told=told)


def field(policy: Policy, *values: Value, authority: str = "", told: Value = ABSENT) -> Change:
    """The outcome for one field's values at p, q, r, s."""
    last = None if told is ABSENT else Told((1, told))
    return merge(*((1, value) for value in values), policy=policy, authority=authority, told=last)


def value(change: Change) -> Value:
    """The field's value that stands."""
    assert change.after is not None
    return change.after[1]


def kept(change: Change) -> tuple[Conflict, ...]:
    """The conflicts."""
    assert change.verdict is not None
    assert change.verdict.full
    assert change.verdict.correct
    return change.verdict.conflicts


@pytest.mark.parametrize("policy", [Newest(), First(), Manual(), Counter(), Set(), Text(), Prefer(["q"]), Extreme("max", 1)])
def test_f30_a_value_stands_against_null_whoever_and_however_many_hold_it(policy: Policy) -> None:
    for values in ((7, None, None), (None, 7, None), (None, 7), (7, None)):
        change = field(policy, *values, told=None)
        assert value(change) == 7
        (one,) = kept(change)
        assert (one.field, one.open, one.theirs.value, one.winner) == ("f", False, None, "pq"[values.index(7)])


def test_f30_what_a_peer_did_not_send_is_no_value_and_no_loser() -> None:
    change = merge((1,), (1, "new"), (1, ABSENT))
    assert (change.after, kept(change)) == ((1, "new"), ())
    assert merge((1,), (1, None)).after == (1, None)
    assert merge((1,), (1,)).after == (1, ABSENT)


@pytest.mark.parametrize("policy", [Newest(), First(), Counter(), Prefer(["x"])])
def test_without_times_what_most_peers_hold_stands(policy: Policy) -> None:
    change = field(policy, 1, 2, 2, told=1)
    assert value(change) == 2
    (one,) = kept(change)
    assert (one.winner, one.ours.value, one.theirs.peer, one.theirs.value, one.open) == ("q", 2, "p", 1, False)
    assert one.theirs.row == (1, 1)


def test_without_times_and_without_most_the_log_decides_else_a_person() -> None:
    told = field(Newest(), "a", "b", told="b")
    assert (value(told), [one.open for one in kept(told)]) == ("b", [False])
    for last in (ABSENT, None, "something else"):
        open_one = field(Newest(), "a", "b", told=last)
        (one,) = kept(open_one)
        assert (value(open_one), one.open, one.ours.value, one.theirs.value) == ("a", True, "a", "b")


def test_f30_in_a_new_column_a_default_outvotes_nobody() -> None:
    change = merge((1, 5), (1, 7), (1, 5), told=Told((1,)))
    (one,) = kept(change)
    assert (value(change), one.open, one.theirs.value) == (5, True, 7)
    assert value(merge((1, 5), (1, 7), policy=Extreme("max", 1), told=Told((1,)))) == 7


def test_manual_leaves_each_other_value_open() -> None:
    change = field(Manual(), "a", "b", "b", "c", told="a")
    assert value(change) == "b", "the most common one stands until then"
    assert {(one.theirs.peer, one.theirs.value, one.open) for one in kept(change)} == {("p", "a", True), ("s", "c", True)}


def test_policies_that_need_no_times_decide() -> None:
    assert value(field(Extreme("max", 1), 3, 9, 3)) == 9
    assert value(field(Extreme("min", -1), 3, 9, 9)) == 3
    assert value(field(Prefer(["r"]), "a", "a", "b")) == "b"
    assert value(field(Prefer(["r"]), "b", "a", "a")) == "a", "of all who hold a value the preferred one speaks"
    assert all(not one.open for one in kept(field(Extreme("max", 1), 3, 9, 3)))


def test_sets_are_joined_and_nothing_is_lost() -> None:
    change = field(Set(), "a,b", "b,c", None)
    assert sorted(str(value(change)).split(",")) == ["a", "b", "c"]
    assert [one.theirs.value for one in kept(change)] == [None]


def test_a_policy_that_fails_leaves_it_open() -> None:
    change = field(Broken(), "a", "b")
    (one,) = kept(change)
    assert (value(change), one.open) == ("a", True)
    assert "no way" in one.note


def test_an_authority_stands_with_null_too_and_one_that_is_not_compared_does_not() -> None:
    for authority, expected in (("p", None), ("q", "b"), ("z", "b")):
        change = field(Manual(), None, "b", authority=authority)
        assert value(change) == expected
    assert kept(field(Manual(), "a", "b", authority="q"))[0].rule == "authority q"


def test_fields_are_settled_one_by_one() -> None:
    rules = Rules("c", ("id", "a", "b", "n"), (Newest(), Newest(), Newest(), Extreme("max", 1)))
    change = merge_copies(rules, (1,), {"p": (1, "x", None, 3), "q": (1, None, "y", 5)})
    assert change.after == (1, "x", "y", 5)
    assert change.before == (1, None, None, 3), "only what differed counts as changed"
    assert {one.field for one in kept(change)} == {"a", "b", "n"}


def test_who_only_receives_has_no_say_and_what_it_holds_is_kept() -> None:
    rules = Rules("c", ("id", "f"), (Newest(), Newest()))
    for here, there, stands in (((1, "a"), (1, "b"), (1, "a")), (None, (1, "b"), None), ((1, "a"), None, (1, "a"))):
        rows: dict[str, Row | None] = {"p": here, "q": there, "r": there}
        change = merge_copies(rules, (1,), rows, silent=["q", "r"])
        assert change.after == stands
        assert change.before == (stands or there), "no field of it is news"
        assert [(one.rule, one.theirs.peer, one.theirs.row) for one in kept(change)] == [
            ("direction", "q", there),
            ("direction", "r", there),
        ]
    among = merge_copies(rules, (1,), {"p": (1, "a"), "q": (1, "b"), "r": (1, "b")}, silent=["r"])
    assert (value(among), [one.open for one in kept(among)]) == ("a", [True, False]), "it is no majority either"
    assert merge_copies(rules, (1,), {"q": (1, "b"), "r": (1, None)}, silent=["q", "r"]).after == (1, "b")


# -- rows that some peers lack ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "told", "stays"),
    [
        (((1, "x"), None, None), None, False),
        (((1, "x"), (1, "x"), None), None, True),
        (((1, "x"), None), None, True),
        ((None, (1, "x")), None, True),
        (((1, "x"), None, None), Told((1, "x")), True),
        (((1, "x"), (1, "x"), None), Told(None), False),
    ],
)
def test_a_row_that_some_lack_the_log_decides_else_most_peers_and_among_equals_it_stays(
    rows: tuple[Row | None, ...], told: Told | None, stays: bool
) -> None:
    for deletes in ("update_wins", "delete_wins", "manual"):
        change = merge(*rows, told=told, deletes=deletes)
        assert (change.after is not None) is stays
        assert (change.before is None) is stays
        (one,) = kept(change)
        assert (one.field, one.open) == ("", deletes == "manual")
        assert {one.ours.row, one.theirs.row} == {(1, "x"), None}


def test_each_row_that_goes_is_kept_and_the_row_that_comes_back_is_merged() -> None:
    gone = merge((1, "x"), (1, "y"), None, None, told=Told(None))
    assert {one.theirs.row for one in kept(gone)} == {(1, "x"), (1, "y")}
    back = merge((1, "x"), (1, None), None, None)
    assert back.after == (1, "x")
    assert len(kept(back)) == 2
    assert merge(None, (1, "x"), authority="p").after is None
    assert merge(None, None, (1, "x"), authority="r", told=Told(None)).after == (1, "x")


@given(st.lists(st.sampled_from([None, (1, None), (1, "a"), (1, "b"), (1, "c"), (1,)]), min_size=2, max_size=4))
def test_every_value_that_does_not_stand_is_in_a_conflict(rows: list[Row | None]) -> None:
    if not any(rows):
        return
    change = merge(*rows)
    images = [side.row for one in kept(change) for side in (one.ours, one.theirs)]
    values = [side.value for one in kept(change) for side in (one.ours, one.theirs)]
    for row in rows:
        if row is None or (change.after is not None and (len(row) == 1 or row[1] == change.after[1])):
            continue
        padded = row if len(row) == 2 else (*row, ABSENT)
        assert padded in images
        assert change.after is None or row[1] in values


def test_what_a_writer_did_not_send_is_what_it_was() -> None:
    assert whole(Change("c", (1,), (1, "a", "b"), (1, ABSENT, "c"))) == (1, "a", "c")
    assert whole(Change("c", (1,), (1, "a", "b"), (1, "x"))) == (1, "x", "b")
    assert whole(Change("c", (1,), (1, "a"), (1, "x", "new"))) == (1, "x", "new")
    assert whole(Change("c", (1,), None, (1, "a"))) == (1, "a")
    assert whole(Change("c", (1,), (1, "a"), None)) is None
