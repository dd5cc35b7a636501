"""Blocks: what columns say is what the rows say one by one; they travel as they are; what is broken is a CodecError."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.unit.model.strategies import VALUES

from syncline.model.block import Block, Series, concatenated
from syncline.model.change import Change, Rows, Transaction, change_of, changes_of, weigh
from syncline.model.codec import decode_entries, encode_entries
from syncline.model.entry import Entry, Kind
from syncline.model.errors import CodecError
from syncline.model.forms import INTEGER, PLAIN, TEXT
from syncline.model.stamp import Position
from syncline.model.value import ABSENT

RAW = st.none() | st.binary(max_size=6) | st.sampled_from([b"", b"\0", b"a\0b", b"\0\0"])
SERIES = st.builds(Series, st.just(TEXT), st.lists(RAW, min_size=1, max_size=12), st.sampled_from(["", "postgres 25 -1"]))
PLAINS = st.builds(Series, st.just(PLAIN), st.lists(VALUES, min_size=1, max_size=12))

IDS = Series(INTEGER, [b"1", b"2", b"1"], "postgres 23 -1")
NAMES = Series(TEXT, [b"a", None, b"b"])
FRESH = Series(TEXT, [b"b", b"c", b"d"])
UPDATE = Block("items", (0,), (IDS, NAMES), (None, FRESH), (30, 20, 0))
INSERT = Block("items", (0,), (), (IDS, NAMES))
DELETE = Block("items", (0,), (IDS, NAMES), ())


def back(block: Block) -> Block:
    """A block after a journey."""
    (entry,) = decode_entries(encode_entries([Entry(7, Kind.CHANGE, "p", Position(3), 1, 1000, blocks=(block,))]))
    return entry.blocks[0]


@settings(max_examples=200)
@given(SERIES | PLAINS)
@example(Series(TEXT, [None]))
@example(Series(TEXT, [b""]))
@example(Series(TEXT, [b"", None, b""]))
@example(Series(TEXT, [b"a\0b", b"c"]))
@example(Series(TEXT, [None, b"\0"]))
@example(Series(PLAIN, [None, "", b"", 0, ABSENT]))
def test_d31_a_series_comes_back_as_it_was(series: Series) -> None:
    found = back(Block("c", (0,), (), (series, series))).after[0]
    assert found == series
    assert found is not None
    assert [type(one) for one in found.raw] == [type(one) for one in series.raw]


def test_texts_without_nul_travel_as_one_and_others_one_by_one() -> None:
    assert Series(TEXT, [b"a", None, b""]).wire() == (TEXT, "", b"a\0\0", [1])
    assert Series(TEXT, [b"a\0b", None]).wire() == (TEXT, "", [b"a\0b", None])
    assert Series(PLAIN, [b"a"]).wire() == (PLAIN, "", [b"a"])


@pytest.mark.parametrize("block", [UPDATE, INSERT, DELETE])
def test_a_block_comes_back_as_it_was_and_shows_the_same_changes(block: Block) -> None:
    found = back(block)
    assert found == block
    assert hash(found) == hash(block)
    assert (found.ages, found.differs, found.key_places) == (block.ages, block.differs, block.key_places)
    assert changes_of(found) == changes_of(block) == [change_of(block, place) for place in range(3)]
    assert found != back(Block(block.collection, block.key_places, block.before, block.after, (1, 1, 1)))


def test_rows_are_read_from_their_columns() -> None:
    assert changes_of(UPDATE) == [
        Change("items", (1,), (1, "a"), (1, "b")),
        Change("items", (2,), (2, None), (2, "c")),
        Change("items", (1,), (1, "b"), (1, "d")),
    ]
    assert changes_of(INSERT)[1] == Change("items", (2,), None, (2, None))
    assert changes_of(DELETE)[1] == Change("items", (2,), (2, None), None)
    assert [block.is_update for block in (UPDATE, INSERT, DELETE)] == [True, False, False]
    assert (UPDATE.differs, INSERT.differs, DELETE.differs) == ((1,), (0, 1), ())


@pytest.mark.parametrize("block", [UPDATE, INSERT, DELETE])
def test_the_head_of_a_block_is_its_first_rows(block: Block) -> None:
    for count in range(block.count + 1):
        head = block.head(count)
        assert head.count == count
        assert changes_of(head) == changes_of(block)[:count]
        assert head == block.take(range(count))


def test_the_changes_of_a_key_stand_in_their_order() -> None:
    assert UPDATE.places((1,)) == [0, 2]
    assert UPDATE.places((2,)) == [1]
    assert UPDATE.places((3,)) == []


def test_each_row_has_its_time() -> None:
    assert [UPDATE.time(place, 1000) for place in range(3)] == [970, 980, 1000]
    assert UPDATE.span(1000) == (970, 1000)
    assert INSERT.time(1, 1000) == 1000
    assert INSERT.span(1000) == (1000, 1000)


@pytest.mark.parametrize(
    ("ages", "steps_back"),
    [((), False), ((30, 20, 0), False), ((0, 0, 0), False), ((30, 40, 0), False), ((10, 5, 20), True), ((0, 5, 1), True)],
)
def test_c12_a_clock_that_stepped_back_matters_between_changes_of_one_key(ages: tuple[int, ...], steps_back: bool) -> None:
    assert Block("items", (0,), (IDS, NAMES), (None, FRESH), ages).steps_back is steps_back


def test_rows_of_blocks_are_as_good_as_a_tuple_of_changes() -> None:
    rows = Rows((UPDATE, INSERT))
    changes = (*changes_of(UPDATE), *changes_of(INSERT))
    assert (len(rows), tuple(rows), rows[0], rows[-2:]) == (6, changes, changes[0], changes[-2:])
    assert rows == changes
    assert changes == rows
    assert hash(rows) == hash(changes)
    assert repr(rows) == repr(changes)
    assert rows != changes[:-1]


def test_what_has_blocks_shows_them_as_changes() -> None:
    transaction = Transaction("p", Position(3), 1, 1000, blocks=(INSERT,))
    entry = Entry(7, Kind.CHANGE, "p", Position(3), 1, 1000, blocks=(INSERT,))
    assert transaction.changes == tuple(changes_of(INSERT)) == entry.changes
    assert entry.rows == 3
    assert not entry.has_notes
    (found,) = decode_entries(encode_entries([entry]))
    assert (found, found.changes, found.fingerprint) == (entry, entry.changes, entry.fingerprint)


def test_a_block_weighs_what_its_bytes_weigh() -> None:
    long = Series(TEXT, [b"x" * 1000] * 400)
    assert 400_000 <= Block("c", (0,), (), (long,)).weight <= 600_000
    assert weigh(Rows((Block("c", (0,), (), (long,)),))) == Block("c", (0,), (), (long,)).weight
    assert UPDATE.weight < 1000


def test_series_can_be_put_one_after_the_other() -> None:
    both = concatenated([NAMES, FRESH])
    assert (both.form, both.raw) == (TEXT, [b"a", None, b"b", b"b", b"c", b"d"])
    assert concatenated([NAMES]) is NAMES
    mixed = concatenated([IDS, Series(PLAIN, [4, None])])
    assert (mixed.form, mixed.raw, mixed.tag) == (PLAIN, [1, 2, 1, 4, None], "")
    assert concatenated([IDS, Series(INTEGER, [b"4"], "another")]).raw == [1, 2, 1, 4]
    assert IDS.take([2, 0]) == Series(INTEGER, [b"1", b"1"], "postgres 23 -1")


ONE: tuple[object, ...] = (TEXT, "", b"a", [])
TWO: tuple[object, ...] = (TEXT, "", b"a\0b", [])


@pytest.mark.parametrize(
    "wire",
    [
        (), ("c",), ("c", [0], 1, [], []), 5,
        ("c", [0], 2, [], [ONE], []),  # too few values
        ("c", [0], 1, [], [TWO], []),
        ("c", [0], 0, [], [], []),  # no columns
        ("c", [0], 1, [], [None], []),  # an insert that lacks a column
        ("c", [0], 1, [None], [ONE], []),
        ("c", [0], 1, [ONE], [ONE, None], []),  # not equally wide
        ("c", [1], 1, [], [ONE], []),  # no such column for the key
        ("c", [0], 1, [], [ONE], [1, 2]),  # an age too many
        ("c", [0], 1, [], [("braille", "", b"a", [])], []),
        ("c", [0], 1, [], [(TEXT, "", b"a", [5])], []),
        ("c", [0], 1, [], [(TEXT, "", b"a", ["x"])], []),
        ("c", [0], 1, [], [(TEXT,)], []),
        ("c", [0], "1", [], [ONE], []),
        ("c", 0, 1, [], [ONE], []),
        ("c", ["x"], 1, [], [ONE], []),
        ("c", [0], 1, [], [5], []),
        ("c", [0], 1, [], [([], "", b"a", [])], []),
    ],
)  # fmt: skip
def test_f38_a_broken_block_is_a_codec_error(wire: object) -> None:
    with pytest.raises(CodecError):
        Block.from_wire(wire)  # type: ignore[arg-type]


def test_the_wire_of_the_broken_ones_is_fine_where_nothing_is_broken() -> None:
    assert changes_of(Block.from_wire(("c", [0], 1, [], [ONE], []))) == [Change("c", ("a",), None, ("a",))]
    found = changes_of(Block.from_wire(("c", [0], 2, [TWO, TWO], [None, (TEXT, "", b"c\0", [1])], [])))
    assert found == [Change("c", ("a",), ("a", "a"), ("a", "c")), Change("c", ("b",), ("b", "b"), ("b", None))]
