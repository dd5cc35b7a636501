"""The import contracts of pyproject hold, and are seen to fail when one bad import is added to a copy of the source."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.architecture.source import ROOT

LINT = Path(sys.executable).parent / "lint-imports"


def lint(top: Path) -> subprocess.CompletedProcess[str]:
    """Run the contracts of `top`'s pyproject over the package in its src."""
    env = {**os.environ, "PYTHONPATH": str(top / "src"), "NO_COLOR": "1"}
    return subprocess.run([LINT, "--no-cache", "--no-logo"], cwd=top, env=env, capture_output=True, text=True, check=False)


def test_the_contracts_hold() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 kept, 0 broken" in done.stdout


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package and its contracts."""
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__", "data"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


BAD = (
    ("model", "import syncline.merge.policy"),
    ("merge", "import syncline.mapping"),
    ("merge", "import syncline.peers.protocol"),
    ("compare", "import syncline.merge.policy"),
    ("peers", "import syncline.log.protocol"),
    ("log", "import syncline.peers.protocol"),
    ("peers", "import syncline.engine"),
    ("engine", "import syncline.reconcile"),
    ("engine", "import syncline.hub"),
    ("hub", "import syncline.demo"),
    ("config", "import syncline.cli"),
    ("demo", "import syncline.cli"),
    ("server", "import syncline.cli"),
    ("server", "import syncline.demo"),
    ("hub", "import syncline.server"),
    ("observe", "import syncline.hub"),
    ("observe", "import syncline.config"),
    ("merge", "import random"),
    ("mapping", "import asyncio"),
    ("compare", "import sqlite3"),
    ("model", "import time"),
    ("observe", "import time"),
    ("peers/postgres", "import syncline.peers.sqlite.convert"),
    ("peers/mysql", "import syncline.peers.postgres.convert"),
)


@pytest.mark.parametrize(("folder", "line"), BAD)
def test_a_bad_import_breaks_a_contract(copy: Path, folder: str, line: str) -> None:
    (copy / "src/syncline" / folder / "intruder.py").write_text(f'"""A sample."""\n\n{line}\n')
    done = lint(copy)
    assert done.returncode == 1
    assert "intruder" in done.stdout
    assert "2 kept, 1 broken" in done.stdout


def test_a_folder_without_a_floor_breaks_a_contract(copy: Path) -> None:
    (copy / "src/syncline/attic").mkdir()
    (copy / "src/syncline/attic/__init__.py").write_text('"""A sample."""\n')
    done = lint(copy)
    assert done.returncode != 0
    assert "attic" in done.stdout
