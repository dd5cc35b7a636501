"""Short stories of two or three real files, each settled by the facade in this process."""

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from syncline.config.load import load
from syncline.hub.space_hub import SpaceHub
from syncline.mapping.project import Target, project
from syncline.model.change import Change
from syncline.model.entry import Entry, Kind
from syncline.model.event import Event
from syncline.model.schema import Collection
from syncline.model.value import ABSENT

Report = dict[str, Any]
ITEMS = "CREATE TABLE items (id INTEGER PRIMARY KEY, a TEXT, b TEXT, n INTEGER DEFAULT 0)"
MERGE = "items: {merge: {default: newest, n: counter}}"


class Files:
    """A space of SQLite files in a folder."""

    def __init__(self, folder: Path, peers: Sequence[str], tables: Sequence[str], collections: str) -> None:
        self.folder, self.peers = folder, peers
        for peer in peers:
            for table in tables:
                self.write(peer, table)
        lines = ["space: small", "peers:", *(f"  {peer}: sqlite:///{peer}.db" for peer in peers), "collections:"]
        config = folder / "small.yaml"
        config.write_text("\n".join([*lines, *(f"  {line}" for line in collections.splitlines())]) + "\n", encoding="utf-8")
        self.hub = SpaceHub(load(config))

    def write(self, peer: str, *statements: str) -> None:
        """One transaction of an ordinary program."""
        with closing(sqlite3.connect(self.folder / f"{peer}.db", isolation_level=None)) as connection:
            connection.execute("BEGIN")
            for statement in statements:
                connection.execute(statement)
            connection.execute("COMMIT")

    def rows(self, peer: str, query: str) -> list[tuple[Any, ...]]:
        """What a peer holds."""
        with closing(sqlite3.connect(self.folder / f"{peer}.db")) as connection:
            return connection.execute(query).fetchall()

    def settle(self) -> Report:
        """Run until everything is delivered and compared."""
        return asyncio.run(self.hub.run(True, _quiet, asyncio.Event()))

    def everywhere(self, query: str) -> list[tuple[Any, ...]]:
        """What all peers hold; they must agree."""
        held = [self.rows(peer, query) for peer in self.peers]
        assert all(one == held[0] for one in held), held
        return held[0]


def _quiet(_event: Event) -> None:
    """Nobody watches."""


def _two(tmp_path: Path) -> Files:
    files = Files(tmp_path, ("ann", "bob"), (ITEMS,), MERGE)
    files.write("ann", "INSERT INTO items (id, a, b) VALUES (1, 'x', 'y'), (2, 'x', 'y')")
    assert files.settle()["converged"]
    return files


def test_d13_microseconds_in_text_stay(tmp_path: Path) -> None:
    files = _two(tmp_path)
    files.write("ann", "UPDATE items SET a = '2024-02-29 23:59:59.000517' WHERE id = 1")
    assert files.settle()["converged"]
    assert files.everywhere("SELECT a FROM items WHERE id = 1") == [("2024-02-29 23:59:59.000517",)]


def test_d32_a_column_that_was_not_sent_is_not_written() -> None:
    change = Change("items", (1,), (1, ABSENT, "old"), (1, ABSENT, "new"))
    target = Target("bob", {"items": Collection("items", ("id", "big", "a"), ("id",))}, {"items": frozenset()})
    (write,) = project([Entry(1, Kind.CHANGE, "ann", changes=(change,))], target).writes
    assert (write.fields, write.rows) == (("a",), (("new",),))
    born = Change("items", (2,), None, (2, ABSENT, "new"))
    (write,) = project([Entry(2, Kind.CHANGE, "ann", changes=(born,))], target).writes
    assert (write.fields, write.rows) == (("id", "a"), ((2, "new"),))


def test_t2_transactions_arrive_in_commit_order(tmp_path: Path) -> None:
    files = _two(tmp_path)
    with closing(sqlite3.connect(tmp_path / "ann.db", isolation_level=None)) as slow:
        slow.execute("BEGIN")
        files.write("ann", "UPDATE items SET a = 'first' WHERE id = 1")  # begun later, committed earlier
        slow.execute("UPDATE items SET a = a || ' second' WHERE id = 1")
        slow.execute("COMMIT")
    assert files.settle()["converged"]
    assert files.everywhere("SELECT a FROM items WHERE id = 1") == [("first second",)]
    steps = asyncio.run(files.hub.history("items", ("1",)))
    assert [step["fields"]["a"][1] for step in steps if "a" in step.get("fields", {})] == ["first", "first second"]


