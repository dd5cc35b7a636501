"""The log is an older copy, or damaged: the peers know better, it is noticed before anything moves, and there is a way out."""

import sqlite3
from contextlib import closing

from tests.stories.conftest import MakeSpace
from tests.stories.space import Space


def _three(make: MakeSpace) -> Space:
    space = make(("hq", "lab", "van"))
    space.write("hq", *(f"INSERT INTO customers (id, name) VALUES ({number}, 'n')" for number in range(1, 7)))
    space.settle()
    return space


def _rejoin_all(space: Space) -> None:
    space.verb("resume", "hq", "--rejoin", "--authority", "hq")
    space.verb("resume", "lab", "--rejoin")
    space.verb("resume", "van", "--rejoin")
    space.settle()


def test_f27_an_older_log_is_noticed_and_everything_newer_survives(make: MakeSpace) -> None:
    space = _three(make)
    space.copy(space.log.name, "log.backup")
    space.write("van", "UPDATE customers SET name = 'after the backup' WHERE id = 1")
    space.write("lab", "DELETE FROM customers WHERE id = 2")
    space.settle()
    space.write("lab", "INSERT INTO customers (id, name) VALUES (9, 'nobody else has it yet')")
    space.copy("log.backup", space.log.name)
    before = {peer: space.rows(peer) for peer in space.peers}
    assert space.verb("run", "--until-idle", code=3).codes[0] == "SYN-P06"
    assert {peer: space.rows(peer) for peer in space.peers} == before, "nothing moves"
    _rejoin_all(space)
    space.assert_equal()
    assert {row[0]: row[1] for row in space.rows("hq")} == {
        1: "after the backup", 3: "n", 4: "n", 5: "n", 6: "n", 9: "nobody else has it yet"
    }  # fmt: skip


def test_f27_an_older_log_of_the_same_session_is_noticed_by_the_watermarks(make: MakeSpace) -> None:
    space = _three(make)
    space.start()
    space.copy(space.log.name, "log.backup")
    space.write("van", "UPDATE customers SET name = 'after the backup' WHERE id = 1")
    space.wait_equal()
    space.kill()
    space.copy("log.backup", space.log.name)
    told = space.verb("run", "--until-idle", code=3)
    assert told.codes[0] == "SYN-P06"
    assert "the log was restored from a copy" in told.text
    _rejoin_all(space)
    space.assert_equal()
    assert space.value("lab", "SELECT name FROM customers WHERE id = 1") == "after the backup"


def test_f27_a_log_that_is_gone_is_begun_anew_by_compare_and_merge(make: MakeSpace) -> None:
    space = _three(make)
    for path in space.folder.glob("story.log.db*"):
        path.unlink()
    space.write("van", "UPDATE customers SET name = 'nobody else has it yet' WHERE id = 1")
    space.write("lab", "INSERT INTO customers (id, name) VALUES (9, 'nor this')")
    space.settle()
    space.assert_equal()
    rows = {row[0]: row[1] for row in space.rows("hq")}
    assert rows[9] == "nor this"
    kept = [str(one["theirs"].get("value")) for one in space.conflicts("--all") if one["key"] == [1]]
    assert rows[1] == "nobody else has it yet" or kept == ["nobody else has it yet"]


def test_f12_damage_in_the_middle_is_refused_with_the_way_out_and_deletes_nothing(make: MakeSpace) -> None:
    space = _three(make)
    for number in range(5):
        space.write("van", f"UPDATE customers SET name = 'turn {number}' WHERE id = 3")
        space.settle()
    with closing(sqlite3.connect(space.log, isolation_level=None)) as log:
        (middle,) = log.execute("SELECT first FROM frame ORDER BY first LIMIT 1 OFFSET 5").fetchone()
        log.execute(
            "UPDATE frame SET body = CAST(substr(body, 1, 9) || x'5a' || substr(body, 11) AS BLOB) WHERE first = ?", (middle,)
        )
        frames = log.execute("SELECT * FROM frame").fetchall()
    rows = {peer: space.rows(peer) for peer in space.peers}
    told = space.verb("run", "--until-idle", code=3)
    assert told.codes == ["SYN-L03"]
    assert "restore the log file from a copy, or move it away and start again" in told.data["error"]["fix"]
    assert {peer: space.rows(peer) for peer in space.peers} == rows
    with closing(sqlite3.connect(space.log, isolation_level=None)) as log:
        assert log.execute("SELECT * FROM frame").fetchall() == frames
    for path in space.folder.glob("story.log.db*"):
        path.rename(space.folder / f"old.{path.name}")
    space.settle()
    space.assert_equal()
    assert space.value("hq", "SELECT name FROM customers WHERE id = 3") == "turn 4"


def test_f11_f27_a_torn_tail_is_cut_and_the_peer_that_knows_more_is_noticed(make: MakeSpace) -> None:
    space = _three(make)
    space.verb("pause", "hq")
    space.verb("pause", "lab")
    space.write("van", "UPDATE customers SET name = 'in the torn frame' WHERE id = 1")

    def steps() -> list[int]:
        found = space.verb("history", "customers", "1").data["history"]
        return [one["offset"] for one in found if one["change"] == "update"]

    def watermark() -> int:
        return int(space.status()["peers"]["van"]["collections"]["customers"]["watermark"])

    space.start(live=("van",))
    space.wait(lambda: watermark() in steps(), "the log has it, and the van knows")
    space.kill()
    with closing(sqlite3.connect(space.log, isolation_level=None)) as log:
        wanted = steps()[0]
        log.execute("DELETE FROM frame WHERE first > ?", (wanted,))
        log.execute("UPDATE frame SET body = substr(body, 1, length(body) / 2) WHERE last = ?", (wanted,))
    assert steps() == []
    space.start(live=())
    space.wait(lambda: "but the log ends at" in space.state("van"), "it is noticed")
    space.verb("resume", "hq")
    space.verb("resume", "lab")
    space.verb("resume", "van", "--rejoin")
    space.wait_value("hq", "in the torn frame", "SELECT name FROM customers WHERE id = 1")
    space.wait_equal()
    assert space.stop() == 0
    space.settle()
