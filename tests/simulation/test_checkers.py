"""Each checker against histories made by hand: it accepts the good one and rejects each bad one for the right reason."""

from collections.abc import Sequence

import msgspec
import pytest

from syncline.model.change import Change, Verdict
from syncline.model.conflict import Conflict, Side
from syncline.model.entry import Entry, Kind
from syncline.model.stamp import Offset, Position
from syncline.model.value import ABSENT, Row, Value
from syncline.sim.check.audit import Audit
from syncline.sim.check.books import Books
from syncline.sim.check.facts import (
    check_atomicity,
    check_fencing,
    check_honesty,
    check_liveness,
    check_log,
    check_watermarks,
)
from syncline.sim.check.knowledge import check_knowledge
from syncline.sim.check.state import check_equal, check_fold
from syncline.sim.check.users import check_counters, check_early, check_invented, check_lost, check_resurrected
from syncline.sim.check.verdict import States, Violation
from syncline.sim.history import (
    Acknowledged,
    BatchApplied,
    Claim,
    Entered,
    Fact,
    LogAppended,
    LogOpened,
    LogRead,
    Torn,
    Verified,
)
from syncline.sim.ledger import Acked, Ledger

KEY = (1,)


def row(name: Value, quantity: Value = 0, tags: Value = "[]", notes: Value = "", owner: Value = None) -> Row:
    return (1, name, owner, quantity, tags, notes)


def change(before: Row | None, after: Row | None, *conflicts: Conflict) -> Change:
    return Change("items", KEY, before, after, Verdict(correct=True, conflicts=conflicts) if conflicts else None)


def clash(
    ours: Row | None, theirs: Row | None, kind: str = "field", peer: str = "", winner: str = "", offset: Offset = 0
) -> Conflict:
    return Conflict(kind, "name", "newest", winner, Side("", ABSENT, ours, 0, offset), Side(peer, ABSENT, theirs, 0))


def entry(offset: Offset, peer: str, number: int, *changes: Change, context: Offset = 0) -> Entry:
    return Entry(offset, Kind.CHANGE, peer, Position(number), context, 0, changes)


def acked(peer: str, number: int, context: Offset, *changes: Change, early: bool = False) -> Acked:
    return Acked(peer, number, context, 0.0, changes, early=early)


def books(entries: Sequence[Entry], ledger: Sequence[Acked]) -> Books:
    made = Ledger()
    for one in ledger:
        made.note(one)
    made.initial = {"start", ""}
    return Books(entries, made)


def states(*names: Row | None) -> States:
    """A peer per row, which has it under the one key."""
    return {f"peer{place}": {"items": {} if one is None else {KEY: one}, "pairs": {}} for place, one in enumerate(names)}


def rules(found: Sequence[Violation]) -> set[str]:
    return {violation.rule for violation in found}


START, ANN, BOB = row("start"), row("ann1"), row("bob1")
WROTE = acked("ann", 1, 0, change(START, ANN))
GOOD = [entry(1, "ann", 1, change(START, ANN))]


# -- P1 ---------------------------------------------------------------------------------------------------------------------


def test_p1_peers_that_differ_are_found() -> None:
    assert not check_equal(states(ANN, ANN, ANN))
    assert rules(check_equal(states(ANN, ANN, BOB))) == {"P1"}
    assert rules(check_equal(states(ANN, None))) == {"P1"}


def test_p1_peers_that_agree_against_the_log_are_found() -> None:
    assert not check_fold(GOOD, states(ANN, ANN))
    assert rules(check_fold(GOOD, states(START, START))) == {"P1"}
    assert rules(check_fold(GOOD, states(None, None))) == {"P1"}


# -- P2, P7: the balance of commits and entries ----------------------------------------------------


def test_p2_a_commit_without_an_entry_is_found() -> None:
    assert not books(GOOD, [WROTE]).check_balance(["ann"])
    assert rules(books([], [WROTE]).check_balance([])) == {"P2"}


def test_p2_a_commit_swallowed_by_a_later_entry_is_found_at_exact_peers() -> None:
    late = [entry(1, "ann", 2, change(START, ANN))]
    assert rules(books(late, [WROTE]).check_balance(["ann"])) == {"P2"}
    assert not books(late, [WROTE]).check_balance([])


def test_p7_a_commit_that_is_in_the_log_twice_is_found() -> None:
    twice = [*GOOD, entry(2, "ann", 1, change(ANN, ANN))]
    assert rules(books(twice, [WROTE]).check_balance([])) == {"P7"}


