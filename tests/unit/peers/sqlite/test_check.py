"""What cannot be synchronised is refused before anything is created, with the way out."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.unit.peers.sqlite.office import office, run

from syncline.model.errors import PeerUnsafe, Problem
from syncline.model.schema import Collection, Kind
from syncline.peers.sqlite import open_peer

T = Collection("t", ("id", "v"), ("id",))
NO_KEY = Collection("t", ("id", "v"), ())
REAL_KEY = Collection("t", ("id", "v"), ("id",), (Kind.REAL, Kind.ANY))
KINDS = Collection("t", ("id", "v"), ("id",), (Kind.INTEGER, Kind.TEXT))

CASES: dict[str, tuple[str, Collection, str]] = {
    "d36 no key": ("CREATE TABLE t (id INT, v)", NO_KEY, "there is no key"),
    "d36 not unique": ("CREATE TABLE t (id INT NOT NULL, v)", T, "the key is not unique"),
    "d34 key may be null": ("CREATE TABLE t (id TEXT PRIMARY KEY, v)", T, "a part of the key may be NULL"),
    "d34 unique key may be null": ("CREATE TABLE t (id TEXT UNIQUE, v)", T, "a part of the key may be NULL"),
    "d25 nocase key": ("CREATE TABLE t (id TEXT NOT NULL PRIMARY KEY COLLATE NOCASE, v)", T, "the key is not compared exactly"),
    "d26 rtrim key": ("CREATE TABLE t (id TEXT NOT NULL PRIMARY KEY COLLATE RTRIM, v)", T, "the key is not compared exactly"),
    "d25 nocase index": ("CREATE TABLE t (id TEXT NOT NULL, v, UNIQUE (id COLLATE NOCASE))", T, "the key is not unique"),
    "partial key": ("CREATE TABLE t (id INT NOT NULL, v); CREATE UNIQUE INDEX i ON t(id) WHERE v", T, "the key is not unique"),
    "d23 generated": ("CREATE TABLE t (id INTEGER PRIMARY KEY, v AS (id * 2))", T, "a generated column cannot be written"),
    "missing column": ("CREATE TABLE t (id INTEGER PRIMARY KEY)", T, "a column is missing"),
    "missing table": ("CREATE TABLE other (id INTEGER PRIMARY KEY)", T, "there is no table t"),
    "view": ("CREATE VIEW t AS SELECT 1 AS id, 2 AS v", T, "t is a view"),
    "virtual": ("CREATE VIRTUAL TABLE t USING fts5(id, v)", T, "t is a virtual table"),
    "shadow": (
        "CREATE VIRTUAL TABLE x USING fts5(id, v)",
        Collection("x_data", ("id",), ("id",)),
        "x_data is a shadow table of a virtual one",
    ),
    "d43 utf-16": ("PRAGMA encoding='UTF-16'; CREATE TABLE t (id INTEGER PRIMARY KEY, v)", T, "the file is not UTF-8"),
    "d44 affinity": ("CREATE TABLE t (id INTEGER PRIMARY KEY, v INT)", KINDS, "a column would change values"),
    "d44 real key": ("CREATE TABLE t (id NOT NULL PRIMARY KEY, v)", REAL_KEY, "a column would change values"),
    "collision": (
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v); CREATE TABLE _syncline_mine (x)",
        T,
        "_syncline_mine is in the way",
    ),
    "reserved": (
        "CREATE TABLE _syncline_t (id INTEGER PRIMARY KEY)",
        Collection("_syncline_t", ("id",), ("id",)),
        "this table's name cannot be used",
    ),
    "foreign function": (
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v); CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT only_here(NEW.v); END",
        T,
        "the table cannot be written by Syncline",
    ),
}


def make(path: Path, schema: str) -> None:
    """A file with a schema."""
    connection = sqlite3.connect(path)
    connection.executescript(schema)
    connection.close()


def problems(tmp_path: Path, *collections: Collection) -> list[Problem]:
    """What check says; setup must refuse the same, and leave nothing behind."""

    async def story() -> list[Problem]:
        peer = open_peer("here", f"sqlite:///{tmp_path}/f.db")
        await peer.connect()
        found = await peer.check(collections)
        if found:
            before = (tmp_path / "f.db").read_bytes()
            with pytest.raises(PeerUnsafe):
                await peer.setup(collections)
            assert (tmp_path / "f.db").read_bytes() == before
        await peer.close()
        return found

    return run(story())


@pytest.mark.parametrize("case", sorted(CASES))
def test_d23_d25_d26_d34_d36_d43_d44_is_refused(tmp_path: Path, case: str) -> None:
    schema, collection, what = CASES[case]
    make(tmp_path / "f.db", schema)
    found = problems(tmp_path, collection)
    assert what in [problem.what for problem in found], found
    assert all(problem.where["peer"] == "here" for problem in found)
    assert all(problem.hint or problem.why for problem in found)


LOOSE = """
CREATE TABLE other (code TEXT REFERENCES t(id));
CREATE TABLE t (id TEXT  -- the key, once
  PRIMARY KEY, "n" REAL NOT NULL DEFAULT (1.5) CHECK (n > 0), v, twice AS (n * 2), UNIQUE (v, n));
