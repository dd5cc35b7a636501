"""Entries made by chance, and logs to damage, for the tests of the log."""

from pathlib import Path

import apsw
from hypothesis import strategies as st

from syncline.model.change import Change, Verdict
from syncline.model.entry import Entry, Kind
from syncline.model.stamp import Position
from syncline.model.value import ABSENT, INTEGER_MAX, INTEGER_MIN, Tagged

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
numbers = st.integers(0, 2**63 - 1)
values = st.one_of(
    st.none(),
    st.integers(INTEGER_MIN, INTEGER_MAX),
    words,
    st.binary(max_size=40),
    st.just(ABSENT),
    st.builds(Tagged, st.sampled_from(["real", "decimal", "json"]), words),
)
rows = st.lists(values, max_size=5).map(tuple)
changes = st.builds(
    Change,
    collection=words,
    key=rows,
    before=st.none() | rows,
    after=st.none() | rows,
    verdict=st.none() | st.builds(Verdict, correct=st.booleans(), merged=st.lists(st.integers(0, 9), max_size=3).map(tuple)),
)
bodies = st.none() | st.dictionaries(words, st.one_of(st.none(), numbers, words, st.lists(words, max_size=3)), max_size=3)
loose = st.builds(
    Entry,
    offset=st.just(0),
    kind=st.sampled_from(Kind),
    peer=words,
    position=st.none() | st.builds(Position, numbers, numbers, words),
    context=numbers,
    time=numbers,
    changes=st.lists(changes, max_size=4).map(tuple),
    to=words,
    body=bodies,
)


def numbered(found: list[Entry], first: int) -> list[Entry]:
    """The entries with dense offsets from `first`."""
    return [
        Entry(offset, one.kind, one.peer, one.position, one.context, one.time, one.changes, one.to, one.body)
        for offset, one in enumerate(found, first)
    ]


entry_lists = st.builds(numbered, st.lists(loose, min_size=1, max_size=12), st.integers(1, 2**40))


def execute(path: Path, statement: str, *values: int | str | bytes) -> list[tuple[object, ...]]:
    """Run a statement on a closed log, as a disk or a careless person might."""
    db = apsw.Connection(str(path))
    try:
        return [tuple(row) for row in db.execute(statement, values)]
    finally:
        db.close()
