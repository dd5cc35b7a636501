"""A whole simulated world: peers with users, links, a machine with a hub, and a nemesis. One run: chaos, heal, rest, check."""

import asyncio
import random
from collections.abc import Callable
from typing import Final

import msgspec

from syncline.model.entry import Kind
from syncline.model.errors import SynclineError
from syncline.sim.check.audit import Audit
from syncline.sim.check.books import Books
from syncline.sim.check.facts import (
    check_atomicity,
    check_fencing,
    check_honesty,
    check_liveness,
    check_log,
    check_watermarks,
)
from syncline.sim.check.knowledge import check_knowledge
from syncline.sim.check.state import check_equal, check_fold
from syncline.sim.check.users import atoms, check_counters, check_early, check_invented, check_lost, check_resurrected
from syncline.sim.check.verdict import States, Tables, Violation
from syncline.sim.clock import SimClock
from syncline.sim.database import Constraints, SimDatabase
from syncline.sim.effects import Plan
from syncline.sim.history import BatchApplied, Claim, History, Torn, Verified
from syncline.sim.ledger import Ledger
from syncline.sim.loop import SimError, SimLoop
from syncline.sim.losses import lose_and_mend
from syncline.sim.machine import LogFactory, Machine
from syncline.sim.nemesis import Nemesis
from syncline.sim.net import Link
from syncline.sim.options import Options
from syncline.sim.peer import SimPeer
from syncline.sim.shape import COLLECTIONS, ITEMS, PAIR_KEYS, PAIRS
from syncline.sim.subject import Subject
from syncline.sim.trace import Trace
from syncline.sim.workload import Users

POISONS: Final = 40
CLAIM_SECONDS: Final = 0.7  # how often the status is asked
GRACE_SECONDS: Final = 1.0  # how long before the question the last write must lie, for 'in sync' to be held against the hub
SETUP_SECONDS_MAX: Final = 600.0
PROVEN_SECONDS_MAX: Final = 60.0  # from rest to a proof that says so


class Result(msgspec.Struct):
    """What came of one run."""

    options: Options
    violations: list[Violation]
    digest: str
    last: list[str]
    counts: dict[str, int]
    effects: int
    seconds: float


