"""The nemesis: faults at seeded moments during the chaos, each taken back after a while, all of them at its end."""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from syncline.sim.clock import SimClock
from syncline.sim.database import Constraints, Content, SimDatabase
from syncline.sim.effects import Plan
from syncline.sim.history import History
from syncline.sim.ledger import Ledger
from syncline.sim.lifecycle import Lifecycle
from syncline.sim.machine import Machine
from syncline.sim.net import Link
from syncline.sim.options import Options
from syncline.sim.trace import Trace
from syncline.sim.workload import Users

JUMPS_MICROS: Final = (-86_400_000_000, -3_000_000, 500_000, 3_600_000_000, 86_400_000_000)
RESTORE_SECONDS: Final = 25.0  # a peer is away for so long while its backup is brought back: longer than any late effect


class Nemesis:
    """Faults for one run. `counts` tells what was done; whether it hit anything is for links and disk to count."""

    def __init__(
        self,
        options: Options,
        machine: Machine,
        databases: Mapping[str, SimDatabase],
        links: Mapping[str, Link],
        users: Mapping[str, Users],
        clocks: Sequence[SimClock],
        plan: Plan,
        ledger: Ledger,
        history: History,
        trace: Trace,
    ) -> None:
        self._options, self._machine, self._databases, self._links = options, machine, databases, links
        self._users, self._clocks, self._plan, self._ledger, self._history = users, clocks, plan, ledger, history
        self._trace = trace
        self._rng = random.Random(f"nemesis {options.seed}")
        self._unlucky = self._rng.choice(sorted(links))  # the one peer that is restored: somebody must still have the rest
        self._backup: Content | None = None
        self._lifecycle = Lifecycle(
            machine, databases, links, users, ledger, history, trace, random.Random(f"lifecycle {options.seed}"),
            late="late" in options.faults,
        )  # fmt: skip
        self.counts: Counter[str] = Counter()

    async def rage(self) -> None:
        """Do harm until cancelled."""
        kinds = [
            kind for kind in self._options.faults if kind not in ("poison", "stale", "trim")
        ]  # those are there all the time
        self._backup = self._databases[self._unlucky].backup()
        pending: dict[asyncio.Task[None], None] = {}  # in the order of their start
        try:
            while kinds:
                await asyncio.sleep(self._rng.expovariate(self._options.faults_per_minute / 60.0))
                task = asyncio.get_running_loop().create_task(self._harm(self._rng.choice(kinds)))
                pending[task] = None
                task.add_done_callback(lambda done: pending.pop(done, None))
        finally:
            for task in list(pending):
                task.cancel()

    def heal(self) -> None:
        """Take every lasting fault back."""
        for name, link in self._links.items():
            self._lifecycle.heal(name)
            link.heal()
        for database in self._databases.values():
            database.constraints = Constraints()
        self._machine.disk.full = False
        self._machine.disk.fail_sync = 0
        self._plan.call_off()

    async def _harm(self, kind: str) -> None:
        name = self._rng.choice(sorted(self._links))
        self.counts[kind] += 1
        self._trace.note(f"fault.{kind}", name)
        match kind:
            case "jump":
                self._rng.choice(self._clocks).jump(self._rng.choice(JUMPS_MICROS))
            case "kill":
                self._machine.kill()
            case "power":
                self._machine.kill(power_loss=True)
            case "stop":
                self._machine.stop()
            case "crash":
                self._plan.soon(self._rng.randint(1, 60))
            case "fail_sync":
                self._machine.disk.fail_sync = 1
            case "rejoin" | "restore" if self._lifecycle.busy & {name, self._unlucky}:
                pass  # one thing after the other
            case "clone" | "replace" | "remove" | "rename":
                one = name if kind in ("clone", "rename") else self._unlucky  # somebody must still have the rest
                self.counts[f"{kind} done"] += await self._lifecycle.happen(kind, one)
            case "rejoin":
                await self._machine.ask(lambda handle: handle.rejoin(name))
            case "restore":
                self._lifecycle.busy.add(self._unlucky)
                try:
                    await self._restore(self._unlucky)
                finally:
                    self._lifecycle.busy.discard(self._unlucky)
            case _:
                await self._last(kind, self._links[name])

    async def _last(self, kind: str, link: Link) -> None:
        """A fault that lasts a while."""
        self._switch(kind, link, on=True)
        await asyncio.sleep(self._rng.choice((0.05, 1.0, 5.0, 20.0)))
        self._switch(kind, link, on=False)
        self._trace.note(f"fault.{kind}.end")

    def _switch(self, kind: str, link: Link, *, on: bool) -> None:
        match kind:
            case "cut":
                link.set(cut=on)
            case "silent":
                link.set(silent=on)
            case "deaf":
                link.set(deaf=on)
            case "slow":
                link.slow = on
            case "repeat":
                link.repeat_share = 0.3 if on else 0.0
            case "late":
                link.late_share = 0.5 if on else 0.0
            case _:
                self._machine.disk.full = on

    async def _restore(self, name: str) -> None:
        """Bring a peer back from its backup while it cannot be reached."""
        link = self._links[name]
        link.set(cut=True)
        await asyncio.sleep(RESTORE_SECONDS)
        backup = self._backup
        assert backup is not None, "a backup is taken before any harm is done"
        self._ledger.restored(name, backup.number, self._history.durable)
        self._databases[name].restore(backup)
        self._users[name].early = True
        self._trace.note("peer.restored", name)
        link.set(cut=False)
