"""Tuples: columns taken from many messages at once are the tuples taken apart one by one."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.unit.peers.postgres.made import ITEMS, UNCHANGED, deleted, inserted, updated

from syncline.peers.postgres.tuples import Raw, RawColumns, columns_of, tuples_of

WIDE = b"x" * 70_000
VALUES: st.SearchStrategy[Raw] = st.one_of(
    st.none(), st.just(UNCHANGED), st.binary(max_size=6), st.sampled_from([b"", b"N", b"t\0\0\0\1", b"O", b"u", b"n", WIDE])
)
COUNTS = st.sampled_from([1, 2, 39, 40, 41, 100, 333])


def one_by_one(messages: list[bytes]) -> tuple[RawColumns | None, RawColumns | None]:
    """The columns, from the tuples of each message."""
    pairs = [tuples_of(message) for message in messages]
    halves = []
    for half in ([old for old, _ in pairs], [new for _, new in pairs]):
        rows = [one for one in half if one is not None]
        halves.append([list(column) for column in zip(*rows, strict=True)] if rows else None)
    return halves[0], halves[1]  # type: ignore[return-value]


def at_once(messages: list[bytes]) -> tuple[RawColumns | None, RawColumns | None]:
    """The columns as they are taken."""
    old, new = columns_of(messages)
    return (
        None if old is None else [list(column) for column in old],
        None if new is None else [list(column) for column in new],
    )


@settings(max_examples=150, deadline=None)
@given(st.sampled_from("IUD"), st.integers(1, 4), st.data(), COUNTS)
def test_d29_d31_many_messages_at_once_are_as_they_are_one_by_one(
    kind: str, width: int, data: st.DataObject, count: int
) -> None:
    rows = st.lists(VALUES, min_size=width, max_size=width)
    some = data.draw(st.lists(st.tuples(rows, rows), min_size=1, max_size=6))
    pairs = [some[place % len(some)] for place in range(count)]
    make = {"I": lambda pair: inserted(ITEMS, pair[1]), "D": lambda pair: deleted(ITEMS, pair[0])}
    messages = [make.get(kind, lambda pair: updated(ITEMS, *pair))(pair) for pair in pairs]
    assert at_once(messages) == one_by_one(messages)
    old, new = at_once(messages)
    assert (old is None, new is None) == (kind == "I", kind == "D")


@given(st.lists(st.lists(VALUES, min_size=2, max_size=2), min_size=1, max_size=60))
@example([[b"", None]] * 40)
@example([[None, UNCHANGED]] * 40)
def test_what_was_put_in_comes_out(rows: list[list[Raw]]) -> None:
    old, new = at_once([inserted(ITEMS, one) for one in rows])
    assert old is None
    assert new == [[one[0] for one in rows], [one[1] for one in rows]]


@pytest.mark.parametrize("count", [1, 39, 40, 5000])
def test_any_number_of_messages(count: int) -> None:
    rows = [
        [str(place).encode(), None if place % 3 else b"", UNCHANGED if place % 7 == 0 else b"x" * (place % 50)]
        for place in range(count)
    ]
    messages = [updated(ITEMS, one, list(reversed(one))) for one in rows]
    old, new = at_once(messages)
    assert old == [list(column) for column in zip(*rows, strict=True)]
    assert new == list(reversed(old or []))
    assert at_once(messages) == one_by_one(messages)
