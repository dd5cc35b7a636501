"""Repairing: drift that a comparison found is settled field by field, as one decision in the log. Nobody's row is lost."""

from collections.abc import Callable, Sequence
from typing import Final

from syncline.engine.closing import closing
from syncline.engine.core import Engine
from syncline.hub.pins import pinned
from syncline.hub.pipeline import LivePipeline
from syncline.merge.copies import Told, merge_copies, whole
from syncline.model.entry import Entry, Kind
from syncline.model.errors import LogError
from syncline.model.schema import Collection
from syncline.model.stamp import Offset
from syncline.model.value import Key
from syncline.peers.protocol import Peer
from syncline.reconcile.verify import Difference, read_copies

REPAIR_ROWS_MAX: Final = 1_000  # of one entry
Receivers = Callable[[Collection], Sequence[Peer]]


async def repair(engine: Engine, receivers: Receivers, drifted: Sequence[Difference], pipeline: LivePipeline) -> int:
    """Give everyone one row for each of these keys, unless it is in flight; how many. What did not stand is kept."""
    repaired = 0
    for collection in engine.plan.collections.values():
        found = [one for one in drifted if one.collection == collection.name]
        for start in range(0, len(found), REPAIR_ROWS_MAX):
            some = found[start : start + REPAIR_ROWS_MAX]
            peers = receivers(collection)
            if {peer.name for peer in peers} == set(some[0].rows):  # else not those that were compared: another outcome
                repaired += await _repair(engine, collection, peers, [one.key for one in some], pipeline)
    return repaired


async def _repair(
    engine: Engine, collection: Collection, peers: Sequence[Peer], keys: Sequence[Key], pipeline: LivePipeline
) -> int:
    with pinned(engine.window, min(engine.state.confirmed().values(), default=0)):
        copies, sure = await read_copies(collection, peers, keys, pipeline)
        if not sure:
            return 0
        told = await _last_told(engine, collection.name, set(keys))
        rules, authority = engine.plan.book[collection.name], engine.plan.authority.get(collection.name, "")
        silent = [name for name in copies if collection.name in engine.sessions[name].receives_only]
        held = [(key, {name: rows.get(key) for name, rows in copies.items()}) for key in keys]
        changes = [
            merge_copies(rules, key, rows, authority=authority, told=told.get(key), silent=silent)
            for key, rows in held
            if len(set(rows.values())) > 1
        ]

        def build(offset: Offset) -> list[Entry]:
            kept = tuple(one for one in changes if engine.window.view(one.collection, one.key) is None)
            entry = Entry(offset, Kind.SETTLE, time=engine.clock.now(), changes=kept, body={"repair": len(kept)})
            engine.window.replay(entry)
            return [entry] if kept else []

        return sum(entry.rows for entry in await engine.ingest.command(build))


async def _last_told(engine: Engine, collection: str, keys: set[Key]) -> dict[Key, Told]:
    """What the log, as far as it is still there, told last of each key."""
    while True:
        floor = engine.log.floor
        found: dict[Key, Told] = {}
        try:
            async with closing(engine.log.read(floor)) as frames:
                async for entries in frames:
                    for change in (change for entry in entries if entry.is_data for change in entry.changes):
                        if change.key in keys and change.collection == collection:
                            found[change.key] = Told(whole(change))
            return found
        except LogError:
            if engine.log.floor == floor:  # else it was trimmed meanwhile
                raise
