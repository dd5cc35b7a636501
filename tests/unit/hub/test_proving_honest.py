"""What may not end an incident or make a claim: peers that were away, lists that were cut, halves of scans, what came later."""

import asyncio

import pytest
from tests.unit.engine.stand import Stand
from tests.unit.hub.proofs import SOON, is_proven, proving, standing
from tests.unit.hub.verbs import contended

from syncline.engine.session import Phase
from syncline.hub import incidents
from syncline.hub import proving as proving_module
from syncline.hub.at_rest import Found
from syncline.hub.operations import Operations
from syncline.hub.records import resting_peer
from syncline.hub.standing import Standing, red
from syncline.model.codec import decode_row
from syncline.model.proof import Mode
from syncline.model.space import Direction, VerifySettings
from syncline.model.value import Key
from syncline.reconcile import verify, walk


def small(patch: pytest.MonkeyPatch) -> None:
    """Ranges of few rows, so that a small table has many."""
    for name, size in (("RANGE_ROWS", 5), ("RANGES_AT_ONCE", 2), ("LEAF_ROWS", 2)):
        patch.setattr(walk, name, size)
    patch.setattr(verify, "CONFIRM_SECONDS", 0.0)
    patch.setattr(proving_module, "SCAN_NOTE_SECONDS", 0.0)


def test_p17_drift_of_a_peer_that_is_away_is_not_over_though_the_others_are_equal() -> None:
    stand = contended()

    async def story() -> None:
        async with proving(stand) as verbs:
            await stand.until(is_proven(stand, *"pqr"), "proven")
            stand.rows("r")[3,] = (3, "behind our back", 0, None, None)
            await verbs.verify(repair=False, emit=lambda _event: None)
            assert len(stand.engine.state.proofs.incidents) == 1
            await stand.engine.pause("r")
            await stand.until(lambda: stand.engine.sessions["r"].phase is Phase.PAUSED, "paused")
            stand.update("p", 1, a="without r")
            await asyncio.sleep(60.0)
            assert len(stand.engine.state.proofs.incidents) == 1
            await stand.engine.resume("r")
            stand.update("p", 1, a="with r")
            await asyncio.sleep(60.0)
            assert standing(verbs, "r")["standing"] == Standing.DRIFT
            assert stand.rows("r")[3,] != stand.rows("p")[3,]

    stand.run(story())


def test_p17_drift_that_is_too_large_to_be_named_is_over_only_by_a_whole_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch)
    monkeypatch.setattr(incidents, "INCIDENT_KEYS_MAX", 1)
    monkeypatch.setattr(verify, "DIFFERENCES_MAX", 4)
    stand = Stand("pq")
    stand.fill("p", range(100))

    async def story() -> None:
        async with proving(stand, VerifySettings(every=10.0, full=5000.0, budget=1.0)) as verbs:
            await stand.until(is_proven(stand, *"pq"), "proven")
            good = dict(stand.rows("q"))
            for key in range(0, 100, 4):
                stand.rows("q")[key,] = (key, "bad", 0, None, None)
            told = await verbs.verify(repair=False, emit=lambda _event: None)
            assert told["drift"] == 25
            found = stand.engine.state.proofs.incidents
            assert sum(one.count for one in found.values()) == 25, "all are counted"
            named: list[Key] = [decode_row(key) for one in found.values() for key in one.keys]
            stand.rows("q").update({key: good[key] for key in named})
            stand.update("p", 1, a="later")
            await asyncio.sleep(50.0)
            assert any(not one.is_named for one in found.values()), "what it does not name may differ"
            assert standing(verbs)["standing"] == Standing.DRIFT
            again = await verbs.verify(repair=False, emit=lambda _event: None)
            assert again["drift"] == 25 - len(named)
            stand.rows("q").update({key: row for key, row in good.items() if key != (1,)})
            await stand.until(lambda: not stand.engine.state.proofs.incidents, "a whole comparison finds nothing", 200.0)
            await stand.until(is_proven(stand, *"pq"), "proven", 30.0)

    stand.run(story())


