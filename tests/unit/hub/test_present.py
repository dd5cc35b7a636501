"""Of which copies nothing is known now: what the status says of their peers, in few words and without values of rows."""

from typing import Any

import pytest

from syncline.hub.present import away_now, shortened, state_now

TEXT = "SYN-P05: a captured table was truncated (table orders, peer crm): the log does not say. Fix: resume crm --rejoin"


def status(state: str = "live", reason: str | None = None, uncaptured: int | None = None, **hub: Any) -> dict[str, Any]:
    """A status of one peer."""
    return {
        "hub": hub,
        "peers": {"crm": {"state": state, "reason": reason, "collections": {"orders": {"uncaptured": uncaptured}}}},
    }


RUNS: dict[str, Any] = {"running": True, "pid": 7}


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (status(**RUNS), ""),
        (status("broken", TEXT, **RUNS), "it is broken: a captured table was truncated (SYN-P05)"),
        (status("waiting", "SYN-P03: the peer cannot be reached. Fix: start it", **RUNS),
         "it is waiting: the peer cannot be reached (SYN-P03)"),
        (status("waiting", "SYN-P03: gone: Key (id)=(secret) exists", **RUNS), "it is waiting: gone (SYN-P03)"),
        (status("paused", **RUNS), "it is paused"),
        (status("joining", **RUNS), "it is joining"),
        (status("stale", "somebody's own words", **RUNS), "it is stale"),
        (status(running=True), "the running hub does not answer"),
        (status(running=False), "it could not be looked at"),
        (status(uncaptured=0, running=False), ""),
        (status(uncaptured=1, running=False), "it has 1 change that no hub has captured yet"),
        (status(uncaptured=10**9, running=False), "it has 1,000,000,000 changes or more that no hub has captured yet"),
        (status("left", uncaptured=0, running=False), "it is left"),
    ],
)  # fmt: skip
def test_why_nothing_is_known_of_a_copy(told: dict[str, Any], why: str) -> None:
    assert away_now(told, ["crm"], ["orders"]) == ({("crm", "orders"): why} if why else {})


def test_what_a_hub_proved_that_waits_for_its_log_is_of_the_past() -> None:
    told = status(**RUNS) | {"log": {"reason": "SYN-L04: the log's disk is full (log /srv/x.db): no space. Fix: make room"}}
    assert away_now(told, ["crm"], ["orders"]) == {
        ("crm", "orders"): "the log takes no entries: the log's disk is full (SYN-L04)"
    }
    assert away_now(status(**RUNS) | {"log": {"reason": None}}, ["crm"], ["orders"]) == {}


def test_a_peer_that_the_hub_does_not_have_is_not_known() -> None:
    assert away_now(status(**RUNS), ["lab"], ["orders"]) == {("lab", "orders"): "the running hub does not know it"}
    assert state_now(status(**RUNS), "lab") == "unknown"
    assert state_now(status("broken", **RUNS), "crm") == "broken"


def test_why_a_peer_was_not_compared_is_told_in_few_words() -> None:
    assert shortened(f"it is broken: {TEXT}") == "it is broken: a captured table was truncated (SYN-P05)"
    assert shortened("it is paused") == "it is paused"
