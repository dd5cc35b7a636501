"""Deciding: a person settles a conflict. An ordinary change by nobody, later than everything in the log.

A conflict that a rule or a person has closed can be taken up again: what lost is put back, or something else is set.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from syncline.engine.closing import closing
from syncline.engine.core import Engine
from syncline.engine.session import Session
from syncline.hub.pins import pinned
from syncline.hub.records import conflicts_in, key_list, parse_id, shown_peer
from syncline.merge.policy import Rules
from syncline.merge.window import Window
from syncline.model.change import Change, Verdict
from syncline.model.codec import encode_row
from syncline.model.conflict import Conflict
from syncline.model.entry import Entry, Kind
from syncline.model.errors import PeerError, PeerUnreachable, UsageError
from syncline.model.schema import Collection
from syncline.model.schema import Kind as ColumnKind
from syncline.model.stamp import NOBODY, Offset
from syncline.model.value import ABSENT, Key, Row, Value, pad, show

Report = dict[str, Any]


async def decide(
    engine: Engine, live: Sequence[Session], name: str, take: str | None, sets: Mapping[str, Value], by: str
) -> Report:
    """Settle the conflict of this name: take a side, or set fields. `live`: who can be read; `by`: who says so."""
    encode_row(tuple(sets.values()))  # refuse here what the log could not carry
    change, conflict = await _find(engine, name)
    named = partial(engine.state.names.of, offset=parse_id(name)[0])
    collection = engine.plan.collections.get(change.collection)
    if collection is None:
        raise UsageError(f"{change.collection} is not configured any more", hint="put it back to settle its conflicts")
    chosen, whole = _chosen(conflict, take, collection, named)
    _require_fit(collection, engine.plan.book[collection.name], conflict, sets, taken=take is not None)
    told: Report = {"settles": [name], "take": take or "", "set": {one: show(value) for one, value in sets.items()}, "by": by}
    reopened = name not in engine.state.open
    told |= {"reopened": True} if reopened else {}
    sessions = [session for session in live if collection.name not in session.sends_only]
    if not sessions:
        raise PeerUnreachable("no peer is live, so the row cannot be read", hint="start the hub, or bring a peer back")
    await _require_values(sessions, collection, chosen, sets)
    reference = min(sessions, key=lambda session: collection.name in session.receives_only)
    with pinned(engine.window, engine.state.peer(reference.name).captured):
        row = await _read(reference, collection, change.key)

        def build(offset: Offset) -> list[Entry]:
            if not reopened and name not in engine.state.open:
                raise UsageError(f"conflict {name} was settled meanwhile", hint=f"see 'syncline conflicts show {name}'")
            after = _decided(engine.window, collection, change.key, row, chosen, sets, whole=whole)
            entry = Entry(offset, Kind.SETTLE, NOBODY, time=engine.clock.now(), changes=(after,), body=told)
            engine.window.replay(entry)
            return [entry]

        made = await engine.ingest.command(build)
    settled = {"settled": name, "offset": made[0].offset, "collection": change.collection, "key": key_list(change.key)}
    return settled | {"reopened": reopened}


async def _find(engine: Engine, name: str) -> tuple[Change, Conflict]:
    offset, row, place = parse_id(name)
    async with closing(engine.log.read_notes(offset - 1)) as notes:
        async for entries in notes:
            for entry in entries:
                if entry.offset == offset:
                    for change, conflict, where in conflicts_in(entry):
                        if where == (row, place):
                            return change, conflict
            break
    raise UsageError(f"there is no conflict {name}", hint="see 'syncline conflicts list --all'")


async def _read(reference: Session, collection: Collection, key: Key) -> Row | None:
    """The row as this peer has it, once the log has all that the peer wrote before."""
    chunk = await reference.peer.rows(collection, [key])
    if not await reference.wait_captured(chunk.position):
        raise PeerUnreachable("the peer went away while its row was read", peer=reference.name, hint="try again")
    return dict(chunk.rows).get(key)


def _require_fit(collection: Collection, rules: Rules, conflict: Conflict, sets: Mapping[str, Value], *, taken: bool) -> None:
    """Refuse values that the columns or their policies could not hold, and a decision that leaves the contested field out."""
    if conflict.field and not taken and conflict.field not in sets:
        hint = f"add --set {conflict.field}=VALUE, or --take one of the sides"
        raise UsageError(f"this conflict is about {conflict.field}, which is not set", collection=collection.name, hint=hint)
    for place, name in enumerate(collection.columns):
        kind = collection.kinds[place] if place < len(collection.kinds) else ColumnKind.ANY
        numeric = kind is ColumnKind.INTEGER or rules.policies[place].delta
        if name in sets and numeric and not isinstance(sets[name], int | None):
            what = f"{name} holds whole numbers, not {show(sets[name])}"
            raise UsageError(what, collection=collection.name, hint="give a number, or NULL")
        if name in sets and kind in (ColumnKind.REAL, ColumnKind.DECIMAL) and isinstance(sets[name], str | bytes):
            raise UsageError(f"{name} holds numbers, not {show(sets[name])}", collection=collection.name, hint="give a number")


async def _require_values(
    sessions: Sequence[Session], collection: Collection, chosen: Row | None, sets: Mapping[str, Value]
) -> None:
    """Refuse NULL where some peer's column does not take it: everyone who is to have it would park the row."""
    decided = dict(zip(collection.columns, chosen, strict=False)) if chosen is not None else {}
    empty = [name for name, value in (decided | dict(sets)).items() if value is None and name not in collection.key]
    for session in sessions if empty else ():
        try:
            table = (await session.peer.inspect()).get(collection.table_at(session.name))
        except PeerError:  # it went away; what it does not take is parked there
            continue
        columns = [table.column(name) for name in empty] if table is not None else []
        refused = next((column for column in columns if column is not None and not column.nullable), None)
        if refused is not None:
            what, hint = f"{refused.name} cannot be NULL", f"give it a value: --set {refused.name}=VALUE"
            raise UsageError(what, why=f"it is NOT NULL at {session.name}", collection=collection.name, hint=hint)


