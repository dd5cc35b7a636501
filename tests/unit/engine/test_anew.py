"""A peer that is put out, once and again, before it joins: what the log knows of its history stays known."""

import pytest
from tests.unit.engine.stand import Stand

from syncline.engine.join import anew
from syncline.engine.state import PeerRecord, Stage, State
from syncline.model.entry import Entry, Kind
from syncline.model.errors import PeerUnreachable
from syncline.model.space import Settings
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


def joining() -> State:
    """A peer that joins for the first time."""
    state = State()
    begun: dict[str, object] = {"rejoining": False, "stage": "joining", "position": [3, 0, "three"], "since": [3, 0, "three"]}
    state.fold(Entry(1, Kind.PEER, "ann", time=1, body=begun))
    return state


def test_who_was_never_in_brings_its_own_rows_however_often_it_is_put_out() -> None:
    state = joining()
    for offset in (2, 3):
        record = put_out(state, offset)
        assert (record.stage, record.rejoining, record.since) == (Stage.NEW, False, None)


def test_c6_who_became_stale_in_its_first_join_was_never_in() -> None:
    state = joining()
    state.fold(Entry(2, Kind.PEER, "ann", time=2, body={"stage": "stale"}))
    record = put_out(state, 3)
    assert (record.stage, record.rejoining, record.since) == (Stage.NEW, False, None)


def test_c6_who_became_stale_when_it_was_in_is_known_as_far_as_the_log_heard_of_it() -> None:
    state = live()
    state.fold(Entry(3, Kind.PEER, "ann", time=3, body={"stage": "stale"}))
    record = put_out(state, 4)
    assert (record.stage, record.rejoining, record.since) == (Stage.NEW, True, LIVE)


@pytest.mark.parametrize("again", [False, True])
def test_c6_rows_of_its_own_stay_where_a_peer_becomes_stale_in_mid_join(again: bool) -> None:
    stand = Stand("pqr", settings=Settings(stale_seconds=20))
    for name, keys in (("p", range(5)), ("r", range(5)), ("q", range(100, 105))):
        stand.fill(name, keys)

    async def story() -> None:
        engine = stand.start()
        door = stand.doors["q"]
        away = PeerUnreachable("its server went away", peer="q")
        door.fail("chunk items", away)
        door.after["chunk items"] = door.cut
        await stand.until(lambda: door.calls["chunk items"] > 0, "in mid join")
        door.cut()
        await stand.until(lambda: engine.state.peer("q").stage is Stage.STALE, "stale")
        door.cut(False)
        door.after.clear()
        for _ in range(1 + again):
            await engine.resume("q", rejoin=True)
        await stand.live()
        await stand.idle()
        assert stand.same()
        assert {key for (key,) in stand.rows("p")} >= set(range(100, 105)), "nobody else has them"

    stand.run(story())
