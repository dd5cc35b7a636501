"""The ledger counts what is lost and nothing else: every promise is broken once on purpose and seen."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.demo.office import Offices

from syncline.demo.dataset import CellRow
from syncline.demo.desks.desk import Cell
from syncline.demo.judge import Loser
from syncline.demo.ledger import DETAILS_MAX
from syncline.demo.record import Commit, Intent, LedgerError, LedgerFile, Op, Start, lines, progress


@pytest.fixture
def offices(tmp_path: Path) -> Iterator[Offices]:
    made = Offices(tmp_path, "hq", "van")
    yield made
    made.close()


def wrote(key: Cell, column: str, before: Cell, after: Cell) -> Op:
    assert isinstance(key, int)
    return Op("set", "navaids", key, column, before, after)


def did(kind: str, key: Cell, column: str, value: Cell) -> Op:
    assert isinstance(key, int)
    match kind:
        case "add" | "tag" | "untag" | "line":
            return Op(kind, "navaids", key, column, after=value)
    raise ValueError(kind)


def born(offices: Offices, key: int, **cells: Cell) -> CellRow:
    """A new navaid in both files; the row."""
    blank = dict.fromkeys(offices.row("hq", offices.keys[0]))
    row: CellRow = {**blank, "id": key, "visits": 0, "tags": "[]", "notes": "", **cells}
    for name in offices.files:
        offices.sync(name, f"INSERT INTO navaids VALUES ({', '.join('?' * len(row))})", *row.values())
    return row


def everywhere(offices: Offices, key: Cell, column: str, value: Cell) -> None:
    for name in offices.files:
        offices.put(name, key, column, value)


def test_untouched_files_lost_nothing(offices: Offices) -> None:
    report = offices.count()
    assert (report.writes, report.transactions, report.lost, report.details) == (0, 0, 0, ())


def test_p7_counters_must_equal_the_sum_of_all_increments(offices: Offices) -> None:
    key = offices.keys[0]
    offices.commit("hq", did("add", key, "visits", 5), did("add", key, "visits", -1))
    offices.commit("van", did("add", key, "visits", 3))
    everywhere(offices, key, "visits", 7)
    assert offices.count().lost == 0
    offices.put("van", key, "visits", 4)
    report = offices.count()
    assert (report.writes, report.transactions, report.lost) == (3, 2, 1)
    assert report.details == (f"a counter is not 7: navaids {key} visits = 4 (at van)",)


def test_one_loss_that_all_files_show_is_counted_once(offices: Offices) -> None:
    key = offices.keys[0]
    offices.commit("hq", did("add", key, "visits", 5))
    report = offices.count()
    assert report.lost == 1
    assert report.details[0].endswith("(at hq, van)")


def test_tags_that_were_added_and_never_removed_must_be_there(offices: Offices) -> None:
    key = offices.keys[0]
    began = json.loads(str(offices.row("hq", key)["tags"]))
    offices.commit("hq", did("tag", key, "tags", "ferry"))
    offices.commit("van", did("tag", key, "tags", "field"), did("untag", key, "tags", "field"))
    everywhere(offices, key, "tags", json.dumps([*began, "ferry"]))
    assert offices.count().lost == 0
    everywhere(offices, key, "tags", json.dumps([*began, "ferry", "field"]))
    assert offices.count().lost == 0, "added and removed by different hands: either is right"
    everywhere(offices, key, "tags", json.dumps(began))
    assert offices.count().details == (f"a set item is lost: navaids {key} tags = 'ferry' (at hq, van)",)
    everywhere(offices, key, "tags", json.dumps(["ferry"]))
    assert offices.count().lost == len(began), "the tags that were there from the start count too"
    everywhere(offices, key, "tags", json.dumps([*began, "ferry", "ghost"]))
    assert "nobody added" in offices.count().details[0]


def test_a_tag_that_was_only_removed_must_be_gone(offices: Offices) -> None:
    key = offices.keys[0]
    began = json.loads(str(offices.row("hq", key)["tags"]))
    offices.commit("hq", did("untag", key, "tags", began[0]))
    assert offices.count().details == (f"a removed set item is there: navaids {key} tags = '{began[0]}' (at hq, van)",)
    everywhere(offices, key, "tags", json.dumps(began[1:]))
    assert offices.count().lost == 0


def test_note_lines_stand_in_the_text_or_among_the_losers(offices: Offices) -> None:
    key = offices.keys[0]
    offices.commit("hq", did("line", key, "notes", "from hq"))
    offices.commit("van", did("line", key, "notes", "from the van"))
    everywhere(offices, key, "notes", "from the van\nfrom hq\n")
    assert offices.count().lost == 0
    everywhere(offices, key, "notes", "from the\nfrom hq\n")
    assert offices.count().details == (f"a line is lost: navaids {key} notes = 'from the van' (at hq, van)",)
    assert offices.count(Loser("navaids", key, {"notes": "old\nfrom the van\n"})).lost == 0
    assert offices.count(Loser("navaids", offices.keys[1], {"notes": "from the van\n"})).lost == 1
    assert offices.count(Loser("frequencies", key, {"notes": "from the van\n"})).lost == 1


def test_p2_concurrent_values_stand_or_are_recorded(offices: Offices) -> None:
    key = offices.keys[0]
    old = offices.row("hq", key)["name"]
    offices.commit("hq", wrote(key, "name", old, "A"))
    offices.commit("van", wrote(key, "name", old, "B"))
    everywhere(offices, key, "name", "B")
    assert offices.count().details == (f"a value is lost: navaids {key} name = 'A' (at hq, van)",)
    assert offices.count(Loser("navaids", key, {"name": "A"})).lost == 0
    assert offices.count(Loser("navaids", key, {"name": "B"})).lost == 1
    assert offices.count(Loser("navaids", key, {"ident": "A"})).lost == 1


def test_a_value_that_a_later_write_had_seen_needs_no_record(offices: Offices) -> None:
    key = offices.keys[0]
    old = offices.row("hq", key)["elevation_ft"]
    offices.commit("hq", wrote(key, "elevation_ft", old, 10))
    offices.commit("van", wrote(key, "elevation_ft", 10, 20))
    everywhere(offices, key, "elevation_ft", 20)
    assert offices.count().lost == 0
    everywhere(offices, key, "elevation_ft", 10)
    assert offices.count().lost == 1, "the later value is gone"


def test_an_office_supersedes_its_own_earlier_value_whatever_was_delivered_between(offices: Offices) -> None:
    key = offices.keys[0]
    old = offices.row("hq", key)["name"]
    offices.commit("hq", wrote(key, "name", old, "A1"), wrote(key, "name", "B", "A2"))
    offices.commit("van", wrote(key, "name", old, "B"))
    everywhere(offices, key, "name", "A2")
    assert offices.count().lost == 0


def test_a_value_that_its_office_wrote_again_is_still_owed(offices: Offices) -> None:
    key = offices.keys[0]
    old = offices.row("hq", key)["name"]
    offices.commit("hq", wrote(key, "name", old, "A"), wrote(key, "name", "A", "B"), wrote(key, "name", "B", "A"))
    assert offices.count().details == (f"a value is lost: navaids {key} name = 'A' (at hq, van)",)
    everywhere(offices, key, "name", "A")
    assert offices.count().lost == 0


def test_an_office_that_deletes_gives_up_its_own_earlier_value_whatever_was_delivered_between(offices: Offices) -> None:
    key = offices.keys[0]
    row = offices.row("hq", key)
    offices.commit("hq", wrote(key, "name", row["name"], "A"), Op("delete", "navaids", int(str(key)), row={**row, "name": "B"}))
    offices.commit("van", wrote(key, "name", row["name"], "B"))
    for name in offices.files:
        offices.sync(name, "DELETE FROM navaids WHERE id = ?", key)
    assert offices.count().lost == 0


def test_p4_a_value_that_nobody_wrote_is_counted(offices: Offices) -> None:
    key = offices.keys[0]
    offices.put("hq", key, "latitude_deg", 1.5)
    assert offices.count().details == (f"a value that nobody wrote: navaids {key} latitude_deg = 1.5 (at hq)",)


def test_p3_rows_that_were_only_deleted_are_gone_and_rows_that_nobody_deleted_are_there(offices: Offices) -> None:
    first, second = offices.keys[:2]
    offices.commit("hq", Op("delete", "navaids", int(str(first)), row=offices.row("hq", first)))
    assert offices.count().details == (f"a deleted row is there: navaids {first} (at hq, van)",)
    for name in offices.files:
        offices.sync(name, "DELETE FROM navaids WHERE id = ?", first)
    assert offices.count().lost == 0
    offices.sync("van", "DELETE FROM navaids WHERE id = ?", second)
    assert offices.count().details == (f"a row is missing: navaids {second} (at van)",)


def test_an_added_row_must_be_everywhere_and_exact(offices: Offices) -> None:
    row = born(offices, 900, name="new", tags='["hq-new"]', notes="first\n")
    offices.commit("hq", Op("insert", "navaids", 900, row=row), did("add", 900, "visits", 2))
    everywhere(offices, 900, "visits", 2)
    assert offices.count().lost == 0
    everywhere(offices, 900, "visits", 0)
    everywhere(offices, 900, "tags", "[]")
    everywhere(offices, 900, "notes", "")
    assert offices.count().lost == 3
    offices.sync("van", "DELETE FROM navaids WHERE id = 900")
    assert "a row is missing: navaids 900 (at van)" in offices.count().details


def test_a_row_that_nobody_wrote_is_counted_once(offices: Offices) -> None:
    born(offices, 901, name="ghost")
    assert [detail for detail in offices.count().details if "row" in detail] == [
        "a row that nobody wrote: navaids 901 (at hq, van)"
    ]


def test_two_inserts_of_one_key_leave_one_value_standing_and_one_recorded(offices: Offices) -> None:
    row = born(offices, 902, name="A", tags='["hq-new","van-new"]', notes="a\nb\n")
    offices.commit("hq", Op("insert", "navaids", 902, row={**row, "tags": '["hq-new"]', "notes": "a\n"}))
    offices.commit("van", Op("insert", "navaids", 902, row={**row, "name": "B", "tags": '["van-new"]', "notes": "b\n"}))
    assert offices.count().details == ("a value is lost: navaids 902 name = 'B' (at hq, van)",)
    assert offices.count(Loser("navaids", 902, {"name": "B"})).lost == 0


def test_an_update_that_a_delete_had_not_seen_is_recorded_or_the_row_lives(offices: Offices) -> None:
    key = offices.keys[0]
    row = offices.row("hq", key)
    offices.commit("hq", Op("delete", "navaids", int(str(key)), row=row))
    offices.commit("van", wrote(key, "name", row["name"], "B"))
    everywhere(offices, key, "name", "B")
    assert offices.count().lost == 0
    for name in offices.files:
        offices.sync(name, "DELETE FROM navaids WHERE id = ?", key)
    assert offices.count().lost == 1
    assert offices.count(Loser("navaids", key, {**row, "name": "B"})).lost == 0


def test_a_delete_supersedes_what_it_had_seen(offices: Offices) -> None:
    key = offices.keys[0]
    row = offices.row("hq", key)
    offices.commit("van", wrote(key, "name", row["name"], "B"))
    offices.commit("hq", Op("delete", "navaids", int(str(key)), row={**row, "name": "B"}))
    for name in offices.files:
        offices.sync(name, "DELETE FROM navaids WHERE id = ?", key)
    assert offices.count().lost == 0


def test_a_kill_between_intent_and_commit_line_is_settled_by_the_table(offices: Offices) -> None:
    key = offices.keys[0]
    offices.commit("hq", did("add", key, "visits", 5), to_ledger=False)  # committed, then killed
    offices.commit("hq", did("add", key, "visits", 7), to_ledger=False, to_table=False)  # killed before COMMIT
    everywhere(offices, key, "visits", 5)
    report = offices.count()
    assert (report.transactions, report.writes, report.lost) == (1, 1, 0)


def test_f9_a_commit_that_its_own_file_forgot_is_counted(offices: Offices) -> None:
    offices.commit("hq", did("add", offices.keys[0], "visits", 5), to_table=False)
    report = offices.count()
    assert (report.transactions, report.lost) == (0, 1)
    assert "transaction gone from its own file" in report.details[0]


def test_a_torn_line_is_skipped_and_the_next_run_begins_a_line_of_its_own(offices: Offices, tmp_path: Path) -> None:
    key = offices.keys[0]
    offices.commit("hq", did("add", key, "visits", 5))
    with (tmp_path / "hq.jsonl").open("ab") as file:
        file.write(b'{"line":"intent","txn":"hq.1.99","ops":[{"ki')
    assert [type(line) for line in lines(tmp_path / "hq.jsonl")] == [Start, Intent, Commit]
    pen = LedgerFile(tmp_path / "hq.jsonl", "hq", 1)
    pen.intent("hq.2.1", (did("add", key, "visits", 2),))
    pen.close()
    assert [type(line) for line in lines(tmp_path / "hq.jsonl")] == [Start, Intent, Commit, Start, Intent]
    assert pen.run == 2
    everywhere(offices, key, "visits", 5)
    assert offices.count().lost == 0


def test_a_ledger_that_does_not_fit_its_file_is_refused(offices: Offices) -> None:
    offices.sync("hq", "INSERT INTO demo_ledger VALUES ('hq.1.77', 1)")
    with pytest.raises(LedgerError, match=r"hq\.1\.77"):
        offices.count()
    offices.files.pop("hq")
    with pytest.raises(LedgerError, match="no file"):
        offices.count()


def test_progress_is_read_from_the_end_of_a_ledger_however_it_ends(offices: Offices, tmp_path: Path) -> None:
    path = tmp_path / "hq.jsonl"
    assert progress(tmp_path / "none.jsonl") == progress(path) == (0, 0)
    for number in range(60):
        offices.commit("hq", did("line", offices.keys[0], "notes", f"a line long enough to fill the tail {number}"))
    assert progress(path) == (60, 1)  # the totals that the writer gave
    with path.open("ab") as file:
        file.write(b'{"line":"commit","txn":"hq.1.61","trans')
    assert progress(path) == (60, 1)


def test_many_losses_are_all_counted_and_the_first_are_told(offices: Offices) -> None:
    key = offices.keys[0]
    offices.commit("hq", *[did("line", key, "notes", f"line {number}") for number in range(DETAILS_MAX + 5)])
    report = offices.count()
    assert report.lost == DETAILS_MAX + 5
    assert len(report.details) == DETAILS_MAX + 1
    assert report.details[-1] == "and 5 more"


def test_an_unreadable_file_is_no_clean_report(offices: Offices) -> None:
    offices.files["van"] = offices.folder / "nowhere.db"
    with pytest.raises(sqlite3.OperationalError):
        offices.count()
