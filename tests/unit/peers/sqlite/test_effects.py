"""C18 at large: whatever triggers do during a delivery, what was meant and what is captured after it give the tables."""

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.peers.sqlite.captured import CapturedFile, Tables, replay
from tests.unit.peers.sqlite.test_foreign_triggers import COLLECTIONS, SCHEMA, TRIGGERS

from syncline.model.schema import Collection
from syncline.model.value import Key, Row
from syncline.model.write import Batch, Op, Write
from syncline.peers.sqlite.apply import Applier
from syncline.peers.sqlite.effects import Rounds

numbers = st.integers(1, 5)
rows = st.tuples(numbers, st.sampled_from(["u1", "u2", "u3", "u4", "u5", "u6"]), numbers)
writes = st.dictionaries(numbers, st.tuples(st.sampled_from(["upsert", "update", "count", "delete"]), rows), min_size=1)
SHAPE: dict[str, Collection] = {collection.name: collection for collection in COLLECTIONS}


def batch_of(upto: int, wanted: dict[int, tuple[str, Row]]) -> Batch:
    """A batch over table t: each key written in one way."""
    upserts = [(number, row[1], row[2]) for number, (how, row) in wanted.items() if how == "upsert"]
    updates = [(number, (row[1],)) for number, (how, row) in wanted.items() if how == "update"]
    counts = [number for number, (how, _) in wanted.items() if how == "count"]
    gone = [number for number, (how, _) in wanted.items() if how == "delete"]
    made = [
        Write(Op.UPSERT, "t", tuple((row[0],) for row in upserts), ("id", "u", "n"), (), tuple(upserts)),
        Write(Op.UPDATE, "t", tuple((number,) for number, _ in updates), ("u",), (), tuple(row for _, row in updates)),
        Write(Op.UPDATE, "t", tuple((number,) for number in counts), (), ("n",), ((2,),) * len(counts)),
        Write(Op.DELETE, "t", tuple((number,) for number in gone)),
    ]
    return Batch(upto, tuple(write for write in made if write.keys), len(wanted))


def meant(before: Tables, wanted: dict[int, tuple[str, Row]], refused: set[Key]) -> Tables:
    """What the tables would hold if there were no triggers."""
    after = dict(before)
    for number, (how, row) in wanted.items():
        where = ("t", (number,))
        old = after.get(where)
        if (number,) in refused:
            continue
        if how == "delete":
            after.pop(where, None)
        elif how == "upsert":
            after[where] = (number, row[1], row[2])
        elif old is not None and how == "update":
            after[where] = (number, row[1], old[2])
        elif old is not None:
            after[where] = (number, old[1], (old[2] if isinstance(old[2], int) else 0) + 2)
    return after


@settings(max_examples=300, deadline=None)
@given(
    st.sets(st.sampled_from(TRIGGERS), max_size=3),
    st.lists(rows, max_size=5),
    st.lists(
        st.dictionaries(numbers, st.tuples(st.sampled_from(["upsert", "update", "count", "delete"]), rows), min_size=1),
        max_size=3,
    ),
)
def test_c18_what_was_meant_and_what_triggers_did_give_the_table(
    triggers: set[str], start: list[tuple[int, str, int]], batches: list[dict[int, tuple[str, Row]]]
) -> None:
    file = CapturedFile(SCHEMA + "".join(text.format("") + ";" for text in sorted(triggers)), COLLECTIONS)
    file.sql.execute("PRAGMA foreign_keys=OFF")
    for row in start:
        file.sql.execute("INSERT OR IGNORE INTO t VALUES (?, ?, ?)", row)
    applier = Applier("here", file.sql, SHAPE)
    seen = len(file.changes())
    for upto, wanted in enumerate(batches, 1):
        before = file.tables()
        done = applier.apply(batch_of(upto, wanted))
        refused = {refusal.key for refusal in done.refused}
        fresh = file.transactions()
        changes = [change for transaction in fresh for change in transaction.changes][seen:]
        seen += len(changes)
        assert replay(meant(before, wanted, refused), changes, strict=False) == file.tables(), (triggers, start, batches)
        assert fresh[-1].context == upto
        if not triggers:
            assert changes == []
            assert {refusal.code for refusal in done.refused} <= {"unique"}
    assert not file.sql.in_transaction


def test_rounds_count_only_answers_in_the_same_columns() -> None:
    rounds = Rounds()
    where = ("t", (1,))
    assert [rounds.note(where, frozenset({1}), frozenset({1, 2})) for _ in range(3)] == [1, 2, 3]
    rounds.calm(where)
    assert rounds.note(where, frozenset({1}), frozenset({2})) == 1
    assert rounds.note(where, frozenset({1}), frozenset({2})) == 1  # it changed what the trigger had not
    assert rounds.note(where, frozenset(), frozenset({2})) == 1
