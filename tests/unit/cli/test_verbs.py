"""Every verb with a fake engine: what it asks, what it says to people and machines, and its exit code."""

import json
import signal
from pathlib import Path

import msgspec
import pytest
from tests.unit.cli.fake import CONFLICT, PARKED, STATUS, FakeHub, answer, syncline
from tests.unit.cli.verb_cases import VERBS

from syncline.cli import board
from syncline.cli.feed import Feed
from syncline.cli.render import Screen
from syncline.hub.repairs import Wish
from syncline.model.errors import (
    ConfigError,
    MissingTable,
    NoKey,
    PeerUnsafe,
    Problem,
    SynclineError,
    TablesDiffer,
    UnknownColumn,
)
from syncline.model.event import Event


def whole(asked: tuple[str, tuple[object, ...]]) -> tuple[str, tuple[object, ...]]:
    """What is asked for a machine: of a plan every row."""
    verb, words = asked
    return verb, tuple(msgspec.structs.replace(one, listed=True) if isinstance(one, Wish) else one for one in words)


@pytest.mark.parametrize(("line", "asked", "said"), VERBS, ids=[case[0] for case in VERBS])
def test_a_verb_asks_the_engine_and_tells_the_answer(
    hub: FakeHub, line: str, asked: tuple[str, tuple[object, ...]], said: str
) -> None:
    result = syncline(*line.split())
    assert result.exit_code == 0, result.output
    assert said in result.stdout
    assert result.stderr == ""
    assert asked in hub.asked
    hub.asked.clear()
    shown = answer(*line.split())
    assert whole(asked) in hub.asked
    assert isinstance(shown, dict)


@pytest.mark.parametrize(("line", "asked", "said"), VERBS, ids=[case[0] for case in VERBS])
def test_a_configuration_may_be_named_in_both_ways(
    hub: FakeHub, tmp_path: Path, line: str, asked: tuple[str, tuple[object, ...]], said: str
) -> None:
    (tmp_path / "syncline.yaml").rename(tmp_path / "other.yaml")
    words = line.split()
    place = 2 if words[0] in {"conflicts", "parked"} and len(words) > 1 else 1
    result = syncline(*words[:place], "other.yaml", *words[place:])
    assert result.exit_code == 0, result.output
    assert asked in hub.asked
    assert said.split(":", maxsplit=1)[0] in result.stdout
    assert hub.space.path == "other.yaml"


@pytest.mark.parametrize("line", [case[0] for case in VERBS])
def test_a_configuration_may_be_an_option(hub: FakeHub, tmp_path: Path, line: str) -> None:
    (tmp_path / "syncline.yaml").rename(tmp_path / "conf")
    assert syncline(*line.split(), "-c", "conf").exit_code == 0
    assert hub.space.path == "conf"


def test_the_help_of_every_verb_is_there() -> None:
    top = syncline("--help")
    assert top.exit_code == 0
    for line, _, _ in VERBS:
        words = [word for word in line.split()[:2] if word.isalpha()]
        words = words if words[0] in {"conflicts", "parked"} and len(words) > 1 else words[:1]
        assert words[0] in top.stdout
        assert syncline(*words, "--help").exit_code == 0


def test_check_tells_every_unmet_precondition_and_its_fix(hub: FakeHub) -> None:
    hub.answers["check"] = [
        Problem("foreign keys cascade", peer="van", hint="CREATE TRIGGER ..."),
        TablesDiffer("a column is missing", hint="ALTER TABLE ...", line=3, peer="van", collection="customers"),
    ]
    result = syncline("check")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "SYN-C02 foreign keys cascade (peer van). Fix: CREATE TRIGGER ...",
        "syncline.yaml:3: SYN-C19 a column is missing (peer van, collection customers). Fix: ALTER TABLE ...",
        "2 problems",
    ]
    shown = answer("check", code=1)
    assert shown["ok"] is False
    assert [(problem["code"], problem["line"]) for problem in shown["problems"]] == [("SYN-C02", 0), ("SYN-C19", 3)]


