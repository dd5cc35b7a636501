"""Comparing while no hub runs: what was found is remembered, what is over is over, and nobody says more than is known."""

import json

from tests.stories.conftest import MakeSpace
from tests.stories.drifting import MANY, unseen
from tests.stories.space import Space


def settled(make: MakeSpace) -> Space:
    """Two equal files that no hub serves."""
    space = make(("hq", "van"))
    space.write("hq", f"{MANY.format(50)} INSERT INTO customers (id, name) SELECT n, 'row ' || n FROM many")
    space.settle()
    return space


def test_p17_drift_that_is_found_at_rest_is_an_incident_until_it_is_over(make: MakeSpace) -> None:
    space = settled(make)
    assert space.proof("van")["standing"] == "in sync"
    unseen(space, "van", "UPDATE customers SET name = 'behind our back' WHERE id = 7")
    assert space.verify(code=1)["drift"] == 1
    (incident,) = space.drift()
    assert (incident["keys"], incident["peers"]) == ([[7]], ["van"])
    assert space.proof("van")["standing"] == "drift"
    assert space.proof("hq")["standing"] == "moving", "only van stands out"
    assert space.verify(code=1)["drift"] == 1
    assert [one["id"] for one in space.drift()] == [incident["id"]], "told once"
    unseen(space, "van", "UPDATE customers SET name = 'row 7' WHERE id = 7")
    assert space.verify()["equal"]
    assert space.drift() == []
    assert space.proof("van")["standing"] == "in sync"


def test_p17_what_verify_repairs_is_over_at_once(make: MakeSpace) -> None:
    space = settled(make)
    unseen(space, "van", "UPDATE customers SET name = 'behind our back' WHERE id = 7")
    assert space.verify("--repair", code=None)["repaired"] == 1
    space.settle()
    assert space.verify()["equal"]
    assert space.drift() == []
    assert {space.proof(peer)["standing"] for peer in ("hq", "van")} == {"in sync"}


def test_p17_changes_that_nobody_captured_are_not_in_sync(make: MakeSpace) -> None:
    space = settled(make)
    space.write("van", "UPDATE customers SET name = 'written while no hub runs' WHERE id = 7")
    told = space.proof("van")
    assert told["standing"] == "moving"
    assert "1 change there that no hub has captured" in told["cause"]


def test_p17_a_file_that_is_gone_is_away_and_not_in_sync(make: MakeSpace) -> None:
    space = settled(make)
    space.move("van", "elsewhere")
    told = space.proof("van")
    assert (told["standing"], told["alarm"]) == ("away", True)
    assert "van" in told["cause"]


def test_what_is_left_of_drift_is_remembered_too(make: MakeSpace) -> None:
    space = settled(make)
    for key in (7, 8, 9):
        unseen(space, "van", "UPDATE customers SET name = 'behind our back' WHERE id = ?", key)
    assert space.verify(code=1)["drift"] == 3
    (incident,) = space.drift()
    unseen(space, "van", "UPDATE customers SET name = 'row ' || id WHERE id IN (7, 9)")
    assert space.verify(code=1)["drift"] == 1
    (left,) = space.drift()
    assert (left["id"], left["keys"], left["rows"]) == (incident["id"], [[8]], 1)
    assert "1 row differed" in space.proof("van")["cause"]
    head = space.status()["log"]["head"]
    assert space.verify(code=1)["drift"] == 1
    assert space.status()["log"]["head"] == head, "nothing new was found"
    unseen(space, "van", "UPDATE customers SET name = 'row 8' WHERE id = 8")
    assert space.verify()["equal"]
    assert space.drift() == []


