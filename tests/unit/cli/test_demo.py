"""`demo` for people: what happened, without what there is nothing to say of."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from syncline.cli import demo
from syncline.cli.main import app

REPORT: dict[str, Any] = {
    "converged": True, "lost": 0, "lost_details": [], "conflicts_by_rule": {"newest": 1234, "deletes update_wins": 2},
    "folder": None,
}  # fmt: skip


def shown(monkeypatch: pytest.MonkeyPatch, **report: Any) -> str:
    """What is printed for a report."""
    monkeypatch.setattr(demo, "run_demo", lambda *_: REPORT | report)
    return CliRunner().invoke(app, ["demo"]).stdout


def test_rules_are_words_and_what_is_empty_or_gone_is_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told = shown(monkeypatch)
    assert "deletes update_wins 2, newest 1,234" in told
    assert "{" not in told
    assert "lost details" not in told
    assert "folder" not in told
    told = shown(monkeypatch, lost=1, lost_details=["a value is lost: x"], folder=str(tmp_path))
    assert "a value is lost: x" in told
    assert str(tmp_path) in told


def test_a_folder_with_something_in_it_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    told = CliRunner().invoke(app, ["demo", "--keep", str(tmp_path)])
    assert told.exit_code == 2
    assert told.stderr.startswith("SYN-U01: the folder for the demo is not empty")
    assert [one.name for one in tmp_path.iterdir()] == ["mine.txt"]
