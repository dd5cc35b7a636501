"""What the checkers make of a peer that joins: what it had seen, and in which entries its commits are."""

from tests.simulation.test_checkers import KEY, acked, books, change, clash, entry, row

from syncline.model.change import Change
from syncline.model.entry import Entry, Kind
from syncline.sim.check.audit import Audit
from syncline.sim.check.users import check_lost
from syncline.sim.check.verdict import States
from syncline.sim.ledger import Acked

MARK = Change("pairs", KEY, (1, "a"), (1, "b"))


def stage(offset: int, peer: str, name: str) -> Entry:
    """An entry that begins a stage of a peer."""
    return Entry(offset, Kind.PEER, peer, body={"stage": name})


def joined(offset: int, peer: str, collection: str) -> Entry:
    """An entry that says that all of a collection is joined."""
    return Entry(offset, Kind.JOIN, peer, body={"collection": collection, "done": True})


def fill(offset: int, peer: str, *changes: Change) -> Entry:
    """Rows for a joining peer alone."""
    return Entry(offset, Kind.FILL, changes=changes, to=peer)


def rules(log: list[Entry], *commits: Acked) -> set[str]:
    """The properties that a log breaks, for these commits of users."""
    made = books(log, commits)
    stands: States = {"ann": {"items": {KEY: row("x")}, "pairs": {KEY: (1, "b")}}}
    found = [*Audit(made).run(), *made.check_balance(["ann", "bob"]), *check_lost(made, stands)]
    return {violation.rule for violation in found}


def met(context: int, *more: Entry) -> set[str]:
    """Bob joins with entry 2, is filled with ann's row by entry 3, and writes 'y' with this context; it loses on record."""
    log = [entry(1, "ann", 1, change(None, row("x"))), stage(2, "bob", "joining"), *more]
    log.append(entry(5, "bob", 1, change(row("x"), row("x"), clash(row("x"), row("y"), peer="bob")), context=context))
    return rules(log, acked("ann", 1, 0, change(None, row("x"))), acked("bob", 1, context, change(row("w"), row("y"))))


def test_p5_up_to_its_fill_a_joining_peer_has_not_seen_what_that_brings_though_its_watermark_is_higher() -> None:
    brought, equal = (fill(3, "bob", Change("items", KEY, row(name), row("x"))) for name in ("w", "x"))
    assert met(2, brought) == set()
    assert met(3, brought) == {"P5"}
    assert met(1, brought) == {"P5"}  # from before this join
    assert met(2, equal) == {"P5"}  # it had the value before
    assert met(2, brought, stage(4, "bob", "live")) == set()
    assert met(2) == {"P5"}


def test_p2_a_joining_peer_does_not_write_over_what_its_fill_brings_without_a_record() -> None:
    def log(context: int) -> list[Entry]:
        first = [entry(1, "ann", 1, change(None, row("w"))), stage(2, "bob", "joining")]
        brought = fill(3, "bob", Change("items", KEY, row("v"), row("w")))
        return [*first, brought, entry(4, "bob", 1, change(row("w"), row("x")), context=context)]

    for context, broken in ((2, {"P2"}), (3, set[str]())):
        commits = acked("ann", 1, 0, change(None, row("w"))), acked("bob", 1, context, change(row("v"), row("x")))
        assert rules(log(context), *commits) == broken


def test_p2_a_value_that_two_peers_brought_along_may_be_written_over_by_either() -> None:
    """Ann deletes the row, cid's copy brings it back while it joins, and bob's, joining too, is written over since."""
    full = clash(None, None, kind="join")

    def log(value: str) -> list[Entry]:
        back = [stage(2, "cid", "joining"), entry(3, "cid", 1, change(None, row("w"), full))]
        written = Entry(5, Kind.CHANGE, "bob", entry(5, "bob", 1).position, 2, 0, (change(row(value), row("x"), full),))
        return [entry(1, "ann", 1, change(row("w"), None)), *back, stage(4, "bob", "joining"), written]

    early = acked("bob", 1, 0, change(row("w"), row("x")), early=True)
    assert rules(log("w"), acked("ann", 1, 0, change(row("w"), None)), early) == set()
    other = acked("bob", 1, 0, change(row("v"), row("x")), early=True)
    assert rules(log("w"), acked("ann", 1, 0, change(row("w"), None)), other) == {"P2"}


def test_p7_a_joining_peers_commit_may_be_in_two_entries_but_none_of_its_rows() -> None:
    """What is of the collection that is being read waits, and follows when that is joined."""
    first = change(row("w"), row("x"))
    both = acked("bob", 1, 0, first, MARK)
    begun = [stage(1, "bob", "joining"), joined(2, "bob", "items"), entry(3, "bob", 1, first), joined(4, "bob", "pairs")]
    assert rules([*begun, entry(5, "bob", 1, MARK)], both) == set()
    assert rules([*begun, entry(5, "bob", 1, MARK), entry(6, "bob", 1, MARK)], both) == {"P7", "P2"}


def test_p2_what_waited_for_its_range_is_seen_only_from_then_on() -> None:
    begun = [stage(1, "bob", "joining"), joined(2, "bob", "pairs"), entry(3, "bob", 1, MARK), joined(4, "bob", "items")]
    late = entry(5, "bob", 1, change(row("v"), row("w")))
    for context, lost in ((4, True), (5, False)):
        commits = acked("bob", 1, 0, change(row("v"), row("w")), MARK), acked("ann", 1, context, change(row("v"), row("x")))
        log = [*begun, late, entry(6, "ann", 1, change(row("w"), row("x")), context=context)]
        assert (
            bool(check_lost(books(log, commits), {"ann": {"items": {KEY: row("x")}, "pairs": {KEY: MARK.after or ()}}})) is lost
        )


def test_p3_a_row_that_a_commit_inserted_which_was_told_with_later_ones_of_a_joining_peer_is_new() -> None:
    """Bob's insert and his update of it come as one entry while he joins; the commit of the insert has no entry of its own."""
    old, new = row("w"), row("x", 1)

    both = entry(5, "bob", 4, change(None, row("x")), change(row("x"), new))
    log = [entry(1, "ann", 1, change(old, None)), stage(2, "bob", "new"), stage(3, "bob", "joining"), both]
    update = acked("bob", 4, 0, change(row("x"), new))
    insert = acked("bob", 3, 0, change(None, row("x")))
    for commits, broken in (((insert, update), set[str]()), ((update,), {"P3"})):
        made = books(log, [acked("ann", 1, 0, change(old, None)), *commits])
        assert {one.rule for one in Audit(made).run()} - {"P7"} == broken
