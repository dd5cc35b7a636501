"""`archive`: DuckDB reads from the files what `history` tells; the next time goes on; what a crash left does not count."""

import asyncio
import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import duckdb
import pytest
from tests.stories.conftest import MakeSpace
from tests.stories.space import SECONDS, Report, Space

from syncline.hub import archiving, folder_claim
from syncline.log.registry import open_log

TABLE = "CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT, n INTEGER, raw BLOB, price REAL, day DATE)"
FILES = "collection=*/part-*.parquet"


def things(make: MakeSpace) -> Space:
    space = make(schema=TABLE, collections={"things": "{merge: {name: manual}}"})
    space.write(
        "hq",
        ("INSERT INTO things VALUES (1, 'one', 7, ?, 0.1, '2026-11-21')", (b"\x00\xff",)),
        "INSERT INTO things VALUES (2, '', 9223372036854775807, NULL, 1e300, NULL)",
        ("INSERT INTO things VALUES (3, ?, 'no number', 'no bytes', 2, 5)", (b"no text",)),
    )
    space.settle()
    return space


def contested(space: Space) -> None:
    """Both write the same field, without knowing of each other; then a row is deleted."""
    space.write("hq", "UPDATE things SET name = 'from hq', n = 8 WHERE id = 1")
    space.write("van", "UPDATE things SET name = 'from van' WHERE id = 1")
    space.write("van", "DELETE FROM things WHERE id = 2")
    space.settle()


