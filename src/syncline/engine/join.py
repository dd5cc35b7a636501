"""Joining: an empty peer is filled, a populated one is compared and merged, range by range, while the stream runs.

A range is read at a live peer and at the joining one; once the log has both histories up to those reads, the outcome is
appended in log order: so a fill is always the then-current row, and a streamed change is never overwritten by an older one.
Rows not compared yet are not written at the joining peer. Some collections are brought in side by side, each one range after
the other, and after those that its foreign keys refer to. Progress is in the log, so a crash resumes at the last ranges.
See docs/decisions/0004.
"""

import asyncio
from collections.abc import Mapping, Sequence

from syncline.engine.clock import Clock
from syncline.engine.closing import closing
from syncline.engine.identity import continues, knows_its_own
from syncline.engine.ingest import Ingest
from syncline.engine.memory import Memory
from syncline.engine.progress import Member, Progress, ReferenceLost, pin_of
from syncline.engine.range_merge import Own, RangeRows, Where, merge_range
from syncline.engine.range_read import RangeRead, note, since, without
from syncline.engine.range_reader import RangeReader
from syncline.engine.several import several
from syncline.engine.state import PeerRecord, Stage, State
from syncline.mapping.parents import parents_first
from syncline.merge.policy import RuleBook
from syncline.merge.transact import settle
from syncline.merge.window import Window
from syncline.model.change import Change, Transaction
from syncline.model.entry import Entry, Kind
from syncline.model.errors import PeerError, PeerUnreachable
from syncline.model.event import Event, Listener
from syncline.model.key import order
from syncline.model.limits import JOIN_COLLECTIONS_MAX
from syncline.model.schema import Collection
from syncline.model.stamp import Micros, Offset, Position
from syncline.model.value import Key, Row
from syncline.peers.protocol import Identity, Peer

LOOK_SECONDS = 0.1  # between two looks for a peer to read from


