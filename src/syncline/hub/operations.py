"""What people ask of a running engine: settle, retry, repair, verify, status. Each appends to the log, or only reads."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from syncline.engine.core import Engine
from syncline.engine.session import Phase, Session
from syncline.engine.state import ParkedRow, Stage, State
from syncline.hub.deciding import decide
from syncline.hub.pipeline import LivePipeline
from syncline.hub.proving import Proving
from syncline.hub.records import Counts, collection_report, how_left, key_list, parked_report
from syncline.hub.repairing import repair as repair_drift
from syncline.hub.tally import how_of
from syncline.hub.waiting import waiting
from syncline.model.errors import PeerError, PeerUnreachable, Problem, UsageError
from syncline.model.event import Listener
from syncline.model.proof import EVERYTHING, Wanted
from syncline.model.schema import Collection
from syncline.model.space import VerifySettings
from syncline.model.stamp import Offset
from syncline.model.value import Value
from syncline.peers.protocol import Peer
from syncline.reconcile.verify import Compared, Difference

Report = dict[str, Any]


class Operations:
    """Verbs over a running engine, in the same process."""

    def __init__(
        self,
        engine: Engine,
        *,
        serves: bool = True,
        waiting: Sequence[Problem] = (),
        verify: VerifySettings = VerifySettings(),  # noqa: B008  it is frozen
    ) -> None:
        self.engine = engine
        self.proving = Proving(engine, verify, self.receivers, engine.emit)
        self._waiting = waiting  # columns that only some peers have, as far as the peers were looked at
        self._serves = serves  # there are sessions, not only the log
        self.alive: asyncio.Task[None] | None = None  # the engine's task, where somebody runs it for us
        self.proves: asyncio.Task[None] | None = None  # what compares in the background

    def check_alive(self) -> None:
        """Raise what ended the engine, or what compares in the background, if it ended."""
        for task in (self.alive, self.proves):
            if task is not None and task.done():
                task.result()

    async def until_live(self, seconds: float = 30.0) -> None:
        """Wait until no session is on its way any more: each is live, paused or waits for something else."""
        async with asyncio.timeout(seconds):
            while any(
                session.phase in (Phase.CONNECTING, Phase.JOINING) or (session.phase is Phase.WAITING and not session.reason)
                for session in self.engine.sessions.values()
            ):
                self.check_alive()
                await asyncio.sleep(0.02)

    async def until_met(self, name: str, seconds: float = 10.0, *, joined: bool = False) -> str:
        """Wait, for a while, until a resumed peer has been met; what it does now. Raises what keeps it away for good.

        `joined`: until it has joined, too.
        """
        session, record = self.engine.sessions[name], self.engine.state.peer(name)
        if not self._serves:
            return str(record.stage)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while (
                    session.phase is Phase.CONNECTING
                    or (session.phase is Phase.WAITING and session.reason is None)
                    or (joined and session.phase is Phase.JOINING)
                    or (session.phase is Phase.PAUSED and record.stage is not Stage.PAUSED)
                ):
                    self.check_alive()
                    await asyncio.sleep(0.02)
        if session.phase is Phase.BROKEN and session.reason is not None:
            raise session.reason
        return str(session.phase)

    async def until_apart(self, name: str, seconds: float = 30.0) -> None:
        """Wait until a peer that was asked to stop is not being read or written any more."""
        async with asyncio.timeout(seconds):
            while self.engine.sessions[name].phase in (Phase.CONNECTING, Phase.JOINING, Phase.LIVE):
                self.check_alive()
                await asyncio.sleep(0.02)

    async def has_grown(self) -> bool:
        """Whether every peer is live and its table has a column that the collection lacks so far; and note who has one."""
        sessions = self.live()
        try:
            tables = {session.name: await session.peer.inspect() for session in sessions}
        except PeerError:  # its own session tells; it is looked at again
            return False
        planned = self.engine.plan.collections.values()
        by_name = {one.name: {name: tables[name].get(one.table_at(name)) for name in tables} for one in planned}
        waits = waiting(by_name, {one.name: one.columns for one in planned})
        if waits or len(sessions) == len(self.engine.sessions):  # else who lacks them may be away
            self._waiting = waits
        if len(sessions) < len(self.engine.sessions):
            return False
        for collection in planned:
            found = [tables[name].get(collection.table_at(name)) for name in tables]
            names = [{one.name for one in table.columns if not one.generated} for table in found if table is not None]
            if len(names) == len(sessions) and set.intersection(*names) - set(collection.columns):
                return True
        return False

    # -- reading ------------------------------------------------------------------------------------------------------------

    def live(self) -> list[Session]:
        """The sessions whose peers can be read and written now."""
        return [session for session in self.engine.sessions.values() if session.phase is Phase.LIVE]

    async def verify(self, *, repair: bool, emit: Listener, wanted: Wanted = EVERYTHING, by: str = "") -> Report:
        """Compare all peers; with `repair` append what makes them equal. Raises PeerUnreachable if none is live."""
        sessions = self.live()
        if not sessions:
            paused = all(session.phase is Phase.PAUSED for session in self.engine.sessions.values())
            hint = "they are paused; let them go on: 'syncline resume'" if paused else "see 'syncline status'"
            raise PeerUnreachable("no peer is live, so there is nothing to compare", hint=hint)
        absent = {name: why_away(session) for name, session in self.engine.sessions.items() if session not in sessions}
        results: list[Compared] = []
        pipeline = LivePipeline(self.engine)
        repaired = 0

        async def heal(drifted: Sequence[Difference]) -> None:
            nonlocal repaired
            repaired += await repair_drift(self.engine, self.receivers, drifted, pipeline, by)

        await self._settled(sessions)
        for collection in self.engine.plan.collections.values():
            peers = self.receivers(collection)
            if peers and wanted.has(collection.name):
                results.append(await self.proving.whole(collection.name, peers, emit, how_of(wanted), heal if repair else None))
        return report_verify(results, absent, repaired, self.engine.state)

    def receivers(self, collection: Collection) -> list[Peer]:
        """The live peers that are to have this collection's rows. One that only sends keeps its own."""
        return [session.peer for session in self.live() if collection.name not in session.sends_only]

    async def _settled(self, sessions: Sequence[Session]) -> None:
        """Let what is under way arrive first, for a while: it makes fewer keys suspicious. Not needed for soundness."""
        try:
            async with asyncio.timeout(5.0):
                while not all([await session.is_idle() for session in sessions]):
                    await asyncio.sleep(0.02)
        except TimeoutError:
            return

    # -- deciding -----------------------------------------------------------------------------------------------------------

    async def settle(self, name: str, take: str | None, sets: Mapping[str, Value], by: str = "") -> Report:
        """Settle a conflict, open or closed: take a side, or set fields. `by`: who says so, for the history."""
        return await decide(self.engine, self.live(), name, take, sets, by)

    async def retry(self, name: str) -> Report:
        """Try a parked row again."""
        row = self._parked(name)
        await self.engine.retry(row)
        return {"retried": name} | parked_report(self.engine.state.parked.get((row.peer, row.collection, row.key), row))

    async def retry_several(self, names: Sequence[str]) -> Report:
        """Try parked rows again; without names all but those that were given up or are being tried. Raises UsageError."""
        parked = self.engine.state.parked.values()
        rows = [self._parked(name) for name in names] or [row for row in parked if not (row.skipped or row.retried)]
        told: dict[str, str] = {}
        for row in rows:
            try:
                await self.engine.retry(row)
            except UsageError as error:  # it was settled meanwhile, or nobody live has it
                told[row.id] = error.text()
        return {"retried": [row.id for row in rows if row.id not in told], "not_retried": told}

    async def skip(self, name: str) -> Report:
        """Give a parked row up: it is not tried again by itself, and the peer's own row stands there."""
        row = self._parked(name)
        await self.engine.skip(row)
        return parked_report(self.engine.state.parked.get((row.peer, row.collection, row.key), row)) | {"skipped": name}

    def _parked(self, name: str) -> ParkedRow:
        found = next((row for row in self.engine.state.parked.values() if row.id == name), None)
        if found is None:
            raise UsageError(f"there is no parked row {name}", hint="see 'syncline parked list'")
        return found

    def status(self) -> Report:
        """Per peer and collection: state, lag, offsets, parked, conflicts, verified_through."""
        engine, counts = self.engine, Counts(self.engine.state)
        peers = {}
        for name, session in engine.sessions.items():
            watermark = session.deliver.watermark if session.deliver else engine.state.peer(name).captured
            lag = engine.ingest.tail.lag(watermark, engine.state.data, engine.clock.now())
            stage = engine.state.peer(name).stage
            state = str(stage if stage in (Stage.STALE, Stage.LEFT) else session.phase)
            peers[name] = peer_report(engine, counts, name, state, session.reason, watermark, lag)
            for collection, shown in peers[name]["collections"].items():
                shown["proof"] = self.proving.standing(name, collection)
        told: Report = {"peers": peers, "repair_alarm": self.proving.alarm, "rules": dict(engine.state.rules)}
        return told | {"window": len(engine.window), "waiting_columns": [one.as_json() for one in self._waiting]}


