"""The simulated world in single steps: a test says what happens next, and what must hold at every moment is asked in between.

The machine, the net, the disk, the checkers and the product inside are the simulator's own; only its users and its nemesis
stay idle, because whoever holds this world does their work.
"""

import asyncio
import gc
import random
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

from syncline.model.entry import Kind
from syncline.model.errors import LogError
from syncline.model.value import Key, Value
from syncline.sim.check.books import Books, is_join
from syncline.sim.check.facts import check_atomicity, check_fencing, check_liveness, check_log, check_watermarks
from syncline.sim.check.verdict import Violation
from syncline.sim.database import Constraints, Content, Do, LocalRefused, Statement
from syncline.sim.effects import Effects
from syncline.sim.history import BatchApplied, LogOpened
from syncline.sim.ledger import Acked
from syncline.sim.logport import LogPort
from syncline.sim.nemesis import RESTORE_SECONDS
from syncline.sim.net import SimNetPeer
from syncline.sim.options import Options
from syncline.sim.process import Process
from syncline.sim.product import Product, open_simulated_log
from syncline.sim.shape import ITEMS, PAIR_KEYS, set_items, set_text
from syncline.sim.vfs import Mount
from syncline.sim.world import World

FIRST_RIVAL: Final = 1000  # numbers of hubs that should not be there begin here
RIVAL_SECONDS: Final = 5.0
DYING_SECONDS: Final = 0.001  # a hub that was killed, or was asked to end, is at its end after that
CALM_SECONDS: Final = 3.0  # nothing may be written for so long after everything came to rest


class Steady(random.Random):
    """A generator by which every journey takes the same time, so that clocks are measured without error."""

    def uniform(self, a: float, b: float) -> float:
        """The middle."""
        return (a + b) / 2


