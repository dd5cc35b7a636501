"""Places that somebody waits for in a stream: nothing that is given out together reaches beyond one."""

import pytest

from syncline.model.stamp import Position
from syncline.peers.asked import Asked, asking
from syncline.peers.mysql.grouping import Ready, together


def asked(*places: int) -> Asked:
    found = Asked()
    for place in places:
        found.add(Position(place))
    return found


def test_places_are_told_once_in_the_order_of_the_history() -> None:
    found = asked(7, 3, 5)
    assert not found.add(Position(5))
    assert [place.major for place in found.reached(5)] == [3, 5]
    assert [place.major for place in found.reached(9)] == [7]
    assert not found


def test_f24_a_stream_that_begins_keeps_what_was_asked_for_beyond_its_start() -> None:
    """Also what lies before the end of history: it reads up to there from its start."""
    found = asked(2, 4, 9)
    found.begin(Position(2), Position(6))
    assert [place.major for place in found.reached(99)] == [4, 6, 9]


@pytest.mark.parametrize(("one", "other", "apart"), [(3, 4, False), (4, 6, True), (5, 6, True), (6, 7, False)])
def test_f24_a_place_between_two_ends_parts_them(one: int, other: int, apart: bool) -> None:
    assert asked(5).parts(one, other) is apart


def test_whoever_is_asking_has_transactions_alone_also_where_it_fails() -> None:
    first, second = Asked(), Asked()

    def fail() -> None:
        with asking([first, second]):
            with asking([first]):
                assert first.alone
            assert first.alone
            assert second.alone
            raise ValueError("lost")

    with pytest.raises(ValueError, match="lost"):
        fail()
    assert not first.alone
    assert not second.alone


def ready(end: int, events: int = 1) -> Ready:
    return Ready(events, Position(end), 0, 0, ())


@pytest.mark.parametrize(("places", "count"), [((), 4), ((9,), 4), ((2,), 2), ((1, 3), 1)])
def test_f24_what_a_binary_log_tells_at_once_is_parted_at_asked_places(places: tuple[int, ...], count: int) -> None:
    assert together([ready(1), ready(2), ready(3), ready(4)], asked(*places)) == count


def test_a_transaction_of_ours_is_a_border_in_a_binary_log() -> None:
    assert together([ready(1), ready(2, 0), ready(3)], Asked()) == 1
    assert together([ready(2, 0), ready(3)], Asked()) == 1
