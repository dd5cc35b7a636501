"""A peer joins again: twice, after a teardown, or to a log that went back in time. Nothing that it wrote is lost."""

from tests.stories.conftest import MakeSpace
from tests.stories.space import Space


def _serve_alone(space: Space, peer: str, *away: str) -> None:
    """Let a hub meet one peer while the others are away."""
    for one in away:
        space.move(one, f"{one}-away")
    space.start(live=())
    space.wait(lambda: space.state(peer) == "joining", f"{peer} is joining")
    space.stop()
    for one in away:
        space.move(f"{one}-away", one)


def _write_and_see(space: Space, peer: str, sql: str) -> None:
    """A transaction of its own in the log."""
    head = space.status()["log"]["head"]
    space.write(peer, sql)
    space.wait(lambda: space.status()["log"]["head"] > head, "it is in the log")


def test_a_second_rejoin_before_the_first_has_ended_forgets_nothing(make: MakeSpace) -> None:
    space = make(("hq", "van"))
    space.write("hq", "INSERT INTO customers (id, name) VALUES (1, 'n')")
    space.settle()
    space.write(
        "van", "INSERT INTO customers (id, name) VALUES (2, 'by van')", "UPDATE customers SET name = 'edited' WHERE id = 1"
    )
    space.verb("resume", "van", "--rejoin")
    _serve_alone(space, "van", "hq")
    space.verb("resume", "van", "--rejoin")
    space.settle()
    space.assert_equal()
    assert [row[:2] for row in space.rows("hq")] == [(1, "edited"), (2, "by van")]


def test_a_first_join_that_a_person_begins_again_stays_a_first_join(make: MakeSpace) -> None:
    space = make(("hq", "lab"))
    space.write("hq", "INSERT INTO customers (id, name) VALUES (1, 'n')")
    space.settle()
    space.peers = ("hq", "lab", "van")
    space.build("van")
    space.configure()
    space.write("van", *(f"INSERT INTO customers (id, name) VALUES ({number}, 'van')" for number in range(100, 150)))
    _serve_alone(space, "van", "hq", "lab")
    space.verb("resume", "van", "--rejoin")
    space.settle()
    space.assert_equal()
    assert len(space.rows("hq")) == 51


def test_what_was_written_after_a_teardown_is_copied_when_the_peer_comes_back(make: MakeSpace) -> None:
    space = make(("hq", "lab", "van"))
    space.write("hq", *(f"INSERT INTO customers (id, name) VALUES ({number}, 'n')" for number in range(1, 21)))
    space.settle()
    space.verb("teardown", "van", "--yes")
    space.write("van", *(f"INSERT INTO customers (id, name) VALUES ({number}, 'van')" for number in range(100, 140)))
    space.verb("resume", "van", "--rejoin")
    told = space.verb("plan").data["peers"]["van"]
    assert (told["state"], told["rows_to_copy"], told["deletes"]) == ("joins", 40, 0)
    space.settle()
    space.assert_equal()
    assert len(space.rows("hq")) == 60


def test_f27_an_older_log_that_has_grown_past_an_absent_peer_is_noticed_when_it_comes_back(make: MakeSpace) -> None:
    space = make(("hq", "van"))
    space.write("hq", "INSERT INTO customers (id, name) VALUES (1, 'n')")
    space.settle()
    space.move("van", "van-away")
    space.start(live=("hq",))
    space.copy(space.log.name, "log.backup")
    for number in range(20, 26):
        _write_and_see(space, "hq", f"INSERT INTO customers (id, name) VALUES ({number}, 'lost timeline')")
    head = space.status()["log"]["head"]
    space.wait(lambda: space.status()["peers"]["hq"]["collections"]["customers"]["watermark"] > head - 2, "hq has all of it")
    space.kill()
    space.copy("log.backup", space.log.name)
    space.move("hq", "hq-away")
    space.move("van-away", "van")
    space.start(live=("van",))
    number = 1000
    while space.status()["log"]["head"] <= head:
        _write_and_see(space, "van", f"INSERT INTO customers (id, name) VALUES ({number}, 'van')")
        number += 1
    space.move("hq-away", "hq")
    space.verb("resume", "hq", code=None)  # it is looked for now and then; this looks at once
    space.wait(lambda: "SYN-P06" in space.state("hq"), "hq does not know this log")
    space.verb("resume", "hq", "--rejoin")
    space.wait_equal()
    assert space.stop() == 0
    space.settle()
    space.assert_equal()
    assert len(space.rows("hq")) == 7 + number - 1000, "what hq wrote in the lost timeline is there, too"


def test_a_peer_that_only_sends_is_a_reference_as_long_as_it_is_all_there_is(make: MakeSpace) -> None:
    space = make(("hq", "van"), collections="{direction: {hq: send}}")
    space.write("hq", "INSERT INTO customers (id, name) VALUES (1, 'n')")
    space.settle()
    assert space.rows("van") == space.rows("hq")
