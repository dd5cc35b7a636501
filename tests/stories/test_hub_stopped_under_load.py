"""The hub is stopped, suspended and started twice while writers go on: it drains or leaves what a next start goes on with."""

import json
import signal
import time

from tests.stories.space import Space
from tests.stories.writers import Writer, assert_counted, counting, writing


def _writers(space: Space) -> list[tuple[Writer, int]]:
    return [(Writer(space, peer, counting(first), 0.002), first) for peer, first in (("hq", 10**6), ("van", 2 * 10**6))]


def _begin(space: Space) -> None:
    space.write("hq", "INSERT INTO customers (id, name) VALUES (1, 'Ada')")
    space.settle()


def test_f8_sigterm_under_load_ends_soon_with_zero_and_the_next_start_goes_on(space: Space) -> None:
    _begin(space)
    writers = _writers(space)
    with writing(*(writer for writer, _ in writers)):
        for _ in range(2):
            space.start()
            for writer, _ in writers:
                writer.wait_for(50)
            begun = time.monotonic()
            assert space.stop() == 0
            assert time.monotonic() - begun < 15.0
            last = json.loads(space.said().splitlines()[-1])
            assert last["hub"] == {"running": False}
            assert set(last["peers"]) == {"hq", "van"}
    space.settle()
    assert_counted(space, writers)
    space.assert_equal()


def test_f8_f29_a_second_start_while_the_first_serves_is_refused_with_its_pid_and_the_first_goes_on(space: Space) -> None:
    _begin(space)
    space.start()
    assert space.hub is not None
    second = space.spawn("second", "-m", "syncline", "run", str(space.config), "--json")
    assert second.wait(30) == 3
    error = json.loads(space.said("second").splitlines()[0])["error"]
    assert error["code"] == "SYN-L05"
    assert f"pid {space.hub.pid} " in error["what"]
    assert "Traceback" not in space.said("second")
    space.write("van", "UPDATE customers SET name = 'Ada L.'")
    space.wait_value("hq", "Ada L.", "SELECT name FROM customers")
    assert space.verb("run", "--until-idle", code=3).codes == ["SYN-L05"]
    assert space.stop() == 0
    space.settle()


def test_f17_a_hub_that_was_suspended_goes_on_where_it_was(space: Space) -> None:
    _begin(space)
    writers = _writers(space)
    space.start()
    assert space.hub is not None
    with writing(*(writer for writer, _ in writers)):
        for _ in range(3):
            space.hub.send_signal(signal.SIGSTOP)
            for writer, _ in writers:  # suspended in the middle of an apply it may hold a writer up, but loses nothing
                writer.linger(0.3)
            space.hub.send_signal(signal.SIGCONT)
            for writer, _ in writers:
                writer.wait_for(10)
    space.wait_equal()
    assert space.stop() == 0
    space.settle()
    assert_counted(space, writers)


def test_f17_p13_a_suspended_hub_keeps_the_log_and_one_that_lost_it_has_no_effect(space: Space) -> None:
    _begin(space)
    space.start()
    assert space.hub is not None
    space.hub.send_signal(signal.SIGSTOP)
    try:
        told = space.verb("run", "--until-idle", code=3)
        assert told.codes == ["SYN-L05"], "the claim is the system's, so that a process that sleeps still holds it"
        assert f"pid {space.hub.pid} " in told.data["error"]["what"]
    finally:
        space.hub.send_signal(signal.SIGCONT)
    lock = space.folder / f"{space.log.name}.lock"
    lock.rename(space.folder / "taken.lock")  # as if the claim had been lost: another machine, a restored snapshot
    space.write("van", "UPDATE customers SET name = 'by the new hub'")
    space.settle()
    space.write("hq", "UPDATE customers SET name = 'after the fence'")
    assert space.hub.wait(30) == 3
    assert "SYN-L02" in space.said()
    space.settle()
    space.assert_equal()
    assert space.value("van", "SELECT name FROM customers") == "after the fence"
