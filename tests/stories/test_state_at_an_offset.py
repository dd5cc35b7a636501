"""`at`: a row and a whole collection as they were, with and without a running hub, to the last field."""

import asyncio
import csv
import json
import random
from pathlib import Path

import pytest
from tests.stories.conftest import MakeSpace
from tests.stories.space import Cell, Report, Space

from syncline.log.registry import open_log

Rows = list[tuple[Cell, ...]]
COLUMNS = ("id", "name", "balance", "tags", "notes", "iban")


def exported(space: Space, offset: int, name: str = "then.jsonl") -> Rows:
    out = space.folder / name
    report = space.verb("at", str(offset), "customers", "--out", str(out)).data
    rows: list[Report] = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert report["rows"] == len(rows)
    assert [row["id"] for row in rows] == sorted(row["id"] for row in rows), "in key order"
    return sorted([tuple(row[name] for name in COLUMNS) for row in rows], key=repr)


def head(space: Space) -> int:
    return int(space.status()["log"]["head"])


def scatter(space: Space, chance: random.Random, count: int) -> None:
    """Some writes of every kind at any peer: inserts, updates, key changes, deletes."""
    for _ in range(count):
        peer, id, other = chance.choice(space.peers), chance.randint(1, 25), chance.randint(26, 40)
        space.write(
            peer,
            chance.choice(
                (
                    ("INSERT OR IGNORE INTO customers (id, name) VALUES (?, ?)", (id, f"{peer} {chance.random()}")),
                    ("UPDATE customers SET balance = balance + ? WHERE id = ?", (chance.randint(1, 9), id)),
                    ("UPDATE customers SET iban = NULL, notes = ? WHERE id = ?", (f"note {chance.random()}", id)),
                    ("DELETE FROM customers WHERE id = ?", (id,)),
                    ("UPDATE OR IGNORE customers SET id = ? WHERE id = ?", (other, id)),
                )
            ),
        )


@pytest.mark.parametrize("seed", range(3))
def test_every_state_that_all_peers_once_had_can_be_had_again(make: MakeSpace, seed: int) -> None:
    space, chance = make(peers=("hq", "van", "boat")), random.Random(seed)
    space.write("hq", *(f"INSERT INTO customers (id, name) VALUES ({n}, 'name {n}')" for n in range(1, 20)))
    seen: dict[int, Rows] = {}
    for _ in range(4):
        space.settle()
        space.assert_equal()
        seen[head(space)] = space.rows("hq")
        scatter(space, chance, 12)  # what comes last is captured by nobody
    assert {offset: exported(space, offset) for offset in seen} == seen
    for offset, rows in seen.items():
        for row in rows[::5]:
            told = space.verb("at", str(offset), "customers", str(row[0])).data
            assert tuple(told["row"].values()) == row
            assert told["made"] is None or told["made"]["offset"] <= offset


def test_beside_a_running_hub_what_is_written_meanwhile_does_not_show(make: MakeSpace) -> None:
    space, chance = make(), random.Random(7)
    space.write("hq", *(f"INSERT INTO customers (id, name) VALUES ({n}, 'name {n}')" for n in range(1, 20)))
    space.settle()
    then, rows = head(space), space.rows("hq")
    space.start()
    for _ in range(4):
        scatter(space, chance, 8)
        assert exported(space, then) == rows
    space.wait_equal()
    assert exported(space, then) == rows
    assert space.rows("hq") != rows


