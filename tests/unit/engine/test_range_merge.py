"""One key range at a join: every combination of a row here, there, in flight, deleted, written meanwhile."""

from itertools import pairwise

import pytest

from syncline.engine.range_merge import Merged, Own, RangeRows, merge_range
from syncline.engine.range_read import note, without
from syncline.merge.policies.counter import Counter
from syncline.merge.policies.registers import Newest
from syncline.merge.policy import Rules
from syncline.merge.window import Window
from syncline.model.change import Change, Verdict
from syncline.model.entry import Entry, Kind
from syncline.model.stamp import Position
from syncline.model.value import ABSENT, Row

KEY = (1,)
WHERE = ("c", KEY)
RULES = Rules("c", ("id", "a", "n"), (Newest(), Newest(), Counter()))
OURS, THEIRS, OLD = (1, "space", 10), (1, "peer", 10), (1, "old", 10)


def window(*rows: Row | None) -> Window:
    """A window in which p wrote these rows, one after the other, from the first on."""
    made = Window()
    for place in range(1, len(rows)):
        change = Change("c", KEY, rows[place - 1], rows[place])
        made.replay(Entry(place, Kind.CHANGE, "p", Position(place), 0, changes=(change,)))
    return made


def merge(
    held: Row | None,
    brought: Row | None,
    own: Own | None = None,
    *,
    flying: Window | None = None,
    deletes: str = "update_wins",
    authority: str = "",
) -> Merged:
    """The outcome for one key; `held` is what the reference has."""
    rules = RULES if deletes == RULES.deletes else Rules("c", RULES.columns, RULES.policies, deletes)
    rows = RangeRows(
        {KEY: held} if held else {}, {KEY: brought} if brought else {}, [KEY] if flying or (own and own.last) else ()
    )
    return merge_range(flying or Window(), rules, rows, own or Own(), "q", authority)


def fills(merged: Merged) -> list[Row | None]:
    """What q alone gets."""
    return [change.after for change in merged.fills]


def changes(merged: Merged) -> list[tuple[Row | None, Row | None]]:
    """What everyone gets, with what the log held before; always whole rows."""
    assert all(change.verdict is not None and change.verdict.full for change in merged.changes)
    return [(change.before, change.after) for change in merged.changes]


def kept(merged: Merged) -> list[tuple[Row | None, Row | None, str, bool]]:
    """The conflicts on record: both rows or values, who won, whether a person is asked."""
    found = [one for change in (*merged.changes, *merged.fills) if change.verdict for one in change.verdict.conflicts]
    return [(one.ours.row, one.theirs.row, one.winner, one.open) for one in found]


def test_equal_rows_cost_nothing() -> None:
    assert merge(OURS, OURS) == Merged()


def test_a_missing_row_is_filled() -> None:
    merged = merge(OURS, None)
    assert (fills(merged), changes(merged), kept(merged)) == ([OURS], [], [])


def test_a_row_that_only_the_peer_has_goes_to_everyone() -> None:
    merged = merge(None, THEIRS)
    assert (fills(merged), changes(merged), kept(merged)) == ([], [(None, THEIRS)], [])


def test_differing_rows_are_settled_and_the_loser_is_kept() -> None:
    merged = merge(OURS, THEIRS)
    assert (fills(merged), changes(merged)) == ([OURS], [])
    assert kept(merged) == [(OURS, THEIRS, "", False)]


def test_an_authority_that_joins_overrides_and_one_that_does_not_join_removes() -> None:
    merged = merge(OURS, THEIRS, authority="q")
    assert changes(merged) == [(OURS, THEIRS)]
    merged = merge(None, THEIRS, authority="p")
    assert (fills(merged), changes(merged)) == ([None], [])
    assert kept(merged) == [(None, THEIRS, "", False)]


def test_both_get_a_merged_row_and_the_peer_counts_as_not_knowing_it_until_then() -> None:
    own = Own(bases={WHERE: (1, "space", 0)})
    merged = merge((1, "space", 5), (1, "space", 3), own)
    assert changes(merged) == [((1, "space", 5), (1, "space", 8))]
    assert fills(merged) == [(1, "space", 8)]


def test_f24_the_row_in_flight_is_newer_than_the_references() -> None:
    merged = merge(OLD, None, flying=window(OLD, OURS))
    assert fills(merged) == [OURS]
    merged = merge(OLD, OLD, flying=window(OLD, None))
    assert fills(merged) == [None], "deleted in flight: not resurrected"


