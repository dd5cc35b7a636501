"""Giving a peer again what the log has decided since an offset: each changed key's current row, for that peer alone.

A live peer gets it piece by piece, as FILL entries that start from what it has: what it writes meanwhile and the log does not
have yet is concurrent with them, and is decided as always. A peer that comes back as a copy of an offset (a new database into
which an export was loaded) enters at the end of the log, and gets what changed since that offset in the same append: so there
is no moment at which it would be taken for complete and is not. Nothing is written here but the log.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final

from syncline.compare.explained import fits
from syncline.config.load import address_now
from syncline.engine.closing import closing
from syncline.engine.core import Engine
from syncline.engine.session import Phase, Session
from syncline.engine.state import Stage, State
from syncline.hub.offsets import require_within
from syncline.hub.operations import Operations
from syncline.hub.pins import pinned
from syncline.model.change import Change, changes_of, weigh_rows
from syncline.model.entry import Entry, Kind
from syncline.model.errors import PeerUnreachable, UsageError
from syncline.model.limits import INGEST_ROWS_MAX, REPLAY_BYTES_MAX, REPLAY_PIECE_ROWS, REPLAY_ROWS_MAX
from syncline.model.schema import Collection
from syncline.model.space import Direction, Space
from syncline.model.stamp import Offset
from syncline.model.value import Key, Row, show_key
from syncline.model.words import counted
from syncline.peers.protocol import Peer
from syncline.peers.registry import open_peer
from syncline.reconcile.rollback import Past, Told, is_guess
from syncline.reconcile.spill import Spill

Report = dict[str, Any]
Spills = Mapping[str, Spill]
ROUNDS: Final = 5  # in which keys that are under way are looked at again


@dataclass
class Count:
    """What became of a collection's keys."""

    keys: int = 0
    given: int = 0
    parked: int = 0

    def report(self) -> Report:
        """For every face."""
        return {"keys": self.keys, "given": self.given, "equal": self.keys - self.given - self.parked, "parked": self.parked}


def received(space: Space, state: State, peer: str, only: str | None) -> dict[str, int]:
    """The collections that a peer is to have, or one of them, with their numbers of columns. Raises UsageError."""
    found = {name: len(state.columns.get(name, ())) for name in space.collections if only in (None, name)}
    kept = {name: width for name, width in found.items() if space.collections[name].direction_at(peer) is not Direction.SEND}
    if not kept:
        raise UsageError(f"{peer} only sends {only or 'what it has'}", hint="it is given no rows of others", peer=peer)
    return kept


async def plan(space: Space, state: State, log: Any, since: Offset, peer: str, only: str | None) -> Report:
    """How many keys changed since an offset, by collection; `log`: a reader. Changes nothing."""
    require_within(log, since)
    with ExitStack() as stack:
        widths = received(space, state, peer, only)
        spills = {name: stack.enter_context(Spill(width)) for name, width in widths.items()}
        await _take_in(log.read(since), spills)
        counts = {name: {"keys": len(spill)} for name, spill in spills.items()}
    return {"peer": peer, "from": since, "upto": log.head, "collections": counts, "done": False}


async def _take_in(frames: AsyncIterator[tuple[Entry, ...]], spills: Spills) -> None:
    """Take in what changed: the current row of each key, and what it was before the first change."""
    async with closing(frames):
        async for entries in frames:
            for entry in entries:
                if not entry.is_data or entry.to:
                    continue
                blocks = [block for block in entry.blocks if block.collection in spills]
                rows = [one for block in blocks for one in changes_of(block)] if entry.blocks else entry.changes
                for change in rows:
                    spill = spills.get(change.collection)
                    if spill is not None:
                        spill.tell(change)
                        spill.look_back(change, entry.offset, guess=is_guess(entry))


