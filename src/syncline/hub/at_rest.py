"""What the log alone cannot tell while no hub runs: what each peer's file holds by now. Looks, and writes nothing.

A peer is looked at as its session would meet it: is it there, is it the copy that the log knows, what did it write that nobody
has captured yet, and would the guard hold what waits for it.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from syncline.engine import keeping
from syncline.engine.closing import closing
from syncline.engine.guard import Guard
from syncline.engine.identity import require_free, require_heard, session_mark, verify_identity
from syncline.engine.keeping import look as look_at_kept
from syncline.engine.names import Names
from syncline.engine.state import PeerRecord, Stage, State
from syncline.hub.pipeline import Readable
from syncline.model.entry import Entry
from syncline.model.errors import Advice, GuardTripped, PeerBusy, PeerError, Problem, SynclineError
from syncline.model.limits import STATUS_CHANGES_MAX
from syncline.model.schema import Table
from syncline.model.space import Direction, Space
from syncline.model.stamp import Offset
from syncline.model.value import Key
from syncline.model.words import sized
from syncline.model.write import Batch, Op, Write
from syncline.peers.protocol import Kept, Peer
from syncline.peers.registry import open_peer

LOOK_SECONDS: Final = 5.0


@dataclass
class Found:
    """What a look at one peer found.

    `uncaptured`: changes by collection that the log does not have, counted up to a limit for all of them; None where they could
    not be counted, and of one collection where counting ended before it came to any.
    """

    watermark: Offset = 0
    uncaptured: dict[str, int | None] | None = None
    reason: SynclineError | None = None
    kept: Kept | None = None
    tables: dict[str, Table] = field(default_factory=dict)

    @property
    def state(self) -> str:
        """What its session would be with the next run; '' where nothing is in its way."""
        return "" if self.reason is None else "waiting" if self.reason.transient else "broken"


async def look(space: Space, state: State, log: Readable) -> dict[str, Found]:
    """Look at every peer that has a place in the log, and at what servers keep for those that had one."""
    names = [name for name in space.peers if name in state.peers]
    looks = (_look if state.peers[name].holds_window else _look_at_rest for name in names)
    found = await asyncio.gather(*(one(space, name, state, log) for one, name in zip(looks, names, strict=True)))
    return dict(zip(names, found, strict=True))


async def _look_at_rest(space: Space, name: str, state: State, _log: Readable) -> Found:
    """A peer that nobody waits for may still have its server keep its history."""
    peer = open_peer(name, space.peers[name].url, captures=space.hears(name))
    kept = await look_at_kept(peer, state.peers[name].position)
    return Found(kept=kept[0] if kept is not None else None)


async def _look(space: Space, name: str, state: State, log: Readable) -> Found:
    found, record = Found(), state.peers[name]
    peer = open_peer(name, space.peers[name].url, captures=space.hears(name))
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            identity = await peer.connect()
            kept = await look_at_kept(peer, record.position)
            found.kept = kept[0] if kept is not None else None
            require_free(record, identity, session_mark(space.name, ""))
            verify_identity(record, identity, state.head)
            require_heard(record, space.heard(name))
            found.watermark = identity.watermark
            found.uncaptured = await _count(space, peer, record)
            found.tables = await peer.inspect()
            found.reason = await peer.changed()  # as its session would tell once it has captured what came before
            if record.stage is Stage.LIVE and found.reason is None:
                await _guard(space, peer, record, found, log, state.names)
    except TimeoutError:
        found.reason = PeerBusy("the peer cannot be looked at now", why=f"not within {LOOK_SECONDS:.0f} s", peer=name)
    except (PeerError, GuardTripped) as error:
        found.reason = error
    finally:
        await peer.close()
    return found


async def kept_advice(peers: Mapping[str, Peer], state: State, *, served: bool) -> list[Problem]:
    """What servers keep for peers, as advice: an alarm, and where no hub runs whatever there is."""
    found: list[Problem] = []
    for name, peer in peers.items():
        record = state.peers.get(name, PeerRecord(name))
        kept = await look_at_kept(peer, record.position)
        if kept is None or kept[0] is None:
            continue
        one, paused = kept[0], record.stage is Stage.PAUSED
        cause, fix = keeping.cause_of(record, None, None)
        if served and not paused:
            cause, fix = "a hub runs", "'syncline status' tells what it does"
        told = keeping.alarm(name, one, cause, fix)
        if told is not None:
            found.append(Advice(told.what, why=told.why, hint=told.hint, peer=name))
        elif not served and one.budget:
            why = f"{one.what}: {sized(one.bytes)}, the budget is {sized(one.budget)}; {cause}"
            found.append(Advice("the server keeps its log for this peer", why=why, hint=fix, peer=name))
    return found


async def _count(space: Space, peer: Peer, record: PeerRecord) -> dict[str, int | None]:
    """Count the changes in its history that the log does not have. Raises PeerError, as its capture would."""
    end, total, cut = await peer.position(), 0, False
    counts = {name: 0 for name, spec in space.collections.items() if spec.direction_at(peer.name) is not Direction.RECEIVE}
    async with closing(peer.stream(record.position)) as history:
        async for transaction in history:
            for change in transaction.changes:
                if change.collection in counts:
                    counts[change.collection] += 1
                    total += 1
            cut = transaction.position < end and total >= STATUS_CHANGES_MAX
            if transaction.position >= end or cut:
                break
    known = {name: count or (None if cut else 0) for name, count in counts.items()}
    return {name: known.get(name, 0) for name in space.collections}


async def _guard(space: Space, peer: Peer, record: PeerRecord, found: Found, log: Readable, names: Names) -> None:
    """Raise GuardTripped if what the log holds for this peer are deletes that the guard would hold back."""
    after = max(found.watermark, log.floor)
    async with closing(log.read(after)) as frames:
        waiting, upto = await _deletes(space, peer.name, frames, names)
    if upto > record.approved and sum(map(len, waiting.values())) >= space.settings.guard_delete_rows:
        guard = Guard(peer.name, space.settings)
        guard.count({name: _rows(found.tables, space, name, peer.name) for name in space.collections})
        writes = tuple(Write(Op.DELETE, name, tuple(keys)) for name, keys in waiting.items())
        guard.check(Batch(upto, writes, sum(map(len, waiting.values()))), 0.0, record.approved)


async def _deletes(
    space: Space, name: str, frames: AsyncIterator[tuple[Entry, ...]], names: Names
) -> tuple[dict[str, dict[Key, None]], Offset]:
    """The rows that the log would have this peer delete, and up to which entry."""
    waiting: dict[str, dict[Key, None]] = {one: {} for one in space.collections}
    upto: Offset = 0
    async for entries in frames:
        for entry in map(names.now, entries):
            if not entry.is_data or entry.peer == name or entry.to not in ("", name):
                continue
            for change in entry.changes:
                spec = space.collections.get(change.collection)
                if spec is None or spec.direction_at(name) is Direction.SEND:
                    continue
                if change.after is None:
                    waiting[change.collection][change.key] = None
                    upto = entry.offset
                else:
                    waiting[change.collection].pop(change.key, None)
    return waiting, upto


def _rows(tables: dict[str, Table], space: Space, collection: str, peer: str) -> int:
    table = tables.get(space.collections[collection].at.get(peer, collection))
    return table.rows_estimate if table is not None else 0
