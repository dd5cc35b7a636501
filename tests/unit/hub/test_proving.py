"""Continuous proof: what is claimed was compared, what changed is compared soon, what is not equal is told with its cause."""

import asyncio

from tests.unit.hub.proofs import is_proven, proving, standing
from tests.unit.hub.verbs import contended

from syncline.engine.session import Phase
from syncline.hub.standing import Standing
from syncline.model.codec import decode_row
from syncline.model.proof import Mode
from syncline.model.space import VerifySettings
from syncline.sim.database import Constraints


def test_p17_a_space_is_proven_whole_at_first_and_then_by_what_changed() -> None:
    stand = contended()

    async def story() -> None:
        async with proving(stand) as verbs:
            assert standing(verbs)["standing"] == Standing.UNPROVEN
            await stand.until(is_proven(stand, *"pqr"), "proven")
            proofs = stand.engine.state.proofs.of("items")
            assert proofs.full is not None
            assert (proofs.full.mode, proofs.full.rows, proofs.full.peers) == (Mode.FULL, 5, ("p", "q", "r"))
            assert standing(verbs)["standing"] == Standing.IN_SYNC
            stand.update("p", 1, a="new")
            await stand.idle()
            assert standing(verbs)["standing"] == Standing.MOVING
            assert standing(verbs)["through"] < stand.engine.state.data
            await stand.until(is_proven(stand, *"pqr"), "proven again", 15.0)
            assert proofs.last is not None
            assert (proofs.last.mode, proofs.last.rows) == (Mode.STEADY, 1), "only what changed was compared"
            assert standing(verbs)["standing"] == Standing.IN_SYNC

    stand.run(story())


def test_p17_nothing_is_written_while_nothing_changes() -> None:
    stand = contended()

    async def story() -> None:
        async with proving(stand):
            await stand.until(is_proven(stand, *"pqr"), "proven")
            await asyncio.sleep(20.0)  # until what is known of the peers is noted
            head = stand.log.head
            await asyncio.sleep(200.0)
            assert stand.log.head == head

    stand.run(story())


def test_p17_drift_is_an_incident_until_it_is_over_and_nothing_is_claimed_meanwhile() -> None:
    stand = contended()

    async def story() -> None:
        async with proving(stand) as verbs:
            await stand.until(is_proven(stand, *"pqr"), "proven")
            before = stand.engine.state.data
            stand.update("p", 3, a="told")
            await stand.idle()
            stand.rows("q")[3,] = (3, "behind our back", 0, None, None)
            await stand.until(lambda: bool(stand.engine.state.proofs.incidents), "found", 15.0)
            (incident,) = stand.engine.state.proofs.incidents.values()
            assert (incident.collection, incident.peers, incident.count) == ("items", ("q",), 1)
            assert [decode_row(key) for key in incident.keys] == [(3,)]
            assert (incident.first, incident.cause) == (before, "uncaptured")
            assert incident.last >= stand.engine.state.data
            assert standing(verbs)["standing"] == Standing.DRIFT
            assert standing(verbs)["alarm"]
            stand.update("p", 1, a="later")
            await stand.idle()
            await asyncio.sleep(30.0)
            proofs = stand.engine.state.proofs.of("items")
            assert proofs.through["q"] == before, "what differs holds the claim back"
            assert proofs.compared["q"] >= stand.engine.state.data, "and nothing else"
            assert len(stand.engine.state.proofs.incidents) == 1, "told once"
            await verbs.verify(repair=True, emit=lambda _event: None)
            await stand.idle()
            await stand.until(is_proven(stand, *"pqr"), "proven again", 15.0)
            assert not stand.engine.state.proofs.incidents
            assert [one.how for one in stand.engine.state.proofs.closed.values()] == ["equal again"]
            assert standing(verbs)["standing"] == Standing.IN_SYNC
        names = [event.name for event in stand.events if event.name.startswith("drift.")]
        assert names == ["drift.found", "drift.over"]

    stand.run(story())


