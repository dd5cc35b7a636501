"""The verb `repair`: a plan first, then as ordinary changes through the log; past repairs listed and taken back."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from syncline.compare.repair import RepairPolicy, alike, classify, read_policy
from syncline.engine.closing import closing
from syncline.engine.core import Plan
from syncline.hub.operations import Operations, why_away
from syncline.hub.pipeline import LivePipeline
from syncline.hub.repair_plan import RepairPlan, Rough, Saved, left_report, read_plan
from syncline.hub.repairing import CHANGED, FLYING, Carrier, Left, Mark, mark_of, mark_rows
from syncline.hub.telling import Decide, LastWords, Rows, by_policy, silent_of, told_of
from syncline.hub.undoing import Past, by_memory, past_repair, past_repairs
from syncline.model.entry import Entry
from syncline.model.errors import PeerUnreachable, UsageError
from syncline.model.event import Listener
from syncline.model.limits import REPAIR_ENTRY_ROWS_MAX, REPAIR_PORTION_ROWS, REPAIR_ROWS_MAX
from syncline.model.schema import Collection
from syncline.model.space import Settings
from syncline.model.stamp import Offset
from syncline.model.value import Key
from syncline.peers.protocol import Peer
from syncline.reconcile.verify import Difference, Pipeline, compare_collection, read_copies

Report = dict[str, Any]
Carried = Mapping[tuple[str, Key, str], Offset]  # collection, key and how the row stood -> the repair that met it so


class Noted(Protocol):
    """A log, as far as a repair reads it."""

    @property
    def floor(self) -> Offset:
        """The largest offset that has been trimmed away."""
        ...

    def read(self, after: Offset) -> AsyncIterator[tuple[Entry, ...]]:
        """Entries after an offset, in order, a tuple per frame."""
        ...

    def read_notes(self, after: Offset) -> AsyncIterator[tuple[Entry, ...]]:
        """Of these, those with control records and conflicts."""
        ...


class Wish(msgspec.Struct, frozen=True):
    """What is asked for. No collections: all. `plan`: a saved one to carry out; `undo`: a repair to take back, 0 for none.

    `by`: who orders it, for the history. `listed`: the plan is to list every row, as one that is kept must.
    """

    collections: tuple[str, ...] = ()
    policy: str = "merge"
    rows_max: int = REPAIR_ROWS_MAX
    yes: bool = False
    approve: bool = False
    plan: dict[str, Any] | None = None
    undo: Offset = 0
    by: str = ""
    listed: bool = True


def wish_of(body: Mapping[str, Any]) -> Wish:
    """What the desk was asked for. Raises UsageError."""
    try:
        return msgspec.convert(dict(body), Wish)
    except msgspec.ValidationError as error:
        raise UsageError("this cannot be asked of a repair", why=str(error), hint="use the same version") from error


class Ground(msgspec.Struct, frozen=True):
    """What a plan is made on. `receivers`: who is compared; `absent`: who is not, and why; `names`: all peers."""

    plan: Plan
    settings: Settings
    log: Noted
    head: Offset
    pipeline: Pipeline
    receivers: Callable[[Collection], Sequence[Peer]]
    names: tuple[str, ...]
    absent: Mapping[str, str]


class Made(msgspec.Struct, frozen=True):
    """A plan, and how it was decided, so that it can be carried out in the same way."""

    plan: RepairPlan
    decide: Decide

    def report(self, ground: Ground, wish: Wish) -> Report:
        """The plan, why it would be refused, and whether there is nothing to do."""
        plan, refused = self.plan, self.plan.refusals(ground.settings, wish.rows_max, approved=wish.approve)
        equal = not (plan.rows or plan.found or _waits(plan.left) or plan.absent)
        return {
            "plan": plan.report(whole=wish.listed),
            "refused": [one.as_json() for one in refused],
            "done": None,
            "equal": equal,
        }


def _waits(left: Sequence[Left]) -> bool:
    """Whether something is left about which something is to be done."""
    return not all(one.idle for one in left)


async def plan_repair(ground: Ground, wish: Wish, emit: Listener) -> Made:
    """The plan of what is asked for. Changes nothing. Raises UsageError, PeerError."""
    saved = read_plan(wish.plan) if wish.plan is not None else None
    undo = saved.undoes if saved is not None else wish.undo
    policy = saved.policy if saved is not None else _policy(ground, wish.policy)
    head = saved.head if saved is not None and saved.head else ground.head
    made = RepairPlan(policy, head, undoes=undo, absent=dict(ground.absent))
    decide = by_policy(ground.plan, policy)
    if undo:
        async with closing(ground.log.read_notes(undo - 1)) as notes:
            past, back = await past_repair(notes, undo)
        decide = by_memory(past, back)
        wanted = _remembered(past, saved, _chosen(ground, wish.collections))
        await _by_keys(ground, wanted, decide, made, await _carried(ground, saved))
    elif saved is not None:
        await _by_keys(ground, _known(ground, saved), decide, made, await _carried(ground, saved))
    else:
        _require_peer(ground, policy)
        room = wish.rows_max + 1
        for collection in _chosen(ground, wish.collections):
            await _by_comparing(ground, collection, decide, made, room - made.rows, emit)
    return Made(made, decide)


def _policy(ground: Ground, text: str) -> RepairPolicy:
    policy = read_policy(text)
    if policy is None:
        hint = "merge, authority:PEER, upsert:PEER, insert:PEER or insert"
        raise UsageError(f"{text!r} is no policy of a repair", hint=hint)
    if policy.peer and policy.peer not in ground.names:
        raise UsageError(f"there is no peer {policy.peer}", hint=f"peers are {', '.join(ground.names)}")
    return policy


def _require_peer(ground: Ground, policy: RepairPolicy) -> None:
    """Raise PeerUnreachable where the rows that are to stand cannot be read."""
    if policy.peer in ground.absent:
        why = ground.absent[policy.peer]
        raise PeerUnreachable("its rows are to stand, and cannot be read", why=why, hint="bring it back", peer=policy.peer)


def _chosen(ground: Ground, names: Sequence[str]) -> list[Collection]:
    """The collections that are asked for. Raises UsageError for one that is not configured."""
    known = ground.plan.collections
    for name in names:
        if name not in known:
            raise UsageError(f"there is no collection {name}", hint=f"there are {', '.join(known)}")
    return [one for one in known.values() if not names or one.name in names]


async def _carried(ground: Ground, saved: Saved | None) -> Carried:
    """The repairs since a plan was made, by the rows that they met as they stood."""
    if saved is None:
        return {}
    async with closing(ground.log.read_notes(saved.head)) as notes:
        since = await past_repairs(notes)
    return {
        (name, key, mark_rows(memory.stood)): past.id
        for past in since
        for name, keys in past.keys.items()
        for key, memory in keys.items()
    }


def _known(ground: Ground, saved: Saved) -> list[tuple[Collection, dict[Key, Mark]]]:
    return [(collection, saved.wanted[collection.name]) for collection in _chosen(ground, tuple(saved.wanted))]


def _remembered(past: Past, saved: Saved | None, chosen: Sequence[Collection]) -> list[tuple[Collection, dict[Key, Mark]]]:
    """The keys of a past repair; of a saved plan to undo it, those that are in the plan."""
    found: list[tuple[Collection, dict[Key, Mark]]] = []
    for collection in chosen:
        keys = past.keys.get(collection.name, {})
        marks = dict.fromkeys(keys, Mark("")) if saved is None else saved.wanted.get(collection.name, {})
        found.append((collection, {key: mark for key, mark in marks.items() if key in keys}))
    return found


async def _by_comparing(
    ground: Ground, collection: Collection, decide: Decide, made: RepairPlan, room: int, emit: Listener
) -> None:
    peers = ground.receivers(collection)
    if len(peers) < 2:
        return
    part = Rough(collection, rows=await _counted(collection, peers))
    silent = silent_of(ground.plan, collection.name, [one.name for one in peers])
    found: dict[Key, Rows] = {}

    async def take(drifted: Sequence[Difference]) -> None:
        free = room - len(part.planned) - len(found)
        found.update((one.key, one.rows) for one in drifted[: max(0, free)])
        if len(found) >= REPAIR_PORTION_ROWS:
            await settle()

    async def settle() -> None:
        told = await told_of(ground.log, collection.name, found.keys(), found)
        portion = list(reversed(found.items()))
        found.clear()
        while portion:  # what is decided is let go of
            key, rows = portion.pop()
            outcome = decide(collection, key, rows, told.get(key))
            if outcome.left:
                made.left.append(Left(collection.name, key, outcome.left))
            else:
                part.add(outcome, classify(rows, told.get(key), silent))

    compared = await compare_collection(collection, peers, max(part.rows.values()), ground.pipeline, emit, take)
    await settle()
    part.found = compared.states.get("drift", 0)
    made.left += [Left(collection.name, one.key, FLYING) for one in compared.differences if one.state != "drift"]
    made.parts.append(part)


async def _by_keys(
    ground: Ground,
    wanted: Sequence[tuple[Collection, Mapping[Key, Mark]]],
    decide: Decide,
    made: RepairPlan,
    carried: Carried,
) -> None:
    """The plan for keys that are known, of which each has its mark; '' for any. `carried`: what repairs met since."""
    for collection, marks in wanted:
        peers, name, keys = ground.receivers(collection), collection.name, list(marks)
        part = Rough(collection, rows=await _counted(collection, peers))
        silent = silent_of(ground.plan, name, [one.name for one in peers])
        for start in range(0, len(keys), REPAIR_ENTRY_ROWS_MAX):
            some = keys[start : start + REPAIR_ENTRY_ROWS_MAX]
            if start % REPAIR_PORTION_ROWS == 0:
                words = LastWords(ground.log, name, frozenset(keys[start : start + REPAIR_PORTION_ROWS]))
            copies, sure = await read_copies(collection, peers, some, ground.pipeline)
            told = await words.found()
            for key in some:
                rows, mark = {peer: held.get(key) for peer, held in copies.items()}, marks[key]
                done = carried.get((name, key, mark.stood), 0)
                if not sure or ground.pipeline.in_flight(name, key):
                    made.left.append(Left(name, key, _already(done) if done else FLYING, idle=bool(done)))
                    continue
                outcome = decide(collection, key, rows, told.get(key))
                if mark.stood and (mark_rows(rows) != mark.stood or mark_of(outcome).after != mark.after):
                    made.left.append(_overtaken(name, key, rows, done, undone=bool(made.undoes)))
                elif outcome.left:
                    made.left.append(Left(name, key, outcome.left, outcome.idle))
                else:
                    part.add(outcome, classify(rows, told.get(key), silent))
            words.forget(some)
        part.found = len(part.planned)
        made.parts.append(part)


def _already(done: Offset) -> str:
    return f"the plan was already carried out, as repair {done}"


def _overtaken(name: str, key: Key, rows: Rows, done: Offset, *, undone: bool) -> Left:
    """A row that is not as a saved plan met it. `done`: the repair that met it so, 0 if none did; `undone`: to undo another."""
    if alike(rows.values()):
        return Left(name, key, f"its copies are equal now{f': {_already(done)}' if done else ''}", idle=True)
    if done:
        return Left(name, key, _already(done) if undone else f"{_already(done)}, and its copies differ again", idle=undone)
    return Left(name, key, CHANGED)


async def _counted(collection: Collection, peers: Sequence[Peer]) -> dict[str, int]:
    """How many rows each peer has, about."""
    counts = {}
    for peer in peers:
        table = (await peer.inspect()).get(collection.table_at(peer.name))
        counts[peer.name] = table.rows_estimate if table is not None else 0
    return counts


def live_ground(operations: Operations) -> Ground:
    """What a running engine has. Raises PeerUnreachable if no peer is live."""
    engine, live = operations.engine, operations.live()
    if not live:
        raise PeerUnreachable("no peer is live, so there is nothing to repair", hint="see 'syncline status'")

    def receivers(collection: Collection) -> list[Peer]:
        return [one.peer for one in operations.live() if collection.name not in one.sends_only]

    absent = {name: why_away(one) for name, one in engine.sessions.items() if one not in live}
    pipeline = LivePipeline(engine)
    names = tuple(engine.sessions)
    return Ground(engine.plan, engine.settings, engine.log, engine.state.head, pipeline, receivers, names, absent)


async def repair(operations: Operations, wish: Wish, emit: Listener) -> Report:
    """Plan, and carry the plan out if that is asked for. Raises GuardTripped beyond the limits, UsageError, PeerError."""
    engine, ground = operations.engine, live_ground(operations)
    made = await plan_repair(ground, wish, emit)
    plan, report = made.plan, made.report(ground, wish)
    if not wish.yes:
        return report
    refused = plan.refusals(ground.settings, wish.rows_max, approved=wish.approve)
    if refused:
        raise refused[0]
    approved = sorted({peer for peer, *_ in plan.over(ground.settings)})
    carrier = Carrier(
        engine,
        ground.receivers,
        LivePipeline(engine),
        made.decide,
        plan.words,
        undoes=plan.undoes,
        approved=approved,
        by=wish.by,
    )
    for part in plan.parts:
        await carrier.carry(part.collection, part.wanted())
    done = carrier.done
    left = [*plan.left, *done.left]
    told = {"id": str(done.id) if done.id else None, "repaired": done.repaired, "left": [left_report(one) for one in left]}
    return report | {"done": told, "equal": not (_waits(left) or plan.absent) and done.repaired == plan.found}
