"""Every id of the torture list is in the name of a test or has its line in LIMITATIONS.md; there is no third place."""

from pathlib import Path

import pytest
from tests.architecture import torture
from tests.architecture.source import ROOT, load

IDS = torture.listed(torture.LIST.read_text(encoding="utf-8"))


def test_the_list_is_whole() -> None:
    counts = {letter: len([name for name in IDS if name[0] == letter]) for letter in "DTCFSXP"}
    assert counts == {"D": 50, "T": 13, "C": 23, "F": 38, "S": 8, "X": 16, "P": 17}
    assert all(f"{letter}{number}" in IDS for letter, count in counts.items() for number in range(1, count + 1))


def test_every_id_is_tested_or_owned_up_to() -> None:
    answered = torture.tested(load(ROOT, "tests")) | torture.waived((ROOT / "LIMITATIONS.md").read_text(encoding="utf-8"))
    missing = {name: title for name, title in IDS.items() if name not in answered}
    assert missing == {}


def test_no_test_and_no_limitation_names_an_id_that_is_not_on_the_list() -> None:
    answered = torture.tested(load(ROOT, "tests")) | torture.waived((ROOT / "LIMITATIONS.md").read_text(encoding="utf-8"))
    assert answered - set(IDS) == set()


@pytest.mark.parametrize(
    ("name", "ids"),
    [
        ("test_d42_replace_into_is_captured", ["D42"]),
        ("test_d1_d2_c10_long_decimals", ["D1", "D2", "C10"]),
        ("test_p7_counts", ["P7"]),
        ("test_decimals_of_d1", []),
        ("test_d1x_is_no_id", []),
        ("test_s_is_no_id", []),
        ("test_d9", ["D9"]),
    ],
)
def test_ids_are_read_from_the_front_of_a_name(name: str, ids: list[str]) -> None:
    assert torture.ids_of(name) == ids


def test_methods_and_nested_folders_count_and_plain_functions_do_not(tmp_path: Path) -> None:
    (tmp_path / "tests/deep").mkdir(parents=True)
    (tmp_path / "tests/deep/test_a.py").write_text(
        "def test_d1_a(): pass\ndef d2_a(): pass\nclass TestA:\n    async def test_f3_a(self): pass\n"
    )
    assert torture.tested(load(tmp_path, "tests")) == {"D1", "F3"}


def test_a_limitation_needs_its_own_line_and_a_reason() -> None:
    text = "- **D50** files are not synced yet\n- **D51**\n- see **D52** there\ntext **D53** text\n"
    assert torture.waived(text) == {"D50"}


@pytest.mark.parametrize("line", ["D1 a\nD1 b\n", "D1\n", "Q1 a\n", "D a\n"])
def test_a_broken_list_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="not one new id"):
        torture.listed(line)
