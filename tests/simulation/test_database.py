"""The simulated database: atomic, captured in commit order, exactly what the writes say."""

import itertools
import random
from collections.abc import Sequence

import pytest

from syncline.model.change import Refusal
from syncline.model.value import ABSENT, Key, Row, Value
from syncline.model.write import Batch, Op, Write
from syncline.sim.database import Constraints, Do, LocalRefused, SimDatabase, Statement
from syncline.sim.shape import COLLECTIONS, ITEMS

COLUMNS = ITEMS.columns


def make(constraints: Constraints | None = None, *, captured: bool = True) -> SimDatabase:
    database = SimDatabase("ann", COLLECTIONS, lambda: 1_000, random.Random(0), constraints)
    if captured:
        database.set_up(["items", "pairs"])
    return database


def row(key: int, name: Value = "n", quantity: Value = 0) -> Row:
    return (key, name, "o", quantity, "[]", "")


def insert(key: int, name: Value = "n", quantity: Value = 0) -> Statement:
    return Statement(Do.INSERT, "items", (key,), dict(zip(COLUMNS, row(key, name, quantity), strict=True)))


def upsert(rows: Sequence[Row]) -> Write:
    return Write(Op.UPSERT, "items", tuple((one[0],) for one in rows), COLUMNS, (), tuple(rows))


def items(database: SimDatabase) -> dict[Key, Row]:
    return dict(database.rows("items"))


def test_a_refused_local_transaction_leaves_nothing() -> None:
    database = make()
    database.local([insert(1)])
    with pytest.raises(LocalRefused):
        database.local([insert(2), insert(1)])
    assert items(database) == {(1,): row(1)}
    assert database.content.number == 1


def test_every_statement_is_captured_with_both_images() -> None:
    database = make()
    commit = database.local(
        [insert(1), Statement(Do.INCREMENT, "items", (1,), {"quantity": 5}), Statement(Do.DELETE, "items", (1,))]
    )
    assert commit is not None
    images = [(change.before, change.after) for change in commit.changes]
    assert images == [(None, row(1)), (row(1), row(1, quantity=5)), (row(1, quantity=5), None)]


def test_d35_a_key_change_is_a_removal_and_an_insert_that_know_each_other() -> None:
    database = make()
    database.local([insert(1)])
    commit = database.local([Statement(Do.REKEY, "items", (1,), to=(2,))])
    assert commit is not None
    gone, come = commit.changes
    assert (gone.key, gone.after, come.key, come.after) == ((1,), None, (2,), row(2))
    assert gone.verdict is not None
    assert come.verdict is not None
    assert (gone.verdict.moved, come.verdict.moved) == ((2,), (1,))


def test_our_own_writes_move_the_context_and_are_no_changes() -> None:
    database = make()
    database.local([insert(1)])
    database.apply(Batch(7, (upsert([row(2)]),), 1))
    database.local([Statement(Do.DELETE, "items", (2,))])
    history = database.poll(0, exact=True)
    assert [(commit.context, len(commit.changes)) for commit in history] == [(0, 1), (7, 0), (7, 1)]


def test_writes_do_what_they_say() -> None:
    database = make()
    database.local([insert(1, quantity=10), insert(2)])
    update = Write(Op.UPDATE, "items", ((1,), (9,)), ("name",), ("quantity",), (("new", 5), ("nobody", 1)))
    delete = Write(Op.DELETE, "items", ((2,), (8,)))
    database.apply(Batch(3, (update, delete), 4))
    assert items(database) == {(1,): row(1, "new", 15)}
    assert database.content.watermark == 3


def test_an_increment_of_null_is_the_increment_and_absent_fields_stay() -> None:
    database = make()
    database.local([insert(1, quantity=None)])
    write = Write(Op.UPDATE, "items", ((1,),), ("name",), ("quantity",), ((ABSENT, 4),))
    database.apply(Batch(1, (write,), 1))
    assert items(database) == {(1,): row(1, quantity=4)}


def test_p8_a_batch_that_is_there_already_changes_nothing() -> None:
    database = make()
    database.local([insert(1, quantity=10)])
    batch = Batch(4, (Write(Op.UPDATE, "items", ((1,),), (), ("quantity",), ((5,),)),), 1)
    assert database.apply(batch) is not None
    assert database.apply(batch) is None
    assert items(database) == {(1,): row(1, quantity=15)}


def test_f32_refused_rows_are_left_out_and_recorded_with_the_watermark() -> None:
    database = make(Constraints(banned=frozenset({"poison"})))
    commit = database.apply(Batch(2, (upsert([row(1, "poison"), row(2)]),), 2))
    assert commit is not None
    assert items(database) == {(2,): row(2)}
    assert commit.refused == (Refusal("items", (1,), "check", "a value breaks a CHECK constraint"),)
    assert database.poll(0, exact=True)[0].refused == commit.refused


def test_t7_rows_that_swap_unique_values_make_room_for_each_other() -> None:
    database = make(Constraints(uniques=frozenset({("items", "name")})))
    database.local([insert(1, "a"), insert(2, "b")])
    commit = database.apply(Batch(1, (Write(Op.DELETE, "items", ((1,),)), upsert([row(3, "b"), row(2, "a")])), 3))
    assert commit is not None
    assert not commit.refused
    assert items(database) == {(2,): row(2, "a"), (3,): row(3, "b")}
    with pytest.raises(LocalRefused):
        database.local([insert(4, "a")])


def test_c8_null_unique_values_never_clash() -> None:
    database = make(Constraints(uniques=frozenset({("items", "name")})))
    database.local([insert(1, None), insert(2, None)])
    assert len(items(database)) == 2


def test_history_is_forgotten_but_for_the_last_commit() -> None:
    database = make()
    for key in range(1, 6):
        database.local([insert(key)])
    database.trim(5)
    assert [commit.number for commit in database.poll(0, exact=True)] == [5]
    assert database.end.major == 5


def test_inexact_peers_give_neighbours_as_one_and_never_across_a_watermark() -> None:
    database = make()
    for key in range(1, 20):
        database.local([insert(key)])
        if key % 5 == 0:
            database.apply(Batch(key, (), 0))
    for _ in range(20):
        commits = database.poll(0, exact=False)
        assert sum(len(commit.changes) for commit in commits) == 19
        assert all(len({change.key for change in commit.changes}) == len(commit.changes) for commit in commits)
        for before, after in itertools.pairwise(commits):
            assert before.number < after.number
            assert before.context <= after.context
    assert len(database.poll(0, exact=False)) < 22


def test_f28_a_backup_brings_everything_back_footprint_included() -> None:
    database = make()
    database.local([insert(1)])
    backup = database.backup()
    database.local([insert(2)])
    database.content.nonce = "later"
    database.restore(backup)
    assert items(database) == {(1,): row(1)}
    assert (database.content.number, database.content.nonce) == (1, "")


def test_what_happens_before_the_footprint_is_not_captured_but_told_to_its_writer() -> None:
    database = make(captured=False)
    commit = database.local([insert(1)])
    assert commit is not None
    assert len(commit.changes) == 1
    assert not database.content.history


def test_readers_see_every_state_and_nothing_in_between() -> None:
    database = make()
    seen: list[int] = []
    database.on_commit.append(lambda one: seen.append(len(one.rows("items"))))
    database.local([insert(1), insert(2)])
    database.apply(Batch(1, (upsert([row(3), row(4), row(5)]),), 3))
    assert seen == [2, 5]