class Joiner:
    """All joins of a space: one at a time per peer, of several collections at once."""

    def __init__(
        self,
        collections: Mapping[str, Collection],
        book: RuleBook,
        authority: Mapping[str, str],
        seed: str,
        state: State,
        window: Window,
        ingest: Ingest,
        clock: Clock,
        emit: Listener,
    ) -> None:
        self._collections, self._book, self._authority, self._seed = collections, book, authority, seed
        self._state, self._window, self._ingest, self._clock, self._emit = state, window, ingest, clock, emit
        self._reader = RangeReader(authority, state, window)
        self.members: dict[str, Member] = {}
        self._progress: dict[str, Progress] = {}

    # -- beginning --------------------------------------------------------------------------------------------------------

    async def begin(self, peer: Peer, identity: Identity) -> None:
        """Enter a new peer into the space. The very first one is the seed: its rows are the space's rows."""
        name, record = peer.name, self._state.peer(peer.name)
        # where nobody knows what it wrote meanwhile, all its rows count as its own, as at a first join
        returning = record.rejoining and knows_its_own(record, identity)
        while not (self._has_seed(name) or name == self._seed or returning):
            await asyncio.sleep(LOOK_SECONDS)
        first = not self._has_seed(name) and not returning
        since: Position | None = identity.position
        if returning:
            since = record.since if continues(record, identity, self._state.head) else None
        body = {
            "rejoining": returning,
            "authority": record.authority,
            "stage": (Stage.LIVE if first else Stage.JOINING).value,
            "position": _plain(identity.position),
            "since": _plain(since) if since is not None else None,
            "had": identity.watermark,
        }

        def build(offset: Offset) -> list[Entry]:
            if record.stage is not Stage.NEW:
                return []  # somebody paused it meanwhile
            return [Entry(offset, Kind.PEER, name, time=self._clock.now(), body=dict(body))]

        if await self._ingest.command(build):
            self._emit(Event("peer.joining", name, detail={"seed": first}))

    def _has_seed(self, name: str) -> bool:
        return any(one.footing is Stage.LIVE for one in self._state.peers.values() if one.name != name)

    # -- the joining peer's own writes, seen by ingest ----------------------------------------------------------------------

    def admit(self, name: str, transaction: Transaction, changes: tuple[Change, ...]) -> tuple[Change, ...]:
        """The changes of rows that are joined already. Others are in ranges to come, or wait for one being read."""
        progress = self._of(name)
        kept: list[Change] = []
        held: list[Change] = []
        for change in changes:
            if self.is_unjoined(name, (change.collection, change.key)):
                held.append(change)
            else:
                kept.append(change)
        late = Transaction(name, transaction.position, transaction.context, transaction.time, tuple(held))
        if held:
            progress.hear(late)
        for collection in dict.fromkeys([change.collection for change in held]):
            ranges = progress.of(collection)
            if ranges.reading:
                own = tuple([change for change in held if change.collection == collection])
                part = Transaction(name, transaction.position, transaction.context, transaction.time, own)
                ranges.waiting.append((part, self._ingest.time_of(transaction, self.members[name].clock_offset)))
        return changes if not held else tuple(kept)

    def is_unjoined(self, peer: str, where: Where) -> bool:
        """Whether a row of a joining peer has not been compared with the space's yet."""
        record = self._state.peer(peer)
        if where[0] in record.joined:
            return False
        boundary = record.joins.get(where[0])
        return boundary is None or order(where[1]) > order(boundary)

    def pass_over(self, peer: str, where: Where) -> None:
        """The peer was not told that the space deleted this row: when it is compared, it must not come back by that."""
        self._of(peer).own.removed.add(where)

    def _of(self, name: str) -> Progress:
        progress = self._progress.get(name)
        if progress is None:
            progress = self._progress[name] = Progress(Memory(self._ingest.tail, self._state.peer(name).had))
        return progress

    # -- the join itself ----------------------------------------------------------------------------------------------------

    async def join(self, member: Member) -> None:
        """Bring a joining peer in. Returns when it is live. Resumes where the log says it was."""
        record, progress = self._state.peer(member.name), self._of(member.name)
        try:
            await self._recall(member, record, progress)
            await self._recall_deletes(member.name, record, progress.own)
            await self._join_collections(member, record, progress)
            await self._ingest.command(
                lambda offset: [Entry(offset, Kind.PEER, member.name, time=self._clock.now(), body={"stage": Stage.LIVE.value})]
            )
        finally:
            self._progress.pop(member.name, None)
        self._emit(Event("peer.joined", member.name))

    async def _recall(self, member: Member, record: PeerRecord, progress: Progress) -> None:
        """What the peer wrote since the log last heard of it, or since its join began, as far as its own history tells."""
        progress.begin_recall()
        end = await member.peer.position()
        reached, context = end, record.captured
        found = Own(record.rejoining, record.since is not None, removed=progress.own.removed)
        async with closing(member.peer.stream(record.since)) as history:
            async for transaction in history:
                parts = (transaction,) if transaction.split is None else transaction.split()
                for part in parts:  # of a group, what is beyond the end is noted as it is admitted
                    if len(parts) == 1 or part.position <= end:
                        reached, context = max(reached, part.position), part.context
                        for change in part.changes:
                            note(found, change)
                if transaction.position >= end:
                    break
        progress.end_recall(found, reached, context)

    async def _recall_deletes(self, name: str, record: PeerRecord, own: Own) -> None:
        """What the space deleted since the join began and this peer was not told, in a session before this one."""
        async with closing(self._ingest.tail.since(record.joined_at)) as frames:
            async for entries in frames:
                for entry in map(self._state.names.now, entries):
                    if entry.is_data and not entry.to and entry.peer != name:
                        gone = ((change.collection, change.key) for change in entry.changes if change.after is None)
                        own.removed.update(where for where in gone if self.is_unjoined(name, where))

    async def _join_collections(self, member: Member, record: PeerRecord, progress: Progress) -> None:
        """What is left of them, parents before those that refer to them: a peer may refuse a row whose parent it lacks."""
        after = parents_first(list(self._collections), [one.parents for one in self.members.values()])
        left = [name for name in self._collections if name not in record.joined]

        async def join(name: str) -> None:
            await self._join_collection(member, self._collections[name], record, progress)

        await several(left, after, JOIN_COLLECTIONS_MAX, join)

    async def _join_collection(self, member: Member, collection: Collection, record: PeerRecord, progress: Progress) -> None:
        name, rows, total, lost = collection.name, 0, 0, ""
        while name not in record.joined:
            async with progress.room(member):
                reference = await self._reference(member, name, avoid=lost)
                try:
                    total = total or await _estimate(progress, reference, collection)
                    read = await self._join_range(member, reference, collection, record, progress)
                except ReferenceLost as error:
                    read, lost = None, reference.name
                    self._emit(Event("join.reference_lost", member.name, name, detail={"reference": lost, "why": str(error)}))
                    await asyncio.sleep(LOOK_SECONDS)
            if read is not None:
                rows += len(read.theirs.rows)
                detail = {"done": rows, "total": rows if read.upto is None else max(total, rows)}
                self._emit(Event("join.progress", member.name, name, count=len(read.theirs.rows), detail=detail))

    async def _join_range(
        self, member: Member, reference: Member, collection: Collection, record: PeerRecord, progress: Progress
    ) -> RangeRead | None:
        """Read the next range and append what becomes of it; None if it has to be read again. Raises ReferenceLost."""
        try:
            read = await self._reader.read(member, reference, collection, record, progress)
            made = await self._ingest.command(lambda offset: self._build(offset, member, collection, read, progress))
        finally:
            self._end_range(member.name, collection.name, progress)  # however it ended, nothing is kept for it
        if not made:
            return None
        progress.ends.append(made[-1].offset)
        return read

    def _end_range(self, name: str, collection: str, progress: Progress) -> None:
        self._window.pins.pop(pin_of(name, collection), None)
        progress.of(collection).end()

    async def _reference(self, member: Member, collection: str, *, avoid: str) -> Member:
        """A peer to read the space's rows from; not the one that has just failed, if there is another.

        Not one that only sends, as long as there is another: it need not have them. One that only receives may have edits that
        nobody heard of, so only where nobody else has been in.
        """
        while True:
            ready = [one for one in self.members.values() if one.name != member.name and one.ready]
            if any(self._has_place(one.name) for one in self.members.values() if self._speaks(one, collection, member)):
                ready = [one for one in ready if collection not in one.receives_only]
            whole = [one for one in ready if collection not in one.sends_only]
            if whole or self._has_all(ready, member.name):
                return min(whole or ready, key=lambda one: (one.name == avoid, collection in one.receives_only))
            if await self._lead(member.name):
                return member
            if not any(self._comes(name) for name in self.members if name != member.name):
                raise PeerUnreachable("no live peer to join from", peer=member.name, hint="bring one back first")
            await asyncio.sleep(LOOK_SECONDS)

    def _speaks(self, one: Member, collection: str, member: Member) -> bool:
        """Whether another peer than the joining one has a say in a collection."""
        return one.name != member.name and collection not in one.receives_only

    def _has_place(self, name: str) -> bool:
        """Whether a peer has been in, and may come back: its rows are the space's, also while it rests."""
        return self._state.peer(name).footing is Stage.LIVE

    def _comes(self, name: str) -> bool:
        """Whether this peer will serve as reference: it is live, or it returns first, compared with what the log tells."""
        record = self._state.peer(name)
        return record.stage is Stage.LIVE or (record.stage is Stage.JOINING and record.alone)

    def _has_all(self, ready: Sequence[Member], joining: str) -> bool:
        """Whether one peer is all the space there is, so that it has all rows even if it only sends."""
        others = [name for name, one in self._state.peers.items() if name != joining and one.joined_at]
        return [one.name for one in ready] == others

    async def _lead(self, name: str) -> bool:
        """Whether this peer, which returns, is compared with what the log tells: nobody is live, and no other one does so."""
        record = self._state.peer(name)

        def build(offset: Offset) -> list[Entry]:
            others = [one for one in self._state.peers.values() if one.name != name]
            if record.alone or any(one.footing is Stage.LIVE or (one.footing is Stage.JOINING and one.alone) for one in others):
                return []  # it is known, of another collection's range; or another one does so
            return [Entry(offset, Kind.PEER, name, time=self._clock.now(), body={"alone": True})]

        if not record.rejoining or self._has_seed(name):
            return False
        if not record.alone:
            await self._ingest.command(build)
        return record.alone

    def _build(
        self, offset: Offset, member: Member, collection: Collection, read: RangeRead, progress: Progress
    ) -> list[Entry]:
        """The entries of a range; none if a row that was parked at the reference got there since, whatever was read of it,
        or if the reference is to join again itself: what it did is not in the log then, though it was captured.
        """
        name, lacking = member.name, self._reader.lacking(read.reference, collection.name)
        if not read.lacking <= lacking or (read.reference != name and not self._comes(read.reference)):
            return []
        flying = [key for key in self._window.since(collection.name, read.pin, read.meets) if read.has(key)]
        flying += [key for key in lacking if read.has(key)]
        if not flying and progress.own.is_blank and not progress.of(collection.name).waiting:
            made = self._plain_range(offset, member, collection.name, read)
            if made is not None:
                return self._close_range(made, offset, member, collection.name, read, progress)
        flying += progress.written_in(collection.name, read.after, read.upto)
        rows = RangeRows(dict(read.theirs.rows), dict(read.mine.rows), flying, read.pin)
        record = self._state.peer(name)
        authority = record.authority or self._authority.get(collection.name, "")
        own, silent = progress.own, collection.name in member.receives_only
        if silent:  # its rows have no say, whatever was asked for
            own, authority = Own(returning=True), "" if authority == name else authority
        own = without(own, _later(collection.name, read, progress))
        merged = merge_range(self._window, self._book[collection.name], rows, own, name, authority)
        now = self._clock.now()
        made = []
        if merged.changes:
            changes = tuple(merged.changes)
            made.append(Entry(offset, Kind.CHANGE, name, read.mine.position, record.captured, now, changes))
        if merged.fills:
            made.append(Entry(offset + len(made), Kind.FILL, time=now, changes=tuple(merged.fills), to=name))
        return self._close_range(made, offset, member, collection.name, read, progress)

    def _plain_range(self, offset: Offset, member: Member, name: str, read: RangeRead) -> list[Entry] | None:
        """The entries of a range, by columns, that the joining peer has nothing of, or exactly as the space; else None."""
        theirs, mine = read.theirs.block, read.mine.block
        if theirs is None or not self._window.of(name).keys().isdisjoint(theirs.keys):
            return None
        if not read.mine.rows:
            return [Entry(offset, Kind.FILL, time=self._clock.now(), to=member.name, blocks=(theirs,))] if theirs.count else []
        return [] if mine is not None and mine.after == theirs.after else None

    def _close_range(
        self, made: list[Entry], offset: Offset, member: Member, collection: str, read: RangeRead, progress: Progress
    ) -> list[Entry]:
        """The entries of a range with the note that it is joined, and with what the joining peer wrote in it meanwhile."""
        for entry in made:
            self._window.replay(entry)
        body = {"collection": collection, "position": _plain(read.mine.position), "done": read.upto is None}
        key = () if read.upto is None else (Change(collection, read.upto, None, None),)
        made.append(Entry(offset + len(made), Kind.JOIN, member.name, time=self._clock.now(), changes=key, body=body))
        made += self._late(offset + len(made), member, collection, read, progress)
        self._end_range(member.name, collection, progress)
        return made

    def _late(self, offset: Offset, member: Member, collection: str, read: RangeRead, progress: Progress) -> list[Entry]:
        """What the joining peer wrote in this range after it was read: ordinary changes, now that the range is joined."""
        rows: dict[Key, Row | None] = dict(read.mine.rows)
        made: list[Entry] = []
        for transaction, time in progress.of(collection).waiting:
            if collection in member.receives_only or transaction.position <= read.mine.position:
                continue
            changes = since(rows, [one for one in transaction.changes if read.has(one.key)])
            if changes:
                late = Transaction(member.name, transaction.position, transaction.context, transaction.time, changes)
                made.append(settle(self._window, self._book, late, offset + len(made), time))
        return made