def test_a_row_in_flight_that_neither_was_read_with_is_filled() -> None:
    """The reference lags behind, and the joining peer is not told of rows that it has not been compared on."""
    merged = merge(None, None, flying=window(None, OURS))
    assert fills(merged) == [OURS]
    assert merge(None, None, flying=window(None, OURS, None)) == Merged()


def test_p1_copies_that_look_equal_in_flight_are_filled_all_the_same() -> None:
    """Both counted one: the difference that is on its way to the peer would be added to a row that has it already."""
    merged = merge((1, "x", 1), (1, "x", 1), flying=window((1, "x", 0), (1, "x", 1)))
    assert (fills(merged), changes(merged), kept(merged)) == ([(1, "x", 1)], [], [])


def test_the_peers_own_row_that_stands_is_filled_too_while_something_is_in_flight() -> None:
    merged = merge(OLD, THEIRS, Own(bases={WHERE: OURS}), flying=window(OLD, OURS))
    assert changes(merged) == [(OURS, THEIRS)]
    assert fills(merged) == [THEIRS]


def test_what_is_in_flight_for_another_peer_alone_is_nothing_to_this_one() -> None:
    """r joins as well: its fills do not make equal rows suspicious, nor an extra row deleted."""
    other = Window()
    other.replay(Entry(5, Kind.FILL, to="r", changes=(Change("c", KEY, None, OURS),)))
    assert merge(OURS, OURS, flying=other) == Merged()
    other = Window()
    other.replay(Entry(5, Kind.FILL, to="r", changes=(Change("c", KEY, OLD, None),)))
    assert changes(merge(None, THEIRS, flying=other)) == [(None, THEIRS)]


def test_what_both_have_confirmed_is_not_in_flight() -> None:
    rows = RangeRows({KEY: OURS}, {KEY: OURS}, [KEY], pin=1)
    rules = Rules("c", ("id", "a", "n"), (Newest(), Newest(), Counter()))
    assert merge_range(window(OLD, OURS), rules, rows, Own(), "q", "") == Merged()
    assert fills(merge_range(window(OLD, OLD, OURS), rules, rows, Own(), "q", "")) == [OURS]


# -- deletes ------------------------------------------------------------------------------------------------------------------


def test_a_delete_while_joining_of_a_row_that_nobody_changed_stands() -> None:
    for deletes in ("update_wins", "delete_wins", "newest", "manual"):
        merged = merge(OURS, None, Own(deleted={WHERE}, bases={WHERE: OURS}), deletes=deletes)
        assert (fills(merged), changes(merged), kept(merged)) == ([], [(OURS, None)], [])
        assert merged.changes[0].verdict == Verdict(correct=True, full=True)


@pytest.mark.parametrize(
    ("deletes", "filled", "changed", "record"),
    [
        ("update_wins", [OURS], [], (OURS, None, "", False)),
        ("newest", [OURS], [], (OURS, None, "", False)),
        ("manual", [OURS], [], (OURS, None, "", True)),
        ("delete_wins", [], [(OURS, None)], (OURS, None, "q", False)),
    ],
)
def test_a_delete_of_a_row_that_the_space_changed_is_settled_by_the_policy(
    deletes: str, filled: list[Row], changed: list[tuple[Row, None]], record: tuple[Row, None, str, bool]
) -> None:
    merged = merge(OURS, None, Own(deleted={WHERE}, bases={WHERE: OLD}), deletes=deletes)
    assert (fills(merged), changes(merged), kept(merged)) == (filled, changed, [record])


def test_a_row_that_the_peer_made_and_dropped_again_is_no_delete_of_the_spaces() -> None:
    merged = merge(OURS, None, Own(deleted={WHERE}, bases={WHERE: None}), deletes="delete_wins")
    assert (fills(merged), changes(merged), kept(merged)) == ([OURS], [], [])


def test_what_the_space_deleted_during_the_join_stays_deleted() -> None:
    for own, flying in ((Own(removed={WHERE}), None), (Own(), window(THEIRS, None))):
        merged = merge(None, THEIRS, own, flying=flying)
        assert (fills(merged), changes(merged)) == ([None], [])
        assert kept(merged) == [(None, THEIRS, "", False)], "and the peer's row is on record"


