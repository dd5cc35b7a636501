"""The checked-in truth table is what the code does, and has a row for every policy and every pair of operations."""

from itertools import product
from pathlib import Path

import pytest
from tests.proof import truth

from syncline.merge.policies.choose import NAMES
from syncline.merge.policy import Rules
from syncline.merge.rules_build import DELETES
from syncline.merge.transact import settle
from syncline.merge.window import Window
from syncline.model.change import Change, Transaction
from syncline.model.stamp import Position

TABLE = Path(__file__).with_name("truth_table.tsv")
ROWS = [tuple(line.split("\t")) for line in TABLE.read_text(encoding="utf-8").splitlines()][1:]
NEEDED = {
    "c1": ("row", "update", "other", "unseen"),
    "c3": ("row", "update", "same", "unseen"),
    "c4": ("row", "update", "delete", "unseen"),
    "c5": ("row", "delete", "other", "unseen"),
    "c7": ("none", "insert", "other", "unseen"),
}


def test_the_table_is_what_the_code_does() -> None:
    assert truth.text() == TABLE.read_text(encoding="utf-8"), "python -m tests.proof.truth > tests/proof/truth_table.tsv"


def test_every_policy_has_every_pair_of_operations() -> None:
    pairs = {row[2:6] for row in ROWS}
    assert len(pairs) == 8 + 4 + 2 + 2  # updated, deleted, deleted and inserted again, inserted twice
    assert {(name, *pair) for name, pair in product(NAMES, pairs)} == {
        (row[0], *row[2:6]) for row in ROWS if row[1] == DELETES[0]
    }
    assert {(name, *pair) for name, pair in product(DELETES, pairs)} == {
        (row[1], *row[2:6]) for row in ROWS if row[0] == "newest"
    }
    assert set(truth.DELETES) == set(DELETES)


@pytest.mark.parametrize("torture", NEEDED)
def test_c1_c3_c4_c5_c7_are_decided_for_every_policy(torture: str) -> None:
    assert {row[0] for row in ROWS if row[2:6] == NEEDED[torture]} == set(NAMES)


def test_c3_the_same_change_on_both_sides_is_no_conflict() -> None:
    same = [row for row in ROWS if row[4] == "same" and row[3] != "delete"]
    assert same
    assert all(row[8] == "-" for row in same)


def test_what_was_seen_is_never_a_conflict() -> None:
    assert all(row[7:] == ("-", "-", "no") for row in ROWS if row[5] == "seen")


def test_what_was_not_seen_is_always_sent_back_to_its_writer() -> None:
    assert all(row[9] == "yes" for row in ROWS if row[5] == "unseen")


def test_policies_are_mixed_in_one_row() -> None:
    names = ("newest", "first", "counter", "set", "manual")
    values = [truth.values_for(name) for name in names]
    rules = Rules("things", ("id", *names), tuple(truth.policy_for(name) for name in ("newest", *names)), "update_wins")
    window = Window()
    begin = (1, *(one.base for one in values))
    for place, (peer, after) in enumerate((("ann", [one.first for one in values]), ("bob", [one.second for one in values]))):
        change = Change("things", (1,), begin, (1, *after))
        settle(window, {"things": rules}, Transaction(peer, Position(1), 0, place, (change,)), place + 1, place)
    view = window.view("things", (1,))
    assert view is not None
    assert view.row == (1, "b", "a", 16, "y,a,b", "a")
