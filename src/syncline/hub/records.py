"""What people ask of the log: conflicts, parked rows, the history of a row; as plain data for every face."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence, Set
from typing import Any, Final

from syncline.engine import keeping
from syncline.engine.state import ParkedRow, PeerRecord, Stage, State
from syncline.hub.at_rest import Found
from syncline.hub.moments import when
from syncline.hub.standing import LEFT, Away, standing
from syncline.model.change import Change, change_of
from syncline.model.conflict import Conflict, Side
from syncline.model.entry import Entry, Kind
from syncline.model.errors import UsageError
from syncline.model.stamp import Micros
from syncline.model.value import INT64_MAX, Key, Row, changed_fields, pad, plain, show_key
from syncline.model.words import counted

Report = dict[str, Any]
Columns = Mapping[str, Sequence[str]]


def named(row: Row | None, columns: Sequence[str]) -> Report | None:
    """A row as column -> value."""
    return None if row is None else {name: plain(value) for name, value in zip(columns, pad(row, len(columns)), strict=False)}


def key_list(key: Key) -> list[object]:
    """A key as a list of values."""
    return [plain(part) for part in key]


UNSEEN: Final = Away("it was not looked at", alarm=False)
SPACE: Final = "@space"  # no peer can be called so


def shown_peer(name: str) -> str:
    """A peer's name in a conflict; the value that nobody alone wrote, or that the space had, has none."""
    return name or SPACE


def _side(side: Side, columns: Sequence[str], *, whole: bool) -> Report:
    shown: Report = {"peer": shown_peer(side.peer), "time": when(side.time)}
    if side.offset:
        shown["offset"] = side.offset
    if not whole:
        shown["value"] = plain(side.value)
    shown["row"] = named(side.row, columns)
    return shown


def conflict_report(
    entry: Entry, change: Change, conflict: Conflict, place: tuple[int, int], columns: Columns, state: State
) -> Report:
    """One conflict, with both images."""
    name = f"{entry.offset}.{place[0]}.{place[1]}"
    names = columns.get(change.collection, ())
    whole = conflict.field == ""
    return _renamed(entry, (entry.peer, conflict.winner, conflict.ours.peer, conflict.theirs.peer), state) | {
        "id": name,
        "collection": change.collection,
        "key": key_list(change.key),
        "kind": conflict.kind,
        "field": conflict.field or None,
        "rule": conflict.rule,
        "winner": shown_peer(conflict.winner),
        "open": name in state.open,
        "time": when(entry.time),
        "peer": entry.peer,
        "ours": _side(conflict.ours, names, whole=whole),
        "theirs": _side(conflict.theirs, names, whole=whole),
        "base": None if whole else plain(conflict.base),
        "outcome": named(change.after, names),
        "note": conflict.note,
    }


def _renamed(entry: Entry, peers: Sequence[str], state: State) -> Report:
    """What peers of an entry are called now, where that is another name than the entry has."""
    now = {peer: state.names.of(peer, entry.offset) for peer in peers}
    changed = {old: new for old, new in now.items() if old != new}
    return {"now": changed} if changed else {}


def conflicts_in(entry: Entry) -> Iterator[tuple[Change, Conflict, tuple[int, int]]]:
    """The conflicts of an entry, with their places in it."""
    for row, change in enumerate(entry.changes):
        if change.verdict is not None:
            for place, conflict in enumerate(change.verdict.conflicts):
                yield change, conflict, (row, place)


async def list_conflicts(
    notes: AsyncIterator[tuple[Entry, ...]],
    state: State,
    columns: Columns,
    *,
    open_only: bool,
    collection: str | None,
    limit: int,
    after: str | None,
) -> list[Report]:
    """Conflicts in log order, after the one named `after`."""
    floor = parse_id(after) if after else (0, -1, -1)
    found: list[Report] = []
    async for entries in notes:
        for entry in entries:
            for change, conflict, place in conflicts_in(entry):
                name = (entry.offset, *place)
                if name <= floor or (collection is not None and change.collection != collection):
                    continue
                report = conflict_report(entry, change, conflict, place, columns, state)
                if report["open"] or not open_only:
                    found.append(report)
                if len(found) >= limit:
                    return found
    return found


def parse_id(name: str) -> tuple[int, int, int]:
    """A conflict's id as numbers. Raises UsageError."""
    try:
        offset, row, place = (int(part) for part in name.split("."))
        if not 0 < offset <= INT64_MAX or row < 0:
            raise ValueError
    except ValueError as error:
        raise UsageError(f"{name} is not a conflict id", hint="ids look like 812.0.1; see 'syncline conflicts list'") from error
    return offset, row, place


