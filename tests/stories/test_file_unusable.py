"""A file cannot be used: no database, damaged, locked, or not to be written. A named error, nothing lost, and on it goes."""

import os
import random
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing

import pytest
from tests.stories.conftest import MakeSpace
from tests.stories.space import Space

# For root permissions do not bind, unless it gives that power away.
BOUND = ("setpriv", "--inh-caps=-dac_override,-dac_read_search", "--bounding-set=-dac_override,-dac_read_search")
MAY_BE_BOUND = os.geteuid() != 0 or shutil.which("setpriv") is not None


def _text(space: Space) -> None:
    space.file("van").write_text("id,name\n1,Ada\n" * 500)


def _half(space: Space) -> None:
    whole = space.file("van").read_bytes()
    space.file("van").write_bytes(whole[: len(whole) // 2])


def _noise(space: Space) -> None:
    whole = space.file("van").read_bytes()
    space.file("van").write_bytes(whole[:4096] + random.Random(3).randbytes(len(whole) - 4096))


def _begin(space: Space) -> None:
    space.write("hq", "INSERT INTO customers (id, name) VALUES (1, 'Ada')")


@pytest.mark.parametrize(
    ("spoil", "what"),
    [(_text, "this is not an SQLite database"), (_half, "the database is damaged"), (_noise, "the database is damaged")],
)
def test_f14_a_file_that_is_no_sound_database_is_named_before_anything_is_touched(
    space: Space, spoil: Callable[[Space], None], what: str
) -> None:
    _begin(space)
    with space.open("van") as connection:  # so that there is more than one page
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    spoil(space)
    before = {name: space.file(name).read_bytes() for name in space.peers}
    for verb in ("run", "plan", "check"):
        told = space.verb(verb, code=3)
        assert told.codes == ["SYN-P04"]
        error = told.data["problems"][0] if verb == "check" else told.data["error"]
        assert (error["what"], error["where"]["peer"], bool(error["fix"])) == (what, "van", True)
        assert "Traceback" not in told.text
    assert {name: space.file(name).read_bytes() for name in space.peers} == before
    assert not space.log.exists()


@pytest.mark.parametrize("address", ["hq.db/van.db?create=1", "nowhere/van.db?create=1"])
def test_f14_a_path_below_a_file_or_in_no_folder_is_refused_with_its_line(space: Space, address: str) -> None:
    space.config.write_text(space.config.read_text().replace("van.db", address))
    told = space.verb("run", code=2)
    assert [(one["code"], one["line"]) for one in told.data["problems"]] == [("SYN-C15", 5)]
    assert sorted(path.name for path in space.folder.iterdir()) == ["hq.db", "syncline.yaml", "van.db"]


def test_f14_a_log_that_is_another_kind_of_file_is_left_alone(space: Space) -> None:
    _begin(space)
    space.log.write_text("my diary\n" * 600)
    assert space.verb("run", code=3).codes == ["SYN-L01"]
    assert space.log.read_text() == "my diary\n" * 600
    shutil.copy(space.file("hq"), space.log)  # a database, but not a log
    before = space.log.read_bytes()
    assert space.verb("run", code=3).codes == ["SYN-L01"]
    assert space.log.read_bytes() == before


@pytest.mark.skipif(not MAY_BE_BOUND, reason="root without setpriv: permissions cannot be made to bind")
@pytest.mark.parametrize(("modes", "word"), [((0o400, 0o700), "file"), ((0o600, 0o500), "folder"), ((0o000, 0o700), "file")])
def test_f14_without_the_right_to_write_it_is_named_and_goes_on_once_there_is_one(
    make: MakeSpace, modes: tuple[int, int], word: str
) -> None:
    space = make(("hq", "van"))
    inner = space.folder / "van"
    inner.mkdir()
    space.file("van").rename(inner / "van.db")
    space.config.write_text(space.config.read_text().replace("///van.db", "///van/van.db"))
    _begin(space)
    (inner / "van.db").chmod(modes[0])
    inner.chmod(modes[1])
    prefix = BOUND if os.geteuid() == 0 else ()
    words = ("-m", "syncline", "run", "--until-idle", str(space.config), "--json")
    try:
        assert space.spawn("bound", *words, prefix=prefix).wait(60) == 3
    finally:
        inner.chmod(0o700)
        (inner / "van.db").chmod(0o600)
    said = space.said("bound")
    assert "SYN-P04" in said
    assert "may not be" in said
    assert "Traceback" not in said
    assert word in said
    assert space.spawn("bound", *words, prefix=prefix).wait(60) == 0
    with closing(sqlite3.connect(inner / "van.db")) as connection:
        assert connection.execute("SELECT name FROM customers").fetchall() == [("Ada",)]


@pytest.mark.parametrize("journal", ["WAL", "DELETE"])
def test_t13_f16_a_locked_file_is_waited_for_and_the_others_go_on(make: MakeSpace, journal: str) -> None:
    space = make(("hq", "lab", "van"))
    _begin(space)
    with space.open("van") as connection:
        connection.execute(f"PRAGMA journal_mode={journal}").fetchall()
    space.settle()
    space.start()
    with space.open("van") as connection:
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("UPDATE customers SET balance = balance + 1")
        space.write("hq", "UPDATE customers SET balance = balance + 10")
        space.wait_equal(peers=("hq", "lab"))
        space.wait(lambda: "SYN-P03" in space.state("van"), "the lock is told")
        connection.execute("COMMIT")
    space.wait_equal()
    assert space.value("lab", "SELECT balance FROM customers") == 11
    assert space.stop() == 0


def test_t13_verbs_ask_the_running_hub_and_open_no_locked_file(make: MakeSpace) -> None:
    space = make(("hq", "lab", "van"))
    _begin(space)
    with space.open("van") as connection:
        connection.execute("PRAGMA journal_mode=DELETE").fetchall()
    space.settle()
    space.start()
    with space.open("van") as connection:
        connection.execute("BEGIN EXCLUSIVE")
        space.verb("pause", "lab")
        space.verb("resume", "lab")
        connection.execute("COMMIT")
    assert space.stop() == 0


def test_t13_a_file_that_is_locked_for_a_moment_is_waited_for_without_a_hub(make: MakeSpace) -> None:
    space = make()
    _begin(space)
    with space.open("van") as connection:
        connection.execute("PRAGMA journal_mode=DELETE").fetchall()
    space.settle()
    for words in (("verify",), ("run", "--until-idle"), ("check",)):
        with space.open("van") as connection:
            connection.execute("BEGIN EXCLUSIVE")
            verb = space.spawn("verb", "-m", "syncline", *words, "--config", str(space.config), "--json")
            with pytest.raises(subprocess.TimeoutExpired):
                verb.wait(2.5)
            connection.execute("COMMIT")
        assert verb.wait(60) == 0, space.said("verb")
