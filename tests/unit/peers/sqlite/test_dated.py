"""A backlog that nobody watched: each change at its own statement's time, as one where columns can tell it, in order always."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.peers.sqlite.captured import CapturedFile, replay
from tests.unit.peers.sqlite.office import office, run

from syncline.model.block import Block
from syncline.model.change import Change, Transaction, changes_of
from syncline.model.schema import Collection
from syncline.model.stamp import Micros, Position
from syncline.peers.sqlite.decode import Item, Mark, Piece
from syncline.peers.sqlite.features import CHANGELOG
from syncline.peers.sqlite.footprint import position
from syncline.peers.sqlite.group import Grouper
from syncline.peers.sqlite.layout import Layout

T = Collection("t", ("id", "v"), ("id",))
SCHEMA = "CREATE TABLE t (id INTEGER PRIMARY KEY, v)"
LAYOUTS = {0: Layout(0, "t", "t", ("id", "v"), ("id",))}


def update(key: int, was: int = 0) -> Change:
    """One row, one more."""
    return Change("t", (key,), (key, was), (key, was + 1))


def told(items: list[Item], millis: list[int], layouts: dict[int, Layout] | None = LAYOUTS) -> list[Transaction]:
    """What a grouper gives out for records 1, 2, 3..."""
    grouper = Grouper("p", 3, 10_000, layouts)
    marked = any(isinstance(item, Mark) for item in items)
    return [*grouper.feed(Piece(range(1, len(items) + 1), millis, items, True, marked, len(items))), *grouper.finish()]


def parts(found: list[Transaction]) -> list[Transaction]:
    """One by one."""
    return [part for one in found for part in (one.split() if one.split else [one])]


def times(found: Transaction) -> dict[int, Micros]:
    """When each key of a group was changed."""
    pairs = [pair for block in found.blocks for pair in zip(block.keys, dates(found, block), strict=True)]
    return {int(str(key)): time for (key,), time in pairs}


def dates(found: Transaction, block: Block) -> list[Micros]:
    """When each row of a block was changed."""
    return [block.time(place, found.time) for place in range(block.count)]


def test_a_backlog_is_one_transaction_in_which_each_row_has_its_own_time() -> None:
    (one,) = told([update(1), update(2), update(3)], [1000, 1000, 3000])
    assert times(one) == {1: 1_000_000, 2: 1_000_000, 3: 3_000_000}
    assert (one.position, one.context, one.time) == (position(3, 3000), 3, 3_000_000)
    found = [(part.position, part.time, part.context, [change.key for change in part.changes]) for part in parts([one])]
    assert found == [(position(2, 1000), 1_000_000, 3, [(1,), (2,)]), (position(3, 3000), 3_000_000, 3, [(3,)])]


def test_what_was_watched_is_kept_whole_and_what_has_one_time_too() -> None:
    for found in (told([update(1), update(2)], [1000, 1002], None), told([update(1), update(2)], [1000, 1000])):
        (one,) = found
        assert one.split is None
        assert one.changes == (update(1), update(2))


def test_rows_that_columns_cannot_tell_are_parted_by_time_and_nothing_else_is() -> None:
    came, gone = Change("t", (1,), None, (1, 0)), Change("t", (1,), (1, 0), None)
    found = told([came, gone, update(2), update(3)], [10, 20, 30, 40])
    assert [(one.position.major, one.time, bool(one.split)) for one in found] == [
        (1, 10_000, False),
        (2, 20_000, False),
        (4, 40_000, True),
    ]
    older = LAYOUTS | {1: Layout(1, "t", "t", ("id", "w"), ("id",))}
    found = told([update(1), update(2)], [10, 20], older)
    assert [one.time for one in found] == [10_000, 20_000], "columns of two layouts are not put under one another"


def test_the_end_of_a_backlog_is_reached_though_its_last_statement_changed_nothing() -> None:
    assert [one.position.major for one in told([update(1), None, None], [10, 20, 30])] == [3]
    assert [one.position.major for one in told([None, None], [10, 20])] == [2]
    found = told([update(1), None, Mark(5, ()), update(1, 1), update(2)], [10, 20, 30, 40, 50])
    assert [(one.position.major, one.context) for one in found] == [(2, 3), (3, 5), (5, 5)]
    assert times(found[0]) == {1: 10_000}


def test_f19_a_clock_that_steps_back_leaves_the_order_and_is_told() -> None:
    (one,) = told([update(1), update(2), update(1, 1)], [5000, 6000, 2000])
    assert times(one)[2] == 6_000_000
    assert one.blocks[0].steps_back
    assert [part.changes[0] for part in parts([one])] == [update(1), update(2), update(1, 1)]
    assert [part.time for part in parts([one])] == [5_000_000, 6_000_000, 2_000_000]


STATEMENTS = st.sampled_from(
    ["INSERT OR REPLACE INTO t VALUES ({0}, {1})", "UPDATE t SET v = {1} WHERE id <= {0}", "DELETE FROM t WHERE id = {0}",
     "UPDATE t SET id = {0} WHERE id = {1} AND NOT EXISTS (SELECT 1 FROM t WHERE id = {0})", "UPDATE t SET v = v"]
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(STATEMENTS, st.integers(0, 4), st.integers(0, 4), st.integers(-2, 3)), min_size=1, max_size=25))
def test_p9_whatever_was_written_whole_and_in_parts_it_replays_at_its_times(steps: list[tuple[str, int, int, int]]) -> None:
    file = CapturedFile(SCHEMA, [T])
    at, ends = 1_700_000_000_000, dict[int, int]()
    for sql, key, value, pause in steps:
        at += pause  # the clock may stand still, or be set back
        (before,) = file.sql.execute(f"SELECT max(seq) FROM {CHANGELOG}").fetchone()
        file.sql.execute(sql.format(key, value))
        file.sql.execute(f"UPDATE {CHANGELOG} SET at = 2440587.5 + ? / 86400000.0 WHERE seq > ?", (at, before))
        (after,) = file.sql.execute(f"SELECT max(seq) FROM {CHANGELOG}").fetchone()
        ends |= dict.fromkeys(range(before + 1, after + 1), at)
    found = file.transactions(backlog=True)
    flat = parts(found)
    places = [part.position.major for part in flat]
    assert places == sorted(set(places))
    assert places[-1] == found[-1].position.major == max(ends, default=places[-1])
    for part in flat:
        if part.position.major in ends:
            assert part.time == ends[part.position.major] * 1000
    assert replay({}, [change for part in flat for change in part.changes]) == file.tables()
    for one in found:
        if one.split:
            by_part = [(change, part.time) for part in one.split() for change in part.changes]
            by_row = [pair for block in one.blocks for pair in zip(changes_of(block), dates(one, block), strict=True)]
            assert sorted(by_row, key=repr) == sorted(by_part, key=repr)


def test_reading_goes_on_at_any_place_within_a_group(tmp_path: Path) -> None:
    async def story() -> None:
        async with office(tmp_path, SCHEMA, T) as here:
            here.sql.execute("INSERT INTO t VALUES (1, 0), (2, 0), (3, 0)")
            (begun,) = here.sql.execute(f"SELECT max(seq) FROM {CHANGELOG}").fetchone()
            for key in (1, 2, 3):
                here.sql.execute("UPDATE t SET v = 1 WHERE id = ?", (key,))
            here.sql.execute(f"UPDATE {CHANGELOG} SET at = at + (seq - ?) / 86400.0 WHERE seq > ?", (begun, begun))
            flat = [part for part in parts(await here.captured()) if part.changes]
            assert len(flat) == 4
            places: list[Position] = [part.position for part in flat]
            for place, at in enumerate(places[:-1]):
                rest = [change for one in await here.captured(at) for change in one.changes]
                assert rest == [change for part in flat[place + 1 :] for change in part.changes]

    run(story())