def parked_report(row: ParkedRow) -> Report:
    """One parked row."""
    return {
        "id": row.id,
        "peer": row.peer,
        "collection": row.collection,
        "key": key_list(row.key),
        "code": row.code,
        "reason": row.reason,
        "since": row.since,
        "time": when(row.time),
        "attempts": row.attempts,
        "skipped": row.skipped,
        "retrying": bool(row.retried),
        "next": _next(row),
    }


def _next(row: ParkedRow) -> str:
    """What a person can do about a parked row."""
    if row.retried:
        return "it is tried again as soon as its peer is live"
    if row.skipped:
        return f"it was given up; to try it all the same: syncline parked retry {row.id}"
    return f"put right what the reason says, then syncline parked retry {row.id}; or give it up: syncline parked skip {row.id}"


def how_left(name: str) -> str:
    """Of a peer that left: that this is no fault, and how it comes back."""
    return f"as it was asked to; to have it back: 'syncline resume {name} --rejoin'"


def resting_peer(
    state: State,
    name: str,
    collections: Sequence[str],
    found: Found | None = None,
    sends: Set[str] = frozenset(),
    unseen: Away = UNSEEN,
) -> Report:
    """A peer's part of the status when no hub runs: what the log tells, and what was found at the peer if it was looked at.

    `sends`: the collections that it only sends. `unseen`: why nothing was found at it, where nothing was.
    """
    record = state.peers.get(name)
    stage = str(record.stage if record is not None else Stage.NEW)
    captured = max(record.captured if record is not None else 0, found.watermark if found is not None else 0)
    told = (found.state if found is not None and stage != Stage.PAUSED else "") or stage
    away, counts = _away(name, stage, found, unseen), Counts(state)
    shown = {
        collection: {
            "state": told,
            "lag_entries": max(0, state.data - captured),
            "lag_seconds": None,
            "uncaptured": (found.uncaptured or {}).get(collection) if found is not None else None,
            "watermark": captured,
            **collection_report(state, counts, name, collection),
            "proof": standing(
                state, name, collection, away=away, unsure=_unsure(stage, found, collection), sends=collection in sends
            ),
        }
        for collection in collections
    }
    reason = found.reason.text() if found is not None and found.reason is not None else None
    if stage == Stage.LEFT and any(
        one.stage is not Stage.LEFT for one in state.peers.values()
    ):  # else it begins anew by itself
        reason = how_left(name)
    kept = found.kept if found is not None else None
    known = record if record is not None else PeerRecord(name)
    held = keeping.report(kept, keeping.alarm(name, kept, *keeping.cause_of(known, None, None)) if kept is not None else None)
    aside = state.aside.report(name)
    return {"state": told, "stage": stage, "reason": reason, "set_aside": aside, **held, "collections": shown}


def _away(name: str, stage: str, found: Found | None, unseen: Away) -> Away | None:
    """Why a peer cannot be looked at, as far as is known while no hub runs. One that never took part has nothing to look at."""
    if stage == Stage.LEFT:
        return LEFT
    if found is not None and found.reason is not None:
        return Away(f"{name} is {found.state or stage}: {found.reason.text()}")
    if stage in (Stage.PAUSED, Stage.STALE):
        return Away(f"it is {stage}", alarm=stage == Stage.STALE)
    return unseen if found is None and stage != Stage.NEW else None


def _unsure(stage: str, found: Found | None, collection: str) -> str:
    """What a copy may hold that no hub has captured; '' only where it is live, its changes were counted, and there are none."""
    if stage != Stage.LIVE:
        return f"it is {stage}"
    uncaptured = (found.uncaptured or {}).get(collection) if found is not None else None
    if uncaptured is None:
        return "not all changes there were counted"
    return f"{counted(uncaptured, 'change')} there that no hub has captured" if uncaptured else ""


class Counts:
    """Parked rows and open conflicts, counted once for all collections: there may be many, and a status is asked for often."""

    def __init__(self, state: State) -> None:
        self.parked = Counter((row.peer, row.collection) for row in state.parked.values())
        self.open = Counter(one.collection for one in state.open.values())


def collection_report(state: State, counts: Counts, peer: str, collection: str) -> Report:
    """What the log tells of one collection at one peer, whether a hub runs or not. Conflicts are the collection's, at all."""
    return {
        "log_offset": state.head,
        "parked": counts.parked[peer, collection],
        "conflicts_open": counts.open[collection],
        "conflicts_all": state.conflicts.get(collection, 0),
        "verified_through": state.proofs.of(collection).through.get(peer),
    }


