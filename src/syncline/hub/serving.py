"""Serving a space: the engine over its configuration, with the desk open for other processes."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import msgspec

from syncline.engine.clock import SystemClock
from syncline.engine.core import Engine, Plan
from syncline.engine.identity import session_mark
from syncline.engine.renaming import rename_entry
from syncline.engine.session import Phase, Session
from syncline.engine.state import Stage, State
from syncline.hub import at_rest
from syncline.hub.build import Renewal, agreed, ask, dismiss, failures, refuse, waiting_columns
from syncline.hub.desk_service import DeskService, Handler, fitting
from syncline.hub.following import captured as until_captured
from syncline.hub.operations import Operations
from syncline.hub.reading import Reading, log_bytes
from syncline.hub.repair_plan import shortened
from syncline.hub.repairs import repair as repair_rows
from syncline.hub.repairs import wish_of
from syncline.hub.replaying import replay as replay_rows
from syncline.hub.values import parse_value
from syncline.log.registry import log_exists, open_desk, open_log
from syncline.model.entry import Entry, Kind
from syncline.model.errors import PeerChanged, Problem, UsageError
from syncline.model.event import Event, Listener
from syncline.model.limits import DESK_BODY_BYTES_MAX
from syncline.model.proof import Wanted
from syncline.model.schema import Collection
from syncline.model.space import Space
from syncline.peers.protocol import Peer

Report = dict[str, Any]
Columns = Mapping[str, tuple[str, ...]]
IDLE_POLL_SECONDS = 0.05
CATALOG_SECONDS = 5.0
LAST_WORD_SECONDS = 5.0
UNREACHABLE_SECONDS = 20.0  # how long `--until-idle` waits for a peer that does not come


def quiet(_event: Event) -> None:
    """A listener for verbs that show nothing of the stream."""


@asynccontextmanager
async def serving(
    space: Space, on_event: Listener, *, sessions: bool = True, anew: bool = False, prove: bool = False
) -> AsyncIterator[Operations]:
    """An engine that serves this space in this process. Raises LogBusy if a hub runs already.

    `sessions=False`: the log alone, for decisions that need no peer. `anew`: a space that every peer has left begins again.
    `prove`: compare in the background, all the time.
    """
    plan, peers, known, waiting = await _prepare(space, on_event, check=sessions)
    log = open_log(space.log, on_event)
    engine = Engine(log, list(peers.values()), plan, space.settings, SystemClock(), partial(_nonce, space), on_event)
    for session in engine.sessions.values():
        session.renew = Renewal(space, session.name)
    operations = Operations(engine, serves=sessions, waiting=waiting, verify=space.verify)
    task = operations.alive = asyncio.create_task(engine.run(sessions=sessions, anew=anew))
    try:
        await _first(task, engine.ready.wait())
        await _announce(engine, plan.collections, known)
        desk = DeskService(open_desk(space.log), handlers(space, operations))
        async with desk.serving(), _proving(operations, wanted=prove):
            yield operations
        with suppress(TimeoutError):  # the log's disk may be full: nothing depends on it
            async with asyncio.timeout(LAST_WORD_SECONDS):
                await engine.confirm()  # what is known at the end, so that nobody has to ask again
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def _proving(operations: Operations, *, wanted: bool) -> AsyncIterator[None]:
    """Compare in the background of the block. What ends that is no reason to stop serving; `check_alive` tells it."""
    task = asyncio.create_task(operations.proving.run()) if wanted else None
    operations.proves = task
    try:
        yield
    finally:
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def _nonce(space: Space) -> str:
    return session_mark(space.name, secrets.token_hex(8))


async def _prepare(
    space: Space, on_event: Listener, *, check: bool
) -> tuple[Plan, dict[str, Peer], Columns, Sequence[Problem]]:
    """Ask the peers, plan, refuse what is wrong: nothing is written anywhere before this is through."""
    state = await Reading(space).state()
    asked = await ask(space, state)
    try:
        known = {name: tuple(columns) for name, columns in state.columns.items()}
        # the others need not wait for one that took part before
        failed = failures(space, asked, state)
        strangers = [error for name, error in failed.items() if name not in state.peers or name not in asked.peers]
        members = [name for name, record in state.peers.items() if record.incarnation]
        plan, problems = await agreed(space, asked, known, members, partial(_changed, space, state), check=check)
        refuse(problems, space, strangers)
        waiting = waiting_columns(space, asked.tables, known)
        for one in waiting if check else ():
            on_event(Event("column.waiting", collection=str(one.where["collection"]), detail=one.as_json()))
        if check and len(plan.collections) < len(space.collections):  # no peer told what it looks like
            raise next(iter(asked.failed.values()))
        return plan, asked.peers, known, waiting
    finally:
        await dismiss(asked)


async def _changed(space: Space, state: State) -> list[str]:
    """The peers that take part and whose tables are not what was captured so far."""
    if not log_exists(space.log):
        return []
    async with Reading(space).reader() as reader:
        found = await at_rest.look(space, state, reader)
    return [name for name, one in found.items() if isinstance(one.reason, PeerChanged)]


async def _first(task: asyncio.Task[None], ready: Awaitable[object]) -> None:
    """Wait for `ready`, unless the task ends first: then raise what ended it."""
    waiting = asyncio.ensure_future(ready)
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        waiting.cancel()
        task.result()


async def _announce(engine: Engine, collections: Mapping[str, Collection], known: Columns) -> None:
    """Tell the log the columns, where they are new: old entries stay readable, and readers know the names."""
    news = {name: list(one.columns) for name, one in collections.items() if known.get(name) != one.columns}
    if news:
        await engine.ingest.command(lambda offset: [Entry(offset, Kind.SCHEMA, time=engine.clock.now(), body=dict(news))])


def handlers(space: Space, operations: Operations) -> Mapping[str, Handler]:
    """What a running hub can be asked through the desk, or by a verb in its own process."""
    engine = operations.engine

    async def status(_body: Report) -> Report:
        return live_status(space, operations)

    async def verify(body: Report) -> Report:
        wanted, by = wanted_of(body.get("wanted")), body.get("by", "")
        told = await operations.verify(repair=body["repair"], emit=quiet, wanted=wanted, by=by)
        listed = fitting(told["differences"], DESK_BODY_BYTES_MAX // 2)  # values may be large
        more = told["differences_not_listed"] + len(told["differences"]) - len(listed)
        return told | {"differences": listed, "differences_not_listed": more}

    async def repair(body: Report) -> Report:
        return shortened(await repair_rows(operations, wish_of(body), quiet), DESK_BODY_BYTES_MAX // 2)

    async def settle(body: Report) -> Report:
        sets = {name: parse_value(text) for name, text in body["sets"].items()}
        return await operations.settle(body["id"], body["take"], sets, body.get("by", ""))

    async def retry(body: Report) -> Report:
        ids = body["ids"]
        return await (operations.retry(ids[0]) if len(ids) == 1 else operations.retry_several(ids))

    async def skip(body: Report) -> Report:
        return await operations.skip(body["id"])

    async def pause(body: Report) -> Report:
        await engine.pause(body["peer"])
        return {"paused": body["peer"]}

    async def resume(body: Report) -> Report:
        words = {word: body[word] for word in ("rejoin", "approve", "authority")}
        idle = not (body["rejoin"] or body["approve"]) and _goes_on(engine, body["peer"])
        await engine.resume(body["peer"], **words, broken=body.get("broken", False))
        state = await operations.until_met(body["peer"], joined=body["rejoin"])
        lost = engine.state.aside.report(body["peer"])
        return {"resumed": body["peer"], "state": state, "set_aside": lost, "not_paused": idle}

    async def leave(body: Report) -> Report:
        await engine.leave(body["peer"])
        await operations.until_apart(body["peer"])
        return {"left": body["peer"]}

    async def rename(body: Report) -> Report:
        old, new, clock = body["old"], body["new"], engine.clock
        made = await engine.ingest.command(lambda offset: rename_entry(engine.state, old, new, offset, clock.now()))
        return {"renamed": True, "offset": made[0].offset if made else None}

    async def captured(body: Report) -> Report:
        return await until_captured(engine, body)

    async def replay(body: Report) -> Report:
        return await replay_rows(space, operations, body)

    made = (status, verify, repair, settle, retry, skip, pause, resume, leave, rename, captured, replay)
    return {handler.__name__: handler for handler in made}


def _goes_on(engine: Engine, name: str) -> bool:
    """Whether a peer is neither paused nor broken, so that there is nothing to resume."""
    session = engine.sessions.get(name)
    return session is not None and session.phase is not Phase.BROKEN and engine.state.peer(name).stage is Stage.LIVE


def wanted_of(body: Report | None) -> Wanted:
    """What the desk was asked to compare. Raises UsageError."""
    try:
        return msgspec.convert(body or {}, Wanted)
    except msgspec.ValidationError as error:
        raise UsageError("this is not what a comparison can be asked for", why=str(error)) from error


def live_status(space: Space, operations: Operations) -> Report:
    """The status of a hub in this process."""
    log, waiting = operations.engine.log, operations.engine.ingest.waiting
    shown: Report = {"space": space.name, "hub": {"running": True, "pid": os.getpid()}}
    shown["log"] = {"head": log.head, "floor": log.floor, "bytes": log_bytes(space.log)}
    shown["log"]["reason"] = waiting.text() if waiting is not None else None
    return shown | operations.status()


async def until_stopped(operations: Operations, stop: asyncio.Event) -> bool:
    """Serve until `stop`; True if instead the peers' tables have all grown, so that the space should be planned anew."""
    while not stop.is_set():
        operations.check_alive()
        try:
            async with asyncio.timeout(CATALOG_SECONDS):
                await stop.wait()
        except TimeoutError:
            if await operations.has_grown():
                return True
    return False


