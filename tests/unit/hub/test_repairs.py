"""Repairing over a running engine: the plan, carrying it out, directions, limits."""

import json
from collections.abc import AsyncIterator

import pytest
from tests.unit.engine.stand import Stand
from tests.unit.hub.repairer import Report, ask, away, drift, settles
from tests.unit.hub.verbs import begin, compare, contended, quiet

from syncline.engine.session import Phase
from syncline.hub import repair_plan, repairing
from syncline.hub.repair_plan import shortened
from syncline.hub.repairs import live_ground, plan_repair, wish_of
from syncline.hub.undoing import list_report, past_repairs
from syncline.model.entry import Entry
from syncline.model.errors import GuardTripped, PeerUnreachable, UsageError
from syncline.model.space import Direction, Settings
from syncline.model.value import Value


def test_a_plan_tells_rows_direction_policy_and_head_and_changes_nothing() -> None:
    stand = contended()

    async def story() -> None:
        verbs = await begin(stand)
        drift(stand, "q", 2, a="drifted")
        del stand.rows("r")[3,]
        before = {name: dict(stand.rows(name)) for name in "pqr"}
        report = await ask(verbs)
        plan = report["plan"]
        assert (plan["policy"], plan["head"], plan["rows"], plan["found"]) == ("merge", stand.engine.state.head, 2, 2)
        assert plan["collections"]["items"]["peers"] == {
            "p": {"insert": 0, "update": 0, "delete": 0},
            "q": {"insert": 0, "update": 1, "delete": 0},
            "r": {"insert": 1, "update": 0, "delete": 0},
        }
        rows = {one["key"][0]: one for one in plan["repairs"]}
        assert rows[2]["peers"]["q"] == {"does": "update", "fields": {"a": ["drifted", "x"]}}
        assert rows[2]["peers"]["p"] == {"does": "nothing"}
        assert rows[3]["peers"]["r"]["row"]["a"] == "x"
        assert (rows[2]["class"], rows[3]["class"]) == ("field", "missing")
        assert (report["done"], report["equal"], report["refused"]) == (None, False, [])
        assert {name: stand.rows(name) for name in "pqr"} == before
        assert settles(stand) == []
        assert (await ask(verbs, yes=True))["done"]["repaired"] == 2
        await stand.idle()
        assert stand.same()
        empty = await ask(verbs)
        assert (empty["equal"], empty["plan"]["rows"]) == (True, 0)
        assert stand.engine.window.pins == {}

    stand.run(story())


Held = dict[int, Value]
POLICIES = [
    ("authority:q", {2: "q", 3: None, 77: None}, {2: "q", 3: None, 77: None}, {2: "q", 3: None, 77: None}),
    ("upsert:q", {2: "q", 3: "x", 77: "p"}, {2: "q", 3: None, 77: None}, {2: "q", 3: "x", 77: None}),
    ("insert", {2: "x", 3: "x", 77: "p"}, {2: "q", 3: "x", 77: "p"}, {2: "x", 3: "x", 77: "p"}),
    ("insert:q", {2: "x", 3: "x", 77: "p"}, {2: "q", 3: None, 77: None}, {2: "x", 3: "x", 77: None}),
    ("merge", {2: "x", 3: "x", 77: None}, {2: "x", 3: "x", 77: None}, {2: "x", 3: "x", 77: None}),
]


@pytest.mark.parametrize(("policy", "at_p", "at_q", "at_r"), POLICIES)
def test_every_policy_does_what_it_says(policy: str, at_p: Held, at_q: Held, at_r: Held) -> None:
    """q has another row 2 and lacks 3; p has a row more."""
    stand = contended()

    async def story() -> None:
        verbs = await begin(stand)
        drift(stand, "q", 2, a="q")
        del stand.rows("q")[3,]
        drift(stand, "p", 77, a="p")
        report = await ask(verbs, policy, yes=True)
        await stand.idle()
        found = {name: {key: (stand.rows(name).get((key,)) or (0, None))[1] for key in (2, 3, 77)} for name in "pqr"}
        assert found == {"p": at_p, "q": at_q, "r": at_r}
        assert report["equal"] is stand.same()
        assert (await compare(verbs))["equal"] is stand.same()

    stand.run(story())