async def history(frames: AsyncIterator[tuple[Entry, ...]], collection: str, keys: Sequence[Key], state: State) -> list[Report]:
    """Everything the log has about one row, oldest first: origin, time, what changed, rule and loser."""
    wanted, columns = set(keys), state.columns.get(collection, ())
    found: list[Report] = []
    async for entries in frames:
        for entry in entries:
            for place, change, time in _changes(entry, collection, wanted):
                found.append(_step(entry, change, place, time, columns, state))
    return found


def _changes(entry: Entry, collection: str, wanted: Set[Key]) -> Iterator[tuple[int, Change, Micros]]:
    """The changes of some rows: place in the entry, change, and when it was made. Of blocks, only these rows are made."""
    start = 0
    for block in entry.blocks:
        if block.collection == collection:
            for place in sorted([place for key in wanted for place in block.places(key)]):
                yield start + place, change_of(block, place), block.time(place, entry.time)
        start += block.count
    for place, change in () if entry.blocks else enumerate(entry.changes):
        if change.collection == collection and change.key in wanted:
            written = change.verdict.time if change.verdict and entry.kind is not Kind.SETTLE else 0
            yield place, change, written or entry.time


def _step(entry: Entry, change: Change, row: int, time: Micros, columns: Sequence[str], state: State) -> Report:
    verdict = change.verdict
    step: Report = {
        "offset": entry.offset,
        "row": row,  # its place in the entry, as in the ids of conflicts
        "time": when(time),
        "origin": entry.peer or _nobody(entry),
        "kind": entry.kind.value,
        "context": entry.context,
        "key": show_key(change.key),
        "change": "note",
    }
    step |= _renamed(entry, (entry.peer, entry.to), state)
    if entry.to:
        step["to"] = entry.to
    if entry.is_data:
        step |= _what(change, columns)
    if entry.kind is Kind.SETTLE:
        step |= _decision(entry.body or {})
    if entry.kind is Kind.PARK:
        step |= {"change": "parked", "reason": (entry.body or {}).get("reason")}
    if verdict is not None and verdict.moved is not None:
        step["moved"] = show_key(verdict.moved)
    if verdict is not None and verdict.conflicts:
        step["conflicts"] = [
            {
                "id": f"{entry.offset}.{row}.{place}",
                "field": one.field or None,
                "rule": one.rule,
                "winner": shown_peer(one.winner),
                "loser": _loser(one, columns, change.after),
                "open": f"{entry.offset}.{row}.{place}" in state.open,
                "note": one.note,
            }
            for place, one in enumerate(verdict.conflicts)
        ]
    return step


def _nobody(entry: Entry) -> str:
    """Who decided where no peer wrote."""
    return "(a person)" if entry.kind is Kind.SETTLE and "settles" in (entry.body or {}) else "(syncline)"


def _decision(body: Report) -> Report:
    """What a person decided, or that it was a repair. Older entries say only which conflict was settled."""
    if "repair" in body:
        told: Report = {"decision": _repair(body), "by": body.get("by") or None}
        return told | ({"repair": f"{body['id']}"} if "id" in body else {})
    words = [f"take {body['take']}"] if body.get("take") else []
    words += [f"set {name} = {value}" for name, value in body.get("set", {}).items()]
    told = {"settles": list(body.get("settles", ())), "by": body.get("by") or None, "decision": "; ".join(words)}
    return told | ({"reopened": True} if body.get("reopened") else {})


def _repair(body: Report) -> str:
    policy = body.get("policy", "merge")
    if body.get("undoes"):
        return f"undo of repair {body['undoes']}"
    return "repair of what differed, field by field" if policy == "merge" else f"repair of what differed, by {policy}"


def _what(change: Change, columns: Sequence[str]) -> Report:
    before, after = change.before, change.after
    if after is None:
        return {"change": "delete", "before": named(before, columns)}
    if before is None:
        return {"change": "insert", "after": named(after, columns)}
    width = len(columns)
    places = changed_fields(pad(before, width), pad(after, width))
    if not places:
        return {"change": "none"}
    fields = {columns[place]: [plain(pad(before, width)[place]), plain(pad(after, width)[place])] for place in places}
    return {"change": "update", "fields": fields}


def _loser(conflict: Conflict, columns: Sequence[str], after: Row | None) -> list[Report]:
    """The sides that do not stand. Where nobody alone won, they were merged, or the value that the space had stands."""
    whole = conflict.field == ""

    def stands(side: Side) -> bool:
        if conflict.winner or side.peer:
            return side.peer == conflict.winner
        if whole or after is None:
            return side.row == after
        place = columns.index(conflict.field) if conflict.field in columns else len(columns)
        return bool(place < len(after) and after[place] == side.value)

    return [_side(side, columns, whole=whole) for side in (conflict.ours, conflict.theirs) if not stands(side)]
