"""Exports: cells that other programs read back as they were, and a file that is there whole or not at all."""

import csv
import io
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from syncline.hub.exporting import Csv, file_sink
from syncline.hub.offsets import parse_time
from syncline.model.errors import UsageError
from syncline.model.schema import Kind
from syncline.model.value import Tagged

COLUMNS = ("id", "a,b", "raw", "flag")
KINDS = (Kind.INTEGER, Kind.TEXT, Kind.BYTES, Kind.BOOLEAN)
ROWS = (
    (1, None, b"\x00\xff", Tagged("boolean", "t")),
    (2, "", None, Tagged("boolean", "f")),
    (2**63, 'say "no", \r\n twice ', "text", 5),
    (-4, " ", b"", None),
)


def test_csv_tells_null_from_an_empty_text() -> None:
    stream = io.StringIO(newline="")
    sink = Csv(stream)
    sink.begin(COLUMNS, KINDS)
    sink.take(ROWS)
    lines = stream.getvalue().split("\r\n")
    assert lines[:3] == ['id,"a,b",raw,flag', "1,,\\x00ff,t", '2,"",,f']
    read = list(csv.reader(io.StringIO(stream.getvalue(), newline="")))
    assert read[3] == ["9223372036854775808", 'say "no", \r\n twice ', "text", "5"]
    assert read[4] == ["-4", " ", "\\x", ""]


def test_parquet_has_the_types_of_the_columns_and_tells_what_does_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    with file_sink(str(path)) as sink:
        sink.begin(COLUMNS, KINDS)
        sink.take(ROWS[:2])
        sink.take(ROWS[2:])
    table = pq.read_table(path)
    assert [str(field.type) for field in table.schema] == ["int64", "string", "binary", "bool", "string"]
    assert [tuple(row.values()) for row in table.to_pylist()] == [
        (1, None, b"\x00\xff", True, None),
        (2, "", None, False, None),
        (None, 'say "no", \r\n twice ', None, None, '{"id": {"integer": "9223372036854775808"}, "raw": "text", "flag": 5}'),
        (-4, " ", b"", None, None),
    ]


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_an_export_that_fails_leaves_the_file_that_was_there(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"rows.{ending}"
    path.write_text("before")

    def fail() -> None:
        with file_sink(str(path)) as sink:
            sink.begin(COLUMNS, KINDS)
            sink.take(ROWS)
            raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        fail()
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    assert path.read_text() == "before"


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("1970-01-01T00:00:01Z", 1_000_000),
        ("1970-01-01T02:00:00.000005+02:00", 5),
        ("1970-01-02", 86_400_000_000),
        ("1970-01-01 00:00:01", 1_000_000),
    ],
)
def test_times_are_utc_unless_they_say_otherwise(text: str, micros: int) -> None:
    assert parse_time(text) == micros


def test_what_is_no_time_is_refused() -> None:
    with pytest.raises(UsageError, match="noon is not a time"):
        parse_time("noon")
