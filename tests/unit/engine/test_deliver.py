"""Deliver: batches, watermarks without rows, corrections of the origin, rows behind a parked one."""

import asyncio

import pytest
from tests.unit.engine.stand import Stand

from syncline.engine import deliver
from syncline.engine.core import Engine
from syncline.engine.state import ParkedRow
from syncline.model.entry import Kind
from syncline.model.errors import PeerBusy
from syncline.model.limits import BATCH_ROWS_MIN
from syncline.model.space import Settings
from syncline.model.write import Op
from syncline.sim.database import Constraints

POISON = {"q": Constraints(frozenset({"bad"}))}


def only(engine: Engine) -> ParkedRow:
    """The one parked row."""
    (row,) = engine.state.parked.values()
    return row


def test_a_watermark_is_written_where_there_are_no_rows_to_write() -> None:
    """Else the log could never forget what its writer wrote."""
    stand = Stand("pq")

    async def story() -> None:
        engine = await stand.begin()
        stand.insert("p", 1)
        await stand.idle()
        batch = stand.doors["p"].batches[-1]
        assert (batch.rows, batch.writes) == (0, ())
        assert stand.databases["p"].content.watermark >= engine.state.data
        count = len(stand.doors["p"].batches)
        await stand.until(lambda: stand.loop.time() > 60, "a minute")
        assert len(stand.doors["p"].batches) == count, "and only once"

    stand.run(story())


def test_a_watermark_is_written_after_many_rows_of_others_though_they_never_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """The window keeps them until everybody has confirmed them."""
    monkeypatch.setattr(deliver, "FLUSH_ROWS", 50)
    stand = Stand("pq")

    async def story() -> None:
        await stand.begin()
        count = len(stand.doors["p"].batches)
        for first in range(0, 400, 10):
            for key in range(first, first + 10):
                stand.insert("p", key)
            await asyncio.sleep(0.03)
        assert len(stand.doors["p"].batches) >= count + 5
        await stand.idle()

    stand.run(story())


def test_own_plain_changes_come_back_to_nobody() -> None:
    stand = Stand("pqr")
    stand.fill("p", range(5))

    async def story() -> None:
        await stand.begin()
        before = {name: len(door.batches) for name, door in stand.doors.items()}
        stand.update("p", 1, a="y")
        stand.add("p", 2, 3)
        await stand.idle()
        written = {
            name: [w for batch in door.batches[before[name] :] for w in batch.writes] for name, door in stand.doors.items()
        }
        assert written["p"] == []
        assert [(write.op, write.fields, write.deltas) for write in written["q"]] == [
            (Op.UPDATE, ("a",), ()), (Op.UPDATE, (), ("n",))
        ]  # fmt: skip

    stand.run(story())


def test_c1_the_loser_is_corrected_and_increments_add_up() -> None:
    stand = Stand("pqr")
    stand.fill("p", range(3))

    async def story() -> None:
        await stand.begin()
        stand.update("p", 1, a="p's")
        stand.add("p", 1, 2)
        stand.update("q", 1, a="q's")
        stand.add("q", 1, 5)
        await stand.idle()
        row = stand.row(1)
        assert row is not None
        assert row[1] in ("p's", "q's")
        assert row[2] == 7
        assert stand.told("conflict")

    stand.run(story())


def test_batches_grow_while_behind_and_shrink_when_an_apply_takes_long() -> None:
    stand = Stand("pq", settings=Settings(batch_rows=1_000))

    async def story() -> None:
        engine = await stand.begin()
        await engine.pause("q")
        for key in range(1_500):
            stand.insert("p", key)
        await engine.resume("q")
        await stand.idle()
        sizes = [batch.rows for batch in stand.doors["q"].batches if batch.rows]
        assert sizes[0] <= BATCH_ROWS_MIN
        assert max(sizes) > 2 * BATCH_ROWS_MIN
        assert max(sizes) <= 1_000
        stand.doors["q"].apply_seconds = 2.0
        for key in range(1_500):
            stand.update("p", key, a="z")
        await stand.idle()
        assert [batch.rows for batch in stand.doors["q"].batches if batch.rows][-1] <= BATCH_ROWS_MIN
        assert stand.same()

    stand.run(story())