def test_p17_a_scan_that_goes_on_does_not_end_what_its_first_half_found(monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch)
    stand = Stand("pq")
    stand.fill("p", range(100))

    async def story() -> None:
        async with proving(stand):
            stand.rows("q")[2,] = (2, "drift in the first half", 0, None, None)
            door = stand.doors["q"]
            asked = door.calls["digests"]
            door.after["digests"] = lambda: door.hold("digests") if door.calls["digests"] == asked + 4 else None
            await stand.until(lambda: bool(stand.engine.state.proofs.incidents), "found")
            await stand.until(lambda: door.calls["digests"] >= asked + 5, "half of it")
        await stand.restart()
        await stand.until(lambda: all(one.phase is Phase.LIVE for one in stand.engine.sessions.values()), "live")
        verbs = Operations(stand.engine, verify=SOON)
        await verbs.proving.full()
        await verbs.proving.steady()
        assert stand.engine.state.proofs.of("items").full is not None
        assert len(stand.engine.state.proofs.incidents) == 1
        assert standing(verbs)["standing"] == Standing.DRIFT

    stand.run(story())


def test_p17_a_slow_proof_does_not_end_what_was_found_after_it_had_looked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "PORTION_KEYS", 2)
    stand = contended()

    async def story() -> None:
        verbs = Operations(await stand.begin(), verify=VerifySettings(every=1.0, full=1000.0, budget=0.01, rows_per_second=1))
        await verbs.verify(repair=False, emit=lambda _event: None)
        for key in range(5):
            stand.update("p", key, a="touched")
        await stand.idle()
        slow = asyncio.get_running_loop().create_task(verbs.proving.steady())
        await asyncio.sleep(2.5)  # the first rows were looked at
        stand.rows("q")[0,] = (0, "drift meanwhile", 0, None, None)
        asked = asyncio.get_running_loop().create_task(verbs.verify(repair=False, emit=lambda _event: None))
        await stand.until(lambda: bool(stand.engine.state.proofs.incidents), "found")
        assert not slow.done()
        await slow
        await asked
        assert len(stand.engine.state.proofs.incidents) == 1
        assert standing(verbs)["standing"] == Standing.DRIFT

    stand.run(story())


def test_p17_a_scan_does_not_outlive_a_peer_that_joined_anew_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch)
    stand = Stand("pqr")
    stand.fill("p", range(100))

    async def story() -> None:
        async with proving(stand):
            door = stand.doors["q"]
            asked = door.calls["digests"]
            door.after["digests"] = lambda: door.hold("digests") if door.calls["digests"] == asked + 4 else None
            await stand.until(lambda: stand.engine.state.proofs.of("items").scan is not None, "begun")
            await stand.engine.leave("r")
            await stand.engine.resume("r", rejoin=True)
            await stand.until(lambda: stand.engine.sessions["r"].phase is Phase.LIVE, "joined")
            assert stand.engine.state.proofs.of("items").scan is None, "half of it was of another life of r"
            door.after.clear()
            if "digests" in door._held:
                door.let("digests")
            await asyncio.sleep(0.5)
            stand.rows("r")[1,] = (1, "drift behind", 0, None, None)
            await stand.until(lambda: bool(stand.engine.state.proofs.incidents), "found by a comparison of all of it", 120.0)

    stand.run(story())


def test_p17_a_peer_that_was_away_is_compared_whole_when_it_is_back() -> None:
    stand = contended()

    async def story() -> None:
        async with proving(stand, VerifySettings(every=5.0, full=40.0, budget=1.0)) as verbs:
            await stand.until(is_proven(stand, *"pqr"), "proven")
            first = standing(verbs, "r")["full_at"]
            await stand.engine.pause("r")
            stand.rows("r")[2,] = (2, "drift while away", 0, None, None)
            await stand.until(lambda: standing(verbs, "p")["full_at"] != first, "the others are compared again", 100.0)
            assert standing(verbs, "r")["full_at"] == first
            await stand.engine.resume("r")
            await stand.until(lambda: bool(stand.engine.state.proofs.incidents), "found when it is back", 60.0)

    stand.run(story())


