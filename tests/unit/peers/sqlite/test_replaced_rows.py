"""D42: whatever SQLite lets a program write, replaying what was captured onto a copy gives the same table, images included."""

import sqlite3
from contextlib import suppress

from hypothesis import event, given, settings
from hypothesis import strategies as st
from tests.unit.peers.sqlite.captured import CapturedFile, replay

from syncline.model.schema import Collection

INT_KEY = "CREATE TABLE t (id INTEGER PRIMARY KEY, u TEXT UNIQUE, n, r REAL)"
SCHEMAS = {
    "int key": INT_KEY,
    "auto key": "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, u TEXT UNIQUE, n, r REAL)",
    "two uniques": "CREATE TABLE t (id INTEGER PRIMARY KEY, u TEXT UNIQUE, n UNIQUE, r REAL)",
    "pair": "CREATE TABLE t (id INTEGER PRIMARY KEY, u TEXT, n, r REAL, UNIQUE (u, n))",
    "without rowid": "CREATE TABLE t (id INT NOT NULL PRIMARY KEY, u TEXT UNIQUE, n, r REAL) WITHOUT ROWID",
    "strict": "CREATE TABLE t (id INTEGER PRIMARY KEY, u TEXT UNIQUE, n ANY, r REAL) STRICT",
    "unique key": "CREATE TABLE t (local INTEGER PRIMARY KEY, id INTEGER NOT NULL UNIQUE, u TEXT UNIQUE, n, r REAL)",
    "nocase": "CREATE TABLE t (id INTEGER PRIMARY KEY, u TEXT COLLATE NOCASE UNIQUE, n, r REAL)",
    "replaces itself": "CREATE TABLE t (id INTEGER PRIMARY KEY ON CONFLICT REPLACE, u UNIQUE ON CONFLICT REPLACE, n, r REAL)",
    "ignores itself": "CREATE TABLE t (id INTEGER PRIMARY KEY ON CONFLICT IGNORE, u TEXT UNIQUE ON CONFLICT FAIL, n, r REAL)",
    "defaults": "CREATE TABLE t (id INTEGER PRIMARY KEY, u TEXT UNIQUE, n NOT NULL ON CONFLICT REPLACE DEFAULT 7, r REAL)",
    "partial": f"{INT_KEY}; CREATE UNIQUE INDEX i ON t (n) WHERE r IS NOT NULL",
    "expression": f"{INT_KEY}; CREATE UNIQUE INDEX i ON t (coalesce(n, 0) DESC, (u || ',)') COLLATE NOCASE) WHERE n>-1 --",
    "generated": "CREATE TABLE t (id INTEGER PRIMARY KEY, u TEXT, n, r REAL, g AS (n % 3) STORED UNIQUE)",
}
KEYS = ("id",)
COLLECTION = Collection("t", ("id", "u", "n", "r"), KEYS)

ids = st.sampled_from(["1", "2", "3", "4", "-1", "NULL"])
texts = st.sampled_from(["'a'", "'b'", "'A'", "NULL", "x'61'", "'1'"])
numbers = st.sampled_from(["0", "1", "2", "NULL", "1.5", "2.0", "'t'", "-0.0"])
row = st.tuples(ids, texts, numbers, numbers).map(lambda values: f"({','.join(values)})")
rows = st.lists(row, min_size=1, max_size=4).map(",".join)
verb = st.sampled_from(["", "OR IGNORE ", "OR REPLACE ", "OR FAIL ", "OR ABORT ", "OR ROLLBACK "])
setting = st.one_of(
    st.builds("id={}".format, st.one_of(ids, st.sampled_from(["id+1", "-id", "id%3", "5-id"]))),
    st.builds("u={}".format, st.one_of(texts, st.just("u||'x'"))),
    st.builds("n={}".format, st.one_of(numbers, st.just("n+1"), st.just("n"))),
    st.builds("r={}".format, numbers),
)
settings_list = st.lists(setting, min_size=1, max_size=3, unique_by=lambda text: text.split("=")[0]).map(",".join)
where = st.one_of(st.just(""), st.builds(" WHERE id={}".format, ids), st.builds(" WHERE n={}".format, numbers))
upsert = st.one_of(
    st.just(""),
    st.just(" ON CONFLICT DO NOTHING"),
    st.builds(" ON CONFLICT(id) DO UPDATE SET {}".format, settings_list),
    st.builds(" ON CONFLICT(u) DO UPDATE SET {}".format, settings_list),
    st.builds(" ON CONFLICT(u) DO NOTHING ON CONFLICT(id) DO UPDATE SET u=excluded.u,n={}".format, numbers),
)
statement = st.one_of(
    st.builds("INSERT {}INTO t(id,u,n,r) VALUES {}{}".format, verb, rows, upsert),
    st.builds("REPLACE INTO t(u,n,r,id) VALUES ({2},{3},{3},{1})".format, st.none(), ids, texts, numbers),
    st.builds("INSERT {}INTO t(u,n,r) VALUES ({},{},1)".format, verb, texts, numbers),
    st.builds("INSERT {}INTO t(id,u,n,r) SELECT id+{},u,n,r FROM t ORDER BY id".format, verb, st.sampled_from([0, 1, 5])),
    st.builds("UPDATE {}t SET {}{}".format, verb, settings_list, where),
    st.builds("UPDATE OR REPLACE t SET {}{}".format, settings_list, where),
    st.builds("DELETE FROM t{}".format, where),
    st.sampled_from(["BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT s", "ROLLBACK TO s", "RELEASE s"]),
    st.just("PRAGMA recursive_triggers=ON"),
    st.just("PRAGMA recursive_triggers=OFF"),
)


@settings(max_examples=600, deadline=None)
@given(st.sampled_from(sorted(SCHEMAS)), st.lists(statement, min_size=1, max_size=12), st.booleans())
def test_d42_d35_replaying_the_changes_gives_the_table(name: str, statements: list[str], fast: bool) -> None:
    file = CapturedFile(SCHEMAS[name], [COLLECTION])
    for sql in statements:
        with suppress(sqlite3.Error):
            file.sql.execute(sql)
    if file.sql.in_transaction:
        file.sql.execute("COMMIT")
    if fast:
        file.hurry()
    changes = file.changes()
    event(f"{name}: {'some' if changes else 'no'} changes")
    assert replay({}, changes, name=f"{name}: {statements}") == file.tables(), statements