def _chosen(
    conflict: Conflict, take: str | None, collection: Collection, named: Callable[[str], str]
) -> tuple[Row | None, bool]:
    """What a side puts into the row: the contested field, what the sides differ in, or the whole row (or its absence).

    `named`: what a peer is called now; either name says which side.
    """
    if take is None:
        return None, False
    both = (conflict.ours, conflict.theirs)
    sides = {shown_peer(named(side.peer)): side for side in both}
    side = ({shown_peer(side.peer): side for side in both} | sides).get(shown_peer(take))
    if side is None:
        raise UsageError(f"{take} has no side in this conflict", hint=f"sides are {', '.join(sides)}")
    width = len(collection.columns)
    if conflict.field:
        row: list[Value] = [ABSENT] * width
        row[collection.columns.index(conflict.field)] = side.value
        return tuple(row), False
    if conflict.ours.row is None or conflict.theirs.row is None:
        return side.row, True
    other = pad((conflict.theirs if side is conflict.ours else conflict.ours).row or (), width)
    return tuple([ABSENT if mine == its else mine for mine, its in zip(pad(side.row or (), width), other, strict=True)]), False


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
    """The row as it is now with the decision in it. The current row is the window's, or the one that was read."""
    view = window.view(collection.name, key)
    held = view.row if view is not None else row
    if whole and chosen is None and not sets:
        return Change(collection.name, key, held, None, Verdict(correct=True, full=True))
    base = chosen if whole and chosen is not None else held
    if base is None:
        hint = "settle the conflict of its deletion, if there is one, or write the row again at a peer"
        raise UsageError("the row is deleted by now", collection=collection.name, hint=hint)
    after = list(pad(base, len(collection.columns)))
    if chosen is not None and not whole:
        for place, value in enumerate(chosen):
            after[place] = after[place] if value is ABSENT else value
    for name, value in sets.items():
        if name not in collection.columns or name in collection.key:
            raise UsageError(f"{name} is not a field that can be set", collection=collection.name)
        after[collection.columns.index(name)] = value
    return Change(collection.name, key, held, tuple(after), Verdict(correct=True, full=True))
