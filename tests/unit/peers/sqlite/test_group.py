"""Transactions are whole ones; a backlog that nobody watched is cut at a pause, never inside a statement."""

import itertools
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.peers.sqlite.captured import CapturedFile, replay

from syncline.model.change import Change, Refusal, Transaction
from syncline.model.limits import TRANSACTION_ROWS_MAX
from syncline.model.schema import Collection
from syncline.peers.sqlite.decode import Hit, Item, Mark, Piece
from syncline.peers.sqlite.group import Grouper

REFUSED = (Refusal("t", (1,), "unique", "why"),)


def change(number: int) -> Change:
    """An insert of a row."""
    return Change("t", (number,), None, (number,))


def piece(items: list[Item], millis: list[int], first: int = 1) -> Piece:
    """Decoded records."""
    plain = not any(isinstance(item, Hit) for item in items)
    marked = any(isinstance(item, Mark) for item in items)
    return Piece(range(first, first + len(items)), millis, items, plain, marked, len(items))


def sizes(grouper: Grouper, pieces: list[Piece]) -> list[int]:
    """How many changes each transaction has."""
    found = [*itertools.chain.from_iterable(grouper.feed(one) for one in pieces), *grouper.finish()]
    return [len(transaction.changes) for transaction in found]


def test_up_to_the_end_is_one_transaction() -> None:
    assert sizes(Grouper("p", 0, 100), [piece([change(n) for n in range(90)], list(range(90)))]) == [90]


def test_a_watermark_divides_and_carries_what_was_refused() -> None:
    items: list[Item] = [change(1), Mark(5, REFUSED), Mark(6, ()), change(2), None]
    grouper = Grouper("p", 3, 100)
    found = [*grouper.feed(piece(items, [1, 2, 3, 4, 5])), *grouper.finish()]
    assert [(t.position.major, t.context, len(t.changes), t.refused) for t in found] == [
        (1, 3, 1, ()),
        (2, 5, 0, REFUSED),
        (3, 6, 0, ()),
        (5, 6, 1, ()),
    ]
    assert [t.time for t in found] == [1000, 2000, 3000, 5000]
    assert grouper.context == 6


def test_a_large_backlog_is_cut_at_its_longest_pause() -> None:
    millis = [n // 10 + (500 if n >= 130 else 0) + (9000 if n >= 20 else 0) for n in range(190)]
    assert sizes(Grouper("p", 0, 150), [piece([change(n) for n in range(190)], millis)]) == [130, 60]


def test_a_statement_is_never_cut_unless_it_is_enormous() -> None:
    one = piece([change(n) for n in range(400)], [7] * 400)
    assert sizes(Grouper("p", 0, 150), [one]) == [400]
    rows = TRANSACTION_ROWS_MAX + 10
    items: list[Item] = [change(n) for n in range(rows)]
    items[-1] = Hit("t", (1,), (1,), (2,), True)
    assert sizes(Grouper("p", 0, 150), [piece(items, [7] * rows)]) == [rows - 1, 0]


def test_large_rows_are_cut_earlier() -> None:
    large = Piece(range(1, 101), list(range(100)), [change(n) for n in range(100)], True, False, 60 * 1024 * 1024)
    found = sizes(Grouper("p", 0, 1000), [large])
    assert len(found) == 2
    assert sum(found) == 100


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=300), st.integers(1, 40), st.integers(1, 60))
def test_p9_nothing_is_lost_doubled_or_reordered_by_grouping(steps: list[int], rows_max: int, chunk: int) -> None:
    millis = list(itertools.accumulate(steps))
    items: list[Item] = [change(n) for n in range(len(steps))]
    grouper = Grouper("p", 0, rows_max)
    pieces = [piece(items[at : at + chunk], millis[at : at + chunk], at + 1) for at in range(0, len(items), chunk)]
    found: list[Transaction] = [*itertools.chain.from_iterable(map(grouper.feed, pieces)), *grouper.finish()]
    assert [one for transaction in found for one in transaction.changes] == items
    ends = [transaction.position.major for transaction in found]
    assert ends == sorted(set(ends))
    for transaction in found[:-1]:  # a cut is between two statements
        assert millis[transaction.position.major - 1] != millis[transaction.position.major]


def test_t3_rolled_back_savepoints_and_transactions_leave_nothing() -> None:
    file = CapturedFile("CREATE TABLE t (id INTEGER PRIMARY KEY, v)", [Collection("t", ("id", "v"), ("id",))])
    for sql in (
        "BEGIN", "INSERT INTO t VALUES (1, 'a')", "SAVEPOINT s", "INSERT INTO t VALUES (2, 'b')", "UPDATE t SET v = 'c'",
        "ROLLBACK TO s", "INSERT INTO t VALUES (3, 'd')", "COMMIT", "BEGIN", "DELETE FROM t", "ROLLBACK",
    ):  # fmt: skip
        file.sql.execute(sql)
    assert [one.key for one in file.changes()] == [(1,), (3,)]
    assert replay({}, file.changes()) == file.tables()


def test_t8_a_row_changed_fifty_times_keeps_every_step() -> None:
    file = CapturedFile("CREATE TABLE t (id INTEGER PRIMARY KEY, v)", [Collection("t", ("id", "v"), ("id",))])
    file.sql.execute("INSERT INTO t VALUES (1, 0)")
    file.sql.execute("BEGIN")
    for _ in range(50):
        file.sql.execute("UPDATE t SET v = v + 1")
    file.sql.execute("COMMIT")
    changes = file.changes()
    assert [one.after for one in changes] == [(1, n) for n in range(51)]
    assert replay({}, changes) == file.tables()


@pytest.mark.parametrize("rows_max", [1, 3, 7, 10_000])
def test_t4_every_cut_of_a_backlog_replays(tmp_path: Path, rows_max: int) -> None:
    file = CapturedFile(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v UNIQUE)", [Collection("t", ("id", "v"), ("id",))], tmp_path / "f.db"
    )
    for number in range(40):
        file.sql.execute("INSERT OR REPLACE INTO t VALUES (?, ?)", (number % 11, number % 7))
    found = file.transactions(rows_max)
    assert replay({}, [one for transaction in found for one in transaction.changes]) == file.tables()
    assert found[-1].position.major == file.sql.execute("SELECT max(seq) FROM _syncline_changelog").fetchone()[0]
