"""Blocks from columns and from changes: they say the same; what columns cannot tell makes none."""

from collections import defaultdict

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from syncline.model.block import Block, Series
from syncline.model.blocks import are_apart, of_changes, updated
from syncline.model.change import Change, Rows, Verdict
from syncline.model.forms import DECIMAL, INTEGER, PADDED, PLAIN, TEXT
from syncline.model.stamp import Micros
from syncline.model.value import ABSENT, Key, Row, Value

PLACES = {"items": (0,), "pairs": (1, 0)}
IDS = Series(INTEGER, [b"1", b"2", b"3"])


def change(before: Row | None, after: Row | None, collection: str = "items") -> Change:
    """A change of a row of three fields."""
    row = after or before or ()
    return Change(collection, tuple([row[place] for place in PLACES[collection]]), before, after)


def texts(*values: bytes | None, form: str = TEXT) -> Series:
    """A column."""
    return Series(form, list(values))


def masks(blocks: list[Block] | tuple[Block, ...] | None) -> dict[tuple[int, ...], list[Key]]:
    """The keys, by the columns that differ."""
    assert blocks is not None
    return {block.differs: block.keys for block in blocks}


def test_updates_of_the_same_columns_are_one_block_and_others_are_apart() -> None:
    names, fresh = texts(b"a", b"b", None), texts(b"x", b"b", b"")
    notes, later = texts(b"n", b"n", b"n"), texts(b"m", b"m", b"n")
    found = updated("items", (0,), (IDS, names, notes), (IDS, fresh, later), (5, 3, 0))
    assert masks(found) == {(1, 2): [(1,)], (2,): [(2,)], (1,): [(3,)]}
    assert [block.ages for block in found or ()] == [(5,), (3,), (0,)]
    assert [block.image(0) for block in found or ()] == [
        ((1, "a", "n"), (1, "x", "m")), ((2, "b", "n"), (2, "b", "m")), ((3, None, "n"), (3, "", "n")),
    ]  # fmt: skip


def test_updates_that_are_all_alike_keep_their_columns_as_they_are() -> None:
    names, fresh = texts(b"a", b"b", b"c"), texts(b"x", b"y", b"z")
    found = updated("items", (0,), (IDS, names), (IDS, fresh), ()) or []
    assert [block.after for block in found] == [(None, fresh)]
    assert found[0].after[1] is fresh


def test_updates_to_what_was_there_are_left_out() -> None:
    names = texts(b"a", b"b", b"c")
    assert updated("items", (0,), (IDS, names), (IDS, texts(b"a", b"b", b"c")), ()) == []
    assert masks(updated("items", (0,), (IDS, names), (IDS, texts(b"a", b"y", b"c")), ())) == {(1,): [(2,)]}


@pytest.mark.parametrize(("form", "old", "new"), [(DECIMAL, b"1.5", b"1.50"), (DECIMAL, b"2", b"2.0"), (PADDED, b"a", b"a  ")])
def test_what_is_only_spelled_anew_is_no_change(form: str, old: bytes, new: bytes) -> None:
    before, after = texts(old, old, b"7", form=form), texts(new, b"8", b"7", form=form)
    assert masks(updated("items", (0,), (IDS, before), (IDS, after), ())) == {(1,): [(2,)]}
    all_anew = texts(new, new, b"7", form=form)
    assert updated("items", (0,), (IDS, before), (IDS, all_anew), ()) == []
    named = texts(b"x", b"y", b"z")
    found = updated("items", (0,), (IDS, before, texts(b"a", b"b", b"c")), (IDS, all_anew, named), ())
    assert masks(found) == {(2,): [(1,), (2,), (3,)]}


def test_d35_a_key_that_moved_and_too_many_sorts_make_no_blocks() -> None:
    assert updated("items", (0,), (IDS,), (texts(b"1", b"2", b"4", form=INTEGER),), ()) is None
    many = range(9)
    before = (Series(PLAIN, list(many)), *[Series(PLAIN, [0] * 9) for _ in range(4)])
    after = (before[0], *[Series(PLAIN, [one >> bit & 1 for one in range(1, 10)]) for bit in range(4)])
    assert updated("items", (0,), before, after, ()) is None
    old, new = [[one.take(range(8)) for one in side] for side in (before, after)]
    assert len(updated("items", (0,), old, new, ()) or ()) == 8


