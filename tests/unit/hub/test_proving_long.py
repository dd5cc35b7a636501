"""Full comparisons that take longer than the log keeps what they began with: they end, and claim what was compared."""

import asyncio

import pytest
from tests.unit.engine.stand import Stand
from tests.unit.hub.proofs import is_proven, proving, standing

from syncline.engine.session import Phase
from syncline.hub import proving as proving_module
from syncline.hub.operations import Operations
from syncline.hub.standing import Standing
from syncline.model.codec import decode_row
from syncline.model.proof import Mode, Wanted
from syncline.model.space import Settings, VerifySettings
from syncline.reconcile import verify, walk

SLOW = VerifySettings(every=5.0, full=100_000.0, budget=1.0, rows_per_second=1)  # 100 rows take 100 seconds


def slow(patch: pytest.MonkeyPatch, retention: float = 20.0) -> Stand:
    """A hundred rows in many ranges, and a log that forgets soon."""
    for name, size in (("RANGE_ROWS", 5), ("RANGES_AT_ONCE", 2), ("LEAF_ROWS", 2)):
        patch.setattr(walk, name, size)
    patch.setattr(verify, "CONFIRM_SECONDS", 0.0)
    patch.setattr(proving_module, "SCAN_NOTE_SECONDS", 0.0)
    stand = Stand("pq", settings=Settings(retention_seconds=retention))
    stand.fill("p", range(100))
    return stand


async def busy(stand: Stand, seconds: float) -> None:
    """Somebody writes all the time, to the first rows and to the last ones."""
    for step in range(int(seconds / 4)):
        stand.update("p" if step % 2 else "q", 3 if step % 3 else 97, a=f"step {step}")
        await asyncio.sleep(4.0)


def test_p17_a_full_comparison_that_takes_longer_than_the_log_keeps_changes_ends_and_is_a_proof(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stand = slow(monkeypatch)

    async def story() -> None:
        async with proving(stand, SLOW) as verbs:
            start = stand.engine.state.data
            await busy(stand, 160.0)
            proofs = stand.engine.state.proofs.of("items")
            assert proofs.full is not None, "it ended"
            first = proofs.full
            assert stand.log.floor > start, "the log let go of what it began with"
            assert (first.rows, first.equal) == (100, True)
            assert first.start >= stand.log.floor or proofs.compared["q"] >= stand.log.floor, "what was compared is followed"
            await busy(stand, 300.0)
            assert stand.engine.state.proofs.of("items").full == first, "everything is compared once, not again and again"
            await stand.idle()
            await stand.until(is_proven(stand, *"pq"), "proven", 60.0)
            assert standing(verbs)["standing"] == Standing.IN_SYNC

    stand.run(story())


def test_p17_drift_behind_a_long_comparison_is_found_where_the_row_is_written_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the comparison has passed is looked at again only if it changes: then it is no less than the proof of it."""
    stand = slow(monkeypatch)

    async def story() -> None:
        async with proving(stand, SLOW) as verbs:
            await asyncio.sleep(40.0)  # the first rows are behind it
            stand.update("p", 3, a="told")
            await stand.idle()
            stand.rows("q")[3,] = (3, "behind our back", 0, None, None)
            await stand.until(lambda: bool(stand.engine.state.proofs.incidents), "found while it goes on", 30.0)
            assert stand.engine.state.proofs.of("items").full is None
            (incident,) = stand.engine.state.proofs.incidents.values()
            assert [decode_row(key) for key in incident.keys] == [(3,)]
            await asyncio.sleep(120.0)
            full = stand.engine.state.proofs.of("items").full
            assert full is not None
            assert full.unequal == {"drift": 1}
            assert standing(verbs)["standing"] == Standing.DRIFT
            assert stand.engine.state.proofs.of("items").through == {}

    stand.run(story())


def test_p17_a_long_comparison_that_waits_for_its_hours_over_a_restart_keeps_what_it_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stand = slow(monkeypatch)

    async def story() -> None:
        async with proving(stand, SLOW):
            await asyncio.sleep(40.0)
        await stand.restart()
        await stand.until(lambda: all(one.phase is Phase.LIVE for one in stand.engine.sessions.values()), "live")
        before = stand.engine.state.proofs.of("items").scan
        assert before is not None
        waits = Operations(stand.engine, verify=VerifySettings(every=5.0, full=0.0, budget=1.0))  # its hours are over
        task = asyncio.get_running_loop().create_task(waits.proving.run())
        await busy(stand, 120.0)
        after = stand.engine.state.proofs.of("items").scan
        task.cancel()
        assert after is not None
        assert stand.log.floor > before.start, "the log let go of what it began with"
        assert (after.upto, after.rows, after.start > before.start) == (before.upto, before.rows, True)
        verbs = Operations(stand.engine, verify=SLOW)
        asked = stand.doors["q"].calls["digests"]
        await verbs.proving.full()
        full = stand.engine.state.proofs.of("items").full
        assert full is not None
        assert (full.rows, full.equal, full.start) == (100, True, after.start)
        assert stand.doors["q"].calls["digests"] - asked < 100 // 10, "what was compared is not compared again"

    stand.run(story())


def test_p17_verify_that_takes_longer_than_the_log_keeps_changes_is_a_proof_too(monkeypatch: pytest.MonkeyPatch) -> None:
    stand = slow(monkeypatch)

    async def story() -> None:
        settings = VerifySettings(every=5.0, full=0.0, budget=1.0)
        async with proving(stand, settings) as verbs:
            start = stand.engine.state.data
            writer = asyncio.get_running_loop().create_task(busy(stand, 120.0))
            await verbs.verify(repair=False, emit=lambda _event: None, wanted=Wanted(rows_per_second=1))
            await writer
            assert stand.log.floor > start
            await stand.idle()
            await stand.until(is_proven(stand, *"pq"), "proven", 60.0)
            full = stand.engine.state.proofs.of("items").full
            assert full is not None
            assert (full.mode, full.rows) == (Mode.FULL, 100)

    stand.run(story())


def test_a_log_is_not_trimmed_under_a_proof_but_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retention is shorter than the time between two proofs: what they have to look at is kept, though not for ever."""
    stand = slow(monkeypatch, retention=1.0)

    async def story() -> None:
        async with proving(stand, VerifySettings(every=60.0, full=100_000.0, budget=1.0)) as verbs:
            await stand.until(is_proven(stand, *"pq"), "proven")
            proofs = stand.engine.state.proofs.of("items")
            first = proofs.full
            await busy(stand, 400.0)
            proofs = stand.engine.state.proofs.of("items")
            assert proofs.last is not None
            assert (proofs.full, proofs.last.mode) == (first, Mode.STEADY), "what changed was enough to look at"
            assert 0 < stand.log.floor <= proofs.compared["q"]
            monkeypatch.setattr(verbs.proving, "_arrived", lambda *_: asyncio.sleep(0, ["q"]))  # proofs do not move any more
            stuck = stand.engine.state.data
            await busy(stand, 2_000.0)
            assert stand.log.floor <= stuck
            await busy(stand, 2_400.0)
            assert stand.log.floor > stuck, "nobody's disk is filled for a proof that does not come"

    stand.run(story())
