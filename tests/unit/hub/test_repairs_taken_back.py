"""Repairs that are taken back, and those that a hub makes by itself."""

from typing import Any

import pytest
from tests.unit.engine.stand import Stand
from tests.unit.hub.repairer import ask, drift, settles
from tests.unit.hub.verbs import begin, contended, quiet

from syncline.hub.auto_repair import auto_repair
from syncline.hub.operations import Operations
from syncline.hub.pipeline import LivePipeline
from syncline.hub.records import history
from syncline.hub.repairs import Wish, live_ground, wish_of
from syncline.hub.undoing import list_report, past_repairs
from syncline.model.event import Event
from syncline.model.space import AutoRepair, Settings
from syncline.reconcile.verify import Difference, compare_collection


def test_a_repair_is_taken_back_for_rows_that_nobody_changed_since() -> None:
    stand = contended()

    async def story() -> None:
        verbs = await begin(stand)
        for key in (1, 2, 3):
            stand.update("p", key, a="told")
        await stand.idle()
        for key in (1, 2):
            drift(stand, "q", key, a="wrong")
        del stand.rows("q")[3,]
        done = (await ask(verbs, "authority:q", yes=True))["done"]
        await stand.idle()
        assert [row and row[1] for row in map(stand.row, (1, 2, 3))] == ["wrong", "wrong", None]
        stand.update("r", 2, a="changed since")
        await stand.idle()
        undo = int(done["id"])
        planned = await ask(verbs, undo=undo)
        assert (planned["plan"]["rows"], planned["plan"]["undoes"]) == (2, undo)
        assert [(one["key"], one["why"]) for one in planned["plan"]["left"]] == [([2], "it was changed since the repair")]
        assert stand.rows("p")[1,][1] == "wrong", "a plan changes nothing"
        back = await ask(verbs, yes=True, undo=undo)
        assert back["done"]["repaired"] == 2
        await stand.idle()
        assert stand.same()
        assert [stand.rows("p")[key,][1] for key in (1, 2, 3)] == ["told", "changed since", "told"]
        listed = list_report(await past_repairs(stand.log.read_notes(0)))
        assert [(one["id"], one["rows"], one["undone_by"], one["undoes"]) for one in listed] == [
            (done["id"], 3, back["done"]["id"], None),
            (back["done"]["id"], 2, None, done["id"]),
        ]
        again = await ask(verbs, undo=undo)
        assert (again["plan"]["rows"], len(again["plan"]["left"])) == (0, 3)
        redo = await ask(verbs, yes=True, undo=int(back["done"]["id"]))
        await stand.idle()
        assert redo["done"]["repaired"] == 2
        assert stand.same()
        assert stand.rows("p")[1,][1] == "wrong"

    stand.run(story())


def test_taking_an_insert_back_takes_nobodys_own_row_away() -> None:
    stand = contended()

    async def story() -> None:
        verbs = await begin(stand)
        drift(stand, "p", 77, a="p's own")
        done = (await ask(verbs, "insert", yes=True))["done"]
        await stand.idle()
        assert stand.row(77) is not None
        plan = (await ask(verbs, undo=int(done["id"])))["plan"]
        assert (await ask(verbs, yes=True, plan=plan))["done"]["repaired"] == 1, "an undo can be kept as a plan, too"
        await stand.idle()
        assert [stand.rows(name).get((77,)) for name in "pqr"] == [(77, "p's own", 0, None, None), None, None]
        again = (await ask(verbs))["plan"]
        assert [one["class"] for one in again["repairs"]] == ["extra"], "the log knows no more of it than before"
        (last,) = [entry for entry in settles(stand) if (entry.body or {}).get("undoes")][:1]
        assert (await ask(verbs, yes=True, undo=last.offset))["done"]["repaired"] == 1, "and that is undone, too"
        await stand.idle()
        assert stand.row(77) == (77, "p's own", 0, None, None)

    stand.run(story())


def test_where_the_logs_row_stood_there_is_nothing_to_take_back_and_the_conflict_has_the_loser() -> None:
    stand = contended()

    async def story() -> None:
        verbs = await begin(stand)
        stand.update("p", 2, a="told")
        await stand.idle()
        drift(stand, "q", 2, a="drifted")
        done = (await ask(verbs, yes=True))["done"]
        await stand.idle()
        (left,) = (await ask(verbs, undo=int(done["id"])))["plan"]["left"]
        assert "among the conflicts" in left["why"]
        (place,) = [f"{entry.offset}.0.0" for entry in settles(stand)]
        await verbs.settle(place, "q", {})
        await stand.idle()
        assert stand.row(2) == (2, "drifted", 0, None, None)

    stand.run(story())