def test_batches_grow_also_where_most_of_the_log_is_ones_own_or_folds_into_one_row() -> None:
    """Else a peer under load of its own falls behind for ever."""
    stand = Stand("pq")
    stand.fill("p", range(3))

    async def story() -> None:
        engine = await stand.begin()
        await engine.pause("q")
        for _ in range(1_500):
            stand.add("p", 1, 1)
        await engine.resume("q")
        await stand.idle()
        assert len([batch for batch in stand.doors["q"].batches if batch.rows]) < 12
        assert stand.same()

    stand.run(story())


def test_s2_a_peer_that_is_far_behind_reads_the_log_back() -> None:
    stand = Stand("pq")

    async def story() -> None:
        engine = await stand.begin()
        await engine.pause("q")
        engine.ingest.tail._rows_max = 50
        for key in range(400):
            stand.insert("p", key)
        await stand.idle()
        await engine.resume("q")
        await stand.idle()
        assert stand.same()

    stand.run(story())


def test_a_refused_batch_is_applied_whole_later() -> None:
    stand = Stand("pq")

    async def story() -> None:
        await stand.begin()
        stand.doors["q"].fail("apply", PeerBusy("locked"), PeerBusy("locked"))
        stand.insert("p", 1)
        await stand.until(lambda: stand.same() and len(stand.rows("q")) == 1, "there")
        await stand.idle()
        assert len(stand.told("peer.waiting", "q")) == 2

    stand.run(story())


# -- parked rows --------------------------------------------------------------------------------------------------------------


def test_f32_a_poisoned_row_waits_with_what_follows_it_and_the_rest_flows() -> None:
    stand = Stand("pqr", constraints=POISON)
    stand.fill("p", range(5))

    async def story() -> None:
        engine = await stand.begin()
        stand.update("p", 1, a="bad")
        stand.update("p", 2, a="good")
        await stand.idle()
        assert stand.rows("q")[1,] == (1, "x", 0, None, None)
        assert stand.rows("q")[2,] == stand.rows("r")[2,] == (2, "good", 0, None, None)
        assert stand.rows("r")[1,] == (1, "bad", 0, None, None)
        row = only(engine)
        assert (row.peer, row.key, row.code, row.attempts) == ("q", (1,), "check", 1)
        stand.add("r", 1, 3)
        stand.update("p", 1, a="good again")
        await stand.idle()
        assert stand.rows("q")[1,] == (1, "x", 0, None, None), "later changes of the key wait, even harmless ones"
        assert stand.rows("p")[1,] == stand.rows("r")[1,] == (1, "good again", 3, None, None)
        await engine.retry(row)
        await stand.idle()
        assert stand.row(1) == (1, "good again", 3, None, None)
        assert not engine.state.parked
        assert not engine.window.exceptions
        assert len(engine.window) == 0

    stand.run(story())


def test_f32_a_retry_that_is_refused_again_stays_parked_and_counts() -> None:
    stand = Stand("pq", constraints=POISON)
    stand.fill("p", range(3))

    async def story() -> None:
        engine = await stand.begin()
        stand.update("p", 1, a="bad")
        await stand.idle()
        first = only(engine)
        await engine.retry(first)
        await stand.until(lambda: only(engine).attempts == 2, "refused again")
        assert only(engine).since == first.since
        assert only(engine).retried == 0
        stand.update("p", 1, a="good")
        await stand.idle()
        await stand.until(lambda: not engine.state.parked, "tried again by itself", 200)
        await stand.idle()
        assert stand.row(1) == (1, "good", 0, None, None)

    stand.run(story())


