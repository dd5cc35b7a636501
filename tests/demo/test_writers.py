"""The demo's writers: overlapping, killed and restarted, and counted without a false alarm when nothing was lost."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from syncline.demo import dataset, edits, record
from syncline.demo.desks.desk import Desk
from syncline.demo.desks.open import open_desk
from syncline.demo.desks.sqlite import DIALECT
from syncline.demo.edits import Editor
from syncline.demo.ledger import count
from syncline.demo.record import Intent, Start, lines, progress


def start(folder: Path, office: str, *, seconds: float = 60, rate: float = 0) -> subprocess.Popen[str]:
    files = ["--db", folder / "one.db", "--ledger", folder / f"{office}.jsonl"]
    words = [*files, "--office", office, "--seconds", seconds, "--rate", rate]
    command = [sys.executable, "-m", "syncline.demo.writers", *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(folder: Path, office: str, transactions: int) -> None:
    deadline = time.monotonic() + 60
    while progress(folder / f"{office}.jsonl")[0] < transactions:
        assert time.monotonic() < deadline, f"{office} did not commit {transactions} transactions"
        time.sleep(0.02)


def stop(writer: subprocess.Popen[str]) -> str:
    writer.send_signal(signal.SIGTERM)
    out, err = writer.communicate(timeout=60)
    assert (writer.returncode, err) == (0, "")
    return out


def table(path: Path, name: str) -> dict[object, object]:
    with closing(sqlite3.connect(path)) as connection:
        return {row[0]: row for row in connection.execute(f"SELECT * FROM {name}")}


def test_p7_writers_of_one_file_with_a_kill_and_a_restart_are_counted_exactly(tmp_path: Path) -> None:
    """Three offices on one file: everything they do is serial there, so nothing can be lost, and nothing may be reported."""
    dataset.build(tmp_path / "one.db", filled=True)
    writers = {office: start(tmp_path, office) for office in ("hq", "munich", "van")}
    for office in writers:
        wait_for(tmp_path, office, 150)
    os.kill(writers["van"].pid, signal.SIGKILL)
    writers["van"].communicate()
    before = progress(tmp_path / "van.jsonl")[0]
    writers["van"] = start(tmp_path, "van")
    wait_for(tmp_path, "van", before + 100)
    for writer in writers.values():
        stop(writer)
    ledgers = {office: tmp_path / f"{office}.jsonl" for office in writers}
    report = count(ledgers, dict.fromkeys(writers, tmp_path / "one.db"))
    assert report.details == ()
    with open_desk(tmp_path / "one.db") as desk:
        assert (report.transactions, report.writes) == record.totals(desk)
    assert report.transactions > 3 * 150
    assert sum(isinstance(line, Start) for line in lines(ledgers["van"])) == 2


def test_one_lost_transaction_among_many_is_seen(tmp_path: Path) -> None:
    dataset.build(tmp_path / "one.db", filled=True)
    writer = start(tmp_path, "hq")
    wait_for(tmp_path, "hq", 200)
    stop(writer)
    intents = [line for line in lines(tmp_path / "hq.jsonl") if isinstance(line, Intent)]
    ops = next(line.ops for line in intents if {op.kind for op in line.ops} == {"add"})
    with closing(sqlite3.connect(tmp_path / "one.db")) as connection:
        for op in ops:
            connection.execute("UPDATE navaids SET visits = visits - ? WHERE id = ?", (op.after, op.key))
        connection.commit()
    report = count({"hq": tmp_path / "hq.jsonl"}, {"hq": tmp_path / "one.db"})
    assert report.lost > 0
    assert all("a counter is not" in detail for detail in report.details)


def test_a_rate_is_kept_and_the_time_is_up(tmp_path: Path) -> None:
    dataset.build(tmp_path / "one.db", filled=True, limit=200)
    writer = start(tmp_path, "hq", seconds=2, rate=20)
    out, _ = writer.communicate(timeout=60)
    assert writer.returncode == 0
    transactions, writes = progress(tmp_path / "hq.jsonl")
    assert out == f'{{"transactions": {transactions}, "writes": {writes}}}\n'
    assert 1 <= transactions <= 42
    assert transactions <= writes <= 5 * transactions


def test_an_office_that_is_still_empty_is_written_to_as_well(tmp_path: Path) -> None:
    dataset.build(tmp_path / "one.db", filled=False)
    writer = start(tmp_path, "hq")
    wait_for(tmp_path, "hq", 20)
    stop(writer)
    assert len(table(tmp_path / "one.db", "navaids")) > 0


def test_t13_a_writer_waits_for_a_locked_file_and_goes_on(tmp_path: Path) -> None:
    dataset.build(tmp_path / "one.db", filled=True, limit=200)
    writer = start(tmp_path, "hq")
    wait_for(tmp_path, "hq", 10)
    with closing(sqlite3.connect(tmp_path / "one.db", timeout=30)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        held = connection.execute(f"SELECT count(*) FROM {record.TABLE}").fetchone()[0]
        with pytest.raises(subprocess.TimeoutExpired):
            writer.wait(0.5)
        connection.execute("ROLLBACK")
    wait_for(tmp_path, "hq", held + 10)
    stop(writer)


@pytest.mark.parametrize("make", [None, b"this is not a database" * 100])
def test_a_file_that_cannot_be_written_ends_in_a_message(tmp_path: Path, make: bytes | None) -> None:
    if make is not None:
        (tmp_path / "one.db").write_bytes(make)
    writer = start(tmp_path, "hq")
    _, err = writer.communicate(timeout=60)
    assert writer.returncode == 1
    assert err.startswith("the writer of hq stopped: ")
    assert "Traceback" not in err
    assert (tmp_path / "one.db").exists() is (make is not None)


def run_edits(path: Path, office: str, seed: int, number: int) -> list[record.Op]:
    with open_desk(path) as desk:
        editor = Editor(office, 1, Random(seed))
        return [editor.edit(desk) for _ in range(number)]


def test_the_same_seed_and_file_give_the_same_edits(tmp_path: Path) -> None:
    for name in ("a.db", "b.db", "c.db"):
        dataset.build(tmp_path / name, filled=True)
    first, second, other = (
        run_edits(tmp_path / f"{name}.db", "hq", seed, 100) for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert first == second
    assert first != other


def test_every_kind_of_edit_happens_and_offices_overlap(tmp_path: Path) -> None:
    for name in ("a.db", "b.db"):
        dataset.build(tmp_path / name, filled=True)
    ops = {name: run_edits(tmp_path / f"{name}.db", name, 1, 2_000) for name in ("a", "b")}
    for made in ops.values():
        assert {op.kind for op in made} == {"insert", "delete", "set", "add", "tag", "untag", "line"}
        assert {op.table for op in made} == {sheet.name for sheet in dataset.SHEETS}
    inserted = [{op.key for op in made if op.kind == "insert"} for made in ops.values()]
    assert inserted[0] & inserted[1], "the same keys are added by both"
    assert inserted[0] - inserted[1], "and keys of their own"
    touched = [{(op.table, op.key) for op in made} for made in ops.values()]
    assert len(touched[0] & touched[1]) > edits.HOT_KEYS


def test_what_an_edit_says_is_what_it_did(tmp_path: Path) -> None:
    dataset.build(tmp_path / "a.db", filled=True)
    kinds = Counter[str]()
    with closing(sqlite3.connect(tmp_path / "a.db", isolation_level=None)) as connection:
        desk, editor = Desk(connection, DIALECT), Editor("hq", 1, Random(5))
        copy = sqlite3.connect(":memory:")
        connection.backup(copy)
        for _ in range(500):
            op = editor.edit(desk)
            sheet = dataset.sheet(op.table)
            before, after = edits.fetch(Desk(copy, DIALECT), sheet, op.key), edits.fetch(desk, sheet, op.key)
            check(op, before, after)
            kinds[op.kind] += 1
            copy.execute(f"DELETE FROM {op.table} WHERE {sheet.key} = ?", (op.key,))
            if after:
                copy.execute(f"INSERT INTO {op.table} VALUES ({', '.join('?' * len(after))})", tuple(after.values()))
        copy.close()
    assert len(kinds) == 7


def check(op: record.Op, before: dataset.CellRow | None, after: dataset.CellRow | None) -> None:
    """The rows of one edit, before and after it, against what it says it did."""
    if op.kind in ("insert", "delete"):
        assert (before, after) == ((None, op.row) if op.kind == "insert" else (op.row, None))
        return
    assert before is not None
    assert after is not None
    assert {name for name in after if after[name] != before[name]} == {op.column}
    was, now = before[op.column], after[op.column]
    match op.kind:
        case "set":
            assert (was, now) == (op.before, op.after)
        case "add":
            assert isinstance(was, int)
            assert isinstance(op.after, int)
            assert now == was + op.after
        case "tag":
            assert dataset.set_items(now) - dataset.set_items(was) == {op.after}
        case "untag":
            assert dataset.set_items(was) - dataset.set_items(now) == {op.after}
        case _:
            lines = str(now).splitlines()
            lines.remove(str(op.after))
            assert lines == str(was).splitlines()