def test_a_row_that_was_merely_missing_is_no_loser_and_nothing_is_left() -> None:
    stand = contended()

    async def story() -> None:
        verbs = await begin(stand)
        for key in (1, 2):
            stand.update("p", key, a="told")
        await stand.idle()
        drift(stand, "q", 1, a="wrong")
        del stand.rows("r")[2,]
        done = (await ask(verbs, "authority:q", yes=True))["done"]
        await stand.idle()
        assert stand.row(2) == (2, "told", 0, None, None)
        planned = await ask(verbs, undo=int(done["id"]))
        assert planned["equal"] is False, "there is a row to take back"
        back = await ask(verbs, undo=int(done["id"]), yes=True)
        assert (back["done"]["repaired"], back["equal"]) == (1, True)
        (left,) = back["done"]["left"]
        assert (left["key"], left["why"], left["idle"]) == (
            [2],
            "it was merely missing; the space's row is as it was before",
            True,
        )

    stand.run(story())


def test_who_ordered_a_repair_is_told_with_it() -> None:
    stand = contended()

    async def story() -> None:
        verbs = await begin(stand)
        drift(stand, "q", 1, a="wrong")
        await ask(verbs, yes=True, by="ada")
        await stand.idle()
        drift(stand, "q", 1, a="wrong again")
        differences, ground = await found(stand, verbs), live_ground(verbs)
        await auto_repair(stand.engine, ground.receivers, differences, AutoRepair(), quiet)
        await stand.idle()
        drift(stand, "q", 1, a="and again")
        await verbs.verify(repair=True, emit=quiet, by="bob")
        listed = list_report(await past_repairs(stand.log.read_notes(0)))
        assert [one["by"] for one in listed] == ["ada", "automatic", "bob"]
        steps = await history(stand.log.read(0), "items", [(1,)], stand.engine.state)
        assert [one["by"] for one in steps if one.get("repair")] == ["ada", "automatic", "bob"]

    stand.run(story())


@pytest.mark.parametrize("undo", [False, True])
def test_a_plan_that_was_carried_out_already_is_told_as_such(undo: bool) -> None:
    stand = contended()

    async def story() -> None:
        verbs = await begin(stand)
        drift(stand, "q", 1, a="wrong")
        del stand.rows("r")[2,]
        drift(stand, "p", 77, a="p's own")
        words: dict[str, Any] = {}
        if undo:
            words = {"undo": int((await ask(verbs, "authority:p", yes=True))["done"]["id"])}
            await stand.idle()
        plan = (await ask(verbs, "authority:q", **words))["plan"]
        rows = plan["rows"]
        assert rows == (1 if undo else 3)
        done = (await ask(verbs, yes=True, plan=plan))["done"]
        assert done["repaired"] == rows
        await stand.idle()
        again = await ask(verbs, yes=True, plan=plan)
        assert (again["done"]["repaired"], again["done"]["id"], again["equal"]) == (0, None, True)
        carried = f"the plan was already carried out, as repair {done['id']}"
        whys = {one["why"] for one in again["done"]["left"]}
        assert whys == {carried if undo else f"its copies are equal now: {carried}"}
        if not undo:
            drift(stand, "q", 1, a="wrong")
            drift(stand, "r", 1, a="wrong, too")
            some = await ask(verbs, yes=True, plan=plan)
            assert [one["why"] for one in some["done"]["left"] if not one["idle"]] == [
                f"{carried}, and its copies differ again"
            ]
            assert some["equal"] is False

    stand.run(story())


def test_a_row_that_became_equal_by_itself_is_not_told_as_changed() -> None:
    stand = contended()

    async def story() -> None:
        verbs = await begin(stand)
        before = stand.rows("q")[1,]
        drift(stand, "q", 1, a="wrong")
        plan = (await ask(verbs))["plan"]
        stand.rows("q")[1,] = before
        again = await ask(verbs, yes=True, plan=plan)
        assert ([one["why"] for one in again["done"]["left"]], again["equal"]) == (["its copies are equal now"], True)

    stand.run(story())