async def until_idle(operations: Operations, on_event: Listener, stop: asyncio.Event) -> Report:
    """Serve until everything captured is delivered and compared, or `stop`.

    Raises what keeps a peer away for good, once the others have what there is.
    """
    loop = asyncio.get_running_loop()
    waiting: dict[str, float] = {}
    while not stop.is_set():
        operations.check_alive()
        _require_seed(operations.engine)
        if await operations.engine.idle():
            verified = await operations.verify(repair=False, emit=on_event)
            if verified["pending"] == 0:
                return {"converged": verified["equal"], "verify": verified}
        away: list[Session] = []
        for name, session in operations.engine.sessions.items():
            if session.phase in (Phase.LIVE, Phase.JOINING, Phase.PAUSED):
                waiting.pop(name, None)
            elif session.phase is Phase.BROKEN or loop.time() - waiting.setdefault(name, loop.time()) > UNREACHABLE_SECONDS:
                away.append(session)
        if away and await _have_all(operations, away):
            reason = away[0].reason or operations.engine.ingest.waiting
            raise reason or UsageError("the peer did not come to life", peer=away[0].name)
        await asyncio.sleep(IDLE_POLL_SECONDS)
    return {"converged": False}


def _require_seed(engine: Engine) -> None:
    """Raise UsageError where a space cannot begin, because a person paused the peer that the others would join."""
    seed, records = engine.state.peer(engine.plan.seed), engine.state.peers.values()
    if seed.stage is Stage.PAUSED and seed.footing is Stage.NEW and not any(one.footing is Stage.LIVE for one in records):
        why = "the others would join it, since nobody has begun yet"
        hint = f"let it go on: 'syncline resume {seed.name}'"
        raise UsageError(f"the space cannot begin while {seed.name} is paused", why=why, hint=hint, peer=seed.name)


async def _have_all(operations: Operations, away: Sequence[Session]) -> bool:
    """Whether all others have what there is; one that joins cannot while nobody is there to join with."""
    others = [session for session in operations.engine.sessions.values() if session not in away]
    lonely = not any(session.phase is Phase.LIVE for session in others)
    for session in others:
        resting = session.phase is Phase.PAUSED or (session.phase is Phase.JOINING and lonely)
        if not resting and not await session.is_idle():
            return False
    return True
