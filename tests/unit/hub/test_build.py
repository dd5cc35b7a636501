"""Asking the peers: what is made of their answers does not depend on who was first."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.held_answers import hold_answers

from syncline.hub.build import ask, build_plan, dismiss
from syncline.model.space import CollectionSpec, PeerSpec, Space


@pytest.mark.parametrize("first", ["hq", "van"])
def test_the_answers_stand_in_the_order_of_the_configuration(
    tmp_path: Path, first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, kind in (("hq", "TEXT"), ("van", "")):
        with closing(sqlite3.connect(tmp_path / f"{name}.db")) as db:
            db.execute(f"CREATE TABLE t (id INTEGER PRIMARY KEY, a {kind})")
    peers = {name: PeerSpec(name, f"sqlite:///{tmp_path / name}.db") for name in ("hq", "van")}
    space = Space("office", "log.db", peers, {"t": CollectionSpec("t")})

    async def story() -> None:
        asked = await ask(space)
        try:
            assert list(asked.tables) == ["hq", "van"]
            plan, problems = build_plan(space, asked, {})
            assert (plan.seed, [one.where["peer"] for one in problems]) == ("hq", ["van"])
        finally:
            await dismiss(asked)

    hold_answers(monkeypatch, first)
    asyncio.run(story())
