"""The state of a row, or of a collection, as of an offset: what a peer has now, with the log's changes since taken back.

The log has before-images back to its floor; rows that nobody touched since are at the peers alone. So the rows of one peer that
receives the collection are read, range by range; then the log is read from the first entry that may be missing in them, and
each key's row is what the changes around the offset tell of it (reconcile.rollback). Writes nothing but what was asked for.
"""

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Collection as Collected
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Final

from syncline.engine.closing import closing
from syncline.engine.core import Plan
from syncline.engine.identity import verify_identity
from syncline.engine.state import Stage, State
from syncline.hub.build import Asked, ask, build_plan, dismiss, refuse
from syncline.hub.exporting import Sink
from syncline.hub.following import is_running, until_captured
from syncline.hub.moments import when
from syncline.hub.offsets import columns_at, offset_of
from syncline.hub.reading import Reading, key_readings
from syncline.hub.records import key_list, named
from syncline.log.reading import SqliteReader
from syncline.model.change import Change, change_of, changes_of, weigh_rows
from syncline.model.codec import block_mark, encode_row
from syncline.model.entry import Entry
from syncline.model.errors import PeerError, PeerUnreachable, UsageError
from syncline.model.limits import SNAPSHOT_BYTES_MAX, SNAPSHOT_ROWS_MAX, SNAPSHOT_ROWS_MIN, TRAVEL_UNTOLD_KEYS_MAX
from syncline.model.schema import Collection, Kind
from syncline.model.space import Direction
from syncline.model.stamp import Micros, Offset, Position
from syncline.model.value import Key, Row, Tagged, Value, show_key
from syncline.model.words import counted
from syncline.peers.protocol import Chunk, Peer
from syncline.reconcile.rollback import Past, Told, Unknown, as_change, as_of, is_guess, look_back, names_of, tell
from syncline.reconcile.spill import Spill

Report = dict[str, Any]
Which = Callable[[Collection], Sequence[Key]]  # of the rows
_PLAIN: Final = {Kind.INTEGER: int, Kind.TEXT: str, Kind.BYTES: bytes}
EXPORT_ROWS: Final = 1_000  # that are handed on at once


@dataclass
class _Reading:
    """What was read of a collection at one peer. `since`: entries after it may be missing in some of the rows."""

    peer: Peer
    collection: Collection
    since: Offset
    position: Position
    doubted: set[Key] = field(default_factory=set)  # parked there: its rows are not the space's


@dataclass
class _Steps:
    """What the log tells of one row on both sides of an offset."""

    told: Told | None = None
    past: Past | None = None
    made: Report | None = None
    seen: bool = False


