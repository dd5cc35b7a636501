"""Retrying and skipping parked rows, comparing and repairing; also in the middle of traffic."""

import asyncio

import pytest
from tests.unit.engine.stand import ITEMS, Stand
from tests.unit.hub.verbs import begin, compare, contended, quiet

from syncline.engine.session import Phase
from syncline.engine.state import State
from syncline.hub import repairing
from syncline.hub.operations import Operations, report_verify
from syncline.hub.pipeline import LivePipeline
from syncline.hub.repairing import repair
from syncline.model.entry import Kind
from syncline.model.errors import UsageError
from syncline.model.space import Direction, Settings
from syncline.peers.protocol import Peer
from syncline.reconcile import verify
from syncline.reconcile.verify import Compared, Difference, compare_collection
from syncline.sim.database import Constraints

# -- parked rows ------------------------------------------------------------------------------------------------------------


def test_parked_rows_are_retried_and_skipped_by_name() -> None:
    stand = Stand("pq", constraints={"q": Constraints(frozenset({"bad"}))})
    stand.fill("p", range(5))

    async def story() -> None:
        verbs = await begin(stand)
        stand.update("p", 1, a="bad")
        stand.update("p", 2, a="bad")
        await stand.until(lambda: len(stand.engine.state.parked) == 2, "parked")
        await stand.idle()
        first, second = sorted(stand.engine.state.parked.values(), key=lambda row: row.key[0] == 2)
        skipped = await verbs.skip(first.id)
        assert skipped["skipped"] == first.id
        assert stand.engine.state.parked["q", "items", (1,)].skipped
        stand.databases["q"].constraints = Constraints()
        retried = await verbs.retry(second.id)
        assert (retried["retried"], retried["retrying"]) == (second.id, True)
        await stand.idle()
        assert stand.row(2) == (2, "bad", 0, None, None)
        assert stand.rows("q")[1,] == (1, "x", 0, None, None)
        for verb in (verbs.retry, verbs.skip):
            with pytest.raises(UsageError, match="no parked row"):
                await verb(second.id)

    stand.run(story())


def test_several_parked_rows_are_retried_and_all_but_those_given_up() -> None:
    stand = Stand("pq", constraints={"q": Constraints(frozenset({"bad"}))})
    stand.fill("p", range(6))

    async def story() -> None:
        verbs = await begin(stand)
        for key in range(1, 6):
            stand.update("p", key, a="bad")
        await stand.until(lambda: len(stand.engine.state.parked) == 5, "parked")
        await stand.idle()
        ids = {row.key[0]: row.id for row in stand.engine.state.parked.values()}
        stand.databases["q"].constraints = Constraints()
        assert await verbs.retry_several([ids[1], ids[2]]) == {"retried": [ids[1], ids[2]], "not_retried": {}}
        await stand.until(lambda: len(stand.engine.state.parked) == 3, "two are there")
        with pytest.raises(UsageError, match="no parked row"):
            await verbs.retry_several([ids[3], "4711"])
        await verbs.skip(ids[3])
        assert sorted((await verbs.retry_several([]))["retried"]) == sorted([ids[4], ids[5]])
        await stand.idle()
        assert [row.id for row in stand.engine.state.parked.values()] == [ids[3]]

    stand.run(story())


# -- comparing and repairing -----------------------------------------------------------------------------------------------


def test_equal_peers_are_verified_and_the_log_remembers() -> None:
    stand = contended()

    async def story() -> None:
        verbs = await begin(stand)
        stand.update("p", 1, a="y")
        await stand.idle()
        data = stand.engine.state.data
        report = await compare(verbs)
        assert (report["equal"], report["rows"], report["differences"]) == (True, 5, [])
        assert report["verified_through"] == {"items": data}
        assert stand.engine.state.verified == {"items": dict.fromkeys("pqr", data)}
        shown = verbs.status()["peers"]["q"]["collections"]["items"]
        assert (shown["verified_through"], shown["lag_entries"], shown["state"]) == (data, 0, "live")

    stand.run(story())


def test_drift_is_repaired_with_what_most_hold_and_the_rest_is_kept() -> None:
    stand = contended()

    async def story() -> None:
        verbs = await begin(stand)
        stand.rows("q")[2,] = (2, "drifted", 0, None, None)
        del stand.rows("r")[3,]
        stand.rows("p")[77,] = (77, "extra", 0, None, None)
        report = await compare(verbs)
        assert (report["equal"], report["drift"], report["repaired"]) == (False, 3, 0)
        assert report["verified_through"] == {"items": None}
        assert {one["key"][0]: one["fields"] for one in report["differences"]}[2] == ["a"]
        assert not stand.same(), "comparing changes nothing"
        assert (await compare(verbs, repair=True))["repaired"] == 3
        await stand.idle()
        assert stand.same()
        assert stand.row(2) == (2, "x", 0, None, None)
        assert stand.row(3) == (3, "x", 0, None, None)
        assert stand.row(77) is None
        kept = [one for change in stand.log.of(Kind.SETTLE)[-1].changes if change.verdict for one in change.verdict.conflicts]
        assert (77, "extra", 0, None, None) in {one.theirs.row for one in kept}
        assert (await compare(verbs))["equal"]
        assert stand.engine.window.pins == {}

    stand.run(story())


