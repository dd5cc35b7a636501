"""What the tests of continuous proof share: an engine that compares in the background, and how copies stand."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from tests.unit.engine.stand import Stand

from syncline.hub.operations import Operations
from syncline.model.space import VerifySettings

SOON = VerifySettings(every=10.0, full=1000.0, budget=1.0)


@asynccontextmanager
async def proving(stand: Stand, settings: VerifySettings = SOON) -> AsyncIterator[Operations]:
    """A running engine that compares in the background."""
    verbs = Operations(await stand.begin(), verify=settings)
    task = asyncio.get_running_loop().create_task(verbs.proving.run())
    try:
        yield verbs
        assert not task.done(), task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def standing(verbs: Operations, peer: str = "q") -> dict[str, Any]:
    """How a copy stands."""
    found: dict[str, Any] = verbs.status()["peers"][peer]["collections"]["items"]["proof"]
    return found


def is_proven(stand: Stand, *peers: str) -> Callable[[], bool]:
    """Whether these copies are proven through the last change."""

    def look() -> bool:
        through = stand.engine.state.proofs.of("items").through
        return all(through.get(peer, -1) >= stand.engine.state.data for peer in peers)

    return look
