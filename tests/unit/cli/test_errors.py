"""Every error becomes one message and its exit code: no traceback, no secret, JSON where JSON was asked for."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.unit.cli.fake import FakeHub, config_in
from typer.testing import CliRunner, Result

import syncline
from syncline.cli.exits import Exit, with_action
from syncline.cli.main import app
from syncline.cli.render import Screen
from syncline.config.secrets import remember_url
from syncline.model import errors

CANARY = "CaNaRy-93x"
SOURCE = Path(syncline.__file__).parents[1]
VERBS = (
    "check", "plan", "run", "run --until-idle", "status", "conflicts", "conflicts show 1.0.0",
    "conflicts resolve 1.0.0 --take hq", "parked", "parked retry 1", "parked skip 1", "verify", "verify --repair",
    "repair", "repair --undo 7 --yes", "repair --list",
    "history customers 7", "pause", "resume", "teardown --yes",
)  # fmt: skip


def run(*words: str) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(app, list(words))


def shell(folder: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m syncline` as its own process."""
    clean = {name: value for name, value in os.environ.items() if name not in {"SYNCLINE_DEBUG"}}
    return subprocess.run(
        [sys.executable, "-m", "syncline", *words], cwd=folder, capture_output=True, text=True, timeout=60, check=False,
        env={**clean, "PYTHONPATH": str(SOURCE), **environ},
    )  # fmt: skip


ERRORS: tuple[tuple[BaseException, int, str], ...] = (
    (errors.ConfigError("bad", (errors.UnknownKey("k", line=3, file="f"),)), Exit.USAGE, "SYN-C01"),
    (errors.UnknownPeer("x"), Exit.USAGE, "SYN-C10"),
    (errors.UsageError("there is no conflict 9.0.0", hint="list them"), Exit.USAGE, "SYN-U01"),
    (errors.MergeError("rule"), Exit.USAGE, "SYN-M01"),
    (errors.PeerError("x", peer="van"), Exit.UNUSABLE, "SYN-P01"),
    (errors.PeerUnreachable("gone", why="no route", hint="plug it in", peer="van"), Exit.UNUSABLE, "SYN-P02"),
    (errors.PeerBusy("locked"), Exit.UNUSABLE, "SYN-P03"),
    (errors.PeerUnsafe("not SQLite"), Exit.UNUSABLE, "SYN-P04"),
    (errors.PeerRestored("restored"), Exit.UNUSABLE, "SYN-P06"),
    (errors.PeerFull("full"), Exit.UNUSABLE, "SYN-P07"),
    (errors.LogBusy("another hub"), Exit.UNUSABLE, "SYN-L05"),
    (errors.LogDamaged("frame 7"), Exit.UNUSABLE, "SYN-L03"),
    (errors.CodecError("version 9"), Exit.UNUSABLE, "SYN-W01"),
    (errors.SynclineError("it did not happen"), Exit.DIFFERENT, "SYN-000"),
    (errors.GuardTripped("900 deletes"), Exit.DIFFERENT, "SYN-G01"),
    (ExceptionGroup("group", [errors.PeerBusy("first"), errors.LogFenced("other hub")]), Exit.UNUSABLE, "SYN-L02"),
    (ExceptionGroup("group", [ExceptionGroup("inner", [errors.UsageError("x")])]), Exit.USAGE, "SYN-U01"),
    (ExceptionGroup("group", [errors.PeerBusy("x"), KeyError("y")]), Exit.BUG, "SYN-000"),
    (RuntimeError("boom"), Exit.BUG, "SYN-000"),
    (OSError(5, "Input/output error"), Exit.BUG, "SYN-000"),
)


@pytest.mark.parametrize(("error", "code", "name"), ERRORS, ids=[f"{case[2]}-{place}" for place, case in enumerate(ERRORS)])
def test_an_error_is_a_message_and_an_exit_code(hub: FakeHub, error: BaseException, code: int, name: str) -> None:
    hub.answers["status"] = error
    result = run("status")
    assert result.exit_code == code
    assert result.stdout == ""
    assert result.stderr.splitlines()[-1].startswith(f"{name}")
    assert "Traceback" not in result.output
    shown = run("status", "--json")
    assert shown.exit_code == code
    body = json.loads(shown.stdout)
    assert body["error"]["code"] == name
    assert isinstance(body["problems"], list)


@pytest.mark.parametrize("line", VERBS)
def test_every_verb_passes_the_gate(hub: FakeHub, line: str) -> None:
    hub.answers = dict.fromkeys(hub.answers, errors.PeerUnreachable("van is away", hint="wait"))
    result = run(*line.split())
    assert result.exit_code == 3
    assert result.stderr == "SYN-P02: van is away. Fix: wait\n"