# -- P2: lost updates, from the users' side --------------------------------------------------------


def test_p2_a_write_that_is_nowhere_is_lost() -> None:
    assert not check_lost(books(GOOD, [WROTE]), states(ANN, ANN))
    assert rules(check_lost(books(GOOD, [WROTE]), states(START, START))) == {"P2"}


def test_p2_a_write_may_be_superseded_by_one_that_had_seen_it_and_by_no_other() -> None:
    for context, lost in ((1, set()), (0, {"P2"})):
        over = acked("bob", 1, context, change(ANN, BOB))
        both = books([*GOOD, entry(2, "bob", 1, change(ANN, BOB))], [WROTE, over])
        assert rules(check_lost(both, states(BOB, BOB))) == lost


def test_p2_a_loser_in_a_conflict_record_is_not_lost() -> None:
    over = acked("bob", 1, 0, change(START, BOB))
    settled = entry(2, "bob", 1, change(ANN, BOB, clash(ANN, BOB, peer="bob")))
    assert not check_lost(books([*GOOD, settled], [WROTE, over]), states(BOB, BOB))


def test_p2_what_was_written_early_must_be_somewhere() -> None:
    early = acked("bob", 1, 0, change(START, BOB), early=True)
    assert rules(check_early(books([], [early]), states(START, START))) == {"P2"}
    assert not check_early(books([], [early]), states(BOB, BOB))
    joined = entry(1, "ann", 1, change(START, ANN, clash(START, BOB, kind="join", peer="bob")))
    assert not check_early(books([joined], [early]), states(ANN, ANN))


# -- P3, P4, P7 from the users' side ---------------------------------------------------------------


def test_p3_what_a_delete_had_seen_must_not_stand() -> None:
    gone = acked("bob", 1, 1, change(ANN, None))
    log = [*GOOD, entry(2, "bob", 1, change(ANN, None))]
    assert not check_resurrected(books(log, [WROTE, gone]), states(None, None))
    assert rules(check_resurrected(books(log, [WROTE, gone]), states(ANN, ANN))) == {"P3"}


def test_p3_a_delete_that_had_not_seen_it_or_lost_on_record_is_no_resurrection() -> None:
    blind = acked("bob", 1, 0, change(START, None))
    log = [*GOOD, entry(2, "bob", 1, change(ANN, ANN, clash(ANN, None, "delete-update", "bob", winner="ann")))]
    assert not check_resurrected(books(log, [WROTE, blind]), states(ANN, ANN))
    seeing = acked("bob", 1, 1, change(ANN, None))
    assert not check_resurrected(books(log, [WROTE, seeing]), states(ANN, ANN))


def test_p3_a_moved_row_that_stands_where_it_was_is_no_resurrection_where_it_was_deleted() -> None:
    """Ann moves her row and deletes it at the new key; the old key was kept, on record, since bob had changed it."""
    moved = (2, *ANN[1:])
    gone = [Change("items", (2,), moved, None)]
    ledger = [WROTE, acked("ann", 2, 0, change(ANN, None), Change("items", (2,), None, moved)), acked("ann", 3, 0, *gone)]
    kept = entry(2, "ann", 2, change(ANN, ANN, clash(ANN, None, "delete-update", "ann", "bob")))
    log = [*GOOD, kept, entry(3, "ann", 3, *gone)]
    assert not check_resurrected(books(log, ledger), states(ANN))
    back: States = {"ann": {"items": {(2,): moved}, "pairs": {}}}
    assert rules(check_resurrected(books(log, ledger), back)) == {"P3"}
    assert rules(check_resurrected(books([*GOOD, entry(2, "ann", 2), entry(3, "ann", 3)], ledger), states(ANN))) == {"P3"}


def test_p4_values_items_and_lines_that_nobody_wrote_are_found() -> None:
    assert not check_invented(books(GOOD, [WROTE]), states(ANN))
    for strange in (row("ghost"), row("ann1", tags='["ghost"]'), row("ann1", notes="a ghost")):
        assert rules(check_invented(books(GOOD, [WROTE]), states(strange))) == {"P4"}


def test_p7_a_counter_that_misses_or_repeats_an_increment_is_found() -> None:
    ledger = [
        acked("ann", 1, 0, change(row("start", 10), row("start", 15))),
        acked("bob", 1, 0, change(row("start", 10), row("start", 7))),
    ]
    initial = states(row("start", 10))["peer0"]
    assert not check_counters(books([], ledger), states(row("start", 12)), initial)
    for wrong in (7, 15, 17, 10):
        assert rules(check_counters(books([], ledger), states(row("start", wrong)), initial)) == {"P7"}