def peer_report(
    engine: Engine, counts: Counts, name: str, state: str, reason: Exception | None, watermark: Offset, lag: tuple[int, float]
) -> Report:
    """One peer's part of the status."""
    fold = engine.state
    collections = {}
    for collection in engine.plan.collections:
        collections[collection] = {
            "state": state,
            "lag_entries": lag[0],
            "lag_seconds": round(lag[1], 3),
            "uncaptured": None,  # what is written is taken up at once
            "watermark": watermark,
            **collection_report(fold, counts, name, collection),
        }
    stage = str(fold.peer(name).stage)
    told: Report = {"state": state, "stage": stage, "reason": str(reason) if reason else None}
    if stage == Stage.LEFT:
        told["reason"] = how_left(name)
    told["set_aside"] = fold.aside.report(name)
    return told | engine.keeping.report(name) | {"collections": collections}


def why_away(session: Session) -> str:
    """Why a peer that is not live cannot be compared."""
    if session.record.stage is Stage.LEFT:
        return f"it left, {how_left(session.name)}"
    return f"it is {session.phase}{f': {session.reason}' if session.reason is not None else ''}"


def report_verify(results: Sequence[Compared], absent: Mapping[str, str], repaired: int, state: State) -> Report:
    """What verify found, for every face. `absent`: who was not compared, and why.

    Parked: every row that waits at some peer, also where all peers are equal.
    """
    differences = [one for result in results for one in result.differences]
    compared = {result.collection for result in results}
    parked = Counter(row.peer for row in state.parked.values() if row.collection in compared)
    return {
        "equal": not any(result.found for result in results) and not absent,
        "sampled": any(not result.whole for result in results),
        "rows": sum(result.rows for result in results),
        "pending": sum(result.states.get("pending", 0) for result in results),
        "drift": sum(result.states.get("drift", 0) for result in results),
        "parked": parked.total(),
        "parked_at": dict(parked),
        "not_compared": list(absent),
        "why_not_compared": dict(absent),
        "repaired": repaired,
        "differences": [difference_report(one) for one in differences],
        "differences_not_listed": sum(result.found for result in results) - len(differences),
        "verified_through": {result.collection: result.through for result in results},
    }


def difference_report(one: Difference) -> Report:
    """One difference: the key, the fields and each peer's values of them."""
    return {
        "collection": one.collection,
        "key": key_list(one.key),
        "fields": list(one.fields),
        "peers": {peer: one.shown(row) for peer, row in one.rows.items()},
        "state": one.state,
    }
