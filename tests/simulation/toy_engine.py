"""A naive hub, for the simulator's own tests: one writer, everything in memory, whole rows to everyone, deletes always win.

`defects` break it on purpose, one property each; the tests ask that the checkers notice.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from syncline.engine.clock import Clock
from syncline.log.protocol import Log
from syncline.merge.transact import replaced
from syncline.model.change import Change, Transaction, Verdict
from syncline.model.conflict import Conflict, Side
from syncline.model.entry import Entry, Kind
from syncline.model.errors import LogFull, PeerError
from syncline.model.stamp import Offset, Position, Stamp
from syncline.model.value import ABSENT, Key, Row, Value
from syncline.model.write import Batch, Op, Write
from syncline.peers.protocol import Peer
from syncline.sim.options import Options
from syncline.sim.shape import COLLECTIONS, FIELDS, Field, set_items, set_text

Where = tuple[str, Key]
SHAPES = {shape.name: shape for shape in COLLECTIONS}


class Fold:
    """What the log says: rows, who brought each field, which commits it has."""

    def __init__(self, defects: frozenset[str]) -> None:
        self.defects = defects
        self.head: Offset = 0
        self.rows: dict[Where, Row | None] = {}
        self.stamps: dict[tuple[str, Key, int], Stamp] = {}
        self.dead: dict[Where, Stamp] = {}
        self.positions: dict[str, Position] = {}

    def take(self, entry: Entry) -> None:
        """One more entry."""
        self.head = entry.offset
        if entry.position is not None:
            self.positions[entry.peer] = entry.position
        for change in entry.changes:
            where = (change.collection, change.key)
            stamp = Stamp(entry.offset, entry.peer, entry.time)
            self.rows[where] = change.after
            if change.after is None:
                self.dead[where] = stamp
            for place, value in enumerate(change.after or ()):
                if change.before is None or change.before[place] != value:
                    self.stamps[change.collection, change.key, place] = stamp

    def settle(self, transaction: Transaction, offset: Offset) -> Entry:
        """What becomes of a transaction. Looks through this transaction's own earlier changes."""
        trial = Fold(self.defects)
        trial.rows, trial.stamps, trial.dead = dict(self.rows), dict(self.stamps), dict(self.dead)
        made: list[Change] = []
        for change in replaced(transaction.changes):
            outcome = trial.settle_one(transaction, change)
            if outcome is not None:
                made.append(outcome)
                trial.take(Entry(offset, Kind.CHANGE, transaction.peer, None, 0, transaction.time, (outcome,)))
        peer, position, context = transaction.peer, transaction.position, transaction.context
        return Entry(offset, Kind.CHANGE, peer, position, context, transaction.time, tuple(made))

    def settle_one(self, transaction: Transaction, change: Change) -> Change | None:
        where = (change.collection, change.key)
        known = where in self.rows
        row = self.rows[where] if known else change.before
        theirs = Side(transaction.peer, ABSENT, change.after, transaction.time)
        if change.after is None:
            return self._deleted(transaction, where, row, theirs, known)
        if row is None and change.before is not None and "resurrect" not in self.defects:
            dead = self.dead.get(where, Stamp(0, "", 0))
            conflict = Conflict("update-delete", "", "delete_wins", dead.peer, Side(dead.peer, ABSENT, None, 0), theirs)
            return Change(*where, None, None, Verdict(conflicts=(conflict,)))
        if row is None:
            return Change(*where, None, change.after)
        return self._merged(transaction, change, row)

    def _deleted(self, transaction: Transaction, where: Where, row: Row | None, theirs: Side, known: bool) -> Change | None:
        if row is None:
            return None
        unseen = known and not all(self._sees(transaction, (*where, place)) for place in range(len(row)))
        conflict = Conflict("delete-update", "", "delete_wins", transaction.peer, Side("", ABSENT, row, 0), theirs)
        return Change(*where, row, None, Verdict(conflicts=(conflict,) if unseen and "no_record" not in self.defects else ()))

    def _sees(self, transaction: Transaction, where: tuple[str, Key, int]) -> bool:
        stamp = self.stamps.get(where)
        if stamp is None or "clock_only" in self.defects:
            return stamp is None
        return stamp.offset <= transaction.context or stamp.peer == transaction.peer

    def _merged(self, transaction: Transaction, change: Change, row: Row) -> Change:
        after = change.after or ()
        conflicts: list[Conflict] = []
        out: list[Value] = list(row)
        for place, field in enumerate(FIELDS[change.collection]):
            mine, base = after[place], change.before[place] if change.before is not None else None
            if mine == base and change.before is not None:
                continue
            if field is Field.COUNTER and "absolute_counter" not in self.defects:
                out[place] = _int(row[place]) + _int(mine) - _int(base)
            elif field is Field.SET:
                old, new = set_items(base), set_items(mine)
                out[place] = set_text((set_items(row[place]) - (old - new)) | (new - old))
            elif mine != row[place]:
                out[place] = self._settled(transaction, change, row, place, conflicts)
        return Change(change.collection, change.key, row, tuple(out), Verdict(conflicts=tuple(conflicts)))

    def _settled(self, transaction: Transaction, change: Change, row: Row, place: int, conflicts: list[Conflict]) -> Value:
        after = change.after or ()
        where = (change.collection, change.key, place)
        stamp = self.stamps.get(where, Stamp(0, "", 0))
        if self._sees(transaction, where) and change.before is not None:
            return after[place]
        wins = (transaction.time, transaction.peer) > (stamp.time, stamp.peer)
        if "invent" in self.defects and FIELDS[change.collection][place] is Field.REGISTER:
            return f"{row[place]!r}+{after[place]!r}"
        if "no_record" not in self.defects:
            ours = Side(stamp.peer, row[place], row, stamp.time)
            theirs = Side(transaction.peer, after[place], after, transaction.time)
            conflicts.append(Conflict("field", "", "newest", "", ours, theirs))
        return after[place] if wins else row[place]