def test_a_saved_plan_is_carried_out_exactly_and_what_changed_since_is_left() -> None:
    stand = contended()

    async def story() -> None:
        verbs = await begin(stand)
        for key in (1, 2, 3):
            drift(stand, "q", key, a="drifted")
        plan = json.loads(json.dumps((await ask(verbs))["plan"]))
        drift(stand, "q", 2, a="drifted again")
        drift(stand, "q", 4, a="drifted later")
        looked = await ask(verbs, plan=plan)
        assert ([one["key"] for one in looked["plan"]["left"]], looked["plan"]["rows"]) == ([[2]], 2)
        report = await ask(verbs, yes=True, plan=plan)
        assert report["done"]["repaired"] == 2
        assert [(one["key"], "changed since" in one["why"]) for one in report["done"]["left"]] == [([2], True)]
        assert report["equal"] is False
        await stand.idle()
        assert [stand.rows("q")[key,][1] for key in (1, 2, 3, 4)] == ["x", "drifted again", "x", "drifted later"]

    stand.run(story())


def test_what_changes_between_the_plan_and_its_turn_is_left() -> None:
    stand = contended()

    async def story() -> None:
        verbs = await begin(stand)
        drift(stand, "q", 2, a="drifted")
        drift(stand, "q", 3, a="drifted")
        door = stand.doors["r"]
        plan = (await ask(verbs))["plan"]
        calls = door.calls["rows"]
        door.after["rows"] = lambda: stand.update("p", 2, a="newer") if door.calls["rows"] == calls + 2 else None
        report = await ask(verbs, yes=True, plan=plan)
        await stand.idle()
        assert [one["key"] for one in report["done"]["left"]] == [[2]]
        assert report["done"]["repaired"] == 1
        assert stand.row(2) == (2, "newer", 0, None, None)
        assert stand.same()

    stand.run(story())


def test_what_is_under_way_is_left_and_told() -> None:
    stand = contended()

    async def story() -> None:
        verbs = await begin(stand)
        drift(stand, "q", 2, a="drifted")
        plan = (await ask(verbs))["plan"]
        await away(stand, "r")
        stand.update("p", 2, m="under way")
        await stand.rest("p", "q")
        report = await ask(verbs, plan=plan)
        assert "under way" in report["plan"]["left"][0]["why"]
        report = await ask(verbs, yes=True, plan=plan)
        assert (report["done"]["repaired"], settles(stand)) == (0, [])
        assert report["equal"] is False

    stand.run(story())


BAD_PLANS = [
    {},
    {"plan": 2},
    {"plan": 1, "policy": "newest", "repairs": []},
    {"plan": 1, "policy": "merge", "repairs": [{}]},
    {"plan": 1, "policy": "merge", "repairs": [], "repairs_not_listed": 1},
    {"plan": 1, "policy": "merge", "repairs": [{"exact": "zz", "collection": "items"}]},
]


@pytest.mark.parametrize("plan", BAD_PLANS)
def test_what_is_no_plan_is_refused(plan: Report) -> None:
    stand = contended()

    async def story() -> None:
        verbs = await begin(stand)
        with pytest.raises(UsageError):
            await ask(verbs, plan=plan)

    stand.run(story())


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ({"policy": "newest"}, "no policy"),
        ({"policy": "authority:z"}, "no peer z"),
        ({"collections": ["nothing"]}, "no collection nothing"),
        ({"undo": 4711}, "no repair 4711"),
        ({"rows_max": "many"}, "cannot be asked"),
    ],
)
def test_what_does_not_exist_is_refused(words: Report, problem: str) -> None:
    stand = contended()

    async def story() -> None:
        verbs = await begin(stand)
        with pytest.raises(UsageError, match=problem):
            await ask(verbs, **words)

    stand.run(story())


