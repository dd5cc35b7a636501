"""A space in the hands of a verb or a program: the facade over configuration, log, engine and peers.

A verb that only reads opens the log beside a running hub. One that decides goes to the running hub through the log's desk; when
none runs, an engine is started here for as long as the decision takes.
"""

import asyncio
from typing import Any

from syncline.hub.build import ask, dismiss
from syncline.hub.desk_service import call
from syncline.hub.operations import Operations
from syncline.hub.reading import Reading
from syncline.hub.serving import handlers, live_status, quiet, serving, until_idle, until_stopped
from syncline.log.registry import is_served, log_exists, open_desk
from syncline.model.errors import LogBusy, LogFull
from syncline.model.event import Listener
from syncline.model.space import Space

Report = dict[str, Any]
STATUS_SECONDS = 3.0


class SpaceHub(Reading):
    """See cli.facade.Facade for what each method returns."""

    def __init__(self, space: Space) -> None:
        super().__init__(space)
        self._running: Operations | None = None

    async def run(self, stop_when_idle: bool, on_event: Listener, stop: asyncio.Event) -> Report:
        """Serve until `stop`, or until idle and compared. Planned anew when all peers' tables have got a new column."""
        ended = {"hub": {"running": False}}
        while True:
            async with serving(self._space, on_event) as operations:
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
        """Have the running hub do it; or do it here, if none runs."""
        if self._running is not None:
            return await handlers(self._space, self._running)[kind](body)
        try:
            async with serving(self._space, quiet, sessions=sessions) as operations:
                if sessions:
                    await operations.until_live()
                return await handlers(self._space, operations)[kind](body)
        except LogBusy:
            return await call(open_desk(self._space.log), kind, body)

    async def status(self) -> Report:
        """The status, from the running hub or from the log."""
        if self._running is not None:
            return live_status(self._space, self._running)
        if not self._is_served():
            return await super().status()
        try:
            return await call(open_desk(self._space.log), "status", {}, seconds=STATUS_SECONDS)
        except (LogBusy, LogFull) as error:  # a hub runs but cannot answer: what the log alone tells, and why
            told = await super().status()
            return told | {"hub": {"running": True}, "log": told["log"] | {"reason": error.text()}}

    def _is_served(self) -> bool:
        return log_exists(self._space.log) and is_served(self._space.log)

    async def settle(self, id: str, take: str | None, sets: dict[str, str]) -> Report:
        """Settle an open conflict."""
        await self.conflict(id)
        return await self._ask("settle", {"id": id, "take": take, "sets": sets}, sessions=True)

    async def retry_parked(self, id: str) -> Report:
        """Try a parked row again."""
        return await self._ask("retry", {"id": id}, sessions=True)

    async def skip_parked(self, id: str) -> Report:
        """Give a parked row up at its peer."""
        return await self._ask("skip", {"id": id}, sessions=False)

    async def verify(self, repair: bool, on_event: Listener) -> Report:
        """Compare all peers; with `repair` append what makes them equal."""
        if self._running is not None:
            return await self._running.verify(repair=repair, emit=on_event)
        if repair or self._is_served():
            return await self._ask("verify", {"repair": repair}, sessions=True)
        return await self.compare(on_event)

    async def pause(self, peer: str | None) -> Report:
        """Stop a peer, or all."""
        for name in self._names(peer):
            await self._ask("pause", {"peer": name}, sessions=False)
        return {"paused": self._names(peer)}

    async def resume(self, peer: str | None, rejoin: bool, authority: str | None, approve: bool = False) -> Report:
        """Let a peer, or all, take part again."""
        for name in self._names(peer):
            body = {"peer": name, "rejoin": rejoin, "authority": authority, "approve": approve}
            await self._ask("resume", body, sessions=False)
        return {"resumed": self._names(peer)}

    def _names(self, peer: str | None) -> list[str]:
        return list(self._space.peers) if peer is None else [peer]

    async def teardown(self, peer: str | None, yes: bool) -> Report:
        """Remove every trace from a peer, or from all."""
        names = self._names(peer)
        asked = await ask(self._space)
        try:
            for name in names:
                if name in asked.failed:
                    raise asked.failed[name]
            if log_exists(self._space.log):
                for name in names:
                    await self._ask("leave", {"peer": name}, sessions=False)
            for name in names:
                await asked.peers[name].teardown()
            return {"torn_down": names, "log": self._space.log}
        finally:
            await dismiss(asked)
