"""Hypothesis strategies for what travels: values, rows, entries; all that the wire can carry, and nothing else."""

from hypothesis import strategies as st

from syncline.model.block import Block, Series
from syncline.model.change import Change, Verdict
from syncline.model.conflict import Conflict, Side
from syncline.model.entry import Entry, Kind
from syncline.model.forms import PLAIN, TEXT
from syncline.model.stamp import Position
from syncline.model.value import ABSENT, INTEGER_MAX, INTEGER_MIN, Tagged, Value, real

TEXTS = st.text(max_size=12)
REALS = st.floats().map(real)
TAGGED = st.builds(Tagged, st.sampled_from(["decimal", "date", "json", "rawtext", "other", "x y"]), TEXTS)
VALUES: st.SearchStrategy[Value] = st.one_of(
    st.none(), st.integers(INTEGER_MIN, INTEGER_MAX), TEXTS, st.binary(max_size=12), REALS, TAGGED, st.just(ABSENT)
)
ROWS = st.lists(VALUES, max_size=5).map(tuple)
OFFSETS = st.integers(0, 2**62)
SIDES = st.builds(Side, TEXTS, VALUES, st.none() | ROWS, OFFSETS, OFFSETS)
CONFLICTS = st.builds(Conflict, TEXTS, TEXTS, TEXTS, TEXTS, SIDES, SIDES, st.booleans(), VALUES, TEXTS)
PLACES = st.lists(st.integers(0, 9), max_size=3).map(tuple)
VERDICTS = st.builds(
    Verdict, st.booleans(), st.booleans(), PLACES, OFFSETS, st.lists(CONFLICTS, max_size=2).map(tuple), st.none() | ROWS, PLACES
)
CHANGES = st.builds(Change, TEXTS, ROWS, st.none() | ROWS, st.none() | ROWS, st.none() | VERDICTS)
POSITIONS = st.builds(Position, st.integers(-(2**62), 2**62), st.integers(0, 2**62), TEXTS)
BODIES = st.none() | st.dictionaries(
    TEXTS, st.recursive(st.integers(0, 9) | TEXTS | st.booleans(), st.lists, max_leaves=4), max_size=3
)


@st.composite
def blocks(draw: st.DrawFn) -> Block:
    """Inserts, updates or deletes of a few rows, by columns."""
    count, width = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    raw = st.lists(st.none() | st.text(max_size=4).map(str.encode), min_size=count, max_size=count)
    values = st.lists(VALUES, min_size=count, max_size=count)
    series = st.builds(Series, st.just(TEXT), raw, TEXTS) | st.builds(Series, st.just(PLAIN), values)
    columns = st.lists(series, min_size=width, max_size=width).map(tuple)
    had, has = draw(st.sampled_from([(False, True), (True, False), (True, True)]))
    old: tuple[Series, ...] = draw(columns) if had else ()
    new: tuple[Series | None, ...] = draw(columns) if has else ()
    if had and has:
        new = tuple([draw(st.sampled_from([None, one])) for one in new])
    ages = draw(st.just([]) | st.lists(st.integers(-(2**40), 2**40), min_size=count, max_size=count))
    return Block(draw(TEXTS), (draw(st.integers(0, width - 1)),), old, new, tuple(ages))


PARTS = (OFFSETS, st.sampled_from(Kind), TEXTS, st.none() | POSITIONS, OFFSETS, OFFSETS)
CHANGED = st.builds(Entry, *PARTS, st.lists(CHANGES, max_size=3).map(tuple), TEXTS, BODIES)
BLOCKED = st.builds(Entry, *PARTS, st.just(()), TEXTS, BODIES, st.lists(blocks(), min_size=1, max_size=2).map(tuple))
ENTRIES = CHANGED | BLOCKED
