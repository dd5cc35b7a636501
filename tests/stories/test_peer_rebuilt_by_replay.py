"""A peer that lost its database: an export of some offset is loaded into a new one, and `replay` brings what changed since."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.servers.postgres import shared
from tests.stories.conftest import MakeSpace
from tests.stories.mixed import CUSTOMERS, Mixed
from tests.stories.mixed import make as make_mixed
from tests.stories.space import Space
from tests.stories.test_state_at_an_offset import head, scatter

ROWS = [f"INSERT INTO customers (id, name, tags) VALUES ({n}, 'name {n}', 'a,b')" for n in range(1, 31)]


def export(space: Space, offset: int) -> list[dict[str, Any]]:
    out = space.folder / "then.jsonl"
    space.verb("at", str(offset), "customers", "--out", str(out))
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


def lose(space: Space, peer: str) -> None:
    """The peer's file is gone, and a new one takes its place, empty but for the table."""
    for ending in ("", "-wal", "-shm"):
        (space.folder / f"{peer}.db{ending}").unlink(missing_ok=True)
    space.build(peer)


def load(space: Space, peer: str, rows: list[dict[str, Any]]) -> None:
    names = list(rows[0])
    sql = f"INSERT INTO customers ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
    space.write(peer, *((sql, tuple(row.values())) for row in rows))


def counted(told: dict[str, Any]) -> tuple[int, int]:
    found = told["collections"]["customers"]
    return found["keys"], found.get("given", 0)


@pytest.mark.parametrize("running", [False, True], ids=["no hub", "beside a hub"])
def test_an_export_and_a_replay_make_a_new_file_equal_while_others_write(make: MakeSpace, running: bool) -> None:
    space, chance = make(peers=("hq", "boat", "van")), random.Random(11)
    space.write("hq", *ROWS)
    space.settle()
    then = head(space)
    for _ in range(3):
        scatter(space, chance, 10)
        space.settle()
    rows = export(space, then)
    lose(space, "van")
    load(space, "van", rows)
    space.peers = ("hq", "boat")
    if running:
        space.start()
    scatter(space, chance, 10)
    conflicts = len(space.conflicts("--all"))
    plan = space.verb("replay", "--from", str(then), "--to", "van").data
    assert plan["done"] is False
    assert counted(plan)[0] > 5
    told = space.verb("replay", "--from", str(then), "--to", "van", "--yes").data
    assert told["done"] is True
    assert counted(told)[1] > 5
    space.peers = ("hq", "boat", "van")
    scatter(space, chance, 10)
    if running:
        space.wait(lambda: space.state("van") == "live", "van is live")
        space.wait_equal()
        assert space.stop() == 0
    space.settle()
    space.assert_equal()
    assert space.verify()["equal"] is True
    assert [one for one in space.conflicts("--all")[conflicts:] if one["kind"] in ("join", "repair")] == []


def test_a_restored_backup_takes_its_place_again_without_its_old_tables(make: MakeSpace) -> None:
    space, chance = make(), random.Random(3)
    space.write("hq", *ROWS)
    space.settle()
    then = head(space)
    space.copy("van.db", "backup.db")
    scatter(space, chance, 20)
    space.settle()
    space.copy("backup.db", "van.db")
    told = space.verb("replay", "--from", str(then), "--to", "van", "--yes", code=2)
    assert "this copy was a peer before" in told.text
    assert "syncline teardown van" in told.text
    space.verb("teardown", "van", "--yes")
    space.write("hq", "INSERT INTO customers (id, name) VALUES (99, 'meanwhile')")  # nobody has captured it
    conflicts = space.conflicts("--all")
    assert counted(space.verb("replay", "--from", str(then), "--to", "van", "--yes").data)[1] > 3
    space.settle()
    space.assert_equal()
    assert space.conflicts("--all") == conflicts


def test_what_is_no_copy_of_that_offset_is_refused_and_nothing_changes(make: MakeSpace) -> None:
    space = make()
    space.write("hq", *ROWS)
    space.settle()
    then = head(space)
    space.write("hq", "UPDATE customers SET name = 'newer' WHERE id < 4")
    space.settle()
    rows = export(space, then)
    rows[1]["name"] = "from elsewhere"
    lose(space, "van")
    load(space, "van", rows)
    told = space.verb("replay", "--from", str(then), "--to", "van", "--yes", code=2)
    assert f"the peer is not a copy of offset {then}" in told.text
    assert "(the first: customers 2)" in told.text
    assert "syncline resume van --rejoin" in told.text
    assert space.value("van", "SELECT name FROM customers WHERE id = 1") == "name 1"
    assert space.status()["peers"]["van"]["state"] == "broken", "it did not enter"


