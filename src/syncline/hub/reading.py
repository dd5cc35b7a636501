"""Reading a space without serving it: the fold of the log, conflicts, parked rows, history, and comparing peers at rest."""

import math
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import islice, product
from typing import Any, Final

from syncline.engine.clock import SystemClock
from syncline.engine.closing import closing
from syncline.engine.core import Plan
from syncline.engine.identity import verify_identity
from syncline.engine.state import Stage, State
from syncline.hub import at_rest, dry, records
from syncline.hub.build import Asked, advice, against, ask, dismiss, failures, peers_advice, refuse, waiting_columns
from syncline.hub.operations import report_verify
from syncline.hub.pipeline import resting
from syncline.hub.standing import Away
from syncline.hub.tally import AtRest, how_of
from syncline.log.reading import SqliteReader
from syncline.log.registry import is_served, log_exists, open_reader
from syncline.mapping.plan import outline
from syncline.model.codec import block_mark, encode_row
from syncline.model.errors import PeerError, SynclineError, UsageError
from syncline.model.event import Listener
from syncline.model.key import parse_key
from syncline.model.proof import EVERYTHING, Wanted
from syncline.model.schema import Kind
from syncline.model.space import Direction, Space
from syncline.model.stamp import Offset
from syncline.model.value import Value, real
from syncline.model.words import counted
from syncline.peers.protocol import Identity
from syncline.reconcile.verify import compare_collection

Report = dict[str, Any]
NUMBERS: Final = frozenset({Kind.INTEGER, Kind.REAL, Kind.DECIMAL})


