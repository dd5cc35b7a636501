"""Triggers and cascades of the user's write too, before or after ours fire: what is captured still gives the same tables."""

import sqlite3
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.peers.sqlite.captured import CapturedFile, replay

from syncline.model.schema import Collection

SCHEMA = """
PRAGMA foreign_keys=ON;
CREATE TABLE t (id INTEGER PRIMARY KEY, u TEXT UNIQUE, n INT);
CREATE TABLE s (id INTEGER PRIMARY KEY, t INT REFERENCES t ON DELETE CASCADE ON UPDATE CASCADE, n INT DEFAULT 0);
"""
COLLECTIONS = [Collection("t", ("id", "u", "n"), ("id",)), Collection("s", ("id", "t", "n"), ("id",))]
TRIGGERS = (
    "CREATE {}TRIGGER touch AFTER UPDATE OF u ON main.t BEGIN UPDATE t SET n = n + 10 WHERE id = NEW.id; END",
    "CREATE {}TRIGGER born AFTER INSERT ON main.t BEGIN UPDATE t SET n = 100 WHERE id = NEW.id; END",
    "CREATE {}TRIGGER twice AFTER INSERT ON main.t BEGIN INSERT INTO s(t, n) VALUES (NEW.id, NEW.n); END",
    "CREATE {}TRIGGER early BEFORE INSERT ON main.t BEGIN DELETE FROM s WHERE n = NEW.n; END",
    "CREATE {}TRIGGER gone AFTER DELETE ON main.t BEGIN INSERT INTO s(n) VALUES (OLD.n); END",
    "CREATE {}TRIGGER count AFTER INSERT ON main.s BEGIN UPDATE t SET n = n + 1 WHERE id = NEW.t; END",
    "CREATE {}TRIGGER undo AFTER INSERT ON main.t WHEN NEW.n = 3 BEGIN DELETE FROM t WHERE id = NEW.id; END",
    "CREATE {}TRIGGER back AFTER UPDATE OF n ON main.t WHEN NEW.n = 2 BEGIN UPDATE t SET n = OLD.n WHERE id = NEW.id; END",
    "CREATE {}TRIGGER skip BEFORE UPDATE ON main.t WHEN NEW.n = 1 BEGIN SELECT RAISE(IGNORE); END",
)
UNDOING = {text for text in TRIGGERS if "TRIGGER undo" in text or "TRIGGER back" in text}  # see docs/peers-sqlite.md, limits
small = st.integers(1, 4).map(str)
verb = st.sampled_from(["", "OR IGNORE ", "OR REPLACE ", "OR FAIL "])
statement = st.one_of(
    st.builds("INSERT {}INTO t VALUES ({},'u{}',{})".format, verb, small, small, small),
    st.builds("INSERT INTO t VALUES ({},'u{}',{}) ON CONFLICT DO UPDATE SET u = u || 'x'".format, small, small, small),
    st.builds("UPDATE {}t SET u='u{}' WHERE id={}".format, verb, small, small),
    st.builds("UPDATE {}t SET id=id+{},n=n".format, verb, small),
    st.builds("UPDATE t SET n={}".format, small),
    st.builds("INSERT {}INTO s VALUES ({},{},{})".format, verb, small, small, small),
    st.builds("DELETE FROM t WHERE id={}".format, small),
    st.sampled_from(["PRAGMA recursive_triggers=ON", "PRAGMA recursive_triggers=OFF", "DELETE FROM s"]),
)


@settings(max_examples=500, deadline=None)
@given(
    st.sets(st.sampled_from(TRIGGERS), max_size=3),
    st.sampled_from(["before ours", "after ours", "temporary"]),
    st.lists(statement, min_size=1, max_size=10),
)
def test_c18_d41_nested_writes_are_captured_whatever_fires_first(chosen: set[str], when: str, statements: list[str]) -> None:
    temporary = when == "temporary"
    names = sorted(chosen - UNDOING if temporary else chosen)
    triggers = [text.format("TEMP " if temporary else "") + ";" for text in names]
    before, after = (triggers, []) if when == "before ours" else ([], triggers)
    file = CapturedFile(SCHEMA + "".join(before), COLLECTIONS, after="".join(after))
    if when == "after ours":
        file.refresh()
    for sql in statements:
        with suppress(sqlite3.Error):
            file.sql.execute(sql)
    assert replay({}, file.changes(), strict=False) == file.tables(), (triggers, statements)
