"""Setting up: what is found made anew between the meeting and the work."""

from tests.unit.engine.stand import Stand

from syncline.engine.session import Phase
from syncline.model.errors import PeerRestored


def test_f20_a_footprint_that_goes_between_meeting_and_setting_up_is_not_taken_for_a_new_one() -> None:
    stand = Stand()
    stand.fill("p", range(10))

    async def story() -> None:
        await stand.begin()
        door, known = stand.doors["r"], stand.engine.state.peer("r").incarnation
        door.cut()
        stand.update("p", 2, a="p's")
        await stand.until(lambda: stand.phase("r") is Phase.WAITING, "away")
        door.hold("setup")
        asked = door.calls["setup"]
        door.cut(False)
        await stand.until(lambda: door.calls["setup"] > asked, "it was met, and found to be itself")
        stand.databases["r"].tear_down()
        door.let("setup")
        await stand.until(lambda: stand.phase("r") is Phase.BROKEN, "it is noticed")
        reason = stand.reason("r")
        assert isinstance(reason, PeerRestored)
        assert "gone or empty" in reason.why
        assert stand.engine.state.peer("r").incarnation == known, "the log was told nothing without evidence"
        await stand.engine.resume("r", rejoin=True)
        await stand.live()
        await stand.idle()
        assert stand.same()

    stand.run(story())
