"""What the tests of repairs share: the verb as the desk carries it, drift that nobody hears of, a peer that goes away."""

import json
from collections.abc import Callable
from typing import Any

from tests.unit.engine.stand import Stand
from tests.unit.hub.verbs import quiet

from syncline.engine.session import Phase
from syncline.hub.operations import Operations
from syncline.hub.repairs import repair, wish_of
from syncline.model.entry import Entry, Kind
from syncline.model.value import Value

Report = dict[str, Any]
Deed = Callable[[Stand], object]


async def ask(verbs: Operations, policy: str = "merge", *, yes: bool = False, **words: Any) -> Report:
    """The verb, through what the desk carries."""
    body = json.loads(json.dumps({"policy": policy, "yes": yes, **words}))
    return await repair(verbs, wish_of(body), quiet)


def drift(stand: Stand, name: str, key: int, **values: Value) -> None:
    """Write so that nobody hears of it."""
    old = stand.rows(name).get((key,)) or (key, "x", 0, None, None)
    fields = dict(zip(("id", "a", "n", "s", "m"), old, strict=True)) | values
    stand.rows(name)[key,] = tuple(fields.values())


def conflicts(stand: Stand, kind: str = "") -> list[tuple[str, str, str]]:
    """All conflicts but repairs' own: field, winner, loser."""
    return [
        (one.field, one.winner, one.kind)
        for entry in stand.log.of(Kind.CHANGE)
        for change in entry.changes
        if change.verdict
        for one in change.verdict.conflicts
        if kind in ("", one.kind)
    ]


async def away(stand: Stand, name: str) -> None:
    """A peer loses its line; its users go on."""
    stand.doors[name].cut()
    await stand.until(lambda: stand.phase(name) is Phase.WAITING, "away")


async def back(stand: Stand, name: str) -> None:
    """It is there again, and everything is at rest."""
    stand.doors[name].cut(False)
    await stand.live()
    await stand.idle()


def settles(stand: Stand) -> list[Entry]:
    """The repairs' entries."""
    return stand.log.of(Kind.SETTLE)
