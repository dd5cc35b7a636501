"""Continuous proof where something stands in the way: peers that lack entries, rows that never rest, restarts, budgets."""

import asyncio
from typing import Any

import pytest
from tests.unit.engine.stand import Stand
from tests.unit.hub.proofs import SOON, is_proven, proving, standing
from tests.unit.hub.verbs import contended

from syncline.engine.session import Phase
from syncline.engine.state import State
from syncline.hub import proving as proving_module
from syncline.hub.operations import Operations
from syncline.model.codec import decode_row
from syncline.model.entry import Entry, Kind
from syncline.model.proof import Wanted
from syncline.model.schema import Collection
from syncline.model.space import AutoRepair, VerifySettings
from syncline.model.value import Key
from syncline.reconcile import verify, walk
from syncline.reconcile.verify import Difference


def test_p17_nothing_is_claimed_of_what_peers_did_not_get_though_they_are_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    """p wrote and went away; q and r have not got it, so they are equal, and not with the log."""
    monkeypatch.setattr(proving_module, "PROOF_WAIT_SECONDS", 5.0)
    stand = contended()

    async def story() -> None:
        async with proving(stand) as verbs:
            await stand.until(is_proven(stand, *"pqr"), "proven")
            was = dict(stand.engine.state.proofs.of("items").through)
            for name in "qr":
                stand.doors[name].hold("apply")
            stand.update("p", 1, a="on its way")
            await stand.until(lambda: stand.engine.state.data > was["q"], "in the log")
            await stand.engine.pause("p")
            await asyncio.sleep(60.0)
            through = stand.engine.state.proofs.of("items").through
            assert (through["q"], through["r"]) == (was["q"], was["r"])
            assert "did not get what the log has" in standing(verbs)["cause"]
            for name in "qr":
                stand.doors[name].let("apply")
            await stand.engine.resume("p")
            await stand.until(is_proven(stand, *"pqr"), "proven again", 90.0)

    stand.run(story())


def test_p17_a_row_that_nobody_can_compare_holds_no_other_row_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """It never rests and the log does not explain it: it is looked at each time, and all the others are compared."""
    stand = contended()
    real, restless = verify._confirm_some, {(1,)}

    async def confirm(collection: Collection, peers: Any, suspects: Any, pipeline: Any) -> list[Difference]:
        asked.append(set(suspects))
        found = await real(collection, peers, [key for key in suspects if key not in restless], pipeline)
        rows = dict.fromkeys("pqr", (1, "x"))
        return [
            *found,
            *(Difference("items", key, ("a",), collection.columns, dict(rows), "pending") for key in restless & set(suspects)),
        ]

    asked: list[set[Key]] = []

    async def story() -> None:
        async with proving(stand) as verbs:
            await stand.until(is_proven(stand, *"pqr"), "proven")
            was = stand.engine.state.proofs.of("items").through["q"]
            monkeypatch.setattr(verify, "_confirm_some", confirm)
            monkeypatch.setattr(walk, "same", lambda _digests: False)
            stand.update("p", 1, a="restless")
            await stand.until(lambda: bool(stand.engine.state.proofs.of("items").pending), "pending", 15.0)
            stand.update("r", 2, a="another row")
            await stand.idle()
            await asyncio.sleep(30.0)
            found = stand.engine.state.proofs.of("items")
            assert found.through["q"] == was
            assert found.compared["q"] == stand.engine.state.data, "the others are compared"
            assert [decode_row(key) for key in found.pending] == [(1,)]
            assert "under way for too long" in standing(verbs)["cause"]
            assert sum((1,) in keys for keys in asked) >= 3, "it is looked at each time"
            restless.clear()
            await stand.until(is_proven(stand, *"pqr"), "proven again", 30.0)
            assert found.pending == ()

    stand.run(story())


def test_a_full_comparison_goes_on_where_it_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, size in (("RANGE_ROWS", 5), ("RANGES_AT_ONCE", 2), ("LEAF_ROWS", 2)):
        monkeypatch.setattr(walk, name, size)
    monkeypatch.setattr(verify, "CONFIRM_SECONDS", 0.0)
    monkeypatch.setattr(proving_module, "SCAN_NOTE_SECONDS", 0.0)
    stand = Stand("pq")
    stand.fill("p", range(100))

    async def story() -> None:
        async with proving(stand):
            door = stand.doors["q"]
            asked = door.calls["digests"]
            door.after["digests"] = lambda: door.hold("digests") if door.calls["digests"] == asked + 4 else None
            await stand.until(lambda: door.calls["digests"] >= asked + 5, "half of it")
            scan = stand.engine.state.proofs.of("items").scan
            assert scan is not None
            assert 0 < scan.rows < 100
        stand.rows("q")[99,] = (99, "drift behind", 0, None, None)
        await stand.restart()
        await stand.until(lambda: all(one.phase is Phase.LIVE for one in stand.engine.sessions.values()), "live")
        verbs = Operations(stand.engine, verify=SOON)
        await verbs.proving.full()
        full = stand.engine.state.proofs.of("items").full
        assert full is not None
        assert (full.start, full.rows, full.unequal) == (scan.start, 100, {"drift": 1})
        assert stand.doors["q"].calls["digests"] < 100 // 5 // 2, "what was compared is not compared again"
        assert stand.engine.state.proofs.of("items").scan is None

    stand.run(story())