class Travelling(Reading):
    """The verbs that look back. They open what they need beside a running hub, or without one."""

    async def at_row(self, offset: Offset | None, time: str | None, collection: str, key: tuple[str, ...]) -> Report:
        """One row as of an offset or a time, and the change that made it."""
        self.known(collection)
        async with self.reader() as reader:
            upto = await offset_of(reader, offset, time)
            columns = (await columns_at(reader, upto)).get(collection, ())
            for one in product(*map(key_readings, key)):
                steps = await _steps(reader, collection, one, upto, len(columns))
                if steps.seen:
                    break
            else:
                await self._require_key(collection, key, "at OFFSET")
            state = as_of(None, steps.told, steps.past, len(columns)) if steps.seen else Unknown((), 0)
            if isinstance(state, Unknown):
                with Spill(len(columns)) as spill:
                    read = await self._gather(collection, upto, spill, lambda shape: [one] if steps.seen else _keys(shape, key))
                    _require_known(spill, collection, columns, upto)
                    rows = [(found, _row(row)) for found, row in spill.outcome()]
                one, state = next((pair for pair in rows if pair[1] is not None), (_keys(read.collection, key)[0], None))
                steps = await _steps(reader, collection, one, upto, len(columns))
        shown: Report = {"collection": collection, "key": key_list(one), "offset": upto}
        return shown | {"row": named(_row(state), columns), "made": steps.made}

    async def export(self, offset: Offset | None, time: str | None, collection: str, sink: Sink) -> Report:
        """All rows of a collection as of an offset or a time, in key order, into a sink."""
        self.known(collection)
        async with self.reader() as reader:
            upto = await offset_of(reader, offset, time)
            columns = (await columns_at(reader, upto)).get(collection, ())
        if not columns:
            raise UsageError(f"the log knows nothing of {collection} yet", hint="run the space first: syncline run")
        with Spill(len(columns)) as spill:
            read = await self._gather(collection, upto, spill)
            _require_known(spill, collection, columns, upto)
            kinds = dict(zip(read.collection.columns, read.collection.kinds, strict=False))
            sink.begin(columns, [kinds.get(name, Kind.ANY) for name in columns])
            count = 0
            for rows in _pieces(spill):
                sink.take(rows)
                count += len(rows)
        return {"collection": collection, "offset": upto, "rows": count, "read_at": read.peer.name, "columns": list(columns)}

    # -- reading ------------------------------------------------------------------------------------------------------------

    async def _gather(self, name: str, upto: Offset, spill: Spill, which: Which | None = None) -> _Reading:
        """Take in what a peer has, of all keys or of some, and what the log tells around the offset."""
        asked = await ask(self._space, await self.state())
        try:
            state = await self.state()
            plan, problems = build_plan(self._space, asked, state.columns)
            refuse([one for one in problems if one.where.get("collection") == name], self._space)
            peer = await self._reference(asked, state, plan, name)
            collection = plan.collections[name]
            keys = None if which is None else which(collection)
            read = await _read_rows(peer, collection, spill, keys)
            _doubt(read, state)
            if not await until_captured(self._space.log, peer.name, read.position):
                await _read_own(read, state, spill, None if keys is None else set(keys))
        finally:
            await dismiss(asked)
        _doubt(read, await self.state())
        for key in read.doubted:
            if keys is None or key in keys:
                spill.doubt(key)
        await self._read_log(read, upto, spill, keys)
        return read

    async def _reference(self, asked: Asked, state: State, plan: Plan, collection: str) -> Peer:
        """A peer that is to have all rows of the collection: rather one whose own writes are the space's, too."""
        away = {name: error.what for name, error in asked.failed.items()}
        found: list[str] = []
        served = (await self.status(look=False))["peers"] if is_running(self._space.log) else {}
        for name in asked.tables:
            why = _why_not(asked, state, name, served)
            if collection in plan.only(name, Direction.SEND):
                why = "it only sends this collection"
            if why:
                away[name] = why
            else:
                found.append(name)
        if not found:
            why = "; ".join(f"{name}: {reason}" for name, reason in away.items())
            hint = "bring back one that is live and receives the collection; see 'syncline status'"
            raise PeerUnreachable("no peer can be read", why=why, hint=hint, collection=collection)
        return asked.peers[min(found, key=lambda name: collection in plan.only(name, Direction.RECEIVE))]

    async def _read_log(self, read: _Reading, upto: Offset, spill: Spill, keys: Collected[Key] | None) -> None:
        name, wanted = read.collection.name, None if keys is None else set(keys)
        async with self.reader() as reader:
            start = max(reader.floor, min(read.since, upto))
            async with closing(reader.read(start)) as frames:
                async for entries in frames:
                    for entry, change in _changes(entries, name, wanted):
                        if entry.to and change.key not in read.doubted:
                            continue
                        if entry.offset <= upto:
                            spill.tell(as_change(entry, change))
                        else:
                            spill.look_back(as_change(entry, change), entry.offset, guess=is_guess(entry))
            untold = set(spill.untold(TRAVEL_UNTOLD_KEYS_MAX)) if start > reader.floor else set()
            if untold:
                async with closing(reader.read(reader.floor, start)) as frames:
                    async for entries in frames:
                        for entry, change in _changes(entries, name, untold):
                            spill.tell(as_change(entry, change))


async def _read_rows(peer: Peer, collection: Collection, spill: Spill, keys: Sequence[Key] | None) -> _Reading:
    """The peer's rows, range by range; each as of its own moment."""
    if keys is not None:
        chunk = await peer.rows(collection, keys)
        spill.hold(chunk.rows)
        return _Reading(peer, collection, chunk.watermark, chunk.position)
    size, after, read = SNAPSHOT_ROWS_MIN, None, None
    while True:
        chunk = await peer.chunk(collection, after, size)
        spill.hold(chunk.rows)
        read = read or _Reading(peer, collection, chunk.watermark, chunk.position)
        read.position = max(read.position, chunk.position)
        if chunk.done or chunk.last is None:
            return read
        after, size = chunk.last, _fitting(chunk)


