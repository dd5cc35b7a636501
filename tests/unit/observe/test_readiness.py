"""A space is ready as long as no copy is red and a hub answers; what stands against it is named."""

import pytest
from tests.unit.observe.reports import copy, peer, proof, status

from syncline.hub.standing import Standing
from syncline.observe.readiness import causes


@pytest.mark.parametrize("standing", Standing)
def test_a_red_copy_is_named_with_its_cause_and_another_is_not(standing: Standing) -> None:
    red = peer(collections={"customers": copy(proof=proof(standing.value, True, cause="2 rows differed"))})
    calm = peer(collections={"customers": copy(proof=proof(standing.value, False, cause="it is paused"))})
    (found,) = causes(status(peers={"hq": calm, "van": red}))
    assert found == ("van", "customers", standing.value, "2 rows differed")
    assert found.as_json() == {"peer": "van", "collection": "customers", "standing": standing.value, "why": "2 rows differed"}
    assert causes(status(peers={"hq": calm})) == []


def test_without_a_hub_nothing_is_ready() -> None:
    (found,) = causes(status(hub={"running": False}))
    assert found.as_json()["peer"] is None
    assert "no hub runs" in found.why


def test_a_hub_that_does_not_answer_is_a_cause() -> None:
    log = {"head": 0, "floor": 0, "bytes": 0, "reason": "SYN-L04: no space"}
    (found,) = causes(status(hub={"running": True}, log=log))
    assert "SYN-L04" in found.why


def test_a_hub_that_waits_for_its_log_is_a_cause() -> None:
    log = {"head": 0, "floor": 0, "bytes": 0, "reason": "SYN-L04: no space"}
    (found,) = causes(status(log=log))
    assert (found.peer, found.why) == ("", "the log waits: SYN-L04: no space")


def test_a_copy_of_which_no_proof_is_told_is_not_red() -> None:
    assert causes(status(peers={"hq": peer(collections={"customers": copy(proof=None)})})) == []