class Reading:
    """What verbs can ask of a space whether a hub runs or not. Opens what it needs and closes it again; writes nothing."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self.at_rest: list[AtRest] = []  # what the last comparison without a hub found

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[SqliteReader]:
        """The log, beside whoever serves it. Raises UsageError if there is none yet."""
        self.require_log()
        reader = await open_reader(self._space.log)
        try:
            yield reader
        finally:
            await reader.close()

    def require_log(self) -> None:
        """Raise UsageError if this space never ran."""
        if not log_exists(self._space.log):
            raise UsageError("this space has no log yet", log=self._space.log, hint="run it first: syncline run")

    async def state(self) -> State:
        """The fold of the log; an empty one if there is no log yet."""
        state = State()
        if log_exists(self._space.log):
            async with self.reader() as reader:
                async for entries in reader.read_notes(0):
                    for entry in entries:
                        state.fold(entry)
                start = max(state.needed(), reader.floor)
                async for entries in reader.read(start):
                    for entry in map(state.names.now, entries):
                        if not entry.has_notes:
                            state.fold(entry)
                state.head = max(state.head, reader.head)
                state.data = max(state.data, min(start, reader.head))  # everyone has what is up to there
                state.data = await last_change(reader, state)
        return state

    @asynccontextmanager
    async def asked(self) -> AsyncIterator[tuple[Asked, Plan]]:
        """All peers, connected, and the plan. Raises what any peer or the configuration has against it."""
        state = await self.state()
        asked = await ask(self._space, state)
        try:
            plan, problems = await against(self._space, asked, state.columns)
            refuse(problems, self._space, list(failures(self._space, asked, state).values()))
            yield asked, plan
        finally:
            await dismiss(asked)

    async def check(self) -> list[SynclineError]:
        """Every unmet precondition at peers and log, the peers that cannot be used, and advice."""
        state = await self.state()
        asked = await ask(self._space, state)
        try:
            plan, problems = await against(self._space, asked, state.columns)
            waiting = waiting_columns(self._space, asked.tables, state.columns)
            advised = [*advice(self._space, asked), *await peers_advice(asked, plan)]
            advised += await at_rest.kept_advice(
                asked.peers, state, served=log_exists(self._space.log) and is_served(self._space.log)
            )
            return [*problems, *waiting, *failures(self._space, asked, state).values(), *advised]
        finally:
            await dismiss(asked)

    async def plan(self) -> Report:
        """What the first run would do."""
        async with self.asked() as (asked, plan):
            report = await dry.run(self._space, asked, plan, await self.state())
            return report | {"advice": [one.as_json() for one in advice(self._space, asked)]}

    async def status(self, *, look: bool = True) -> Report:
        """The status without a hub: as the log tells it, and as the peers' files show it where they may be looked at."""
        return await self.resting(look=look)

    async def resting(self, *, look: bool, unseen: Away = records.UNSEEN) -> Report:
        """The same. `unseen`: what is said of copies that were not looked at."""
        state = await self.state()
        found: dict[str, at_rest.Found] = {}
        floor = 0
        if log_exists(self._space.log):
            async with self.reader() as reader:
                floor = reader.floor
                found = await at_rest.look(self._space, state, reader) if look else {}
                if await reader.refresh() != state.head:  # a hub came meanwhile: the files are ahead of what the log told
                    found = {}
        names = list(self._space.collections)
        only = {name: self._sent_only(name) for name in self._space.peers}
        peers = {name: records.resting_peer(state, name, names, found.get(name), sends, unseen) for name, sends in only.items()}
        waits = waiting_columns(self._space, {name: one.tables for name, one in found.items() if one.tables}, state.columns)
        shown: Report = {"space": self._space.name, "hub": {"running": False}}
        shown["log"] = {"head": state.head, "floor": floor, "bytes": log_bytes(self._space.log)}
        return shown | {"peers": peers, "rules": state.rules, "waiting_columns": [one.as_json() for one in waits]}

    def _sent_only(self, peer: str) -> frozenset[str]:
        """The collections that a peer only sends."""
        specs = self._space.collections
        return frozenset(name for name, spec in specs.items() if spec.direction_at(peer) is Direction.SEND)

    async def conflicts(self, open_only: bool, collection: str | None, limit: int, after: str | None) -> list[Report]:
        """Conflicts in the log's order."""
        self.known(collection)
        state = await self.state()
        async with self.reader() as reader:
            notes = reader.read_notes(records.parse_id(after)[0] - 1 if after else 0)
            return await records.list_conflicts(
                notes, state, state.columns, open_only=open_only, collection=collection, limit=limit, after=after
            )

    async def conflict(self, id: str) -> Report:
        """One conflict."""
        offset, row, place = records.parse_id(id)
        async with self.reader() as reader:
            notes = reader.read_notes(offset - 1)
            state = await self.state()
            before = f"{offset}.{row}.{place - 1}"
            found = await records.list_conflicts(
                notes, state, state.columns, open_only=False, collection=None, limit=1, after=before
            )
        if not found or found[0]["id"] != id:
            raise UsageError(f"there is no conflict {id}", hint="see 'syncline conflicts list'")
        return found[0]

    async def parked(self, collection: str | None, limit: int, after: str | None) -> list[Report]:
        """Parked rows."""
        self.known(collection)
        state = await self.state()
        rows = sorted(state.parked.values(), key=lambda row: int(row.id))
        floor = int(after) if after and after.isdigit() else 0
        listed = (row for row in rows if int(row.id) > floor and collection in (None, row.collection))
        return [records.parked_report(row) for row in islice(listed, limit)]

    async def compare(self, emit: Listener, wanted: Wanted = EVERYTHING) -> Report | None:
        """Compare all peers while no hub moves anything: what is on its way is pending, not drift.

        None where they seem not to be equal and the log grew meanwhile: a hub came, so nothing is known.
        """
        state = await self.state()
        async with self.asked() as (asked, plan), self.reader() as reader:
            names = [name for name in asked.tables if takes_part(state, name, asked.identities[name])]
            absent = {name: why_apart(state, name) for name in self._space.peers if name not in names}
            heard = {name: frozenset(plan.collections) - plan.only(name, Direction.RECEIVE) for name in names}
            peers = {name: (asked.peers[name], asked.identities[name]) for name in names}
            pipeline = await resting(state, reader, peers, heard)
            results = []
            self.at_rest = []
            for collection in plan.collections.values():
                found = [name for name in names if collection.name not in plan.only(name, Direction.SEND)]
                rows = [asked.tables[name][collection.table_at(name)].rows_estimate for name in found]
                if found and wanted.has(collection.name):
                    compared = [asked.peers[name] for name in found]
                    how, began = how_of(wanted), SystemClock().now()
                    results.append(await compare_collection(collection, compared, max(rows), pipeline, emit, how=how))
                    self.at_rest.append(AtRest(results[-1], tuple(found), state.head, began))
            uncaptured = pipeline.uncaptured([one.collection for one in results])
            report = report_verify(results, absent, 0, state) | {"uncaptured": uncaptured}
            moved = await reader.refresh() != state.head
            return None if moved and not report["equal"] else report

    async def history(self, collection: str, key: tuple[str, ...]) -> list[Report]:
        """Everything the log has about a row."""
        self.known(collection)
        state = await self.state()
        async with self.reader() as reader:
            for one in product(*map(key_readings, key)):
                steps: dict[tuple[int, int], Report] = {}
                for needle in (encode_row(one), block_mark(collection)):  # in a block, a key's parts stand in their columns
                    found = await records.history(reader.find(needle), collection, [one], state)
                    steps |= {(step["offset"], step["row"]): step for step in found}
                if steps:
                    return [steps[place] for place in sorted(steps)]
        await self._require_key(collection, key)
        return []

    async def _require_key(self, collection: str, words: tuple[str, ...], verb: str = "history") -> None:
        """Raise UsageError for words that cannot name a row, as far as the peers' tables tell."""
        spec, asked = self._space.collections[collection], await ask(self._space)
        await dismiss(asked)
        known, _ = outline(spec, {name: found.get(spec.at.get(name, collection)) for name, found in asked.tables.items()})
        names, kinds = known.key or spec.key, dict(zip(known.columns, known.kinds, strict=True))
        if names and len(names) != len(words):
            what = f"a key of {collection} has {counted(len(names), 'part')}: {', '.join(names)}"
            hint = f"write: {verb} {collection} {' '.join(name.upper() for name in names)}"
            raise UsageError(what, why=f"{counted(len(words), 'word')} given", hint=hint)
        for name, word in zip(names, words, strict=False):
            if kinds.get(name) in NUMBERS and all(isinstance(value, str | bytes) for value in key_readings(word)):
                hint = f"write the row's {name}, as in: {verb} {collection} 12"
                raise UsageError(f"{name} holds numbers, not {word!r}", collection=collection, hint=hint)

    def known(self, collection: str | None) -> None:
        """Raise UsageError for a collection that is not configured."""
        if collection is not None and collection not in self._space.collections:
            raise UsageError(f"there is no collection {collection}", hint=f"there are {', '.join(self._space.collections)}")


