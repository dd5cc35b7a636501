"""Who watches a space over HTTP is told that it is in sync as far as it was compared, and when and why it is red."""

import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TypeAlias

import pytest
from tests.stories.conftest import MakeSpace
from tests.stories.drifting import unseen
from tests.stories.space import Space
from tests.stories.watching import free_port, get, is_up, listen, metrics, of_copy, of_space

OFTEN = "{every: 0.3s, full: 1h, budget: 100%}"


Beside: TypeAlias = Callable[[Space], tuple[int, subprocess.Popen[bytes]]]


@pytest.fixture
def beside() -> Iterator[Beside]:
    """Starts `syncline serve` beside a space's hub, or without one: the port and the process, which ends with the test."""
    with ExitStack() as started:

        def start(space: Space) -> tuple[int, subprocess.Popen[bytes]]:
            port = free_port()
            words = ("-m", "syncline", "serve", str(space.config), "--listen", f"127.0.0.1:{port}", "--json")
            process = started.enter_context(space.spawn("serve", *words))  # which waits for its end
            started.callback(process.kill)

            def answers() -> bool:
                assert process.poll() is None, space.said("serve")
                return is_up(port)

            space.wait(answers, "serve answers")
            return port, process

        yield start


def wait_ready(space: Space, port: int, wanted: bool, what: str) -> None:
    """Wait until the space can be relied on, or not."""
    space.wait(lambda: (get(port, "/readyz").status == 200) == wanted, what)


def test_p17_in_sync_is_told_as_far_as_was_compared_and_drift_is_red_with_its_cause(make: MakeSpace, beside: Beside) -> None:
    space = make(("hq", "van"), verifying=OFTEN)
    inside = listen(space)
    space.write("hq", "INSERT INTO customers (id, name) VALUES (1, 'Ada'), (2, 'Bea')")
    space.start()
    space.wait_proven()
    outside, _ = beside(space)
    for port in (inside, outside):
        wait_ready(space, port, True, "it is ready")
        found = metrics(port)
        for peer in ("hq", "van"):
            proof = space.proof(peer)
            assert of_copy(found, "in_sync", peer) == 1
            assert of_copy(found, "proof_alarm", peer) == 0
            assert of_copy(found, "proof_standing", peer, standing="in sync") == 1
            assert of_copy(found, "verified_through_offset", peer) == proof["through"]
            assert of_copy(found, "compared_offset", peer) == proof["compared"]
            age = of_copy(found, "compared_age_seconds", peer)
            assert age is not None
            assert 0 <= age < 60
        assert of_space(found, "hub_running") == of_space(found, "hub_answering") == 1
        assert of_space(found, "drift_rows", collection="customers") == 0

    unseen(space, "van", "UPDATE customers SET name = 'behind our back' WHERE id = 2")
    space.write("hq", "UPDATE customers SET notes = 'looked at again' WHERE id = 2")
    space.wait(lambda: bool(space.drift()), "the drift is found")
    for port in (inside, outside):
        wait_ready(space, port, False, "it is not ready any more")
        told = get(port, "/readyz").data
        (cause,) = told["causes"]
        assert (cause["peer"], cause["collection"], cause["standing"]) == ("van", "customers", "drift")
        assert "never in the log" in cause["why"]
        found = metrics(port)
        assert of_copy(found, "in_sync", "van") == of_copy(found, "in_sync", "hq") == 0
        assert of_copy(found, "proof_alarm", "van") == 1
        assert of_copy(found, "proof_standing", "van", standing="drift") == 1
        assert of_copy(found, "proof_standing", "van", standing="in sync") == 0
        assert of_space(found, "drift_incidents", collection="customers") == 1
        assert of_space(found, "drift_rows", collection="customers") == 1
        assert get(port, "/v1/drift").data == space.verb("drift", code=1).data
    space.verify("--repair", code=None)
    space.wait_proven()
    for port in (inside, outside):
        wait_ready(space, port, True, "it is ready again")
        found = metrics(port)
        assert of_copy(found, "in_sync", "van") == 1
        assert of_space(found, "drift_rows", collection="customers") == 0
        assert get(port, "/v1/drift").data == {"listed": "open", "incidents": []}

    space.kill()
    space.wait(lambda: of_space(metrics(outside), "hub_running") == 0, "that no hub runs is told")
    assert not is_up(inside)
    assert of_space(metrics(outside), "hub_answering") is None
    told = get(outside, "/readyz")
    assert told.status == 503
    assert "no hub runs" in told.data["causes"][0]["why"]
    space.write("van", "UPDATE customers SET notes = 'nobody saw' WHERE id = 1")
    space.wait(lambda: of_copy(metrics(outside), "uncaptured_changes", "van") == 1, "what nobody captured is told")
    found = metrics(outside)
    assert of_copy(found, "in_sync", "van") == 0
    assert of_copy(found, "lag_seconds", "van") is None, "what is not known is not told"


