"""Projection of blocks: whole where nothing has to be folded, row by row where something has; the effect is the same."""

import random
from collections.abc import Sequence
from typing import TypeAlias

import msgspec
from hypothesis import event, given, settings
from hypothesis import strategies as st

from syncline.mapping.bulk import rest_of, whole_blocks, writes_of
from syncline.mapping.project import Target, project
from syncline.model.block import Block, Series
from syncline.model.blocks import of_changes
from syncline.model.change import Change, Verdict, changes_of
from syncline.model.entry import Entry, Kind
from syncline.model.forms import INTEGER, PLAIN, TEXT
from syncline.model.schema import Collection
from syncline.model.stamp import Position
from syncline.model.value import Key, Row, Value
from syncline.model.write import Batch, Op, Write
from syncline.sim.database import SimDatabase

ITEMS = Collection("items", ("id", "a", "n"), ("id",))
PAIRS = Collection("pairs", ("x", "y", "b"), ("y", "x"))
SHAPES = {"items": ITEMS, "pairs": PAIRS}
PLACES = {"items": (0,), "pairs": (1, 0)}
COUNTERS = frozenset({2})
Q = Target("q", SHAPES, {"items": COUNTERS, "pairs": frozenset()})
NOTHING: frozenset[tuple[str, Key]] = frozenset()
Cells: TypeAlias = Sequence[Value]


def update(keys: Cells, old: tuple[Cells, Cells], a: Cells | None = None, n: Cells | None = None) -> Block:
    """A block of updates of items."""
    before = tuple([Series(PLAIN, one) for one in (keys, *old)])
    after = [None if one is None else Series(PLAIN, one) for one in (None, a, n)]
    return Block("items", (0,), before, tuple(after))


def insert(*rows: Row, collection: str = "items") -> Block:
    """A block of inserts."""
    return Block(collection, PLACES[collection], (), tuple([Series(PLAIN, one) for one in zip(*rows, strict=True)]))


def delete(*rows: Row) -> Block:
    """A block of deletes."""
    return Block("items", (0,), tuple([Series(PLAIN, one) for one in zip(*rows, strict=True)]), ())


def entry(offset: int, *blocks: Block, peer: str = "p", to: str = "", kind: Kind = Kind.CHANGE) -> Entry:
    """An entry by columns."""
    return Entry(offset, kind, peer, Position(offset), to=to, blocks=blocks)


def single(offset: int, *changes: Change, peer: str = "p", to: str = "", kind: Kind = Kind.CHANGE) -> Entry:
    """An entry by changes."""
    return Entry(offset, kind, peer, Position(offset), changes=changes, to=to)


def made(*blocks: Block) -> list[Write]:
    """The writes of blocks of items, which need no folding."""
    found = writes_of(blocks, ITEMS, COUNTERS)
    assert found is not None
    return found


def shown(write: Write) -> tuple[object, ...]:
    """A write, looked at."""
    return write.op, tuple(write.keys), write.fields, write.deltas, tuple(write.rows)


def test_inserts_are_upserts_in_the_order_of_their_keys() -> None:
    (write,) = made(insert((3, "c", 0), (1, "a", 0)), insert((2, None, 5)))
    assert shown(write) == (
        Op.UPSERT, ((1,), (2,), (3,)), ("id", "a", "n"), (), ((1, "a", 0), (2, None, 5), (3, "c", 0)),
    )  # fmt: skip
    (write,) = writes_of([insert(("x", 2, 0), ("w", 1, 0), collection="pairs")], PAIRS, frozenset()) or []
    assert shown(write)[:2] == (Op.UPSERT, ((1, "w"), (2, "x")))


def test_inserts_are_of_rows_that_the_log_knows_nothing_of() -> None:
    """So that they may be tried where no row is looked for first."""
    rows = [(key, "a", 0) for key in range(3)]
    for made_of in (entry(2, insert(*rows)), entry(2, insert(*rows), peer="", to="q", kind=Kind.FILL)):
        (write,) = project([made_of], Q).writes
        assert write.fresh
    writes = made(delete((3, "c", 0)), update([2], (["a"], [5]), a=["x"]))
    assert not any(write.fresh for write in writes)
    assert not any(write.fresh for write in project([single(2, Change("items", (1,), None, (1, "a", 0)))], Q).writes)


def test_deletes_are_keys() -> None:
    (write,) = made(delete((3, "c", 0), (1, "a", 0)))
    assert shown(write) == (Op.DELETE, ((1,), (3,)), (), (), ())


def test_c10_updates_set_their_columns_and_counters_are_increments() -> None:
    (write,) = made(update([2, 1], (["a", "b"], [5, 7]), a=["x", None], n=[8, 6]))
    assert shown(write) == (Op.UPDATE, ((1,), (2,)), ("a",), ("n",), ((None, -1), ("x", 3)))


