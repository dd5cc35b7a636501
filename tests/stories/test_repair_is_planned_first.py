"""Drift is repaired by a plan: looked at first, kept, carried out by a policy, listed, taken back; with a hub and without."""

import getpass
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.servers import mariadb, postgres
from tests.stories import mixed
from tests.stories.conftest import MakeSpace
from tests.stories.space import Cell, Report, Space

OFFICES = ("hq", "lab", "van")
Given = tuple[dict[str, Any], dict[str, list[tuple[Cell, ...]]]]
HUB = pytest.mark.parametrize("running", [False, True], ids=["at_rest", "running"])


def three(make: MakeSpace, rows: int = 20, **words: Any) -> Space:
    """Three offices with the same rows, counted up once so that the log knows them."""
    space = make(OFFICES, **words)
    many = f"WITH many(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM many WHERE n < {rows})"
    space.settle()
    space.write("hq", f"{many} INSERT INTO customers (id, name) SELECT n, 'row ' || n FROM many")
    space.settle()
    return space


def unseen(space: Space, peer: str, *statements: str) -> None:
    """Write so that no trigger tells: what was recorded is removed again in the same transaction."""
    with space.open(peer) as connection:
        connection.execute("BEGIN IMMEDIATE")
        (end,) = connection.execute("SELECT coalesce(max(seq), 0) FROM _syncline_changelog").fetchone()
        for sql in statements:
            connection.execute(sql)
        connection.execute("DELETE FROM _syncline_changelog WHERE seq > ?", (end,))
        connection.execute("COMMIT")


def drifted(space: Space) -> None:
    """van has another row 7 and a row more, lab lacks a row."""
    unseen(space, "van", "UPDATE customers SET name = 'changed' WHERE id = 7", "INSERT INTO customers (id) VALUES (999)")
    unseen(space, "lab", "DELETE FROM customers WHERE id = 9")


def everything(space: Space) -> dict[str, list[tuple[Cell, ...]]]:
    """All rows of all peers."""
    return {peer: space.rows(peer) for peer in space.peers}


def head(space: Space) -> int:
    """Where the log ends."""
    return int(space.status()["log"]["head"])


def arrive(space: Space, running: bool) -> None:
    """Let what is under way arrive."""
    if running:
        space.wait_equal()
    else:
        space.settle(code=None)


@HUB
def test_a_plan_changes_nothing_is_kept_and_carried_out_exactly(make: MakeSpace, running: bool, tmp_path: Path) -> None:
    space = three(make)
    if running:
        space.start()
    drifted(space)
    before, kept = everything(space), tmp_path / "plan.json"
    log = head(space)
    report = space.verb("repair", "--out", str(kept), code=1).data
    plan = report["plan"]
    assert plan["collections"]["customers"]["peers"] == {
        "hq": {"insert": 0, "update": 0, "delete": 0},
        "lab": {"insert": 1, "update": 0, "delete": 0},
        "van": {"insert": 0, "update": 1, "delete": 1},
    }
    assert {tuple(one["key"]): one["class"] for one in plan["repairs"]} == {(7,): "field", (9,): "missing", (999,): "extra"}
    assert (report["done"], everything(space)) == (None, before)
    if not running:
        assert head(space) == log, "the log has nothing of it"
    assert json.loads(kept.read_text()) == plan
    unseen(space, "van", "UPDATE customers SET name = 'changed again' WHERE id = 7")
    unseen(space, "hq", "UPDATE customers SET notes = 'later' WHERE id = 3")
    done = space.verb("repair", "--plan", str(kept), "--yes", code=1).data
    assert (done["done"]["repaired"], [one["key"] for one in done["plan"]["left"]]) == (2, [[7]])
    space.wait(lambda: space.rows("hq")[8] == space.rows("lab")[8], "row 9 is there") if running else space.settle(code=None)
    assert space.value("van", "SELECT name FROM customers WHERE id = 7") == "changed again"
    assert space.value("hq", "SELECT notes FROM customers WHERE id = 3") == "later"
    assert space.verb("repair", "--yes", code=0).data["done"]["repaired"] == 2
    arrive(space, running)
    space.assert_equal()
    assert space.verb("repair", code=0).data["equal"]
    assert space.verify()["equal"]