def why_apart(state: State, name: str) -> str:
    """Why a peer that answers is not compared while no hub runs."""
    stage = state.peers[name].stage if name in state.peers else Stage.NEW
    if stage is Stage.LEFT and all(one.stage is Stage.LEFT for one in state.peers.values()):
        return "every peer has left: the next run begins anew"
    if stage is Stage.LEFT:
        return f"it left, {records.how_left(name)}"
    return "it is not the copy that the log knows" if stage is Stage.LIVE else f"it is {stage}"


def takes_part(state: State, name: str, identity: Identity) -> bool:
    """Whether what a peer holds can be compared: it is live, and the copy that the log knows."""
    if name not in state.peers or state.peers[name].footing is not Stage.LIVE:
        return False
    try:
        verify_identity(state.peers[name], identity, state.head)
    except PeerError:
        return False
    return True


def key_readings(word: str) -> list[Value]:
    """What a person may mean by one part of a key: '12' is a number or a text, and in a column of reals it is 12.0."""
    found: list[Value] = [value for (value,) in parse_key(word, 1)]
    with suppress(ValueError):
        if math.isfinite(float(word)):
            found.append(real(float(word)))
    return found if word in found else [*found, word]  # a text may look like anything


async def last_change(reader: SqliteReader, state: State) -> Offset:
    """The last entry with rows, as far as it matters: a fold that did not read it only knows up to where there is none.

    What is proven furthest is the last one if none comes after it.
    """
    known = [offset for claims in state.verified.values() for offset in claims.values()]
    if not known or (proven := max(known)) < reader.floor:  # nobody asks, or nobody can tell any more
        return state.data
    async with closing(reader.read(proven, state.data)) as frames:
        async for entries in frames:
            if any(one.is_data for one in entries):
                return state.data
    return proven


def log_bytes(path: str) -> int:
    """The size of the log's file in bytes; 0 if there is none."""
    return os.path.getsize(path) if os.path.exists(path) else 0