def test_p17_what_was_never_proven_turns_red_too() -> None:
    stand = contended()

    async def story() -> None:
        async with proving(stand, VerifySettings(every=1.0, full=1000.0, budget=1.0)) as verbs:
            monkey = stand.doors["q"]
            monkey.hold("digests")
            for number in range(60):
                stand.update("p", 1, a=f"{number}")
                await asyncio.sleep(1.0)
            verbs.proving.scanned.clear()
            told = standing(verbs)
            assert (told["standing"], told["alarm"]) == (Standing.UNPROVEN, True)
            monkey.let("digests")

    stand.run(story())


def test_a_time_to_come_is_of_a_clock_that_was_ahead() -> None:
    stand = contended()

    async def story() -> None:
        async with proving(stand, VerifySettings(every=5.0, full=40.0, budget=1.0)):
            await stand.until(is_proven(stand, *"pqr"), "proven")
            known = stand.engine.state.proofs.of("items")
            known.fulls = dict.fromkeys("pqr", stand.clock.now() + 10**15)
            before = known.full
            await stand.until(lambda: known.full != before, "compared again", 60.0)
            assert known.full is not None
            assert known.full.mode is Mode.FULL

    stand.run(story())


def test_p17_a_peer_that_left_on_purpose_is_no_alarm_and_is_told_as_one_that_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its session may be broken besides, and its rows may differ: it is none of the space's any more."""
    stand = contended()

    async def story() -> None:
        async with proving(stand) as verbs:
            await stand.until(is_proven(stand, *"pqr"), "proven")
            stand.rows("r")[3,] = (3, "behind our back", 0, None, None)
            await verbs.verify(repair=False, emit=lambda _event: None)
            assert standing(verbs, "r")["standing"] == Standing.DRIFT
            await stand.engine.leave("r")
            await stand.until(lambda: stand.engine.sessions["r"].phase is not Phase.LIVE, "left")
            for phase in (Phase.PAUSED, Phase.BROKEN):
                stand.engine.sessions["r"].phase = phase
                found = standing(verbs, "r")
                assert (found["standing"], found["alarm"]) == (Standing.AWAY, False)
                assert found["cause"] == "it left the space, as it was asked to"
                assert red(verbs.status() | {"hub": {"running": True, "pid": 1}, "log": {}}) == []

    stand.run(story())


def test_who_only_sends_is_not_compared_and_that_is_no_alarm_however_long_it_lasts() -> None:
    stand = Stand("pqr", directions={"r": Direction.SEND})
    stand.fill("p", range(5))

    async def story() -> None:
        async with proving(stand) as verbs:
            await stand.until(is_proven(stand, "p", "q"), "proven")
            for step in range(40):  # far longer than a proof may take
                stand.update("p", 1, a=f"step {step}")
                await asyncio.sleep(5.0)
            found = standing(verbs, "r")
            assert (found["standing"], found["alarm"], found["through"]) == (Standing.UNPROVEN, False, None)
            assert "it only sends" in found["cause"]
            stand.rows("q")[3,] = (3, "behind our back", 0, None, None)
            await verbs.verify(repair=False, emit=lambda _event: None)
            assert standing(verbs, "q")["standing"] == Standing.DRIFT
            assert standing(verbs, "r")["standing"] == Standing.UNPROVEN
            stand.doors["r"].cut()
            await stand.until(lambda: stand.phase("r") is Phase.WAITING, "away")
            assert standing(verbs, "r")["alarm"], "but it is one that it is away"
        there = Found(uncaptured={"items": 0})
        told = resting_peer(stand.engine.state, "r", ["items"], there, sends=frozenset({"items"}))
        shown = told["collections"]["items"]["proof"]
        assert (shown["standing"], shown["alarm"]) == (Standing.UNPROVEN, False)

    stand.run(story())
