"""Coming back: stale peers, restored ones, copies, a log from a backup, peers that left. Never 'resume from now'."""

import pytest
from tests.unit.engine.stand import Stand

from syncline.engine.session import Phase
from syncline.engine.state import Stage
from syncline.model.entry import Kind
from syncline.model.errors import PeerRestored, UsageError
from syncline.model.space import Settings

RANGE = 4
STALE = Settings(stale_seconds=20.0)


@pytest.fixture(autouse=True)
def _short_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncline.engine.range_reader.SNAPSHOT_ROWS_MAX", RANGE)


async def go_stale(stand: Stand, name: str) -> None:
    """Cut a peer off until nobody waits for it any more."""
    stand.doors[name].cut()
    await stand.until(lambda: stand.engine.state.peers[name].stage is Stage.STALE, "stale", 60)


async def come_back(stand: Stand, name: str, **more: str) -> None:
    """Connect again, be told to join again, and do."""
    stand.doors[name].cut(False)
    await stand.until(lambda: stand.phase(name) is Phase.BROKEN, "recognised")
    assert isinstance(stand.reason(name), PeerRestored)
    await stand.engine.resume(name, rejoin=True, authority=more.get("authority"))
    await stand.live()
    await stand.idle()


def settled(stand: Stand) -> None:
    """Equal, and nothing left behind."""
    assert stand.same(), {name: stand.rows(name) for name in stand.databases}
    assert stand.engine.window.pins == {}
    assert len(stand.engine.window) == 0
    record = stand.engine.state.peers["r"]
    assert (record.stage, record.rejoining, record.since) == (Stage.LIVE, False, None)


def kept(stand: Stand) -> set[object]:
    """The values of conflicts on record."""
    found = [
        one for entry in stand.log.entries for change in entry.changes if change.verdict for one in change.verdict.conflicts
    ]
    return {side.value for one in found for side in (one.ours, one.theirs)}


def test_c6_a_stale_peer_comes_back_and_its_stale_rows_do_not() -> None:
    stand = Stand(settings=STALE)
    stand.fill("p", range(20))

    async def story() -> None:
        await stand.begin()
        await go_stale(stand, "r")
        stand.delete("p", 3, 4, 5)
        stand.update("p", 6, a="news")
        stand.add("q", 7, 5)
        stand.insert("q", 100)
        await stand.rest("p", "q")
        assert len(stand.engine.window) == 0, "nobody waits for it"
        await come_back(stand, "r")
        settled(stand)
        assert stand.row(3) is None
        assert stand.row(6) == (6, "news", 0, None, None)
        assert stand.row(7) == (7, "x", 5, None, None)

    stand.run(story())


@pytest.mark.parametrize("crash", [False, True])
def test_what_a_peer_wrote_while_away_is_kept(crash: bool) -> None:
    """Whether nobody else touched the row, or somebody did."""
    stand = Stand(settings=STALE)
    stand.fill("p", range(20))

    async def story() -> None:
        await stand.begin()
        await go_stale(stand, "r")
        stand.update("r", 1, a="offline")
        stand.add("r", 2, 10)
        stand.insert("r", 50, a="offline")
        stand.delete("r", 3)
        stand.add("p", 2, 1)
        stand.update("p", 4, a="theirs")
        stand.update("r", 4, a="ours")
        stand.update("p", 5, a="theirs")
        stand.add("r", 5, 7)
        stand.delete("p", 6)
        stand.update("r", 6, a="still alive")
        if crash:
            await stand.restart()
            stand.doors["r"].after["chunk"] = lambda: stand.doors["r"].hold("position")
        await come_back_with_crash(stand) if crash else await come_back(stand, "r")
        settled(stand)
        assert stand.row(1) == (1, "offline", 0, None, None)
        assert stand.row(2) == (2, "x", 11, None, None)
        assert stand.row(50) == (50, "offline", 0, None, None)
        assert stand.row(3) is None, "nobody else touched it"
        assert stand.row(4) == (4, "theirs", 0, None, None)
        assert "ours" in kept(stand)
        assert stand.row(5) == (5, "theirs", 7, None, None), "different fields"
        assert stand.row(6) == (6, "still alive", 0, None, None), "update_wins"

    stand.run(story())


async def come_back_with_crash(stand: Stand) -> None:
    """Come back; the engine dies in the middle of the join."""
    await stand.until(lambda: stand.phase("r") is Phase.BROKEN, "recognised")
    await stand.engine.resume("r", rejoin=True)
    await stand.until(
        lambda: len([e for e in stand.log.of(Kind.JOIN) if e.peer == "r" and e.offset > 20]) >= 2, "in the middle"
    )
    await stand.restart()
    await stand.live()
    await stand.idle()


def test_rejoin_by_the_rows_of_an_authority() -> None:
    stand = Stand(settings=STALE)
    stand.fill("p", range(8))

    async def story() -> None:
        await stand.begin()
        await go_stale(stand, "r")
        stand.update("r", 1, a="r's")
        stand.update("p", 2, a="p's")
        stand.insert("r", 90)
        await come_back(stand, "r", authority="p")
        settled(stand)
        assert stand.row(1) == (1, "x", 0, None, None)
        assert stand.row(2) == (2, "p's", 0, None, None)
        assert stand.row(90) is None
        assert stand.engine.state.peers["r"].authority == "p"

    stand.run(story())