def test_f32_an_edit_at_the_peer_that_refused_is_merged_not_lost() -> None:
    stand = Stand("pqr", constraints=POISON)
    stand.fill("p", range(3))

    async def story() -> None:
        engine = await stand.begin()
        stand.update("p", 1, a="bad")
        stand.add("p", 1, 1)
        await stand.idle()
        stand.add("q", 1, 10)
        await stand.idle()
        assert stand.rows("p")[1,] == stand.rows("r")[1,] == (1, "bad", 11, None, None)
        stand.databases["q"].constraints = Constraints()
        await engine.retry(only(engine))
        await stand.idle()
        assert stand.row(1) == (1, "bad", 11, None, None)

    stand.run(story())


def test_f32_a_skipped_row_is_not_tried_again_by_itself_but_on_demand() -> None:
    stand = Stand("pq", constraints=POISON)
    stand.fill("p", range(3))

    async def story() -> None:
        engine = await stand.begin()
        stand.update("p", 1, a="bad")
        await stand.idle()
        await engine.skip(only(engine))
        stand.databases["q"].constraints = Constraints()
        await stand.until(lambda: stand.loop.time() > 200, "a while")
        assert only(engine).skipped
        assert stand.rows("q")[1,] == (1, "x", 0, None, None)
        await stand.restart()
        await stand.live()
        assert only(stand.engine).skipped
        await stand.engine.retry(only(stand.engine))
        await stand.idle()
        assert stand.row(1) == (1, "bad", 0, None, None)

    stand.run(story())


def test_parked_rows_survive_a_restart_with_what_waits_behind_them() -> None:
    stand = Stand("pqr", constraints=POISON)
    stand.fill("p", range(3))

    async def story() -> None:
        await stand.begin()
        stand.update("p", 1, a="bad")
        await stand.idle()
        await stand.restart()
        await stand.live()
        assert only(stand.engine).attempts == 1, "the refusal was read again from the peer's history, and is no other one"
        stand.update("r", 1, a="good")
        await stand.idle()
        assert stand.rows("q")[1,] == (1, "x", 0, None, None)
        await stand.engine.retry(only(stand.engine))
        await stand.idle()
        assert stand.row(1) == (1, "good", 0, None, None)
        assert len(stand.engine.window) == 0

    stand.run(story())


def test_a_row_whose_retry_held_is_not_blocked_after_a_restart() -> None:
    """Neither if the log knew that it held, nor if only the peer did."""
    for confirmed in (True, False):
        stand = Stand("pq", constraints=POISON)
        stand.fill("p", range(3))

        async def story(stand: Stand = stand, confirmed: bool = confirmed) -> None:
            engine = await stand.begin()
            stand.update("p", 1, a="bad")
            await stand.idle()
            stand.databases["q"].constraints = Constraints()
            await engine.retry(only(engine))
            await stand.until(lambda: stand.rows("q")[1,][1] == "bad", "applied")
            if confirmed:
                await stand.idle()
                await engine.confirm()
            await stand.restart()
            await stand.live()
            stand.update("p", 1, a="next")
            await stand.idle()
            assert stand.row(1) == (1, "next", 0, None, None)
            assert not stand.engine.state.parked
            assert not stand.engine.window.exceptions
            assert len(stand.log.of(Kind.PARK)) == 1

        stand.run(story())


def test_a_row_that_is_refused_while_nobody_listens_is_parked_at_the_next_start() -> None:
    """The engine died between the apply and the capture of its record."""
    stand = Stand("pq", constraints=POISON)
    stand.fill("p", range(3))

    async def story() -> None:
        await stand.begin()
        stand.doors["q"].after["apply"] = lambda: stand.doors["q"].hold("position")
        stand.update("p", 1, a="bad")
        await stand.until(lambda: bool(stand.databases["q"].content.history[-1].refused), "applied")
        await stand.restart()
        await stand.live()
        await stand.until(lambda: bool(stand.engine.state.parked), "parked")
        stand.update("p", 1, a="good")
        await stand.idle()
        assert stand.rows("q")[1,] == (1, "x", 0, None, None)
        await stand.until(lambda: not stand.engine.state.parked, "tried again by itself", 100)
        await stand.idle()
        assert stand.row(1) == (1, "good", 0, None, None)

    stand.run(story())