def test_what_drifted_since_is_not_taken_back() -> None:
    stand = contended()

    async def story() -> None:
        verbs = await begin(stand)
        stand.update("p", 2, a="told")
        await stand.idle()
        drift(stand, "q", 2, a="wrong")
        done = (await ask(verbs, "authority:q", yes=True))["done"]
        await stand.idle()
        drift(stand, "r", 2, a="something else")
        (left,) = (await ask(verbs, undo=int(done["id"])))["plan"]["left"]
        assert left["why"].startswith("r has not, or not any more")

    stand.run(story())


# -- by itself ----------------------------------------------------------------------------------------------------------------


async def found(stand: Stand, verbs: Operations) -> list[Difference]:
    """What a proof would have found."""
    ground = live_ground(verbs)
    differences: list[Difference] = []
    for collection in ground.plan.collections.values():
        compared = await compare_collection(collection, ground.receivers(collection), 5, LivePipeline(stand.engine), quiet)
        differences += compared.differences
    return differences


def test_what_is_allowed_is_repaired_by_itself_and_nothing_else() -> None:
    stand = contended()

    async def story() -> None:
        verbs = await begin(stand)
        stand.update("p", 3, a="told")
        await stand.idle()
        drift(stand, "q", 2, a="drifted")
        del stand.rows("q")[3,]
        told: list[Event] = []
        spec = AutoRepair(("missing",), "upsert:p", 5)
        done = await auto_repair(stand.engine, live_ground(verbs).receivers, await found(stand, verbs), spec, told.append)
        assert (done.repaired, done.others, done.alarm, done.left) == (1, 1, None, ())
        await stand.idle()
        assert stand.row(3) == (3, "told", 0, None, None)
        assert stand.rows("q")[2,][1] == "drifted"
        assert [(event.name, event.count) for event in told] == [("repair.made", 1)]

    stand.run(story())


@pytest.mark.parametrize("known", [0, 500])
def test_beyond_the_cap_nothing_is_repaired_and_there_is_an_alarm(known: int) -> None:
    """Also where a proof counted more than it listed."""
    stand = contended()

    async def story() -> None:
        verbs = await begin(stand)
        for key in (1, 2, 3):
            drift(stand, "q", key, a="drifted")
        told: list[Event] = []
        differences, ground = await found(stand, verbs), live_ground(verbs)
        spec = AutoRepair(cap=2 if not known else 100)
        done = await auto_repair(stand.engine, ground.receivers, differences, spec, told.append, known)
        assert (done.repaired, settles(stand)) == (0, [])
        assert done.alarm is not None
        assert (done.alarm["code"], [event.name for event in told]) == ("SYN-V01", ["repair.capped"])
        assert done.alarm["what"] == f"{spec.cap} rows may be repaired without asking, {known or 3} differ"
        assert done.alarm["fix"].endswith("carry it out: 'syncline repair --yes'")
        spec = AutoRepair(cap=3)
        done = await auto_repair(stand.engine, ground.receivers, differences, spec, told.append)
        assert (done.repaired, done.alarm) == (3, None)
        await stand.idle()
        assert stand.same()

    stand.run(story())


def test_f37_what_the_brake_would_ask_about_is_not_deleted_by_itself() -> None:
    stand = Stand("pqr", settings=Settings(guard_delete_rows=5, guard_delete_share=0.2))
    stand.fill("p", range(20))

    async def story() -> None:
        verbs = await begin(stand)
        for key in range(10):
            del stand.rows("q")[key,]
        told: list[Event] = []
        spec = AutoRepair(policy="authority:q")
        done = await auto_repair(stand.engine, live_ground(verbs).receivers, await found(stand, verbs), spec, told.append)
        assert (done.alarm or {})["what"] == "10 of 20 rows would be deleted without asking"
        assert (done.alarm or {})["why"] == "the brake asks a person first"
        assert "'syncline repair --policy authority:q --yes'" in (done.alarm or {})["fix"]
        assert (done.repaired, settles(stand), [event.name for event in told]) == (0, [], ["repair.capped"])

    stand.run(story())


def test_a_wish_is_what_the_desk_carries() -> None:
    wish = wish_of({"collections": ["items"], "undo": 7, "yes": True})
    assert wish == Wish(("items",), undo=7, yes=True)
