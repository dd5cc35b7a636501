"""The house habits hold over the whole source, with no waivers; and each rule is seen to fail on a bad sample."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from tests.architecture import rules
from tests.architecture.source import ROOT, Tree, load

Rule: TypeAlias = Callable[[Tree], list[str]]
EVERYWHERE = (
    rules.long_files,
    rules.long_functions,
    rules.hidden_imports,
    rules.docstrings,
    rules.vague_names,
    rules.relative_imports,
)
IN_THE_PACKAGE = (rules.impure_decisions, rules.import_cycles)


@pytest.mark.parametrize("rule", EVERYWHERE, ids=lambda rule: rule.__name__)
def test_the_habit_holds_everywhere(rule: Rule) -> None:
    tree = load(ROOT, "src", "tests", "benchmarks")
    assert len(tree) > 20, "the source was not found"
    assert rule(tree) == []


@pytest.mark.parametrize("rule", IN_THE_PACKAGE, ids=lambda rule: rule.__name__)
def test_the_habit_holds_in_the_package(rule: Rule) -> None:
    tree = load(ROOT, "src")
    assert len(tree) > 20, "the source was not found"
    assert rule(tree) == []


def body(lines: int) -> str:
    """The text of a module with a docstring and one function of so many lines."""
    return '"""A sample."""\n\ndef work():\n' + "    x = 1\n" * (lines - 1)


NESTED = "async def f():\n    def g():\n" + "        x = 1\n" * 69  # the outer one is 71 lines

SAMPLES: tuple[tuple[Rule, str, str, str], ...] = (
    (rules.long_files, "src/pkg/a.py", '"""A."""\n' + "x = 1\n" * 399, '"""A."""\n' + "x = 1\n" * 400),
    (rules.long_functions, "src/pkg/a.py", body(70), body(71)),
    (
        rules.long_functions,
        "src/pkg/a.py",
        body(69).replace("def work", "@d\ndef work"),
        body(70).replace("def work", "@d\ndef work"),
    ),
    (
        rules.long_functions,
        "src/pkg/a.py",
        "class A:\n" + "    x = 1\n" * 90,
        NESTED,
    ),
    (rules.hidden_imports, "src/pkg/a.py", "import json\n", "def f():\n    import json\n"),
    (
        rules.hidden_imports,
        "src/pkg/a.py",
        "class A:\n    x = 1\n",
        "class A:\n    def f(self):\n        if 1:\n            from a import b\n",
    ),
    (rules.docstrings, "src/pkg/a.py", '"""A."""\n', "x = 1\n"),
    (rules.docstrings, "src/pkg/a.py", '"""A.' + "\nb" * 14 + '"""\n', '"""A.' + "\nb" * 15 + '"""\n'),
    (rules.relative_imports, "src/pkg/a.py", "from pkg import b\n", "from . import b\n"),
    (rules.relative_imports, "src/pkg/a.py", "from pkg.b import c\n", "from .b import c\n"),
)


@pytest.mark.parametrize(("rule", "path", "good", "bad"), SAMPLES)
def test_the_rule_tells_a_bad_sample_from_a_good_one(tmp_path: Path, rule: Rule, path: str, good: str, bad: str) -> None:
    place = tmp_path / path
    place.parent.mkdir(parents=True)
    place.write_text(good)
    assert rule(load(tmp_path, "src")) == []
    place.write_text(bad)
    assert len(rule(load(tmp_path, "src"))) == 1


@pytest.mark.parametrize("name", ["utils", "common", "helpers", "manager", "base"])
def test_a_name_that_says_nothing_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "src" / name).mkdir(parents=True)
    (tmp_path / "src" / name / "fine.py").write_text('"""A."""\n')
    (tmp_path / "src" / f"{name}.py").write_text('"""A."""\n')
    (tmp_path / "src" / f"{name}_of_flow.py").write_text('"""A."""\n')
    assert len(rules.vague_names(load(tmp_path, "src"))) == 2


IMPURE = (
    "open('f')",
    "datetime.now()",
    "datetime.datetime.utcnow()",
    "date.today()",
    "import time",
    "from time import monotonic",
    "uuid.uuid4()",
    "from uuid import uuid4",
    "import random",
    "import asyncio",
    "import asyncio.subprocess",
    "import os",
    "from os import path",
    "import os.path as p",
    "import socket",
    "import sqlite3",
    "import apsw",
    "from pathlib import Path",
)


@pytest.mark.parametrize("line", IMPURE)
@pytest.mark.parametrize("folder", ["merge", "mapping", "compare", "model", "merge/policies"])
def test_a_decision_that_touches_the_world_is_refused(tmp_path: Path, folder: str, line: str) -> None:
    place = tmp_path / "src" / "syncline" / folder / "a.py"
    place.parent.mkdir(parents=True)
    place.write_text(f"def f():\n    if 1:\n        {line}\n")
    assert rules.impure_decisions(load(tmp_path, "src")) != []


def test_the_world_may_be_touched_elsewhere_and_pure_words_anywhere(tmp_path: Path) -> None:
    door, decision = tmp_path / "src/syncline/peers/a.py", tmp_path / "src/syncline/merge/a.py"
    for place in (door, decision):
        place.parent.mkdir(parents=True)
    door.write_text("import time\nopen('f')\n")
    decision.write_text("import datetime\nfrom uuid import UUID\nopen_conflicts = 1\n\ndef reopen(): return time_of(1)\n")
    assert rules.impure_decisions(load(tmp_path, "src")) == []


CYCLES: tuple[tuple[dict[str, str], list[str]], ...] = (
    ({"a": "import pkg.b\n", "b": "import pkg.a\n"}, ["pkg.a <-> pkg.b"]),
    ({"a": "from pkg import b\n", "b": "from pkg.c import x\n", "c": "from pkg.a import y\n"}, ["pkg.a <-> pkg.b <-> pkg.c"]),
    ({"a": "def f():\n    from pkg.b import x\n", "b": "import pkg.a\n"}, ["pkg.a <-> pkg.b"]),
    ({"a": "import pkg.a\n"}, ["pkg.a"]),
    ({"a": "from pkg.b import x\n", "b": "import json\n", "c": "import pkg.a\nimport pkg.b\n"}, []),
)


@pytest.mark.parametrize(("modules", "cycles"), CYCLES)
def test_modules_that_import_one_another_are_found(tmp_path: Path, modules: dict[str, str], cycles: list[str]) -> None:
    (tmp_path / "src" / "pkg").mkdir(parents=True)
    (tmp_path / "src" / "pkg" / "__init__.py").write_text("")
    for name, text in modules.items():
        (tmp_path / "src" / "pkg" / f"{name}.py").write_text(text)
    assert rules.import_cycles(load(tmp_path, "src")) == cycles