@pytest.mark.parametrize(
    ("deletes", "stands"), [("update_wins", True), ("newest", True), ("manual", True), ("delete_wins", False)]
)
def test_what_the_peer_wrote_meanwhile_meets_a_delete_by_the_policy(deletes: str, stands: bool) -> None:
    merged = merge(None, THEIRS, Own(removed={WHERE}, bases={WHERE: OLD}), deletes=deletes)
    assert changes(merged) == ([(None, THEIRS)] if stands else [])
    assert fills(merged) == ([] if stands else [None])
    assert kept(merged) == [(None, THEIRS, "q" if stands else "", deletes == "manual")]


def test_a_revived_row_is_filled_as_well_while_its_delete_may_be_on_the_way() -> None:
    merged = merge(None, THEIRS, Own(bases={WHERE: OLD}), flying=window(OLD, None))
    assert (changes(merged), fills(merged)) == ([(None, THEIRS)], [THEIRS])


# -- returning ----------------------------------------------------------------------------------------------------------------


def returning(**more: dict[tuple[str, tuple[int]], Row | None]) -> Own:
    """A peer that comes back."""
    return Own(returning=True, **more)  # type: ignore[arg-type]


def test_c6_stale_rows_of_a_returning_peer_do_not_come_back() -> None:
    merged = merge(None, OLD, returning())
    assert (fills(merged), changes(merged)) == ([None], [])
    assert kept(merged) == [(None, OLD, "", False)]
    merged = merge(OURS, OLD, returning())
    assert (fills(merged), changes(merged)) == ([OURS], [])
    assert kept(merged) == [(OURS, OLD, "", False)]


def test_what_it_wrote_while_away_is_kept() -> None:
    assert changes(merge(None, THEIRS, returning(bases={WHERE: None}))) == [(None, THEIRS)]
    assert changes(merge(OLD, THEIRS, returning(bases={WHERE: OLD}))) == [(OLD, THEIRS)]
    merged = merge(OLD, None, Own(returning=True, bases={WHERE: OLD}, deleted={WHERE}))
    assert changes(merged) == [(OLD, None)]


def test_what_both_wrote_is_settled_and_what_was_deleted_meanwhile_too() -> None:
    merged = merge(OURS, THEIRS, returning(bases={WHERE: OLD}))
    assert (fills(merged), kept(merged)) == ([OURS], [(OURS, THEIRS, "", False)])
    merged = merge(None, THEIRS, returning(bases={WHERE: OLD}))
    assert changes(merged) == [(None, THEIRS)]
    assert kept(merged) == [(None, THEIRS, "q", False)]
    assert changes(merge(None, THEIRS, returning(bases={WHERE: OLD}), deletes="delete_wins")) == []


def test_f28_bases_of_another_history_are_not_believed() -> None:
    own = Own(returning=True, trusted=False, bases={WHERE: OLD}, deleted=set())
    merged = merge(OLD, THEIRS, own)
    assert (fills(merged), changes(merged)) == ([OLD], []), "by the policy, and on record"
    assert len(kept(merged)) == 1
    assert changes(merge(None, THEIRS, own)) == [(None, THEIRS)], "but it is its own work"


def test_a_delete_by_a_returning_peer_of_what_it_did_not_have_is_none() -> None:
    merged = merge(OURS, None, Own(returning=True, deleted={WHERE}))
    assert (fills(merged), changes(merged)) == ([OURS], [])


def test_p2_what_a_delivery_overwrote_before_the_log_heard_of_it_is_on_record() -> None:
    """It wrote 'peer' over 'old' and added 1; then others' 'space' and 5 more arrived, before it was heard of."""
    mine = Own(
        returning=True,
        bases={WHERE: (1, "old", 10)},
        last={WHERE: (1, "peer", 11)},
        values={WHERE: (ABSENT, "peer", 11)},
        added={WHERE: (0, 0, 1)},
    )
    settled = merge((1, "space", 15), (1, "space", 16), mine)
    assert changes(settled) == [((1, "space", 15), (1, "space", 16))], "its increment counts"
    assert [(one[1], one[2]) for one in kept(settled)] == [((1, "peer", 16), "")]
    assert fills(settled) == []


def test_what_an_untrusted_history_says_is_not_taken_for_its_last_word() -> None:
    mine = Own(returning=True, trusted=False, bases={WHERE: OLD}, last={WHERE: THEIRS}, values={WHERE: THEIRS})
    assert kept(merge(OURS, OURS, mine)) == []


