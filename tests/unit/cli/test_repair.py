"""What `repair` tells: the plan by direction, its first rows field by field, what is left, refused and done; a plan's file."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.cli.fake import REPAIR, FakeHub, answer, syncline

from syncline.cli.facade import Report
from syncline.hub.repair_plan import carried
from syncline.hub.repairs import Wish

STEPS = {"insert": 0, "update": 1, "delete": 0}
ROWS: list[Report] = [
    {
        "collection": "customers", "key": [7], "class": "field", "exact": "91", "stood": "a", "after": "b",
        "peers": {
            "hq": {"does": "nothing"},
            "van": {"does": "update", "fields": {"city": ["Ulm", "Bonn"], "zip": [None, "x" * 99]}},
        },
    },
    {
        "collection": "customers", "key": [8], "class": "missing", "exact": "91", "stood": "a", "after": "b",
        "peers": {"hq": {"does": "nothing"}, "van": {"does": "insert", "row": {"id": 8, "city": "Kiel"}}},
    },
    {
        "collection": "customers", "key": [9], "class": "extra", "exact": "91", "stood": "a", "after": "b",
        "peers": {"hq": {"does": "nothing"}, "van": {"does": "delete"}},
    },
]  # fmt: skip
PLAN: Report = {
    **REPAIR["plan"], "policy": "authority:hq", "rows": 3, "found": 3, "repairs": ROWS, "not_compared": ["car"],
    "collections": {"customers": {"rows": 3, "peers": {"hq": dict.fromkeys(STEPS, 0), "van": dict.fromkeys(STEPS, 1)}}},
    "left": [{"collection": "customers", "key": [4], "why": "a change of it is under way"}],
    "why_not_compared": {"car": "it is paused"},
}  # fmt: skip
REFUSED = {
    "code": "SYN-G01",
    "what": "3 rows would be repaired",
    "where": {},
    "why": "more than 2 at once",
    "fix": "say --max N",
}
PLANNED: Report = {**REPAIR, "plan": PLAN, "refused": [REFUSED], "equal": False}


def test_a_plan_is_told_by_direction_and_its_rows_field_by_field(hub: FakeHub) -> None:
    hub.answers["repair"] = PLANNED
    result = syncline("repair", "--policy", "authority:hq")
    assert result.exit_code == 1
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines == [
        "3 rows to repair; policy authority:hq; made at 812 of the log",
        "collection peer insert update delete",
        "customers van 1 1 1",
        "customers [7] (field)",
        f'van: update city "Ulm" -> "Bonn", zip null -> "{"x" * 79}... (101 characters)',
        "customers [8] (missing)",
        'van: insert id 8, city "Kiel"',
        "customers [9] (extra)",
        "van: delete",
        "left as it is: customers [4]: a change of it is under way",
        "car was not compared: it is paused. See: syncline status",
        "would be refused: 3 rows would be repaired: more than 2 at once. Fix: say --max N",
        "nothing was changed; carry it out with --yes",
    ]
    assert answer("repair", code=1) == PLANNED


@pytest.mark.parametrize(
    ("running", "when"), [(True, "it travels now"), (False, "what has not arrived yet travels with the next run")]
)
def test_what_was_done_is_told_with_the_repairs_id(hub: FakeHub, running: bool, when: str) -> None:
    left = [{"collection": "customers", "key": [4], "why": "its copies changed"}]
    done = {"id": "820", "repaired": 3, "left": left}
    hub.answers["repair"] = {**PLANNED, "done": done, "refused": [], "hub": {"running": running}}
    result = syncline("repair", "--yes")
    assert result.exit_code == 1
    assert f"3 rows repaired through the log; repair 820, {when}" in result.stdout
    assert "left as it is: customers [4]: its copies changed" in result.stdout
    assert "nothing was changed" not in result.stdout
    hub.answers["repair"] = {**PLANNED, "done": {**done, "left": []}, "equal": True}
    assert syncline("repair", "--yes").exit_code == 0


def test_an_undo_says_what_was_taken_back(hub: FakeHub) -> None:
    left = [{"collection": "customers", "key": [4], "why": "it was merely missing", "idle": True}]
    plan = {**PLAN, "undoes": 820, "rows": 1, "left": left}
    hub.answers["repair"] = {**PLANNED, "plan": plan, "done": {"id": "831", "repaired": 1, "left": left}, "equal": True}
    result = syncline("repair", "--undo", "820", "--yes")
    assert result.exit_code == 0
    assert "1 row taken back through the log; repair 831" in result.stdout
    assert "nothing to do: customers [4]: it was merely missing" in result.stdout
    assert "to repair" not in result.stdout
    hub.answers["repair"] = {
        **PLANNED,
        "plan": {**plan, "rows": 0, "collections": {}, "repairs": []},
        "equal": True,
        "refused": [],
    }
    assert "nothing to take back" in syncline("repair", "--undo", "820").stdout


def test_only_the_first_rows_are_shown(hub: FakeHub) -> None:
    rows = [{**ROWS[2], "key": [key]} for key in range(30)]
    hub.answers["repair"] = {**PLANNED, "plan": {**PLAN, "repairs": rows, "rows": 30}}
    told = syncline("repair").stdout
    assert ("customers [19]" in told, "customers [20]" in told) == (True, False)
    assert "and 10 rows more; --out FILE or --json has all" in told


def test_a_plan_is_kept_and_carried_out(hub: FakeHub, tmp_path: Path) -> None:
    hub.answers["repair"] = PLANNED
    told = syncline("repair", "--out", "plan.json").stdout
    assert "carry it out with: syncline repair --plan plan.json --yes" in told
    assert json.loads((tmp_path / "plan.json").read_text()) == PLAN
    hub.asked.clear()
    assert syncline("repair", "--plan", "plan.json", "--yes").exit_code == 1
    assert hub.asked == [("repair", (Wish(plan=carried(PLAN), yes=True, listed=False),))]


def test_a_plan_that_a_running_hub_told_by_its_marks_is_kept_and_carried_out(hub: FakeHub, tmp_path: Path) -> None:
    marks = {"marks": {"customers": [["91", "a", "b"]] * 3}}
    hub.answers["repair"] = {**PLANNED, "plan": {**PLAN, "repairs": ROWS[:1], "repairs_not_listed": 2, **marks}}
    assert syncline("repair", "--out", "plan.json").exit_code == 1
    hub.asked.clear()
    assert syncline("repair", "--plan", "plan.json", "--yes").exit_code == 1
    ((_, (wish,)),) = hub.asked
    assert isinstance(wish, Wish)
    assert wish.plan is not None
    assert wish.plan["marks"] == marks["marks"]


def test_a_plan_larger_than_a_request_to_the_hub_is_read(hub: FakeHub, tmp_path: Path) -> None:
    wide = {**ROWS[0], "key": ["x" * 1_000_000]}
    (tmp_path / "plan.json").write_text(json.dumps({**PLAN, "repairs": [wide] * 20}))
    hub.answers["repair"] = PLANNED
    assert syncline("repair", "--plan", "plan.json", "--yes").exit_code == 1
    ((_, (wish,)),) = hub.asked
    assert isinstance(wish, Wish)
    assert wish.plan is not None
    assert len(wish.plan["marks"]["customers"]) == 20
    assert len(json.dumps(wish.plan)) < 10_000, "what is asked of the hub is small"


def test_a_plan_that_is_not_whole_is_not_kept(hub: FakeHub, tmp_path: Path) -> None:
    hub.answers["repair"] = {**PLANNED, "plan": {**PLAN, "repairs_not_listed": 7}}
    result = syncline("repair", "--out", "plan.json")
    assert (result.exit_code, "too large for the running hub" in result.stderr) == (2, True)
    assert not (tmp_path / "plan.json").exists()


BAD: list[tuple[tuple[str, ...], str]] = [
    (("--plan", "nothing.json"), "cannot be read"),
    (("--plan", "list.json"), "no plan of a repair"),
    (("--plan", "broken.json"), "cannot be read"),
    (("--plan", "list.json", "--undo", "7"), "says by itself"),
    (("customers", "--plan", "list.json"), "says by itself"),
    (("--undo", "seven"), "not the id of a repair"),
    (("--undo", "0"), "not the id of a repair"),
    (("--undo", "9" * 30), "not the id of a repair"),
    (("--out", "no/such/folder/plan.json"), "cannot be written"),
    (("--max", "0"), "--max"),
]


@pytest.mark.parametrize(("words", "problem"), BAD, ids=[" ".join(words)[:40] for words, _ in BAD])
def test_what_cannot_be_asked_is_refused(hub: FakeHub, tmp_path: Path, words: tuple[str, ...], problem: str) -> None:
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "broken.json").write_bytes(b'{"plan": \xff')
    result: Any = syncline("repair", *words)
    assert result.exit_code == 2
    assert problem in result.stderr


def test_past_repairs_are_listed(hub: FakeHub) -> None:
    lines = [" ".join(line.split()) for line in syncline("repair", "--list").stdout.splitlines()]
    assert lines == [
        "id time by policy rows collections undone by",
        "820 2026-11-21T10:00:00.000Z ada authority:hq 2 customers 831",
        "take one back: syncline repair --undo ID",
    ]
    hub.answers["repairs"] = []
    assert syncline("repair", "--list").stdout == "no repairs\n"
