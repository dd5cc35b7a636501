"""Comparing while no hub runs: what was found is remembered, what is over is over, and nobody says more than is known."""

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