@HUB
def test_a_policy_makes_one_peers_rows_stand_and_is_taken_back(make: MakeSpace, running: bool) -> None:
    space = three(make)
    if running:
        space.start()
    unseen(space, "van", "UPDATE customers SET name = 'wrong' WHERE id IN (7, 8)", "DELETE FROM customers WHERE id = 9")
    done = space.verb("repair", "customers", "--policy", "authority:van", "--yes", code=0).data["done"]
    assert done["repaired"] == 3
    arrive(space, running)
    space.assert_equal()
    assert space.value("hq", "SELECT name FROM customers WHERE id = 7") == "wrong"
    assert space.value("hq", "SELECT count(*) FROM customers") == 19
    assert [one for one in space.conflicts("--all") if one["kind"] != "repair"] == []
    story = space.verb("history", "customers", "7").data["history"][-1]
    assert (story["origin"], story["decision"]) == ("van", "repair of what differed, by authority:van")
    (listed,) = space.verb("repair", "--list").data["repairs"]
    assert (listed["id"], listed["rows"], listed["policy"]) == (done["id"], 3, "authority:van")
    assert listed["by"] == story["by"] == getpass.getuser()
    space.write("hq", "UPDATE customers SET name = 'since' WHERE id = 8")
    arrive(space, running)
    planned = space.verb("repair", "--undo", done["id"], code=1).data["plan"]
    assert (planned["rows"], [one["key"] for one in planned["left"]]) == (2, [[8]])
    back = space.verb("repair", "--undo", done["id"], "--yes", code=1).data["done"]
    assert back["repaired"] == 2
    space.wait_value("lab", "row 7", "SELECT name FROM customers WHERE id = 7") if running else space.settle()
    arrive(space, running)
    space.assert_equal()
    assert [row[1] for row in space.read("hq", "SELECT id, name FROM customers WHERE id BETWEEN 7 AND 9 ORDER BY id")] == [
        "row 7", "since", "row 9",
    ]  # fmt: skip
    assert [one["undone_by"] for one in space.verb("repair", "--list").data["repairs"]] == [back["id"], None]
    assert space.verify()["equal"]


def test_an_insert_adds_what_lacks_and_changes_nothing_else(make: MakeSpace) -> None:
    space = three(make)
    drifted(space)
    done = space.verb("repair", "--policy", "insert", "--yes", code=1).data
    assert (done["done"]["repaired"], [one["key"] for one in done["done"]["left"]]) == (2, [[7]])
    space.settle(code=1)
    assert [space.value(peer, "SELECT count(*) FROM customers") for peer in OFFICES] == [21, 21, 21]
    assert [space.value(peer, "SELECT name FROM customers WHERE id = 7") for peer in OFFICES] == ["row 7", "row 7", "changed"]
    assert space.verb("repair", "--policy", "upsert:van", "--yes", code=0).data["done"]["repaired"] == 1
    space.settle()
    space.assert_equal()


def test_an_edit_of_an_office_that_was_away_is_not_lost_and_nothing_is_contested(make: MakeSpace) -> None:
    """The lab is paused and edits; hq's drift is repaired meanwhile: counters add up, the edit stands, nobody is asked."""
    space = three(make)
    space.start()
    space.write("hq", "UPDATE customers SET balance = 5, tags = 'a' WHERE id = 7")
    space.wait_equal()
    space.verb("pause", "lab")
    space.write("lab", "UPDATE customers SET name = 'genuine', balance = balance + 2, tags = 'a,b' WHERE id = 7")
    unseen(space, "hq", "UPDATE customers SET name = 'drifted', balance = 100, tags = 'z' WHERE id = 7")
    plan = space.verb("repair", "--policy", "authority:van", "--yes", code=1).data
    assert (plan["done"]["repaired"], plan["plan"]["not_compared"]) == (1, ["lab"])
    space.verb("resume", "lab")
    space.wait_value("hq", "genuine", "SELECT name FROM customers WHERE id = 7")
    space.wait_equal()
    assert space.read("van", "SELECT name, balance, tags FROM customers WHERE id = 7") == [("genuine", 7, "a,b")]
    assert [one for one in space.conflicts("--all") if one["kind"] != "repair"] == []
    assert space.stop() == 0


def test_who_only_receives_gets_its_rows_and_who_only_sends_keeps_its_own(make: MakeSpace) -> None:
    space = three(make, collections="{direction: {lab: receive, van: send}}")
    unseen(space, "lab", "UPDATE customers SET name = 'local'")
    unseen(space, "hq", "DELETE FROM customers WHERE id = 5")
    own = space.rows("van")
    assert space.verb("repair", "--policy", "authority:lab", code=1).data["plan"]["rows"] == 0
    assert space.verb("repair", "--policy", "authority:hq", "--yes", code=0).data["done"]["repaired"] == 20
    space.settle()
    space.assert_equal(peers=("hq", "lab"))
    assert (space.rows("van"), space.value("lab", "SELECT count(*) FROM customers")) == (own, 19)


