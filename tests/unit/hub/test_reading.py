"""The status without a hub, where one comes just while the files are looked at."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from syncline.config.load import load
from syncline.hub import at_rest
from syncline.hub.reading import Reading
from syncline.hub.space_hub import SpaceHub
from syncline.model.errors import UsageError
from syncline.model.event import Event

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
        at_once = await Reading(space).status()
        assert [one["collections"]["t"]["uncaptured"] for one in at_once["peers"].values()] == [0, 0]

        async def late(*asked: object) -> dict[str, at_rest.Found]:
            await hub.run(True, quiet, asyncio.Event())  # the files are now ahead of the state that was read
            return await look(*asked)  # type: ignore[arg-type]

        monkeypatch.setattr(at_rest, "look", late)
        told = await Reading(space).status()
        assert [(one["state"], one["reason"]) for one in told["peers"].values()] == [("live", None)] * 2
        assert [one["collections"]["t"]["uncaptured"] for one in told["peers"].values()] == [None, None]

    asyncio.run(story())


def test_drift_of_a_space_that_never_ran_is_not_none(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(CONFIG)
    with pytest.raises(UsageError, match="no log yet"):
        asyncio.run(SpaceHub(load(tmp_path / "s.yaml", absent_ok=True)).drift())
