"""Peers leave, one or all: what then goes on, what is refused with its reason, and how the space begins again."""

import pytest
from tests.stories.space import Space


def _begun(space: Space) -> None:
    space.write("hq", "INSERT INTO customers (id, name, balance) VALUES (1, 'Ada', 100), (2, 'Bob', 0)")
    space.settle()


def test_a_space_that_every_peer_left_begins_anew_on_the_same_log(space: Space) -> None:
    _begun(space)
    head = space.status()["log"]["head"]
    space.verb("teardown", "--yes")
    assert {(one["state"], one["reason"]) for one in space.status()["peers"].values()} == {("left", None)}
    space.write("hq", "UPDATE customers SET balance = 7, name = 'Ada L.' WHERE id = 1")
    space.write("van", "INSERT INTO customers (id, name) VALUES (3, 'Cid')")
    assert space.settle().data["converged"]
    space.assert_equal()
    assert space.read("hq", "SELECT id, name FROM customers ORDER BY id") == [(1, "Ada L."), (2, "Bob"), (3, "Cid")]
    history = space.verb("history", "customers", "1").data["history"]
    assert history[0]["offset"] <= head < history[-1]["offset"], "the log keeps what was"
    space.write("van", "UPDATE customers SET balance = balance + 1 WHERE id = 1")
    space.settle()
    assert space.value("hq", "SELECT balance FROM customers WHERE id = 1") == space.value(
        "van", "SELECT balance FROM customers"
    )


def test_a_hub_that_is_killed_while_the_space_begins_anew_goes_on_with_it(space: Space) -> None:
    _begun(space)
    space.verb("teardown", "--yes")
    space.start()
    space.kill()
    space.write("van", "UPDATE customers SET name = 'x' WHERE id = 2")
    space.settle()
    space.assert_equal()
    assert space.value("hq", "SELECT name FROM customers WHERE id = 2") == "x"


def test_while_one_peer_stays_who_left_comes_back_only_when_asked(space: Space) -> None:
    _begun(space)
    space.verb("teardown", "van", "--yes")
    told = space.verb("resume", "van", code=2)
    assert told.codes == ["SYN-U01"]
    assert "left" in told.text
    assert "resume van --rejoin" in told.text
    assert space.status()["peers"]["van"]["state"] == "left", "nothing was done"
    shown = space.verb("resume").data
    assert (shown["resumed"], list(shown["aside"]), shown["hub"]) == (["hq"], ["van"], {"running": False})
    assert space.verb("resume", "van", "--rejoin").data["resumed"] == ["van"]
    space.settle()
    space.assert_equal()


def test_who_never_took_part_cannot_be_resumed(space: Space) -> None:
    for words in (("van",), (), ("van", "--rejoin")):
        told = space.verb("resume", *words, code=2)
        assert "has not taken part yet" in told.text
    assert not space.log.exists()


@pytest.mark.parametrize("running", [False, True], ids=["at_rest", "running"])
def test_f26_who_cannot_go_on_is_not_said_to(space: Space, running: bool) -> None:
    _begun(space)
    space.copy("van.db", "backup.db")
    space.write("hq", "UPDATE customers SET name = 'later'")
    space.settle()
    space.copy("backup.db", "van.db")
    if running:
        space.start(live=("hq",))
        space.wait(lambda: "SYN-P06" in space.state("van"), "it is recognised")
    told = space.verb("resume", "van", code=3)
    assert told.codes == ["SYN-P06"]
    assert "resume van --rejoin" in told.text
    shown = space.verb("resume").data
    assert (shown["resumed"], shown["aside"]["van"]["code"]) == (["hq"], "SYN-P06")
    assert shown["states"] == {"hq": "live"}
    space.verb("resume", "van", "--rejoin")
    if running:
        space.wait_equal()
        assert space.stop() == 0
    space.settle()
    space.assert_equal()