def test_all_drift_is_repaired_however_little_of_it_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "DIFFERENCES_MAX", 4)
    monkeypatch.setattr(repairing, "REPAIR_ENTRY_ROWS_MAX", 3)
    stand = Stand("pqr")
    stand.fill("p", range(20))

    async def story() -> None:
        verbs = await begin(stand)
        for key in range(10):
            stand.rows("q")[key,] = (key, "drifted", 0, None, None)
        report = await compare(verbs, repair=True)
        assert (report["repaired"], report["drift"], len(report["differences"])) == (10, 10, 4)
        assert [len(entry.changes) for entry in stand.log.of(Kind.SETTLE)] == [3, 3, 3, 1]
        await stand.idle()
        assert stand.same()
        assert (await compare(verbs))["equal"]

    stand.run(story())


def test_a_repair_does_not_revert_what_changed_since_it_was_compared() -> None:
    """The drifted row is written by a user, delivered and confirmed everywhere while other rows are still compared."""
    stand = contended()

    async def story() -> None:
        verbs = await begin(stand)
        stand.rows("q")[2,] = (2, "drifted", 0, None, None)
        door = stand.doors["r"]
        door.after["rows"] = lambda: stand.update("p", 2, a="newer") if door.calls["rows"] == 3 else None
        report = await compare(verbs, repair=True)
        await stand.idle()
        row = stand.rows("p")[2,]
        assert row[1] == "newer", report
        assert stand.same()

    stand.run(story())


def test_only_the_peers_that_were_compared_decide_a_repair() -> None:
    """Two of three go away before the repair: the drifted one, now alone, is no majority."""
    stand = contended()

    def left(verbs: Operations) -> list[Peer]:
        return [session.peer for session in verbs.live()]

    async def story() -> None:
        verbs = await begin(stand)
        stand.rows("p")[2,] = (2, "drifted", 0, None, None)
        pipeline = LivePipeline(stand.engine)
        compared = await compare_collection(ITEMS, [stand.doors[name] for name in "pqr"], 5, pipeline, quiet)
        for name in "qr":
            stand.doors[name].cut()
        await stand.until(lambda: stand.phase("q") is stand.phase("r") is Phase.WAITING, "away")
        assert await repair(stand.engine, lambda _: left(verbs), compared.differences, pipeline) == 0
        for name in "qr":
            stand.doors[name].cut(False)
        await stand.live()
        await stand.idle()
        assert stand.rows("q")[2,] == stand.rows("r")[2,] == (2, "x", 0, None, None)

    stand.run(story())


def test_who_is_not_compared_is_named_and_nothing_is_called_equal() -> None:
    stand = contended()

    async def story() -> None:
        verbs = await begin(stand)
        await stand.engine.pause("r")
        await stand.until(lambda: stand.phase("r") is Phase.PAUSED, "paused")
        report = await compare(verbs)
        assert (report["equal"], report["not_compared"], report["drift"]) == (False, ["r"], 0)
        assert report["why_not_compared"] == {"r": "it is paused"}

    stand.run(story())


def test_who_only_sends_is_not_compared_and_who_only_receives_is() -> None:
    stand = Stand("pqr", directions={"q": Direction.RECEIVE, "r": Direction.SEND})
    stand.fill("p", range(5))

    async def story() -> None:
        verbs = await begin(stand)
        assert (await compare(verbs))["equal"]
        stand.insert("q", 50)
        await stand.idle()
        report = await compare(verbs)
        assert [one["key"] for one in report["differences"]] == [[50]]
        assert set(report["differences"][0]["peers"]) == {"p", "q"}

    stand.run(story())


@pytest.mark.parametrize("seed", range(3))
def test_p17_no_drift_is_claimed_in_the_middle_of_traffic(seed: int) -> None:
    stand = Stand("pqr", shuffle=seed, settings=Settings())
    stand.fill("p", range(30))

    async def story() -> None:
        verbs = await begin(stand)
        writing = asyncio.create_task(write())
        for _ in range(2):
            report = await compare(verbs)
            assert report["drift"] == 0, report
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        await stand.idle()
        assert (await compare(verbs))["equal"]

    async def write() -> None:
        for step in range(100_000):
            stand.update("pqr"[step % 3], step % 30, a=f"a{step}")
            await asyncio.sleep(0.02)

    stand.run(story())


def test_what_is_found_and_not_listed_is_counted() -> None:
    difference = Difference("items", (1,), ("a",), ("id", "a"), {"p": (1, "x"), "q": None}, "parked")
    results = [Compared("items", 5, (difference,), 2_000, None, {"parked": 2_000}), Compared("more", 5, (), 0, 7, {})]
    report = report_verify(results, {}, 0, State())
    assert (len(report["differences"]), report["differences_not_listed"]) == (1, 1_999)
