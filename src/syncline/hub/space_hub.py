"""A space in the hands of a verb or a program: the facade over configuration, log, engine and peers.

A verb that only reads opens the log beside a running hub. One that decides goes to the running hub through the log's desk; when
none runs, an engine is started here for as long as the decision takes.
"""

import asyncio
import getpass
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import msgspec

from syncline.engine.identity import require_free, session_mark
from syncline.engine.state import PeerRecord, Stage, State
from syncline.hub import at_rest, renaming, replaying
from syncline.hub.archiving import Archiving
from syncline.hub.build import ask, dismiss
from syncline.hub.desk_service import Gone, Refused, call
from syncline.hub.incidents import incident_report
from syncline.hub.operations import Operations
from syncline.hub.proof_report import Order, prepare, write_proof
from syncline.hub.repair_at_rest import list_repairs, plan_at_rest
from syncline.hub.repairs import Wish
from syncline.hub.serving import handlers, live_status, quiet, serving, until_idle, until_stopped
from syncline.hub.standing import Away
from syncline.log.registry import is_served, log_exists, open_desk
from syncline.model.errors import (
    GuardTripped,
    LogBusy,
    LogFull,
    PeerChanged,
    PeerError,
    PeerRestored,
    SynclineError,
    UsageError,
)
from syncline.model.event import Listener
from syncline.model.proof import EVERYTHING, Wanted
from syncline.model.space import Space
from syncline.peers.protocol import Identity

Report = dict[str, Any]
SILENT: Final = Away("the running hub does not answer")
STATUS_SECONDS = 3.0
STATUS_KEPT_SECONDS = 60.0  # an answer that nobody fetched; who watches asks often, and each answer stays in the log's file