@pytest.mark.parametrize(
    ("found", "code"),
    [
        ([NoKey("no key")], 1),
        ([MissingTable("no table"), TablesDiffer("a column is missing")], 1),
        ([UnknownColumn("a wrong name", line=3)], 2),
        ([PeerUnsafe("not SQLite", peer="van")], 3),
        ([NoKey("no key"), PeerUnsafe("not SQLite", peer="van")], 3),
        ([PeerUnsafe("not SQLite", peer="van"), UnknownColumn("a wrong name", line=3)], 2),
    ],
)
def test_check_ends_with_the_code_of_the_gravest_cause(hub: FakeHub, found: list[SynclineError], code: int) -> None:
    hub.answers["check"] = found
    assert syncline("check").exit_code == code
    assert [one["code"] for one in answer("check", code=code)["problems"]] == [one.code for one in found]
    problems = tuple(one for one in found if isinstance(one, Problem))
    refusals = [*([ConfigError("refused", problems)] if problems else []), *(one for one in found if one not in problems)]
    hub.answers["run"] = ExceptionGroup("refused", refusals)
    assert syncline("run").exit_code == code, "run says the same of the same causes"


def test_resume_of_a_peer_that_was_not_paused_says_so(hub: FakeHub) -> None:
    hub.answers["resume"] = {"resumed": ["hq", "van"], "aside": {}, "not_paused": ["van"], "hub": {"running": True}}
    assert syncline("resume").stdout.splitlines() == ["hq takes part again", "van was not paused: nothing is changed"]


def test_resume_says_when_and_whom_it_leaves_aside(hub: FakeHub) -> None:
    hub.answers["resume"] = {
        "resumed": ["hq"],
        "aside": {"van": {"what": "van left this space", "fix": "--rejoin"}},
        "hub": {"running": False},
    }
    lines = syncline("resume").stdout.splitlines()
    assert lines == ["hq takes part again, with the next run", "van is not resumed: van left this space. Fix: --rejoin"]


@pytest.mark.parametrize(
    ("words", "running", "said"),
    [
        ("teardown van --yes", True, "the running hub goes on without van"),
        ("teardown --yes", False, "the next run begins anew"),
    ],
)
def test_teardown_says_what_is_next(hub: FakeHub, words: str, running: bool, said: str) -> None:
    hub.answers["teardown"] = {"torn_down": [], "hub": {"running": running}}
    assert said in syncline(*words.split()).stdout.splitlines()[1]


def test_a_decision_says_when_it_travels(hub: FakeHub) -> None:
    for running, when in ((True, "now"), (False, "with the next run")):
        hub.answers |= {"settle": {"hub": {"running": running}}, "retry_parked": {"hub": {"running": running}}}
        assert syncline("conflicts", "resolve", "1.0.0", "--take", "hq").stdout == f"settled 1.0.0; it travels {when}\n"
        assert f"tried again {when}" in syncline("parked", "retry", "1").stdout


def test_several_parked_rows_or_all_are_tried_again(hub: FakeHub) -> None:
    hub.answers["retry_parked"] = {"retried": ["1", "2"], "not_retried": {"3": "it is gone"}}
    told = syncline("parked", "retry", "1", "2", "3").stdout.splitlines()
    assert told == [
        "2 rows are tried again with the next run; see: syncline parked",
        "3 is not tried again: it is gone",
    ]
    assert "2 rows" in syncline("parked", "retry", "--all").stdout
    assert hub.asked == [("retry_parked", ("1", "2", "3")), ("retry_parked", ())]
    assert syncline("parked", "retry", "--all", "1").exit_code == 2
    assert syncline("parked", "retry").exit_code == 2


def test_lists_say_what_to_do_next(hub: FakeHub) -> None:
    assert (
        syncline("parked")
        .stdout.splitlines()[-1]
        .startswith("next: put right what the reason says, then syncline parked retry")
    )
    assert "next: syncline conflicts show ID" in syncline("conflicts").stdout
    hub.answers["conflicts"] = [{**CONFLICT, "open": False}]
    assert "next:" not in syncline("conflicts", "--all").stdout
    assert (answer("conflicts")["listed"], answer("conflicts", "--all")["listed"]) == ("open", "all")


def test_status_counts_what_nobody_captured_yet(hub: FakeHub) -> None:
    for count, said in ((1, "hq: 1 change"), (10_000, "hq: 10,000 changes or more")):
        hub.answers["status"] = {**STATUS, "peers": {"hq": {"state": "live", "collections": {"c": {"uncaptured": count}}}}}
        told = syncline("status").stdout
        assert f"{said} that no hub has captured yet" in told
        assert told.splitlines()[1].split() == ["peer", "collection", "uncaptured", "conflicts"]


