"""Rows as of an offset: whatever the history and wherever the reader's peer stood, the fold tells what a model remembers."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from syncline.model.change import Change
from syncline.model.key import order
from syncline.model.value import ABSENT, Key, Row, Tagged
from syncline.reconcile.rollback import ROW, Past, Told, Unknown, as_of, look_back, tell
from syncline.reconcile.spill import Spill

WIDTH = 3
VALUES = st.one_of(st.none(), st.integers(0, 3), st.sampled_from(["", "a", "b"]), st.just(Tagged("real", "0.5")))
ROWS = st.one_of(st.none(), st.tuples(VALUES, VALUES, VALUES))


@dataclass
class History:
    """States of one row, one after each offset; changes lead from one to the next. `hides`: images not sent in full."""

    states: Sequence[Row | None]
    changes: list[Change] = field(default_factory=list)

    @classmethod
    def of(cls, states: Sequence[Row | None], hides: Sequence[tuple[bool, ...]]) -> "History":
        made = cls(states)
        for old, new, hidden in zip(states, states[1:], hides, strict=False):
            before, after = old, new
            if old is not None and new is not None:  # unchanged fields may not be sent at all
                kept = [hide and was == now and type(was) is type(now) for hide, was, now in zip(hidden, old, new, strict=True)]
                before = tuple(ABSENT if hide else value for hide, value in zip(kept, old, strict=True))
                after = tuple(ABSENT if hide else value for hide, value in zip(kept, new, strict=True))
            made.changes.append(Change("c", (1,), before, after))
        return made


HIDES = st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=8, max_size=8)


@given(st.lists(ROWS, min_size=1, max_size=8), HIDES, st.data())
def test_the_row_as_of_any_offset_is_what_it_was(
    states: list[Row | None], hides: list[tuple[bool, ...]], data: st.DataObject
) -> None:
    history = History.of(states, hides)
    offset = data.draw(st.integers(0, len(states) - 1), label="offset")
    seen = data.draw(st.integers(0, len(states) - 1), label="what the peer had when it was read")
    told: Told | None = None
    past: Past | None = None
    for at, change in enumerate(history.changes, 1):
        if min(seen, offset) < at <= offset:
            told = tell(told, change)
        elif at > offset:
            past = look_back(past, change, at, WIDTH)
    found = as_of(Told(states[seen]), told, past, WIDTH)
    if isinstance(found, Unknown):
        assert past is not None
        assert found.places, "it says which fields"
        deleted = [at for at in range(offset + 1, len(states)) if states[at] is None]
        assert deleted, "only a row that went before its unsent fields were told again is not known"
    else:
        assert found == states[offset]


@given(st.lists(ROWS, min_size=2, max_size=6), st.data())
def test_what_a_change_hid_is_unknown_up_to_it_and_known_from_there(states: list[Row | None], data: st.DataObject) -> None:
    places = [at for at in range(1, len(states)) if states[at] is not None and states[at - 1] is not None]
    if not places:
        return
    at = data.draw(st.sampled_from(places))
    old, new = states[at - 1] or (), states[at] or ()
    blind = Change("c", (1,), (ABSENT, *old[1:]), (9, *new[1:]))
    past = look_back(None, blind, at, WIDTH)
    assert past == Past((ABSENT, *old[1:]), (0,), at)
    found = as_of(Told(new), None, past, WIDTH)
    assert found == Unknown((0,), at)
    assert as_of(None, Told(old), past, WIDTH) == old, "unless an older entry tells"


def test_a_repair_tells_only_what_the_copies_had_in_common() -> None:
    repair = Change("c", (1,), ("x", 1, 2), ("y", 1, 2))
    past = look_back(None, repair, 7, WIDTH, guess=True)
    assert as_of(Told(("y", 1, 2)), None, past, WIDTH) == Unknown((0,), 7)
    assert as_of(Told(("y", 1, 2)), Told(("z", 1, 2)), past, WIDTH) == ("z", 1, 2)
    gone = look_back(None, Change("c", (1,), ("x", 1, 2), None), 7, WIDTH, guess=True)
    assert as_of(Told(None), None, gone, WIDTH) == Unknown((ROW,), 7)
    assert as_of(Told(None), Told(None), gone, WIDTH) is None


def test_columns_that_came_later_are_left_out() -> None:
    past = look_back(None, Change("c", (1,), ("a", 1, 2, "new"), ("b", 1, 2, "newer")), 5, WIDTH)
    assert as_of(Told(("b", 1, 2, "newer")), None, past, WIDTH) == ("a", 1, 2)
    assert as_of(Told(("b", 1, 2, "newer")), None, None, WIDTH) == ("b", 1, 2)


ODD = (Tagged("real", "0.5"), Tagged("real", "-0.25"), b"\x00")
KEYS = st.tuples(st.one_of(st.integers(-5, 5), st.text(alphabet="a\x00b", max_size=3), st.sampled_from(ODD)))
OPS = st.lists(st.tuples(KEYS, ROWS), max_size=30)


@given(OPS, OPS, st.data())
def test_a_spill_holds_a_whole_collection_and_gives_it_back_in_key_order(
    first: list[tuple[Key, Row | None]], second: list[tuple[Key, Row | None]], data: st.DataObject
) -> None:
    now: dict[Key, Row] = {}
    changes: list[Change] = []
    states = [dict(now)]
    for key, row in [*first, *second]:
        changes.append(Change("c", key, now.get(key), row))
        if row is None:
            now.pop(key, None)
        else:
            now[key] = row
        states.append(dict(now))
    offset = data.draw(st.integers(0, len(changes)), label="offset")
    read = data.draw(st.integers(0, len(changes)), label="read")
    with Spill(WIDTH) as spill:
        spill.hold(states[read].items())
        for at, change in enumerate(changes, 1):
            if min(read, offset) < at <= offset:
                spill.tell(change)
            elif at > offset:
                spill.look_back(change, at, guess=False)
        found = [(key, row) for key, row in spill.outcome() if row is not None]
    assert dict(found) == states[offset]
    ranks = [order(key) for key, _ in found]
    assert ranks == sorted(ranks)


def test_what_a_peer_refused_counts_only_as_the_log_tells_it() -> None:
    with Spill(WIDTH) as spill:
        spill.hold([((1,), ("old", 1, 2)), ((2,), ("old", 1, 2))])
        spill.doubt((1,))
        spill.doubt((3,))
        assert [(key, state) for key, state in spill.unknown()] == [((1,), Unknown((ROW,), 0)), ((3,), Unknown((ROW,), 0))]
        spill.tell(Change("c", (1,), None, ("new", 1, 2)))
        spill.tell(Change("c", (3,), ("x", 1, 2), None))
        assert list(spill.unknown()) == []
        assert dict(spill.outcome()) == {(1,): ("new", 1, 2), (2,): ("old", 1, 2), (3,): None}
