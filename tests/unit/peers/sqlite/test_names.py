"""Any name that SQLite takes for a table or column works everywhere, and none is ever code."""

import asyncio
import sqlite3
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.peers.sqlite.captured import CapturedFile, replay
from tests.unit.peers.sqlite.office import office, run

from syncline.model.canonical import Way
from syncline.model.schema import Collection
from syncline.peers.sqlite.features import quote

ODD = (
    'x"; DROP TABLE keep; --',
    'Quoted_" . Schema',
    "select",
    "rowid",
    "two words",
    "line\nbreak",
    "tab\t",
    "dot.ted",
    "back`tick",
    "[bracket]",
    "per%s cent %(x)s {y} :z ?1 @w $v",
    "ünïcödé 😀",
    "'single'",
    "op",
    "__deleted",
    "new",
    "old",
    "excluded",
    "c0",
    "b0",
    "seq",
    "\\",
    " ",
    "x" * 200,
)
names = st.one_of(
    st.sampled_from(ODD), st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=12)
)


@pytest.mark.parametrize("name", ODD)
def test_d40_x4_a_name_works_from_setup_to_teardown(tmp_path: Path, name: str) -> None:
    table = f"{name}t" if name in ("rowid", "seq", "b0", "c0") else name
    key, value = f"{name}k", name
    shape = Collection("things", (key, value, "u"), (key,), tables={"here": table})
    column = quote(key)
    schema = (
        f"CREATE TABLE keep (x); CREATE TABLE {quote(table)} ({column} TEXT NOT NULL PRIMARY KEY, {quote(value)} INT, u UNIQUE)"
    )

    async def story() -> None:
        async with office(tmp_path, schema, shape) as here:
            assert await here.peer.check([shape]) == []
            here.sql.execute(f"INSERT INTO {quote(table)} VALUES ('a', 1, 1), ('b', 2, 2)")
            here.sql.execute(f"REPLACE INTO {quote(table)} VALUES ('c', 3, 2)")
            images = [(change.before, change.after) for change in await here.changes()]
            assert images == [(None, ("a", 1, 1)), (None, ("b", 2, 2)), (("b", 2, 2), None), (None, ("c", 3, 2))]
            first = here.update((value,), (("a",), (5,)), deltas=())
            counted = here.update((), (("c",), (4,)), deltas=(value,))
            await here.apply(here.upsert(("d", 4, 4)), first, counted)
            assert await here.rows() == {("a",): ("a", 5, 1), ("c",): ("c", 7, 2), ("d",): ("d", 4, 4)}
            assert dict((await here.peer.rows(shape, [("d",)])).rows) == {("d",): ("d", 4, 4)}
            (piece,) = (await here.peer.digests(shape, [(("a",), ("c",))], Way())).parts
            assert piece.count == 1
            await here.apply(here.delete(("a",), ("c",), ("d",)))
            assert await here.rows() == {}
            await here.peer.teardown()
            assert {row[0] for row in here.sql.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")} == {
                "keep",
                table,
            }

    run(story())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(names, names, names)
def test_d40_x4_any_text_is_a_name(table: str, key: str, value: str) -> None:
    trial = sqlite3.connect(":memory:")
    try:
        trial.execute(f"CREATE TABLE {quote(table)} ({quote(key)} INTEGER PRIMARY KEY, {quote(value)} UNIQUE)")
    except sqlite3.OperationalError:
        return  # not a name even for SQLite: reserved, or twice the same
    finally:
        trial.close()
    schema = f"CREATE TABLE {quote(table)} ({quote(key)} INTEGER PRIMARY KEY, {quote(value)} UNIQUE)"
    file = CapturedFile(schema, [Collection("t", (key, value), (key,), tables={"here": table})])
    file.sql.execute(f"INSERT INTO {quote(table)} VALUES (1, 'a'), (2, 'b')")
    file.sql.execute(f"INSERT OR REPLACE INTO {quote(table)} VALUES (3, 'a')")
    file.sql.execute(f"UPDATE {quote(table)} SET {quote(value)} = 'c'  WHERE {quote(key)} = 2")
    assert replay({}, file.changes()) == file.tables() == {("t", (2,)): (2, "c"), ("t", (3,)): (3, "a")}


def test_d40_names_that_differ_only_by_case_are_told(tmp_path: Path) -> None:
    shape = Collection("People", ("id",), ("id",))

    async def story() -> None:
        async with office(tmp_path, "CREATE TABLE people (id INTEGER PRIMARY KEY)") as here:
            (problem,) = await here.peer.check([shape])
            assert "people" in problem.hint
            await asyncio.sleep(0)

    run(story())
