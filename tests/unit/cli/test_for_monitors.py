"""Exit codes that cron and monitoring go by: `status --check`, and `proof write`, whose 1 means that a report was written."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from tests.unit.cli.fake import COLLECTION, STATUS, FakeHub, answer, syncline

from syncline.cli.facade import Report

OK = {"standing": "in sync", "alarm": False, "cause": None}
DRIFT = {"standing": "drift", "alarm": True, "cause": "2 rows differed when last compared: written while capture was off"}
MOVING = {"standing": "moving", "alarm": False, "cause": "rows at van differ"}


def status(fake: FakeHub, /, **changed: Any) -> None:
    """A status of two peers; van's copy differs if `proof` says so."""
    proofs = {"hq": OK, "van": changed.pop("proof", OK)}
    peers = {
        name: {"state": "live", "stage": "live", "reason": None, "collections": {"customers": {**COLLECTION, "proof": proof}}}
        for name, proof in proofs.items()
    }
    fake.answers["status"] = {**STATUS, "peers": peers, **changed}


RED: list[tuple[Report, str]] = [
    ({"proof": DRIFT}, "customers at van: drift: 2 rows differed when last compared: written while capture was off"),
    ({"hub": {"running": True}, "log": {"reason": "SYN-L02: busy"}}, "hub: the running hub does not answer: SYN-L02: busy"),
    ({"log": {"head": 1, "reason": "SYN-L05: no space left"}}, "hub: the log waits: SYN-L05: no space left"),
    (
        {"repair_alarm": {"code": "SYN-V01", "what": "5 rows may be repaired", "why": "nothing was repaired", "fix": "look"}},
        "hub: SYN-V01 5 rows may be repaired: nothing was repaired",
    ),
]


@pytest.mark.parametrize(("changed", "said"), RED, ids=["drift", "silent hub", "full disk", "repair"])
def test_a_plain_status_exits_0_and_a_check_exits_1_and_names_what_is_red(hub: FakeHub, changed: Report, said: str) -> None:
    status(hub, **changed)
    assert syncline("status").exit_code == 0
    told = syncline("status", "--check")
    assert (told.exit_code, told.stdout.splitlines()) == (1, [said])
    shown = answer("status", "--check", code=1)
    assert [one["why"] for one in shown["red"]] == [said.partition(": ")[2]]
    assert shown["peers"] == hub.answers["status"]["peers"]


@pytest.mark.parametrize("changed", [{}, {"proof": MOVING}, {"hub": {"running": False}}], ids=["fine", "moving", "no hub"])
def test_a_check_says_nothing_where_nothing_is_red_so_that_cron_sends_no_mail(hub: FakeHub, changed: Report) -> None:
    status(hub, **changed)
    told = syncline("status", "--check")
    assert (told.exit_code, told.output) == (0, "")
    assert answer("status", "--check")["red"] == []


def test_a_server_that_keeps_too_much_of_its_log_is_red(hub: FakeHub) -> None:
    status(hub)
    hub.answers["status"]["peers"]["van"]["alarm"] = {"text": "SYN-P10: the server keeps too much of its log"}
    told = syncline("status", "--check")
    assert (told.exit_code, told.stdout) == (1, "van: SYN-P10: the server keeps too much of its log\n")


def test_a_check_looks_once(hub: FakeHub) -> None:
    status(hub)
    assert syncline("status", "--check", "--watch").exit_code == 2


def test_a_proof_that_was_not_written_never_exits_as_one_that_tells_of_differences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table that must be put right is told with 1 by other verbs; here that would say that a report was written."""
    pytest.importorskip("cryptography")
    monkeypatch.chdir(tmp_path)
    with sqlite3.connect("hq.db") as connection:
        connection.execute("CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT)")
        connection.execute("CREATE TABLE lines (a INT, b INT, PRIMARY KEY (a, b))")
    plain = 'space: crm\npeers: {hq: "sqlite:///hq.db", van: "sqlite:///van.db?create=1"}\ncollections: {customers: {key: [id]}'
    Path("syncline.yaml").write_text(plain + "}\n")
    assert syncline("run", "--until-idle").exit_code == 0
    assert syncline("proof", "--out", "first.json", "--fresh").exit_code == 0
    Path("syncline.yaml").write_text(plain + ", lines: {key: [a, b]}}\n")
    assert syncline("verify").exit_code == 1
    told = syncline("proof", "--out", "second.json", "--fresh")
    assert (told.exit_code, Path("second.json").exists()) == (2, False)
    assert "no report was written" in told.stderr