def test_a_row_that_only_the_authority_has_stands_though_the_space_deleted_it() -> None:
    returning = Own(returning=True)
    assert changes(merge(None, THEIRS, returning, authority="q")) == [(None, THEIRS)]
    assert fills(merge(None, THEIRS, Own(returning=True))) == [None]


# -- what deliveries did to its own work before the log heard of it ----------------------------------------------------------


def wrote(*rows: Row | None) -> Own:
    """A returning peer whose own history has these rows, one after the other."""
    own = Own(returning=True)
    for before, after in pairwise(rows):
        note(own, Change("c", KEY, before, after))
    return own


@pytest.mark.parametrize("held", [OURS, (1, "later", 10)])
def test_p2_an_insert_that_a_delivered_row_took_the_place_of_is_on_record(held: Row) -> None:
    """Both inserted the key; the space's row came before the log had heard of the peer's."""
    merged = merge(held, OURS, wrote(None, THEIRS))
    assert (fills(merged), changes(merged)) == ([held], [])
    assert [(one[0], one[1], one[2]) for one in kept(merged)] == [(held, (1, "peer", OURS[2]), "")]


@pytest.mark.parametrize(("deletes", "stands"), [("update_wins", True), ("delete_wins", False)])
def test_p2_an_update_of_a_row_that_a_delivery_deleted_meets_the_delete_by_the_policy(deletes: str, stands: bool) -> None:
    merged = merge(None, None, wrote(OLD, THEIRS), deletes=deletes)
    assert changes(merged) == ([(None, THEIRS)] if stands else [])
    assert fills(merged) == [THEIRS if stands else None]
    assert kept(merged) == [(None, THEIRS, "q" if stands else "", False)]


def test_p2_an_update_of_a_row_that_was_deleted_and_made_anew_is_on_record() -> None:
    merged = merge(OURS, None, wrote((1, "old", 10), (1, "peer", 13)))
    assert changes(merged) == [(OURS, (1, "space", 13))], "its increment counts"
    assert fills(merged) == [(1, "space", 13)]
    assert [(one[0], one[1], one[2]) for one in kept(merged)] == [(OURS, (1, "peer", 13), "")]


def test_p5_only_what_the_peer_wrote_itself_is_its_word_not_what_was_delivered_in_between() -> None:
    """It counted, was given 'newer', counted again, and was given 'newest': it never wrote a name."""
    own = wrote((1, "old", 1), (1, "old", 2))
    note(own, Change("c", KEY, (1, "newer", 2), (1, "newer", 3)))
    merged = merge((1, "newest", 1), (1, "newest", 3), own)
    assert (changes(merged), kept(merged)) == ([((1, "newest", 1), (1, "newest", 3))], [])


def test_what_it_wrote_is_known_field_by_field_and_no_more_once_it_deleted_the_row() -> None:
    own = wrote((1, "old", 1), (1, "a", 1), (1, "b", 2), (1, "b", 5))
    assert (own.bases, own.last) == ({WHERE: (1, "old", 1)}, {WHERE: (1, "b", 5)})
    assert (own.values, own.added) == ({WHERE: (ABSENT, "b", 5)}, {WHERE: (0, 0, 4)})
    note(own, Change("c", KEY, (1, "b", 5), None))
    assert (own.values, own.last, own.deleted) == ({WHERE: ()}, {WHERE: None}, {WHERE})
    note(own, Change("c", KEY, None, (1, "new", 0)))
    assert (own.values, own.last, own.deleted) == ({WHERE: (1, "new", 0)}, {WHERE: (1, "new", 0)}, {WHERE})


def test_p2_what_it_wrote_after_its_row_was_read_does_not_hide_what_was_overwritten_before() -> None:
    """It wrote 'peer', which 'space' took the place of; its row was read, and then it counted."""
    own = wrote((1, "old", 1), (1, "peer", 1))
    later = Change("c", KEY, (1, "space", 1), (1, "space", 4))
    note(own, later)
    left = without(own, [later])
    assert left.meant(WHERE, (1, "space", 1), RULES) == (1, "peer", 1)
    again = Change("c", KEY, (1, "space", 1), (1, "own", 1))
    note(own, again)
    assert without(own, [later, again]).meant(WHERE, (1, "space", 1), RULES) == (1, "space", 1), "it wrote over it itself"
    for change in (Change("c", KEY, (1, "space", 4), None), Change("c", KEY, None, (1, "new", 0))):
        note(own, change)
        assert without(own, [change]).meant(WHERE, (1, "space", 1), RULES) == (1, "space", 1)