def test_a_row_that_a_peer_refused_is_as_the_log_told_it(make: MakeSpace) -> None:
    narrow = (
        "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT CHECK (name <> 'no'), balance INTEGER NOT NULL DEFAULT 0)"
    )
    wide = narrow.replace(" CHECK (name <> 'no')", "")
    space = make(schema={"hq": wide, "van": narrow}, collections="{}")
    space.write("hq", "INSERT INTO customers VALUES (1, 'one', 5), (2, 'two', 6), (3, 'three', 7)")
    space.settle()
    space.write("hq", "UPDATE customers SET name = 'no', balance = 8 WHERE id = 2", "INSERT INTO customers VALUES (4, 'no', 1)")
    space.settle(code=1)
    assert len(space.parked()) == 2
    then = head(space)
    space.write("hq", "UPDATE customers SET balance = 9 WHERE id = 2")
    space.settle(code=1)
    space.move("hq", "away")  # so that the peer is read that refused it
    out = space.folder / "then.csv"
    report = space.verb("at", str(then), "customers", "--out", str(out)).data
    assert report["read_at"] == "van"
    with out.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))
    assert rows == [["id", "name", "balance"], ["1", "one", "5"], ["2", "no", "8"], ["3", "three", "7"], ["4", "no", "1"]]


def test_a_row_that_a_peer_refused_as_it_joined_was_there_before(make: MakeSpace) -> None:
    wide = "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT)"
    space = make(schema={"hq": wide, "van": wide.replace("TEXT", "TEXT CHECK (name <> 'no')")}, collections="{}")
    space.write("hq", "INSERT INTO customers VALUES (1, 'one'), (2, 'no')")
    space.settle(code=1)
    assert [one["key"] for one in space.parked()] == [[2]]
    then = head(space)
    space.move("hq", "away")  # so that the peer is read that refused it
    for offset in (0, then):
        out = space.folder / "then.csv"
        assert space.verb("at", str(offset), "customers", "--out", str(out)).data["read_at"] == "van"
        assert out.read_text(encoding="utf-8").split() == ["id,name", "1,one", "2,no"]
        assert space.verb("at", str(offset), "customers", "2").data["row"] == {"id": 2, "name": "no"}


def test_an_offset_is_after_its_own_entry(make: MakeSpace) -> None:
    space = make()
    space.write("hq", "INSERT INTO customers (id, name) VALUES (1, 'one')")
    space.settle()
    space.write("van", "UPDATE customers SET name = 'two' WHERE id = 1")
    space.settle()
    offset = space.verb("history", "customers", "1").data["history"][-1]["offset"]
    space.write("van", "UPDATE customers SET name = 'three' WHERE id = 1")
    space.settle()
    for at, name in ((offset - 1, "one"), (offset, "two"), (head(space), "three")):
        assert [row[1] for row in exported(space, at)] == [name]
        assert space.verb("at", str(at), "customers", "1").data["row"]["name"] == name


def test_a_peer_that_is_behind_is_brought_forward_to_the_offset(make: MakeSpace) -> None:
    space = make()
    space.write("hq", "INSERT INTO customers (id, name) VALUES (1, 'one'), (2, 'two')")
    space.settle()
    space.verb("pause", "van")
    space.write("hq", "UPDATE customers SET name = 'newer' WHERE id = 1", "DELETE FROM customers WHERE id = 2")
    space.settle(code=None)
    offset = space.verb("history", "customers", "1").data["history"][-1]["offset"]
    rows, was = space.rows("hq"), space.rows("van")
    assert rows != was
    space.write("hq", "UPDATE customers SET name = 'newest' WHERE id = 1")
    space.settle(code=None)
    space.move("hq", "away")
    assert (exported(space, offset), exported(space, offset - 1)) == (rows, was)
    assert space.rows("van") == was, "it was only read"


