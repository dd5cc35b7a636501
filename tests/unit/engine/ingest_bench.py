"""An ingest alone over a log in memory, with two live peers, in virtual time."""

import asyncio
from dataclasses import dataclass, field

from tests.unit.engine.memory_log import MemoryLog

from syncline.engine.ingest import Ingest
from syncline.engine.state import Stage, State
from syncline.merge.policies.registers import Newest
from syncline.merge.policy import Rules
from syncline.merge.window import Window
from syncline.model.change import Change, Refusal, Transaction
from syncline.model.entry import Entry, Kind
from syncline.model.event import Event
from syncline.model.space import Settings
from syncline.model.stamp import Micros, Offset, Position
from syncline.sim.clock import EPOCH_MICROS, SimClock
from syncline.sim.loop import SimLoop


@dataclass
class Source:
    """A session's part towards ingest."""

    log: MemoryLog
    clock_offset: Micros = 0
    told: list[Position] = field(default_factory=list)
    heads: list[Offset] = field(default_factory=list)  # of the log, when it was told
    admits: bool = True

    def missed(self, transaction: Transaction) -> frozenset[str]:
        """See Source."""
        return frozenset()

    def admit(self, transaction: Transaction) -> Transaction:
        """Everything, or nothing."""
        if self.admits:
            return transaction
        return Transaction(transaction.peer, transaction.position, transaction.context, transaction.time)

    def logged(self, transaction: Transaction) -> None:
        """Note it."""
        self.told.append(transaction.position)
        self.heads.append(self.log.head)


class Bench:
    """An ingest over a log in memory, running while the block runs; p and q are live."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.loop = SimLoop()
        self.clock = SimClock(self.loop.time)
        self.log, self.window, self.state = MemoryLog(), Window(), State()
        self.events: list[Event] = []
        book = {"c": Rules("c", ("id", "a"), (Newest(), Newest()))}
        self.ingest = Ingest(
            self.log, self.window, book, self.state, self.clock, settings or Settings(), self.events.append
        )  # fmt: skip
        self.source = Source(self.log)
        self.task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Bench":
        self.task = asyncio.create_task(self.ingest.run())
        for name in "pq":
            await self.ingest.command(lambda offset, name=name: [live(offset, name)])  # type: ignore[misc]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self.task is not None
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def quiet(self) -> None:
        """Wait until nothing is on its way into the log."""
        async with asyncio.timeout(100):
            while self.ingest.busy:
                await asyncio.sleep(0.01)

    async def submit(self, *transactions: Transaction) -> None:
        """Hand over, and wait until the log has it."""
        for transaction in transactions:
            await self.ingest.submit(self.source, transaction)
        await self.quiet()

    def changes(self) -> list[Entry]:
        """What the log has of users."""
        return self.log.of(Kind.CHANGE)


def live(offset: Offset, name: str) -> Entry:
    """The entry with which a peer is in."""
    return Entry(offset, Kind.PEER, name, body={"stage": Stage.LIVE.value, "position": [0, 0, ""]})


def wrote(position: int, context: Offset = 2, *, key: int = 1, peer: str = "p", time: Micros = EPOCH_MICROS) -> Transaction:
    """A user's transaction of one row."""
    return Transaction(peer, Position(position), context, time, (Change("c", (key,), (key, "old"), (key, f"new{position}")),))


def saw(position: int, context: Offset, *refused: int, peer: str = "p") -> Transaction:
    """The news that an apply of ours was captured."""
    refusals = tuple(Refusal("c", (key,), "check", "no") for key in refused)
    return Transaction(peer, Position(position), context, EPOCH_MICROS, (), refusals)
