"""The documents tell the truth: every name of the source is in the reference, and what the documents show is run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
from tests.architecture.documents import Block, blocks, codes, commands, rows, verbs, wrong
from tests.architecture.source import ROOT

from syncline.cli.exits import Exit
from syncline.cli.main import app
from syncline.config import check, collection, serving
from syncline.config.load import load
from syncline.merge.policies.choose import NAMES
from syncline.model.space import Settings

REFERENCE = (ROOT / "docs/reference.md").read_text(encoding="utf-8")
DOCUMENTS = sorted(path for folder in (ROOT, ROOT / "docs", ROOT / "docs/decisions") for path in folder.glob("*.md"))
ENV = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
VERBS = verbs(typer.main.get_command(app))


def read(path: Path) -> list[Block]:
    return blocks(path.read_text(encoding="utf-8"))


def test_every_verb_has_its_section_in_the_reference() -> None:
    assert len(VERBS) > 10
    missing = [" ".join(name) for name in VERBS if f"### `syncline {' '.join(name)}" not in REFERENCE]
    assert missing == []


def test_every_verb_is_in_the_readme() -> None:
    named = rows((ROOT / "README.md").read_text(encoding="utf-8"), "Verbs")
    assert {name[0] for name in VERBS} - set(named) == set()


@pytest.mark.parametrize("name", VERBS, ids=" ".join)
def test_every_option_is_in_the_reference(name: tuple[str, ...]) -> None:
    options = [text for one in VERBS[name] for text in one.opts if text.startswith("--")]
    section = REFERENCE.split(f"### `syncline {' '.join(name)}", 1)[1].split("\n#", 1)[0]
    general = REFERENCE.split("### ", 1)[0]
    assert [text for text in options if f"`{text}" not in section + general] == []


def test_every_setting_is_in_the_reference_with_its_default() -> None:
    said = {name: float(cells[0]) for name, cells in rows(REFERENCE, "Settings").items()}
    defaults = Settings()
    assert said == {name: float(getattr(defaults, name)) for name in Settings.__struct_fields__}


def test_every_key_and_policy_of_the_configuration_is_in_the_reference() -> None:
    assert set(rows(REFERENCE, "Configuration")) == set(check.KEYS)
    assert set(rows(REFERENCE, "Collections")) == set(collection.KEYS)
    assert set(rows(REFERENCE, "HTTP")) == set(serving.KEYS)
    assert set(rows(REFERENCE, "Policies")) == set(NAMES)
    deletes = rows(REFERENCE, "Collections")["deletes"][0]
    assert [word for word in collection.DELETES if f"`{word}`" not in deletes] == []


def test_every_exit_code_is_in_the_reference() -> None:
    assert set(rows(REFERENCE, "Exit codes")) == {str(int(code)) for code in Exit}


def test_every_error_code_of_the_source_is_in_the_reference_and_no_other() -> None:
    used = codes((ROOT / "src").rglob("*.py"))
    assert len(used) > 30
    assert set(rows(REFERENCE, "Error codes")) == used


def test_configurations_in_the_documents_are_good(tmp_path: Path) -> None:
    shown = [block for path in DOCUMENTS for block in read(path) if "config" in block.marks]
    assert len(shown) > 1
    for number, block in enumerate(shown):
        path = tmp_path / f"{number}.yaml"
        path.write_text(block.text, encoding="utf-8")
        assert load(path, absent_ok=True).collections


def test_command_lines_in_the_documents_are_ones_the_verbs_take() -> None:
    lines = [words for path in DOCUMENTS for block in read(path) if block.language == "console" for words in commands(block)]
    ours = [words[1:] for words in lines if words[0] == "syncline"]
    assert len(ours) > 5
    assert [" ".join(words) + ": " + problem for words in ours if (problem := wrong(words, VERBS))] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_the_documents_lead_somewhere(path: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (path.parent / link).exists()] == []


RUN = [path for path in DOCUMENTS if any("run" in block.marks for block in read(path))]


def test_the_quickstart_is_among_the_documents_that_are_run() -> None:
    assert "quickstart.md" in [path.name for path in RUN]


@pytest.mark.parametrize("path", RUN, ids=lambda path: path.name)
def test_what_a_document_shows_runs_from_top_to_bottom(tmp_path: Path, path: Path) -> None:
    for block in read(path):
        if "config" in block.marks:
            (tmp_path / "syncline.yaml").write_text(block.text, encoding="utf-8")
        if "run" not in block.marks:
            continue
        calls = [["-c", block.text]] if block.language == "python" else [["-m", *words] for words in commands(block)]
        assert calls
        for call in calls:
            done = subprocess.run([sys.executable, *call], cwd=tmp_path, env=ENV, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{path.name}:{block.line}: {call[1]}\n{done.stdout}{done.stderr}"


SAMPLE = "```python run\nx = 1\n```\ntext\n```console\n$ syncline status --watch # look\noutput\n$ ls\n```\n"


def test_blocks_and_commands_are_read_as_written() -> None:
    first, second = blocks(SAMPLE)
    assert first == Block("python", ("run",), "x = 1\n", 1)
    assert commands(second) == [["syncline", "status", "--watch"], ["ls"]]
    with pytest.raises(ValueError, match="line 1"):
        blocks("```python\nx = 1\n")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("check space.yaml --json", ""),
        ("status --watch --every 3", ""),
        ("history customers 1 2", ""),
        ("conflicts resolve 7 --take hq", ""),
        ("dance", "no verb dance"),
        ("conflicts dance", "no verb conflicts dance"),
        ("check --watch", "check has no option --watch"),
        ("status --every", "--every needs a value"),
        ("check one two", "too many words for check"),
    ],
)
def test_a_command_line_that_no_verb_takes_is_found(line: str, problem: str) -> None:
    assert wrong(line.split(), VERBS) == problem


def test_a_table_is_read_under_its_heading_only() -> None:
    text = "## One\n\n| a | b |\n|---|---|\n| `x`, `y` | 1 |\n\n## Two\n\n| a | b |\n|---|---|\n| z | 2 |\n"
    assert rows(text, "One") == {"x": ["1"], "y": ["1"]}
    assert rows(text, "Two") == {"z": ["2"]}
