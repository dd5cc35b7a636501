"""What a person at a terminal sees: tables, colours unless NO_COLOR, bars, nothing that a row's value smuggles in."""

import asyncio
import re
from pathlib import Path

import pytest
from tests.unit.cli.fake import CONFLICT, DIFFERENCE, HISTORY, PARKED, REPAIR, SIDE, FakeHub, config_in
from typer.testing import CliRunner

from syncline.cli import board, facade
from syncline.cli.facade import Report
from syncline.cli.layout import aligned
from syncline.cli.main import app
from syncline.cli.render import cell, value_text
from syncline.model.event import Event, Listener
from syncline.model.proof import EVERYTHING, Wanted
from syncline.model.words import counted

RED = "\x1b[31m"


class SlowHub(FakeHub):
    """A fake engine whose work takes some looks of the display."""

    async def run(self, until_idle: bool, on_event: Listener, stop: asyncio.Event) -> Report:
        on_event(Event("batch.applied", "van", count=1234))
        on_event(Event("join.progress", "van", "customers", detail={"done": 300, "total": 1200}))
        await asyncio.sleep(0.2)
        on_event(Event("join.progress", "van", "customers", detail={"done": 1200, "total": 1200}))
        await asyncio.sleep(0.1)
        return await super().run(until_idle, on_event, stop)

    async def verify(self, repair: bool, on_event: Listener, wanted: Wanted = EVERYTHING) -> Report:
        on_event(Event("verify.progress", "", "customers", detail={"done": 1, "total": 4}))
        await asyncio.sleep(0.2)
        return await super().verify(repair, on_event, wanted)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeHub:
    """A fake engine, and a terminal."""
    fake = SlowHub()
    monkeypatch.setattr(facade, "hub_for", fake)
    monkeypatch.setattr(board, "_LIVE_SECONDS", 0.02)
    config_in(tmp_path)
    monkeypatch.chdir(tmp_path)
    for name, value in (("FORCE_COLOR", "1"), ("TERM", "xterm-256color"), ("COLUMNS", "160"), ("COLORTERM", "")):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)
    return fake


def shown(*words: str) -> str:
    """What goes to the terminal."""
    return CliRunner().invoke(app, list(words)).output


