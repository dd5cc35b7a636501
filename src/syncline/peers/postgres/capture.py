"""Capture: the write-ahead log of a PostgreSQL database as a stream of transactions, through a replication slot.

One gear: the replication stream. It is as fast as peeking in bites, and tells of a commit within a millisecond.
"""

import asyncio
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Final

from syncline.model import limits
from syncline.model.change import Change, Transaction
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
from syncline.peers.postgres.wire import KEEPALIVE, Walsender

_BASES_SQL: Final = "SELECT oid::int8, typbasetype::int8 FROM pg_catalog.pg_type WHERE typtype = 'd'"
_RECENT_ROWS_MAX: Final = 20_000
_PASS_BYTES: Final = 1024 * 1024  # of log without anything of ours, before the slot is moved over it
_LOOK_SECONDS: Final = 0.05


class Recent:
    """The last foreign transactions: a snapshot may lack those whose commit was written but not yet seen by others."""

    def __init__(self) -> None:
        self._seen: deque[Seen] = deque()
        self._rows = 0
        self.captured = 0  # everything committed up to here was received

    def add(self, seen: Seen) -> None:
        """Remember one, and forget the oldest when there are too many. What another stream told before is known."""
        if self._seen and seen.transaction.position <= self._seen[-1].transaction.position:
            return
        self._seen.append(seen)
        self._rows += len(seen.transaction.changes)
        while self._rows > _RECENT_ROWS_MAX and len(self._seen) > 1:
            self._rows -= len(self._seen.popleft().transaction.changes)

    def unseen(self, upto: int, is_visible: Callable[[int], bool]) -> list[Change]:
        """Changes committed up to a position by transactions that a snapshot does not see, in commit order."""
        found: list[Change] = []
        for seen in self._seen:
            if seen.parts and seen.transaction.split is not None:
                if any(part.end <= upto and not is_visible(part.xid) for part in seen.parts):
                    pairs = zip(seen.parts, seen.transaction.split(), strict=True)
                    late = [one for part, one in pairs if part.end <= upto and not is_visible(part.xid)]
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
        self._noted = False
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
            walsender.tell(ask=True)
            first = True
            while True:
                messages = await walsender.receive(_LOOK_SECONDS)
                await pulse.check(walsender, heard=bool(messages))
                for transaction in self._told_by(messages, walsender, assembler, first=first):
                    first = False
                    yield transaction
                if assembler.damage is not None:
                    await self._break(assembler.damage)
                await self._look_around(walsender, assembler)
        finally:
            self._walsender = None
            await walsender.close()

    def _told_by(
        self, messages: list[bytes], walsender: Walsender, assembler: Assembler, *, first: bool
    ) -> Iterator[Transaction]:
        """What messages tell, in order, with the news of how far that is. `first`: nothing was told before."""
        for message in messages:
            if message[0] == KEEPALIVE:
                for transaction in self._flushed(walsender, assembler, first=first):
                    first = False
                    yield transaction
                walsender.keepalive(message)
                if not assembler.inside:
                    self._recent.captured = max(self._recent.captured, walsender.ends)
                    for transaction in self._reached(walsender.ends, assembler, first=first):
                        first = False
                        yield transaction
                continue
            for seen in assembler.feed(message):
                self._take_in(seen)
                first = False
                yield seen.transaction
            if assembler.damage is not None:
                break
            if self.asked.alone and not assembler.inside:
                for transaction in self._flushed(walsender, assembler, first=first):
                    first = False
                    yield transaction
        yield from self._flushed(walsender, assembler, first=first)

    def _flushed(self, walsender: Walsender, assembler: Assembler, *, first: bool) -> Iterator[Transaction]:
        """What the assembler held back, and the news that everything up to there has been given out."""
        for seen in assembler.flush():
            self._take_in(seen)
            first = False
            yield seen.transaction
        if not assembler.cutting and assembler.end > walsender.ends:
            walsender.ends = assembler.end
            self._recent.captured = max(self._recent.captured, assembler.end)
            yield from self._reached(assembler.end, assembler, first=first)

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

    def _take_in(self, seen: Seen) -> None:
        self._told = seen.transaction.position
        self._data = seen.end
        if seen.transaction.changes:
            self._recent.add(seen)

    def _reached(self, end: int, assembler: Assembler, *, first: bool) -> list[Transaction]:
        """News that everything up to what was asked for has been given out, as empty transactions."""
        found: list[Transaction] = []
        for asked in self.asked.reached(end):
            if asked > self._told or (first and not found):
                self._told = max(asked, self._told)
                where = max(asked, position(asked.major, assembler.context, asked.minor))
                found.append(Transaction(self._place.peer, where, assembler.context, _now()))
        return found

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
