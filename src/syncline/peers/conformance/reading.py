"""Small steps that the conformance tests share: run with a deadline, set up, capture up to the end, replay."""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import aclosing
from typing import Any, Final, TypeVar

from syncline.model.change import Change, Transaction
from syncline.model.stamp import Position
from syncline.model.value import Key, Row
from syncline.peers.conformance.harness import TABLES, Harness, Statement
from syncline.peers.protocol import Peer

_T = TypeVar("_T")
DEADLINE_SECONDS: Final = 60.0


def run(story: Coroutine[Any, Any, _T]) -> _T:
    """Run a story to its end, within the deadline."""

    async def timed() -> _T:
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await story

    return asyncio.run(timed())


async def ready(harness: Harness, label: str, statements: Sequence[Statement] = (), *, captures: bool = True) -> Peer:
    """A new place with rows in it, and a connected, set up peer on it."""
    await harness.make(label)
    if statements:
        await harness.write(label, statements)
    return await again(harness, label, captures=captures)


async def again(harness: Harness, label: str, *, captures: bool = True) -> Peer:
    """A connected, set up peer on a place that is there."""
    peer = harness.open(label, captures=captures)
    await peer.connect()
    await peer.setup(TABLES)
    return peer


async def captured(peer: Peer, after: Position | None = None) -> list[Transaction]:
    """Everything after a position up to the end of history as it is now."""
    end = await peer.position()
    found: list[Transaction] = []
    async with aclosing(peer.stream(after)) as stream:  # type: ignore[type-var]
        async for transaction in stream:
            found.append(transaction)
            if transaction.position >= end:
                break
    return found


def changes(transactions: Sequence[Transaction]) -> list[Change]:
    """All changes, in order."""
    return [change for transaction in transactions for change in transaction.changes]


def replay(rows: dict[tuple[str, Key], Row], made: Sequence[Change]) -> dict[tuple[str, Key], Row]:
    """Rows after changes; before images must be what is there."""
    after = dict(rows)
    for change in made:
        where = (change.collection, change.key)
        assert after.pop(where, None) == change.before, change
        if change.after is not None:
            after[where] = change.after
    return after


async def everything(harness: Harness, label: str) -> dict[tuple[str, Key], Row]:
    """Every row of every table, as the foreign program sees them."""
    return {
        (collection.name, key): row for collection in TABLES for key, row in (await harness.read(label, collection)).items()
    }
