"""The demo's data: typed as the tables declare it, whole, and shipped with the package."""

import sqlite3
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from syncline.demo import dataset

ROOT = Path(__file__).resolve().parents[2]


def test_all_rows_are_read_and_keys_are_unique() -> None:
    tables = dataset.load()
    assert {name: len(table) for name, table in tables.items()} == {"countries": 249, "navaids": 11_008, "frequencies": 30_340}
    assert sum(1 for _ in dataset.rows(dataset.NAVAIDS)) == 11_008


def test_cells_have_the_types_their_columns_declare() -> None:
    types = {"INTEGER": int, "REAL": float, "TEXT": str}
    for sheet in dataset.SHEETS:
        seen = set()
        for row in dataset.rows(sheet):
            for field in sheet.fields:
                value = row[field.name]
                assert value is None or type(value) is types[field.sql], (sheet.name, field.name, value)
                seen.add((field.name, value is None))
        assert {(name, False) for name in sheet.columns} <= seen


def test_a_known_navaid_is_read_exactly() -> None:
    row = dataset.load(limit=3)["navaids"][85_051]
    assert row["name"] == "Sable Island"
    assert row["frequency_khz"] == 277
    assert row["latitude_deg"] == 43.930599212646484
    assert row["elevation_ft"] is None
    assert (row["visits"], row["tags"], row["notes"]) == (0, '["lo","medium"]', "")


def test_text_outside_ascii_survives() -> None:
    assert "مطارات في الإمارات العربية المتحدة" in str(dataset.load()["countries"]["AE"]["keywords"])


def test_a_filled_file_holds_what_was_read_and_an_empty_one_only_tables(tmp_path: Path) -> None:
    assert dataset.build(tmp_path / "hq.db", filled=True) == 41_597
    assert dataset.build(tmp_path / "van.db", filled=False) == 0
    expected = dataset.load()
    for name, tables in (("hq.db", expected), ("van.db", {table: {} for table in expected})):
        connection = sqlite3.connect(tmp_path / name)
        connection.row_factory = sqlite3.Row
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        for sheet in dataset.SHEETS:
            found = {row[sheet.key]: dict(row) for row in connection.execute(f"SELECT * FROM {sheet.name}")}
            assert found == tables[sheet.name]
        connection.close()


def test_a_file_that_is_there_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "hq.db").write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        dataset.build(tmp_path / "hq.db", filled=True)
    assert (tmp_path / "hq.db").read_bytes() == b"mine"


def test_a_set_is_a_sorted_json_array_both_ways() -> None:
    assert dataset.set_text({"b", "a", "ü"}) == '["a","b","ü"]'
    assert dataset.set_items('["b","a"]') == {"a", "b"}
    assert dataset.set_items("") == dataset.set_items(None) == dataset.set_items("[]") == frozenset()
    with pytest.raises(ValueError, match="not a set"):
        dataset.set_items('{"a": 1}')


def test_the_data_and_its_licence_are_in_the_wheel(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    data = {f"syncline/demo/data/{name}" for name in ("LICENSE", "README.md", *(sheet.file for sheet in dataset.SHEETS))}
    assert data <= names
    assert "syncline/py.typed" in names
