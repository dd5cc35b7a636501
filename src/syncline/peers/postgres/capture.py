"""Capture: the write-ahead log of a PostgreSQL database as a stream of transactions, through a replication slot.

One gear: the replication stream. It is as fast as peeking in bites, and tells of a commit within a millisecond.
"""

import asyncio
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import chain, compress
from typing import Final

from syncline.model import limits
from syncline.model.change import Change, Transaction, weigh
from syncline.model.errors import PeerChanged, PeerRestored, PeerUnsafe
from syncline.model.stamp import Micros, Position
from syncline.peers.asked import Asked
from syncline.peers.postgres.assemble import Assembler, Seen
from syncline.peers.postgres.connect import Connection, Place
from syncline.peers.postgres.decode import Decoder
from syncline.peers.postgres.features import PREFIX, STATE, object_name
from syncline.peers.postgres.footprint import State, examine, fetch, position, read_state, watermark_of
from syncline.peers.postgres.layout import load_layouts
from syncline.peers.postgres.pulse import Pulse, Watch
from syncline.peers.postgres.slot import note_broken, note_passed, take, trouble
from syncline.peers.postgres.wire import Walsender

_BASES_SQL: Final = "SELECT oid::int8, typbasetype::int8 FROM pg_catalog.pg_type WHERE typtype = 'd'"
_RECENT_ROWS_MAX: Final = 20_000
_RECENT_BYTES_MAX: Final = limits.INGEST_BYTES_MAX
_FORGOTTEN_MAX: Final = 20_000
_PASS_BYTES: Final = 1024 * 1024  # of log without anything of ours, before the slot is moved over it
_LOOK_SECONDS: Final = 0.05


class Recent:
    """The last foreign transactions: a snapshot may lack those whose commit was written but not yet seen by others.

    Mostly that is a moment, but a server with synchronous standbys shows a commit only when these have it. Of transactions that
    were too many or too large to be remembered the numbers are, so that a snapshot that lacks one is known to be too old.
    """

    def __init__(self) -> None:
        self._seen: deque[tuple[Seen, int, int]] = deque()  # with how many rows and bytes they are
        self._forgotten: deque[tuple[int, int]] = deque(maxlen=_FORGOTTEN_MAX)  # `xid` and `end`
        self._rows = self._bytes = 0
        self.captured = 0  # everything committed up to here was received

    def add(self, seen: Seen) -> None:
        """Remember one, and forget the oldest when there is too much. What another stream told before is known."""
        if self._seen and seen.transaction.position <= self._seen[-1][0].transaction.position:
            return
        rows, size = len(seen.transaction.changes), weigh(seen.transaction.changes)
        self._seen.append((seen, rows, size))
        self._rows += rows
        self._bytes += size
        while (self._rows > _RECENT_ROWS_MAX or self._bytes > _RECENT_BYTES_MAX) and len(self._seen) > 1:
            oldest, rows, size = self._seen.popleft()
            self._rows -= rows
            self._bytes -= size
            self._forgotten.extend(oldest.parts or ((oldest.xid, oldest.end),))

    def unseen(self, upto: int, is_visible: Callable[[int], bool]) -> list[Change] | None:
        """Changes committed up to a position by transactions that a snapshot does not see, in commit order.

        None if some of these are not remembered any more.
        """
        if any(end <= upto and not is_visible(xid) for xid, end in self._forgotten):
            return None
        found: list[Change] = []
        for seen, _, _ in self._seen:
            if seen.parts and seen.transaction.split is not None:
                late_ones = [end <= upto and not is_visible(xid) for xid, end in seen.parts]
                if any(late_ones):
                    late = compress(seen.transaction.split(), late_ones)
                    found += [change for one in late for change in one.changes]
            elif seen.end <= upto and not is_visible(seen.xid):
                found += seen.transaction.changes
        return found


