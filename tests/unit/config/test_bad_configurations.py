"""Every class of bad configuration: a named problem with its line, cause and fix, all at once, and nothing is created."""

import errno
import os
from pathlib import Path
from textwrap import dedent

import pytest

from syncline.config.load import draft, load
from syncline.model import limits
from syncline.model.errors import ConfigError, Problem

GOOD = """\
space: crm
log: sqlite
peers:
  hq: sqlite:///hq.db
  van: sqlite:///van.db
collections:
  customers:
    key: [id]
    merge:
      default: newest
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the two files that GOOD names."""
    for name in ("hq.db", "van.db"):
        (tmp_path / name).touch()
    return tmp_path


def problems_of(folder: Path, text: str | bytes) -> tuple[Problem, ...]:
    """The problems of a text; the folder's listing must not change by looking at it."""
    path = folder / "crm.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    before = sorted(folder.rglob("*"))
    with pytest.raises(ConfigError) as caught:
        load(path, environ={"SET": "value"})
    assert sorted(folder.rglob("*")) == before
    return caught.value.problems


def changed(line: int, new: str) -> str:
    """GOOD with one line replaced."""
    lines = GOOD.splitlines()
    lines[line - 1] = new
    return "\n".join(lines) + "\n"


# text, code, line, a piece of the message
CASES: tuple[tuple[str, str, str, int, str], ...] = (
    ("tab", changed(5, "\tvan: sqlite:///van.db"), "SYN-C03", 5, "tab"),
    ("tab after spaces", changed(8, "    \tkey: [id]"), "SYN-C03", 8, "tab"),
    ("open bracket", changed(8, "    key: [id"), "SYN-C03", 9, "begins in line 8"),
    ("open quote", changed(2, 'log: "x'), "SYN-C03", 11, "begins in line 2"),
    ("tag", changed(2, "log: !!python/object/apply:os.system [ls]"), "SYN-C03", 2, "tag"),
    ("second document", GOOD + "---\nspace: b\n", "SYN-C03", 11, "second document"),
    ("empty", "# nothing here\n", "SYN-C03", 1, "empty"),
    ("no alias", changed(2, "log: *nothing"), "SYN-C03", 2, "alias"),
    ("recursive alias", changed(2, "log: &a [*a]"), "SYN-C03", 2, "alias"),
    ("list as a key", changed(2, "[a]: 1"), "SYN-C03", 2, "key is not a word"),
    ("nesting", changed(2, "log: " + "[" * 60), "SYN-C03", 2, "nested too deeply"),
    ("control character", changed(2, "log: a\x01b"), "SYN-C03", 2, "U+0001"),
    ("duplicate key", changed(2, "space: other"), "SYN-C04", 2, "'space' stands twice"),
    ("duplicate peer", changed(5, "  hq: x\n  van: sqlite:///van.db"), "SYN-C04", 5, "already stands in line 4"),
    ("unknown key", changed(2, "logs: sqlite"), "SYN-C05", 2, "did you mean 'log'?"),
    ("unknown collection key", changed(8, "    keys: [id]"), "SYN-C05", 8, "did you mean 'key'?"),
    ("unknown setting", GOOD + "settings: {retention: 30d}\n", "SYN-C05", 11, "retention_seconds"),
    ("merge key", changed(8, "    <<: {key: [id]}"), "SYN-C05", 8, "'<<'"),
    ("no space", changed(1, ""), "SYN-C06", 2, "space has no name"),
    ("no peers", "space: a\ncollections: {c: }\n", "SYN-C06", 1, "no peers"),
    ("peers empty", "space: a\npeers:\ncollections: {c: }\n", "SYN-C06", 1, "no peers"),
    ("one peer", changed(5, ""), "SYN-C06", 4, "at least two peers"),
    ("no collections", "\n".join(GOOD.splitlines()[:5]), "SYN-C06", 1, "no collections"),
    ("collections empty", "\n".join(GOOD.splitlines()[:6]), "SYN-C06", 6, "no collections"),
    ("root is a list", "[1, 2]\n", "SYN-C07", 1, "must be a mapping"),
    ("space is a number", changed(1, "space: 12"), "SYN-C07", 1, '"12"'),
    ("space is a list", changed(1, "space: [a]"), "SYN-C07", 1, "a list stands here"),
    ("log is a mapping", changed(2, "log: {a: b}"), "SYN-C07", 2, "log must be text"),
    ("peers is a list", "space: a\npeers: [hq, van]\ncollections: {c: }\n", "SYN-C07", 2, "peers must be a mapping"),
    ("address is nothing", changed(5, "  van:"), "SYN-C07", 5, "peer van"),
    ("collections is text", "\n".join([*GOOD.splitlines()[:5], "collections: customers"]), "SYN-C07", 6, "must be a mapping"),
    ("collection is text", "\n".join([*GOOD.splitlines()[:6], "  customers: yes"]), "SYN-C07", 7, "text stands here"),
    ("key is a number", changed(8, "    key: 5"), "SYN-C07", 8, "list of names"),
    ("key of numbers", changed(8, "    key: [5]"), "SYN-C07", 8, "an item of key"),
    ("table is a number", changed(8, "    at: {van: 5}"), "SYN-C07", 8, "table's name must be text"),
    ("policy is a list", changed(10, "      city: [newest]"), "SYN-C07", 10, "column city"),
    ("deletes", changed(8, "    deletes: update_win"), "SYN-C07", 8, "did you mean 'update_wins'?"),
    ("deletes is a list", changed(8, "    deletes: [newest]"), "SYN-C07", 8, "deletes must be a word"),
    ("direction", changed(8, "    direction: {van: in}"), "SYN-C07", 8, "both, send, receive"),
    ("nobody sends", changed(8, "    direction: {van: receive, hq: receive}"), "SYN-C07", 8, "nothing can flow"),
    (
        "a silent authority",
        changed(8, "    direction: {van: receive}\n    authority: van"),
        "SYN-C07",
        9,
        "cannot be the authority",
    ),
    ("nobody receives", changed(8, "    direction: {van: send, hq: send}"), "SYN-C07", 8, "every peer only sends"),
    ("settings is a list", GOOD + "settings: [a]\n", "SYN-C07", 11, "settings must be a mapping"),
    ("duration", GOOD + "settings: {stale_seconds: 3 days}\n", "SYN-C07", 11, "90s, 12h or 30d"),
    ("no duration", GOOD + "settings: {stale_seconds: 0}\n", "SYN-C07", 11, "out of range"),
    ("endless", GOOD + "settings: {stale_seconds: .inf}\n", "SYN-C07", 11, "a duration"),
    ("long", GOOD + "settings: {stale_seconds: 999999w}\n", "SYN-C07", 11, "at most 100 years"),
    ("share", GOOD + "settings: {guard_delete_share: half}\n", "SYN-C07", 11, "a share"),
    ("large share", GOOD + "settings: {guard_delete_share: 101%}\n", "SYN-C07", 11, "out of range"),
    ("count", GOOD + "settings: {batch_rows: 1.5}\n", "SYN-C07", 11, "whole number"),
    ("negative count", GOOD + "settings: {batch_rows: -1}\n", "SYN-C07", 11, "whole number"),
    ("zero count", GOOD + "settings: {batch_rows: 0}\n", "SYN-C07", 11, "out of range"),
    ("large count", GOOD + f"settings: {{batch_rows: {'9' * 50}}}\n", "SYN-C07", 11, "out of range"),
    ("space's name", changed(1, "space: ../x"), "SYN-C08", 1, "'../x' is not a name"),
    ("peer's name", changed(5, "  my van: sqlite:///van.db"), "SYN-C08", 5, "'my van' is not a name"),
    ("long name", changed(1, f"space: {'x' * 64}"), "SYN-C08", 1, "at most 63"),
    ("collection's name", changed(7, '  "a\\0b":'), "SYN-C08", 7, "control characters"),
    ("collection without a name", changed(7, "  ~:"), "SYN-C08", 7, "no name"),
    ("column's name", changed(10, '      "a\\nb": newest'), "SYN-C08", 10, "control characters"),
    ("no scheme", changed(5, "  van: van.db"), "SYN-C09", 5, "sqlite:///van.db"),
    ("unknown scheme", changed(5, "  van: sqlit:///van.db"), "SYN-C09", 5, "did you mean 'sqlite'?"),
    ("two slashes", changed(5, "  van: sqlite://van.db"), "SYN-C09", 5, "three slashes: sqlite:///van.db"),
    ("no file named", changed(5, "  van: sqlite:///"), "SYN-C09", 5, "names no file"),
    ("in memory", changed(5, '  van: "sqlite:///:memory:"'), "SYN-C09", 5, "names no file"),
    ("option", changed(5, "  van: sqlite:///van.db?creat=1"), "SYN-C09", 5, "did you mean 'create'?"),
    ("option's value", changed(5, "  van: sqlite:///van.db?create=maybe"), "SYN-C09", 5, "create=1"),
    ("a folder", changed(5, "  van: sqlite:///."), "SYN-C09", 5, "is a folder"),
    ("log's scheme", changed(2, "log: redi://h"), "SYN-C09", 2, "unknown kind of log"),
    ("log is a folder", changed(2, "log: ."), "SYN-C09", 2, "is a folder"),
    ("long path", changed(5, f"  van: sqlite:///{'x' * 300}"), "SYN-C09", 5, "cannot be a file"),
    ("at names no peer", changed(8, "    at: {vann: kunden}"), "SYN-C10", 8, "did you mean 'van'?"),
    ("direction names no peer", changed(8, "    direction: {mars: both}"), "SYN-C10", 8, "hq, van"),
    ("authority names no peer", changed(8, "    authority: mars"), "SYN-C10", 8, "unknown peer 'mars'"),
    ("prefer names no peer", changed(10, "      city: {prefer: [mars]}"), "SYN-C10", 10, "column city"),
    ("unknown policy", changed(10, "      city: newst"), "SYN-C11", 10, "did you mean 'newest'?"),
    ("unknown default", changed(10, "      default: lww"), "SYN-C11", 10, "use one of: newest"),
    ("unknown policy with argument", changed(10, "      city: {lww: 5}"), "SYN-C11", 10, "unknown policy 'lww'"),
    ("argument missing", changed(10, "      city: prefer"), "SYN-C11", 10, "{prefer: [hq]}"),
    ("argument not wanted", changed(10, "      city: {counter: 5}"), "SYN-C11", 10, "takes no argument"),
    ("prefer nobody", changed(10, "      city: {prefer: []}"), "SYN-C11", 10, "at least one peer"),
    ("prefer twice", changed(10, "      city: {prefer: [hq, hq]}"), "SYN-C11", 10, "twice"),
    ("set by letters", changed(10, "      city: {set: abc}"), "SYN-C11", 10, "cannot separate"),
    ("no rule", changed(10, "      city: {rule: 'ours +'}"), "SYN-C11", 10, "column city"),
    ("rule that runs code", changed(10, "      city: {rule: '__import__(1)'}"), "SYN-C11", 10, "not one that Syncline runs"),
    ("no function", changed(10, "      city: {custom: 'os.system'}"), "SYN-C11", 10, "module and a function"),
    ("no function as a word", changed(10, "      city: python:os"), "SYN-C11", 10, "module and a function"),
    ("rule is a number", changed(10, "      city: {rule: 5}"), "SYN-C07", 10, "argument of 'rule'"),
    ("no policy", changed(10, "      city:"), "SYN-C11", 10, "no policy stands here"),
    ("empty key", changed(8, "    key: []"), "SYN-C13", 8, "needs a key"),
    ("key is nothing", changed(8, "    key:"), "SYN-C13", 8, "needs a key"),
    ("key twice", changed(8, "    key: [id, id]"), "SYN-C04", 8, "stands twice in the key"),
    ("no file", changed(5, "  van: sqlite:///gone.db"), "SYN-C15", 5, "?create=1"),
    ("no folder", changed(5, "  van: sqlite:///gone/van.db?create=1"), "SYN-C15", 5, "mkdir -p"),
    ("log's folder", changed(2, "log: gone/crm.db"), "SYN-C15", 2, "mkdir -p"),
    ("one file twice", changed(5, "  van: sqlite:///./hq.db"), "SYN-C16", 5, "hq and van are the same place"),
    ("log is a peer", changed(2, "log: hq.db"), "SYN-C16", 2, "log and peer hq"),
    ("one table twice", GOOD + "  people:\n    at: {van: customers}\n", "SYN-C16", 12, "same table 'customers'"),
    ("variable", changed(5, "  van: sqlite:///${env:GONE}"), "SYN-C17", 5, "'GONE' is not set"),
    ("secret file", changed(5, "  van: sqlite:///${file:gone}"), "SYN-C17", 5, "No such file"),
    ("reference", changed(5, "  van: sqlite:///${vault:x}"), "SYN-C17", 5, "cannot be read"),
    ("planned peer", changed(5, "  van: duckdb:///x.duckdb"), "SYN-C18", 5, "not available yet"),
    ("planned log", changed(2, "log: nats://h:4222"), "SYN-C18", 2, "not available yet"),
    ("where", changed(8, "    where: {van: \"region = 'EU'\"}"), "SYN-C18", 8, "selective sync is not available yet"),
    ("columns", changed(8, "    columns: {van: [id]}"), "SYN-C18", 8, "selective sync is not available yet"),
)