def test_blocks_of_one_collection_share_no_key() -> None:
    insert = Block("items", (0,), (), (texts(b"1", b"2", form=INTEGER),))
    other = Block("items", (0,), (texts(b"3", form=INTEGER),), ())
    again = Block("items", (0,), (texts(b"2", form=INTEGER),), ())
    elsewhere = Block("pairs", (0,), (texts(b"2", form=INTEGER),), ())
    twice = Block("items", (0,), (texts(b"7", b"7", form=INTEGER),), ())
    assert are_apart([])
    assert are_apart([insert, other, elsewhere, twice])
    assert not are_apart([insert, again])
    assert not are_apart([insert, other, elsewhere, again])


INSERT, DELETE = change(None, (1, "a", 0)), change((2, "b", 0), None)
UPDATE = change((3, "c", 0), (3, "d", 0))


@pytest.mark.parametrize(
    "changes",
    [
        [msg := Change("items", (1,), (1, "a", 0), None, Verdict(moved=(2,)))],
        [INSERT, msg],
        [Change("items", (1,), None, None)],
        [change(None, (1, ABSENT, 0))],
        [change((3, "c", ABSENT), (3, "d", 0))],
        [change((3, "c", 0), (3, "d", ABSENT))],
        [INSERT, change(None, (4, "a"))],
        [change((3, "c"), (3, "d", 0))],
        [Change("items", (9,), None, (1, "a", 0))],
        [Change("items", (1, 2), None, (1, "a", 0))],
        [Change("items", (1,), (1, "a", 0), (2, "a", 0))],
        [Change("pairs", (1, 1), None, (1,))],
        [Change("items", (1,), None, ())],
        [INSERT, change((1, "a", 0), None)],
        [change((3, "c", 0), (3, "d", 0)), change((3, "d", 0), (3, "d", 1))],
    ],
)
def test_d35_what_columns_cannot_tell_makes_no_blocks(changes: list[Change]) -> None:
    assert of_changes(changes, PLACES) is None


def test_inserts_updates_and_deletes_of_several_collections_are_blocks_with_their_ages() -> None:
    pair = Change("pairs", ("x", 5), None, (5, "x"))
    found = of_changes([INSERT, pair, DELETE, UPDATE, change(None, (4, "", None))], PLACES, (50, 40, 30, 20, 10))
    assert [(block.collection, block.keys, block.ages) for block in found or ()] == [
        ("items", [(1,), (4,)], (50, 10)), ("pairs", [("x", 5)], (40,)),
        ("items", [(2,)], (30,)), ("items", [(3,)], (20,)),
    ]  # fmt: skip
    assert {series.form for block in found or () for series in (*block.before, *block.after) if series} == {PLAIN}
    assert sorted(map(repr, Rows(found or ()))) == sorted(
        map(repr, [INSERT, pair, DELETE, UPDATE, change(None, (4, "", None))])
    )
    assert of_changes([], PLACES) == ()


values = st.sampled_from([None, 0, 1, "", "a", b"\0", "a\0b"])
steps: st.SearchStrategy[list[tuple[int, str, Value, Value, Micros]]] = st.lists(
    st.tuples(st.integers(1, 4), st.sampled_from("uuuid"), values, values, st.integers(-5, 50)), max_size=10
)


@settings(max_examples=300)
@given(steps)
def test_blocks_say_what_the_changes_say_row_by_row_and_when(made: list[tuple[int, str, Value, Value, Micros]]) -> None:
    rows: dict[int, Row] = {}
    changes: list[Change] = []
    ages: list[Micros] = []
    for key, kind, name, count, age in made:
        before = rows.get(key)
        after: Row | None = (
            None if kind == "d" else (key, name, count) if kind == "i" else (key, name, before[2] if before else 0)
        )
        if before == after:
            continue
        changes.append(change(before, after))
        ages.append(age)
        rows.pop(key, None)
        if after is not None:
            rows[key] = after
    blocks = of_changes(changes, PLACES, ages)
    event(f"blocks: {blocks is not None and len(blocks)}")
    if blocks is None:
        return
    said: dict[Key, list[tuple[Micros, Change]]] = defaultdict(list)
    for block in blocks:
        for place, one in enumerate(Rows((block,))):
            said[one.key].append((block.time(place, 1000), one))
    meant: dict[Key, list[tuple[Micros, Change]]] = defaultdict(list)
    for one, age in zip(changes, ages, strict=True):
        meant[one.key].append((1000 - age, one))
    assert said == meant
