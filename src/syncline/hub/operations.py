"""What people ask of a running engine: settle, retry, repair, verify, status. Each appends to the log, or only reads."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from typing import Any

from syncline.compare.rows import prevailing
from syncline.engine.closing import closing
from syncline.engine.core import Engine
from syncline.engine.session import Phase, Session
from syncline.engine.state import ParkedRow, Stage
from syncline.hub.pipeline import LivePipeline
from syncline.hub.records import collection_report, conflicts_in, key_list, parked_report, parse_id, shown_peer
from syncline.merge.policy import Rules
from syncline.merge.window import Window
from syncline.model.change import Change, Verdict
from syncline.model.codec import encode_row
from syncline.model.conflict import Conflict, Side
from syncline.model.entry import Entry
from syncline.model.entry import Kind as EntryKind
from syncline.model.errors import PeerError, PeerUnreachable, UsageError
from syncline.model.event import Listener
from syncline.model.schema import Collection, Kind
from syncline.model.stamp import NOBODY, Micros, Offset
from syncline.model.value import ABSENT, Key, Row, Value, pad, show
from syncline.peers.protocol import Peer
from syncline.reconcile.verify import Compared, Difference, compare_collection, read_copies

Report = dict[str, Any]


class Operations:
    """Verbs over a running engine, in the same process."""

    def __init__(self, engine: Engine, *, serves: bool = True) -> None:
        self.engine = engine
        self._serves = serves  # there are sessions, not only the log
        self._numbers = count()
        self.alive: asyncio.Task[None] | None = None  # the engine's task, where somebody runs it for us

    def check_alive(self) -> None:
        """Raise what ended the engine, if it ended."""
        if self.alive is not None and self.alive.done():
            self.alive.result()

    async def until_live(self, seconds: float = 30.0) -> None:
        """Wait until no session is on its way any more: each is live, paused or waits for something else."""
        async with asyncio.timeout(seconds):
            while any(
                session.phase in (Phase.CONNECTING, Phase.JOINING) or (session.phase is Phase.WAITING and not session.reason)
                for session in self.engine.sessions.values()
            ):
                self.check_alive()
                await asyncio.sleep(0.02)

    async def until_met(self, name: str, seconds: float = 10.0) -> str:
        """Wait, for a while, until a resumed peer has been met; what it does now. Raises what keeps it away for good."""
        session, record = self.engine.sessions[name], self.engine.state.peer(name)
        if not self._serves:
            return str(record.stage)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while (
                    session.phase is Phase.CONNECTING
                    or (session.phase is Phase.WAITING and session.reason is None)
                    or (session.phase is Phase.PAUSED and record.stage is not Stage.PAUSED)
                ):
                    self.check_alive()
                    await asyncio.sleep(0.02)
        if session.phase is Phase.BROKEN and session.reason is not None:
            raise session.reason
        return str(session.phase)

    async def until_apart(self, name: str, seconds: float = 30.0) -> None:
        """Wait until a peer that was asked to stop is not being read or written any more."""
        async with asyncio.timeout(seconds):
            while self.engine.sessions[name].phase in (Phase.CONNECTING, Phase.JOINING, Phase.LIVE):
                self.check_alive()
                await asyncio.sleep(0.02)

    async def has_grown(self) -> bool:
        """Whether every live peer's table has a column that the collection lacks so far."""
        sessions = self.live()
        if len(sessions) < len(self.engine.sessions):
            return False
        try:
            tables = {session.name: await session.peer.inspect() for session in sessions}
        except PeerError:  # its own session tells; it is looked at again
            return False
        for collection in self.engine.plan.collections.values():
            found = [tables[name].get(collection.table_at(name)) for name in tables]
            names = [{one.name for one in table.columns if not one.generated} for table in found if table is not None]
            if len(names) == len(sessions) and set.intersection(*names) - set(collection.columns):
                return True
        return False

    # -- reading ------------------------------------------------------------------------------------------------------------

    def live(self) -> list[Session]:
        """The sessions whose peers can be read and written now."""
        return [session for session in self.engine.sessions.values() if session.phase is Phase.LIVE]

    async def verify(self, *, repair: bool, emit: Listener) -> Report:
        """Compare all peers; with `repair` append what makes them equal. Raises PeerUnreachable if none is live."""
        sessions = self.live()
        if not sessions:
            raise PeerUnreachable("no peer is live, so there is nothing to compare", hint="see 'syncline status'")
        absent = [name for name, session in self.engine.sessions.items() if session not in sessions]
        results: list[Compared] = []
        through: dict[str, dict[str, Offset]] = {}
        pipeline = LivePipeline(self.engine)
        await self._settled(sessions)
        for collection in self.engine.plan.collections.values():
            peers = self._receivers(collection)
            if peers:
                rows = await self._rows(collection, peers[0])
                results.append(await compare_collection(collection, peers, rows, pipeline, emit))
                if results[-1].through is not None:
                    through[collection.name] = dict.fromkeys((peer.name for peer in peers), results[-1].through)
        repaired = 0
        if repair:
            drifted = [one for result in results for one in result.differences if one.state == "drift"]
            repaired = await self._repair(drifted, pipeline)
        if through:
            await self.engine.ingest.command(
                lambda offset: [Entry(offset, EntryKind.VERIFY, time=self.engine.clock.now(), body=through)]
            )
        return report_verify(results, absent, repaired)

    def _receivers(self, collection: Collection) -> list[Peer]:
        """The live peers that are to have this collection's rows. One that only sends keeps its own."""
        return [session.peer for session in self.live() if collection.name not in session.sends_only]

    async def _settled(self, sessions: Sequence[Session]) -> None:
        """Let what is under way arrive first, for a while: it makes fewer keys suspicious. Not needed for soundness."""
        try:
            async with asyncio.timeout(5.0):
                while not all([await session.is_idle() for session in sessions]):
                    await asyncio.sleep(0.02)
        except TimeoutError:
            return

    @staticmethod
    async def _rows(collection: Collection, peer: Peer) -> int:
        table = (await peer.inspect()).get(collection.table_at(peer.name))
        return table.rows_estimate if table is not None else 0

    # -- deciding -----------------------------------------------------------------------------------------------------------

    async def settle(self, name: str, take: str | None, sets: Mapping[str, Value], by: str = "") -> Report:
        """Settle an open conflict: take a side, or set fields. An ordinary change, later than everything in the log.

        `by`: who says so, for the history.
        """
        encode_row(tuple(sets.values()))  # refuse here what the log could not carry
        _, change, conflict = await self._find(name)
        self._require_open(name)
        collection = self.engine.plan.collections.get(change.collection)
        if collection is None:
            raise UsageError(f"{change.collection} is not configured any more", hint="put it back to settle its conflicts")
        chosen, whole = _chosen(conflict, take, collection)
        _require_fit(collection, self.engine.plan.book[collection.name], conflict, sets, taken=take is not None)
        told = {"settles": [name], "take": take or "", "set": {one: show(value) for one, value in sets.items()}, "by": by}
        offset = await self._decide(collection, change.key, chosen, sets, whole=whole, told=told)
        return {"settled": name, "offset": offset, "collection": change.collection, "key": key_list(change.key)}

    def _require_open(self, name: str) -> None:
        if name not in self.engine.state.open:
            raise UsageError(f"conflict {name} is not open", hint="see 'syncline conflicts list'")

    async def _find(self, name: str) -> tuple[Entry, Change, Conflict]:
        offset, row, place = parse_id(name)
        async with closing(self.engine.log.read_notes(offset - 1)) as notes:
            async for entries in notes:
                for entry in entries:
                    if entry.offset == offset:
                        for change, conflict, where in conflicts_in(entry):
                            if where == (row, place):
                                return entry, change, conflict
                break
        raise UsageError(f"there is no conflict {name}", hint="see 'syncline conflicts list'")

    async def _decide(
        self, collection: Collection, key: Key, chosen: Row | None, sets: Mapping[str, Value], *, whole: bool, told: Report
    ) -> Offset:
        """Append the row as it is now with the decision in it. The current row is the window's, or a live peer's.

        `told`: what the entry says of the decision.
        """
        engine = self.engine
        sessions = [session for session in self.live() if collection.name not in session.sends_only]
        if not sessions:
            raise PeerUnreachable("no peer is live, so the row cannot be read", hint="start the hub, or bring a peer back")
        reference = min(sessions, key=lambda session: collection.name in session.receives_only)
        with self._pinned(engine.state.peer(reference.name).captured):
            chunk = await reference.peer.rows(collection, [key])
            if not await reference.wait_captured(chunk.position):
                raise PeerUnreachable("the peer went away while its row was read", peer=reference.name, hint="try again")
            row = dict(chunk.rows).get(key)

            def build(offset: Offset) -> list[Entry]:
                self._require_open(told["settles"][0])
                after = _decided(engine.window, collection, key, row, chosen, sets, whole=whole)
                entry = _settle_entry(offset, engine.clock.now(), after, told)
                engine.window.replay(entry)
                return [entry]

            made = await engine.ingest.command(build)
        return made[0].offset

    @contextmanager
    def _pinned(self, offset: Offset) -> Iterator[None]:
        """Nothing above this offset leaves the window meanwhile: what changes after the rows were read is seen there."""
        pin = f"operation {next(self._numbers)}"
        self.engine.window.pins[pin] = offset
        try:
            yield
        finally:
            del self.engine.window.pins[pin]

    async def _repair(self, drifted: Sequence[Difference], pipeline: LivePipeline) -> int:
        """Give everyone the row that most peers hold now, unless it is in flight. What differed is kept as a conflict."""
        engine = self.engine
        repaired = 0
        for collection in engine.plan.collections.values():
            found = [one for one in drifted if one.collection == collection.name]
            peers = self._receivers(collection)
            if not found or {peer.name for peer in peers} != set(found[0].rows):
                continue  # nothing to do, or not the peers that were compared: another majority
            with self._pinned(min(engine.state.confirmed().values(), default=0)):
                copies, sure = await read_copies(collection, peers, [one.key for one in found], pipeline)
                held = [(one.key, {name: rows.get(one.key) for name, rows in copies.items()}) for one in found]
                changes = [_repair_change(collection, key, rows) for key, rows in held if len(set(rows.values())) > 1]
                if not sure:
                    continue

                def build(offset: Offset, changes: list[Change] = changes) -> list[Entry]:
                    kept = tuple(one for one in changes if engine.window.view(one.collection, one.key) is None)
                    entry = Entry(offset, EntryKind.SETTLE, time=engine.clock.now(), changes=kept, body={"repair": len(kept)})
                    engine.window.replay(entry)
                    return [entry] if kept else []

                repaired += sum(entry.rows for entry in await engine.ingest.command(build))
        return repaired

    async def retry(self, name: str) -> Report:
        """Try a parked row again."""
        row = self._parked(name)
        await self.engine.retry(row)
        return {"retried": name} | parked_report(self.engine.state.parked.get((row.peer, row.collection, row.key), row))

    async def skip(self, name: str) -> Report:
        """Give a parked row up: it is not tried again by itself, and the peer's own row stands there."""
        row = self._parked(name)
        await self.engine.skip(row)
        return parked_report(self.engine.state.parked.get((row.peer, row.collection, row.key), row)) | {"skipped": name}

    def _parked(self, name: str) -> ParkedRow:
        found = next((row for row in self.engine.state.parked.values() if row.id == name), None)
        if found is None:
            raise UsageError(f"there is no parked row {name}", hint="see 'syncline parked list'")
        return found

    def status(self) -> Report:
        """Per peer and collection: state, lag, offsets, parked, conflicts, verified_through."""
        engine = self.engine
        peers = {}
        for name, session in engine.sessions.items():
            watermark = session.deliver.watermark if session.deliver else engine.state.peer(name).captured
            lag = engine.ingest.tail.lag(watermark, engine.state.data, engine.clock.now())
            stage = engine.state.peer(name).stage
            state = str(stage if stage in (Stage.STALE, Stage.LEFT) else session.phase)
            peers[name] = peer_report(engine, name, state, session.reason, watermark, lag)
        return {"peers": peers, "rules": dict(engine.state.rules), "window": len(engine.window)}