def anew(record: PeerRecord, authority: str, offset: Offset, time: Micros) -> Entry:
    """The entry that puts a peer out, so that it joins again. Made in its turn: until then the log may hear more of the peer.

    What a join has settled already must not count twice, so one that broke off trusts no history. One that was put out and has
    not begun to join is known as far as it was when it was put out. Only who took part before has copies of the space's rows.
    """
    was = record.paused_from if record.stage is Stage.STALE else record.footing
    again = was is Stage.JOINING
    since = None if again or record.unheard else record.since if was is Stage.NEW else record.position
    rejoining = record.rejoining if again or was is Stage.NEW else True
    shown = _plain(since) if since is not None else None
    body = {"stage": Stage.NEW.value, "rejoining": rejoining, "authority": authority, "since": shown}
    return Entry(offset, Kind.PEER, record.name, time=time, body=body)


def _later(collection: str, read: RangeRead, progress: Progress) -> tuple[Change, ...]:
    """What the joining peer did in this range after it was read."""
    waiting = progress.of(collection).waiting
    late = [transaction for transaction, _ in waiting if transaction.position > read.mine.position]
    return since(dict(read.mine.rows), [one for each in late for one in each.changes if read.has(one.key)])


async def _estimate(progress: Progress, reference: Member, collection: Collection) -> int:
    """About how many rows the reference has. Each is asked once in a join, for all its tables."""
    async with progress.estimating:
        known = progress.estimates.get(reference.name)
        if known is None:
            try:
                found = await reference.peer.inspect()
            except PeerError as error:
                raise ReferenceLost(str(error)) from error
            known = progress.estimates[reference.name] = {name: table.rows_estimate for name, table in found.items()}
    return known.get(collection.table_at(reference.name), 0)


def _plain(position: Position) -> list[object]:
    return [position.major, position.minor, position.text]