def _fitting(chunk: Chunk) -> int:
    """How many rows the next range may have, so that it fits into memory."""
    size = chunk.block.weight if chunk.block is not None else weigh_rows([row for _, row in chunk.rows])
    fits = SNAPSHOT_BYTES_MAX * len(chunk.rows) // max(1, size)
    return min(SNAPSHOT_ROWS_MAX, max(SNAPSHOT_ROWS_MIN // 10, fits))


async def _read_own(read: _Reading, state: State, spill: Spill, keys: Collected[Key] | None) -> None:
    """No hub runs: what the peer wrote since the log last heard of it is in its rows, and comes from its own history."""
    known, name = state.peer(read.peer.name).position, read.collection.name
    if known is not None and known >= read.position:
        return
    async with closing(read.peer.stream(known)) as history:
        async for transaction in history:
            for part in (transaction,) if transaction.split is None else transaction.split():
                own = [one for one in part.changes if one.collection == name and (keys is None or one.key in keys)]
                for change in own:
                    spill.look_back_own(change)
                if own:  # it had not seen what came after its context, and may have written over what came meanwhile
                    read.since = min(read.since, part.context)
            if transaction.position >= read.position:
                return


def _doubt(read: _Reading, state: State) -> None:
    """Rows that are parked at the peer are not the space's: the log tells them from where they were parked."""
    for row in state.parked.values():
        if (row.peer, row.collection) == (read.peer.name, read.collection.name):
            read.doubted.add(row.key)
            read.since = min(read.since, row.since - 1)


def _why_not(asked: Asked, state: State, name: str, served: Report) -> str:
    """Why a peer's rows cannot stand for the space's; '' if they can."""
    record = state.peers.get(name)
    if record is None or record.footing is not Stage.LIVE:
        return f"it is {record.stage if record is not None else Stage.NEW}"
    if served and served.get(name, {}).get("state") != "live":
        return f"it is {served.get(name, {}).get('state', 'away')} at the running hub"
    try:
        verify_identity(record, asked.identities[name], state.head)
    except PeerError as error:
        return error.what
    return ""


# -- the log ----------------------------------------------------------------------------------------------------------------


def _changes(entries: Sequence[Entry], collection: str, keys: Collected[Key] | None) -> Iterator[tuple[Entry, Change]]:
    """The changes of a collection, of all its keys or of some, with their entries."""
    for entry in entries:
        if not entry.is_data:
            continue
        blocks = [block for block in entry.blocks if block.collection == collection]
        rows = [change for block in blocks for change in changes_of(block)] if entry.blocks else entry.changes
        for change in rows:
            if change.collection == collection and (keys is None or change.key in keys):
                yield entry, change


async def _steps(reader: SqliteReader, collection: str, key: Key, upto: Offset, width: int) -> _Steps:
    """What the log tells of one row: its changes in order, of which there may be any number."""
    steps: dict[tuple[Offset, int], tuple[Entry, Change, Micros]] = {}
    for needle in (encode_row(key), block_mark(collection)):  # in a block, a key's parts stand in their columns
        async for entries in reader.find(needle, reader.floor):
            for entry in entries:
                hits = list(_of_key(entry, collection, key))
                bare = Entry(entry.offset, entry.kind, entry.peer, time=entry.time, to=entry.to, body=entry.body)
                steps |= {(entry.offset, place): (bare, change, time) for place, change, time in hits}
    found = _Steps(seen=bool(steps))
    for where in sorted(steps):
        entry, change, time = steps[where]
        told = as_change(entry, change)
        if entry.offset > upto:
            found.past = look_back(found.past, told, entry.offset, width, guess=is_guess(entry))
            continue
        found.told = tell(found.told, told)
        if not entry.to:
            made = {"offset": entry.offset, "row": where[1], "origin": entry.peer or "(syncline)"}
            found.made = {**made, "kind": entry.kind.value, "time": when(time)}
    return found


def _of_key(entry: Entry, collection: str, key: Key) -> Iterator[tuple[int, Change, Micros]]:
    """The changes of one row: place in the entry, change, and when it was made."""
    start = 0
    for block in entry.blocks:
        if block.collection == collection:
            for place in block.places(key):
                yield start + place, change_of(block, place), block.time(place, entry.time)
        start += block.count
    for place, change in () if entry.blocks or not entry.is_data else enumerate(entry.changes):
        if change.collection == collection and change.key == key:
            yield place, change, (change.verdict.time if change.verdict else 0) or entry.time


def _keys(collection: Collection, words: Sequence[str]) -> list[Key]:
    """The keys that the words may mean, with values of the kinds that the key's columns hold."""
    kinds = dict(zip(collection.columns, collection.kinds, strict=False))
    return list(product(*(_values(kinds.get(name, Kind.ANY), word) for name, word in zip(collection.key, words, strict=True))))


def _values(kind: Kind, word: str) -> list[Value]:
    readings = key_readings(word)
    if kind is Kind.ANY:
        return readings
    if kind in _PLAIN:
        return [value for value in readings if isinstance(value, _PLAIN[kind])] or readings[-1:]
    if kind is Kind.REAL:
        return [value for value in readings if isinstance(value, Tagged)] or readings
    return [Tagged(kind.value, word)]


# -- the outcome ------------------------------------------------------------------------------------------------------------


def _row(state: Row | Unknown | None) -> Row | None:
    return None if isinstance(state, Unknown) else state


def _pieces(spill: Spill) -> Iterator[list[Row]]:
    rows: list[Row] = []
    for _, state in spill.outcome():
        if state is None or isinstance(state, Unknown):
            continue
        rows.append(state)
        if len(rows) == EXPORT_ROWS:
            yield rows
            rows = []
    if rows:
        yield rows


def _require_known(spill: Spill, collection: str, columns: Sequence[str], upto: Offset) -> None:
    """Raise UsageError if some row is not known in full as of the offset."""
    count, first, hidden = 0, "", 0
    for key, state in spill.unknown():
        count += 1
        hidden = max(hidden, state.hidden)
        if not first:
            fields = ", ".join(names_of(state, columns)) or "whether it was there"
            first = f"{show_key(key)}: {fields}"
    if count:
        rows = counted(count, "row")
        why = f"no image in the log and no peer tells what was there before (the first: {first})"
        hint = f"ask for offset {hidden} or a later one" if hidden else "bring another peer back, or ask for a later offset"
        raise UsageError(f"{rows} not known in full as of offset {upto}", why=why, hint=hint, collection=collection)