class World:
    """Built from options; `run` it once."""

    def __init__(
        self,
        options: Options,
        subject: Subject,
        make_log: LogFactory,
        plan: Plan | None = None,
        echo: Callable[[str], None] | None = None,
    ) -> None:
        self.options = options
        self.loop = SimLoop(random.Random(f"loop {options.seed}") if options.shuffle else None)
        self.trace = Trace(self.loop.time, lambda: self.loop.turns, echo)
        self.plan = plan or Plan()
        self.ledger, self.history = Ledger(), History()
        self.clocks = [
            SimClock(self.loop.time, skew_micros=skew, drift_ppm=drift)
            for skew, drift in zip(options.skew_micros, options.drift_ppm, strict=True)
        ]
        self.hub_clock = SimClock(self.loop.time)
        self.databases: dict[str, SimDatabase] = {}
        self.peers: list[SimPeer] = []
        # pairs stay together: a range that ends between two rows of one transaction tears it, at a peer that is not in yet
        short = {ITEMS.name: options.chunk_rows, PAIRS.name: len(PAIR_KEYS[0])} if options.chunk_rows else {}
        ways = zip(options.peers, self.clocks, options.exact, options.columns, strict=False)
        for name, clock, exact, columns in ways:
            database = SimDatabase(name, COLLECTIONS, clock.now, self._rng(f"database {name}"))
            database.on_commit.append(self._read_pairs)
            self.databases[name] = database
            drawn = self._rng(f"columns {name}") if columns else None
            captures = name not in options.receivers
            self.peers.append(SimPeer(database, clock.now, exact=exact, columns=drawn, chunk_rows=short, captures=captures))
        self.links = {name: Link(self._rng(f"link {name}")) for name in options.peers}
        self.users = self._make_users()
        self.machine = Machine(
            self.loop, self.trace, self.plan, options, subject, make_log,
            self.peers, list(self.links.values()), self.history, self.hub_clock,
        )  # fmt: skip
        self.nemesis = Nemesis(
            options, self.machine, self.databases, self.links, self.users,
            [*self.clocks, self.hub_clock], self.plan, self.ledger, self.history, self.trace,
        )  # fmt: skip
        self._standing = ""
        self._unmended: list[Violation] = []
        self._losing = False  # rows are gone that nobody could know of
        self.initial = self._fill()

    def run(self) -> Result:
        """The run, from start to verdict."""
        violations: list[Violation] = []
        quiet_at: float | None = None
        healed_at = 0.0
        try:
            healed_at, quiet_at = self.loop.run_until_complete(self._live())
        except SimError as error:
            violations.append(Violation("P15", f"{type(error).__name__}: {error}"))
        else:
            violations += check_liveness(healed_at, quiet_at, self.options.quiet_seconds_max, self._standing)
        violations += [Violation("sim", failure) for failure in self.machine.failures]
        violations += self._mishaps() + self._unmended
        violations += self.check(at_rest=quiet_at is not None)
        self.loop.close()
        counts = self.trace.counts + self.nemesis.counts
        for link in self.links.values():
            counts.update(link.counts)
        counts.update(self.machine.disk.counts)
        return Result(
            self.options, violations, self.trace.digest, list(self.trace.last), dict(counts), self.plan.count, self.loop.time()
        )

    # -- the phases ---------------------------------------------------------------------------------------------------------

    async def _live(self) -> tuple[float, float | None]:
        machine = self.loop.create_task(self.machine.run(), name="machine")
        claims = self.loop.create_task(self._ask_status(), name="status")
        try:
            await self._rage()
            healed_at = self.loop.time()
            return healed_at, await self._rest(healed_at)
        finally:
            for task in (claims, machine):
                task.cancel()
                await asyncio.wait([task])
                if not task.cancelled() and task.exception() is not None:
                    raise SimError(f"the {task.get_name()} failed") from task.exception()

    async def _rage(self) -> None:
        working = []
        if self.options.early:
            working = self._begin_work()
        await self._until_joined()
        for users in self.users.values():
            users.early = False
        self.trace.note("chaos")
        working = working or self._begin_work()
        raging = self.loop.create_task(self.nemesis.rage(), name="nemesis")
        await asyncio.sleep(self.options.chaos_seconds)
        for task in (*working, raging):
            task.cancel()
        await asyncio.wait([*working, raging])
        for task in (*working, raging):
            if not task.cancelled():
                task.result()
        self.nemesis.heal()
        self.trace.note("healed")

    def _begin_work(self) -> list[asyncio.Task[None]]:
        busy = {name: users for name, users in self.users.items() if name not in self.options.receivers}
        return [self.loop.create_task(users.work(), name=f"users {name}") for name, users in busy.items()]

    async def _until_joined(self) -> None:
        deadline = self.loop.time() + SETUP_SECONDS_MAX
        while self.loop.time() < deadline:
            handle = self.machine.handle
            if handle is not None and all(handle.joined(name) for name in self.options.peers):
                return
            await asyncio.sleep(0.1)
        why = self.machine.handle.explain() if self.machine.handle is not None else "no hub runs"
        raise SimError("the peers did not come together though nothing stood in the way: " + why)

    async def _rest(self, healed_at: float) -> float | None:
        """Wait until everything is quiet; when it was, or None if never."""
        deadline = healed_at + self.options.quiet_seconds_max
        while self.loop.time() < deadline:
            await asyncio.sleep(0.5)
            await self.machine.ask(lambda handle: handle.repair())
            if await self.machine.ask(lambda handle: handle.idle()) and not self._differences():
                quiet_at = self.loop.time()
                await self._prove()  # before `verify`, which would prove it at once
                await self._verify()
                await self._lose()
                return quiet_at
        self._standing = self.machine.handle.explain() if self.machine.handle is not None else "no hub runs"
        return None

    async def _lose(self) -> None:
        """Let a peer lose rows, and have them repaired."""
        if not self.options.losses:
            return

        async def settle() -> bool:
            deadline = self.loop.time() + self.options.quiet_seconds_max
            while self.loop.time() < deadline:
                await asyncio.sleep(0.5)
                if await self.machine.ask(lambda handle: handle.idle()):
                    return True
            return False

        rng, self._losing = self._rng("losses"), True
        self._unmended = await lose_and_mend(self.databases, self.options.losses, rng, self.machine, self.states, settle)

    async def _prove(self) -> None:
        """At rest, what the hub claims must come to be that everything is equal."""
        deadline = self.loop.time() + PROVEN_SECONDS_MAX
        proven = not self.options.proves
        while not proven and self.loop.time() < deadline:
            await asyncio.sleep(0.5)
            handle = self.machine.handle
            proven = handle is not None and handle.proven()
        if not proven:
            why = self.machine.handle.explain() if self.machine.handle is not None else "no hub runs"
            what = f"equal copies are not proven {PROVEN_SECONDS_MAX:.0f} s after all came to rest"
            self._unmended.append(Violation("P17", f"{what}: {why}"))
        alarms = [entry.body for entry in self.history.ordered() if entry.kind is Kind.VERIFY]
        found = [body["incidents"] for body in alarms if body is not None and body.get("incidents")]
        self._unmended += [Violation("P17", f"drift was told where there is none: {incidents}") for incidents in found]

    async def _verify(self) -> None:
        reported = await self.machine.ask(lambda handle: handle.verify())
        if reported is not None:
            self.history.note(Verified(reported, self._differences()))

    async def _ask_status(self) -> None:
        while True:
            await asyncio.sleep(CLAIM_SECONDS)
            hub, asked_at = self.machine.hubs, self.loop.time()
            in_sync = await self.machine.ask(lambda handle: handle.idle())
            if in_sync is None or self._losing:
                continue
            wrote_at = max(users.last_at for users in self.users.values())
            self.history.note(Claim(hub, self.loop.time(), in_sync, not self._differences(), asked_at - wrote_at))

    # -- the verdict --------------------------------------------------------------------------------------------------------

    def states(self) -> States:
        """The rows that stand at each peer now."""
        return {
            name: {shape.name: dict(database.rows(shape.name)) for shape in COLLECTIONS}
            for name, database in self.databases.items()
        }

    def check(self, *, at_rest: bool) -> list[Violation]:
        """All properties. Those about final states only if it came to rest."""
        facts = self.history.facts
        refused = [(fact.peer, *row) for fact in facts if isinstance(fact, BatchApplied) for row in fact.refused]
        books = Books(self.history.ordered(), self.ledger, refused)
        found = check_log(facts) + check_fencing(facts) + check_watermarks(facts, books)
        found += check_knowledge(facts, books)
        found += check_atomicity(facts) + check_honesty(facts, GRACE_SECONDS)
        found += Audit(books).run()
        states = self.states()
        if not at_rest:
            found += check_equal(states)
        else:
            exact = [peer.name for peer in self.peers if peer.features.transactions_exact]
            found += books.check_balance(exact) + check_equal(states) + check_fold(books.entries, states)
            found += check_lost(books, states) + check_early(books, states) + check_resurrected(books, states)
            found += check_invented(books, states) + check_counters(books, states, self._shared())
        return found

    def _shared(self) -> Tables:
        """The rows that were the same everywhere at first, or only at one peer."""
        first = self.options.peers[0]
        return {} if self.options.start == "differing" else self.initial[first]

    def _differences(self) -> int:
        return len(check_equal(self.states()))

    def _mishaps(self) -> list[Violation]:
        """Errors in tasks that nobody awaited."""
        found: list[Violation] = []
        for mishap in self.loop.mishaps:
            error = mishap.get("exception")
            if error is None or (isinstance(error, Exception) and not isinstance(error, SynclineError)):
                found.append(Violation("sim", f"{mishap.get('message')}: {error!r}"))
        return found

    # -- the beginning ------------------------------------------------------------------------------------------------------

    def _rng(self, what: str) -> random.Random:
        return random.Random(f"{what} {self.options.seed}")

    def _make_users(self) -> dict[str, Users]:
        made: dict[str, Users] = {}
        poisoned = "poison" in self.options.faults
        for place, (name, database) in enumerate(self.databases.items()):
            poisons = [f"poison {name} {number}" for number in range(POISONS)] if poisoned else []
            victim = self.databases[self.options.peers[place - 1]]
            victim.constraints = Constraints(victim.constraints.banned | frozenset(poisons))
            made[name] = Users(database, self.ledger, self.options.habits, self._rng(f"users {name}"), poisons)
        return made

    def _fill(self) -> States:
        """The rows that are there at first."""
        rng = self._rng("fill")
        shared = {(key,): tuple(self.users[self.options.peers[0]].row((key,)).values()) for key in (1, 2)}
        for place, (name, database) in enumerate(self.databases.items()):
            tables = database.content.tables
            if place and self.options.start == "empty":
                continue
            for pair in PAIR_KEYS:
                tables["pairs"].update({key: (key[0], f"start{pair[0][0]!r}") for key in pair})
            for key, row in shared.items():
                if self.options.start != "differing" or rng.random() < 0.7:
                    own = self.options.start == "differing" and rng.random() < 0.5
                    tables["items"][key] = tuple(self.users[name].row(key).values()) if own else row
        states = self.states()
        for held in states.values():
            for collection, rows in held.items():
                for row in rows.values():
                    self.ledger.initial.update(atoms(collection, row))
        return states

    def _read_pairs(self, database: SimDatabase) -> None:
        """A reader who looks at every state that ever stands at a peer."""
        rows = database.rows("pairs")
        for one, other in PAIR_KEYS:
            marks = [rows[key][1] if key in rows else None for key in (one, other)]
            if marks[0] != marks[1]:
                self.history.note(Torn(database.name, self.loop.time(), f"a pair carries {marks!r}"))
