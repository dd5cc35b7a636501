"""The engine: one log, one ingest, a supervised session per peer, a pulse. It knows no configuration text and no screen."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from syncline.engine.clock import Clock, monotonic
from syncline.engine.closing import closing
from syncline.engine.ingest import Ingest, confirm_entry
from syncline.engine.join import Joiner, anew
from syncline.engine.keeping import Keeping
from syncline.engine.parking import due, retry_entry, skip_entry
from syncline.engine.retry import Backoff, is_transient
from syncline.engine.session import Phase, Session, Stopped
from syncline.engine.state import ParkedRow, PeerRecord, Stage, State
from syncline.log.protocol import Log
from syncline.merge.policy import RuleBook
from syncline.merge.window import Window
from syncline.model.entry import Entry, Kind
from syncline.model.errors import LogBusy, LogError, LogFull, PeerChanged, PeerError, PeerRestored, SynclineError, UsageError
from syncline.model.event import Event, Listener
from syncline.model.limits import CONFIRM_SECONDS, PROOF_KEEP_SECONDS
from syncline.model.schema import Collection
from syncline.model.space import Direction, Settings
from syncline.model.stamp import Offset, Position
from syncline.model.value import Key, Row
from syncline.peers.protocol import Peer

COMPACT_SECONDS = 30.0
STEADY_SECONDS = 10.0  # a session that lived so long had worked: waits begin small again


class Plan(msgspec.Struct, frozen=True):
    """What the engine runs: the collections with their rules, who sends what, and whose rows come first."""

    collections: Mapping[str, Collection]
    book: RuleBook
    seed: str
    directions: Mapping[str, Mapping[str, Direction]] = {}  # collection -> peer -> direction
    authority: Mapping[str, str] = {}  # collection -> peer whose rows stand at a join

    def counters(self) -> dict[str, frozenset[int]]:
        """The columns of each collection that travel as increments."""
        return {
            name: frozenset(place for place, policy in enumerate(rules.policies) if policy.delta)
            for name, rules in self.book.items()
        }

    def only(self, peer: str, direction: Direction) -> frozenset[str]:
        """The collections that a peer only sends, or only receives."""
        return frozenset(name for name, peers in self.directions.items() if peers.get(peer) is direction)


class Engine:
    """Run with `run()`; ask `idle()`; stop by cancelling. One engine per log; the log's fence sees to it."""

    def __init__(
        self,
        log: Log,
        peers: Sequence[Peer],
        plan: Plan,
        settings: Settings,
        clock: Clock,
        nonce: Callable[[], str],
        emit: Listener,
        jitter: Callable[[], float] | None = None,
    ) -> None:
        self.log, self.plan, self.settings, self.clock, self.emit = log, plan, settings, clock, emit
        self.state, self.window = State(), Window()
        self.ingest = Ingest(log, self.window, plan.book, self.state, clock, settings, emit)
        self._joiner = Joiner(
            plan.collections, plan.book, plan.authority, plan.seed, self.state, self.window, self.ingest, clock, emit
        )
        counters = plan.counters()
        self._jitter = jitter
        self.sessions = {
            peer.name: Session(
                peer, plan.collections, counters, plan.only(peer.name, Direction.RECEIVE),
                plan.only(peer.name, Direction.SEND), self.state, self.ingest, self._joiner, settings, clock, nonce, emit,
            )
            for peer in peers
        }  # fmt: skip
        self._joiner.members.update(self.sessions)
        self.keeping = Keeping(self.sessions, emit)
        self.ingest.is_behind = self._is_behind
        self._wake = {name: asyncio.Event() for name in self.sessions}
        self.ready = asyncio.Event()  # the log is open and its fold is known
        self._confirmed: dict[str, tuple[Offset, Position | None]] = {}
        self._seen: dict[str, float] = {}
        self._compacted = monotonic()
        self.holds: list[Callable[[], Offset]] = []  # each tells what the log keeps, for a while, for somebody who reads it

    def _is_behind(self) -> bool:
        data = self.state.data
        return any(session.deliver is not None and session.deliver.cursor < data for session in self.sessions.values())

    async def run(self, *, sessions: bool = True, anew: bool = False) -> None:
        """Open the log, rebuild what it tells, then serve until cancelled. Raises LogError when the log cannot go on.

        `sessions=False` serves the log alone, for decisions that need no peer. `anew`: a space that every peer has left begins
        again, on the same log.
        """
        await self.log.open()
        try:
            await self.rebuild()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.ingest.run())
                if anew:
                    await self._begin_anew()
                self.ready.set()
                if sessions:
                    for session in self.sessions.values():
                        tasks.create_task(self._supervise(session))
                    tasks.create_task(self._pulse())
                    tasks.create_task(self.keeping.run())
        except BaseExceptionGroup as group:
            raise _first(group) from group
        finally:
            await self.log.close()

    async def _begin_anew(self) -> None:
        """Where all have left, also who never took part, all may enter again as at first: nobody has a place to keep."""
        known = [one for one in self.state.peers.values() if one.joined_at or one.stage is Stage.LEFT]
        listed = [one for one in known if one.name in self.sessions]
        if listed and all(one.stage is Stage.LEFT for one in listed):
            for record in known:
                stage = Stage.NEW if record.name in self.sessions else Stage.LEFT  # who is not listed any more: left behind
                await self._stage(record.name, {"stage": stage.value, "rejoining": False})
            self.emit(Event("space.anew", detail={"peers": len(listed)}))

    async def rebuild(self) -> None:
        """Fold the log: control entries from its beginning, rows from the first entry some peer has not confirmed."""
        async for entries in self.log.read_notes(0):
            for entry in entries:
                self.state.fold(entry)
        start = max(self.state.needed(), self.log.floor)
        for row in self.state.parked.values():
            self.window.park(row.peer, row.collection, row.key, row.since)
        async for entries in self.log.read(start):
            for entry in map(self.state.names.now, entries):
                self.window.replay(entry)
                if entry.kind is Kind.CHANGE and not entry.has_notes:
                    self.state.fold(entry)
        self.state.head = self.log.head
        self.state.data = max(self.state.data, min(start, self.log.head))  # everyone has what is up to there
        self.window.release(self.state.confirmed())
        self.emit(Event("log.opened", detail={"head": self.log.head, "window": len(self.window)}))

    async def _supervise(self, session: Session) -> None:
        backoff = Backoff(self._jitter)
        while True:
            begun = monotonic()
            if self.state.peer(session.name).stage is Stage.PAUSED:
                session.phase = Phase.PAUSED
                await self._until_woken(session)
                continue
            try:
                await _apart(session.serve())
            except LogError:
                raise
            except Stopped:
                session.reason = None
            except Exception as error:  # one peer's failure, of whatever kind, is not the others' (F33)
                session.reason = error
                if monotonic() - begun > STEADY_SECONDS:
                    backoff.reset()
                if is_transient(error):
                    session.phase = Phase.WAITING
                    self.emit(Event("peer.waiting", session.name, detail=_tell(error)))
                    await self._until_woken(session, backoff.seconds())
                else:
                    session.phase = Phase.BROKEN
                    left = self.state.peer(session.name).stage is Stage.LEFT  # as it was asked to: no fault
                    self.emit(
                        Event("peer.left", session.name) if left else Event("peer.broken", session.name, detail=_tell(error))
                    )
                    await self._until_woken(session)
                    backoff.reset()

    async def _until_woken(self, session: Session, seconds: float | None = None) -> None:
        wake = self._wake[session.name]
        wake.clear()
        try:
            async with asyncio.timeout(seconds):
                await wake.wait()
        except TimeoutError:
            pass

    # -- the pulse ----------------------------------------------------------------------------------------------------------

    async def _pulse(self) -> None:
        while True:
            await asyncio.sleep(CONFIRM_SECONDS)
            await self.confirm()
            await self._mark_stale()
            for row in due(self.state, self.clock.now()):
                session = self.sessions.get(row.peer)
                if session is not None and session.phase is Phase.LIVE:
                    with suppress(UsageError, PeerError):  # it was settled meanwhile, or cannot be read now
                        await self.retry(row)
            with suppress(LogFull, LogBusy):  # what must be written waits by itself; this can be left for another time
                await self._trim()
                await self._compact()

    async def _compact(self) -> None:
        """Now and then, merge the small frames that single changes leave in the log."""
        if monotonic() - self._compacted > COMPACT_SECONDS:
            self._compacted = monotonic()
            await self.log.compact()

    async def confirm(self) -> None:
        """Note in the log what every peer has confirmed and how far its history is known, if there is news."""
        peers = {name: (one.captured, self._known(one)) for name, one in self.state.peers.items() if one.holds_window}
        if peers != self._confirmed:
            await self.ingest.command(lambda offset: [confirm_entry(offset, peers, self.clock.now())])
            self._confirmed = peers

    def _known(self, record: PeerRecord) -> Position | None:
        """How far the log has a peer's history. Beyond the last change that it wrote, there were only watermarks."""
        session = self.sessions.get(record.name)
        captured = session.captured if session is not None and record.stage is Stage.LIVE else None
        return captured if captured is not None and (record.position is None or captured > record.position) else record.position

    async def _mark_stale(self) -> None:
        """Past the horizon, in time or in rows that it keeps in the window, an absent peer no longer holds the others up."""
        now = monotonic()
        held_at = min(self.state.confirmed().values(), default=0)
        for name, record in list(self.state.peers.items()):
            phase = self.sessions[name].phase if name in self.sessions else Phase.WAITING
            if phase in (Phase.LIVE, Phase.JOINING):
                self._seen[name] = now
                continue
            away = now - self._seen.setdefault(name, now)
            full = len(self.window) > self.settings.window_rows and phase is not Phase.CONNECTING
            if not record.holds_window or not (away > self.settings.stale_seconds or (full and record.captured == held_at)):
                continue
            if any(other.phase is Phase.LIVE for other in self.sessions.values()):
                await self._give_up(name)

    async def _give_up(self, name: str) -> None:
        """Nobody waits for this peer any more; unless it comes to life just now."""
        session = self.sessions.get(name)

        def build(offset: Offset) -> list[Entry]:
            if session is not None and session.phase in (Phase.LIVE, Phase.JOINING):
                return []
            return [Entry(offset, Kind.PEER, name, time=self.clock.now(), body={"stage": Stage.STALE.value})]

        if await self.ingest.command(build):
            self.emit(Event("peer.stale", name))
            if session is not None:
                session.stop()  # if it is about to connect, it must hear of it

    async def _trim(self) -> None:
        horizon = self.clock.now() - int(self.settings.retention_seconds * 1e6)
        open_conflicts = [int(name.partition(".")[0]) - 1 for name in self.state.open]
        upto = min([self.state.needed(), self.state.head - 1, *open_conflicts])
        old = floor = self.log.floor
        if upto <= floor:
            return
        held, kept = min([hold() for hold in self.holds], default=upto), horizon - int(PROOF_KEEP_SECONDS * 1e6)
        async with closing(self.log.read(floor, upto)) as frames:
            async for entries in frames:
                if max(entry.time for entry in entries) > (kept if entries[-1].offset > held else horizon):
                    break
                old = entries[-1].offset
        if old > floor:
            await self.ingest.command(self._checkpoint)
            await self.log.trim(old)

    def _checkpoint(self, offset: Offset) -> list[Entry]:
        return [Entry(offset, Kind.CHECKPOINT, time=self.clock.now(), body=self.state.checkpoint())]

    # -- what people and verbs ask --------------------------------------------------------------------------------------------

    async def idle(self) -> bool:
        """Whether all that was committed before the question is delivered and confirmed at every peer: but for those that a
        person paused or had leave; one that became stale is still to come back.
        """
        ends: dict[str, Position] = {}
        for name, session in self.sessions.items():
            if self.state.peer(name).stage not in (Stage.PAUSED, Stage.LEFT):
                if not session.ready:
                    return False
                ends[name] = await session.peer.position()
        return not self.ingest.busy and all(self.sessions[name].is_idle_at(end) for name, end in ends.items())

    async def retry(self, row: ParkedRow) -> None:
        """Try a parked row again. Raises UsageError if it is not parked any more, PeerError."""
        pin, key, collection = f"retry {row.peer} {row.id}", row.key, self.plan.collections.get(row.collection)
        ready = [one for one in self.sessions.values() if one.ready and one.name != row.peer]
        reference = min(ready, key=lambda one: row.collection in one.receives_only, default=None)
        held: dict[Key, Row] = {}
        try:
            if reference is not None and collection is not None:  # the row as a live peer has it, if the window has not
                self.window.pins[pin] = self.state.peer(reference.name).captured
                chunk = await reference.peer.rows(collection, [key])
                await reference.wait_captured(chunk.position)
                held = dict(chunk.rows)
            await self.ingest.command(
                lambda offset: [retry_entry(self.state, self.window, row, offset, self.clock.now(), held.get(key))]
            )
        finally:
            self.window.pins.pop(pin, None)

    async def skip(self, row: ParkedRow) -> None:
        """Never try a parked row again by itself. Raises UsageError if it is not parked any more."""
        await self.ingest.command(lambda offset: [skip_entry(self.state, row, offset, self.clock.now())])

    async def leave(self, name: str) -> None:
        """A peer leaves the space: nothing waits for it any more."""
        self._session(name)
        await self._stage(name, {"stage": Stage.LEFT.value, "incarnation": "", "nonces": []})
        await self._stop(name)

    async def pause(self, name: str) -> None:
        """Stop capture and delivery at a peer; the window waits for it. Raises UsageError for one that has no place."""
        self._session(name)
        if self.state.peer(name).stage in (Stage.STALE, Stage.LEFT):
            raise UsageError(f"{name} takes no part", hint=f"let it join again: 'syncline resume {name} --rejoin'")
        await self.confirm()  # what is captured is not to be kept at the peer while it rests
        await self._stage(name, {"stage": Stage.PAUSED.value})
        await self._stop(name)

    async def resume(
        self, name: str, *, rejoin: bool = False, approve: bool = False, authority: str | None = None, broken: bool = False
    ) -> None:
        """Let a paused or broken peer go on; `rejoin`: by compare-and-merge; `approve`: the mass change it was held for.

        `authority`: at this rejoin, the peer whose rows stand in every collection. `broken`: it was looked at, and its history
        is not the one that the log knows, which a session that does not run cannot tell.
        """
        session, record = self._session(name), self.state.peer(name)
        _require_place(record, rejoin=rejoin)
        if approve:
            await self._stage(name, {"approved": self.state.head})
        if rejoin and record.joined_at and (broken or not _is_joining(record, session)):
            await self.ingest.command(lambda offset: [anew(record, authority or "", offset, self.clock.now())])
            await self._stop(name)
        elif record.stage in (Stage.PAUSED, Stage.LEFT):  # who left before it took part begins as at first
            stage = record.paused_from if record.stage is Stage.PAUSED else Stage.NEW
            await self._stage(name, {"stage": stage.value})
        session.reason = None
        if session.phase is Phase.BROKEN:
            session.phase = Phase.WAITING
        self._wake[name].set()

    def _session(self, name: str) -> Session:
        session = self.sessions.get(name)
        if session is None:
            raise UsageError(f"there is no peer {name}", hint=f"peers are {', '.join(self.sessions)}")
        return session

    async def _stop(self, name: str) -> None:
        self.sessions[name].stop()
        self._wake[name].set()

    async def _stage(self, name: str, body: dict[str, object]) -> None:
        await self.ingest.command(lambda offset: [Entry(offset, Kind.PEER, name, time=self.clock.now(), body=dict(body))])


def _require_place(record: PeerRecord, *, rejoin: bool) -> None:
    """Raise UsageError where a peer cannot simply go on."""
    name = record.name
    if record.stage in (Stage.STALE, Stage.LEFT) and not rejoin:
        why = "it left this space" if record.stage is Stage.LEFT else "it was away for too long, and the log stopped waiting"
        hint = f"let it join again, by compare-and-merge: 'syncline resume {name} --rejoin'"
        raise UsageError(f"{name} takes no part", why=why, hint=hint)


def _is_joining(record: PeerRecord, session: Session) -> bool:
    """Whether its join is about to begin, or under way and unbroken: to begin it anew would forget what it wrote itself."""
    if isinstance(session.reason, PeerRestored | PeerChanged):
        return False
    return record.footing in (Stage.NEW, Stage.JOINING)


async def _apart(work: Coroutine[Any, Any, None]) -> None:
    """Run it in a task of its own: a TaskGroup that fails while it is being cancelled forgets that it was cancelled."""
    task = asyncio.create_task(work)
    try:
        await asyncio.wait([task])
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    task.result()


def _tell(error: Exception) -> dict[str, object]:
    return error.as_json() if isinstance(error, SynclineError) else {"code": "SYN-000", "what": repr(error)}


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