def test_a_bug_is_called_one_and_shows_its_traceback_only_when_asked(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.answers["status"] = ZeroDivisionError("oops")
    monkeypatch.delenv("SYNCLINE_DEBUG", raising=False)
    quiet = run("status")
    assert quiet.exit_code == 70
    assert quiet.stderr.startswith("SYN-000: ZeroDivisionError: oops: this is a bug. Fix: report it")
    monkeypatch.setenv("SYNCLINE_DEBUG", "1")
    loud = run("status", "--json")
    assert "Traceback (most recent call last)" in loud.stderr
    assert json.loads(loud.stdout)["error"]["code"] == "SYN-000"


def test_an_interrupt_is_130(hub: FakeHub) -> None:
    hub.answers["status"] = KeyboardInterrupt()
    assert run("status").exit_code == 130


def test_a_bad_configuration_is_told_as_a_whole_and_nothing_is_created(tmp_path: Path) -> None:
    (tmp_path / "hq.db").touch()
    text = "space: crm\nlag: x\npeers: {hq: sqlite:///hq.db, van: sqlite:///gone.db}\ncollections: {c: {merge: {a: nwest}}}\n"
    (tmp_path / "syncline.yaml").write_text(text)
    before = sorted(tmp_path.iterdir())
    for line in VERBS:
        result = shell(tmp_path, *line.split()) if line in {"check", "run", "status"} else None
        if result is None:
            continue
        assert result.returncode == 2
        assert result.stdout == ""
        lines = result.stderr.splitlines()
        assert lines[0].startswith("syncline.yaml:2: SYN-C05 unknown key 'lag'. Fix: did you mean 'log'?")
        assert lines[-1].startswith("SYN-C01: ")
        assert any(
            found.startswith("syncline.yaml:4: SYN-C11 unknown policy 'nwest' (collection c, column a)") for found in lines
        )
        assert any("SYN-C15" in found for found in lines) == (line != "status")
        assert (tmp_path / "hq.db").stat().st_size == 0
    assert sorted(tmp_path.iterdir()) == before
    shown = json.loads(shell(tmp_path, "check", "--json").stdout)
    assert {"SYN-C05", "SYN-C11", "SYN-C15"} <= {problem["code"] for problem in shown["problems"]}
    assert all(problem["fix"] and problem["line"] for problem in shown["problems"] if problem["file"])


@pytest.mark.parametrize(("name", "piece"), [("gone.yaml", "there is no configuration"), (".", "is a folder")])
def test_no_configuration(tmp_path: Path, name: str, piece: str) -> None:
    result = shell(tmp_path, "check", name)
    assert result.returncode == 2
    assert result.stderr.startswith("SYN-C01: ")
    assert piece in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_configuration_without_permission(tmp_path: Path) -> None:
    path = config_in(tmp_path)
    path.chmod(0)
    result = shell(tmp_path, "check")
    path.chmod(stat.S_IRUSR | stat.S_IWUSR)
    assert result.returncode == 2
    assert "Permission denied" in result.stderr


@pytest.mark.parametrize("line", VERBS)
def test_x11_no_verb_lets_a_secret_out(hub: FakeHub, tmp_path: Path, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNCLINE_DEBUG", "1")
    remember_url(f"postgresql://sync:{CANARY}@hq/crm")
    for error in (
        errors.PeerUnreachable(
            f"no answer from postgresql://sync:{CANARY}@hq", why=f"password {CANARY}", hint=CANARY, peer=CANARY
        ),
        RuntimeError(f"driver said: user=sync password={CANARY}"),
        errors.ConfigError("bad", (errors.Problem(f"{CANARY}", why=CANARY, hint=CANARY, peer=CANARY, file="f", line=1),)),
    ):
        hub.answers = dict.fromkeys(hub.answers, error)
        for words in (line.split(), [*line.split(), "--json"]):
            result = run(*words)
            assert result.exit_code in {1, 3, 70}
            assert CANARY not in result.output


@pytest.mark.parametrize("line", VERBS)
def test_x11_no_bad_configuration_lets_a_secret_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    monkeypatch.chdir(tmp_path)
    url = f"postgresql://sync:{CANARY}@hq/crm"
    (tmp_path / "syncline.yaml").write_text(f"space: crm\npeers: {{hq: '{url}', van: '{url}'}}\nlog: '{url}'\n'{url}': 1\n")
    for words in (line.split(), [*line.split(), "--json"]):
        result = run(*words)
        assert result.exit_code == 2
        assert CANARY not in result.output


def test_a_reader_that_goes_away_is_no_trouble(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "syncline", "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()


def test_the_output_is_plain_without_a_terminal_and_survives_a_poor_encoding(tmp_path: Path) -> None:
    (tmp_path / "syncline.yaml").write_text("space: münchen\npeers: {ö: x, 二: y}\n", encoding="utf-8")
    result = shell(tmp_path, "check", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert result.returncode == 2
    assert "\x1b" not in result.stderr
    assert "m\\xfcnchen" in result.stderr


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert Screen().out.no_color


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["conflicts"], ["conflicts", "list"]),
        (["conflicts", "--json"], ["conflicts", "list", "--json"]),
        (["parked", "a.yaml"], ["parked", "list", "a.yaml"]),
        (["parked", "retry", "x"], ["parked", "retry", "x"]),
        (["conflicts", "--help"], ["conflicts", "--help"]),
        (["status"], ["status"]),
        ([], []),
    ],
)
def test_list_is_meant_where_no_action_is_said(words: list[str], expected: list[str]) -> None:
    assert with_action(words) == expected


def test_status_watches_until_interrupted(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    naps: list[float] = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 2:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(time, "sleep", nap)
    result = run("status", "--watch", "--every", "0.5")
    assert result.exit_code == 130
    assert naps == [0.5, 0.5]
    assert result.stdout.count("hub running") == 2