def test_a_repair_of_a_row_that_was_too_much_taken_back_is_drift_again(make: MakeSpace) -> None:
    space = settled(make)
    unseen(space, "van", "INSERT INTO customers (id, name) VALUES (99, 'ghost')")
    assert space.verify(code=1)["drift"] == 1
    id = space.verb("repair", "--policy", "authority:hq", "--yes").data["done"]["id"]
    space.settle()
    assert space.verify()["equal"]
    assert space.drift() == []
    space.verb("repair", "--undo", id, "--yes")
    space.wait(lambda: space.value("van", "SELECT count(*) FROM customers WHERE id = 99") == 1, "it is at van again")
    found = space.verify(code=1)
    assert (found["drift"], found["pending"]) == (1, 0), "hq never gets the entry that is for van alone, so nothing waits"
    (incident,) = space.drift()
    assert (incident["keys"], incident["cause"]) == ([[99]], "undone")


def test_what_waits_for_a_run_is_told_as_that(make: MakeSpace) -> None:
    space = settled(make)
    space.write("van", "UPDATE customers SET name = 'written while no hub runs' WHERE id = 7")
    found = space.verify(code=1)
    assert (found["pending"], found["uncaptured"]) == (1, {"van": 1})
    told = space.raw("verify", "--config", str(space.config)).text
    assert "van: 1 change that no hub has captured yet. Next: syncline run" in " ".join(told.split())
    assert "Verify again" not in told
    space.settle()
    assert space.verify()["uncaptured"] == {}


def test_an_undo_is_told_as_one_and_who_undoes_twice_hears_what_did_it(make: MakeSpace) -> None:
    space = settled(make)
    unseen(space, "van", "INSERT INTO customers (id, name) VALUES (99, 'ghost')")
    plan = space.folder / "plan.json"
    space.verb("repair", "--policy", "authority:hq", "--out", str(plan), code=1)
    head = json.loads(plan.read_text(encoding="utf-8"))["head"]
    space.write("hq", "UPDATE customers SET name = 'the log goes on' WHERE id = 1")
    space.settle(code=1)
    made = space.verb("repair", "--plan", str(plan), "--yes").data
    assert made["plan"]["head"] == head
    id = made["done"]["id"]
    space.settle()
    undone = space.verb("repair", "--undo", id, "--yes").data
    assert undone["plan"]["policy"] == f"undo {id}"
    space.settle(code=1)
    again = space.verb("repair", "--undo", id).data
    (left,) = again["plan"]["left"]
    assert left["why"] == f"it was taken back already, by repair {undone['done']['id']}"
    kept = space.folder / "undo.json"
    space.verb("repair", "--undo", undone["done"]["id"], "--out", str(kept), code=None)
    assert space.verb("repair", "--plan", str(kept), code=None).data["plan"]["undoes"] == int(undone["done"]["id"])


def test_a_space_that_every_peer_has_left_begins_anew_and_says_so(make: MakeSpace) -> None:
    space = settled(make)
    space.verb("teardown", "--yes")
    found = space.verify(code=1)
    assert set(found["why_not_compared"].values()) == {"every peer has left: the next run begins anew"}
    told = space.raw("status", "--config", str(space.config)).text
    assert "every peer has left: the next run begins anew" in told
    assert "--rejoin" not in told


def test_a_peer_that_is_taken_down_beside_a_hub_is_told_as_left(make: MakeSpace) -> None:
    space = make(("hq", "van"))
    space.hub = space.spawn("hub", "-m", "syncline", "run", str(space.config))
    space.wait(lambda: space.log.exists() and space.state("van") == "live", "a hub runs and van is live")
    space.verb("teardown", "van", "--yes")
    space.wait(lambda: "peer.left" in space.said(), "the hub tells that van left", seconds=15)
    assert space.stop() == 0
    assert "peer.broken" not in space.said()


def test_the_cause_of_one_that_is_away_is_told_once(make: MakeSpace) -> None:
    space = settled(make)
    space.move("van", "elsewhere")
    told = space.raw("status", "--config", str(space.config)).text
    assert "what repairs it" not in told, "nothing drifted"
    reason = space.status()["peers"]["van"]["reason"]
    assert " ".join(told.split()).count(" ".join(reason.split()[:6])) == 1