def test_run_until_idle_fails_where_the_peers_are_not_equal(hub: FakeHub) -> None:
    hub.answers["run"] = {**STATUS, "converged": False}
    assert syncline("run", "--until-idle").exit_code == 1
    assert syncline("run").exit_code == 0


@pytest.mark.parametrize(
    ("number", "words", "code"),
    [
        (signal.SIGINT, (), 130),
        (signal.SIGTERM, (), 0),
        (signal.SIGINT, ("--until-idle",), 130),
        (signal.SIGTERM, ("--until-idle",), 130),
    ],
)
def test_run_stops_gracefully_on_a_signal(hub: FakeHub, number: signal.Signals, words: tuple[str, ...], code: int) -> None:
    before = signal.getsignal(signal.SIGINT)
    hub.signal = number
    result = syncline("run", *words)
    assert result.exit_code == code, result.output
    assert "stopping" in result.stdout
    assert ("run", (bool(words),)) in hub.asked, "the engine came to its end by itself"
    assert "crm: hub running" in result.stdout, "the final status is shown"
    assert signal.getsignal(signal.SIGINT) == before


def test_run_tells_what_happens_in_bounded_lines(hub: FakeHub) -> None:
    hub.events = [Event("batch.applied", "van", count=10, detail={"upto": number}) for number in range(5000)]
    hub.events.append(Event("row.parked", "van", "customers", detail={"reason": "CHECK\nfailed"}))
    lines = syncline("run").stdout.splitlines()
    assert [line.partition(" ")[2] for line in lines[:2]] == [
        "batch.applied van x50000 upto=4999",
        "row.parked van customers reason=CHECK\\nfailed",
    ]
    assert len(answer("run")["peers"]) == 2


def test_a_display_that_fails_does_not_cost_the_result(hub: FakeHub) -> None:
    def broken(_: Feed) -> list[str]:
        raise RuntimeError("no display")

    hub.signal = signal.SIGTERM  # so that the work lasts longer than one look
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Screen, "is_live", True)
        patch.setattr(board, "_picture", broken)
        result = syncline("run")
    assert result.exit_code == 0, result.output
    assert "the display failed: " in result.stderr
    assert "crm: hub running" in result.stdout


def test_status_shows_every_number_and_the_reason(hub: FakeHub) -> None:
    lines = syncline("status").stdout.splitlines()
    assert lines[1].split() == [
        "peer", "collection", "state", "behind", "seconds", "parked", "conflicts", "verified"
    ]  # fmt: skip
    assert lines[2].split() == ["hq", "customers", "live", "12", "1.25", "1", "2", "open", "of", "5", "790"]
    assert lines[3:] == [
        "van: broken: SYN-P06: restored",
        "parked: rows that a peer refused. Next: syncline parked",
        "open conflicts: a person has to settle them. Next: syncline conflicts",
    ]
    assert answer("status") == STATUS


def test_a_collection_as_it_was_is_shown_in_part_and_written_whole(hub: FakeHub, tmp_path: Path) -> None:
    lines = syncline("at", "2", "customers").stdout.splitlines()
    assert lines[0].split() == ["id", "city"]
    assert lines[1].split() == ["0", "Bonn,", "a"]
    assert lines[-2:] == ["25 rows of customers as of offset 2", "5 more are not shown; all of them: --out FILE"]
    for words in (("--json",), ("--out", "-"), ("--out", "-", "--json")):
        result = syncline("at", "2", "customers", *words)
        shown = [json.loads(line) for line in result.stdout.splitlines()]
        assert len(shown) == 25
        assert shown[1] == {"id": 1, "city": None}
    syncline("at", "2", "customers", "--out", "rows.csv")
    assert (tmp_path / "rows.csv").read_text(encoding="utf-8").splitlines()[:3] == ["id,city", '0,"Bonn, a"', "1,"]
    assert not (tmp_path / "rows.csv.part").exists()


def test_a_row_that_was_not_there_is_told_so(hub: FakeHub) -> None:
    hub.answers["at_row"] = {"collection": "customers", "key": [7], "offset": 2, "row": None, "made": None}
    assert syncline("at", "2", "customers", "7").stdout.splitlines() == [
        "customers 7 as of offset 2:", "  no such row", "the log has no change of it up to there"
    ]  # fmt: skip


