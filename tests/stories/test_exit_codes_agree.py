"""The exit code follows from the cause, whichever verb meets it: text 2, a peer or the log 3, the peers' tables 1."""

from collections.abc import Callable

import pytest
from tests.stories.space import Space

LOOKING = ("check", "plan", "run", "run --until-idle", "verify")  # these look at all peers
ASKING = ("pause", "resume van --approve", "teardown --yes", "verify --repair")  # and these before they do anything
READING = ("status", "conflicts list", "parked list", "history customers 1")  # these ask the log


def _no_table(space: Space) -> None:
    space.write("van", "DROP TABLE customers")


def _loose_key(space: Space) -> None:
    space.write("van", "DROP TABLE customers")
    with space.open("van") as connection:
        connection.execute("CREATE TABLE customers (id TEXT PRIMARY KEY, name TEXT)")
    with space.open("hq") as connection:
        connection.execute("DROP TABLE customers")
        connection.execute("CREATE TABLE customers (id TEXT PRIMARY KEY, name TEXT)")
    space.configure(collections="{}")


def _missing_column(space: Space) -> None:
    space.write("van", "ALTER TABLE customers DROP COLUMN iban")


def _no_database(space: Space) -> None:
    space.file("van").write_text("id,name\n1,Ada\n" * 500)


def _typo(space: Space) -> None:
    space.configure(collections="{merge: {balance: countre}}")


def _wrong_column(space: Space) -> None:
    space.configure(collections="{merge: {blance: counter}}")


def _no_file(space: Space) -> None:
    space.move("van", "away")


def _no_log(space: Space) -> None:
    space.log.write_text("my diary\n" * 600)


def _both(space: Space) -> None:
    _no_table(space)
    space.file("hq").write_text("id,name\n1,Ada\n" * 500)


CAUSES: dict[str, tuple[Callable[[Space], None], int, str]] = {
    "missing table": (_no_table, 1, "SYN-C20"),
    "missing column": (_missing_column, 1, "SYN-C19"),
    "key may be NULL": (_loose_key, 1, "SYN-C13"),
    "no database": (_no_database, 3, "SYN-P04"),
    "policy misspelt": (_typo, 2, "SYN-C11"),
    "column misspelt": (_wrong_column, 2, "SYN-C12"),
    "no file": (_no_file, 2, "SYN-C15"),
    "no log": (_no_log, 3, "SYN-L01"),
    "a table and a database": (_both, 3, "SYN-P04"),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_f14_every_verb_that_meets_a_cause_ends_with_the_same_code(space: Space, cause: str) -> None:
    spoil, code, name = CAUSES[cause]
    spoil(space)
    for verb in LOOKING:
        told = space.verb(*verb.split(), code=code)
        assert name in told.codes, f"{verb}: {told.text}"
    if cause != "no log":
        assert not space.log.exists(), "nothing was created"


@pytest.mark.parametrize("cause", ["no database", "no file", "key may be NULL"])
def test_f14_so_it_is_once_the_space_has_a_log(space: Space, cause: str) -> None:
    """A file that is gone is then no mistake of the text, but a peer that cannot be reached; the others go on without it."""
    space.settle()
    spoil, code, name = CAUSES[cause]
    spoil(space)
    code, name = (3, "SYN-P02") if cause == "no file" else (code, name)
    for verb in ("check", "plan"):
        assert name in space.verb(verb, code=code).codes, verb
    for verb in READING:
        assert space.verb(*verb.split(), code=0).codes == [], verb
    if cause == "no file":
        told = space.status()["peers"]["van"]
        assert (told["state"], told["stage"], "SYN-P02" in told["reason"]) == ("waiting", "live", True)


@pytest.mark.parametrize("verb", ASKING)
@pytest.mark.parametrize("cause", ["policy misspelt", "no database"])
def test_f14_verbs_that_decide_meet_the_same_causes_with_the_same_codes(space: Space, verb: str, cause: str) -> None:
    spoil, code, name = CAUSES[cause]
    spoil(space)
    if cause == "no database" and verb == "resume van --approve":
        code, name = 2, "SYN-U01"  # it has not taken part yet, which is told without a look at it
    assert name in space.verb(*verb.split(), code=code).codes


@pytest.mark.parametrize(
    ("words", "code", "name"),
    [
        (("hq.db", "gone.db"), 2, "SYN-C15"),
        (("hq.db", "hq.db"), 2, "SYN-C16"),
        (("hq.db", "text.db"), 3, "SYN-P04"),
        (("hq.db", "bare.db"), 1, "SYN-C20"),
    ],
)
def test_f14_init_too(space: Space, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], code: int, name: str) -> None:
    (space.folder / "text.db").write_text("id,name\n1,Ada\n" * 500)
    (space.folder / "bare.db").touch()
    space.config.unlink()
    monkeypatch.chdir(space.folder)
    told = space.raw("init", *words, "--json")
    assert told.code == code, told.text
    assert name in told.codes