# -- the walk through the log ----------------------------------------------------------------------


def test_the_walk_accepts_a_good_log() -> None:
    over = acked("bob", 1, 1, change(ANN, BOB))
    gone = acked("ann", 2, 2, change(BOB, None))
    log = [*GOOD, entry(2, "bob", 1, change(ANN, BOB)), entry(3, "ann", 2, change(BOB, None))]
    assert not Audit(books(log, [WROTE, over, gone])).run()


BAD = [
    pytest.param("P2", [entry(1, "ann", 1, change(START, START))], [WROTE], id="the write neither stands nor is recorded"),
    pytest.param("P2", [entry(1, "ann", 1)], [WROTE], id="the write is left out of its entry"),
    pytest.param(
        "P2",
        [*GOOD, entry(2, "bob", 1, change(ANN, BOB))],
        [WROTE, acked("bob", 1, 0, change(START, BOB))],
        id="an unseen value goes without a record",
    ),
    pytest.param(
        "P2",
        [*GOOD, entry(2, "bob", 1, change(START, BOB))],
        [WROTE, acked("bob", 1, 1, change(ANN, BOB))],
        id="the log forgot what it had",
    ),
    pytest.param(
        "P2",
        [entry(1, "ann", 1, change(START, START))],
        [acked("ann", 1, 0, change(START, None))],
        id="a delete neither happens nor is recorded",
    ),
    pytest.param(
        "P2",
        [*GOOD, entry(2, "bob", 1, change(ANN, None))],
        [WROTE, acked("bob", 1, 0, change(START, None))],
        id="a delete takes an unseen value along without a record",
    ),
    pytest.param(
        "P3",
        [entry(1, "bob", 1, change(START, None)), entry(2, "ann", 1, change(None, ANN))],
        [acked("bob", 1, 0, change(START, None)), WROTE],
        id="an update brings a deleted row back without a record",
    ),
    pytest.param(
        "P4",
        [entry(1, "ann", 1, change(START, row("ghost"), clash(START, ANN, peer="ann")))],
        [WROTE],
        id="a value comes that the writer did not write",
    ),
    pytest.param(
        "P5",
        [*GOOD, entry(2, "bob", 1, change(ANN, ANN, clash(ANN, BOB, peer="bob")))],
        [WROTE, acked("bob", 1, 1, change(ANN, BOB))],
        id="a write loses to a value that its writer had seen",
    ),
    pytest.param(
        "P7",
        [
            entry(1, "ann", 1, change(row("start", 10), row("start", 15))),
            entry(2, "bob", 1, change(row("start", 15), row("start", 11))),
        ],
        [
            acked("ann", 1, 0, change(row("start", 10), row("start", 15))),
            acked("bob", 1, 0, change(row("start", 10), row("start", 11))),
        ],
        id="a counter is set instead of moved",
    ),
    pytest.param(
        "P7",
        [
            entry(1, "ann", 1, change(row("start", tags='["a"]'), row("start", tags='["a","b"]'))),
            entry(2, "bob", 1, change(row("start", tags='["a","b"]'), row("start", tags='["a","c"]'))),
        ],
        [
            acked("ann", 1, 0, change(row("start", tags='["a"]'), row("start", tags='["a","b"]'))),
            acked("bob", 1, 0, change(row("start", tags='["a"]'), row("start", tags='["a","c"]'))),
        ],
        id="a set loses what the other side added",
    ),
]


@pytest.mark.parametrize(("rule", "log", "ledger"), BAD)
def test_the_walk_rejects(rule: str, log: list[Entry], ledger: list[Acked]) -> None:
    assert rule in rules(Audit(books(log, ledger)).run())


# -- facts -----------------------------------------------------------------------------------------


def test_p6_gaps_losses_and_rewritten_entries_are_found() -> None:
    good: list[Fact] = [LogOpened(1, 0), LogAppended(1, 1, b"a"), LogAppended(1, 2, b"b"), LogOpened(2, 2), LogRead(2, 1, b"a")]
    assert not check_log(good)
    assert rules(check_log([LogOpened(1, 0), LogAppended(1, 2, b"a")])) == {"P6"}
    assert rules(check_log([*good, LogOpened(3, 1)])) == {"P6"}
    assert rules(check_log([*good, LogRead(2, 2, b"c")])) == {"P6"}
    assert rules(check_log([*good, LogAppended(2, 2, b"c")])) == {"P6"}