class Capture:
    """One stream. `recent` is shared with the reading of snapshots."""

    def __init__(self, place: Place, reader: Connection, lock: asyncio.Lock, recent: Recent) -> None:
        self._place, self._reader, self._lock, self._recent = place, reader, lock, recent
        self._walsender: Walsender | None = None
        self._main = False
        self.asked = Asked()
        self._told = Position(0)
        self._data = 0  # the last transaction of interest
        self._acknowledged = self._passed = 0
        self._is_first = True  # nothing was told yet
        self._damage: PeerChanged | None = None
        self._damage_at = 0
        self._checked = time.monotonic()
        self._incarnation = ""

    def ask(self, where: Position) -> None:
        """Tell when everything up to here was given out."""
        if where > self._told and self.asked.add(where) and self._walsender is not None:
            self._walsender.news.set()

    async def acknowledge(self, upto: int) -> bool:
        """The server may forget what is before; False if it cannot be told here."""
        if self._walsender is None or not self._main:
            return False
        self._acknowledged = max(self._acknowledged, upto)
        self._confirm(upto)
        return True

    def _confirm(self, lsn: int) -> None:
        if self._walsender is not None and lsn > self._walsender.confirmed:
            self._walsender.confirmed = lsn
            self._walsender.tell()

    async def stream(self, after: Position | None) -> AsyncIterator[Transaction]:
        """See the protocol. Never ends by itself."""
        state, decoder = await self._begin(after)
        start = after or Position(0)
        self._told = start if after is not None else Position(0)
        assembler = Assembler(self._place.peer, decoder, watermark_of(start), start, self.asked)
        self.asked.begin(start, state.position if after is None or state.position > after else after)
        self._walsender = walsender = await Walsender.open(self._place)
        pulse = Pulse(self._place)
        try:
            copy = f"{PREFIX}copy_{secrets.token_hex(8)}"
            self._main = await take(walsender, self._incarnation, object_name(self._incarnation), start.major, copy)
            self._acknowledged = self._data = start.major
            self._is_first = True
            walsender.tell(ask=True)
            while True:
                messages, alive = await walsender.receive(_LOOK_SECONDS)
                await pulse.check(walsender, heard=bool(messages) or alive is not None)
                for transaction in self._told_by(messages, alive, walsender, assembler):
                    yield transaction
                if assembler.damage is not None:
                    await self._break(assembler.damage)
                await self._look_around(walsender, assembler)
        finally:
            self._walsender = None
            await walsender.close()

    def _told_by(
        self, messages: list[bytes], alive: bytes | None, walsender: Walsender, assembler: Assembler
    ) -> Iterator[Transaction]:
        """What messages and the keepalive after them tell, in order, with the news of how far that is."""
        for seen in chain(assembler.feed(messages), assembler.flush()):
            yield self._take_in(seen)
        if not assembler.cutting and assembler.end > walsender.ends:
            walsender.ends = assembler.end
            yield from self._reached(walsender.ends, assembler)
        if alive is not None:
            walsender.keepalive(alive)
            if not assembler.inside:
                yield from self._reached(walsender.ends, assembler)

    async def _begin(self, after: Position | None) -> tuple[State, Decoder]:
        """Who is there and what is captured. Raises PeerRestored for a position of another history."""
        peer = self._place.peer
        async with self._lock, Watch(self._place, self._reader):
            state = await read_state(self._reader, peer)
            if state is None:
                raise PeerUnsafe("this peer is not set up", hint="run 'syncline run' once", peer=peer)
            self._incarnation = state.incarnation
            why = await trouble(self._reader, state.incarnation, after.major if after is not None else None)
            if why:
                await note_broken(self._reader, why)
            if not why and after is not None and after.major > state.end:
                why = f"its history ends at {state.end}, the log has it up to {after.major}"
            if why:
                hint = f"let it join again by compare-and-merge: 'syncline resume {peer} --rejoin'"
                raise PeerRestored("this is not the history that the log knows", why=why, hint=hint, peer=peer)
            layouts = await load_layouts(self._reader)
            bases = dict(await fetch(self._reader, _BASES_SQL))
            while any(base in bases for base in bases.values()):
                bases = {oid: bases.get(base, base) for oid, base in bases.items()}
            ((oid,),) = await fetch(self._reader, "SELECT %s::regclass::oid::int8", (STATE,))
            self._damage = await examine(self._reader, self._place, state.incarnation)
            self._damage_at = state.end
        return state, Decoder(peer, oid, {layout.oid: layout for layout in layouts.values()}, bases)

    async def _break(self, damage: PeerChanged) -> None:
        """The log cannot tell what happened: this history ends here, and only comparing finds out."""
        async with self._lock, Watch(self._place, self._reader):
            await note_broken(self._reader, f"{damage.what}: {damage.why}")
        raise damage

    def _take_in(self, seen: Seen) -> Transaction:
        self._is_first = False
        self._told = seen.transaction.position
        self._data = seen.end
        if seen.transaction.changes:
            self._recent.add(seen)
        return seen.transaction

    def _reached(self, end: int, assembler: Assembler) -> Iterator[Transaction]:
        """Everything up to an end has been received; the news of it for whoever asked, as empty transactions."""
        self._recent.captured = max(self._recent.captured, end)
        for asked in self.asked.reached(end):
            if asked > self._told or self._is_first:
                self._is_first = False
                self._told = max(asked, self._told)
                where = max(asked, position(asked.major, assembler.context, asked.minor))
                yield Transaction(self._place.peer, where, assembler.context, _now())

    async def _look_around(self, walsender: Walsender, assembler: Assembler) -> None:
        """What has to be done now and then: look at the tables, move the slot over what is none of ours, ask how far it is."""
        if self._damage is not None and not assembler.inside and walsender.ends >= self._damage_at:
            raise self._damage
        now = time.monotonic()
        if self.asked and not assembler.inside:
            walsender.tell(ask=True)
        if now - self._checked < limits.FILE_CHECK_SECONDS:
            return
        self._checked = now
        if self._lock.locked():
            return
        async with self._lock, Watch(self._place, self._reader):
            if self._damage is None:
                self._damage = await examine(self._reader, self._place, self._incarnation)
                if self._damage is not None:
                    state = await read_state(self._reader, self._place.peer)
                    self._damage_at = state.end if state is not None else 0
            await self._pass_over(walsender, assembler)

    async def _pass_over(self, walsender: Walsender, assembler: Assembler) -> None:
        """Other tables' writes must not pile up in the log: where all of ours is acknowledged, the slot stands at the end."""
        if not self._main:
            if not assembler.inside:
                self._confirm(walsender.ends)
            return
        idle = not assembler.inside and self._data <= self._acknowledged
        if idle and walsender.ends - max(self._passed, self._acknowledged) > _PASS_BYTES:
            self._passed = walsender.ends
            await note_passed(self._reader, self._acknowledged, self._passed)
            self._confirm(self._passed)


def _now() -> Micros:
    return time.time_ns() // 1000
