"""What happens to peers as such: renamed, cloned, replaced by an empty machine, removed and brought back."""

import asyncio
import random
from collections.abc import Mapping
from typing import Final

from syncline.model.value import Value
from syncline.sim.database import Content, Do, SimDatabase, Statement
from syncline.sim.history import History
from syncline.sim.ledger import Ledger
from syncline.sim.machine import Machine
from syncline.sim.net import TIMEOUT_SECONDS, Link
from syncline.sim.shape import COLLECTIONS, ITEMS
from syncline.sim.trace import Trace
from syncline.sim.workload import Users

LATE_SECONDS: Final = 2.5 * TIMEOUT_SECONDS  # longer than any late effect
MET_SECONDS: Final = 20.0  # how long somebody waits for a peer to be live before the plan is given up
LOOK_SECONDS: Final = 0.1


class Lifecycle:
    """One event at a peer at a time. `late`: effects may come long after their callers gave up."""

    def __init__(
        self,
        machine: Machine,
        databases: Mapping[str, SimDatabase],
        links: Mapping[str, Link],
        users: Mapping[str, Users],
        ledger: Ledger,
        history: History,
        trace: Trace,
        rng: random.Random,
        *,
        late: bool,
    ) -> None:
        self._machine, self._databases, self._links, self._users = machine, databases, links, users
        self._ledger, self._history, self._trace, self._rng, self._late = ledger, history, trace, rng, late
        self.busy: set[str] = set()  # peers that something happens to
        self._homes: dict[str, SimDatabase] = {}  # where the users of a peer work while a clone stands at its address

    async def happen(self, event: str, name: str) -> bool:
        """One event, from its beginning to its end; False if it could not be."""
        if name in self.busy:
            return False
        self.busy.add(name)
        try:
            match event:
                case "rename":
                    self._machine.rename(name, forgotten=self._rng.random() < 0.3)
                    return True
                case "clone":
                    return await self._clone(name)
                case "replace":
                    return await self._replace(name)
                case _:
                    return await self._remove(name)
        finally:
            self.heal(name)
            self.busy.discard(name)

    def heal(self, name: str) -> None:
        """The address leads to the peer's own database again."""
        home = self._homes.pop(name, None)
        if home is not None:
            self._links[name].set(cut=True)
            self._databases[name].restore(home.content)
            self._users[name].database = self._databases[name]
            self._links[name].set(cut=False)
            self._trace.note("peer.home", name)

    # -- a copy ---------------------------------------------------------------------------------------------------------------

    async def _clone(self, name: str) -> bool:
        """A copy of the database is started at its address, and its own users write there; then the address is put right.

        The copy is older than the session that runs when it comes: else nobody could tell the two apart.
        """
        database, link = self._databases[name], self._links[name]
        if not await self._until_live(name):
            return False
        copy = database.backup()
        link.set(cut=True)
        await asyncio.sleep(0.5)
        link.set(cut=False)
        if not await self._until_live(name) or database.content.nonce == copy.nonce:
            return False
        link.set(cut=True)
        await asyncio.sleep(LATE_SECONDS if self._late else 1.0)
        self._move_in(name, copy)
        link.set(cut=False)
        await asyncio.sleep(self._rng.choice((1.0, 5.0, 15.0)))
        self.heal(name)
        await self._machine.ask(lambda handle: handle.do("resume", name))
        return True

    def _move_in(self, name: str, copy: Content) -> None:
        """From now on the address leads to the copy, and the users go on where they were."""
        database, users = self._databases[name], self._users[name]
        home = SimDatabase(name, COLLECTIONS, database.now, self._rng, database.constraints)
        home.on_commit, home.content = database.on_commit, database.content
        self._homes[name], users.database = home, home
        database.restore(copy)
        self._trace.note("peer.cloned", name)
        for number in range(self._rng.choice((1, 3, 30))):
            key = (self._rng.randint(1, 3),)
            values: dict[str, Value] = {"name": f"by the clone of {name} {number}"}
            there = key in database.rows(ITEMS.name)
            row: dict[str, Value] = {} if there else {"quantity": 7, "tags": "[]", "notes": "", "id": key[0]}
            database.local([Statement(Do.UPDATE if there else Do.INSERT, ITEMS.name, key, row | values)])

    # -- a new machine, and a peer that leaves --------------------------------------------------------------------------------

    async def _replace(self, name: str) -> bool:
        """The machine is lost; another one stands at its address, with empty tables. A person lets it join again."""
        database, link = self._databases[name], self._links[name]
        link.set(cut=True)
        await asyncio.sleep(LATE_SECONDS if self._late else 1.0)
        captured, number = self._history.captured(name), database.content.number
        self._ledger.restored(name, captured, self._history.durable)
        self._users[name].early = True
        empty = Content({shape.name: {} for shape in COLLECTIONS}, number=number, trimmed=number)
        database.restore(empty)
        self._trace.note("peer.replaced", name)
        link.set(cut=False)
        await self._readmit(name)
        self._users[name].early = not await self._until_live(name)
        return True

    async def _remove(self, name: str) -> bool:
        """`teardown` of one peer while the others go on; its users go on too, and later it is let in again."""
        database = self._databases[name]
        if not await self._until_live(name):
            return False
        while not await self._machine.ask(lambda handle: handle.do("leave", name)):
            await asyncio.sleep(LOOK_SECONDS)
        number = database.content.number
        database.tear_down()
        database.content.number = database.content.trimmed = number
        self._trace.note("peer.removed", name)
        await asyncio.sleep(self._rng.choice((0.5, 3.0, 8.0)))
        await self._readmit(name)
        return True

    async def _readmit(self, name: str) -> None:
        """Let a peer join again as soon as somebody can."""
        for _ in range(int(MET_SECONDS / LOOK_SECONDS)):
            if await self._machine.ask(lambda handle: handle.do("readmit", name)):
                break
            await asyncio.sleep(LOOK_SECONDS)
        await self._until_live(name)

    async def _until_live(self, name: str) -> bool:
        for _ in range(int(MET_SECONDS / LOOK_SECONDS)):
            handle = self._machine.handle
            if handle is not None and handle.joined(name):
                return True
            await asyncio.sleep(LOOK_SECONDS)
        return False
