"""The status without a hub, where one comes just while the files are looked at."""

import asyncio
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from syncline.config.load import load
from syncline.engine.clock import SystemClock
from syncline.hub import at_rest
from syncline.hub.present import away_now
from syncline.hub.reading import Reading
from syncline.hub.space_hub import SpaceHub
from syncline.model import limits
from syncline.model.errors import UsageError
from syncline.model.event import Event
from syncline.observe.metrics import samples

CONFIG = "space: s\npeers: {p: sqlite:///p.db, q: sqlite:///q.db}\ncollections: {t: {}}\n"


def quiet(_event: Event) -> None:
    """Nobody listens."""


def test_a_hub_that_comes_meanwhile_makes_no_false_alarm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "pq":
        with closing(sqlite3.connect(tmp_path / f"{name}.db")) as db:
            db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    (tmp_path / "s.yaml").write_text(CONFIG)
    space = load(tmp_path / "s.yaml")
    look = at_rest.look

    async def story() -> None:
        hub = SpaceHub(space)
        await hub.run(True, quiet, asyncio.Event())
        before, reading = SystemClock().now(), Reading(space)
        assert await reading.compare(quiet) is not None
        assert [before <= one.began <= SystemClock().now() for one in reading.at_rest] == [True]
        at_once = await Reading(space).status()
        assert [one["collections"]["t"]["uncaptured"] for one in at_once["peers"].values()] == [0, 0]

        async def late(*asked: object) -> dict[str, at_rest.Found]:
            await hub.run(True, quiet, asyncio.Event())  # the files are now ahead of the state that was read
            return await look(*asked)  # type: ignore[arg-type]

        monkeypatch.setattr(at_rest, "look", late)
        told = await Reading(space).status()
        assert [(one["state"], one["reason"]) for one in told["peers"].values()] == [("live", None)] * 2
        assert [one["collections"]["t"]["uncaptured"] for one in told["peers"].values()] == [None, None]
        proofs = [one["collections"]["t"]["proof"] for one in told["peers"].values()]
        assert [(one["standing"], one["alarm"], one["cause"]) for one in proofs] == [
            ("away", False, "it was not looked at")
        ] * 2

    asyncio.run(story())


def test_p17_what_was_not_counted_is_not_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is more in t than is counted, so nobody comes to the change of u."""
    for name in "pq":
        with closing(sqlite3.connect(tmp_path / f"{name}.db")) as db:
            db.executescript("CREATE TABLE t (id INTEGER PRIMARY KEY); CREATE TABLE u (id INTEGER PRIMARY KEY)")
    (tmp_path / "s.yaml").write_text(CONFIG.replace("{t: {}}", "{t: {}, u: {}}"))
    space = load(tmp_path / "s.yaml")
    asyncio.run(SpaceHub(space).run(True, quiet, asyncio.Event()))
    with closing(sqlite3.connect(tmp_path / "p.db", isolation_level=None)) as db:
        for key in range(10):
            db.execute("INSERT INTO t VALUES (?)", (key,))
        whole = asyncio.run(Reading(space).status())["peers"]["p"]["collections"]
        assert (whole["u"]["uncaptured"], whole["u"]["proof"]["standing"]) == (0, "in sync")
        db.execute("INSERT INTO u VALUES (1)")
    monkeypatch.setattr(at_rest, "STATUS_CHANGES_MAX", 5)
    monkeypatch.setattr(limits, "GROUP_ROWS_MAX", 2)  # a portion that is read at once
    told = asyncio.run(Reading(space).status())
    found = told["peers"]["p"]["collections"]
    assert 5 <= found["t"]["uncaptured"] < 10, "counting ended early"
    assert found["t"]["proof"]["standing"] == "moving"
    assert found["u"]["uncaptured"] is None
    assert (found["u"]["proof"]["standing"], found["u"]["proof"]["alarm"]) == ("moving", False)
    assert found["u"]["proof"]["cause"] == "not all changes there were counted"
    assert away_now(told, ["p"], ["u"]) == {("p", "u"): "it could not be looked at"}
    of_u = {one.family.name: one.value for one in samples(told, datetime.now(UTC)) if one.labels == ("s", "p", "u")}
    assert ("syncline_uncaptured_changes" in of_u, of_u["syncline_in_sync"]) == (False, 0)


def test_drift_of_a_space_that_never_ran_is_not_none(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(CONFIG)
    with pytest.raises(UsageError, match="no log yet"):
        asyncio.run(SpaceHub(load(tmp_path / "s.yaml", absent_ok=True)).drift())
