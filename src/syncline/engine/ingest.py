"""Ingest: the single writer of the log. Captured transactions and commands go through it in one order, in batches.

Everything that changes the window happens here, synchronously, between two appends. One append, one fsync, many entries.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import msgspec

from syncline.engine.clock import Clock, monotonic
from syncline.engine.retry import Backoff, is_transient
from syncline.engine.state import Stage, State
from syncline.engine.tail import Tail
from syncline.log.protocol import Log
from syncline.merge.policy import RuleBook
from syncline.merge.transact import is_undisturbed, settle
from syncline.merge.window import Window
from syncline.model.change import Change, Refusal, Transaction, weigh
from syncline.model.entry import Entry, Kind
from syncline.model.errors import LogError, SynclineError
from syncline.model.event import Event, Listener
from syncline.model.limits import INFLIGHT_BYTES_MAX, INGEST_BYTES_MAX, INGEST_QUEUE_TRANSACTIONS_MAX, INGEST_ROWS_MAX
from syncline.model.space import Settings
from syncline.model.stamp import Micros, Offset, Position

FLOW_SECONDS = 1.0  # how long a writer waits for others to confirm before the window may grow past its bound
FLOW_PARTS = 4  # by which part of the bound it may then grow before it waits again


class Source(Protocol):
    """Where a captured transaction came from; told when the log has it."""

    clock_offset: Micros

    def admit(self, transaction: Transaction) -> Transaction:
        """The transaction without the changes that this peer may not send (direction, rows not joined yet)."""
        ...

    def missed(self, transaction: Transaction) -> frozenset[str]:
        """The collections of which changes are dropped here, and the log does not say yet that some were."""
        ...

    def logged(self, transaction: Transaction) -> None:
        """The log has everything of this peer up to this transaction, durably."""
        ...


Build = Callable[[Offset], Sequence[Entry]]


@dataclass
class Command:
    """Something to append that did not come from a peer. `build` gets the next offset and may read and grow the window."""

    build: Build
    done: asyncio.Future[tuple[Entry, ...]]


@dataclass
class Captured:
    """A transaction on its way."""

    source: Source
    transaction: Transaction
    size: int = 0  # in bytes, about


class Ingest:
    """See the module. Run `run()` as a task; it ends only by a failure of the log."""

    def __init__(
        self, log: Log, window: Window, book: RuleBook, state: State, clock: Clock, settings: Settings, emit: Listener
    ) -> None:
        self._log, self._window, self._book, self._state = log, window, book, state
        self._clock, self._settings, self._emit = clock, settings, emit
        self.tail = Tail(log)
        self.appended = asyncio.Condition()
        self._queue: deque[Captured | Command] = deque()
        self._work = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._released = asyncio.Event()
        self._waiting = self._waiting_bytes = 0  # rows in the queue, and about how much memory they take
        self.is_behind: Callable[[], bool] = lambda: True  # whether a peer that is there lags: an absent one is not waited for
        self._ceiling = 0  # how far the window may grow past its bound, since waiting did not help
        self._pending: list[Command] = []  # of the round that is being appended
        self._over: BaseException | None = None  # why nothing is appended any more
        self.waiting: SynclineError | None = None  # why the log takes nothing now
        self.durable: Mapping[str, Position] = {}  # how far a restart would know each peer's history

    @property
    def busy(self) -> bool:
        """Whether something waits to be appended, or is being appended."""
        return self._work.is_set()

    async def submit(self, source: Source, transaction: Transaction) -> None:
        """Hand over a captured transaction; returns when there is room for the next. Back-pressure for captures."""
        if transaction.changes:
            await self._flow()
        size = weigh(transaction.changes)
        self._queue.append(Captured(source, transaction, size))
        self._waiting += len(transaction.changes)
        self._waiting_bytes += size
        self._work.set()
        if self._is_full():
            self._room.clear()
            await self._room.wait()

    def _is_full(self) -> bool:
        rows, size = self._waiting, self._waiting_bytes
        return len(self._queue) >= INGEST_QUEUE_TRANSACTIONS_MAX or rows >= INGEST_ROWS_MAX or size >= INGEST_BYTES_MAX

    async def command(self, build: Build) -> tuple[Entry, ...]:
        """Append what `build` makes; returns the entries once they are durable. Errors of `build` come back here.

        Raises what ended the log, if it ended. A command whose caller has gone before its turn is not built: what it was to
        be built from may not hold any more.
        """
        if self._over is not None:
            raise self._over
        done: asyncio.Future[tuple[Entry, ...]] = asyncio.get_running_loop().create_future()
        self._queue.append(Command(build, done))
        self._work.set()
        return await done

    async def _flow(self) -> None:
        """Wait while too much is in flight, unless waiting does not help: then let some more pass before waiting again."""
        bound = self._settings.inflight_rows
        if self.tail.row_bytes:  # wide rows count for more
            bound = min(bound, max(1, INFLIGHT_BYTES_MAX // self.tail.row_bytes))
        since = monotonic()
        while len(self._window) > max(bound, self._ceiling) and self.is_behind():
            size = len(self._window)
            self._released.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(FLOW_SECONDS / 4):
                    await self._released.wait()
            if len(self._window) < size:
                since = monotonic()
            elif monotonic() - since >= FLOW_SECONDS:
                self._ceiling = size + max(1, bound // FLOW_PARTS)
        if len(self._window) <= bound:
            self._ceiling = 0

    async def run(self) -> None:
        """Append for ever. Raises LogError when the log cannot go on; whoever waits for a command gets the same error."""
        try:
            while True:
                await self._work.wait()
                await self._round()
        except BaseException as error:
            self._over = error if isinstance(error, Exception) else LogError("this hub is stopping", hint="ask the next one")
            for command in (*self._pending, *(item for item in self._queue if isinstance(item, Command))):
                if not command.done.done():
                    command.done.set_exception(self._over)
            raise

    async def _round(self) -> None:
        entries: list[Entry] = []
        captured: list[Captured] = []
        commands: list[tuple[Command, tuple[Entry, ...]]] = []
        rows = 0
        head = self._log.head
        while self._queue and rows < INGEST_ROWS_MAX:
            item = self._queue.popleft()
            offset = head + len(entries) + 1
            if isinstance(item, Captured):
                self._waiting -= len(item.transaction.changes)
                self._waiting_bytes -= item.size
                made: Sequence[Entry] = self._accept(item, offset)
                captured.append(item)
            elif item.done.done():
                continue
            else:
                try:
                    made = tuple(item.build(offset))
                except SynclineError as error:
                    item.done.set_exception(error)
                    continue
                for entry in made:
                    self._take(entry)
                commands.append((item, tuple(made)))
            entries += made
            rows += sum(entry.rows for entry in made)
        self._pending = [command for command, _ in commands]
        if entries:
            await self._append(entries, head)
        self._published(entries, captured, commands)
        self._pending = []
        if not self._queue:
            self._work.clear()
        if not self._is_full():
            self._room.set()
        if entries:
            async with self.appended:
                self.appended.notify_all()

    async def _append(self, entries: list[Entry], head: Offset) -> None:
        backoff = Backoff()
        while True:
            try:
                await self._log.append(entries, head)
                self.waiting = None
                return
            except SynclineError as error:
                if not is_transient(error):
                    raise
                self.waiting = error
                self._emit(Event("log.waiting", detail=error.as_json()))
                await asyncio.sleep(backoff.seconds())

    def _published(
        self, entries: list[Entry], captured: list[Captured], commands: list[tuple[Command, tuple[Entry, ...]]]
    ) -> None:
        for entry in entries:
            self._state.reach(entry)
            contended = () if entry.blocks else entry.changes
            for conflict in (one for change in contended if change.verdict for one in change.verdict.conflicts):
                self._emit(Event("conflict", entry.peer, detail={"rule": conflict.rule, "kind": conflict.kind}))
        if entries:
            self.tail.extend(entries)
            self.durable = {one.name: one.position for one in self._state.peers.values() if one.position is not None}
        for item in captured:
            item.source.logged(item.transaction)
        for command, made in commands:
            if not command.done.done():
                command.done.set_result(made)
        if self._window.release(self._state.confirmed()):
            self._released.set()

    def _accept(self, item: Captured, offset: Offset) -> list[Entry]:
        """The entries of one captured transaction, taken into state and window. Nothing for what the log has already (F2)."""
        transaction = item.transaction
        record = self._state.peer(transaction.peer)
        if not record.holds_window:
            return []  # the window has let go of what it had not seen; its rejoin takes up what it did
        made: list[Entry] = []
        since = record.captured + 1
        if transaction.context >= since:  # else its refusals were recorded when this watermark was first seen
            made += [
                self._park(transaction, refusal, offset + place, since) for place, refusal in enumerate(transaction.refused)
            ]
            made[:-1] = [msgspec.structs.replace(one, context=0) for one in made[:-1]]  # all are known with the last of them
            for entry in made:
                self._take(entry)
        self._state.confirm(record, transaction.context)
        if not transaction.changes or (record.position is not None and transaction.position <= record.position):
            return made
        time = self.time_of(transaction, item.source.clock_offset)
        if transaction.split is not None and not (record.footing is Stage.LIVE and self._goes_as_one(item, time)):
            for part in transaction.split():  # one by one where it matters to somebody
                made += self._accept(Captured(item.source, part), offset + len(made))
            return made
        if missed := item.source.missed(transaction):
            body: dict[str, object] = {"unheard": sorted(record.unheard | missed)}
            made.append(Entry(offset + len(made), Kind.PEER, record.name, time=self._clock.now(), body=body))
            self._take(made[-1])
        admitted = item.source.admit(transaction)
        if admitted.changes:
            made.append(settle(self._window, self._book, admitted, offset + len(made), time))
            self._take(made[-1])
        return made

    def _take(self, entry: Entry) -> None:
        """Fold an entry at once: what comes next in this round must see it. A peer without a place lacks nothing any more."""
        self._state.take(entry)
        if entry.kind is Kind.PEER:
            over = [name for name in self._window.exceptions if name[0] == entry.peer and name not in self._state.parked]
            for name in over:
                self._window.retry(*name, entry.offset)
            if over:
                self._window.release({**self._state.confirmed(), entry.peer: entry.offset})

    def time_of(self, transaction: Transaction, clock_offset: Micros) -> Micros:
        """When a transaction was committed: its peer's clock, corrected, and never far ahead of ours (torture C12)."""
        return min(transaction.time - clock_offset, self._latest())

    def _latest(self) -> Micros:
        return self._clock.now() + int(self._settings.drift_seconds * 1e6)

    def _goes_as_one(self, item: Captured, time: Micros) -> bool:
        """Whether transactions that came as one need no look one by one: all are plain, and no clock ran ahead."""
        transaction = item.transaction
        last = max([transaction.time, *[block.span(transaction.time)[1] for block in transaction.blocks]])
        return last - item.source.clock_offset <= self._latest() and is_undisturbed(self._window, transaction, time)

    def _park(self, transaction: Transaction, refusal: Refusal, offset: Offset, since: Offset) -> Entry:
        """The entry for one refused row. Its context tells a restart that this watermark's refusals are known."""
        peer = transaction.peer
        self._window.park(peer, refusal.collection, refusal.key, since)
        self._emit(Event("row.parked", peer, refusal.collection, detail={"code": refusal.code, "reason": refusal.reason}))
        change = Change(refusal.collection, refusal.key, None, None)
        body = {"code": refusal.code, "reason": refusal.reason, "since": since}
        now = self._clock.now()
        return Entry(offset, Kind.PARK, peer, context=transaction.context, time=now, changes=(change,), body=body)


def confirm_entry(offset: Offset, peers: Mapping[str, tuple[Offset, Position | None]], time: Micros) -> Entry:
    """A CONFIRM entry: what each peer has confirmed, so that a restart knows it without asking."""
    body = {name: msgspec.to_builtins(value) for name, value in peers.items()}
    return Entry(offset, Kind.CONFIRM, time=time, body=body)