class SteppedWorld(World):
    """See the module. Make it, `begin`, do things, `finish`; `close` in any case."""

    def __init__(self, options: Options, *, steady: bool) -> None:
        gc.disable()  # the garbage collector ends generators when it likes, and a run must be the same twice
        super().__init__(options, Product(), open_simulated_log)
        if steady:
            for name, link in self.links.items():
                link.rng = Steady(f"link {name} {options.seed}")
        self.rivals_lost = 0
        self.restored = 0
        self._unlucky = options.peers[-1]  # the one peer that is restored: somebody must still have the rest
        self._backup: Content | None = None
        self._standing_tasks: list[asyncio.Task[None]] = []
        self._facts_checked = 0

    # -- life ---------------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Start a hub and let the peers join."""
        self._run(self._begin())

    async def _begin(self) -> None:
        self._standing_tasks = [
            self.loop.create_task(self.machine.run(), name="machine"),
            self.loop.create_task(self._ask_status(), name="status"),
        ]
        await self._until_joined()
        for users in self.users.values():
            users.early = False
        self.back_up()

    def let_pass(self, seconds: float) -> None:
        """Virtual time passes."""
        self._run(asyncio.sleep(seconds))

    def finish(self) -> list[Violation]:
        """Take all faults back, wait for rest, and check everything."""
        self.nemesis.heal()
        self.trace.note("healed")
        healed_at = self.loop.time()
        quiet_at = self._run(self._rest(healed_at))
        found = check_liveness(healed_at, quiet_at, self.options.quiet_seconds_max, self._standing)
        if quiet_at is not None:
            found += self._ripples()
        found += [Violation("sim", failure) for failure in self.machine.failures]
        found += self._mishaps() + self.check(at_rest=quiet_at is not None)
        return found + self._echoes() + self._needless()

    def close(self) -> None:
        """End everything that still runs."""
        if self._standing_tasks:
            self.loop.run_until_complete(self._end())
        self.loop.close()
        gc.enable()

    async def _end(self) -> None:
        for task in reversed(self._standing_tasks):
            task.cancel()
            await asyncio.wait([task])

    def _run(self, doing: Coroutine[Any, Any, Any]) -> Any:
        """Let a coroutine run to its end, and see that neither the machine nor the status failed meanwhile."""
        result = self.loop.run_until_complete(doing)
        for task in self._standing_tasks:
            if task.done():
                task.result()
        return result

    # -- what must hold -----------------------------------------------------------------------------------------------------

    def check_now(self) -> list[Violation]:
        """P6, P9, P10, P13, which hold at every moment. Costs nothing if nothing was seen since the last time."""
        facts = self.history.facts
        if len(facts) == self._facts_checked:
            return []
        self._facts_checked = len(facts)
        found = check_log(facts) + check_fencing(facts) + check_atomicity(facts)
        return found + check_watermarks(facts, self.books())

    def books(self) -> Books:
        """The ledger beside the log, as of now."""
        facts = self.history.facts
        refused = [(fact.peer, *row) for fact in facts if isinstance(fact, BatchApplied) for row in fact.refused]
        return Books(self.history.ordered(), self.ledger, refused)

    def _ripples(self) -> list[Violation]:
        """C17: a space at rest stays at rest; no peer answers what it was given."""
        before = sum(entry.is_data for entry in self.history.ordered())
        self.let_pass(CALM_SECONDS)
        more = sum(entry.is_data for entry in self.history.ordered()) - before
        return [Violation("C17", f"{more} entries with rows came after everything was at rest")] if more else []

    def _echoes(self) -> list[Violation]:
        """C17: behind every change in the log stands a commit of a user."""
        commits = {(acked.peer, acked.number) for acked in self.ledger.acked}
        return [
            Violation("C17", f"entry {entry.offset} is by {entry.peer}, where no user committed {entry.position}")
            for entry in self.history.ordered()
            if entry.kind is Kind.CHANGE and not is_join(entry) and entry.position is not None
            and (entry.peer, entry.position.major) not in commits
        ]  # fmt: skip

    def _needless(self) -> list[Violation]:
        """C3: what both sides wrote alike is no conflict."""
        return [
            Violation("C3", f"entry {entry.offset} records a conflict about {conflict.field} between equal values")
            for entry in self.history.ordered()
            for change in entry.changes
            for conflict in (change.verdict.conflicts if change.verdict is not None else ())
            if conflict.field and conflict.ours.value == conflict.theirs.value
        ]

    # -- users --------------------------------------------------------------------------------------------------------------

    def write(self, peer: str, statements: Sequence[Statement]) -> bool:
        """One transaction of a user at a peer; whether it changed anything."""
        users = self.users[peer]
        try:
            commit = self.databases[peer].local(statements)
        except LocalRefused:
            return False
        if commit is None or not commit.changes:
            return False
        now = self.loop.time()
        self.ledger.note(Acked(peer, commit.number, commit.context, now, commit.changes, early=users.early))
        users.last_at = now
        return True

    def statements(self, peer: str, habit: str, number: int, other: int) -> list[Statement]:
        """What a habit means at a peer now. A row that is to be changed and is not there is inserted."""
        key: Key = (number,)
        users, row = self.users[peer], self.databases[peer].rows(ITEMS.name).get(key)
        if habit == "pair":
            mark: Value = users.fresh("m")
            return [Statement(Do.UPDATE, "pairs", one, {"mark": mark}) for one in PAIR_KEYS[number % len(PAIR_KEYS)]]
        if habit == "delete":
            return [Statement(Do.DELETE, ITEMS.name, key)]
        if habit == "replace":
            return [*self.statements(peer, "delete", number, other), Statement(Do.INSERT, ITEMS.name, key, users.row(key))]
        if row is None or habit == "insert":
            return [Statement(Do.INSERT, ITEMS.name, key, users.row(key))]
        if habit == "rekey":
            return [Statement(Do.REKEY, ITEMS.name, key, to=(other,))]
        if habit == "increment":
            return [Statement(Do.INCREMENT, ITEMS.name, key, {"quantity": other})]
        return [Statement(Do.UPDATE, ITEMS.name, key, self._values(habit, peer, dict(zip(ITEMS.columns, row, strict=True))))]

    def _values(self, habit: str, peer: str, row: dict[str, Value]) -> dict[str, Value]:
        users = self.users[peer]
        values: dict[str, Callable[[], dict[str, Value]]] = {
            "name": lambda: {"name": users.fresh()},
            "owner": lambda: {"owner": users.fresh()},
            "blank": lambda: {"owner": None},  # the same wherever it is done
            "tag": lambda: {"tags": set_text(set_items(row["tags"]) | {users.fresh("t")})},
            "untag": lambda: {"tags": set_text(frozenset(sorted(set_items(row["tags"]))[1:]))},
            "note": lambda: {"notes": "\n".join([*str(row["notes"]).split("\n")[-5:], users.fresh("n")])},
        }
        return values[habit]()

    # -- the hub ------------------------------------------------------------------------------------------------------------

    def stop_hub(self) -> None:
        """Ask the hub to end in order. It comes back by itself."""
        self.machine.stop()

    # -- the nemesis --------------------------------------------------------------------------------------------------------

    def poison(self, writer: str, victim: str, number: int) -> None:
        """A user writes a value that another peer will refuse."""
        value = self.users[writer].fresh("poison")
        database = self.databases[victim]
        database.constraints = Constraints(database.constraints.banned | {value})
        self.write(writer, [Statement(Do.UPDATE, ITEMS.name, (number,), {"name": value})])

    def cure(self) -> None:
        """No peer refuses anything any more."""
        for database in self.databases.values():
            database.constraints = Constraints()

    def back_up(self) -> None:
        """Copy the files of the unlucky peer."""
        self._backup = self.databases[self._unlucky].backup()

    def restore(self) -> None:
        """Bring the unlucky peer back from its backup; it is away until then, and joins again by a person's decision."""
        name, backup = self._unlucky, self._backup
        assert backup is not None, "a backup is taken before any harm is done"
        self.links[name].set(cut=True)
        self.let_pass(RESTORE_SECONDS)
        self.restored += backup.number < self.databases[name].content.number
        self.ledger.restored(name, backup.number, self.history.durable)
        self.databases[name].restore(backup)
        self.users[name].early = True
        self.trace.note("peer.restored", name)
        self.links[name].set(cut=False)

    def rejoin(self) -> None:
        """A person lets restored peers join again."""
        self._run(self.machine.ask(lambda handle: handle.repair()))

    def start_rival(self) -> list[Violation]:
        """F29: start a second hub on the log that a hub serves. It must end by an error of the log."""
        found: list[Violation] = self._run(self._rival(FIRST_RIVAL + self.rivals_lost))
        return found

    async def _rival(self, number: int) -> list[Violation]:
        await asyncio.sleep(DYING_SECONDS)
        handle = self.machine.handle
        if handle is None or not any(
            isinstance(fact, LogOpened) and fact.hub == self.machine.hubs for fact in self.history.facts
        ):
            return []
        effects = Effects(f"rival {number}", self.plan, self.trace)
        rng = random.Random(f"rival {self.options.seed} {number}")
        mount = Mount(self.machine.disk, rng, self.hub_clock.now, effects.hit)
        process = Process(self.loop, effects.owner)
        doors = [SimNetPeer(peer, self.links[peer.name], effects, self.history, number) for peer in self.peers]
        log = LogPort(open_simulated_log(mount.name), effects, self.history, number)
        serving = process.spawn(Product().start(log, doors, self.hub_clock, self.options, rng).run())
        try:
            await asyncio.wait([serving], timeout=RIVAL_SECONDS)
            crashed = effects.dead
        finally:
            effects.dead = True
            mount.kill()
            await process.kill()
        error = None if serving.cancelled() else serving.exception()
        if isinstance(error, LogError):
            self.rivals_lost += 1
            return []
        if crashed or self.machine.handle is not handle:
            return []
        return [Violation("P13", f"a second hub on a log that is served ended with {error!r}")]
