"""A configuration with a dozen mistakes: each is told at once, with line, cause and fix, and nothing is created or changed."""

from pathlib import Path

import pytest
from tests.stories.space import Space

MISTAKES = """\
space: story
log: story.log.db
peers:
  hq: sqlite:///hq.db
  van: sqlite:///nowhere.db
  dk: duckdb:///x/y
collections:
  customers:
    key: [idd]
    merge: {balance: countr, tagz: set, notes: {prefer: [moon]}, name: counter}
    deletes: sometimes
    colour: red
  orders: {}
settings: {retention_seconds: many, wat: 1}
"""
EXPECTED = [
    ("SYN-C15", 5, "nowhere.db", "?create=1"),
    ("SYN-C18", 6, "duckdb", "sqlite"),
    ("SYN-C12", 9, "idd", "id"),
    ("SYN-C11", 10, "countr", "counter"),
    ("SYN-C10", 10, "moon", "hq, van, dk"),
    ("SYN-C12", 10, "tagz", "tags"),
    ("SYN-C14", 10, "counter", "newest"),
    ("SYN-C07", 11, "sometimes", "update_wins"),
    ("SYN-C05", 12, "colour", "merge"),
    ("SYN-C20", 13, "orders", "at"),
    ("SYN-C07", 14, "retention_seconds", "30d"),
    ("SYN-C05", 14, "wat", "stale_seconds"),
]


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("verb", ["run", "check", "plan"])
def test_every_mistake_is_told_with_line_and_fix_and_nothing_is_touched(space: Space, verb: str) -> None:
    space.write("hq", "INSERT INTO customers (id, name) VALUES (1, 'Ada')")
    space.config.write_text(MISTAKES, encoding="utf-8")
    before = _bytes(space.folder)
    told = space.verb(verb, code=2)
    assert _bytes(space.folder) == before
    assert told.data["error"]["code"] == "SYN-C01"
    found = [(one["code"], one["line"], one["what"], one["fix"]) for one in told.data["problems"]]
    assert [one[:2] for one in found] == [one[:2] for one in EXPECTED]
    for (code, line, what, fix), (_, _, named, hinted) in zip(found, EXPECTED, strict=True):
        assert named in what, (code, line)
        assert hinted in fix, (code, line)
    for code, line, _, _ in EXPECTED:
        assert f"syncline.yaml:{line}: {code} " in told.text
    assert "Traceback" not in told.text


def test_with_the_mistakes_corrected_one_by_one_the_same_file_runs(space: Space) -> None:
    space.config.write_text(MISTAKES, encoding="utf-8")
    corrections = [
        ("nowhere.db", "van.db"), ("  dk: duckdb:///x/y\n", ""), ("[idd]", "[id]"), ("countr", "counter"), ("tagz", "tags"),
        ("moon", "hq"), (", name: counter", ""), ("sometimes", "newest"), ("    colour: red\n", ""), ("  orders: {}\n", ""),
        ("many", "30d"), (", wat: 1", ""),
    ]  # fmt: skip
    assert len(corrections) == len(EXPECTED)
    left = len(EXPECTED) + 1  # once there is a van, it has no table of orders either
    for number, (wrong, right) in enumerate(corrections, 1):
        text = space.config.read_text(encoding="utf-8")
        assert wrong in text
        space.config.write_text(text.replace(wrong, right, 1), encoding="utf-8")
        if number < len(corrections):
            found = len(space.verb("check", code=2).data["problems"])
            assert found < left + (number == 1)
            left = found
    space.verb("check")
    space.settle()