def read(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        files = f"read_parquet('{folder}/**/*.parquet', hive_partitioning = true, union_by_name = true)"
        return db.execute(sql.replace("LOG", files)).fetchall()


def listed(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.glob("**/*") if path.is_file())


def test_duckdb_reads_what_history_tells(make: MakeSpace, tmp_path: Path) -> None:
    space, folder = things(make), tmp_path / "archive"
    contested(space)
    told = space.verb("archive", str(folder)).data
    assert told["collections"]["things"]["upto"] == space.status()["log"]["head"]
    columns = (
        'SELECT "offset", row, kind, peer, "to", strftime(time, \'%Y-%m-%dT%H:%M:%S.%g+00:00\'), op, conflict, winner, rule, '
        "after.name, after.n FROM LOG WHERE collection = 'things' AND key.id = ? ORDER BY \"offset\", row"
    )
    for id in (1, 2, 3):
        steps = space.verb("history", "things", str(id)).data["history"]
        found = read(folder, columns.replace("?", str(id)))
        assert len(found) == len(steps) > 0
        for step, row in zip(steps, found, strict=True):
            at, place, kind, peer, to, time, op, conflict, winner, rule, name, n = row
            assert (at, place, kind, to, time) == (step["offset"], step["row"], step["kind"], step.get("to"), step["time"])
            assert (peer or "(syncline)") == step["origin"]
            assert op == (step["change"] if step["change"] != "none" else "update")
            assert conflict == bool(step.get("conflicts"))
            if conflict:
                assert (winner, rule) == (step["conflicts"][0]["winner"], step["conflicts"][0]["rule"])
            if "after" in step:
                assert (name, n) == (cell(step["after"]["name"], str), cell(step["after"]["n"], int))
    assert any(one["conflicts"] for one in map(dict, steps_of(space)) if "conflicts" in one), "there was one"
    ((raw, price, day, rest),) = read(
        folder, "SELECT after.raw, after.price, after.day, rest FROM LOG WHERE key.id = 1 AND kind = 'fill'"
    )
    assert (raw, price, rest) == (b"\x00\xff", "0.1", None)
    assert day == "2026-11-21"
    ((name, n, raw, rest),) = read(
        folder, "SELECT after.name, after.n, after.raw, rest FROM LOG WHERE key.id = 3 AND kind = 'fill'"
    )
    assert (name, n, raw) == (None, None, None), "the types of the columns cannot hold them"
    assert json.loads(rest)["after"] | {"day": 0} == {
        "name": {"bytes": b"no text".hex()}, "n": "no number", "raw": "no bytes", "day": 0
    }  # fmt: skip


def cell(value: Any, kind: type) -> object:
    """A value of a report as a column of this kind has it; None where it cannot hold it."""
    if isinstance(value, dict) and "integer" in value:
        value = int(value["integer"])
    return value if isinstance(value, kind) else None


def steps_of(space: Space) -> list[Report]:
    return list(space.verb("history", "things", "1").data["history"])


def test_the_next_time_goes_on_and_no_change_is_there_twice(make: MakeSpace, tmp_path: Path) -> None:
    space, folder = things(make), tmp_path / "archive"
    first = space.verb("archive", str(folder)).data
    assert first["rows"] == 3
    before = listed(folder)
    assert space.verb("archive", str(folder)).data["rows"] == 0
    assert listed(folder) == before
    contested(space)
    more = space.verb("archive", str(folder)).data
    assert more["rows"] >= 3
    assert set(listed(folder)) > set(before)
    ((rows, distinct),) = read(folder, 'SELECT count(*), count(DISTINCT ("offset", row)) FROM LOG')
    assert rows == distinct == first["rows"] + more["rows"]
    assert space.verb("archive", str(folder), "--verify").data["sound"] is True


def test_each_collection_goes_on_where_it_was(make: MakeSpace, tmp_path: Path) -> None:
    schema = "CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE b (id INTEGER PRIMARY KEY)"
    space, folder = make(schema=schema, collections={"a": "{}", "b": "{}"}), tmp_path / "archive"
    space.write("hq", "INSERT INTO a VALUES (1), (2)", "INSERT INTO b VALUES (1), (2), (3)")
    space.settle()
    assert space.verb("archive", str(folder), "--collection", "a").data["rows"] == 2
    space.write("hq", "INSERT INTO a VALUES (9)", "INSERT INTO b VALUES (9)")
    space.settle()
    assert space.verb("archive", str(folder)).data["rows"] == 1 + 4
    found = read(folder, "SELECT collection, count(*), count(DISTINCT key.id) FROM LOG GROUP BY 1 ORDER BY 1")
    assert found == [("a", 3, 3), ("b", 4, 4)]


def test_the_query_of_the_documentation_reads_one_collection_with_its_own_types(make: MakeSpace, tmp_path: Path) -> None:
    schema = "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT); CREATE TABLE words (id TEXT NOT NULL PRIMARY KEY)"
    space = make(schema=schema, collections={"customers": "{}", "words": "{}"})
    space.write("hq", "INSERT INTO customers VALUES (9, 'Ada'), (10, 'Bob')", "INSERT INTO words VALUES ('x')")
    space.settle()
    space.verb("archive", str(tmp_path / "changes"))
    page = (Path(__file__).parents[2] / "docs" / "time-travel.md").read_text(encoding="utf-8")
    query = page.partition("```sql\n")[2].partition("```")[0].replace("'changes/", f"'{tmp_path}/changes/")
    with duckdb.connect() as db:
        found = db.execute(f"SELECT id, name FROM ({query.strip().rstrip(';')})").fetchall()
    assert found == [(9, "Ada"), (10, "Bob")]


def test_a_new_column_begins_another_part(make: MakeSpace, tmp_path: Path) -> None:
    space, folder = things(make), tmp_path / "archive"
    space.verb("archive", str(folder))
    for peer in space.peers:
        space.write(peer, "ALTER TABLE things ADD COLUMN colour TEXT")
    space.settle()
    space.write("hq", "UPDATE things SET colour = 'red' WHERE id = 1")
    space.settle()
    space.verb("archive", str(folder))
    whole = tmp_path / "whole"
    space.verb("archive", str(whole))
    assert len(list(whole.glob(FILES))) == 2, "the same where it is archived in one go"
    for place in (folder, whole):
        assert read(place, "SELECT after.colour FROM LOG WHERE kind = 'change' AND key.id = 1") == [("red",)]


def test_what_a_crash_left_does_not_count(make: MakeSpace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    space, folder = things(make), tmp_path / "archive"
    space.verb("archive", str(folder))
    contested(space)

    def crash(*_: object) -> None:
        raise OSError("the power went")

    with monkeypatch.context() as patch:  # the part has its name already, and the manifest was not told
        patch.setattr(archiving, "write_manifest", crash)
        space.verb("archive", str(folder), code=70)
    (left,) = [one["file"] for one in space.verb("archive", str(folder), "--verify", code=1).data["problems"]]
    assert (folder / left).exists()
    (folder / "collection=things" / "part-000000000999.parquet.part").write_bytes(b"half")
    (folder / "collection=things" / "part-000000000999-00ff00ff.parquet.part").write_bytes(b"half")
    (folder / "manifest.json.00ff00ff.part").write_bytes(b"half")
    space.verb("archive", str(folder))
    assert not list(folder.glob("**/*.part"))
    ((rows, distinct),) = read(folder, 'SELECT count(*), count(DISTINCT ("offset", row)) FROM LOG')
    assert rows == distinct
    assert space.verb("archive", str(folder), "--verify").data["sound"] is True


@pytest.mark.parametrize("lost", [False, True])
def test_nothing_is_added_to_an_archive_with_a_file_of_another_size(make: MakeSpace, tmp_path: Path, lost: bool) -> None:
    space, folder = things(make), tmp_path / "archive"
    space.verb("archive", str(folder))
    (part,) = folder.glob(FILES)
    part.unlink() if lost else part.write_bytes(part.read_bytes()[:-1])
    contested(space)
    before = listed(folder)
    told = space.verb("archive", str(folder), code=2)
    assert f"part{part.name[4:]} is not {'there' if lost else 'what was written'}" in told.text
    assert "--verify" in told.text
    assert listed(folder) == before


def test_a_file_that_was_changed_or_lost_is_found(make: MakeSpace, tmp_path: Path) -> None:
    space, folder = things(make), tmp_path / "archive"
    space.verb("archive", str(folder))
    contested(space)
    space.verb("archive", str(folder))
    one, other = sorted(folder.glob(FILES))
    data = bytearray(one.read_bytes())
    data[len(data) // 2] ^= 1
    one.write_bytes(data)
    other.unlink()
    told = space.verb("archive", str(folder), "--verify", code=1).data
    assert [problem["problem"] for problem in told["problems"]] == ["it is not what was written", "it is not there"]


def test_a_second_run_beside_one_that_writes_is_refused_and_spoils_nothing(
    make: MakeSpace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space, folder = things(make), tmp_path / "archive"
    whole, codes, write = list[str](), list[int](), archiving.write_manifest

    def meanwhile(place: Path, manifest: archiving.Manifest) -> None:  # the part is whole, and no manifest names it yet
        whole.extend(str(path) for path in folder.glob(FILES))
        other = space.spawn("other", "-m", "syncline", "archive", str(folder), "--config", str(space.config))
        codes.append(other.wait(SECONDS))
        write(place, manifest)

    with monkeypatch.context() as patch:
        patch.setattr(archiving, "write_manifest", meanwhile)
        assert space.verb("archive", str(folder)).data["rows"] == 3
    assert len(whole) == 1
    assert codes == [2], space.said("other")
    said = " ".join(space.said("other").split())
    assert "another archive run is writing in" in said
    assert "Fix: let it end" in said
    assert [str(path) for path in folder.glob(FILES)] == whole
    assert space.verb("archive", str(folder), "--verify").data["sound"] is True
    assert space.verb("archive", str(folder)).data["rows"] == 0, "nobody holds the folder any more"


def test_a_run_that_had_the_folder_just_before_is_not_taken_for_another_log(
    make: MakeSpace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space, folder, claimed = things(make), tmp_path / "archive", folder_claim.claimed

    def late(place: Path) -> AbstractContextManager[None]:  # the log is open already, and goes on before the folder is held
        space.write("hq", "INSERT INTO things (id) VALUES (9)")
        for words in (("run", "--until-idle"), ("archive", str(folder))):
            assert space.spawn("other", "-m", "syncline", *words, "--config", str(space.config)).wait(SECONDS) == 0
        return claimed(place)

    with monkeypatch.context() as patch:
        patch.setattr(archiving, "claimed", late)
        assert space.verb("archive", str(folder)).data["rows"] == 0
    assert space.verb("archive", str(folder), "--verify").data == {
        "archive": str(folder), "sound": True, "files": 1, "rows": 4, "problems": []
    }  # fmt: skip


@pytest.mark.parametrize("words", [(), ("--collection", "b")])
def test_an_archive_does_not_go_on_with_another_log(make: MakeSpace, tmp_path: Path, words: tuple[str, ...]) -> None:
    schema = "CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE b (id INTEGER PRIMARY KEY)"
    space, folder = make(schema=schema, collections={"a": "{}", "b": "{}"}), tmp_path / "archive"
    space.write("hq", "INSERT INTO a VALUES (1), (2)", "INSERT INTO b VALUES (1)")
    space.settle()
    space.verb("archive", str(folder), "--collection", "a")
    upto = manifest(folder)["collections"]["a"]["upto"]
    before = (listed(folder), (folder / "manifest.json").read_bytes())
    for name in (space.log_name, "hq.db", "van.db"):
        for path in space.folder.glob(f"{name}*"):
            path.unlink()
    for peer in space.peers:
        space.build(peer)
    id = 100
    while not space.log.exists() or space.status()["log"]["head"] <= upto:
        space.write("hq", f"INSERT INTO a VALUES ({id})", f"INSERT INTO b VALUES ({id})")
        space.settle()
        id += 1
    told = space.verb("archive", str(folder), *words, code=2)
    assert f"{folder} is the archive of another log" in told.data["error"]["what"]
    assert told.data["error"]["fix"] == "name another folder, which begins anew"
    assert (listed(folder), (folder / "manifest.json").read_bytes()) == before
    space.verb("archive", str(tmp_path / "anew"))


def manifest(folder: Path) -> Report:
    found: Report = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return found


async def trim(space: Space, upto: int) -> None:
    log = open_log(str(space.log), lambda _event: None)
    await log.open()
    await log.trim(upto)
    await log.close()


def test_where_the_log_forgot_what_was_archived_a_person_must_say_that_it_is_this_log(make: MakeSpace, tmp_path: Path) -> None:
    space, folder = things(make), tmp_path / "archive"
    space.verb("archive", str(folder))
    upto = manifest(folder)["collections"]["things"]["upto"]
    contested(space)
    asyncio.run(trim(space, upto))
    error = space.verb("archive", str(folder), code=2).data["error"]
    assert error["what"] == f"whether {folder} is an archive of this log cannot be checked"
    assert error["why"] == f"the log was trimmed up to {upto}, and the archive ends at {upto}"
    assert error["fix"] == f"name another folder, which begins anew; if you know that it is this log: --from {upto}"
    assert space.verb("archive", str(folder), "--from", str(upto)).data["rows"] >= 3
    assert manifest(folder)["collections"]["things"]["gaps"] == []
    space.verb("archive", str(folder))


def test_an_archive_without_marks_is_taken_once_and_has_them_then(make: MakeSpace, tmp_path: Path) -> None:
    space, folder = things(make), tmp_path / "archive"
    space.verb("archive", str(folder))
    whole = manifest(folder)
    kept = whole["collections"]["things"]
    assert (kept["began"]["offset"], kept["ended"]["offset"]) == (1, space.status()["log"]["head"])
    mark = kept["ended"]
    del kept["began"], kept["ended"]
    (folder / "manifest.json").write_text(json.dumps(whole), encoding="utf-8")
    assert space.verb("archive", str(folder)).data["rows"] == 0
    again = manifest(folder)
    assert again["collections"]["things"]["ended"] == mark
    again["collections"]["things"]["ended"]["fingerprint"] = "0.0."
    (folder / "manifest.json").write_text(json.dumps(again), encoding="utf-8")
    told = space.verb("archive", str(folder), code=2)
    assert "is the archive of another log" in told.data["error"]["what"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("new", "--from", "99999"), "is after the end of the log"),
        (("old", "--from", "1"), "this archive goes on after"),
        (("old", "--verify", "--from", "1"), "--verify looks at all files"),
        (("new", "--verify"), "there is no archive in"),
        (("new", "--collection", "nothing"), "there is no collection nothing"),
    ],
)
def test_what_cannot_be_archived_is_an_error_with_a_fix(
    make: MakeSpace, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    space = things(make)
    space.verb("archive", str(tmp_path / "old"))
    told = space.verb("archive", str(tmp_path / words[0]), *words[1:], code=2)
    assert said in told.text
    assert "Fix: " in told.text
    assert not (tmp_path / "new").exists(), "what is refused leaves no folder"


def test_without_pyarrow_the_command_that_installs_it_is_told(
    make: MakeSpace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = things(make)

    def absent(name: str) -> None:
        raise ModuleNotFoundError(f"No module named 'pyarrow' (for {name})", name="pyarrow")

    monkeypatch.setattr("syncline.hub.optional.importlib.import_module", absent)
    for words in (("archive", str(tmp_path / "new")), ("at", "1", "things", "--out", str(tmp_path / "x.parquet"))):
        told = space.verb(*words, code=2)
        assert "from the checkout: pip install -e '.[archive]'" in told.text
    assert not (tmp_path / "x.parquet").exists()