def test_drift_that_goes_away_by_itself_is_over() -> None:
    """Somebody puts the row right where the log does not see it."""
    stand = contended()

    async def story() -> None:
        async with proving(stand, VerifySettings(every=10.0, full=100.0, budget=1.0)) as verbs:
            await stand.until(is_proven(stand, *"pqr"), "proven")
            row = stand.rows("q")[3,]
            stand.rows("q")[3,] = (3, "behind our back", 0, None, None)
            await stand.until(lambda: bool(stand.engine.state.proofs.incidents), "found", 120.0)
            stand.rows("q")[3,] = row
            await stand.until(lambda: not stand.engine.state.proofs.incidents, "over", 15.0)
            assert standing(verbs)["standing"] == Standing.IN_SYNC

    stand.run(story())


def test_p17_drift_that_no_change_points_to_is_found_by_the_next_full_comparison() -> None:
    stand = contended()

    async def story() -> None:
        async with proving(stand, VerifySettings(every=10.0, full=300.0, budget=1.0)) as verbs:
            await stand.until(is_proven(stand, *"pqr"), "proven")
            del stand.rows("r")[2,]
            stand.update("p", 1, a="elsewhere")
            await stand.idle()
            await stand.until(is_proven(stand, *"pqr"), "the log knows of one row", 15.0)
            assert not stand.engine.state.proofs.incidents
            await stand.until(lambda: bool(stand.engine.state.proofs.incidents), "found", 320.0)
            assert standing(verbs, "r")["standing"] == Standing.DRIFT

    stand.run(story())


def test_p17_a_parked_row_holds_the_claim_back_and_is_named_as_the_cause() -> None:
    stand = contended()
    stand.databases["q"].constraints = Constraints(frozenset({"bad"}))

    async def story() -> None:
        async with proving(stand) as verbs:
            await stand.until(is_proven(stand, *"pqr"), "proven")
            stand.update("p", 1, a="bad")
            await stand.until(lambda: bool(stand.engine.state.parked), "parked")
            stand.update("p", 2, a="good")
            await asyncio.sleep(60.0)
            found = standing(verbs)
            assert (found["standing"], found["alarm"]) == (Standing.STALLED, True)
            assert "1 row parked" in found["cause"]
            causes = set()
            for _ in range(20):  # it is a row that changes and one that waits, but one
                stand.add("p", 1, 1)
                await asyncio.sleep(1.0)
                causes.add(standing(verbs)["cause"].partition(":")[0])
            assert causes == {"1 row parked"}
            assert not stand.engine.state.proofs.incidents, "a row that was refused is no drift"
            stand.databases["q"].constraints = Constraints()
            (row,) = stand.engine.state.parked.values()
            await verbs.retry(row.id)
            await stand.idle()
            await stand.until(is_proven(stand, *"pqr"), "proven again", 30.0)

    stand.run(story())


def test_p17_a_peer_that_is_away_is_not_claimed_and_turns_red() -> None:
    stand = contended()

    async def story() -> None:
        async with proving(stand) as verbs:
            await stand.until(is_proven(stand, *"pqr"), "proven")
            was = stand.engine.state.proofs.of("items").through["r"]
            await stand.engine.pause("r")
            await stand.until(lambda: stand.engine.sessions["r"].phase is Phase.PAUSED, "paused")
            stand.update("p", 1, a="without r")
            await stand.until(is_proven(stand, *"pq"), "the others are proven", 30.0)
            assert stand.engine.state.proofs.of("items").through["r"] == was
            await asyncio.sleep(60.0)
            found = standing(verbs, "r")
            assert (found["standing"], found["through"]) == (Standing.AWAY, was)
            assert "r is paused" in found["cause"]
            assert standing(verbs, "p")["standing"] == Standing.IN_SYNC
            await stand.engine.resume("r")
            await stand.until(is_proven(stand, *"pqr"), "proven again", 60.0)

    stand.run(story())


def test_p17_who_joins_again_has_no_claim_until_everything_was_compared() -> None:
    stand = contended()

    async def story() -> None:
        async with proving(stand):
            await stand.until(is_proven(stand, *"pqr"), "proven")
            await stand.engine.leave("r")
            await stand.until(lambda: "r" not in stand.engine.state.proofs.of("items").through, "no claim")
            await stand.engine.resume("r", rejoin=True)
            await stand.until(lambda: stand.engine.sessions["r"].phase is Phase.LIVE, "joined")
            assert "r" not in stand.engine.state.proofs.of("items").through
            full = stand.engine.state.proofs.of("items").full
            await stand.until(is_proven(stand, *"pqr"), "proven again", 60.0)
            assert stand.engine.state.proofs.of("items").full != full

    stand.run(story())