def peer_report(
    engine: Engine, name: str, state: str, reason: Exception | None, watermark: Offset, lag: tuple[int, float]
) -> Report:
    """One peer's part of the status."""
    fold = engine.state
    collections = {}
    for collection in engine.plan.collections:
        collections[collection] = {
            "state": state,
            "lag_entries": lag[0],
            "lag_seconds": round(lag[1], 3),
            "uncaptured": None,  # what is written is taken up at once
            "watermark": watermark,
            **collection_report(fold, name, collection),
        }
    stage = str(fold.peer(name).stage)
    return {"state": state, "stage": stage, "reason": str(reason) if reason else None, "collections": collections}


def report_verify(results: Sequence[Compared], absent: Sequence[str], repaired: int) -> Report:
    """What verify found, for every face."""
    differences = [one for result in results for one in result.differences]
    return {
        "equal": not any(result.found for result in results) and not absent,
        "rows": sum(result.rows for result in results),
        "pending": sum(1 for one in differences if one.state == "pending"),
        "drift": sum(result.found for result in results) - sum(1 for one in differences if one.state != "drift"),
        "parked": sum(1 for one in differences if one.state == "parked"),
        "not_compared": list(absent),
        "repaired": repaired,
        "differences": [difference_report(one) for one in differences],
        "verified_through": {result.collection: result.through for result in results},
    }