CREATE INDEX by_n ON t(n);
CREATE TRIGGER touch AFTER INSERT ON t BEGIN UPDATE t SET v = 'x' WHERE v IS NULL; END;
CREATE VIEW seen AS SELECT id FROM t;
INSERT INTO t (id, n) VALUES ('a', 2), (NULL, 3);
"""


def test_d34_the_way_out_of_a_key_that_may_be_null_is_whole_and_works(tmp_path: Path) -> None:
    make(tmp_path / "f.db", LOOSE)
    (told,) = problems(tmp_path, T)
    assert "1 row has it now" in told.why
    assert told.hint.startswith('give 1 row a key or delete them (WHERE "id" IS NULL), then rebuild the table')
    make(tmp_path / "f.db", "DELETE FROM t WHERE id IS NULL")
    (told,) = problems(tmp_path, T)
    assert "no row has it now" in told.why
    make(tmp_path / "f.db", told.hint.partition("NOT NULL: ")[2])
    assert problems(tmp_path, T) == []
    with closing(sqlite3.connect(tmp_path / "f.db")) as db:
        assert db.execute("SELECT id, n, v, twice FROM t").fetchall() == [("a", 2.0, "x", 4.0)]
        db.execute("INSERT INTO t (id) VALUES ('b')")
        assert db.execute("SELECT n, v FROM t WHERE id = 'b'").fetchall() == [(1.5, "x")], "defaults and triggers are there"
        assert db.execute("SELECT id FROM seen").fetchall() == [("a",), ("b",)]
        for refused in ("INSERT INTO t (id) VALUES (NULL)", "INSERT INTO t (id, n) VALUES ('c', -1)"):
            with pytest.raises(sqlite3.IntegrityError):
                db.execute(refused)
        names = {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE sql IS NOT NULL")}
        assert names == {"other", "t", "by_n", "touch", "seen"}


GOOD = (
    "CREATE TABLE t (id INTEGER PRIMARY KEY, v)",
    "CREATE TABLE t (id TEXT NOT NULL PRIMARY KEY, v)",
    "CREATE TABLE t (id TEXT PRIMARY KEY, v) STRICT".replace("v)", "v ANY)"),
    "CREATE TABLE t (id TEXT PRIMARY KEY, v) WITHOUT ROWID",
    "CREATE TABLE t (local INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, v)",
    "CREATE TABLE t (id BLOB NOT NULL, v); CREATE UNIQUE INDEX i ON t(id)",
    "CREATE TABLE t (v, g AS (v || 1), id INT NOT NULL, PRIMARY KEY (id DESC))",
)


@pytest.mark.parametrize("schema", GOOD)
def test_ordinary_tables_of_every_form_are_fine(tmp_path: Path, schema: str) -> None:
    make(tmp_path / "f.db", schema)
    assert problems(tmp_path, T) == []


def test_everything_is_said_at_once(tmp_path: Path) -> None:
    make(tmp_path / "f.db", "PRAGMA encoding='UTF-16'; CREATE TABLE t (id TEXT COLLATE NOCASE PRIMARY KEY, v AS (1))")
    found = problems(
        tmp_path, T, Collection("no", ("id",), ("id",)), Collection("same", ("id",), ("id",), tables={"here": "t"})
    )
    assert len(found) >= 6
    assert {problem.where.get("collection") for problem in found} == {None, "t", "no", "same"}


def test_advice_is_no_obstacle(tmp_path: Path) -> None:
    schema = (
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v); CREATE TRIGGER mine AFTER INSERT ON t BEGIN DELETE FROM t WHERE v = 0; END"
    )

    async def story() -> None:
        async with office(tmp_path, schema, T, wal=False) as here:
            assert await here.peer.check([T]) == []
            found = " ".join(await here.peer.advice([T]))
            assert "WAL" in found
            assert "mine" in found
            assert "applying" in found

    run(story())


def test_a_file_that_is_to_be_created_is_not_touched_before_setup(tmp_path: Path) -> None:
    async def story() -> None:
        peer = open_peer("here", f"sqlite:///{tmp_path}/new.db?create=1")
        assert (await peer.connect()).fresh
        assert await peer.inspect() == {}
        assert [problem.what for problem in await peer.check([T])] == ["there is no table t"]
        assert await peer.advice([T]) == []
        await peer.teardown()
        assert list(tmp_path.iterdir()) == []
        assert (await peer.setup([])).fresh
        assert not (await peer.connect()).fresh
        await peer.close()

    run(story())