async def replay(space: Space, operations: Operations, body: Report) -> Report:
    """Append what a peer is to get again, and wait until it has it. The desk's side."""
    since, name, only = body["from"], body["peer"], body["collection"]
    engine = operations.engine
    session, upto = engine.sessions[name], engine.log.head
    require_within(engine.log, since)
    widths = received(space, engine.state, name, only)
    with ExitStack() as stack:
        stack.enter_context(pinned(engine.window, upto))
        spills = {one: stack.enter_context(Spill(width)) for one, width in widths.items()}
        await _take_in(engine.log.read(since, upto), spills)
        if session.phase is Phase.LIVE:
            counts, last = await _to_live(engine, session, spills)
        else:
            _require_copy(session, only)
            counts, last = await _to_copy(space, engine, session, spills, since, upto)
            await engine.resume(name)
            await operations.until_met(name)
    await session.wait_delivered(last)
    told = {one: count.report() for one, count in counts.items()}
    return {"peer": name, "from": since, "upto": upto, "collections": told, "done": True, "state": str(session.phase)}


def _pieces(spill: Spill) -> Iterator[dict[Key, tuple[Told, Past]]]:
    mark = b""
    while piece := spill.changed(mark, REPLAY_PIECE_ROWS):
        mark = piece[-1][0]
        yield {key: (told, past) for _, key, told, past in piece}


# -- a live peer ------------------------------------------------------------------------------------------------------------


async def _to_live(engine: Engine, session: Session, spills: Spills) -> tuple[dict[str, Count], Offset]:
    counts: dict[str, Count] = {}
    last: Offset = 0
    for name, spill in spills.items():
        count, collection = counts.setdefault(name, Count()), engine.plan.collections[name]
        for piece in _pieces(spill):
            count.keys += len(piece)
            held = {key: told.row for key, (told, _) in piece.items()}
            parked = [key for key in held if (session.name, name, key) in engine.state.parked]
            count.parked += len(parked)
            left: Sequence[Key] = [key for key in held if key not in parked]
            for number in range(ROUNDS):
                left, made = await _give(engine, session, collection, left, held, final=number == ROUNDS - 1)
                count.given += sum(entry.rows for entry in made)
                last = made[-1].offset if made else last
                if not left:
                    break
    return counts, last


async def _give(
    engine: Engine,
    session: Session,
    collection: Collection,
    keys: Sequence[Key],
    held: Mapping[Key, Row | None],
    *,
    final: bool,
) -> tuple[list[Key], tuple[Entry, ...]]:
    """Append the rows that the peer does not have as they are; the keys that are under way to it, to be looked at again."""
    await session.wait_delivered(engine.state.data)
    mine = await session.peer.rows(collection, keys)
    if not await session.wait_captured(mine.position):
        raise PeerUnreachable("the peer went away while its rows were read", peer=session.name, hint="try again")
    there, again = dict(mine.rows), list[Key]()

    def build(offset: Offset) -> list[Entry]:
        again.clear()
        fills = []
        for key in keys:
            view = engine.window.view(collection.name, key)
            row, brought = view.row if view is not None else held[key], there.get(key)
            if view is not None and view.touched(session.name) > mine.watermark and not final:
                again.append(key)
            elif not fits(row, brought):
                fills.append(Change(collection.name, key, brought, row))
        entries = [Entry(offset, Kind.FILL, time=engine.clock.now(), changes=tuple(fills), to=session.name)] if fills else []
        for entry in entries:
            engine.window.replay(entry)
        return entries

    made = await engine.ingest.command(build)
    return again, made


# -- a copy of an offset ----------------------------------------------------------------------------------------------------


def _require_copy(session: Session, only: str | None) -> None:
    """Raise UsageError or PeerUnreachable unless the peer can only come back as another copy."""
    name, reason = session.name, session.reason
    if session.phase is Phase.PAUSED:
        raise UsageError(f"{name} is paused", hint=f"let it go on first: 'syncline resume {name}'")
    if session.phase is not Phase.BROKEN:
        why = reason.args[0] if reason is not None else f"it is {session.phase}"
        raise PeerUnreachable("the peer cannot be given anything now", peer=name, why=str(why), hint="see 'syncline status'")
    if only is not None:
        hint = "leave --collection out"
        raise UsageError(
            f"{name} is not the copy that the log knows, so it must be given all collections", hint=hint, peer=name
        )


