"""A renamed peer: what the fold carries over, what entries of before mean, and that a checkpoint keeps both."""

from collections.abc import Callable
from typing import Any

import pytest

from syncline.engine.names import Names
from syncline.engine.renaming import rename_entry
from syncline.engine.state import Stage, State
from syncline.model.change import Change
from syncline.model.entry import Entry, Kind
from syncline.model.errors import UsageError
from syncline.model.stamp import Position

KEY = (1,)


def _state() -> State:
    """p and q take part; q has a row parked."""
    state = State()
    for offset, peer in enumerate(("p", "q"), start=1):
        body: dict[str, Any] = {"stage": "live", "incarnation": f"of {peer}", "nonces": [f"mark of {peer}"]}
        state.fold(Entry(offset, Kind.PEER, peer, body=body))
    state.fold(Entry(3, Kind.CHANGE, "q", Position(7), 2, 0, (Change("items", KEY, None, (1, "x")),)))
    why = {"code": "check", "reason": "no", "since": 3}
    state.fold(Entry(4, Kind.PARK, "q", context=3, changes=(Change("items", KEY, None, None),), body=why))
    state.fold(Entry(5, Kind.VERIFY, body={"items": {"p": 3, "q": 3}}))
    return state


def _renamed(state: State) -> State:
    (entry,) = rename_entry(state, "q", "r", 6, 0)
    state.fold(entry)
    return state


def _restored(state: State) -> State:
    made = State()
    made.fold(Entry(7, Kind.CHECKPOINT, body=state.checkpoint()))
    return made


@pytest.mark.parametrize("through", [lambda state: state, _restored], ids=["live", "checkpoint"])
def test_everything_of_a_peer_goes_with_its_name(through: Callable[[State], State]) -> None:
    state = through(_renamed(_state()))
    record = state.peers["r"]
    assert set(state.peers) == {"p", "r"}
    assert (record.name, record.stage, record.incarnation, record.nonces) == ("r", Stage.LIVE, "of q", ("mark of q",))
    assert (record.position, record.captured) == (Position(7), 3)
    assert [(row.peer, row.since) for row in state.parked.values()] == [("r", 3)]
    assert state.verified == {"items": {"p": 3, "r": 3}}
    assert state.names.now(Entry(3, Kind.CHANGE, "q")).peer == "r"


def test_a_parked_row_of_a_renamed_peer_is_over_when_its_retry_is_confirmed() -> None:
    state = _renamed(_state())
    state.fold(Entry(7, Kind.RETRY, changes=(Change("items", KEY, None, (1, "x")),), to="r"))
    state.confirm(state.peers["r"], 7)
    assert state.parked == {}


def test_names_are_followed_from_the_entry_on_that_has_them() -> None:
    names = Names()
    for offset, old, new in ((10, "a", "b"), (20, "c", "a"), (30, "b", "d")):
        names.note(offset, old, new)
    assert [names.of("a", offset) for offset in (5, 15, 25)] == ["d", "a", "a"]
    assert (names.of("b", 15), names.of("c", 5), names.of("", 5)) == ("d", "a", "")
    assert names.once("d") == ["b", "a"]
    assert names.now(Entry(5, Kind.FILL, to="c")).to == "a"
    plain = [Entry(31, Kind.CHANGE, "a")]
    assert names.all_now(plain) is plain


def test_a_rename_is_recorded_once_and_refused_where_it_would_mix_two_peers() -> None:
    state = _renamed(_state())
    assert rename_entry(state, "q", "r", 7, 0) == [], "it is there"
    with pytest.raises(UsageError, match="has taken part"):
        rename_entry(state, "p", "r", 7, 0)
    with pytest.raises(UsageError, match="has not taken part"):
        rename_entry(state, "q", "s", 7, 0)
    state.fold(rename_entry(state, "r", "q", 7, 0)[0])
    assert set(state.peers) == {"p", "q"}
    assert state.names.of("q", 3) == "q", "and back"