def test_f28_a_peer_restored_from_a_backup_is_stopped_and_compared() -> None:
    stand = Stand()
    stand.fill("p", range(12))

    async def story() -> None:
        engine = await stand.begin()
        stand.add("r", 1, 1)
        await stand.idle()
        backup = stand.backup("r")
        await engine.pause("r")
        await engine.resume("r")
        await stand.live()
        stand.add("r", 1, 10)
        stand.update("p", 2, a="after the backup")
        stand.delete("q", 3)
        await stand.idle()
        await engine.pause("r")
        await stand.until(lambda: stand.phase("r") is Phase.PAUSED, "paused")
        stand.databases["r"].restore(backup)
        stand.insert("r", 70, a="after the restore")
        await engine.resume("r")
        await stand.until(lambda: stand.phase("r") is Phase.BROKEN, "recognised")
        stand.update("p", 4, a="meanwhile")
        await stand.until(lambda: stand.rows("q")[4,][1] == "meanwhile", "the others go on")
        await engine.resume("r", rejoin=True)
        await stand.live()
        await stand.idle()
        settled(stand)
        assert stand.row(1) == (1, "x", 11, None, None), "what the log knew is not counted again, nor taken back"
        assert stand.row(2) == (2, "after the backup", 0, None, None)
        assert stand.row(3) is None
        assert stand.row(70) == (70, "after the restore", 0, None, None)

    stand.run(story())


def test_f26_a_copy_that_takes_a_peers_place_is_stopped() -> None:
    """r's files are copied; both copies are used, one after the other."""
    stand = Stand()
    stand.fill("p", range(6))

    async def story() -> None:
        await stand.begin()
        copy = stand.backup("r")
        await stand.restart()
        await stand.live()
        await stand.idle()
        stand.databases["r"].restore(copy)
        await stand.restart()
        await stand.until(lambda: stand.phase("r") is Phase.BROKEN, "recognised")
        reason = stand.reason("r")
        assert isinstance(reason, PeerRestored)
        assert "session mark" in reason.why

    stand.run(story())


def test_f26_a_copy_that_enters_as_another_peer_gets_an_identity_of_its_own() -> None:
    stand = Stand("pqr")
    stand.fill("p", range(6))

    async def story() -> None:
        stand.start()
        stand.doors["r"].hold("connect")
        await stand.live("p", "q")
        await stand.until(lambda: stand.same("p", "q"), "q is filled")
        stand.databases["r"].restore(stand.backup("q"))
        stand.doors["r"].let("connect")
        await stand.live()
        await stand.idle()
        assert stand.databases["r"].content.incarnation != stand.databases["q"].content.incarnation
        stand.insert("r", 9)
        stand.insert("q", 10)
        await stand.idle()
        assert stand.same()

    stand.run(story())


def test_f26_a_peer_that_becomes_a_copy_of_another_is_stopped() -> None:
    stand = Stand("pqr")
    stand.fill("p", range(6))

    async def story() -> None:
        await stand.begin()
        await stand.stop()
        stand.databases["r"].restore(stand.backup("q"))
        stand.start()
        await stand.live("p", "q")
        await stand.until(lambda: stand.phase("r") is Phase.BROKEN, "recognised")

    stand.run(story())


def test_f27_with_a_log_from_a_backup_nobody_goes_on_and_all_can_join_again() -> None:
    stand = Stand("pqr")
    stand.fill("p", range(10))

    async def story() -> None:
        await stand.begin()
        log = list(stand.log.entries)
        stand.update("p", 1, a="lost by the log")
        stand.insert("q", 40)
        await stand.idle()
        await stand.stop()
        stand.log.entries = log
        stand.start()
        await stand.until(lambda: all(stand.phase(name) is Phase.BROKEN for name in "pqr"), "all are recognised")
        for name in "pqr":
            await stand.engine.resume(name, rejoin=True)
        await stand.live()
        await stand.idle()
        assert stand.same()
        assert stand.row(1) == (1, "lost by the log", 0, None, None)
        assert stand.row(40) == (40, "new", 0, None, None)
        stand.update("r", 1, a="and on")
        await stand.idle()
        assert stand.row(1) == (1, "and on", 0, None, None)

    stand.run(story())


def test_a_peer_that_left_stays_out_until_it_joins_again() -> None:
    stand = Stand()
    stand.fill("p", range(6))

    async def story() -> None:
        engine = await stand.begin()
        await engine.leave("r")
        await stand.until(lambda: stand.phase("r") is Phase.BROKEN, "out")
        stand.databases["r"].tear_down()
        stand.update("p", 1, a="without r")
        await stand.idle()
        assert len(engine.window) == 0
        with pytest.raises(UsageError, match="takes no part"):
            await engine.pause("r")
        await stand.restart()
        await stand.live("p", "q")
        await stand.until(lambda: stand.phase("r") is Phase.BROKEN, "still out")
        await stand.engine.resume("r", rejoin=True)
        await stand.live()
        await stand.idle()
        settled(stand)

    stand.run(story())


def test_a_healthy_peer_can_be_asked_to_join_again() -> None:
    stand = Stand()
    stand.fill("p", range(9))

    async def story() -> None:
        engine = await stand.begin()
        count = len(stand.log.of(Kind.CHANGE))
        stand.update("r", 1, a="in between")
        await engine.resume("r", rejoin=True)
        await stand.live()
        await stand.idle()
        settled(stand)
        assert stand.row(1) == (1, "in between", 0, None, None)
        assert len(stand.log.of(Kind.CHANGE)) <= count + 2

    stand.run(story())


def test_a_peer_that_never_joined_is_not_treated_as_returning() -> None:
    """Its rows would count as old copies."""
    stand = Stand("pq")
    stand.fill("p", range(4))
    stand.fill("q", range(10, 14))

    async def story() -> None:
        engine = stand.start()
        stand.doors["q"].hold("connect")
        await stand.live("p")
        await engine.resume("q", rejoin=True)
        stand.doors["q"].let("connect")
        await stand.live()
        await stand.idle()
        assert len(stand.rows("p")) == len(stand.rows("q")) == 8

    stand.run(story())