def difference_report(one: Difference) -> Report:
    """One difference: the key, the fields and each peer's values of them."""
    return {
        "collection": one.collection,
        "key": key_list(one.key),
        "fields": list(one.fields),
        "peers": {peer: one.shown(row) for peer, row in one.rows.items()},
        "state": one.state,
    }


def _require_fit(collection: Collection, rules: Rules, conflict: Conflict, sets: Mapping[str, Value], *, taken: bool) -> None:
    """Refuse values that the columns or their policies could not hold, and a decision that leaves the contested field out."""
    if conflict.field and not taken and conflict.field not in sets:
        hint = f"add --set {conflict.field}=VALUE, or --take one of the sides"
        raise UsageError(f"this conflict is about {conflict.field}, which is not set", collection=collection.name, hint=hint)
    for place, name in enumerate(collection.columns):
        kind = collection.kinds[place] if place < len(collection.kinds) else Kind.ANY
        numeric = kind is Kind.INTEGER or rules.policies[place].delta
        if name in sets and numeric and not isinstance(sets[name], int | None):
            what = f"{name} holds whole numbers, not {show(sets[name])}"
            raise UsageError(what, collection=collection.name, hint="give a number, or NULL")


def _chosen(conflict: Conflict, take: str | None, collection: Collection) -> tuple[Row | None, bool]:
    if take is None:
        return None, False
    sides = {shown_peer(side.peer): side for side in (conflict.ours, conflict.theirs)}
    side = sides.get(shown_peer(take))
    if side is None:
        raise UsageError(f"{take} has no side in this conflict", hint=f"sides are {', '.join(sides)}")
    if not conflict.field:
        return side.row, True
    row: list[Value] = [ABSENT] * len(collection.columns)
    row[collection.columns.index(conflict.field)] = side.value
    return tuple(row), False


