"""A row that a transaction deletes and inserts again: nobody else saw it gone, so it is one that the transaction changed."""

from syncline.merge.policies.counter import Counter
from syncline.merge.policies.registers import Newest
from syncline.merge.policy import Rules
from syncline.merge.transact import replaced, settle
from syncline.merge.window import Window
from syncline.model.change import Change, Transaction, Verdict
from syncline.model.entry import Entry
from syncline.model.stamp import Position
from syncline.model.value import Row

RULES = Rules("c", ("id", "count", "name"), (Newest(), Counter(), Newest()), "update_wins")
OLD: Row = (1, 100, "old")
COUNTED = Change("c", (1,), OLD, (1, 101, "old"))
REPLACED = (Change("c", (1,), OLD, None), Change("c", (1,), None, (1, 50, "new")))


def log(*transactions: tuple[str, tuple[Change, ...]]) -> tuple[Row | None, list[Entry]]:
    """The row and the entries after transactions that have not seen each other."""
    window = Window()
    entries = [
        settle(window, {"c": RULES}, Transaction(peer, Position(0, number), 0, number, changes), number, number)
        for number, (peer, changes) in enumerate(transactions, 1)
    ]
    view = window.view("c", (1,))
    assert view is not None
    return view.row, entries


def test_t8_a_replaced_row_counts_what_others_counted_in_whichever_order_they_come() -> None:
    for order in ((("p", REPLACED), ("q", (COUNTED,))), (("q", (COUNTED,)), ("p", REPLACED))):
        row, entries = log(*order)
        assert row == (1, 51, "new")
        assert not any(change.verdict and change.verdict.conflicts for entry in entries for change in entry.changes)


def test_rows_replaced_at_two_places_count_the_steps_of_both() -> None:
    other = (Change("c", (1,), OLD, None), Change("c", (1,), None, (1, 70, "other")))
    row, _ = log(("p", REPLACED), ("q", other))
    assert row is not None
    assert row[1] == 50 + 70 - 100


def test_what_is_deleted_and_inserted_again_is_one_change_and_all_else_stays() -> None:
    moved = (Change("c", (2,), OLD, None, Verdict(moved=(3,))), Change("c", (3,), None, OLD, Verdict(moved=(2,))))
    again = Change("c", (2,), None, OLD)
    assert replaced(REPLACED) == (Change("c", (1,), OLD, (1, 50, "new")),)
    assert replaced((*moved, again)) == (*moved, again), "a row that moved away, and a new one"
    gone = Change("c", (1,), (1, 50, "new"), None)
    assert replaced((*REPLACED, gone)) == (Change("c", (1,), OLD, (1, 50, "new")), gone)
    assert replaced((REPLACED[1], gone)) == (REPLACED[1], gone), "a row that came and went"
    assert replaced((REPLACED[0], COUNTED)) == (REPLACED[0], COUNTED)
    elsewhere = Change("d", (1,), None, OLD)
    assert replaced((REPLACED[0], elsewhere)) == (REPLACED[0], elsewhere)
