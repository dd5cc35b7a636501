"""Rows as they are read: ranges in the engine's own order, and the same bytes by every way."""

import sqlite3

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.peers.sqlite.captured import CapturedFile

from syncline.model.codec import encode_row
from syncline.model.key import order
from syncline.model.schema import Collection
from syncline.model.value import Key, Value, real
from syncline.peers.sqlite.convert import bind, decode_text
from syncline.peers.sqlite.snapshot import read_keys, read_range, source_of, with_keys

MIXED = Collection("t", ("b", "v", "a"), ("a", "b"))
SCHEMA = "CREATE TABLE t (b NOT NULL, v, a NOT NULL, PRIMARY KEY (a, b))"
values: st.SearchStrategy[Value] = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-3, 3),
    st.floats(allow_nan=False).map(real),
    st.integers(-3, 3).map(float).map(real),
    st.sampled_from([-0.0, 0.0, -(2.0**63), 2.0**63, 2.0**53]).map(real),
    st.text(max_size=4),
    st.sampled_from(["", "a", "A", "ä", "z", "\0", "1", "😀", "\ufffd"]),
    st.binary(max_size=3),
    st.binary(max_size=3).map(lambda data: decode_text(b"\xff" + data)),
)


def fill(rows: list[tuple[Value, Value, Value]]) -> CapturedFile:
    """A captured file with the rows of distinct keys among these."""
    file = CapturedFile(SCHEMA, [MIXED])
    for row in rows:
        bound = [bind(value, "BLOB") for value in row]
        sql = f"INSERT OR IGNORE INTO t VALUES ({', '.join(holder for holder, _ in bound)})"
        file.sql.execute(sql, [native for _, native in bound])
    return file


def walk(connection: sqlite3.Connection, limit: int) -> list[Key]:
    """All keys, range by range."""
    keys: list[Key] = []
    source = source_of(connection, MIXED, "here")
    while True:
        rows = with_keys(MIXED, source, read_range(connection, source, keys[-1] if keys else None, None, limit).rows)
        keys += [key for key, _ in rows]
        if len(rows) < limit:
            return keys


def rows_of(file: CapturedFile) -> list[tuple[object, ...]]:
    """The rows as SQLite counts them."""
    return file.sql.execute("SELECT 1 FROM t").fetchall()


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(values, values, values), max_size=25), st.integers(1, 6))
def test_d27_ranges_of_mixed_keys_follow_the_engines_order(rows: list[tuple[Value, Value, Value]], limit: int) -> None:
    file = fill(rows)
    keys = walk(file.sql, limit)
    assert set(keys) == {key for _, key in file.tables()}
    assert len(keys) == len(set(keys)) == len(rows_of(file))
    ranks = [order(key) for key in keys]
    assert ranks == sorted(ranks), "the order that the engine relies on elsewhere is SQLite's"
    source = source_of(file.sql, MIXED, "here")
    for key in keys[::3]:
        upper = with_keys(MIXED, source, read_range(file.sql, source, None, key, 100).rows)
        assert [one for one, _ in upper] == keys[: keys.index(key) + 1]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(values, values, values), min_size=1, max_size=25))
def test_d49_snapshot_stream_single_reads_and_digests_see_the_same_bytes(rows: list[tuple[Value, Value, Value]]) -> None:
    file = fill(rows)
    streamed = {change.key: change.after for change in file.changes()}
    read = {key: row for (_, key), row in file.tables().items()}
    single = dict(read_keys(file.sql, "here", MIXED, list(read)).rows)
    assert streamed == read == single
    for key, row in read.items():
        other = streamed[key]
        assert other is not None
        assert encode_row(row) == encode_row(other) == encode_row(single[key])
