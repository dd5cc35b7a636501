"""What people are told of the log: conflicts, parked rows, a row's history, a peer's place; as plain data."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence

import msgspec
import pytest

from syncline.engine.state import State
from syncline.hub.moments import when
from syncline.hub.records import (
    Report,
    conflicts_in,
    history,
    key_list,
    list_conflicts,
    named,
    parked_report,
    parse_id,
    resting_peer,
    shown_peer,
)
from syncline.model.blocks import of_changes
from syncline.model.change import Change, Verdict
from syncline.model.conflict import Conflict, Side
from syncline.model.entry import Entry, Kind
from syncline.model.errors import UsageError
from syncline.model.stamp import Position
from syncline.model.value import ABSENT, Row, Tagged

COLUMNS = {"items": ("id", "a", "b")}
TIME = 1_700_000_000_123_456


def conflict(field: str = "a", *, is_open: bool = False, winner: str = "q") -> Conflict:
    """p's 'x' against q's 'y'."""
    ours = Side("p", "x" if field else ABSENT, (1, "x", None), TIME, 4)
    theirs = Side("q", "y" if field else ABSENT, (1, "y", None) if field else None, TIME + 1_000)
    return Conflict("field", field, "newest", winner, ours, theirs, is_open, "old", "a note")


def refused(offset: int) -> Entry:
    """An entry that parks row 1 at q."""
    body = {"code": "c", "reason": "r", "since": offset - 1}
    return Entry(offset, Kind.PARK, "q", time=TIME, changes=(Change("items", (1,), None, None),), body=body)


def contended(offset: int, *conflicts: Conflict, collection: str = "items", key: int = 1) -> Entry:
    """An entry of q with conflicts."""
    change = Change(collection, (key,), (key, "x", None), (key, "y", None), Verdict(correct=True, conflicts=conflicts))
    return Entry(offset, Kind.CHANGE, "q", Position(offset), 3, TIME, (change,))


def fold(entries: Sequence[Entry]) -> State:
    """The state after them."""
    state = State()
    for entry in entries:
        state.fold(entry)
    return state


async def frames(entries: Sequence[Entry]) -> AsyncIterator[tuple[Entry, ...]]:
    """Entries as a log gives them, two at a time."""
    for start in range(0, len(entries), 2):
        yield tuple(entries[start : start + 2])


def listed(
    entries: Sequence[Entry],
    *,
    open_only: bool = False,
    collection: str | None = None,
    limit: int = 10,
    after: str | None = None,
) -> list[str]:
    """The ids that a list of conflicts shows."""
    found = asyncio.run(
        list_conflicts(
            frames(entries), fold(entries), COLUMNS, open_only=open_only, collection=collection, limit=limit, after=after
        )
    )
    json.dumps(found)
    return [one["id"] for one in found]


ENTRIES = [
    contended(3, conflict(is_open=True), conflict("b")),
    contended(5, conflict(), collection="other"),
    Entry(6, Kind.CONFIRM, body={}),
    contended(7, conflict(), conflict(is_open=True)),
]


def test_conflicts_are_listed_in_the_logs_order() -> None:
    assert listed(ENTRIES) == ["3.0.0", "3.0.1", "5.0.0", "7.0.0", "7.0.1"]
    assert listed(ENTRIES, open_only=True) == ["3.0.0", "7.0.1"]
    assert listed(ENTRIES, collection="items") == ["3.0.0", "3.0.1", "7.0.0", "7.0.1"]


def test_s7_conflicts_are_paged() -> None:
    first = listed(ENTRIES, limit=2)
    second = listed(ENTRIES, limit=2, after=first[-1])
    third = listed(ENTRIES, limit=2, after=second[-1])
    assert first + second + third == listed(ENTRIES)


def test_a_settled_conflict_is_not_open_any_more() -> None:
    settled = Entry(9, Kind.SETTLE, changes=(Change("items", (1,), None, (1, "z", None)),), body={"settles": ["3.0.0"]})
    assert listed([*ENTRIES, settled], open_only=True) == ["7.0.1"]


def test_c1_a_conflict_tells_both_images_rule_winner_and_loser() -> None:
    (report,) = asyncio.run(
        list_conflicts(
            frames([contended(3, conflict())]), State(), COLUMNS, open_only=False, collection=None, limit=9, after=None
        )
    )  # fmt: skip
    assert report["ours"] == {
        "peer": "p", "time": "2023-11-14T22:13:20.123+00:00", "offset": 4, "value": "x", "row": {"id": 1, "a": "x", "b": None}
    }  # fmt: skip
    assert (report["theirs"]["peer"], report["theirs"]["value"], report["winner"]) == ("q", "y", "q")
    assert (report["rule"], report["field"], report["base"], report["note"]) == ("newest", "a", "old", "a note")
    assert report["outcome"] == {"id": 1, "a": "y", "b": None}


def test_a_conflict_over_a_whole_row_has_no_field_values() -> None:
    entry = contended(3, conflict("", winner=""))
    (report,) = asyncio.run(
        list_conflicts(frames([entry]), State(), COLUMNS, open_only=False, collection=None, limit=9, after=None)
    )
    assert (report["field"], report["base"], report["winner"]) == (None, None, "@space")
    assert "value" not in report["ours"]
    assert report["theirs"]["row"] is None


@pytest.mark.parametrize("name", ["", "x", "1", "1.2", "1.2.3.4", "0.0.0", "-1.0.0", "1.-1.0", f"{2**63}.0.0", "1.0.x"])
def test_what_is_no_conflict_id_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="not a conflict id"):
        parse_id(name)


def test_a_conflict_id_names_entry_row_and_place() -> None:
    assert parse_id("812.0.1") == (812, 0, 1)
    assert [place for _, _, place in conflicts_in(ENTRIES[0])] == [(0, 0), (0, 1)]
    assert shown_peer("") == "@space"


def test_moments_are_iso_or_nothing() -> None:
    assert when(TIME) == "2023-11-14T22:13:20.123+00:00"
    assert when(0) is None
    assert when(-5) is None
    assert when(2**62) is None, "far beyond what a calendar holds"
    assert when(253_402_300_799_999_999) == "9999-12-31T23:59:59.999+00:00"


def test_rows_and_keys_are_shown_by_column_whatever_their_width_or_kind() -> None:
    assert named((1, "x"), ("id", "a", "b")) == {"id": 1, "a": "x", "b": {"absent": True}}
    assert named(None, ("id",)) is None
    assert named((1, 2, 3), ("id",)) == {"id": 1}
    assert key_list((1, b"\0", Tagged("real", "1.5"))) == [1, {"bytes": "00"}, 1.5]


def test_a_parked_row_is_shown_with_its_reason() -> None:
    (row,) = fold([refused(9)]).parked.values()
    assert parked_report(row) == {
        "id": "9", "peer": "q", "collection": "items", "key": [1], "code": "c", "reason": "r", "since": 8,
        "time": "2023-11-14T22:13:20.123+00:00", "attempts": 1, "skipped": False, "retrying": False,
        "next": "put right what the reason says, then syncline parked retry 9; or give it up: syncline parked skip 9",
    }  # fmt: skip


def steps(*entries: Entry, keys: Sequence[Row] = ((1,),)) -> list[Report]:
    """The history of some readings of a key."""
    state = fold(entries)
    state.columns = dict(COLUMNS)
    found = asyncio.run(history(frames(entries), "items", keys, state))
    json.dumps(found)
    return found


def plain(offset: int, before: Row | None, after: Row | None, *, key: Row = (1,), collection: str = "items") -> Entry:
    """A plain change by p."""
    return Entry(offset, Kind.CHANGE, "p", Position(offset), 1, TIME, (Change(collection, key, before, after),))


def test_a_row_in_a_block_has_its_place_its_time_and_its_steps() -> None:
    others = of_changes([Change("other", (1,), None, (1, "x"))], {"other": (0,)}, [0])
    changes = [Change("items", (key,), (key, "a", None), (key, "b", None)) for key in (2, 1)]
    again = Change("items", (1,), (1, "b", None), (1, "c", None))
    blocks = of_changes([*changes, again], {"items": (0,)}, [3_000_000, 2_000_000, 0])
    assert blocks
    assert others
    found = steps(Entry(2, Kind.CHANGE, "p", Position(2), 1, TIME, blocks=others + blocks))
    assert [(one["row"], one["time"], one["fields"]) for one in found] == [
        (2, when(TIME - 2_000_000), {"a": ["a", "b"]}),
        (3, when(TIME), {"a": ["b", "c"]}),
    ]


def test_a_row_has_a_history_from_insert_to_delete() -> None:
    found = steps(
        plain(2, None, (1, "a", None)),
        plain(3, (1, "a", None), (1, "b", None)),
        plain(4, (2, "x", None), None, key=(2,)),
        plain(5, None, (1, "other", None), collection="other"),
        plain(6, (1, "b", None), (1, "b", None)),
        plain(7, (1, "b", None), None),
    )
    assert [(one["offset"], one["change"]) for one in found] == [(2, "insert"), (3, "update"), (6, "none"), (7, "delete")]
    assert found[1]["fields"] == {"a": ["a", "b"]}
    assert (found[0]["origin"], found[0]["kind"], found[0]["key"]) == ("p", "change", "1")
    assert found[3]["before"] == {"id": 1, "a": "b", "b": None}


def test_both_readings_of_a_key_are_looked_for() -> None:
    assert [one["key"] for one in steps(plain(2, None, ("1", "t", None), key=("1",)), keys=[(1,), ("1",)])] == ["'1'"]


def test_a_history_tells_who_decided_what_against_whom() -> None:
    (found,) = steps(contended(3, conflict()))
    (told,) = found["conflicts"]
    assert told["winner"] == "q"
    assert [side["peer"] for side in told["loser"]] == ["p"]
    (merged,) = steps(contended(3, conflict(winner="")))
    assert [side["peer"] for side in merged["conflicts"][0]["loser"]] == ["p", "q"]


@pytest.mark.parametrize(("field", "value", "losers"), [("a", "y", ["q"]), ("a", "z", ["@space", "q"]), ("", None, ["q"])])
def test_a_value_of_the_space_that_stands_is_not_told_as_lost(field: str, value: str | None, losers: list[str]) -> None:
    held = Side("", value if field else ABSENT, (1, "y", None), 0)
    brought = Side("q", "v" if field else ABSENT, (1, "v", None), 0)
    (found,) = steps(contended(3, Conflict("join", field, "newest", "", held, brought)))
    assert [side["peer"] for side in found["conflicts"][0]["loser"]] == losers


def test_a_persons_decision_is_told_as_one_and_ends_what_was_open() -> None:
    settled = Entry(5, Kind.SETTLE, time=TIME, changes=(Change("items", (1,), (1, "a", None), (1, "b", None)),))
    told = {"settles": ["3.0.0"], "take": "q", "set": {"a": "'b'"}, "by": "ann"}
    (before,) = steps(contended(3, conflict(is_open=True)))
    contest, decided = steps(contended(3, conflict(is_open=True)), msgspec.structs.replace(settled, body=told))
    assert (before["conflicts"][0]["open"], contest["conflicts"][0]["open"]) == (True, False)
    assert before["conflicts"][0]["id"] == "3.0.0"
    assert (decided["origin"], decided["by"], decided["decision"]) == ("(a person)", "ann", "take q; set a = 'b'")
    (older,) = steps(msgspec.structs.replace(settled, body={"settles": ["3.0.0"]}))
    assert (older["by"], older["decision"]) == (None, "")
    (repair,) = steps(msgspec.structs.replace(settled, body={"repair": 1}))
    assert (repair["origin"], "repair" in repair["decision"]) == ("(syncline)", True)


def test_a_parked_row_keeps_its_name_however_often_it_is_tried() -> None:
    again = [refused(9), Entry(10, Kind.RETRY, changes=(Change("items", (1,), None, (1, "a", None)),), to="q"), refused(11)]
    (row,) = fold(again).parked.values()
    assert (row.at, row.attempts, row.id) == (11, 2, "9")
    kept = State()
    kept.fold(Entry(12, Kind.CHECKPOINT, body=fold(again).checkpoint()))
    assert [one.id for one in kept.parked.values()] == ["9"]
    asked = fold(again[:2])
    assert "tried again" in parked_report(next(iter(asked.parked.values())))["next"]


def test_a_column_added_since_shows_as_news() -> None:
    (found,) = steps(plain(2, (1, "a"), (1, "a", "new")))
    assert found["fields"] == {"b": [{"absent": True}, "new"]}


def test_parked_filled_retried_and_moved_steps() -> None:
    fill = Entry(4, Kind.FILL, changes=(Change("items", (1,), None, (1, "a", None)),), to="q")
    moved = Entry(
        5, Kind.CHANGE, "p", Position(5), 1, TIME, (Change("items", (1,), (1, "a", None), None, Verdict(moved=(2,))),)
    )
    found = steps(refused(3), fill, moved)
    assert [one["change"] for one in found] == ["parked", "insert", "delete"]
    assert (found[0]["reason"], found[1]["to"], found[1]["origin"], found[2]["moved"]) == ("r", "q", "(syncline)", "2")


def test_a_peer_at_rest_is_shown_as_the_log_knows_it() -> None:
    state = fold(
        [
            Entry(1, Kind.PEER, "q", body={"stage": "live", "position": [1, 0, ""]}),
            plain(2, None, (1, "a", None)),
            Entry(3, Kind.CONFIRM, body={"q": [1, None]}),
            Entry(4, Kind.VERIFY, body={"items": {"q": 1}}),
            contended(5, conflict(is_open=True)),
        ]
    )
    shown = resting_peer(state, "q", ["items"])
    assert shown["state"] == "live"
    part = shown["collections"]["items"]
    assert (part["lag_entries"], part["watermark"], part["verified_through"], part["conflicts_open"]) == (2, 3, 1, 1)
    assert resting_peer(state, "nobody", ["items"])["state"] == "new"
