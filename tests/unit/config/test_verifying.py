"""What a configuration says about proofs and automatic repair; and every mistake in it, with its line, at once."""

from datetime import time
from pathlib import Path

import pytest

from syncline.config.load import draft, load
from syncline.model.space import AutoRepair, VerifySettings

GOOD = 'space: crm\npeers: {hq: "sqlite:///hq.db?create=1", van: "sqlite:///van.db?create=1"}\ncollections: {customers: }\n'
USUAL = VerifySettings()
CASES: list[tuple[str, VerifySettings]] = [
    ("", USUAL),
    ("verify:", USUAL),
    ("verify: {}", USUAL),
    ("verify: {repair: }", USUAL),
    ("verify: {every: 10m, full: 1d12h}", VerifySettings(every=600.0, full=36 * 3600.0)),
    ("verify: {full: never}", VerifySettings(full=0.0)),
    ("verify: {full: 0}", VerifySettings(full=0.0)),
    ("verify: {window: '22:00-05:30'}", VerifySettings(window=(time(22), time(5, 30)))),
    ("verify: {window: 1:05 - 2:00}", VerifySettings(window=(time(1, 5), time(2)))),
    ("verify: {budget: 5%}", VerifySettings(budget=0.05)),
    ("verify: {budget: 100}", VerifySettings(budget=1.0)),
    ("verify: {rows_per_second: 20k}", VerifySettings(rows_per_second=20_000)),
    ("verify: {rows_per_second: 0}", USUAL),
    ("verify: {repair: {}}", VerifySettings(repair=AutoRepair())),
    ("verify: {repair: {classes: missing}}", VerifySettings(repair=AutoRepair(("missing",)))),
    (
        "verify: {repair: {classes: [field, missing, field], policy: authority:hq, cap: 5}}",
        VerifySettings(repair=AutoRepair(("missing", "field"), "authority:hq", 5)),
    ),
    ("verify: {repair: {policy: insert}}", VerifySettings(repair=AutoRepair(policy="insert"))),
]


def write(folder: Path, text: str) -> Path:
    """The file."""
    path = folder / "crm.yaml"
    path.write_text(GOOD + text + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(("text", "said"), CASES, ids=[text for text, _ in CASES])
def test_what_can_be_said(tmp_path: Path, text: str, said: VerifySettings) -> None:
    assert load(write(tmp_path, text)).verify == said


def test_the_defaults_are_as_the_reference_says() -> None:
    assert (USUAL.every, USUAL.full, USUAL.window, USUAL.budget) == (60.0, 24 * 3600.0, None, 0.25)
    assert (USUAL.rows_per_second, USUAL.repair) == (0, None)
    assert AutoRepair() == AutoRepair(("missing", "extra", "field"), "merge", 100)


BAD: list[tuple[str, str, str]] = [
    ("[a]", "SYN-C07", "verify must be a mapping"),
    ("{evry: 60s}", "SYN-C05", "did you mean 'every'?"),
    ("{every: soon}", "SYN-C07", "every must be a duration"),
    ("{every: 0}", "SYN-C07", "out of range"),
    ("{full: always}", "SYN-C07", "full must be a duration"),
    ("{window: 22}", "SYN-C07", "window must be text"),
    ("{window: night}", "SYN-C07", "two times of the day"),
    ("{window: '22:00'}", "SYN-C07", "two times of the day"),
    ("{window: '22:00-24:00'}", "SYN-C07", "two times of the day"),
    ("{window: '5:00-5:00'}", "SYN-C07", "begins and ends at the same time"),
    ("{budget: 0}", "SYN-C07", "1 to 100"),
    ("{budget: 101%}", "SYN-C07", "1 to 100"),
    ("{budget: 0.25}", "SYN-C07", "a percentage"),
    ("{budget: [1]}", "SYN-C07", "a percentage"),
    ("{rows_per_second: fast}", "SYN-C07", "a whole number"),
    ("{repair: yes}", "SYN-C07", "repair must be a mapping"),
    ("{repair: {class: missing}}", "SYN-C05", "did you mean 'classes'?"),
    ("{repair: {classes: []}}", "SYN-C07", "classes is empty"),
    ("{repair: {classes: [mising]}}", "SYN-C05", "did you mean 'missing'?"),
    ("{repair: {classes: 3}}", "SYN-C07", "a list of names"),
    ("{repair: {policy: newest}}", "SYN-C11", "no policy of a repair"),
    ("{repair: {policy: authority}}", "SYN-C11", "authority:PEER"),
    ("{repair: {policy: authority:vann}}", "SYN-C10", "did you mean 'van'?"),
    ("{repair: {policy: 3}}", "SYN-C07", "policy must be text"),
    ("{repair: {cap: 0}}", "SYN-C07", "out of range"),
]


@pytest.mark.parametrize(("text", "code", "piece"), BAD, ids=[text for text, *_ in BAD])
def test_one_mistake_is_one_problem_with_its_line_and_fix(tmp_path: Path, text: str, code: str, piece: str) -> None:
    (problem,) = draft(write(tmp_path, f"verify: {text}")).problems
    assert (problem.code, problem.line) == (code, 4)
    assert piece in problem.text()
    assert problem.hint


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    text = "verify:\n  every: x\n  budget: 0\n  repair:\n    classes: [a, b]\n    policy: c\n    cap: d\n  other: e"
    found = draft(write(tmp_path, text)).problems
    assert [problem.line for problem in found] == [5, 6, 8, 8, 9, 10, 11]