def test_nothing_to_list_is_said(hub: FakeHub) -> None:
    hub.answers |= {"conflicts": [], "parked": [], "history": []}
    assert syncline("conflicts").stdout == "no open conflicts\n"
    assert syncline("conflicts", "--all").stdout == "no conflicts\n"
    assert syncline("parked").stdout == "nothing is parked\n"
    assert "holds nothing about customers 7" in syncline("history", "customers", "7").stdout
    assert answer("parked") == {"parked": []}


def test_a_long_list_is_not_cut_where_nobody_watches(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    hub.answers["parked"] = [{**PARKED, "reason": "x" * 300}]
    assert "x" * 300 in syncline("parked").stdout


def test_teardown_asks_and_a_no_stops_it(hub: FakeHub) -> None:
    result = syncline("teardown")
    assert result.exit_code == 2
    assert "give --yes" in result.stderr
    assert answer("teardown", code=2)["error"]["fix"] == "give --yes"
    assert hub.asked == []


USAGE: tuple[tuple[str, str], ...] = (
    ("nonsense", "No such command"),
    ("chek", "Fix: did you mean 'check'?"),
    ("status --nonsense", "No such option"),
    ("conflicts show", "ID"),
    ("conflicts show a b", "2 given"),
    ("conflicts list --limit 0", "limit"),
    ("conflicts resolve 1.0.0", "either --take PEER or --set FIELD=VALUE"),
    ("conflicts resolve 1.0.0 --take hq --set a=b", "either --take PEER or --set FIELD=VALUE"),
    ("conflicts resolve 1.0.0 --set city", "write --set city=Bonn"),
    ("history customers", "COLLECTION and KEY"),
    ("at customers", "OFFSET and COLLECTION"),
    ("at customers 7", "customers is not an offset"),
    ("at 2 customers 7 --out x.csv", "--out is for a whole collection"),
    ("at 2 customers --out x.txt", "end it in .jsonl, .csv, .parquet"),
    ("at --time 2026-11-21", "this verb needs COLLECTION: nothing given. Fix: write at [CONFIG]"),
    ("replay --from 2 --to mars", "use one of: hq, van"),
    ("replay --to van", "this verb needs --from OFFSET. Fix: write replay [CONFIG] --from OFFSET --to PEER"),
    ("replay", "this verb needs --from OFFSET and --to PEER."),
    ("archive", "this verb needs DIR: nothing given. Fix: write archive [CONFIG] DIR"),
    ("history", "this verb needs COLLECTION and KEY. Fix: write history"),
    ("rename van", "this verb needs OLD and NEW: 1 given"),
    ("rename", "this verb needs OLD and NEW: nothing given"),
    ("at", "this verb needs OFFSET and COLLECTION"),
    ("archive a b", "2 given"),
    ("pause mars", "use one of: hq, van"),
    ("pause hq van", "one PEER"),
    ("status a.yaml -c b.yaml", "named twice"),
    ("resume hq --authority van", "--rejoin"),
    ("resume hq --rejoin --authority mars", "there is no peer 'mars'"),
    ("teardown mars --yes", "there is no peer 'mars'"),
)


@pytest.mark.parametrize(("line", "piece"), USAGE, ids=[case[0] for case in USAGE])
def test_wrong_usage_is_two_with_a_hint(hub: FakeHub, line: str, piece: str) -> None:
    result = syncline(*line.split())
    assert result.exit_code == 2, result.output
    assert piece in result.stderr
    assert result.stderr.startswith("SYN-U01: ")
    assert ". Fix: " in result.stderr
    assert result.stdout == ""
    assert answer(*line.split(), code=2)["error"]["code"] == "SYN-U01"
    assert hub.asked == []


def test_without_a_verb_the_help_is_shown() -> None:
    result = syncline()
    assert result.exit_code == 2
    assert "Usage:" in result.stdout


def test_the_version_is_told() -> None:
    assert syncline("--version").stdout.startswith("syncline 0.")


def test_a_space_that_never_ran_has_no_log(hub: FakeHub) -> None:
    hub.answers["status"] = {**STATUS, "hub": {"running": False}, "log": {"head": 0, "floor": 0, "bytes": 0}}
    assert syncline("status").stdout.splitlines()[0].endswith("no hub running; no log yet")
