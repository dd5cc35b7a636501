"""Compare-and-merge of one row: authority, policies without times, and what a known base settles without a conflict."""

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.merge.broken import Broken

from syncline.merge.join import merge_join
from syncline.merge.policies.counter import Counter
from syncline.merge.policies.registers import Extreme, First, Manual, Newest, Prefer
from syncline.merge.policies.sets import Set
from syncline.merge.policy import Policy, Rules
from syncline.model.change import Change
from syncline.model.conflict import Conflict
from syncline.model.value import ABSENT, Row, Value


def rules(*policies: Policy) -> Rules:
    """Rules for a key and these fields."""
    return Rules("c", ("id", *(f"f{place}" for place in range(len(policies)))), (Newest(), *policies))


def join(
    policy: Policy, held: Value, brought: Value, *, authority: str = "", base: Value = ABSENT, returning: bool = False
) -> Change:
    """The outcome for one field at the joining peer q."""
    known: Row | None = None if base is ABSENT else (1, base)
    return merge_join(
        rules(policy), (1,), (1, held), (1, brought), "q", authority=authority, base=known, returning=returning
    )  # fmt: skip


def outcome(change: Change) -> Value:
    """The field's value."""
    assert change.after is not None
    return change.after[1]


def conflicts(change: Change) -> tuple[Conflict, ...]:
    """What was kept of it."""
    assert change.verdict is not None
    return change.verdict.conflicts


def test_equal_rows_cost_nothing() -> None:
    change = join(Newest(), "x", "x")
    assert change.before == change.after
    assert change.verdict is not None
    assert (change.verdict.correct, change.verdict.full, change.verdict.conflicts) == (False, False, ())


def test_where_a_policy_needs_times_the_spaces_value_stands_and_the_other_is_kept() -> None:
    for policy in (Newest(), First(), Counter(), Prefer(["hq"])):
        change = join(policy, 5, 7)
        assert outcome(change) == 5
        (kept,) = conflicts(change)
        assert (kept.kind, kept.winner, kept.ours.value, kept.theirs.value) == ("join", "", 5, 7)
        assert (kept.theirs.peer, kept.theirs.row) == ("q", (1, 7))
        assert change.verdict is not None
        assert change.verdict.correct, "q must be told"


def test_policies_that_need_none_decide() -> None:
    assert outcome(join(Extreme("max", 1), 5, 7)) == 7
    assert outcome(join(Extreme("min", -1), 5, 7)) == 5
    assert outcome(join(Prefer(["q"]), 5, 7)) == 7
    assert outcome(join(Set(), '["a"]', '["b"]')) in ('["a","b"]', '["b","a"]')


def test_manual_and_undecidable_fields_stay_open() -> None:
    (kept,) = conflicts(join(Manual(), 5, 7))
    assert kept.open
    (kept,) = conflicts(join(Broken(), 5, 7))
    assert kept.open
    assert "no way" in kept.note


def test_the_row_of_an_authority_stands_whatever_the_policy() -> None:
    mine, theirs = join(Extreme("min", -1), 5, 7, authority="q"), join(Extreme("max", 1), 5, 7, authority="p")
    assert outcome(mine) == 7
    assert outcome(theirs) == 5
    assert conflicts(theirs)[0].rule == "authority p"


def test_what_a_side_does_not_have_is_taken_from_the_other() -> None:
    assert outcome(join(Newest(), ABSENT, 7)) == 7
    change = join(Newest(), 5, ABSENT)
    assert outcome(change) == 5
    assert conflicts(change) == ()


def test_a_short_row_from_before_a_column_was_added_is_filled_up() -> None:
    change = merge_join(rules(Newest(), Newest()), (1,), (1, "a"), (1, "a", "b"), "q", authority="")
    assert change.after == (1, "a", "b")
    assert conflicts(change) == ()


def test_what_only_the_peer_changed_while_away_is_its_own() -> None:
    for policy in (Newest(), First(), Counter(), Manual(), Set()):
        change = join(policy, "old", "mine", base="old", returning=True)
        assert outcome(change) == "mine", policy.name
        assert conflicts(change) == ()


def test_what_only_the_space_changed_meanwhile_stands_without_a_word() -> None:
    change = join(Set(), '["a","new"]', '["a"]', base='["a"]', returning=True)
    assert outcome(change) == '["a","new"]'
    assert conflicts(change) == ()


def test_what_both_changed_is_merged_from_the_base_where_that_is_possible() -> None:
    assert outcome(join(Counter(), 15, 13, base=10, returning=True)) == 18
    assert outcome(join(Set(), '["a","b"]', '["c"]', base='["a"]', returning=True)) in ('["b","c"]', '["c","b"]')
    change = join(Newest(), "space", "mine", base="old", returning=True)
    assert outcome(change) == "space"
    (kept,) = conflicts(change)
    assert (kept.base, kept.theirs.value) == ("old", "mine")


def test_at_a_first_join_the_base_is_the_peers_own_and_does_not_hide_what_it_brought() -> None:
    """q's row differed before; then q counted and added a tag while it joined."""
    assert outcome(join(Counter(), 100, 13, base=10)) == 103
    union = outcome(join(Set(), '["a"]', '["b","c"]', base='["b"]'))
    assert union is not None
    assert set(str(union)) >= set('["a","b","c"]')
    change = join(Newest(), "space", "brought", base="brought")
    assert outcome(change) == "space"
    assert conflicts(change), "q's own value is kept, though q did not change it meanwhile"


def test_an_authority_does_not_ask_for_the_base() -> None:
    assert outcome(join(Newest(), "old", "mine", base="old", returning=True, authority="p")) == "old"


VALUES = st.one_of(st.none(), st.integers(-5, 5), st.sampled_from(["", "a", '["a"]', '["b"]', "x\ny"]), st.just(ABSENT))
POLICIES: list[Policy] = [Newest(), First(), Counter(), Set(), Manual(), Extreme("max", 1), Prefer(["q"]), Broken()]


@given(st.sampled_from(POLICIES), VALUES, VALUES, VALUES, st.booleans(), st.sampled_from(["", "p", "q"]))
def test_p2_no_value_disappears_without_a_trace(
    policy: Policy, held: Value, brought: Value, base: Value, returning: bool, authority: str
) -> None:
    """Total and deterministic; a value that does not stand was merged, was nobody's news, or is kept."""
    change = join(policy, held, brought, base=base, returning=returning, authority=authority)
    again = join(policy, held, brought, base=base, returning=returning, authority=authority)
    assert change == again
    assert change.before == (1, held)
    value, kept = outcome(change), conflicts(change)
    for lost in {held, brought} - {value, ABSENT}:
        merged = policy.three_way
        nobodys = base == lost and (lost == held or returning)
        assert kept or merged or nobodys
    assert change.verdict is not None
    assert change.verdict.correct == (change.after != (1, brought))
    assert change.verdict.full == (change.after != (1, held))
