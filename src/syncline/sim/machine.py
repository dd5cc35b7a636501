"""The machine a hub runs on: a disk that survives, and one process after the other that may die at any effect."""

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, TypeVar

from syncline.log.protocol import Log
from syncline.model.errors import SynclineError
from syncline.sim.clock import SimClock
from syncline.sim.disk import SimDisk
from syncline.sim.effects import Effects, Plan, SimCrash
from syncline.sim.history import History
from syncline.sim.logport import LogPort
from syncline.sim.loop import SimLoop
from syncline.sim.naming import next_name
from syncline.sim.net import Link, SimNetPeer
from syncline.sim.options import Options
from syncline.sim.peer import SimPeer
from syncline.sim.process import Process
from syncline.sim.subject import Handle, Subject
from syncline.sim.trace import Trace
from syncline.sim.vfs import Mount

T = TypeVar("T")
LogFactory = Callable[[str], Log]  # the name of a VFS -> a log on it

RESTART_SECONDS: Final = (0.1, 3.0)


class Machine:
    """Keeps a hub running: starts it, notices its end, brings the machine down and up again."""

    def __init__(
        self,
        loop: SimLoop,
        trace: Trace,
        plan: Plan,
        options: Options,
        subject: Subject,
        make_log: LogFactory,
        peers: Sequence[SimPeer],
        links: Sequence[Link],
        history: History,
        clock: SimClock,
    ) -> None:
        self._loop, self._trace, self._plan, self._options = loop, trace, plan, options
        self._subject, self._make_log, self._peers, self._links = subject, make_log, peers, links
        self._history, self._clock = history, clock
        self._rng = random.Random(f"machine {options.seed}")
        self.disk = SimDisk(random.Random(f"disk {options.seed}"))
        self.handle: Handle | None = None
        self._power_loss: bool | None = None  # does this death take the unsynced writes with it? None: chance decides
        self.failures: list[str] = []  # ends of a hub that no fault explains
        self.hubs = 0
        self._effects: Effects | None = None
        self._process: Process | None = None
        self._serving: asyncio.Task[None] | None = None
        self._ended = asyncio.Event()
        self._asked: list[SimPeer] = []  # peers that get another name before the next start
        self._renames: list[tuple[str, str]] = []  # those that the log may not have yet
        self._forgotten = False  # a hub is started once more before the verb

    async def run(self) -> None:
        """One hub after the other, until cancelled."""
        while True:
            for peer in self._asked:
                old, peer.name = peer.name, next_name(peer.name)
                self._renames.append((old, peer.name))
            self._asked.clear()
            if not self._renames or self._forgotten:
                if self._forgotten:
                    self._loop.call_later(self._rng.uniform(1.0, 8.0), self.stop)
                self._forgotten = False
                await self._one()
            elif await self._one(self._renames[0]):
                del self._renames[0]
            await asyncio.sleep(self._rng.uniform(*RESTART_SECONDS))

    async def _one(self, rename: tuple[str, str] | None = None) -> bool:
        """One process: a hub, or the verb that renames a peer; whether that was done."""
        self.hubs += 1
        self._trace.note("hub.start", str(self.hubs))
        effects = Effects(f"hub {self.hubs}", self._plan, self._trace)
        mount = Mount(self.disk, random.Random(f"mount {self._options.seed} {self.hubs}"), self._clock.now, effects.hit)
        process = Process(self._loop, effects.owner)
        pairs = zip(self._peers, self._links, strict=True)
        doors = [SimNetPeer(peer, link, effects, self._history, self.hubs) for peer, link in pairs]
        log = LogPort(self._make_log(mount.name), effects, self._history, self.hubs)
        rng = random.Random(f"hub {self._options.seed} {self.hubs}")
        self._ended.clear()
        self._power_loss = None
        effects.on_death.append(self._ended.set)
        self._effects, self._process = effects, process
        self.handle = self._subject.start(log, doors, self._clock, self._options, rng)
        work = self.handle.run() if rename is None else self._rename(self.handle, *rename)
        serving = process.spawn(work, f"hub {self.hubs}")
        self._serving = serving
        serving.add_done_callback(lambda _task: self._ended.set())
        try:
            await self._ended.wait()
        finally:
            self.handle = self._process = self._serving = None
            self._explain(serving, effects, verb=rename is not None)
            done = serving.done() and not serving.cancelled() and serving.exception() is None
            crashed = effects.dead
            effects.dead = True
            mount.kill()
            await process.kill()
            if crashed and (self._rng.random() < 0.5 if self._power_loss is None else self._power_loss):
                self._trace.note("power.lost")
                self.disk.lose_power()
        return done

    @staticmethod
    async def _rename(handle: Handle, old: str, new: str) -> None:
        await handle.do("rename", old, new)

    def _explain(self, serving: asyncio.Task[None], effects: Effects, *, verb: bool) -> None:
        """Note how a hub ended. Errors of its own kind are its right; anything else is a defect."""
        if not serving.done() or serving.cancelled():
            return
        error = serving.exception()
        self._trace.note("hub.end", f"{self.hubs}: {error!r}")
        if error is None and not verb:
            self.failures.append(f"hub {self.hubs} ended by itself")
        elif error is not None and not isinstance(error, SynclineError | SimCrash) and not effects.dead:
            self.failures.append(f"hub {self.hubs} ended with {type(error).__name__}: {error}")

    def kill(self, *, power_loss: bool = False) -> None:
        """The process dies now; with `power_loss`, what was not synced is lost too."""
        if self._effects is not None and not self._effects.dead:
            self._power_loss = power_loss
            self._effects.die()

    def rename(self, name: str, *, forgotten: bool) -> None:
        """Give a peer another name in the configuration; the hub is stopped. `forgotten`: a hub runs once before the verb."""
        self._asked.append(next(peer for peer in self._peers if peer.database.name == name))
        self._forgotten = forgotten
        self.stop()

    def stop(self) -> None:
        """Ask the hub to end in order."""
        if self._serving is not None:
            self._serving.cancel()

    async def ask(self, question: Callable[[Handle], Coroutine[Any, Any, T]]) -> T | None:
        """Ask the running hub something; None if there is none, or it dies or fails over it."""
        handle, process = self.handle, self._process
        if handle is None or process is None:
            return None
        task = process.spawn(question(handle))
        await asyncio.wait([task])
        if task.cancelled() or isinstance(task.exception(), SynclineError | SimCrash | OSError):
            return None
        return task.result()