def test_a_live_peer_is_given_only_what_it_lacks_and_keeps_what_it_writes(make: MakeSpace) -> None:
    space = make()
    space.write("hq", *ROWS)
    space.settle()
    then = head(space)
    update = "UPDATE customers SET name = 'newer', balance = balance + 10 WHERE id <= 20"
    space.write("hq", update, "DELETE FROM customers WHERE id = 21")
    space.settle()
    told = space.verb("replay", "--from", str(then), "--to", "van", "--yes").data
    assert counted(told) == (21, 0), "it has all of it"
    drift(space, "van", "UPDATE customers SET name = 'drifted', balance = 1 WHERE id = 3", "DELETE FROM customers WHERE id = 4")
    drift(space, "van", "INSERT INTO customers (id, name) VALUES (21, 'back again')")
    assert space.verify(code=1)["drift"] == 3
    space.write("van", "UPDATE customers SET balance = balance + 5 WHERE id = 5")  # nobody has captured it
    told = space.verb("replay", "--from", str(then), "--to", "van", "--yes").data
    assert counted(told) == (21, 3)
    space.settle()
    space.assert_equal()
    assert space.read("hq", "SELECT name, balance FROM customers WHERE id IN (3, 4, 5) ORDER BY id") == [
        ("newer", 10), ("newer", 10), ("newer", 15)
    ]  # fmt: skip
    assert space.conflicts("--all") == []
    assert counted(space.verb("replay", "--from", str(then), "--to", "van", "--yes").data)[1] == 0, "once is enough"


def drift(space: Space, peer: str, *statements: str) -> None:
    """Write at a peer so that nobody hears of it: with the triggers out of the way."""
    with space.open(peer) as connection:
        triggers = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
        connection.execute("BEGIN IMMEDIATE")
        for name, _ in triggers:
            connection.execute(f'DROP TRIGGER "{name}"')
        for statement in statements:
            connection.execute(statement)
        for _, sql in triggers:
            connection.execute(sql)
        connection.execute("COMMIT")


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        (("--from", "99999", "--to", "van"), "is after the end of the log", 2),
        (("--from", "1", "--to", "mars"), "there is no peer 'mars'", 2),
        (("--from", "1", "--to", "van", "--collection", "nothing"), "there is no collection nothing", 2),
    ],
)
def test_what_cannot_be_given_is_an_error_with_a_fix(make: MakeSpace, words: tuple[str, ...], said: str, code: int) -> None:
    space = make()
    space.write("hq", *ROWS)
    space.settle()
    for more in ((), ("--yes",)):
        told = space.verb("replay", *words, *more, code=code)
        assert said in told.text
        assert "Fix: " in told.text


@pytest.fixture
def mixed(tmp_path: Path) -> Iterator[Mixed]:
    made = make_mixed(tmp_path, {"hq": shared()}, ("van",))
    yield made
    made.close()


def test_a_postgres_database_is_rebuilt_from_an_export_and_a_replay(mixed: Mixed) -> None:
    space, chance = mixed.space, random.Random(5)
    mixed.write("hq", *ROWS)
    mixed.settle()
    then = head(space)
    scatter(space, chance, 20)
    mixed.settle()
    rows = export(space, then)
    server = mixed.servers["hq"]
    server.forget(mixed.databases["hq"])
    old = mixed.databases["hq"]
    mixed.databases["hq"] = server.database()
    server.run(mixed.databases["hq"], CUSTOMERS)
    text = space.config.read_text(encoding="utf-8")
    space.config.write_text(text.replace(f"/{old}", f"/{mixed.databases['hq']}"), encoding="utf-8")
    for row in rows:
        cells = ", ".join("NULL" if value is None else f"'{value}'" for value in row.values())
        server.run(mixed.databases["hq"], f"INSERT INTO customers ({', '.join(row)}) VALUES ({cells})")
    scatter(space, chance, 5)
    told = space.verb("replay", "--from", str(then), "--to", "hq", "--yes").data
    assert counted(told)[1] > 3
    mixed.write("hq", "UPDATE customers SET balance = balance + 100 WHERE id = 30")
    mixed.settle()
    mixed.assert_equal()
    assert mixed.verify()["equal"] is True