def _decided(
    window: Window,
    collection: Collection,
    key: Key,
    row: Row | None,
    chosen: Row | None,
    sets: Mapping[str, Value],
    *,
    whole: bool,
) -> Change:
    view = window.view(collection.name, key)
    held = view.row if view is not None else row
    if whole and chosen is None and not sets:
        return Change(collection.name, key, held, None, Verdict(correct=True, full=True))
    base = chosen if whole and chosen is not None else held
    if base is None:
        raise UsageError("the row is deleted by now", collection=collection.name, hint="take the side that has the row")
    after = list(pad(base, len(collection.columns)))
    if chosen is not None and not whole:
        for place, value in enumerate(chosen):
            after[place] = after[place] if value is ABSENT else value
    for name, value in sets.items():
        if name not in collection.columns or name in collection.key:
            raise UsageError(f"{name} is not a field that can be set", collection=collection.name)
        after[collection.columns.index(name)] = value
    return Change(collection.name, key, held, tuple(after), Verdict(correct=True, full=True))


def _settle_entry(offset: Offset, time: Micros, change: Change, body: Report) -> Entry:
    return Entry(offset, EntryKind.SETTLE, NOBODY, time=time, changes=(change,), body=body)


def _repair_change(collection: Collection, key: Key, rows: Mapping[str, Row | None]) -> Change:
    row = prevailing(rows)
    losers = tuple(
        Conflict("repair", "", "repair majority", NOBODY, Side(NOBODY, ABSENT, row, 0), Side(peer, ABSENT, held, 0))
        for peer, held in rows.items()
        if held != row
    )
    return Change(collection.name, key, None, row, Verdict(correct=True, full=True, conflicts=losers))