def test_p17_a_proof_that_stands_still_while_its_source_moves_turns_red_with_the_cause(make: MakeSpace) -> None:
    space = make(("hq", "van"), verifying="{every: 0.2s, full: 1h, budget: 100%}")
    port = listen(space)
    space.write("hq", "INSERT INTO customers (id, name) VALUES (1, 'one')")
    space.start()
    space.wait_proven()
    through = of_copy(metrics(port), "verified_through_offset", "van")
    with space.open("van") as connection:
        connection.execute("CREATE UNIQUE INDEX only_once ON customers (iban)")
    space.write("hq", "INSERT INTO customers (id, name, iban) VALUES (2, 'two', 'x'), (3, 'three', 'x')")
    space.wait(lambda: of_copy(metrics(port), "parked_rows", "van") == 1, "a row is parked")
    space.wait(lambda: of_copy(metrics(port), "proof_standing", "van", standing="stalled") == 1, "it turns red", 60.0)
    found = metrics(port)
    assert of_copy(found, "proof_alarm", "van") == 1
    assert of_copy(found, "in_sync", "van") == 0
    assert of_copy(found, "verified_through_offset", "van") == through
    told = get(port, "/readyz")
    assert told.status == 503
    assert [one for one in told.data["causes"] if one["standing"] == "stalled" and "parked" in one["why"]]
    assert space.stop() == 0


def test_http_tells_what_the_verbs_tell_and_a_crowd_does_not_keep_the_hub_from_its_work(space: Space) -> None:
    port = listen(space)
    space.start()
    space.write("hq", "INSERT INTO customers (id, name) VALUES (1, 'Ada')")
    space.wait_equal()
    space.wait_proven()
    space.wait(lambda: get(port, "/v1/status").data == space.status(), "both tell the same")
    with ExitStack() as crowd:
        for _ in range(60):
            one = crowd.enter_context(socket.create_connection(("127.0.0.1", port)))
            one.sendall(b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        for number in range(2, 12):
            space.write("van", f"INSERT INTO customers (id, name) VALUES ({number}, 'while they stare')")
            space.wait_value("hq", number, "SELECT max(id) FROM customers")
        assert space.status()["hub"]["running"]
    space.wait(lambda: is_up(port), "it answers again")
    assert space.stop() == 0
    assert "Traceback" not in space.said()


def test_a_place_that_is_taken_keeps_the_hub_from_starting_before_anything_moves(space: Space) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        for verb in ("run", "serve"):
            told = space.raw(verb, str(space.config), "--listen", place, "--json")
            assert (told.code, told.codes) == (2, ["SYN-U01"])
            assert "cannot be listened at" in told.data["error"]["what"]
    assert not space.log.exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_serve_ends_in_good_order_also_while_somebody_is_connected(
    space: Space, beside: Beside, number: signal.Signals, code: int
) -> None:
    port, process = beside(space)
    assert get(port, "/v1/status").data == space.status()
    assert get(port, "/v1/drift").data["error"]["code"] == "SYN-U01", "there is no log yet"
    with socket.create_connection(("127.0.0.1", port)):
        process.send_signal(number)
        assert process.wait(20) == code
    assert space.said("serve").splitlines() == [f'{{"listening": "http://127.0.0.1:{port}"}}']