def test_f37_limits_are_told_by_the_plan_and_refuse_it(make: MakeSpace) -> None:
    space = three(make, 20, settings="{guard_delete_rows: 5, guard_delete_share: 20%}")
    unseen(space, "van", "DELETE FROM customers WHERE id > 10")
    before = everything(space)
    words = ("repair", "--policy", "authority:van")
    assert {one["where"].get("peer") for one in space.verb(*words, code=1).data["refused"]} == set(OFFICES)
    assert space.verb(*words, "--yes", code=1).codes == ["SYN-G01"]
    assert space.verb("repair", "--max", "3", "--yes", code=1).codes == ["SYN-G01"]
    assert everything(space) == before
    space.verb(*words, "--yes", "--approve", code=0)
    space.settle()
    space.assert_equal()
    assert space.value("hq", "SELECT count(*) FROM customers") == 10


def test_what_is_wrong_is_refused(make: MakeSpace, tmp_path: Path) -> None:
    space = three(make, 3)
    (tmp_path / "plan.json").write_text('{"plan": 1}')
    for words in (
        ("--policy", "newest"),
        ("--policy", "upsert:nobody"),
        ("orders",),
        ("--undo", "4711"),
        ("--plan", str(tmp_path / "plan.json")),
    ):
        assert space.verb("repair", *words, code=2).codes == ["SYN-U01"], words


@pytest.fixture
def offices(tmp_path: Path) -> Iterator[mixed.Mixed]:
    """An office at each kind of server, and a file."""
    made = mixed.make(tmp_path, {"hq": postgres.shared(), "munich": mariadb.shared()}, ("van",))
    yield made
    made.close()


def _unlogged(offices: mixed.Mixed, sql: str) -> None:
    """Write at the MariaDB office so that its log has nothing of it."""
    with offices.servers["munich"].connect(offices.databases["munich"]) as connection, connection.cursor() as cursor:
        cursor.execute("SET sql_log_bin = 0")
        cursor.execute(sql)
        connection.commit()


def test_three_kinds_of_peers_are_repaired_by_a_policy_and_taken_back(offices: mixed.Mixed) -> None:
    values = ", ".join(f"({n}, 'row {n}', {n})" for n in range(1, 31))
    offices.settle()
    offices.write("hq", f"INSERT INTO customers (id, name, balance) VALUES {values}")
    offices.settle()
    _unlogged(offices, "UPDATE customers SET name = 'drifted', balance = 77 WHERE id = 5")
    _unlogged(offices, "DELETE FROM customers WHERE id = 6")
    unseen(offices.space, "van", "INSERT INTO customers (id, name) VALUES (99, 'extra')")
    space = offices.space
    plan = space.verb("repair", code=1).data["plan"]
    assert {tuple(one["key"]): one["class"] for one in plan["repairs"]} == {(5,): "field", (6,): "missing", (99,): "extra"}
    done: Report = space.verb("repair", "--policy", "authority:munich", "--yes", code=0).data["done"]
    assert done["repaired"] == 3
    offices.settle()
    offices.assert_equal()
    assert (5, "drifted", 77, None, None, None) in offices.rows("hq")
    assert len(offices.rows("hq")) == 29
    assert space.verb("repair", "--undo", done["id"], "--yes", code=None).data["done"]["repaired"] == 3
    offices.settle(code=None)
    assert (5, "row 5", 5, None, None, None) in offices.rows("munich")
    assert [len(offices.rows(peer)) for peer in ("hq", "munich", "van")] == [30, 30, 31], "van has its extra row again"
    assert space.verb("repair", "--yes", code=0).data["done"]["repaired"] == 1
    offices.settle()
    offices.assert_equal()
    assert len(offices.rows("van")) == 30


def test_automatic_repair_is_told_where_it_is_on(make: MakeSpace) -> None:
    space = make()
    assert not any("automatic" in one["what"] for one in space.verb("check").data["advice"])
    space.config.write_text(space.config.read_text() + "\nverify: {repair: {}}\n")
    said = "automatic repair is on: missing, extra, field by merge, up to 100 rows a proof"
    for verb in ("check", "plan"):
        assert said in [one["what"] for one in space.verb(verb).data["advice"]]
        assert said in space.raw(verb, str(space.config)).text
