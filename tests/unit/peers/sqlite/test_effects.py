"""C18 at large: whatever triggers do during a delivery, what was meant and what is captured after it give the tables."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.peers.sqlite.captured import CapturedFile, Tables, replay
from tests.unit.peers.sqlite.test_foreign_triggers import COLLECTIONS, SCHEMA, TRIGGERS

from syncline.model.limits import TRIGGER_ANSWERS_MAX, TRIGGER_CALM_SECONDS, TRIGGER_ROUNDS_MAX
from syncline.model.schema import Collection
from syncline.model.value import Key, Row
from syncline.model.write import Batch, Op, Write
from syncline.peers.sqlite import effects
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


class Watch:
    """A clock that stands still between steps."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


NEWS, ANSWER = frozenset({1}), frozenset({2})
WHERE = ("t", (1,))


def _answered(rounds: Rounds, ours: frozenset[int], theirs: frozenset[int] = ANSWER) -> int:
    """How many deliveries in a row a trigger may answer before it is too much."""
    return next(count for count in range(TRIGGER_ANSWERS_MAX + 2) if rounds.endless(WHERE, ours, theirs))


@pytest.mark.parametrize("ours", [ANSWER, frozenset()])
def test_c18_deliveries_without_news_are_answered_a_few_times_only(ours: frozenset[int]) -> None:
    rounds = Rounds(Watch())
    assert not rounds.endless(WHERE, NEWS, ANSWER)
    assert _answered(rounds, ours) == TRIGGER_ROUNDS_MAX - 1
    assert rounds.endless(WHERE, ours, ANSWER), "trying again at once changes nothing"


def test_c18_news_begins_the_rounds_anew_and_so_does_a_delivery_left_alone() -> None:
    rounds = Rounds(Watch())
    for _ in range(3):
        for _ in range(TRIGGER_ROUNDS_MAX - 1):
            assert not rounds.endless(WHERE, ANSWER, ANSWER)
        assert not rounds.endless(WHERE, NEWS, ANSWER)
    for _ in range(3):
        rounds.calm(WHERE)
        for _ in range(TRIGGER_ROUNDS_MAX):
            assert not rounds.endless(WHERE, ANSWER, ANSWER)


def test_c18_a_circle_through_other_columns_is_told_by_how_often_it_turns() -> None:
    """Triggers of two peers that move one another: what comes here is never what the trigger here had changed."""
    assert _answered(Rounds(Watch()), NEWS) == TRIGGER_ANSWERS_MAX


def test_c18_a_row_that_a_program_changes_now_and_then_is_never_too_much() -> None:
    watch = Watch()
    rounds = Rounds(watch)
    for _ in range(2 * TRIGGER_ANSWERS_MAX):
        assert not rounds.endless(WHERE, NEWS, ANSWER)
        watch.now += 2 * TRIGGER_CALM_SECONDS / TRIGGER_ANSWERS_MAX
    for _ in range(2 * TRIGGER_ROUNDS_MAX):
        watch.now += 1.01 * TRIGGER_CALM_SECONDS
        assert not rounds.endless(WHERE, ANSWER, ANSWER)


def test_c18_what_is_counted_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effects, "WINDOW_ROWS_MAX", 10)
    rounds = Rounds(Watch())
    for number in range(100):
        for _ in range(TRIGGER_ROUNDS_MAX):
            assert not rounds.endless(("t", (number,)), ANSWER, ANSWER)
    assert rounds.endless(("t", (99,)), ANSWER, ANSWER)
    assert not rounds.endless(("t", (1,)), ANSWER, ANSWER), "the ones that were quiet for longest are forgotten"
