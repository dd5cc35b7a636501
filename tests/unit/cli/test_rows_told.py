"""What `verify` and `history` tell of rows: where they differ, what is not proven, and why a row has its values."""

import time

import pytest
from tests.unit.cli.fake import DIFFERENCE, HISTORY, FakeHub, answer, syncline


def test_verify_names_peer_collection_key_and_fields_of_a_drift(hub: FakeHub) -> None:
    hub.answers["verify"] = {
        "equal": False, "rows": 5, "pending": 2, "drift": 1, "parked": 0, "not_compared": ["car"], "repaired": 0,
        "differences": [DIFFERENCE], "verified_through": {},
    }  # fmt: skip
    result = syncline("verify")
    assert result.exit_code == 1
    for piece in (
        "customers",
        "city",
        "hq",
        "Bonn",
        "drift",
        "5 rows compared, 1 differ",
        "car was not compared: it is not live",
        "2 rows under way",
    ):
        assert piece in result.stdout
    assert "\x1b" not in result.stdout, "a row's control characters do not reach the terminal"
    assert answer("verify", code=1)["differences"] == [DIFFERENCE]


def test_verify_says_what_is_not_proven_and_why_where_no_row_differs(hub: FakeHub) -> None:
    known = {"equal": False, "rows": 5, "pending": 0, "drift": 0, "differences": [], "verified_through": {"customers": None}}
    hub.answers["verify"] = {**known, "not_compared": ["van"], "why_not_compared": {"van": "it is waiting: SYN-P02: no route"}}
    assert syncline("verify").stdout.splitlines() == [
        "not proven equal: 5 rows compared, none differ",
        "van was not compared: it is waiting: SYN-P02: no route. See: syncline status",
    ]
    parked = {"parked": 1, "parked_at": {"van": 1}, "differences": [{**DIFFERENCE, "state": "parked"}]}
    hub.answers["verify"] = {**known, **parked}
    assert syncline("verify").stdout.splitlines()[-2:] == [
        "not proven equal: 5 rows compared, 1 difference on the way or parked",
        "1 row parked (1 at van): refused there, so what the others have is not there. See: syncline parked",
    ]


def test_verify_counts_also_what_is_not_listed_and_shortens_long_values(hub: FakeHub) -> None:
    known = {"equal": False, "rows": 5000, "pending": 0, "drift": 0, "verified_through": {}}
    long = {
        **DIFFERENCE,
        "state": "parked",
        "fields": ["notes"],
        "peers": {"hq": {"notes": "ab" * 5000}, "van": {"notes": None}},
    }
    hub.answers["verify"] = {**known, "parked": 2000, "differences": [long], "differences_not_listed": 1999}
    told = syncline("verify").stdout
    assert "1,999 differences more, not listed" in told
    assert "5,000 rows compared, 2,000 differences on the way or parked" in told
    assert f'"{"ab" * 39}a... (10,000 characters)' in told
    assert max(map(len, told.splitlines())) < 300
    assert answer("verify", code=1)["differences"] == [long]


def test_history_tells_a_persons_decision_and_what_is_still_open(hub: FakeHub) -> None:
    settled = {"settles": ["812.0.1"], "by": "ann", "decision": "take van"}
    open_one = {**HISTORY[1]["conflicts"][0], "id": "2.0.0", "open": True}
    hub.answers["history"] = [
        {**HISTORY[1], "conflicts": [open_one]},
        {**HISTORY[0], "origin": "(a person)", **settled},
        {**HISTORY[0], "origin": "(a person)", **settled, "reopened": True},
        {**HISTORY[0], "decision": "repair of what differed, field by field"},
    ]
    told = syncline("history", "customers", "7").stdout
    assert "open, next: syncline conflicts resolve 2.0.0 --take PEER" in told
    assert "conflict 812.0.1 settled by a person (ann): take van" in told
    assert "conflict 812.0.1 closed before, decided anew by a person (ann): take van" in told
    assert "repair of what differed, field by field" in told


def test_steps_of_one_offset_are_told_apart_and_who_alone_was_given_a_row_is_named(hub: FakeHub) -> None:
    hub.answers["history"] = [
        {**HISTORY[0], "to": "van"},
        {**HISTORY[0], "offset": 7, "row": 2},
        {**HISTORY[0], "offset": 7, "row": 5},
    ]
    lines = syncline("history", "customers", "7").stdout.splitlines()
    assert [line.split()[0] for line in lines[1:4]] == ["1", "7.2", "7.5"]
    assert "insert, to van" in lines[1]
    assert lines[4].startswith("steps of one offset were captured together")
    assert [step["offset"] for step in answer("history", "customers", "7")["history"]] == [1, 7, 7]


def test_drift_says_when_it_was_found_in_this_machines_own_time(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        lines = [line.split() for line in syncline("drift", "--all").stdout.splitlines()]
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()
    assert lines[0][:8] == ["id", "collection", "rows", "at", "cause", "found", "between", "ended"]
    assert lines[1][:8] == ["812.0", "customers", "12", "van", "uncaptured", "2026-11-21", "19:07", "800..811"]


@pytest.mark.parametrize("verb", ["repair", "verify"])
def test_the_usage_says_how_words_are_written(verb: str) -> None:
    assert f"{verb} [OPTIONS] [CONFIG] [COLLECTION]...\n" in syncline(verb, "--help").stdout
    assert "<list" not in syncline(verb, "--help").stdout