def test_the_peer_whose_rows_are_to_stand_must_be_there() -> None:
    stand = contended()

    async def story() -> None:
        verbs = await begin(stand)
        await away(stand, "r")
        with pytest.raises(PeerUnreachable):
            await ask(verbs, "authority:r")
        assert (await ask(verbs, "authority:p"))["plan"]["not_compared"] == ["r"]

    stand.run(story())


# -- directions ---------------------------------------------------------------------------------------------------------------


def test_who_only_receives_has_no_say_and_who_only_sends_is_left_alone() -> None:
    stand = Stand("pqr", directions={"q": Direction.RECEIVE, "r": Direction.SEND})
    stand.fill("p", range(5))

    async def story() -> None:
        verbs = await begin(stand)
        drift(stand, "q", 2, a="local")
        drift(stand, "q", 50, a="only here")
        drift(stand, "r", 3, a="r's own")
        plan = (await ask(verbs, "authority:q"))["plan"]
        assert (plan["rows"], {one["why"] for one in plan["left"]}) == (0, {"q only receives: its rows are for nobody else"})
        assert {one["why"] for one in (await ask(verbs, "authority:r"))["plan"]["left"]} == {
            "r only sends: it keeps rows of its own, which are not compared"
        }
        left = [(one["key"], one["why"]) for one in (await ask(verbs, "insert"))["plan"]["left"]]
        assert left == [([2], "no peer lacks the row"), ([50], "who has the row only receives")]
        own = dict(stand.rows("r"))
        assert (await ask(verbs, "authority:p", yes=True))["done"]["repaired"] == 2
        await stand.idle()
        assert stand.same("p", "q")
        assert stand.rows("q")[2,] == (2, "x", 0, None, None)
        assert stand.rows("r") == own

    stand.run(story())


# -- limits -------------------------------------------------------------------------------------------------------------------


def test_more_rows_than_the_limit_are_refused() -> None:
    stand = Stand("pqr")
    stand.fill("p", range(20))

    async def story() -> None:
        verbs = await begin(stand)
        for key in range(10):
            drift(stand, "q", key, a="drifted")
        planned = await ask(verbs, rows_max=4)
        assert (planned["plan"]["found"], [one["code"] for one in planned["refused"]]) == (10, ["SYN-G01"])
        with pytest.raises(GuardTripped, match="10 rows would be repaired"):
            await ask(verbs, yes=True, rows_max=4)
        assert settles(stand) == []
        assert (await ask(verbs, yes=True, rows_max=10))["done"]["repaired"] == 10
        await stand.idle()
        assert stand.same()

    stand.run(story())


def test_f37_deletes_beyond_the_brake_are_refused_and_pass_it_when_approved() -> None:
    stand = Stand("pqr", settings=Settings(guard_delete_rows=5, guard_delete_share=0.2))
    stand.fill("p", range(20))

    async def story() -> None:
        verbs = await begin(stand)
        for key in range(10):
            del stand.rows("q")[key,]
        planned = await ask(verbs, "authority:q")
        assert {(one["where"]["peer"], one["code"]) for one in planned["refused"]} == {(name, "SYN-G01") for name in "pqr"}
        with pytest.raises(GuardTripped, match="10 deletes would hit"):
            await ask(verbs, "authority:q", yes=True)
        assert settles(stand) == []
        assert (await ask(verbs, "upsert:q"))["refused"] == [], "nothing is deleted"
        assert (await ask(verbs, "authority:q", yes=True, approve=True))["done"]["repaired"] == 10
        await stand.idle()
        assert stand.same()
        assert len(stand.rows("p")) == 10
        assert {stand.phase(name) for name in "pqr"} == {Phase.LIVE}

    stand.run(story())


def test_one_entry_has_no_more_rows_than_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repairing, "REPAIR_ENTRY_ROWS_MAX", 3)
    stand = Stand("pqr")
    stand.fill("p", range(20))

    async def story() -> None:
        verbs = await begin(stand)
        for key in range(10):
            del stand.rows("q")[key,]
            del stand.rows("r")[key,]
        report = await ask(verbs, "insert", yes=True)
        await stand.idle()
        assert stand.same()
        entries = settles(stand)
        assert [(entry.to, len(entry.changes)) for entry in entries[:2]] == [("q", 3), ("r", 3)]
        assert max(len(entry.changes) for entry in entries) == 3
        assert {(entry.body or {})["id"] for entry in entries} == {int(report["done"]["id"])} == {entries[0].offset}

    stand.run(story())