@pytest.mark.parametrize(("text", "code", "line", "piece"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_one_mistake_is_one_problem_with_line_and_fix(folder: Path, text: str, code: str, line: int, piece: str) -> None:
    (problem,) = problems_of(folder, text)
    assert (problem.code, problem.line) == (code, line), problem.text()
    assert piece in problem.text()
    assert problem.hint, "a problem must say how to fix it"
    assert problem.text().startswith(f"{folder / 'crm.yaml'}:{line}: {code} ")
    shown = problem.as_json()
    assert (shown["line"], shown["code"], shown["fix"]) == (line, code, problem.hint)


def test_all_problems_of_a_file_are_told_at_once_in_the_order_of_the_text(folder: Path) -> None:
    text = dedent("""\
        space: crm
        lag: sqlite
        peers:
          hq: sqlite:///hq.db
          van: sqlite:///gone.db
        collections:
          customers:
            key: []
            at: {munich: kunden}
            merge:
              city: newst
              balance: 5
            deletes: [newest]
        settings:
          batch_rows: many
        """)
    found = problems_of(folder, text)
    assert [(problem.line, problem.code) for problem in found] == [
        (2, "SYN-C05"), (5, "SYN-C15"), (8, "SYN-C13"), (9, "SYN-C10"), (11, "SYN-C11"), (12, "SYN-C11"), (13, "SYN-C07"),
        (15, "SYN-C07"),
    ]  # fmt: skip


def test_a_peer_with_a_bad_address_may_still_be_named(folder: Path) -> None:
    text = changed(5, "  van: nowhere").replace("    key: [id]", "    at: {van: kunden}")
    assert [problem.code for problem in problems_of(folder, text)] == ["SYN-C09"]


def test_latin_1_is_refused_with_its_line(folder: Path) -> None:
    (problem,) = problems_of(folder, GOOD.replace("crm", "m\xfcnchen").encode("latin-1"))
    assert (problem.code, problem.line) == ("SYN-C03", 1)
    assert "UTF-8" in problem.text()


def test_a_file_over_the_limit_is_refused(folder: Path) -> None:
    (problem,) = problems_of(folder, b"# " + b"x" * limits.CONFIG_BYTES_MAX)
    assert problem.code == "SYN-C03"
    assert "too large" in problem.what


def test_x9_a_bomb_of_aliases_is_refused(folder: Path) -> None:
    rows = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]" for old, new in zip("abcdefgh", "bcdefghi", strict=True)]
    (problem,) = problems_of(folder, "\n".join(rows))
    assert problem.code == "SYN-C03"
    assert "too many values" in problem.what


def test_too_many_peers_are_refused(folder: Path) -> None:
    extra = "".join(f"  p{number}: sqlite:///p{number}.db?create=1\n" for number in range(limits.PEERS_MAX))
    text = GOOD.replace("collections:", extra + "collections:")
    (problem,) = problems_of(folder, text)
    assert f"more than {limits.PEERS_MAX} peers" in problem.what


def test_a_flood_of_problems_is_cut_and_said_to_be(folder: Path) -> None:
    path = folder / "crm.yaml"
    path.write_text(GOOD + "".join(f"word{number}: 1\n" for number in range(limits.CONFIG_PROBLEMS_MAX + 5)))
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert len(caught.value.problems) == limits.CONFIG_PROBLEMS_MAX
    assert f"{limits.CONFIG_PROBLEMS_MAX + 5} problems" in caught.value.what
    assert f"the first {limits.CONFIG_PROBLEMS_MAX} are listed" in caught.value.what


def test_a_hard_link_is_the_same_file(folder: Path) -> None:
    (folder / "link.db").hardlink_to(folder / "hq.db")
    (problem,) = problems_of(folder, changed(5, "  van: sqlite:///link.db"))
    assert problem.code == "SYN-C16"


def test_no_file_no_folder_no_path(tmp_path: Path) -> None:
    for path, piece in ((tmp_path / "gone.yaml", "there is no"), (tmp_path, "is a folder"), ("a\0b", "cannot be read")):
        with pytest.raises(ConfigError) as caught:
            load(path)
        assert caught.value.code == "SYN-C01"
        assert piece in caught.value.what
        assert caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_a_file_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "crm.yaml")
    assert caught.value.why == "Permission denied"
    assert caught.value.hint


def test_missing_files_of_peers_may_be_allowed(folder: Path) -> None:
    path = folder / "crm.yaml"
    path.write_text(changed(5, "  van: sqlite:///gone.db"))
    assert load(path, absent_ok=True).peers["van"].url == f"sqlite:///{folder}/gone.db"


def test_what_can_be_read_is_kept_beside_the_problems(folder: Path) -> None:
    path = folder / "crm.yaml"
    path.write_text(changed(10, "      city: newst") + "      name: text\n")
    result = draft(path)
    assert len(result.problems) == 1
    assert set(result.space.peers) == {"hq", "van"}
    assert {name: policy.name for name, policy in result.space.collections["customers"].merge.items()} == {"name": "text"}