class SpaceHub(Archiving):
    """See cli.facade.Facade for what each method returns."""

    def __init__(self, space: Space) -> None:
        super().__init__(space)
        self._running: Operations | None = None

    async def run(self, stop_when_idle: bool, on_event: Listener, stop: asyncio.Event) -> Report:
        """Serve until `stop`, or until idle and compared. Planned anew when all peers' tables have got a new column."""
        ended = {"hub": {"running": False}}
        while True:
            async with serving(self._space, on_event, anew=True, prove=not stop_when_idle) as operations:
                self._running = operations
                try:
                    if stop_when_idle:
                        compared = await until_idle(operations, on_event, stop)
                        return live_status(self._space, operations) | compared | ended
                    if not await until_stopped(operations, stop):
                        return live_status(self._space, operations) | ended
                finally:
                    self._running = None

    async def _ask(self, kind: str, body: Report, *, sessions: bool) -> Report:
        """Have the running hub do it; or do it here, if none runs. A running hub is asked before any peer is opened."""
        if self._running is not None:
            return await handlers(self._space, self._running)[kind](body)
        with suppress(Gone):
            if self._is_served():
                return await call(open_desk(self._space.log), kind, body, served=self._is_served)
        try:
            async with serving(self._space, quiet, sessions=sessions) as operations:
                if sessions:
                    await operations.until_live()
                return await handlers(self._space, operations)[kind](body)
        except LogBusy:  # one began meanwhile
            return await call(open_desk(self._space.log), kind, body, served=self._is_served)

    async def status(self, *, look: bool = True) -> Report:
        """The status, from the running hub, or from the log and the peers' files."""
        if self._running is not None:
            return live_status(self._space, self._running)
        if not self._is_served():
            return await super().status(look=look)
        try:
            return await call(
                open_desk(self._space.log), "status", {}, seconds=STATUS_SECONDS, kept_seconds=STATUS_KEPT_SECONDS
            )
        except (LogBusy, LogFull) as error:  # a hub runs but cannot answer: what the log alone tells, and why
            told = await self.resting(look=False, unseen=SILENT)
            return told | {"hub": {"running": True}, "log": told["log"] | {"reason": error.text()}}

    def _is_served(self) -> bool:
        return log_exists(self._space.log) and is_served(self._space.log)

    async def settle(self, id: str, take: str | None, sets: dict[str, str]) -> Report:
        """Settle an open conflict."""
        await self.conflict(id)
        hub = {"running": self._is_served()}
        body = {"id": id, "take": take, "sets": sets, "by": _who()}
        return await self._ask("settle", body, sessions=True) | {"hub": hub}

    async def retry_parked(self, *ids: str) -> Report:
        """Try parked rows again; all, where none is named."""
        hub = {"running": self._is_served()}
        return await self._ask("retry", {"ids": ids}, sessions=True) | {"hub": hub}

    async def skip_parked(self, id: str) -> Report:
        """Give a parked row up at its peer."""
        return await self._ask("skip", {"id": id}, sessions=False)

    async def verify(self, repair: bool, on_event: Listener, wanted: Wanted = EVERYTHING) -> Report:
        """Compare all peers; with `repair` append what makes them equal."""
        for name in wanted.collections:
            self.known(name)
        if self._running is not None:
            return await self._running.verify(repair=repair, emit=on_event, wanted=wanted, by=_who())
        while not (repair or self._is_served()):
            compared = await self.compare(on_event, wanted)
            if compared is not None:
                await self._note()
                return compared
        body = {"repair": repair, "wanted": msgspec.to_builtins(wanted), "by": _who()}
        return await self._ask("verify", body, sessions=True)

    async def repair(self, wish: Wish, on_event: Listener) -> Report:
        """Plan a repair; carry the plan out if that is asked for."""
        hub = {"running": self._is_served()}
        for name in wish.collections:
            self.known(name)
        while not (wish.yes or self._is_served()):
            planned = await plan_at_rest(self, self._space, wish, on_event)
            if planned is not None:
                return planned | {"hub": hub}
        return await self._ask("repair", msgspec.to_builtins(wish) | {"by": _who()}, sessions=True) | {"hub": hub}

    async def repairs(self) -> list[Report]:
        """Past repairs, oldest first."""
        return await list_repairs(self)

    async def _note(self) -> None:
        """Write down what was found while no hub ran, if it is news; not if one came meanwhile, which compares by itself."""
        state = await self.state()
        news = [one for one in self.at_rest if one.is_news(state)]
        if news:
            with suppress(LogBusy, LogFull, PeerError):
                async with serving(self._space, quiet, sessions=False) as operations:
                    await operations.proving.note(news)

    async def drift(self) -> list[Report]:
        """Incidents of drift: the open ones, then those that are over. Raises UsageError if there is no log yet."""
        self.require_log()
        proofs = (self._running.engine.state if self._running is not None else await self.state()).proofs
        return [incident_report(one) for one in [*proofs.incidents.values(), *reversed(proofs.closed.values())]]

    async def replay(self, since: int, peer: str, collection: str | None, really: bool) -> Report:
        """Give a peer again what changed since an offset; or only count it."""
        self.known(collection)
        if not really:
            state = await self.state()
            async with self.reader() as reader:
                return await replaying.plan(self._space, state, reader, since, peer, collection)
        body = {"from": since, "peer": peer, "collection": collection}
        return await self._ask("replay", body, sessions=True) | {"hub": {"running": self._is_served()}}

    async def proof(self, order: Order) -> Report:
        """Write a signed report; where nothing serves the space, `fresh` serves it for as long as the comparison takes."""
        for name in order.collections:
            self.known(name)
        key, compared = prepare(self._space, order), None
        if order.fresh:
            wanted = msgspec.to_builtins(Wanted(order.collections))
            compared = await self._ask("verify", {"repair": False, "wanted": wanted}, sessions=True)
        return await write_proof(self, self._space, order, key, compared)

    async def pause(self, peer: str | None) -> Report:
        """Stop a peer, or all."""
        for name in self._names(peer):
            await self._ask("pause", {"peer": name}, sessions=False)
        return {"paused": self._names(peer)}

    async def resume(self, peer: str | None, rejoin: bool, authority: str | None, approve: bool = False) -> Report:
        """Let a peer, or all that can, take part again. Raises what stands against it if there is none."""
        if authority in self._space.peers and not self._space.hears(authority):
            hint = "name a peer that sends, or none"
            raise UsageError("a peer that only receives cannot be the authority", hint=hint, peer=authority)
        served = self._is_served()
        looked = await self._look() if not (served or approve) else {}  # a running hub meets the peers itself
        aside = await self._aside(peer, {} if rejoin else looked, rejoin=rejoin, served=served)
        resumed: dict[str, Report] = {}
        for name in (name for name in self._names(peer) if name not in aside):
            broken = isinstance(looked.get(name), PeerRestored | PeerChanged)
            body = {"peer": name, "rejoin": rejoin, "authority": authority, "approve": approve, "broken": broken}
            try:
                resumed[name] = await self._ask("resume", body, sessions=False)
            except (PeerError, GuardTripped, Refused) as error:
                aside[name] = error
        if not resumed:
            raise next(iter(aside.values()))
        told = {name: error.as_json() for name, error in aside.items()}
        states = {name: report["state"] for name, report in resumed.items()}
        lost = {name: report["set_aside"] for name, report in resumed.items() if report.get("set_aside")}
        report: Report = {"resumed": list(resumed), "states": states, "aside": told, "set_aside": lost}
        report["not_paused"] = [name for name, one in resumed.items() if one.get("not_paused")]
        return report | {"hub": {"running": served}}

    async def _look(self) -> dict[str, SynclineError]:
        """Why peers that nobody serves now cannot go on."""
        if not log_exists(self._space.log):
            return {}
        state = await self.state()
        async with self.reader() as reader:
            looked = await at_rest.look(self._space, state, reader)
        return {name: one.reason for name, one in looked.items() if one.reason is not None}

    async def _aside(
        self, peer: str | None, looked: Mapping[str, SynclineError], *, rejoin: bool, served: bool
    ) -> dict[str, SynclineError]:
        """The peers that cannot simply go on, each with the reason and what helps."""
        state = await self.state()
        aside: dict[str, SynclineError] = {}
        for name in self._names(peer):
            if why := _without_place(state, name, rejoin=rejoin, served=served):
                aside[name] = why
            elif name in looked and not looked[name].transient:
                aside[name] = looked[name]
        return aside

    def _names(self, peer: str | None) -> list[str]:
        return list(self._space.peers) if peer is None else [peer]

    async def rename(self, old: str, new: str, yes: bool) -> Report:
        """Show what a rename carries over; with `yes`, record it. Refused while a hub runs: it has the old name."""
        if log_exists(self._space.log) and self._is_served():
            raise LogBusy(
                "a hub serves this space under the old name", log=self._space.log, hint="stop it first, then start it again"
            )
        told = await renaming.plan(self._space, await self.state(), old, new)
        if told["renamed"] or not yes:
            return told
        return told | await self._ask("rename", {"old": old, "new": new}, sessions=False)

    async def _require_own(self, name: str, shown: Identity) -> None:
        """Raise PeerUnsafe if another space holds a peer: it would miss what is taken from it."""
        record = (await self.state()).peers.get(name, PeerRecord(name)) if log_exists(self._space.log) else PeerRecord(name)
        require_free(record, shown, session_mark(self._space.name, ""))

    async def teardown(self, peer: str | None, yes: bool, foreign: bool = False) -> Report:
        """Remove every trace from a peer, or from all. A running hub lets go of a peer first, and cannot let go of all.

        `foreign`: also what another space put there, and holds.
        """
        names, served = self._names(peer), self._is_served()
        if served and len(names) == len(self._space.peers):
            holder = (await self.status())["hub"].get("pid", "unknown")
            why = "it would go on with peers that are being taken from it"
            raise LogBusy(f"a hub serves this space (pid {holder})", why=why, hint="stop it first", log=self._space.log)
        asked = await ask(self._space)
        try:
            for name in names:
                if name in asked.failed:
                    raise asked.failed[name]
                if not foreign:
                    await self._require_own(name, asked.identities[name])
            if log_exists(self._space.log):
                for name in names:
                    await self._ask("leave", {"peer": name}, sessions=False)
            for name in names:
                await asked.peers[name].teardown()
            return {"torn_down": names, "log": self._space.log, "hub": {"running": served}}
        finally:
            await dismiss(asked)


def _who() -> str:
    """The user of this machine who decides, for the history; it is told, not proved."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name
        return ""


def _without_place(state: State, name: str, *, rejoin: bool, served: bool) -> UsageError | None:
    """Why the log has no place for a peer to go on from, and what helps; None if it has."""
    record = state.peers.get(name)
    if record is None or (record.stage is Stage.NEW and not record.joined_at):
        hint = "it joins by itself with the next 'syncline run'"
        return None if served else UsageError(f"{name} has not taken part yet", hint=hint)
    if record.stage in (Stage.STALE, Stage.LEFT) and not rejoin:
        why = "left this space" if record.stage is Stage.LEFT else "was away for too long"
        hint = f"let it join again, by compare-and-merge: 'syncline resume {name} --rejoin'"
        return UsageError(f"{name} {why}", hint=hint)
    return None
