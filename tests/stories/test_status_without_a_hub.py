"""No hub runs: the status says what the log and the files tell, and never that all is well where it is not."""

from tests.stories.conftest import MakeSpace
from tests.stories.space import Report, Space


def _peer(space: Space, name: str) -> Report:
    found: Report = space.status()["peers"][name]
    return found


def test_changes_that_nobody_captured_are_counted_and_nothing_is_touched(make: MakeSpace) -> None:
    space = make(("hq", "lab", "van"), collections="{direction: {lab: receive}}")
    space.write("hq", "INSERT INTO customers (id, name) VALUES (1, 'Ada'), (2, 'Bob')")
    assert _peer(space, "hq")["stage"] == "new"
    space.settle()
    assert [_peer(space, name)["collections"]["customers"]["uncaptured"] for name in space.peers] == [0, 0, 0]
    space.write("van", "UPDATE customers SET name = 'x'", "INSERT INTO customers (id) VALUES (3)")
    space.write("lab", "UPDATE customers SET name = 'of a peer that only receives'")
    before = {name: space.rows(name, "_syncline_changelog") for name in space.peers}
    found = space.status()["peers"]
    assert [found[name]["collections"]["customers"]["uncaptured"] for name in space.peers] == [0, 0, 3]
    assert {found[name]["state"] for name in space.peers} == {"live"}
    assert {name: space.rows(name, "_syncline_changelog") for name in space.peers} == before
    assert "van: 3 changes that no hub has captured yet" in space.raw("status", "-c", str(space.config)).text


def test_f26_a_peer_that_was_restored_is_told_before_a_hub_meets_it(space: Space) -> None:
    space.write("hq", "INSERT INTO customers (id, name) VALUES (1, 'Ada')")
    space.settle()
    space.copy("van.db", "backup.db")
    space.write("hq", "UPDATE customers SET name = 'later'")
    space.settle()
    space.copy("backup.db", "van.db")
    for _ in range(2):
        told = _peer(space, "van")
        assert (told["state"], told["stage"]) == ("broken", "live")
        assert "SYN-P06" in told["reason"]
        assert "resume van --rejoin" in told["reason"]
        space.settle(code=3)
    assert _peer(space, "hq")["state"] == "live"


def test_f37_what_the_guard_has_held_back_is_told_until_it_is_approved(make: MakeSpace) -> None:
    space = make(settings="{guard_delete_rows: 5}")
    space.write("hq", *(f"INSERT INTO customers (id) VALUES ({number})" for number in range(20)))
    space.settle()
    space.write("van", "DELETE FROM customers WHERE id < 15")
    assert space.settle(code=1).codes == ["SYN-G01"]
    told = _peer(space, "hq")
    assert told["state"] == "broken"
    assert "15 deletes would hit 20 rows" in told["reason"]
    assert "resume hq --approve" in told["reason"]
    assert _peer(space, "van")["state"] == "live"
    space.verb("resume", "hq", "--approve")
    told = _peer(space, "hq")
    assert (told["state"], told["reason"]) == ("live", None)
    space.settle()
    space.assert_equal()


def test_a_peer_that_is_paused_away_or_damaged_is_told_as_such(make: MakeSpace) -> None:
    space = make(("hq", "lab", "van"))
    space.settle()
    assert space.verb("resume", "lab").data["not_paused"] == ["lab"]
    space.verb("pause", "lab")
    assert space.verb("resume", "lab").data["not_paused"] == []
    space.verb("pause", "lab")
    space.move("van", "away")
    space.file("hq").write_bytes(b"no database" * 500)
    found = space.status()["peers"]
    assert [found[name]["state"] for name in space.peers] == ["broken", "paused", "waiting"]
    counted = [found[name]["collections"]["customers"]["uncaptured"] for name in space.peers]
    assert counted == [None, 0, None], "what could not be counted is not none"
    assert ["SYN-P04" in found["hq"]["reason"], found["lab"]["reason"], "SYN-P02" in found["van"]["reason"]] == [
        True,
        None,
        True,
    ]
