"""Coming back when nobody else is left: compared with what the log tells, or by the rows of whoever is told to stand."""

import pytest
from tests.unit.engine.stand import Stand
from tests.unit.engine.test_rejoin import RANGE

from syncline.engine.session import Phase
from syncline.engine.state import Stage
from syncline.model.entry import Kind
from syncline.model.value import Key, Row


@pytest.fixture(autouse=True)
def _short_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncline.engine.range_reader.SNAPSHOT_ROWS_MAX", RANGE)


def test_who_returns_when_nobody_is_left_is_compared_with_the_log() -> None:
    """Were its rows simply taken, an old backup would become the space."""
    stand = Stand("pq")
    stand.fill("p", range(10))

    async def story() -> None:
        engine = await stand.begin()
        stand.update("q", 1, a="before")
        await stand.idle()
        old = {name: stand.backup(name) for name in "pq"}
        await stand.restart()
        await stand.live()
        stand.update("q", 1, a="q's, after")
        stand.update("p", 2, a="p's, after")
        stand.delete("p", 3)
        stand.insert("q", 1_000)
        await stand.idle()
        await stand.stop()
        for name in "pq":
            stand.databases[name].restore(old[name])
        stand.insert("p", 500, a="after the restore")
        engine = stand.start()
        await stand.until(lambda: all(stand.phase(name) is Phase.BROKEN for name in "pq"), "both are recognised")
        for name in "qp":
            await engine.resume(name, rejoin=True)
        await stand.live()
        await stand.idle()
        assert stand.same()
        assert stand.row(1) == (1, "q's, after", 0, None, None)
        assert stand.row(2) == (2, "p's, after", 0, None, None)
        assert stand.row(3) is None
        assert stand.row(1_000) == (1_000, "new", 0, None, None)
        assert stand.row(500) == (500, "after the restore", 0, None, None)
        assert not any(record.alone for record in engine.state.peers.values())

    stand.run(story())


def test_who_returns_alone_can_be_told_that_its_rows_stand() -> None:
    stand = Stand("pq")
    stand.fill("p", range(6))

    async def story() -> None:
        engine = await stand.begin()
        old = stand.backup("q")
        await stand.restart()
        await stand.live()
        stand.update("p", 1, a="to be dropped")
        await stand.idle()
        await stand.engine.leave("p")
        await stand.stop()
        stand.databases["q"].restore(old)
        engine = stand.start()
        await stand.until(lambda: stand.phase("q") is Phase.BROKEN, "recognised")
        await engine.resume("q", rejoin=True, authority="q")
        await stand.live("q")
        await engine.resume("p", rejoin=True)
        await stand.live()
        await stand.idle()
        assert stand.row(1) == (1, "x", 0, None, None)

    stand.run(story())


def test_a_lonely_return_survives_crashes() -> None:
    stand = Stand("pq")
    stand.fill("p", range(8 * RANGE))

    async def story() -> None:
        await stand.begin()
        old = {name: stand.backup(name) for name in "pq"}
        await stand.restart()
        await stand.live()
        for key in range(0, 8 * RANGE, 3):
            stand.update("p", key, a="news")
        await stand.idle()
        for name in "pq":
            stand.databases[name].restore(old[name])
        await stand.restart()
        await stand.until(lambda: all(stand.phase(name) is Phase.BROKEN for name in "pq"), "both are recognised")
        for name in "pq":
            await stand.engine.resume(name, rejoin=True)
        for ranges in (2, 4, 6):
            await stand.until(lambda ranges=ranges: len(stand.log.of(Kind.JOIN)) >= 8 + ranges, "on its way")  # type: ignore[misc]
            await stand.restart()
        await stand.live()
        await stand.idle()
        assert stand.same()
        assert all(stand.row(key) == (key, "news", 0, None, None) for key in range(0, 8 * RANGE, 3))

    stand.run(story())


def test_f27_a_peer_whose_watermark_is_another_entry_here_is_stopped() -> None:
    stand = Stand("pq")

    async def story() -> None:
        await stand.begin()
        stand.insert("p", 1)
        await stand.idle()
        await stand.stop()
        assert stand.databases["q"].content.fingerprint
        stand.databases["q"].content.fingerprint = "of another life"
        await stand.restart()
        await stand.until(lambda: stand.phase("q") is Phase.BROKEN, "q is stopped")
        assert "this is not the log that the peer knows" in str(stand.reason("q"))
        assert stand.phase("p") is Phase.LIVE

    stand.run(story())


def test_what_a_peer_wrote_that_returns_alone_and_healthy_is_in_the_log() -> None:
    """Its rows are what the others are compared with; were its own work taken for the space's, no history would tell of it."""
    stand = Stand("pq")
    stand.fill("p", range(10))

    async def story() -> None:
        engine = await stand.begin()
        await engine.leave("q")
        await engine.pause("p")
        stand.update("p", 4, a="p's, unheard")
        stand.delete("p", 5)
        stand.insert("p", 700)
        await engine.resume("p", rejoin=True)
        await stand.until(lambda: engine.state.peer("p").stage is Stage.LIVE, "p is back, alone")
        await engine.resume("q", rejoin=True)
        await stand.live()
        await stand.idle()
        assert stand.same()
        told: dict[Key, Row] = {}
        async for entries in engine.log.read(0):
            by_p = [entry for entry in entries if entry.kind is Kind.CHANGE and entry.peer == "p"]
            told |= {change.key: change.after or () for entry in by_p for change in entry.changes}
        assert (told[4,][1], told[5,], told[700,][1]) == ("p's, unheard", (), "new")

    stand.run(story())
