"""Continuous proof: while writes go on, what changed is compared soon, and everything now and then, within a budget.

What was compared, what was found and how far a full comparison has come stands in the log, so a restart loses none of it.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, Final

import msgspec

from syncline.engine.closing import closing
from syncline.engine.core import Engine
from syncline.engine.session import Phase
from syncline.hub.auto_repair import auto_repair
from syncline.hub.incidents import AGAIN, fewer, incidents_of, needed, over, unknown
from syncline.hub.pipeline import LivePipeline
from syncline.hub.presence import away, unsure
from syncline.hub.standing import standing
from syncline.hub.tally import AtRest, Note, Tally, Told, cause_of, estimate, is_news, progress_of
from syncline.model.codec import decode_row, encode_row
from syncline.model.entry import Entry, Kind
from syncline.model.errors import LogError, PeerError
from syncline.model.event import Event, Listener
from syncline.model.limits import PROOF_SECONDS, PROOF_WAIT_SECONDS, SCAN_NOTE_SECONDS
from syncline.model.proof import Mode, Proof, Scan, body_of
from syncline.model.schema import Collection
from syncline.model.space import VerifySettings
from syncline.model.stamp import Micros, Offset
from syncline.model.value import Key
from syncline.peers.protocol import Peer
from syncline.reconcile.pace import Pace
from syncline.reconcile.touched import touched
from syncline.reconcile.verify import Compared, Difference, Heal, How, Progress, compare_collection, compare_keys

Receivers = Callable[[Collection], Sequence[Peer]]
DUE_SECONDS: Final = 1.0  # between two looks whether everything is to be compared
LARGE_PROOFS: Final = 10  # after so many proofs of what changed, large drift is compared anew


class Proving:
    """Compares in the background of a running engine. `receivers`: the live peers that are to have a collection's rows."""

    def __init__(self, engine: Engine, settings: VerifySettings, receivers: Receivers, emit: Listener) -> None:
        self._engine, self._settings, self._receivers, self._emit = engine, settings, receivers, emit
        self._pipeline = LivePipeline(engine)
        self.why: dict[str, str] = {}  # collection -> what kept it from being compared
        self.alarm: dict[str, Any] | None = None  # why drift was not repaired, though it may be without asking
        self._refused: frozenset[tuple[str, Key]] = frozenset()
        self._tried: dict[str, Micros] = {}  # when a full comparison was last begun or ended
        self.scanned: dict[str, tuple[int, int]] = {}  # a full comparison under way: rows done, and of about how many
        self._notes: list[Note] = []  # of the full comparisons under way

    async def run(self) -> None:
        """Until cancelled."""
        self._engine.holds.append(self.needed)
        try:
            async with asyncio.TaskGroup() as tasks:
                if self._settings.every:
                    tasks.create_task(self._for_ever(self._settings.every, self.steady))
                tasks.create_task(self._for_ever(self._settings.every or PROOF_SECONDS, self.follow))
                if self._settings.full:
                    tasks.create_task(self._for_ever(DUE_SECONDS, self.full))
        finally:
            self._engine.holds.remove(self.needed)

    def needed(self) -> Offset:
        """What comes after this offset still has to be looked at."""
        names, proofs = self._engine.plan.collections, self._engine.state.proofs
        bases = [self._base(name, self._comparable(name)) for name in names if self._settings.every]
        begun = [one.start for one in (*self._notes, *(proofs.of(name).scan for name in names)) if one is not None]
        return min([self._engine.state.head, *begun, *(one for one in bases if one is not None)])

    async def _for_ever(self, seconds: float, work: Callable[[], Any]) -> None:
        while True:
            try:
                await work()
            except (PeerError, LogError) as error:  # it is told, and tried again
                self._emit(Event("verify.interrupted", detail={"why": error.text()}))
            await asyncio.sleep(seconds)

    # -- what changed ---------------------------------------------------------------------------------------------------------

    async def steady(self) -> None:
        """Compare what the log has changes of since it was compared, what was not equal, and what is parked."""
        goal, head = self._engine.state.data, self._engine.state.head
        peers = {name: self._comparable(name) for name in self._engine.plan.collections}
        since = {name: base for name, there in peers.items() if (base := self._base(name, there)) is not None}
        open_now = dict(self._engine.state.proofs.incidents)  # what comes up meanwhile is looked at the next time
        again = {name: self._exceptions(name) for name in since}
        pending = {name: self._engine.state.proofs.of(name).pending for name in since}
        todo = {name: base for name, base in since.items() if base < goal or again[name]}
        if not todo:
            return
        late = {name: await self._arrived(peers[name], goal) for name in todo}
        found = {name: Tally() for name in todo}
        for name in todo:
            await self._keys(name, peers[name], list(again[name]), found[name])
        unequal = {name: {encode_row(one.key) for one in tally.differences} for name, tally in found.items()}
        frames = self._engine.log.read(min(todo.values()), goal)
        async with closing(frames), closing(touched(frames, todo)) as portions:
            async for portion in portions:
                for name, keys in portion.items():
                    fresh = [key for key in keys if key not in again[name]]  # each is counted once
                    await self._keys(name, peers[name], fresh, found[name])
        proofs = []
        for name, tally in found.items():
            there = {peer.name for peer in peers[name]} - set(late[name])
            everyone = there >= set(self._engine.state.proofs.of(name).compared)
            rested = tuple(key for key in pending[name] if key not in unequal[name]) if everyone else ()
            proof = self._proof(name, Mode.STEADY, peers[name], goal, late[name], tally)
            proofs.append(msgspec.structs.replace(proof, rested=rested, head=head))
        sure = {name: {peer.name for peer in peers[name]} - set(late[name]) for name in todo}
        looked = open_now, self._engine.state, unequal, sure
        differences = [one for tally in found.values() for one in tally.differences]
        await self._record(proofs, differences, over(*looked), left=fewer(*looked))
        await self._mend(differences, sum(tally.states["drift"] for tally in found.values()))

    async def _keys(self, name: str, peers: Sequence[Peer], keys: Sequence[Key], tally: Tally) -> None:
        if keys:
            collection, how = self._engine.plan.collections[name], How(pace=msgspec.structs.replace(self._pace, window=None))
            tally.add(await compare_keys(collection, peers, keys, self._pipeline, how))

    def _comparable(self, name: str) -> Sequence[Peer]:
        """The live peers of a collection that were compared before."""
        known = self._engine.state.proofs.of(name).compared
        return [peer for peer in self._receivers(self._engine.plan.collections[name]) if peer.name in known]

    def _base(self, name: str, peers: Sequence[Peer]) -> Offset | None:
        """The offset through which all these peers were compared; None: everything has to be compared first."""
        known = self._engine.state.proofs.of(name).compared
        base = min((known[peer.name] for peer in peers), default=None)
        return base if base is not None and len(peers) > 1 and base >= self._engine.log.floor else None

    def _exceptions(self, name: str) -> dict[Key, None]:
        """Keys that are looked at each time: of open incidents, parked ones, and those that never rested."""
        state = self._engine.state
        keys = {decode_row(key): None for one in state.proofs.open(name) for key in one.keys}
        keys |= {decode_row(key): None for key in state.proofs.of(name).pending}
        return keys | {key: None for _, collection, key in state.parked if collection == name}

    async def whole(self, name: str, peers: Sequence[Peer], emit: Listener, how: How, heal: Heal | None = None) -> Compared:
        """Compare a collection at once, because somebody asks, and write down what was found."""
        collection, goal, head = self._engine.plan.collections[name], self._engine.state.data, self._engine.state.head
        rows, late = await estimate(collection, peers), await self._arrived(peers, goal)
        note = Note(name, peers, goal, head, self._engine.clock.now(), 0.0)

        async def tell(_progress: Progress, differences: Sequence[Difference]) -> None:
            note.found(differences)
            await self._tell(name, differences, note.told)

        asked = msgspec.structs.replace(how, start=goal, told=tell)
        with self._under_way(note):
            compared = await compare_collection(collection, peers, rows, self._pipeline, emit, heal, asked)
        mode = Mode.FULL if compared.whole else Mode.SAMPLED
        await self._finish(note, self._proof(name, mode, peers, goal, late, Tally(compared)))
        if self._engine.state.proofs.open(name):  # are those over, also what was just repaired?
            await self._arrived(peers, self._engine.state.data)
            await self.steady()
        return msgspec.structs.replace(compared, through=None) if late else compared

    async def note(self, news: Sequence[AtRest]) -> None:
        """Write down what was compared while no hub ran."""
        for one in news:
            compared, told, name = one.compared, Told(), one.compared.collection
            await self._tell(name, compared.differences, told)
            more = compared.states.get("drift", 0) - sum(found.state == "drift" for found in compared.differences)
            if more and told.opened:
                told.more[min(told.opened)] += more
            goes, known, now = Tally(compared), self._engine.state, self._engine.clock.now()
            pending = tuple(encode_row(found.key) for found in goes.differences if found.state == "pending")
            proof = Proof(
                name, Mode.FULL, one.peers, compared.start, goes.rows, goes.ranges, dict(goes.states), now, goes.seconds, (),
                goes.algorithm, pending, one.rested(known), one.head, one.began,
            )  # fmt: skip
            await self._record([proof], [], one.over(known), more=told.more, left=one.fewer(known))

    async def _tell(self, name: str, differences: Sequence[Difference], told: Told) -> None:
        """Write down drift as it is found. Where there is more than can be named, the rest is only counted."""
        known = self._engine.state.proofs
        news = unknown(known, [one for one in differences if one.state == "drift"])
        large = next((one for one in known.open(name) if not one.is_named), None)
        if large is None and news:
            before = set(known.incidents)
            await self._record([], news, {})
            told.opened |= set(known.incidents) - before
        elif large is not None and large.id in told.opened:
            told.more[large.id] += len(news)

    async def _finish(self, note: Note, proof: Proof, *, resumed: bool = False) -> None:
        """Write down a comparison of every row. One that saw all of it ends the incidents that nothing else can end."""
        closed, proof = {}, note.proof(proof)
        if proof.mode is Mode.FULL and not resumed and not proof.unequal.get("drift"):
            sure, state = set(proof.peers) - set(proof.behind), self._engine.state
            large = [one for one in state.proofs.open(proof.collection) if not one.is_named and one.last <= proof.head]
            closed = {one.id: AGAIN for one in large if needed(one, state) <= sure}
        await self._record([proof], [], closed, more=note.told.more)

    @contextmanager
    def _under_way(self, note: Note) -> Iterator[None]:
        """What changes meanwhile is compared, too."""
        self._notes.append(note)
        try:
            yield
        finally:
            self._notes.remove(note)

    def standing(self, peer: str, collection: str) -> dict[str, Any]:
        """How one copy stands, and why its proof does not move, if it does not."""
        engine, state = self._engine, self._engine.state
        since = state.proofs.of(collection).through.get(peer, state.peer(peer).joined_at)
        _, waits = engine.ingest.tail.lag(since, state.data, engine.clock.now())
        done = self.scanned.get(collection)
        scanned = f"{done[0]:,} of about {done[1]:,} rows are compared so far" if done else ""
        every, why = self._settings.every, self.why.get(collection, "") or self._apart(collection)
        sends, gone, begins = collection in engine.sessions[peer].sends_only, away(engine, peer), unsure(engine, peer)
        return standing(
            state, peer, collection, waits=waits, every=every, why=why, scanned=scanned, away=gone, unsure=begins, sends=sends
        )

    def _apart(self, collection: str) -> str:
        """Why a collection cannot be compared now; '' if it can."""
        there = {peer.name for peer in self._receivers(self._engine.plan.collections[collection])}
        away = [f"{name} is {one.phase}" for name, one in self._engine.sessions.items() if one.phase is not Phase.LIVE]
        return "; ".join(away) if away and len(there) < len(self._engine.sessions) else ""

    # -- everything -----------------------------------------------------------------------------------------------------------

    async def full(self) -> None:
        """Compare every row of the collections that are due, one after the other, in the hours that are allowed."""
        for name in self._engine.plan.collections:
            if self._due(name):
                await asyncio.sleep(self._pace.wait(datetime.now().astimezone()))
                await self._full(name)

    def _due(self, name: str) -> bool:
        """Whether a peer was not compared for too long, or never; or drift waits that only this can tell to be over."""
        peers = [peer.name for peer in self._receivers(self._engine.plan.collections[name])]
        known, now = self._engine.state.proofs.of(name), self._engine.clock.now()
        if len(peers) < 2:
            return False
        tried = now - self._tried.get(name, 0)
        if 0 <= tried < self._settings.every * 1e6:  # it did not get through: not again at once
            return False
        if not set(peers) <= set(known.compared) & set(known.fulls):
            return True
        if min(known.compared[peer] for peer in peers) < self._engine.log.floor:
            return True
        seconds = self._settings.full
        if any(not one.is_named for one in self._engine.state.proofs.open(name)):
            seconds = min(seconds, LARGE_PROOFS * self._settings.every)
        oldest = min(known.fulls[peer] for peer in peers)
        return not 0 <= now - oldest <= seconds * 1e6  # a time to come is of a clock that was ahead

    async def _full(self, name: str) -> None:
        collection = self._engine.plan.collections[name]
        peers = self._receivers(collection)
        self._tried[name] = self._engine.clock.now()
        rows, goal, head = await estimate(collection, peers), self._engine.state.data, self._engine.state.head
        late = await self._arrived(peers, goal)
        scan, now, clock = self._begun(name, peers), self._engine.clock.now(), asyncio.get_running_loop().time
        note = Note.resumed(scan, peers, clock()) if scan is not None else Note(name, peers, goal, head, now, clock())

        async def tell(progress: Progress, differences: Sequence[Difference]) -> None:
            self.scanned[name] = (progress.rows, max(rows, progress.rows))
            drifted = any(one.state == "drift" for one in differences)
            note.found(differences)
            await self._tell(name, differences, note.told)
            if progress.upto is not None and (drifted or clock() - note.last > SCAN_NOTE_SECONDS):
                note.last = clock()
                await self._record([], [], {}, note.scan(progress.upto, progress))

        how = How(pace=self._pace, since=progress_of(scan) if scan is not None else None, start=goal, told=tell)
        try:
            with self._under_way(note):
                compared = await compare_collection(collection, peers, rows, self._pipeline, self._emit, how=how)
        finally:
            self.scanned.pop(name, None)
        proof = self._proof(name, Mode.FULL, peers, compared.start, late, Tally(compared))
        await self._finish(note, proof, resumed=scan is not None)
        self._tried[name] = self._engine.clock.now()
        await self._mend(compared.differences, compared.states.get("drift", 0))

    async def follow(self) -> None:
        """Compare what changed since full comparisons under way began, also those that wait for their hours.

        So they end however long they take, and what the log lets go of was looked at.
        """
        for note in list(self._notes):
            await self._follow(note)
        for name, collection in self._engine.plan.collections.items():
            peers = self._receivers(collection)
            scan = self._begun(name, peers)
            if scan is None or any(one.name == name for one in self._notes):
                continue
            note = Note.resumed(scan, peers, 0.0)
            if await self._follow(note) and self._begun(name, peers) == scan:  # it did not go on meanwhile
                await self._record([], [], {}, note.scan_again(scan))

    async def _follow(self, note: Note) -> bool:
        """Compare what changed since a full comparison began, and take that as its beginning. Whether that was any."""
        goal, name = self._engine.state.data, note.name
        if goal <= note.start or await self._arrived(note.peers, goal):
            return False
        tally = Tally()
        frames = self._engine.log.read(note.start, goal)
        async with closing(frames), closing(touched(frames, {name: note.start})) as portions:
            async for portion in portions:
                await self._keys(name, note.peers, list(portion.get(name, ())), tally)
        await self._tell(name, tally.differences, note.told)
        note.caught_up(goal, tally.differences)
        return True

    def _begun(self, name: str, peers: Sequence[Peer]) -> Scan | None:
        """A full comparison of the same peers that stopped, if the log still has what came since."""
        scan = self._engine.state.proofs.of(name).scan
        if scan is None or scan.peers != tuple(peer.name for peer in peers) or scan.start < self._engine.log.floor:
            return None
        return scan

    # -- both -----------------------------------------------------------------------------------------------------------------

    @property
    def _pace(self) -> Pace:
        return Pace(self._settings.budget, self._settings.rows_per_second, self._settings.window)

    async def _arrived(self, peers: Sequence[Peer], goal: Offset) -> list[str]:
        """Wait, for a while, until these peers have everything up to an offset; who has not."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PROOF_WAIT_SECONDS):
                while self._lacking(peers, goal):
                    await asyncio.sleep(0.02)
        return self._lacking(peers, goal)

    def _lacking(self, peers: Sequence[Peer], goal: Offset) -> list[str]:
        sessions = [self._engine.sessions[peer.name] for peer in peers]
        return [
            one.name for one in sessions if one.phase is not Phase.LIVE or one.deliver is None or one.deliver.watermark < goal
        ]

    def _proof(self, name: str, mode: Mode, peers: Sequence[Peer], goal: Offset, late: Sequence[str], tally: Tally) -> Proof:
        self.why[name] = cause_of(late, tally)
        names, now = tuple(peer.name for peer in peers), self._engine.clock.now()
        states, behind, used = dict(tally.states), tuple(late), tally.algorithm
        pending = tuple(encode_row(one.key) for one in tally.differences if one.state == "pending")
        return Proof(name, mode, names, goal, tally.rows, tally.ranges, states, now, tally.seconds, behind, used, pending)

    async def _record(
        self,
        proofs: list[Proof],
        differences: Sequence[Difference],
        closed: Mapping[str, str],
        scan: Scan | None = None,
        more: Mapping[str, int] | None = None,
        left: Mapping[str, list[bytes]] | None = None,
    ) -> None:
        """Write down what was found, with new incidents, what is left of others, and the end of those that are over."""
        guessed = await incidents_of(self._engine, [one for one in differences if one.state == "drift"])
        known = self._engine.state.proofs

        def build(offset: Offset) -> list[Entry]:
            body = body_of(proofs, guessed, closed, scan, more, left)
            return [Entry(offset, Kind.VERIFY, time=self._engine.clock.now(), body=body)]

        if (
            guessed
            or closed
            or more
            or left
            or scan is not None
            or any(is_news(known.of(one.collection).last, one) for one in proofs)
        ):
            await self._engine.ingest.command(build)
        if not self._engine.state.proofs.incidents:
            self.alarm, self._refused = None, frozenset()
        for one in guessed:
            detail = {"peers": one.peers, "cause": one.cause, "why": one.why, "first": one.first, "last": one.last}
            self._emit(Event("drift.found", collection=one.collection, count=one.count, detail=detail))
        for name, how in closed.items():
            self._emit(Event("drift.over", detail={"incident": name, "how": how}))

    async def _mend(self, differences: Sequence[Difference], found: int) -> None:
        """Repair what may be repaired without asking; once for the same rows, where that was too much."""
        drifted = [one for one in differences if one.state == "drift"]
        rows = frozenset((one.collection, one.key) for one in drifted)
        if self._settings.repair is None or not drifted or rows == self._refused:
            return
        done = await auto_repair(self._engine, self._receivers, drifted, self._settings.repair, self._emit, found)
        self.alarm, self._refused = done.alarm, rows if done.alarm is not None else frozenset()
