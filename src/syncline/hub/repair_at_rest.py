"""The plan of a repair while no hub runs, and past repairs: the log and the peers are only read."""

from typing import Any

from syncline.hub.pipeline import resting
from syncline.hub.reading import Reading, takes_part, why_apart
from syncline.hub.repairs import Ground, Wish, plan_repair
from syncline.hub.undoing import list_report, past_repairs
from syncline.model.event import Listener
from syncline.model.schema import Collection
from syncline.model.space import Direction, Space
from syncline.peers.protocol import Peer

Report = dict[str, Any]


async def plan_at_rest(reading: Reading, space: Space, wish: Wish, emit: Listener) -> Report | None:
    """The plan; None where a hub came meanwhile, so that nothing is known."""
    state = await reading.state()
    async with reading.asked() as (asked, plan), reading.reader() as reader:
        names = [name for name in asked.tables if takes_part(state, name, asked.identities[name])]
        absent = {name: why_apart(state, name) for name in space.peers if name not in names}
        heard = {name: frozenset(plan.collections) - plan.only(name, Direction.RECEIVE) for name in names}
        peers = {name: (asked.peers[name], asked.identities[name]) for name in names}
        pipeline = await resting(state, reader, peers, heard)

        def receivers(collection: Collection) -> list[Peer]:
            return [asked.peers[name] for name in names if collection.name not in plan.only(name, Direction.SEND)]

        ground = Ground(plan, space.settings, reader, state.head, pipeline, receivers, tuple(space.peers), absent)
        made = await plan_repair(ground, wish, emit)
        return None if await reader.refresh() != state.head else made.report(ground, wish)


async def list_repairs(reading: Reading) -> list[Report]:
    """The repairs that the log still knows, oldest first."""
    async with reading.reader() as reader:
        return list_report(await past_repairs(reader.read_notes(0)))