async def _to_copy(
    space: Space, engine: Engine, session: Session, spills: Spills, since: Offset, upto: Offset
) -> tuple[dict[str, Count], Offset]:
    """Let a new copy of an offset enter at the end of the log, with what changed since."""
    total = sum(map(len, spills.values()))
    if total > REPLAY_ROWS_MAX:
        why = f"{total:,} keys changed since offset {since}, and {REPLAY_ROWS_MAX:,} can be given in one go"
        raise _better_join(session.name, "too much changed since that offset", why)
    peer = open_peer(session.name, address_now(space, session.name), captures=space.hears(session.name))
    try:
        identity = await peer.connect()
        if not identity.fresh:
            why = "Syncline's own tables in it tell of another time than the log"
            hint = f"take them out of it, then replay again: 'syncline teardown {session.name}'"
            raise UsageError("this copy was a peer before", why=why, hint=hint, peer=session.name)
        changes = await _differing(engine, peer, spills, since)
    finally:
        await peer.close()

    def build(offset: Offset) -> list[Entry]:
        if session.phase not in (Phase.BROKEN, Phase.PAUSED):
            raise PeerUnreachable("the peer came back meanwhile", peer=session.name, hint="look: 'syncline status'")
        return _enter(engine, session.name, offset, upto, spills, changes)

    made = await engine.ingest.command(build)
    counts = {name: Count(len(spill)) for name, spill in spills.items()}
    for change in (change for entry in made if entry.kind is Kind.FILL for change in entry.changes):
        counts[change.collection].given += 1
    for count in counts.values():
        count.keys = max(count.keys, count.given)  # some may have changed just now
    return counts, made[-1].offset


async def _differing(engine: Engine, peer: Peer, spills: Spills, since: Offset) -> dict[tuple[str, Key], Change]:
    """For each changed key what the copy has and what it is to get. Raises UsageError for what is no copy of that offset."""
    found: dict[tuple[str, Key], Change] = {}
    weight, strange, first = 0, 0, ""
    for name, spill in spills.items():
        for piece in _pieces(spill):
            there = dict((await peer.rows(engine.plan.collections[name], list(piece))).rows)
            for key, (told, past) in piece.items():
                brought = there.get(key)
                if not (fits(told.row, brought) or _was(past, brought)):
                    strange += 1
                    first = first or f"{name} {show_key(key)}"
                found[name, key] = Change(name, key, brought, told.row)
            weight += weigh_rows([told.row for told, _ in piece.values() if told.row is not None])
            if weight > REPLAY_BYTES_MAX:
                raise _better_join(peer.name, "too much changed since that offset", "it does not fit into memory")
    if strange:
        why = f"{counted(strange, 'row')} are not as they were then (the first: {first})"
        raise _better_join(peer.name, f"the peer is not a copy of offset {since}", why)
    return found


def _was(past: Past, brought: Row | None) -> bool:
    """Whether this is the row that the log's first change since then replaced, as far as it tells."""
    return bool(past.lost) or fits(past.row, brought)


def _better_join(name: str, what: str, why: str) -> UsageError:
    return UsageError(
        what, why=why, peer=name, hint=f"let it join again by compare-and-merge: 'syncline resume {name} --rejoin'"
    )


def _enter(
    engine: Engine, name: str, offset: Offset, upto: Offset, spills: Spills, changes: Mapping[tuple[str, Key], Change]
) -> list[Entry]:
    """The peer begins anew, live from here on, with the rows of all keys that changed since the offset that it is a copy of."""
    now = engine.clock.now()
    anew = {"stage": Stage.NEW.value, "rejoining": False, "since": None, "incarnation": "", "nonces": [], "position": None}
    made = [Entry(offset, Kind.PEER, name, time=now, body=anew)]
    made.append(Entry(offset + 1, Kind.PEER, name, time=now, body={"stage": Stage.LIVE.value}))
    fills: list[Change] = []
    for collection in spills:
        since = engine.window.since(collection, upto, lambda _block: True)
        late = {key: None for key in since if (collection, key) not in changes}
        listed = [change for where, change in changes.items() if where[0] == collection]
        for change in (*listed, *(Change(collection, key, None, None) for key in late)):
            view = engine.window.view(collection, change.key)
            row = view.row if view is not None else change.after
            if not fits(row, change.before) or change.key in late:
                fills.append(Change(collection, change.key, change.before, row))
    for start in range(0, len(fills), INGEST_ROWS_MAX):
        some = tuple(fills[start : start + INGEST_ROWS_MAX])
        made.append(Entry(offset + len(made), Kind.FILL, time=now, changes=some, to=name))
        engine.window.replay(made[-1])
    return made
