"""A peer gets another name while programs write: it stays who it is, and nothing is compared, lost or counted twice."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from tests.stories.dying import KILLED
from tests.stories.life import ALL, Offices
from tests.stories.writers import writing

HERE: Final = Path(__file__).parent


@pytest.fixture
def offices(tmp_path: Path, kind: str) -> Iterator[Offices]:
    """Three offices in agreement; conflicts about notes wait for a person."""
    made = Offices(tmp_path, kind)
    made.space.configure(collections="{merge: {balance: counter, notes: manual}}")
    made.mixed.configure()
    made.space.settle()
    yield made
    made.close()


def _trouble(offices: Offices) -> str:
    """A conflict that is open and that munich has a side in; its id."""
    offices.mixed.write("hq", "UPDATE customers SET notes = 'by hq' WHERE id = 7")
    offices.mixed.write("munich", "UPDATE customers SET notes = 'by munich' WHERE id = 7")
    offices.space.settle()
    return str(offices.space.conflicts()[0]["id"])


@pytest.mark.parametrize("kind", ALL)
def test_f34_p2_p7_a_peer_is_renamed_under_load(offices: Offices) -> None:
    space = offices.space
    conflict = _trouble(offices)
    workers = [offices.worker(peer) for peer in offices.peers]
    with writing(*workers):
        space.start(live=offices.peers)
        for worker in workers:
            worker.wait_for(20)
        assert space.stop() == 0
        offices.listed(munich=None, bavaria=offices.address("munich"))
        proven = space.status()["peers"]["hq"]["collections"]["customers"]["verified_through"]
        head = space.status()["log"]["head"]
        told = space.verb("rename", "munich", "bavaria").data
        assert (told["renamed"], told["conflicts_open"], told["proven"]) == (False, 1, {"customers": proven})
        assert space.status()["log"]["head"] == head, "it was only shown"
        assert space.verb("rename", "munich", "bavaria", "--yes").data["renamed"] is True
        assert space.verb("rename", "munich", "bavaria", "--yes").data["renamed"] is True, "it may be asked for again"
        again = space.raw("rename", "munich", "bavaria", "--yes", "--config", str(space.config))
        assert again.text.startswith("munich is already called bavaria")
        space.start(live=("hq", "lab", "bavaria"))
        for worker in workers:
            worker.wait_for(20)
    offices.agree(workers)
    assert "peer.joining" not in space.said(), "nothing was compared"
    steps = space.verb("history", "customers", "3000000").data["history"]
    assert [(step["origin"], step.get("now")) for step in steps[:1]] == [("munich", {"munich": "bavaria"})]
    assert space.conflicts()[0]["now"] == {"munich": "bavaria"}
    space.verb("conflicts", "resolve", conflict, "--take", "bavaria")
    space.settle()
    assert {row[4] for peer in offices.peers for row in offices.mixed.rows(peer) if row[0] == 7} == {"by munich"}


@pytest.mark.parametrize("kind", ALL)
def test_f34_a_new_name_that_the_log_was_not_told_of_stops_that_peer_alone(offices: Offices) -> None:
    space = offices.space
    workers = [offices.worker(peer) for peer in offices.peers]
    offices.listed(munich=None, bavaria=offices.address("munich"))
    with writing(*workers):
        space.start(live=("hq", "lab"))
        told = offices.wait_state("bavaria", "broken", "SYN-P04")
        assert "syncline rename munich bavaria" in told
        assert space.verb("rename", "munich", "bavaria", "--yes", code=3).codes == ["SYN-L05"], "a hub runs"
        workers[0].wait_for(20)
        assert space.stop() == 0
        space.verb("rename", "munich", "bavaria", "--yes")
        space.start(live=("hq", "lab", "bavaria"))
    offices.agree(workers)
    assert "peer.joining" not in space.said(), "nothing was compared"


@pytest.mark.parametrize("kind", ["sqlite"])
@pytest.mark.parametrize("point", ["recording", "recorded"])
def test_f7_f34_killed_while_it_is_recorded_it_is_done_by_asking_again(offices: Offices, point: str) -> None:
    workers = [offices.worker(peer) for peer in offices.peers]
    offices.listed(munich=None, bavaria=offices.address("munich"))
    with writing(*workers):
        words = (f"rename.{point}:1", "rename", "munich", "bavaria", "--yes", "--config", str(offices.space.config))
        process = offices.space.spawn("dying", str(HERE / "dying.py"), *words)
        assert process.wait(60) == KILLED, offices.space.said("dying")
        told = offices.space.verb("rename", "munich", "bavaria").data
        assert told["renamed"] is (point == "recorded")
        offices.space.verb("rename", "munich", "bavaria", "--yes")
    offices.agree(workers)


@pytest.mark.parametrize("kind", ["sqlite"])
def test_f32_f34_a_row_that_waits_goes_with_its_peer(offices: Offices) -> None:
    space = offices.space
    strict = (
        "CREATE TRIGGER strict BEFORE UPDATE ON customers WHEN NEW.name = 'odd' BEGIN SELECT RAISE(ABORT, 'no odd names'); END"
    )
    space.write("munich", strict)
    space.write("hq", "UPDATE customers SET name = 'odd' WHERE id = 9")
    space.settle(code=None)
    (parked,) = space.parked()
    offices.listed(munich=None, bavaria=offices.address("munich"))
    assert space.verb("rename", "munich", "bavaria", "--yes").data["parked"] == 1
    assert [(one["id"], one["peer"]) for one in space.parked()] == [(parked["id"], "bavaria")]
    space.write("munich", "DROP TRIGGER strict")
    space.verb("parked", "retry", parked["id"])
    offices.agree([])
    assert space.value("munich", "SELECT name FROM customers WHERE id = 9") == "odd"


@pytest.mark.parametrize("kind", ["sqlite"])
def test_what_cannot_be_renamed_is_told_and_nothing_is_changed(offices: Offices) -> None:
    space, munich = offices.space, offices.address("munich")
    head = space.status()["log"]["head"]

    def refused(old: str, new: str, *said: str, code: int = 2) -> None:
        told = space.verb("rename", old, new, "--yes", code=code)
        assert not [word for word in said if word not in told.text], told.text

    refused("munich", "bavaria", "the configuration has no peer bavaria", "write bavaria instead of munich")
    refused("munich", "lab", "munich and lab are both configured", "two places")
    refused("munich", "munich", "has this name already")
    offices.listed(munich=None, bavaria=munich)
    refused("vienna", "bavaria", "vienna has not taken part", "hq, lab, munich")
    offices.listed(lab=None)
    refused("munich", "hq", "hq has taken part in this space itself")
    space.copy("lab.db", "other.db")
    offices.listed(bavaria="sqlite:///other.db")
    refused("munich", "bavaria", "SYN-P06", "this is not the copy that the log knows", code=3)
    assert space.status()["log"]["head"] == head


@pytest.mark.parametrize("kind", ["sqlite"])
def test_a_name_that_is_free_again_is_given_to_another_peer(offices: Offices) -> None:
    space = offices.space
    space.write("munich", "UPDATE customers SET name = 'by the first munich' WHERE id = 1")
    space.settle()
    offices.listed(munich=None, bavaria=offices.address("munich"))
    space.verb("rename", "munich", "bavaria", "--yes")
    space.build("second")
    offices.listed(munich="sqlite:///second.db")
    space.settle()
    space.write("second", "UPDATE customers SET name = 'by the second munich', balance = 5 WHERE id = 1")
    space.settle()
    assert space.rows("second") == space.rows("hq") == space.rows("munich")
    steps = space.verb("history", "customers", "1").data["history"]
    mine = [(step["origin"], step.get("now")) for step in steps if step["kind"] == "change" and step["origin"] == "munich"]
    assert mine == [("munich", {"munich": "bavaria"}), ("munich", None)]