def test_all_that_are_asked_to_rejoin_do_so_without_a_false_alarm(space: Space) -> None:
    _begun(space)
    space.verb("resume", "--rejoin")
    said = space.raw("run", "--until-idle", "-c", str(space.config))
    assert said.code == 0, said.text
    assert said.text.count("peer.joined") == 2
    assert "SYN-" not in said.text
    space.assert_equal()


def test_a_running_hub_is_not_robbed_of_all_its_peers_but_lets_one_go(space: Space) -> None:
    _begun(space)
    space.start()
    assert space.hub is not None
    told = space.verb("teardown", "--yes", code=3)
    assert told.codes == ["SYN-L05"]
    assert f"pid {space.hub.pid}" in told.text
    assert "stop it first" in told.text
    assert {one["state"] for one in space.status()["peers"].values()} == {"live"}, "nothing was done"
    assert space.verb("teardown", "van", "--yes").data["hub"] == {"running": True}
    _left_as_asked(space)
    assert space.read("van", "SELECT name FROM sqlite_schema WHERE name LIKE '\\_syncline%' ESCAPE '\\'") == []
    space.write("hq", "UPDATE customers SET name = 'on it goes' WHERE id = 2")
    space.wait_value("hq", "on it goes", "SELECT name FROM customers WHERE id = 2")
    assert space.state("van").startswith("left")
    assert space.stop() == 0
    assert space.read("van", "SELECT name FROM sqlite_schema WHERE name LIKE '\\_syncline%' ESCAPE '\\'") == []


@pytest.mark.parametrize("begun", [False, True], ids=["never_ran", "ran"])
@pytest.mark.parametrize("paused", [("hq",), ("van",), ()], ids=["hq", "van", "all"])
def test_nothing_of_a_pause_survives_the_teardown_of_the_whole_space(
    space: Space, begun: bool, paused: tuple[str, ...]
) -> None:
    if begun:
        _begun(space)
    space.verb("pause", *paused)
    space.verb("teardown", "--yes")
    space.write("van", "INSERT INTO customers (id, name) VALUES (3, 'Cid')")
    assert space.settle().data["converged"]
    assert {one["state"] for one in space.status()["peers"].values()} == {"live"}
    space.assert_equal()


def test_who_left_before_it_took_part_can_be_resumed(space: Space) -> None:
    space.verb("pause", "van")
    space.settle(code=None)
    space.verb("teardown", "van", "--yes")
    assert space.state("van").startswith("left as it was asked to")
    space.verb("resume", "van", "--rejoin")
    assert space.settle().data["converged"]


def test_a_peer_that_is_not_listed_any_more_does_not_keep_a_space_from_beginning_anew(space: Space) -> None:
    _begun(space)
    space.build("shop")
    space.peers = ("van", "shop")
    space.configure()
    space.settle(code=None)
    space.verb("teardown", "--yes")
    assert space.settle().data["converged"]
    space.assert_equal(peers=("van", "shop"))


def test_a_space_whose_first_peer_is_paused_says_so_at_once(space: Space) -> None:
    space.verb("pause", "hq")
    told = space.settle(code=2)
    assert told.data["error"]["what"] == "the space cannot begin while hq is paused"
    assert "syncline resume hq" in told.text
    space.verb("pause", "van")
    assert "while hq is paused" in space.settle(code=2).text
    space.verb("resume")
    assert space.settle().data["converged"]
    space.verb("pause")
    assert "'syncline resume'" in space.settle(code=3).text


def _left_as_asked(space: Space) -> None:
    """Who left on request is nowhere called broken."""
    told = space.status()["peers"]["van"]
    assert (told["state"], told["reason"]) == ("left", "as it was asked to; to have it back: 'syncline resume van --rejoin'")
    for verb in ("verify", "repair"):
        report = space.verb(verb, code=1).data
        assert report.get("plan", report)["why_not_compared"] == {"van": f"it left, {told['reason']}"}


def test_who_left_is_told_so_while_no_hub_runs(space: Space) -> None:
    space.settle()
    space.verb("teardown", "van", "--yes")
    _left_as_asked(space)
