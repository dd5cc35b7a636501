"""A peer that is put out, once and again, before it joins: what the log knows of its history stays known."""

from syncline.engine.join import anew
from syncline.engine.state import PeerRecord, Stage, State
from syncline.model.entry import Entry, Kind
from syncline.model.stamp import Position

LIVE = Position(7, 0, "seven")


def live() -> State:
    state = State()
    begun: dict[str, object] = {"rejoining": False, "stage": "joining", "position": [3, 0, "three"], "since": None}
    state.fold(Entry(1, Kind.PEER, "ann", time=1, body=begun))
    state.fold(Entry(2, Kind.PEER, "ann", time=2, body={"stage": "live"}))
    state.peer("ann").position = LIVE
    return state


def put_out(state: State, offset: int) -> PeerRecord:
    state.fold(anew(state.peer("ann"), "", offset, offset))
    return state.peer("ann")


def test_a_peer_put_out_is_known_up_to_where_the_log_heard_of_it() -> None:
    record = put_out(live(), 3)
    assert (record.stage, record.rejoining, record.since) == (Stage.NEW, True, LIVE)


def test_a_peer_put_out_twice_before_it_joins_is_known_as_far_as_before() -> None:
    state = live()
    put_out(state, 3)
    record = put_out(state, 4)
    assert (record.stage, record.rejoining, record.since) == (Stage.NEW, True, LIVE)


def test_a_join_that_broke_off_trusts_no_history() -> None:
    state = live()
    put_out(state, 3)
    body = {"rejoining": True, "stage": "joining", "position": [9, 0, "nine"], "since": [7, 0, "seven"]}
    state.fold(Entry(4, Kind.PEER, "ann", time=4, body=body))
    assert put_out(state, 5).since is None