def test_a_time_means_the_last_offset_before_it(make: MakeSpace) -> None:
    space = make()
    space.write("hq", "INSERT INTO customers (id, name) VALUES (1, 'one')")
    space.settle()
    space.write("hq", "UPDATE customers SET name = 'two' WHERE id = 1")
    space.settle()
    step = space.verb("history", "customers", "1").data["history"][-1]
    before = space.verb("at", "--time", step["time"], "customers", "1").data
    assert (before["row"]["name"], before["offset"] < step["offset"]) == ("one", True)
    after = space.verb("at", "--time", "2999-01-01T00:00:00Z", "customers", "1").data
    assert after["row"]["name"] == "two"
    assert after["made"] | {"time": None} == {
        "offset": step["offset"], "row": 0, "origin": "hq", "kind": "change", "time": None
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        (("99999", "customers"), "is after the end of the log", 2),
        (("1", "nothing"), "there is no collection nothing", 2),
        (("1", "customers", "noon"), "id holds numbers, not 'noon'", 2),
        (("1", "customers", "1", "2"), "a key of customers has 1 part", 2),
        (("--time", "noon", "customers"), "noon is not a time", 2),
        (("1", "customers", "--out", "then.txt"), "does not say what to write", 2),
        (("1", "customers", "--out", "nowhere/then.csv"), "there is no folder nowhere", 2),
    ],
)
def test_what_cannot_be_told_is_an_error_with_a_fix(make: MakeSpace, words: tuple[str, ...], said: str, code: int) -> None:
    space = make()
    space.write("hq", "INSERT INTO customers (id, name) VALUES (1, 'one')")
    space.settle()
    told = space.verb("at", *words, code=code)
    assert told.codes == ["SYN-U01"]
    assert said in told.text
    assert "Fix: " in told.text


def test_without_a_peer_that_can_be_read_rows_of_the_log_are_still_told(make: MakeSpace) -> None:
    space = make()
    space.write("hq", "INSERT INTO customers (id, name) VALUES (1, 'one')")
    space.settle()
    space.write("van", "UPDATE customers SET name = 'two' WHERE id = 1")
    space.settle()
    then = head(space)
    for peer in space.peers:
        space.move(peer, f"{peer}-away")
    assert space.verb("at", str(then), "customers", "1").data["row"]["name"] == "two"
    told = space.verb("at", str(then), "customers", code=3)
    assert "no peer can be read" in told.text
    assert list(Path(space.folder).glob("*.part")) == []


async def trim(path: Path, upto: int) -> None:
    log = open_log(str(path), lambda _event: None)
    await log.open()
    await log.trim(upto)
    await log.close()


def test_before_the_log_begins_nothing_is_guessed(make: MakeSpace, tmp_path: Path) -> None:
    space, folder = make(), tmp_path / "archive"
    space.write("hq", "INSERT INTO customers (id, name) VALUES (1, 'one'), (2, 'two')")
    space.settle()
    space.verb("archive", str(folder))
    first = head(space)
    for words in ((), ("1",)):
        told = space.verb("at", "--time", "2000-01-01", "customers", *words, code=2)
        assert "2000-01-01 is before the log begins" in told.text, "what was before it cannot be told"
    space.write("hq", "UPDATE customers SET name = 'newer' WHERE id = 1")
    space.settle()
    floor, rows = head(space), space.rows("hq")
    space.write("hq", "UPDATE customers SET name = 'newest' WHERE id = 1")
    space.settle()
    asyncio.run(trim(space.log, floor))
    words_of_verbs: tuple[tuple[str, ...], ...] = (
        ("at", str(first), "customers"),
        ("at", str(first), "customers", "1"),
        ("replay", "--from", str(first), "--to", "van"),
    )
    for line in words_of_verbs:
        told = space.verb(*line, code=2)
        assert f"offset {first} is before what the log still has" in told.text
        assert f"Fix: the oldest offset that can be asked for is {floor}" in told.text
    told = space.verb("at", "--time", "2000-01-01", "customers", code=2)
    assert "2000-01-01 is before what the log still has" in told.text
    assert exported(space, floor) == rows
    assert space.verb("at", str(floor), "customers", "2").data["made"] is None, "the log has it no more"
    told = space.verb("archive", str(folder), code=2)
    assert "entries are missing between the archive and the log" in told.text
    space.verb("archive", str(folder), "--from", str(floor))
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["collections"]["customers"]["gaps"] == [[first, floor]]