def test_p6_an_unconfirmed_entry_may_turn_up_and_may_vanish() -> None:
    assert not check_log([LogOpened(1, 0), LogAppended(1, 1, b"a"), LogOpened(2, 2), LogAppended(2, 3, b"c")])
    assert not check_log([LogOpened(1, 0), LogAppended(1, 1, b"a"), LogOpened(2, 1), LogAppended(2, 2, b"c")])


def test_p13_an_older_hub_that_still_writes_is_found() -> None:
    took: list[Fact] = [LogOpened(1, 0), LogAppended(1, 1, b"a"), LogOpened(2, 1)]
    assert not check_fencing([*took, LogAppended(2, 2, b"b")])
    assert rules(check_fencing([*took, LogAppended(1, 2, b"b")])) == {"P13"}
    there: list[Fact] = [Entered(1, "ann"), BatchApplied(1, "ann", "i", 0, 1, 1), Entered(2, "ann")]
    assert not check_fencing([*there, BatchApplied(2, "ann", "i", 1, 2, 2), BatchApplied(1, "bob", "i", 0, 2, 2)])
    assert rules(check_fencing([*there, BatchApplied(1, "ann", "i", 1, 2, 2)])) == {"P13"}


def test_p10_watermarks_that_go_back_or_ahead_are_found() -> None:
    empty = books([], [])
    assert not check_watermarks([BatchApplied(1, "ann", "i", 0, 3, 3), BatchApplied(1, "ann", "new", 0, 1, 3)], empty)
    assert rules(check_watermarks([BatchApplied(1, "ann", "i", 0, 3, 3), BatchApplied(1, "ann", "i", 3, 2, 3)], empty)) == {
        "P10"
    }
    assert rules(check_watermarks([BatchApplied(1, "ann", "i", 0, 4, 3)], empty)) == {"P10"}


def test_p10_forgetting_what_the_log_does_not_have_is_found() -> None:
    assert not check_watermarks([Acknowledged(1, "ann", 1, 1)], books(GOOD, [WROTE]))
    assert rules(check_watermarks([Acknowledged(1, "ann", 1, 0)], books(GOOD, [WROTE]))) == {"P10"}
    assert rules(check_watermarks([Acknowledged(1, "ann", 1, 5)], books([], [WROTE]))) == {"P10"}


def test_p11_a_watermark_that_says_too_much_is_found() -> None:
    new, own = row("new"), row("own")
    live = Entry(1, Kind.PEER, "bob", body={"stage": "live"})
    told = [live, entry(2, "ann", 1, change(row("start"), new))]
    where = ("items", KEY)

    def has(held: Row | None, *acks: Acked, entries: Sequence[Entry] = told, refused: Sequence[object] = ()) -> set[str]:
        facts = [BatchApplied(1, "bob", "i", 1, 2, 2, (), ((where, held),), 1)]
        kept = Ledger()
        for one in acks:
            kept.note(one)
        return rules(check_knowledge(facts, Books(entries, kept, [("bob", "items", KEY) for _ in refused])))

    assert has(new) == set()
    assert has(row("start")) == {"P11"}
    assert has(None) == {"P11"}
    assert has(row("start"), refused=["it is parked"]) == set()
    assert has(own, acked("bob", 1, 1, change(row("start"), own))) == set(), "a user's own write that nobody has heard of"
    assert has(own, acked("bob", 2, 1, change(row("start"), own))) == {"P11"}, "that write was still to come"
    assert has(row("start"), entries=[msgspec.structs.replace(live, body={"stage": "joining"}), told[1]]) == set()


def test_p9_a_torn_read_is_found() -> None:
    assert not check_atomicity([])
    assert rules(check_atomicity([Torn("ann", 1.0, "a pair carries ['x', 'y']")])) == {"P9"}


def test_p17_false_claims_are_found() -> None:
    fine: list[Fact] = [
        Claim(1, 9.0, True, True, 5.0),
        Claim(1, 9.0, False, False, 5.0),
        Claim(1, 9.0, True, False, 0.2),
        Verified(2, 2),
    ]
    assert not check_honesty(fine, 1.0)
    assert rules(check_honesty([Claim(1, 9.0, True, False, 5.0)], 1.0)) == {"P17"}
    assert rules(check_honesty([Verified(0, 2)], 1.0)) == {"P17"}


def test_p15_never_coming_to_rest_is_found() -> None:
    assert not check_liveness(10.0, 15.0, 30.0)
    assert rules(check_liveness(10.0, None, 30.0)) == {"P15"}
    assert rules(check_liveness(10.0, 50.0, 30.0)) == {"P15"}
