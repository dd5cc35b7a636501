"""A hub that runs and does not answer: nobody looked at the copies, so none is in sync."""

import signal

from tests.stories.conftest import MakeSpace


def test_p17_what_a_silent_hub_proved_is_of_the_past(make: MakeSpace) -> None:
    space = make(("hq", "van"))
    space.write("hq", "INSERT INTO customers (id, name) VALUES (1, 'n')")
    space.start()
    space.wait_proven("hq", "van")
    assert space.hub is not None
    space.hub.send_signal(signal.SIGSTOP)
    try:
        told = space.status()
    finally:
        space.hub.send_signal(signal.SIGCONT)
    assert (told["hub"]["running"], "pid" in told["hub"]) == (True, False)
    for peer in ("hq", "van"):
        proof = told["peers"][peer]["collections"]["customers"]["proof"]
        assert (proof["standing"], proof["alarm"], proof["cause"]) == ("away", True, "the running hub does not answer")
    space.wait_proven("hq", "van")
