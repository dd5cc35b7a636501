"""`init` on real SQLite files, and bad configurations whose tables are asked too."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from syncline.cli.main import app
from syncline.config.load import load

TABLES = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, notes TEXT, balance INTEGER);
CREATE TABLE journal (line TEXT);
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with two offices."""
    for name in ("hq.db", "van.db"):
        with sqlite3.connect(tmp_path / name) as connection:
            connection.executescript(TABLES)
        connection.close()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def syncline(*words: str) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(app, list(words))


def listing(folder: Path) -> dict[str, bytes]:
    """Every file with its content."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_init_writes_a_configuration_that_loads(folder: Path) -> None:
    before = listing(folder)
    result = syncline("init", "hq.db", "van.db", "--space", "crm")
    assert result.exit_code == 0, result.output
    assert "wrote syncline.yaml: 2 peers, 1 collection" in result.stdout
    assert "left out journal" in result.stdout
    space = load("syncline.yaml")
    assert (space.name, list(space.peers), list(space.collections)) == ("crm", ["hq", "van"], ["customers"])
    assert "sqlite:///hq.db" in Path("syncline.yaml").read_text()
    assert {name: policy.name for name, policy in space.collections["customers"].merge.items()} == {
        "default": "newest", "notes": "text"
    }  # fmt: skip
    after = listing(folder)
    del after["syncline.yaml"]
    assert after == before, "looking at a peer touches nothing"


def test_init_knows_who_is_only_to_receive(folder: Path) -> None:
    assert syncline("init", "hq.db", "van.db", "--receive", "van").exit_code == 0
    space = load("syncline.yaml")
    assert (space.hears("hq"), space.hears("van")) == (True, False)
    assert space.heard("hq") == {"customers"}
    for names, said in ((["depot"], "no peer 'depot'"), (["hq", "van"], "nothing can flow")):
        words = [word for name in names for word in ("--receive", name)]
        result = syncline("init", "hq.db", "van.db", "--force", *words)
        assert result.exit_code == 2
        assert said in result.stderr


def test_init_says_the_same_as_json(folder: Path) -> None:
    shown = json.loads(syncline("init", "hq.db", "van.db", "--out", "conf/crm.yaml", "--json").stdout)
    assert "there is no folder" in shown["error"]["what"]
    (folder / "conf").mkdir()
    shown = json.loads(syncline("init", "hq.db", f"sqlite:///{folder}/van.db", "--out", "conf/crm.yaml", "--json").stdout)
    assert shown["collections"] == ["customers"]
    assert set(shown["left_out"]) == {"journal"}
    text = Path("conf/crm.yaml").read_text()
    assert "hq: sqlite:///../hq.db" in text
    assert f"van: sqlite:///{folder}/van.db" in text
    assert load("conf/crm.yaml").name == "conf"


def test_init_overwrites_only_by_force(folder: Path) -> None:
    Path("syncline.yaml").write_text("mine")
    refused = syncline("init", "hq.db", "van.db")
    assert refused.exit_code == 2
    assert "--force" in refused.stderr
    assert Path("syncline.yaml").read_text() == "mine"
    assert syncline("init", "hq.db", "van.db", "--force").exit_code == 0
    assert load("syncline.yaml").collections


@pytest.mark.parametrize(
    ("words", "code", "piece"),
    [
        (("hq.db",), 2, "at least two peers"),
        (("hq.db", "gone.db"), 2, "there is no file"),
        (("hq.db", "hq.db"), 2, "named twice"),
        (("hq.db", "redis://h"), 2, "not available yet"),
        (("hq.db", "empty.db"), 1, "no table in common"),
        (("hq.db", "text.db"), 3, "SYN-P04"),
    ],
)
def test_init_refuses_what_it_cannot_look_at(folder: Path, words: tuple[str, ...], code: int, piece: str) -> None:
    Path("empty.db").touch()
    Path("text.db").write_text("this is no database" * 100)
    before = listing(folder)
    result = syncline("init", *words)
    assert result.exit_code == code, result.output
    assert piece in result.stderr
    assert listing(folder) == before


LOOSE = "CREATE TABLE codes (code TEXT PRIMARY KEY, price REAL NOT NULL DEFAULT 1.5)"


def test_d34_init_check_plan_and_run_agree_on_a_key_that_may_be_null(folder: Path) -> None:
    for name in ("hq.db", "van.db"):
        with closing(sqlite3.connect(name)) as db:
            db.execute(LOOSE)
    shown = json.loads(syncline("init", "hq.db", "van.db", "--json").stdout)
    assert shown["collections"] == ["customers"]
    left_out = shown["left_out"]["codes"]
    assert left_out.startswith("a part of the key may be NULL (column code at hq, van)")
    assert "code TEXT PRIMARY KEY NOT NULL" in left_out, "the way out is told"
    assert "codes: a part of the key may be NULL" in Path("syncline.yaml").read_text()
    assert [syncline(*verb.split()).exit_code for verb in ("check", "plan", "run --until-idle")] == [0, 0, 0]
    Path("syncline.yaml").write_text(Path("syncline.yaml").read_text().replace("collections:\n", "collections:\n  codes: {}\n"))
    for verb in ("check", "plan", "run --until-idle", "verify"):
        result = syncline(*verb.split(), "--json")
        assert result.exit_code == 1, result.output
        assert [one["code"] for one in json.loads(result.stdout)["problems"]] == ["SYN-C13"] * 2, verb
    for name in ("hq.db", "van.db"):
        with closing(sqlite3.connect(name)) as db:
            db.executescript(left_out.partition("NOT NULL: ")[2])
    assert [syncline(*verb.split()).exit_code for verb in ("check", "plan", "run --until-idle")] == [0, 0, 0]


def test_a_table_that_one_peer_lacks_is_left_out_with_what_makes_it_there(folder: Path) -> None:
    with closing(sqlite3.connect("hq.db")) as db:
        db.execute(LOOSE.replace("code TEXT", "code TEXT NOT NULL"))
    left_out = json.loads(syncline("init", "hq.db", "van.db", "--json").stdout)["left_out"]["codes"]
    assert left_out.startswith("not at van")
    with closing(sqlite3.connect("van.db")) as db:
        db.executescript(left_out.partition("at: ")[2])
        db.execute("INSERT INTO codes (code) VALUES ('x')")
        assert db.execute("SELECT price FROM codes").fetchall() == [(1.5,)]
        db.rollback()
    assert json.loads(syncline("init", "hq.db", "van.db", "--force", "--json").stdout)["collections"] == ["codes", "customers"]


def test_names_of_offices_are_made_distinct(folder: Path) -> None:
    (folder / "a b").mkdir()
    Path("hq.db").rename(folder / "a b" / "van.db")
    assert syncline("init", "van.db", "a b/van.db").exit_code == 0
    assert list(load("syncline.yaml").peers) == ["van", "van-2"]


BAD = """\
space: crm
lag: sqlite
peers: {hq: sqlite:///hq.db, van: sqlite:///van.db, car: sqlite:///gone.db}
collections:
  customers:
    merge:
      nmae: text
      name: counter
      balance: nwest
  journal:
"""


@pytest.mark.parametrize("verb", ["check", "plan", "run"])
def test_mistakes_in_the_text_and_against_the_tables_are_told_at_once(folder: Path, verb: str) -> None:
    Path("syncline.yaml").write_text(BAD)
    before = listing(folder)
    result = syncline(verb, "--json")
    assert result.exit_code == 2
    found = [(problem["line"], problem["code"]) for problem in json.loads(result.stdout)["problems"]]
    assert found == [
        (2, "SYN-C05"), (3, "SYN-C15"), (7, "SYN-C12"), (8, "SYN-C14"), (9, "SYN-C11"), (10, "SYN-C13"), (10, "SYN-C13")
    ]  # fmt: skip
    assert listing(folder) == before


def test_mistakes_against_the_tables_alone_are_a_bad_configuration_too(folder: Path) -> None:
    Path("syncline.yaml").write_text(
        BAD.replace("lag:", "log:").replace(", car: sqlite:///gone.db", "").replace("nwest", "newest")
    )
    for verb in ("check", "plan", "run"):
        result = syncline(verb)
        assert result.exit_code == 2, result.output
        for code in ("SYN-C12", "SYN-C13", "SYN-C14"):
            assert code in result.output


def test_a_child_table_without_its_parent_is_advised_by_init_and_check(folder: Path) -> None:
    for name in ("hq.db", "van.db"):
        with closing(sqlite3.connect(name)) as db:
            db.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, line TEXT REFERENCES journal(line))")
    assert "its parent table journal is no collection (collection orders)" in syncline("init", "hq.db", "van.db").stdout
    assert "# its parent table journal is no collection" in Path("syncline.yaml").read_text()
    assert "its parent table journal is no collection (collection orders): at hq, van" in syncline("check").stdout


AWAY = """\
space: crm
peers: {hq: sqlite:///hq.db, van: sqlite:///van.db, pg: "postgresql://x@127.0.0.1:1/x", odd: "mariadb://x@127.0.0.1:1/x?odd=1"}
collections:
  customers: {merge: {name: text}}
  journal:
"""


@pytest.mark.parametrize("mistake", [False, True], ids=["tables", "text"])
def test_all_that_can_be_known_is_told_at_once(folder: Path, mistake: bool) -> None:
    with closing(sqlite3.connect("van.db")) as db:
        db.execute("CREATE TABLE _syncline_mine (x)")
    Path("syncline.yaml").write_text(AWAY.replace("text}", "txt}") if mistake else AWAY)
    result = syncline("check", "--json")
    told = json.loads(result.stdout)
    found = [one["code"] + " " + one["where"].get("peer", "") for one in told["problems"]]
    assert sorted(found) == sorted(
        ["SYN-C13 hq", "SYN-C13 van", "SYN-C02 van", "SYN-P02 pg", "SYN-P04 odd", *(["SYN-C11 "] if mistake else [])]
    )
    assert result.exit_code == (2 if mistake else 3)
    assert syncline("plan").exit_code == result.exit_code
    for code in ("SYN-C13", "SYN-C02", "SYN-P02", "SYN-P04"):
        assert code in syncline("run").output
    refused = syncline("init", "hq.db", "postgresql://x@127.0.0.1:1/x", "mariadb://x@127.0.0.1:1/x?odd=1", "--out", "new.yaml")
    assert {line[:7] for line in refused.stderr.splitlines()} == {"SYN-P02", "SYN-P04"}


@pytest.mark.parametrize("place", ["van.db?create=1", "sqlite:///van.db?create=1"])
def test_a_peer_that_is_to_be_created_gets_the_others_tables(folder: Path, place: str) -> None:
    (folder / "van.db").unlink()
    result = syncline("init", "hq.db", place)
    assert result.exit_code == 0, result.output
    assert "wrote syncline.yaml: 2 peers, 1 collection" in result.stdout
    assert load("syncline.yaml").peers["van"].url == f"sqlite:///{folder}/van.db?create=1"
    assert not (folder / "van.db").exists(), "looking at a peer touches nothing"
    for verb in ("check", "plan"):
        assert syncline(verb).exit_code == 0
    done = syncline("run", "--until-idle")
    assert done.exit_code == 0, done.output
    with closing(sqlite3.connect(folder / "van.db")) as made:
        assert made.execute("SELECT count(*) FROM customers").fetchone() == (0,)


def test_what_a_missing_file_is_told_to_be_written_as_can_be_written(folder: Path) -> None:
    refused = syncline("init", "hq.db", "nope.db")
    assert refused.exit_code == 2
    assert "add ?create=1" in refused.stderr
    assert syncline("init", "hq.db", "nope.db?create=1").exit_code == 0


def test_a_file_that_is_named_so_is_that_file(folder: Path) -> None:
    (folder / "van.db").rename(folder / "van.db?create=1")
    assert syncline("init", "hq.db", "van.db?create=1").exit_code == 0
    assert load("syncline.yaml").peers["van"].url == f"sqlite:///{folder}/van.db%3Fcreate=1"


def test_where_all_peers_are_to_be_created_there_is_nothing_to_propose(folder: Path) -> None:
    refused = syncline("init", "a.db?create=1", "b.db?create=1")
    assert refused.exit_code == 2
    assert "no table in common" in refused.stderr
    assert not (folder / "syncline.yaml").exists()