def test_c10_updates_of_one_key_are_the_last_value_and_all_increments() -> None:
    first = update([1, 2, 1], (["a", "b", "x"], [5, 7, 6]), a=["x", "z", "y"], n=[6, 9, 16])
    second = update([1], (["y"], [16]), a=["w"], n=[15])
    (write,) = made(first, second)
    assert shown(write) == (Op.UPDATE, ((1,), (2,)), ("a",), ("n",), (("w", 10), ("z", 2)))


def test_forms_travel_as_they_are() -> None:
    ids, names = Series(INTEGER, [b"2", b"1"], "t"), Series(TEXT, [b"x", None], "u")
    (write,) = made(Block("items", (0,), (), (ids, names, Series(INTEGER, [b"0", b"1"]))))
    assert [(one.form, one.tag, list(one.raw)) for one in write.series[:2]] == [
        (INTEGER, "t", [b"1", b"2"]), (TEXT, "u", [None, b"x"]),
    ]  # fmt: skip


def test_what_has_to_be_folded_is_not_whole() -> None:
    row: Row = (1, "a", 5)
    one = update([1], (["a"], [5]), a=["x"])
    assert writes_of([insert(row), one], ITEMS, COUNTERS) is None
    assert writes_of([one, update([1], (["x"], [5]), n=[6])], ITEMS, COUNTERS) is None
    assert writes_of([insert(row), insert(row)], ITEMS, COUNTERS) is None
    assert writes_of([delete(row), delete(row)], ITEMS, COUNTERS) is None
    assert writes_of([update([1], (["a"], [None]), n=[6])], ITEMS, COUNTERS) is None, "a counter that was NULL"
    assert writes_of([update([1], (["a"], [6]), n=["many"])], ITEMS, COUNTERS) is None
    assert [shown(write)[0] for write in made(insert(row), update([2], (["a"], [5]), a=["x"]), delete((3, "", 0)))] == [
        Op.UPSERT, Op.UPDATE, Op.DELETE,
    ]  # fmt: skip


def test_keys_of_mixed_kinds_stay_in_the_order_of_the_log() -> None:
    (write,) = made(insert(("x", "a", 0), (1, "b", 0)))
    assert shown(write)[1] == (("x",), (1,))


def test_a_collection_is_whole_where_blocks_are_all_that_there_is_of_it() -> None:
    rows, pairs = insert((1, "a", 0)), insert(("x", 1, 0), collection="pairs")
    other = Change("items", (9,), None, (9, "z", 0))
    assert whole_blocks([entry(1, rows, pairs), entry(2, delete((2, "", 0)))], "q", SHAPES, NOTHING).keys() == SHAPES.keys()
    assert whole_blocks([entry(1, rows, pairs), single(2, other)], "q", SHAPES, NOTHING) == {
        "items": [rows, insert((9, "z", 0))], "pairs": [pairs]
    }  # fmt: skip
    strange = msgspec.structs.replace(other, verdict=Verdict(full=True))
    assert whole_blocks([entry(1, rows, pairs), single(2, strange)], "q", SHAPES, NOTHING) == {"pairs": [pairs]}
    assert whole_blocks([single(2, other)], "q", SHAPES, NOTHING) == {}, "nothing to go with"
    assert whole_blocks([entry(1, rows), single(2, other)], "q", SHAPES, frozenset({("items", (9,))})) == {}
    assert whole_blocks([entry(1, rows, pairs)], "q", {"pairs": PAIRS}, NOTHING) == {"pairs": [pairs]}
    assert whole_blocks([entry(1, rows), single(2, other, to="r", kind=Kind.FILL)], "q", SHAPES, NOTHING) == {"items": [rows]}
    assert whole_blocks([entry(1, rows), single(2, other, to="q", kind=Kind.FILL)], "q", SHAPES, NOTHING) == {}
    assert whole_blocks([entry(1, rows), single(2, other, kind=Kind.PARK)], "q", SHAPES, NOTHING) == {"items": [rows]}
    assert whole_blocks([entry(1, rows, pairs)], "q", SHAPES, frozenset({("items", (1,))})) == {"pairs": [pairs]}
    assert whole_blocks([entry(1, rows, pairs)], "q", SHAPES, frozenset({("items", (2,))})).keys() == SHAPES.keys()