def test_a_sample_proves_nothing_and_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "RANGE_ROWS", 5)
    stand = Stand("pq")
    stand.fill("p", range(200))

    async def story() -> None:
        verbs = Operations(await stand.begin(), verify=SOON)
        told = await verbs.verify(repair=False, emit=lambda _event: None, wanted=Wanted(sample=0.3, seed=7))
        assert told["sampled"]
        assert 20 <= told["rows"] <= 120
        assert told["verified_through"] == {"items": None}
        proofs = stand.engine.state.proofs.of("items")
        assert (proofs.through, proofs.compared, proofs.full) == ({}, {}, None)
        again = await verbs.verify(repair=False, emit=lambda _event: None, wanted=Wanted(sample=0.3, seed=7))
        assert again["rows"] == told["rows"]

    stand.run(story())


def test_a_budget_makes_it_slower() -> None:
    stand = contended()

    async def story() -> None:
        verbs = Operations(await stand.begin(), verify=SOON)
        begun = stand.loop.time()
        await verbs.verify(repair=False, emit=lambda _event: None, wanted=Wanted(rows_per_second=1))
        assert stand.loop.time() - begun >= 4.0

    stand.run(story())


def test_what_was_proven_outlives_the_hub_and_a_checkpoint() -> None:
    stand = contended()

    async def story() -> None:
        async with proving(stand):
            await stand.until(is_proven(stand, *"pqr"), "proven")
            stand.update("p", 3, a="told")
            await stand.idle()
            stand.rows("q")[3,] = (3, "behind our back", 0, None, None)
            await stand.until(lambda: bool(stand.engine.state.proofs.incidents), "found", 15.0)
        proofs = stand.engine.state.proofs
        other = State()
        other._restore(stand.engine.state.checkpoint())
        assert (other.proofs.collections, other.proofs.incidents) == (proofs.collections, proofs.incidents)
        engine = await stand.restart()
        await stand.until(engine.ready.is_set, "back")
        assert (engine.state.proofs.collections, engine.state.proofs.incidents) == (proofs.collections, proofs.incidents)

    stand.run(story())


def test_writers_go_on_and_nothing_is_called_drift() -> None:
    stand = contended()

    async def story() -> None:
        async with proving(stand, VerifySettings(every=1.0, full=5.0, budget=0.5)):
            for number in range(600):
                stand.update("pqr"[number % 3], number % 5, a=f"v{number}")
                await asyncio.sleep(0.05)
            await stand.idle()
            await stand.until(is_proven(stand, *"pqr"), "proven", 60.0)
            assert not stand.engine.state.proofs.incidents
            assert not stand.engine.state.proofs.closed

    stand.run(story())


def test_an_older_log_tells_what_was_verified_without_proofs() -> None:
    from_old = {"items": {"p": 7, "q": 7}}
    state = State()
    state.fold(Entry(8, Kind.VERIFY, body=from_old))
    assert state.verified == from_old
    assert state.proofs.of("items").compared == from_old["items"]


def test_drift_of_allowed_classes_is_repaired_by_itself_up_to_a_cap() -> None:
    stand = contended()
    settings = VerifySettings(every=10.0, full=50.0, budget=1.0, repair=AutoRepair(("missing",), "merge", 2))

    async def story() -> None:
        async with proving(stand, settings) as verbs:
            await stand.until(is_proven(stand, *"pqr"), "proven")
            del stand.rows("q")[2,]
            await stand.until(lambda: bool(stand.engine.state.proofs.incidents), "found", 120.0)
            await stand.until(lambda: (2,) in stand.rows("q"), "repaired", 60.0)
            await stand.until(lambda: not stand.engine.state.proofs.incidents, "over", 60.0)
            for key in (0, 1, 3):
                del stand.rows("r")[key,]
            await stand.until(lambda: verbs.proving.alarm is not None, "too much", 120.0)
            assert verbs.status()["repair_alarm"]["code"].startswith("SYN-")
            await asyncio.sleep(100.0)
            assert set(stand.rows("r")) == {(2,), (4,)}, "nothing of it was repaired"
            assert len([event for event in stand.events if event.name == "repair.capped"]) == 1, "told once"
            await verbs.verify(repair=True, emit=lambda _event: None)
            await stand.until(lambda: not stand.engine.state.proofs.incidents, "over", 60.0)
            assert verbs.status()["repair_alarm"] is None
            stand.rows("q")[4,] = (4, "a field, which may not be repaired by itself", 0, None, None)
            await stand.until(lambda: bool(stand.engine.state.proofs.incidents), "found", 120.0)
            await asyncio.sleep(100.0)
            assert stand.rows("q")[4,][1] != stand.rows("p")[4,][1]

    stand.run(story())