def test_states_are_coloured_unless_no_color_is_set(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[32mlive" in shown("status")
    monkeypatch.setenv("NO_COLOR", "1")
    plain = shown("status")
    assert "live" in plain
    assert "\x1b[32m" not in plain


def test_a_run_is_shown_live_with_bars_that_go_away(hub: FakeHub) -> None:
    text = shown("run")
    assert "join van customers" in text
    assert "300/1200" in text
    assert "1200/1200" not in text
    assert "1234" in text
    assert text.rindex("crm: hub running") > text.rindex("join van customers")


def test_f13_an_alarm_stands_below_the_picture_and_in_the_status(hub: FakeHub) -> None:
    status = hub.answers["status"]
    alarm = {"text": "SYN-P10: the server keeps too much of its log for this peer (peer hq)"}
    hub.answers["status"] = {**status, "peers": {**status["peers"], "hq": {**status["peers"]["hq"], "alarm": alarm}}}
    assert alarm["text"] in shown("status")
    picture = shown("run").rpartition("crm: hub running")[0]
    assert alarm["text"] in picture


def test_a_comparison_has_a_bar(hub: FakeHub) -> None:
    text = shown("verify")
    assert "verify customers" in text
    assert "1/4" in text
    assert "equal: 12,345 rows compared" in text


def test_x14_control_characters_of_rows_are_shown_and_not_sent(hub: FakeHub) -> None:
    hub.answers["verify"] = {"equal": False, "rows": 1, "differences": [DIFFERENCE]}
    hub.answers["parked"] = [{**PARKED, "reason": f"a{RED}\r\nb\u202e"}]
    hub.answers["conflict"] = {"value": f"{RED}x", "row": {f"{RED}name": "\x07"}}
    assert f"{RED}Ulm" not in shown("verify")
    parked = shown("parked")
    assert f"{RED}\r" not in parked
    assert "a\\x1b[31m\\r\\nb\\u202e" in parked
    conflict = shown("conflicts", "show", "1.0.0")
    assert RED not in conflict
    assert "\x07" not in conflict


def test_markup_in_values_is_text(hub: FakeHub) -> None:
    hub.answers["parked"] = [{**PARKED, "reason": "[red]x[/red] :smile:"}]
    assert "[red]x[/red] :smile:" in shown("parked")


LONG = "CHECK constraint failed: length(email) < 40 and email is not null"


@pytest.mark.parametrize("verb", ["parked", "conflicts", "verify", "history customers 7", "status"])
def test_at_80_columns_no_value_is_squeezed(hub: FakeHub, monkeypatch: pytest.MonkeyPatch, verb: str) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    sides = {"ours": {**SIDE, "value": LONG}, "theirs": {**SIDE, "peer": "van", "value": LONG}}
    hub.answers |= {
        "parked": [{**PARKED, "reason": LONG, "time": SIDE["time"]}],
        "conflicts": [{**CONFLICT, **sides, "rule": "prefer headquarters"}],
        "verify": {"equal": False, "differences": [{**DIFFERENCE, "peers": {"branch_1": {"city": LONG}, "van": None}}]},
        "history": [{**HISTORY[1], "fields": {"notes": ["x", LONG]}}],
    }  # fmt: skip
    name, found = "headquarters-of-the-north", hub.answers["status"]["peers"]["hq"]
    hub.answers["status"] = {**hub.answers["status"], "peers": {name: found}}
    lines = re.sub(r"\x1b\[[0-9;]*m", "", shown(*verb.split())).splitlines()
    table = [line for line in lines if not line.startswith(("next:", "parked:", "open conflicts:"))]
    assert max(map(len, table)) <= 80
    whole = " ".join(" ".join(table).split())
    if verb == "status":
        assert f"{name} customers live" in whole
        assert "2 open of 5" in whole
    else:
        assert LONG in whole, "folded at blanks, in a place that is wide enough"
    if verb == "verify":
        assert "at branch_1" in whole
        assert "(no such row)" in whole


@pytest.mark.parametrize("width", [80, 60])
@pytest.mark.parametrize("verb", ["verify", "drift", "repair", "parked", "conflicts list", "history customers 7", "status"])
def test_no_word_is_cut_at_the_end_of_a_line(hub: FakeHub, monkeypatch: pytest.MonkeyPatch, verb: str, width: int) -> None:
    """What terminals do with lines that are too long for them: they go on in the middle of a word."""
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("NO_COLOR", "1")
    name, found = "headquarters-of-the-north", hub.answers["status"]["peers"]["hq"]
    incident = {**hub.answers["drift"][0], "open": True, "peers": [name], "why": LONG, "remedy": LONG}
    row = {"collection": "customers", "key": [7], "class": "missing", "peers": {name: {"does": "insert", "row": {"a": LONG}}}}
    plan = {
        **REPAIR["plan"],
        "rows": 1,
        "repairs": [row],
        "left": [{"collection": "c", "key": [4], "why": LONG, "idle": False}],
    }
    hub.answers |= {
        "drift": [incident],
        "parked": [{**PARKED, "reason": LONG, "time": SIDE["time"]}],
        "conflicts": [{**CONFLICT, "rule": "prefer headquarters"}],
        "verify": {"equal": False, "rows": 1, "drift": 1, "differences": [DIFFERENCE], "not_compared": ["car"]},
        "repair": {**REPAIR, "plan": plan, "equal": False},
        "status": {**hub.answers["status"], "peers": {name: {**found, "reason": LONG}}},
    }  # fmt: skip
    lines = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown(*verb.split())).splitlines()
    assert max(map(len, lines)) <= width
    if verb == "status":
        assert any(line.startswith(f"{name}  customers   live") for line in lines), "what names a row stays in it"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""), (True, "yes"), (0, "0"), (1.5, "1.5"), (2.0, "2"), ("a\tb", "a\\tb"), ([7, "x"], "7, x"), ([], ""),
        ({"a": 1}, '{"a": 1}'), ([[1]], "[[1]]"),
    ],
)  # fmt: skip
def test_a_cell_is_one_line(value: object, text: str) -> None:
    assert cell(value) == text


def test_small_words() -> None:
    assert value_text(None) == "null"
    assert value_text("ü") == '"ü"'
    assert [counted(number, "peer") for number in (0, 1, 2000)] == ["0 peers", "1 peer", "2,000 peers"]
    assert aligned([["a", "bb"], ["ccc", "1"]], right={1}) == ["a    bb", "ccc   1"]
    assert aligned([]) == []