def test_the_log_is_read_once_for_all_rows_of_a_repair_and_rows_are_told_anew_as_it_grows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A reading of the whole log for every thousand rows made the repair of very many rows last for ever."""
    monkeypatch.setattr(repairing, "REPAIR_ENTRY_ROWS_MAX", 10)
    stand = Stand("pq")
    stand.fill("p", range(200))

    async def story() -> None:
        verbs = await begin(stand)
        for key in range(200):
            drift(stand, "q", key, a="drifted")
        read, plain = list[int](), stand.log.read

        def counted(after: int, upto: int | None = None) -> AsyncIterator[tuple[Entry, ...]]:
            read.append(stand.log.head - after)
            return plain(after, upto)

        start = stand.log.head
        monkeypatch.setattr(stand.log, "read", counted)
        report = await ask(verbs, "authority:q", yes=True)
        assert report["done"]["repaired"] == 200
        whole = [count for count in read if count >= start]
        assert (len(settles(stand)), len(whole)) == (20, 2), "once for the plan, once for carrying it out"
        await stand.idle()
        assert stand.same()

    stand.run(story())


def test_a_plan_of_many_rows_holds_the_values_of_the_first_ones_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repair_plan, "REPAIR_SHOWN_MAX", 5)
    stand = Stand("pq")
    stand.fill("p", range(50))

    async def story() -> None:
        verbs = await begin(stand)
        for key in range(50):
            drift(stand, "q", key, a="drifted")
        made = await plan_repair(live_ground(verbs), wish_of({}), quiet)
        (part,) = made.plan.parts
        assert (len(part.planned), len(part.shown), len({id(one.steps) for one in part.planned})) == (50, 5, 1)
        assert (await ask(verbs))["plan"]["repairs"][49]["peers"]["q"] == {"does": "update"}
        told = (await ask(verbs, listed=False))["plan"]
        assert (len(told["repairs"]), told["repairs_not_listed"], told["rows"]) == (5, 45, 50)
        assert told["collections"]["items"]["peers"]["q"]["update"] == 50

    stand.run(story())


def test_wide_values_are_not_told_and_a_long_plan_is_shortened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repair_plan, "REPAIR_SHOWN_BYTES_MAX", 5_000)
    stand = contended()

    async def story() -> None:
        verbs = await begin(stand)
        drift(stand, "q", 1, a="small")
        drift(stand, "q", 2, a="x" * 10_000)
        report = await ask(verbs)
        first, second = report["plan"]["repairs"]
        assert first["peers"]["q"]["fields"] == {"a": ["small", "x"]}
        assert second["peers"]["q"] == {"does": "update"}
        assert shortened(report, 10_000) == report
        monkeypatch.setattr(repair_plan, "REPAIR_SHOWN_MAX", 1)
        plan = shortened(report, 100)["plan"]
        assert (plan["repairs"], plan["repairs_not_listed"], plan["rows"]) == ([first], 1, 2)
        assert "marks" not in plan, "they would not fit either"
        kept = shortened(report, 300)["plan"]
        assert (len(kept["repairs"]), len(kept["marks"]["items"])) == (1, 2)
        assert (await ask(verbs, plan=kept, yes=True))["done"]["repaired"] == 2
        assert (await ask(verbs, plan=kept, yes=True))["done"]["repaired"] == 0, "once"

    stand.run(story())


def test_a_repair_by_verify_is_a_repair_like_any_other() -> None:
    stand = contended()

    async def story() -> None:
        verbs = await begin(stand)
        drift(stand, "q", 2, a="drifted")
        assert (await compare(verbs, repair=True))["repaired"] == 1
        (past,) = list_report(await past_repairs(stand.log.read_notes(0)))
        assert (past["policy"], past["rows"], past["id"]) == ("merge", 1, str(settles(stand)[0].offset))

    stand.run(story())
