"""Answers of peers in a chosen order: no outcome may hang on who answers first."""

import asyncio

import pytest

from syncline.model.schema import Table
from syncline.peers.sqlite.peer import SqlitePeer


def hold_answers(patch: pytest.MonkeyPatch, first: str) -> None:
    """What the other SQLite peers say of their tables is held until the first one has answered."""
    inspect, answered = SqlitePeer.inspect, asyncio.Event()

    async def late(peer: SqlitePeer) -> dict[str, Table]:
        if peer.name != first:
            await answered.wait()
        found = await inspect(peer)
        answered.set()
        return found

    patch.setattr(SqlitePeer, "inspect", late)
