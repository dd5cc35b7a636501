"""Projection: what entries mean for one peer; folded into one batch they do what they would do one by one."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from syncline.mapping.project import Target, project
from syncline.model.change import Change, Verdict
from syncline.model.entry import Entry, Kind
from syncline.model.schema import Collection
from syncline.model.stamp import Position
from syncline.model.value import ABSENT, Key, Row, Tagged, Value
from syncline.model.write import Batch, Op, Write
from syncline.sim.database import SimDatabase

SHAPE = Collection("items", ("id", "a", "n"), ("id",))
Q = Target("q", {"items": SHAPE}, {"items": frozenset({2})})


def entry(offset: int, *changes: Change, peer: str = "p", to: str = "", kind: Kind = Kind.CHANGE) -> Entry:
    """An entry of p, unless told otherwise."""
    return Entry(offset, kind, peer, Position(offset), 0, 0, changes, to)


def change(before: Row | None, after: Row | None, verdict: Verdict | None = None, key: int = 1) -> Change:
    """A canonical change."""
    return Change("items", (key,), before, after, verdict)


def only(batch: Batch) -> Write:
    """The one write of a batch."""
    (write,) = batch.writes
    assert batch.rows == len(write.keys)
    return write


def test_an_insert_is_a_full_row_and_a_delete_a_key() -> None:
    write = only(project([entry(3, change(None, (1, "x", 5)))], Q))
    assert (write.op, write.keys, write.fields, write.rows) == (Op.UPSERT, ((1,),), ("id", "a", "n"), ((1, "x", 5),))
    write = only(project([entry(3, change((1, "x", 5), None))], Q))
    assert (write.op, write.keys, write.rows) == (Op.DELETE, ((1,),), ())


def test_c10_an_update_is_what_changed_and_counters_are_increments() -> None:
    write = only(project([entry(3, change((1, "x", 5), (1, "y", 8)))], Q))
    assert (write.op, write.fields, write.deltas, write.rows) == (Op.UPDATE, ("a",), ("n",), (("y", 3),))
    write = only(project([entry(3, change((1, "x", None), (1, "x", 2)))], Q))
    assert (write.fields, write.deltas, write.rows) == ((), ("n",), ((2,),))


def test_a_counter_that_becomes_no_number_is_set() -> None:
    for value in (None, "text", Tagged("decimal", "1.5")):
        write = only(project([entry(3, change((1, "x", 5), (1, "x", value)))], Q))
        assert (write.fields, write.deltas, write.rows) == (("n",), (), ((value,),))


def test_the_origin_gets_nothing_of_its_plain_changes_and_all_of_corrected_ones() -> None:
    plain, corrected = change((1, "x", 5), (1, "y", 5)), change((1, "x", 5), (1, "y", 5), Verdict(correct=True))
    assert project([entry(3, plain, peer="q")], Q).rows == 0
    write = only(project([entry(3, corrected, peer="q")], Q))
    assert (write.op, write.rows) == (Op.UPSERT, ((1, "y", 5),))
    assert only(project([entry(3, change((1, "x", 5), None, Verdict(correct=True)), peer="q")], Q)).op is Op.DELETE
    assert only(project([entry(3, corrected)], Q)).op is Op.UPDATE, "the others get the difference"


def test_full_outcomes_and_entries_for_it_alone_are_whole_rows() -> None:
    whole = change((1, "x", 5), (1, "y", 5), Verdict(full=True))
    assert only(project([entry(3, whole)], Q)).op is Op.UPSERT
    for kind in (Kind.FILL, Kind.RETRY):
        filled = entry(3, change(None, (1, "y", 5)), peer="", to="q", kind=kind)
        assert only(project([filled], Q)).op is Op.UPSERT
        gone = entry(3, change(None, None), peer="", to="q", kind=kind)
        assert only(project([gone], Q)).op is Op.DELETE
        assert project([entry(3, change(None, (1, "y", 5)), peer="", to="r", kind=kind)], Q).rows == 0
    assert only(project([entry(3, whole, peer="", kind=Kind.SETTLE)], Q)).op is Op.UPSERT


def test_control_entries_move_the_watermark_and_nothing_else() -> None:
    batch = project([entry(3, change(None, None), kind=Kind.PARK), entry(4, kind=Kind.CONFIRM)], Q)
    assert (batch.upto, batch.rows, batch.writes) == (4, 0, ())


def test_blocked_refused_and_unknown_rows_are_left_out() -> None:
    entries = [entry(3, change(None, (1, "x", 0)), change(None, (2, "x", 0), key=2))]
    assert only(project(entries, Q, {("items", (1,))})).keys == ((2,),)
    assert project(entries, Target("q", Q.shapes, Q.counters, frozenset({"items"}))).rows == 0
    removed = Entry(4, Kind.CHANGE, "p", changes=(Change("gone", (1,), None, (1,)),))
    batch = project([*entries, removed], Q)
    assert (batch.upto, batch.rows) == (4, 2)


def test_a_column_added_since_is_delivered() -> None:
    wide = Target("q", {"items": Collection("items", ("id", "a", "n", "b"), ("id",))}, {"items": frozenset({2})})
    write = only(project([entry(3, change((1, "x", 5), (1, "x", 5, "new")))], wide))
    assert (write.fields, write.rows) == (("b",), (("new",),))
    write = only(project([entry(3, change(None, (1, "x", 5, ABSENT)))], wide))
    assert (write.fields, write.rows) == (("id", "a", "n"), ((1, "x", 5),))


def test_rows_that_change_alike_share_a_statement_in_key_order() -> None:
    entries = [
        entry(3, *(change((key, "x", 0), (key, "y", 0), key=key) for key in (5, 3, 4)), change((9, "x", 0), (9, "x", 1), key=9))
    ]
    batch = project(entries, Q)
    assert [(write.fields, write.deltas, write.keys) for write in batch.writes] == [
        (("a",), (), ((3,), (4,), (5,))), ((), ("n",), ((9,),))
    ]  # fmt: skip


def test_keys_of_mixed_kinds_are_written_in_the_logs_order() -> None:
    keys: list[Key] = [("b",), (1,), (b"\0",), (None,)]
    entries = [Entry(3, Kind.CHANGE, "p", changes=tuple(Change("items", key, None, (*key, "x", 0)) for key in keys))]
    assert only(project(entries, Q)).keys == tuple(keys)
    gone = [Entry(3, Kind.CHANGE, "p", changes=tuple(Change("items", key, (*key, "x", 0), None) for key in keys))]
    assert set(only(project(gone, Q)).keys) == set(keys)


# -- folding ------------------------------------------------------------------------------------------------------------------

VALUES = st.sampled_from(["x", "y", None])
COUNTS: st.SearchStrategy[Value] = st.one_of(st.integers(-2, 3), st.none(), st.just("odd"))


@st.composite
def lives(draw: st.DrawFn) -> list[Entry]:
    """What happened to two rows, one entry after the other, by p, by q itself, or for q alone.

    A change of q's is plain only where q had everything before it: so before anything else that is still to come to it.
    """
    rows: dict[int, Row | None] = {1: (1, "x", 0), 2: None}
    touched: set[int] = set()
    made: list[Entry] = []
    for offset in range(1, draw(st.integers(2, 9))):
        key = draw(st.sampled_from([1, 2]))
        before = rows[key]
        gone = before is not None and draw(st.integers(0, 3)) == 0
        after: Row | None = None if gone else (key, draw(VALUES), draw(COUNTS))
        kind = draw(st.sampled_from(["p", "p", "p", "full", "q", "correct", "fill"]))
        kind = "correct" if kind == "q" and key in touched else kind
        if kind != "q":
            touched.add(key)
        match kind:
            case "fill":
                made.append(entry(offset, change(None, before, key=key), peer="", to="q", kind=Kind.FILL))
                continue
            case "full" | "correct":
                verdict = Verdict(full=kind == "full", correct=kind == "correct")
                made.append(entry(offset, change(before, after, verdict, key), peer="q" if kind == "correct" else "p"))
            case _:
                made.append(entry(offset, change(before, after, key=key), peer=kind))
        rows[key] = after
    return made


def database(offset: Value, missing: bool) -> SimDatabase:
    """q as it may be: it counted something that the log does not know yet, or has deleted the row."""
    made = SimDatabase("q", [SHAPE], lambda: 0, random.Random(1))
    made.content.tables["items"] = {} if missing else {(1,): (1, "x", offset)}
    return made


@settings(max_examples=150, deadline=None)
@given(lives(), st.data(), st.sampled_from([0, 7, None]), st.booleans())
def test_p8_folded_into_batches_entries_do_what_they_do_one_by_one(
    entries: list[Entry], data: st.DataObject, counted: Value, missing: bool
) -> None:
    one_by_one, folded = database(counted, missing), database(counted, missing)
    for one in entries:
        one_by_one.apply(project([one], Q))
    start = 0
    while start < len(entries):
        stop = data.draw(st.integers(start + 1, len(entries)))
        folded.apply(project(entries[start:stop], Q))
        start = stop
    assert folded.content.watermark == one_by_one.content.watermark == entries[-1].offset
    assert folded.rows("items") == one_by_one.rows("items")


@settings(max_examples=60, deadline=None)
@given(lives())
def test_no_key_is_written_twice_in_a_batch(entries: list[Entry]) -> None:
    batch = project(entries, Q)
    keys = [(write.collection, key) for write in batch.writes for key in write.keys]
    assert len(keys) == len(set(keys)) <= batch.rows
