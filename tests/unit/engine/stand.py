"""The test stand: an engine over simulated databases and a log in memory, in virtual time. Engines may die and come back."""

import asyncio
import inspect
import random
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any

from tests.unit.engine.gated import GatedPeer
from tests.unit.engine.memory_log import MemoryLog

from syncline.engine.core import Engine, Plan
from syncline.engine.session import Phase
from syncline.merge.policies.counter import Counter
from syncline.merge.policies.registers import Manual, Newest
from syncline.merge.policies.sets import Set
from syncline.merge.policy import Policy, Rules
from syncline.model.errors import SynclineError
from syncline.model.event import Event
from syncline.model.schema import Collection
from syncline.model.space import Direction, Settings
from syncline.model.value import Key, Row, Value
from syncline.sim.clock import SimClock
from syncline.sim.database import Commit, Constraints, Content, Do, SimDatabase, Statement
from syncline.sim.loop import SimLoop

COLUMNS = ("id", "a", "n", "s", "m")
ITEMS = Collection("items", COLUMNS, ("id",))
POLICIES: tuple[Policy, ...] = (Newest(), Newest(), Counter(), Set(), Manual())
SECONDS = 300.0  # of virtual time that anything may take


class TooLong(AssertionError):
    """What was waited for did not come."""


class Stand:
    """Peers by name, one log, one engine at a time. The first peer is the seed.

    `also`: more collections, each like `items`. `parents`: by peer and table, what foreign keys refer to there.
    `receivers`: the names of those that only receive.
    """

    def __init__(
        self,
        names: str = "pqr",
        *,
        settings: Settings | None = None,
        deletes: str = "update_wins",
        directions: Mapping[str, Direction] | None = None,
        authority: str = "",
        constraints: Mapping[str, Constraints] | None = None,
        shuffle: int | None = 1,
        also: Sequence[str] = (),
        parents: Mapping[str, dict[str, tuple[str, ...]]] | None = None,
        receivers: str = "",
    ) -> None:
        self.loop = SimLoop(random.Random(shuffle) if shuffle is not None else None)
        self.clock = SimClock(self.loop.time)
        self.clocks = {name: SimClock(self.loop.time) for name in names}
        self.collections = [ITEMS, *(Collection(one, COLUMNS, ("id",)) for one in also)]
        self.parents = dict(parents or {})
        self.receivers = receivers
        self.databases = {
            name: SimDatabase(
                name, self.collections, self.clocks[name].now, random.Random(place), (constraints or {}).get(name)
            )
            for place, name in enumerate(names)
        }
        self.log = MemoryLog()
        self.settings = settings or Settings()
        known = {one.name: one for one in self.collections}
        ways = {**(directions or {}), **dict.fromkeys(receivers, Direction.RECEIVE)}
        self.plan = Plan(
            known, {one: Rules(one, COLUMNS, POLICIES, deletes) for one in known}, names[0],
            dict.fromkeys(known, ways), dict.fromkeys(known, authority) if authority else {},
        )  # fmt: skip
        self.events: list[Event] = []
        self.doors: dict[str, GatedPeer] = {}
        self._engine: Engine | None = None
        self._task: asyncio.Task[None] | None = None
        self._nonces = 0

    # -- running -------------------------------------------------------------------------------------------------------------

    def run(self, test: Coroutine[Any, Any, None]) -> None:
        """Run a test's body in virtual time; nothing may be left behind."""

        async def whole() -> None:
            try:
                await test
            finally:
                await self.stop()

        self.loop.run_until_complete(whole())
        left = [task for task in asyncio.all_tasks(self.loop) if not task.done()]
        assert not left, left
        assert not self.loop.mishaps, self.loop.mishaps
        assert not self.log.open_readers, "a reader of the log was left open"
        assert not any(door.open_streams for door in self.doors.values()), "a stream of a peer was left open"
        self.loop.close()

    @property
    def engine(self) -> Engine:
        """The engine that runs."""
        assert self._engine is not None, "start it first"
        return self._engine

    def start(self, *, sessions: bool = True) -> Engine:
        """A new engine over new connections, as after a crash: all it knows is in the log and at the peers."""
        assert self._task is None, "one engine at a time"
        self.doors = {
            name: GatedPeer(database, self.clocks[name].now, captures=name not in self.receivers)
            for name, database in self.databases.items()
        }
        for name, parents in self.parents.items():
            self.doors[name].parents = parents
        self._engine = Engine(
            self.log,
            list(self.doors.values()),
            self.plan,
            self.settings,
            self.clock,
            self._nonce,
            self.events.append,
            lambda: 0.5,
        )  # fmt: skip
        self._task = asyncio.get_running_loop().create_task(self._engine.run(sessions=sessions))
        return self._engine

    def _nonce(self) -> str:
        self._nonces += 1
        return f"nonce-{self._nonces}"

    async def stop(self) -> None:
        """The engine dies, in the middle of whatever it does."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = self._engine = None

    async def restart(self) -> Engine:
        """Die, and come back."""
        await self.stop()
        return self.start()

    async def failure(self) -> BaseException | None:
        """What the engine ends with; waits for its end."""
        assert self._task is not None
        async with asyncio.timeout(SECONDS):
            await asyncio.wait([self._task])
        error = self._task.exception()
        self._task = self._engine = None
        return error

    async def until(self, condition: Callable[[], bool | Awaitable[bool]], what: str, seconds: float = SECONDS) -> None:
        """Wait until it holds. Raises TooLong after so many virtual seconds, or what ended the engine."""
        deadline = self.loop.time() + seconds
        while True:
            met = condition()
            if await met if inspect.isawaitable(met) else met:
                return
            if self._task is not None and self._task.done():
                self._task.result()
            if self.loop.time() > deadline:
                raise TooLong(f"{what}: {self.explain()}")
            await asyncio.sleep(0.01)

    async def live(self, *names: str) -> None:
        """Wait until these peers (or all) take part."""
        wanted = names or tuple(self.databases)
        await self.until(lambda: all(self.phase(name) is Phase.LIVE for name in wanted), f"{wanted} live")

    async def idle(self) -> None:
        """Wait until the engine says that it is idle."""
        await self.until(self.engine.idle, "idle")

    async def rest(self, *names: str) -> None:
        """Wait until these peers have everything, whatever the others do."""

        async def all_idle() -> bool:
            return not self.engine.ingest.busy and all([await self.engine.sessions[name].is_idle() for name in names])

        await self.until(all_idle, f"{names} at rest")

    async def begin(self) -> Engine:
        """Start, and wait until all peers are in and at rest."""
        engine = self.start()
        await self.live()
        await self.idle()
        return engine

    def phase(self, name: str) -> Phase:
        """What a peer's session is doing."""
        return self.engine.sessions[name].phase

    def reason(self, name: str) -> SynclineError | None:
        """Why a peer's session is where it is."""
        reason = self.engine.sessions[name].reason
        assert reason is None or isinstance(reason, SynclineError), reason
        return reason

    def explain(self) -> str:
        """Where everything stands, for a failure's message."""
        if self._engine is None:
            return "no engine"
        state = self._engine.state
        peers = {
            name: (str(one.phase), str(state.peer(name).stage), state.peer(name).captured, one.captured, str(one.reason))
            for name, one in self._engine.sessions.items()
        }
        return f"head {state.head}, data {state.data}, window {len(self._engine.window)}, {peers}"

    # -- users -----------------------------------------------------------------------------------------------------------------

    def rows(self, name: str, of: str = "items") -> dict[Key, Row]:
        """The rows of a peer."""
        return self.databases[name].content.tables[of]

    def fill(self, name: str, keys: range, a: Value = "x", n: int = 0, of: str = "items") -> None:
        """Rows that were there before Syncline was."""
        self.rows(name, of).update({(key,): (key, a, n, None, None) for key in keys})

    def insert(self, name: str, key: int, a: Value = "new", n: int = 0) -> Commit | None:
        """A user inserts a row."""
        return self.databases[name].local([Statement(Do.INSERT, "items", (key,), {"id": key, "a": a, "n": n})])

    def update(self, name: str, key: int, **values: Value) -> Commit | None:
        """A user updates fields of a row."""
        return self.databases[name].local([Statement(Do.UPDATE, "items", (key,), values)])

    def add(self, name: str, key: int, n: int) -> Commit | None:
        """A user counts."""
        return self.databases[name].local([Statement(Do.INCREMENT, "items", (key,), {"n": n})])

    def delete(self, name: str, *keys: int) -> Commit | None:
        """A user deletes rows, in one transaction."""
        return self.databases[name].local([Statement(Do.DELETE, "items", (key,)) for key in keys])

    def row(self, key: int) -> Row | None:
        """A row that must be the same everywhere."""
        found = {name: self.rows(name).get((key,)) for name in self.databases}
        assert len(set(found.values())) == 1, found
        return next(iter(found.values()))

    def same(self, *names: str) -> bool:
        """Whether these peers (or all) have equal rows."""
        wanted = names or tuple(self.databases)
        return all(self.databases[name].content.tables == self.databases[wanted[0]].content.tables for name in wanted)

    def backup(self, name: str) -> Content:
        """A copy of a peer's files."""
        return self.databases[name].backup()

    def told(self, name: str, peer: str = "") -> list[Event]:
        """The events of a name."""
        return [event for event in self.events if event.name == name and peer in ("", event.peer)]
