"""What the tests of the verbs share: peers at rest with the verbs over them, and two sides of a conflict."""

from typing import Any

from tests.unit.engine.stand import Stand

from syncline.hub.operations import Operations
from syncline.model.event import Event

Report = dict[str, Any]


def quiet(_event: Event) -> None:
    """Nobody listens."""


async def begin(stand: Stand) -> Operations:
    """Peers at rest, and the verbs over them."""
    return Operations(await stand.begin())


async def compare(verbs: Operations, *, repair: bool = False) -> Report:
    """Compare everything."""
    return await verbs.verify(repair=repair, emit=quiet)


def contended(names: str = "pqr") -> Stand:
    """A stand with some rows."""
    stand = Stand(names)
    stand.fill("p", range(5))
    return stand


async def contend_at_once(stand: Stand) -> str:
    """Both write before either hears of the other."""
    stand.update("p", 1, m="p's")
    stand.update("q", 1, m="q's")
    await stand.until(lambda: bool(stand.engine.state.open), "contended")
    (name,) = stand.engine.state.open
    return name
