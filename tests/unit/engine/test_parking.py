"""Parking alone: when a row is due, what a retry and a skip are, and for which rows they are refused (F32)."""

from dataclasses import replace

import pytest

from syncline.engine.parking import RETRY_SECONDS_FIRST, RETRY_SECONDS_LAST, due, retry_entry, skip_entry
from syncline.engine.retry import Backoff, is_transient
from syncline.engine.state import ParkedRow, State
from syncline.merge.window import Parked, Window
from syncline.model.change import Change
from syncline.model.entry import Entry, Kind
from syncline.model.errors import LogFull, PeerBusy, PeerRestored, UsageError
from syncline.model.limits import RETRY_SECONDS_MAX, RETRY_SECONDS_MIN
from syncline.model.stamp import Position

NAME = ("q", "items", (1,))


def parked(**more: object) -> tuple[State, Window, ParkedRow]:
    """A row that q refused in entry 3, written by p."""
    state, window = State(), Window()
    window.replay(Entry(3, Kind.CHANGE, "p", Position(1), 0, changes=(Change("items", (1,), (1, "a"), (1, "b")),)))
    park = Entry(
        4,
        Kind.PARK,
        "q",
        time=1_000_000,
        changes=(Change("items", (1,), None, None),),
        body={"code": "c", "reason": "r", "since": 3},
    )
    state.fold(park)
    window.park(*NAME, 3)
    state.parked[NAME] = replace(state.parked[NAME], **more)  # type: ignore[arg-type]
    return state, window, state.parked[NAME]


def micros(seconds: float) -> int:
    """So long after the row was parked."""
    return 1_000_000 + int(seconds * 1e6)


def test_f32_a_row_is_due_after_a_while_then_after_longer_ones() -> None:
    state, _, row = parked()
    assert due(state, micros(RETRY_SECONDS_FIRST - 0.1)) == []
    assert due(state, micros(RETRY_SECONDS_FIRST)) == [row]
    state, _, row = parked(attempts=3)
    assert due(state, micros(4 * RETRY_SECONDS_FIRST - 0.1)) == []
    assert due(state, micros(4 * RETRY_SECONDS_FIRST)) == [row]
    state, _, row = parked(attempts=10_000)
    assert due(state, micros(RETRY_SECONDS_LAST)) == [row]


@pytest.mark.parametrize("more", [{"skipped": True}, {"retried": 9}])
def test_skipped_rows_and_those_being_tried_are_not_due(more: dict[str, object]) -> None:
    state, _, _ = parked(**more)
    assert due(state, micros(1e9)) == []


def test_f19_a_clock_that_was_set_back_a_day_does_not_keep_rows_parked() -> None:
    state, _, row = parked()
    assert due(state, micros(-24 * 3600)) == [row]


def test_a_retry_carries_the_row_as_it_is_by_now_to_its_peer_alone() -> None:
    state, window, row = parked()
    window.replay(Entry(5, Kind.CHANGE, "p", Position(2), 0, changes=(Change("items", (1,), (1, "b"), (1, "later")),)))
    entry = retry_entry(state, window, row, 6, 77)
    assert (entry.kind, entry.to, entry.time, entry.changes) == (
        Kind.RETRY,
        "q",
        77,
        (Change("items", (1,), None, (1, "later")),),
    )
    assert window.exceptions[NAME] == Parked(3, 6)


def test_a_retry_of_a_row_that_was_deleted_meanwhile_deletes_it() -> None:
    state, window, row = parked()
    window.replay(Entry(5, Kind.CHANGE, "p", Position(2), 0, changes=(Change("items", (1,), (1, "b"), None),)))
    assert retry_entry(state, window, row, 6, 0).changes[0].after is None


def test_what_is_not_parked_any_more_is_neither_tried_nor_skipped() -> None:
    state, window, row = parked()
    del state.parked[NAME]
    with pytest.raises(UsageError, match="not parked any more"):
        retry_entry(state, window, row, 6, 0)
    with pytest.raises(UsageError, match="not parked any more"):
        skip_entry(state, row, 6, 0)
    assert window.exceptions[NAME].retried == 0


def test_a_row_that_is_being_tried_is_not_skipped() -> None:
    """If the retry holds, there is nothing to give up; if not, it is parked again and can be skipped."""
    state, _, row = parked(retried=9)
    with pytest.raises(UsageError, match="being tried"):
        skip_entry(state, row, 10, 0)


def test_a_skip_is_told_by_the_log() -> None:
    state, _, row = parked()
    state.fold(skip_entry(state, row, 6, 5))
    assert (state.parked[NAME].skipped, state.parked[NAME].since) == (True, 3)


@pytest.mark.parametrize(("chance", "part"), [(0.0, 0.5), (1.0, 1.0)])
def test_waits_double_up_to_a_bound_and_half_of_them_is_chance(chance: float, part: float) -> None:
    backoff = Backoff(lambda: chance)
    waits = [backoff.seconds() for _ in range(40)]
    assert waits[0] == RETRY_SECONDS_MIN * part
    assert waits[1] == 2 * waits[0]
    assert waits[-1] == RETRY_SECONDS_MAX * part
    backoff.reset()
    assert backoff.seconds() == waits[0]


def test_only_what_may_pass_by_itself_is_tried_again() -> None:
    assert is_transient(PeerBusy("x"))
    assert is_transient(LogFull("x"))
    assert not is_transient(PeerRestored("x"))
    assert not is_transient(ValueError("x"))