def test_what_a_peer_did_itself_does_not_come_back_but_corrected() -> None:
    rows = insert((1, "a", 0))
    plain = Change("items", (9,), None, (9, "z", 0))
    corrected = Change("items", (9,), None, (9, "y", 0), Verdict(correct=True))
    assert whole_blocks([entry(1, rows, peer="q")], "q", SHAPES, NOTHING) == {}
    assert whole_blocks([entry(1, rows), single(2, plain, peer="q")], "q", SHAPES, NOTHING) == {"items": [rows]}
    assert whole_blocks([entry(1, rows), single(2, corrected, peer="q")], "q", SHAPES, NOTHING) == {}
    batch = project([entry(1, rows), single(2, corrected, peer="q")], Q)
    assert [shown(write)[1] for write in batch.writes] == [((1,), (9,))]


def test_the_rest_of_an_entry_is_what_was_not_taken() -> None:
    rows, pairs = insert((1, "a", 0)), insert(("x", 1, 0), collection="pairs")
    both = entry(1, rows, pairs)
    assert list(rest_of(both, {"items": 1})) == changes_of(pairs)
    assert list(rest_of(both, {})) == [*changes_of(rows), *changes_of(pairs)]
    assert list(rest_of(both, {"items": 1, "pairs": 1})) == []
    plain = single(2, changes_of(rows)[0])
    assert list(rest_of(plain, {"items": 1})) == [], "it went with the blocks"
    assert list(rest_of(plain, {"pairs": 1})) == changes_of(rows)


def test_a_batch_counts_its_rows_and_says_how_far_it_goes() -> None:
    rows, pairs = insert((1, "a", 0), (2, "b", 0)), insert(("x", 1, 0), collection="pairs")
    batch = project([entry(1, rows, pairs), single(2, Change("items", (9,), None, (9, "z", 0)))], Q)
    assert (batch.rows, batch.upto) == (4, 2)
    assert sorted((write.collection, len(write.keys)) for write in batch.writes) == [("items", 3), ("pairs", 1)]
    assert project([entry(1, rows, pairs)], Target("q", {"items": ITEMS}, {"items": COUNTERS})).rows == 2
    assert project([entry(1, rows, pairs)], Target("q", SHAPES, Q.counters, frozenset({"items"}))).rows == 1


VALUES = st.sampled_from([None, "", "a", "b"])
NUMBERS = st.sampled_from([0, 1, 5, None])
MOODS = st.sampled_from(["a", "n", "b", "nb", "i", "ia", "id", "ianbd"])
STEPS = MOODS.flatmap(
    lambda kinds: st.lists(
        st.tuples(st.integers(1, 6), st.sampled_from(kinds), VALUES, NUMBERS, st.integers(0, 2)), min_size=1, max_size=14
    )
)


@settings(max_examples=400, deadline=None)
@given(STEPS, st.sets(st.integers(1, 6), max_size=2), st.sets(st.integers(1, 14), max_size=2))
def test_whole_or_folded_the_effect_is_the_same(
    steps: list[tuple[int, str, Value, Value, int]], withheld: set[int], plainly: set[int]
) -> None:
    rows: dict[Key, Row] = {(key,): (key, "s", 3) for key in (1, 2, 3, 4)}
    start = dict(rows)
    entries: list[list[Change]] = [[]]
    for number, kind, text, count, more in steps:
        key = (number,)
        before = rows.get(key)
        after = None if kind == "d" else _after(before, number, kind, text, count)
        if before != after:
            entries[-1].append(Change("items", key, before, after))
            rows = {name: row for name, row in {**rows, key: after}.items() if row is not None}
        if not more:
            entries.append([])
    blocked = frozenset(("items", (key,)) for key in withheld)
    filled = [changes for changes in entries if changes]
    whole = [_entry(place, changes, plainly=place in plainly) for place, changes in enumerate(filled, 1)]
    plain = [single(one.offset, *one.changes) for one in whole]
    by_columns = whole_blocks(whole, "q", SHAPES, blocked)
    event(f"by columns: {bool(by_columns) and writes_of(by_columns['items'], ITEMS, COUNTERS) is not None}")
    assert _after_applying(project(whole, Q, blocked), start) == _after_applying(project(plain, Q, blocked), start)
    if not withheld:
        assert _after_applying(project(whole, Q), start) == rows


def _after(before: Row | None, number: int, kind: str, text: Value, count: Value) -> Row:
    if before is None or kind == "i":
        return number, text, count
    name = text if kind in "ab" else before[1]
    return number, name, (before[2] if isinstance(before[2], int) else 0) + 2 if kind in "nb" else before[2]


def _entry(offset: int, changes: list[Change], *, plainly: bool) -> Entry:
    blocks = None if plainly else of_changes(changes, PLACES)
    return single(offset, *changes) if not blocks else entry(offset, *blocks)


def _after_applying(batch: Batch, start: dict[Key, Row]) -> dict[Key, Row]:
    database = SimDatabase("q", [ITEMS, PAIRS], lambda: 0, random.Random(0))
    database.content.tables["items"].update(start)
    database.apply(batch)
    return dict(database.rows("items"))