def _int(value: Value) -> int:
    return value if isinstance(value, int) else 0


class ToyHub:
    """One running toy."""

    def __init__(self, log: Log, peers: Sequence[Peer], clock: Clock, defects: frozenset[str], seed: int) -> None:
        self._log, self._peers, self._clock, self._defects = log, peers, clock, defects
        self._fold = Fold(defects)
        self._lock = asyncio.Lock()
        self._news = asyncio.Condition()
        self._captured: dict[str, Position] = {}
        self._delivered: dict[str, Offset] = {}
        self._entered: set[str] = set()
        self._rng = random.Random(seed)
        self._number = 0

    async def run(self) -> None:
        await self._log.open()
        async for entries in self._log.read(0):
            for entry in entries:
                self._fold.take(entry)
        serving = [asyncio.ensure_future(self._serve(peer)) for peer in self._peers]
        try:
            await asyncio.gather(*serving)
        finally:
            for task in serving:
                task.cancel()

    async def _serve(self, peer: Peer) -> None:
        while True:
            try:
                await peer.connect()
                await peer.setup(COLLECTIONS)
                self._number += 1
                self._delivered[peer.name] = await peer.enter(f"{peer.name}-{self._number}")
                self._entered.add(peer.name)
                await self._both(self._capture(peer), self._deliver(peer))
            except PeerError:
                if "give_up" in self._defects and peer.name == "bob" and self._delivered.get("bob", 0) > 5:
                    await asyncio.Event().wait()
                await asyncio.sleep(0.2 + self._rng.random())
            finally:
                self._delivered.pop(peer.name, None)

    async def _both(self, one: Awaitable[None], other: Awaitable[None]) -> None:
        tasks = [asyncio.ensure_future(one), asyncio.ensure_future(other)]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _capture(self, peer: Peer) -> None:
        async for transaction in peer.stream(self._fold.positions.get(peer.name)):
            if "ack_early" in self._defects and transaction.changes:
                await peer.acknowledge(transaction.position)
                await asyncio.sleep(0.01)
            async with self._lock:
                await self._ingest(peer, transaction)
            self._captured[peer.name] = transaction.position
            if transaction.changes and self._rng.random() < 0.2:
                await peer.acknowledge(self._fold.positions[peer.name])

    async def _ingest(self, peer: Peer, transaction: Transaction) -> None:
        known = self._fold.positions.get(peer.name)
        if not transaction.changes or (known is not None and transaction.position <= known and "twice" not in self._defects):
            return
        if "skip" in self._defects and transaction.position.major % 7 == 0:
            return
        if "tear" in self._defects:
            for change in transaction.changes[:-1]:
                await self._append(msgspec.structs.replace(transaction, changes=(change,)), position=None)
                await asyncio.sleep(0.05)
            transaction = msgspec.structs.replace(transaction, changes=transaction.changes[-1:])
        await self._append(transaction, transaction.position)

    async def _append(self, transaction: Transaction, position: Position | None) -> None:
        entry = msgspec.structs.replace(self._fold.settle(transaction, self._fold.head + 1), position=position)
        while True:
            try:
                await self._log.append([entry], self._fold.head)
                break
            except LogFull:
                await asyncio.sleep(0.5)
        self._fold.take(entry)
        async with self._news:
            self._news.notify_all()

    async def _deliver(self, peer: Peer) -> None:
        while True:
            done = self._delivered[peer.name]
            async with self._news:
                await self._news.wait_for(lambda done=done: self._fold.head > done)  # type: ignore[misc]
            upto = self._fold.head
            keys: dict[Where, None] = {}
            async for entries in self._log.read(done, upto):
                keys.update({(change.collection, change.key): None for entry in entries for change in entry.changes})
            batch = Batch(upto, tuple(self._write(where) for where in keys), len(keys))
            if "watermark_first" in self._defects:
                await peer.apply(Batch(upto, (), 0))
            await peer.apply(batch)
            self._delivered[peer.name] = upto

    def _write(self, where: Where) -> Write:
        row = self._fold.rows[where]
        if row is None:
            return Write(Op.DELETE, where[0], (where[1],))
        return Write(Op.UPSERT, where[0], (where[1],), SHAPES[where[0]].columns, (), (row,))

    async def idle(self) -> bool:
        if "always_green" in self._defects:
            return True
        for peer in self._peers:
            if self._delivered.get(peer.name) != self._fold.head:
                return False
            if self._captured.get(peer.name) != await peer.position():
                return False
        return True

    def joined(self, peer: str) -> bool:
        return peer in self._entered

    async def rejoin(self, peer: str) -> None:
        """Not declared."""

    async def do(self, verb: str, peer: str, *words: str) -> bool:
        """Not declared."""
        return False

    async def repair(self) -> None:
        """Nothing ever waits for a person."""

    async def verify(self) -> int | None:
        return None

    def proven(self) -> bool:
        """It compares nothing by itself."""
        return False

    async def mend(self, policy: str, peer: str) -> int:
        """Not declared."""
        return 0

    def explain(self) -> str:
        return f"head {self._fold.head}, delivered {self._delivered}"


class Toy:
    """The toy as a subject of the simulation."""

    abilities: frozenset[str] = frozenset()

    def __init__(self, *defects: str) -> None:
        self.defects = frozenset(defects)

    def start(self, log: Log, peers: Sequence[Peer], clock: Clock, options: Options, rng: random.Random) -> ToyHub:
        return ToyHub(log, peers, clock, self.defects, rng.randrange(2**32))


MakeLog = Callable[[str], Log]