def test_t6_cyclic_and_deferred_foreign_keys_arrive_whole(tmp_path: Path) -> None:
    tables = [
        f"CREATE TABLE {one} (id INTEGER PRIMARY KEY, other INTEGER REFERENCES {two} DEFERRABLE INITIALLY DEFERRED)"
        for one, two in (("hens", "eggs"), ("eggs", "hens"))
    ]
    files = Files(tmp_path, ("ann", "bob"), tables, "hens: {}\neggs: {}")
    files.settle()
    files.write("ann", "PRAGMA defer_foreign_keys=1", "INSERT INTO hens VALUES (1, 1)", "INSERT INTO eggs VALUES (1, 1)")
    assert files.settle()["converged"]
    assert files.everywhere("SELECT * FROM hens NATURAL JOIN eggs") == [(1, 1)]
    assert files.everywhere("PRAGMA foreign_key_check") == []


def test_t9_tables_that_are_not_synced_hold_nothing_back(tmp_path: Path) -> None:
    files = Files(tmp_path, ("ann", "bob"), (ITEMS, "CREATE TABLE own (x)"), MERGE)
    files.settle()
    before = files.rows("ann", "SELECT max(seq) FROM _syncline_changelog")
    files.write("ann", *(f"INSERT INTO own VALUES ({n})" for n in range(200)))
    assert files.rows("ann", "SELECT max(seq) FROM _syncline_changelog") == before
    assert files.settle()["converged"]
    assert files.rows("bob", "SELECT count(*) FROM own") == [(0,)]


def test_c2_different_fields_both_stand_and_a_check_that_the_merge_breaks_parks_the_row(tmp_path: Path) -> None:
    files = Files(tmp_path, ("ann", "bob"), (ITEMS,), "items: {}")
    files.write("bob", "DROP TABLE items", ITEMS.replace("DEFAULT 0)", "DEFAULT 0, CHECK (a <> 'p' OR b <> 'q'))"))
    files.write("ann", "INSERT INTO items (id, a, b) VALUES (1, 'x', 'y'), (2, 'x', 'y')")
    files.settle()
    files.write("ann", "UPDATE items SET a = 'ann' WHERE id = 1", "UPDATE items SET a = 'p' WHERE id = 2")
    files.write("bob", "UPDATE items SET b = 'bob' WHERE id = 1", "UPDATE items SET b = 'q' WHERE id = 2")
    files.settle()
    assert files.everywhere("SELECT a, b FROM items WHERE id = 1") == [("ann", "bob")]
    parked = asyncio.run(files.hub.parked(None, 10, None))
    assert [(row["peer"], row["key"], row["code"]) for row in parked] == [("bob", [2], "check")]


def test_c13_a_changed_key_against_an_edit_loses_neither(tmp_path: Path) -> None:
    files = _two(tmp_path)
    files.write("ann", "UPDATE items SET id = 9 WHERE id = 1")
    files.write("bob", "UPDATE items SET a = 'edited' WHERE id = 1")
    assert files.settle()["converged"]
    assert files.everywhere("SELECT id, a FROM items ORDER BY id") == [(1, "edited"), (2, "x"), (9, "x")]


def test_c17_what_was_delivered_does_not_circle(tmp_path: Path) -> None:
    files = Files(tmp_path, ("ann", "bob", "cid"), (ITEMS,), MERGE)
    files.write("ann", "INSERT INTO items (id, a) VALUES (1, 'x')")
    files.settle()
    for peer in files.peers:
        files.write(peer, "UPDATE items SET n = n + 1 WHERE id = 1")
    files.settle()
    data = len([step for step in asyncio.run(files.hub.history("items", ("1",))) if step["kind"] == "change"])
    for _ in range(3):
        assert files.settle()["converged"]
    assert files.everywhere("SELECT n FROM items") == [(3,)]
    assert len([step for step in asyncio.run(files.hub.history("items", ("1",))) if step["kind"] == "change"]) == data


def test_c21_a_decision_is_later_than_the_edits_it_meets(tmp_path: Path) -> None:
    files = Files(tmp_path, ("ann", "bob"), (ITEMS,), "items: {merge: {a: manual}}")
    files.write("ann", "INSERT INTO items (id, a) VALUES (1, 'x')")
    files.settle()
    files.write("ann", "UPDATE items SET a = 'ann' WHERE id = 1")
    files.write("bob", "UPDATE items SET a = 'bob' WHERE id = 1")
    files.settle()
    (conflict,) = asyncio.run(files.hub.conflicts(True, None, 10, None))
    files.write("ann", "UPDATE items SET b = 'newer', a = 'newer' WHERE id = 1")
    asyncio.run(files.hub.settle(conflict["id"], "bob", {}))
    assert files.settle()["converged"]
    ((a, b),) = files.everywhere("SELECT a, b FROM items")
    still_open = asyncio.run(files.hub.conflicts(True, None, 10, None))
    assert b == "newer"
    assert a == "bob" or still_open  # the decision stands, or a person is asked again: never silently gone
