"""`plan`: what a first run or a join would do: every peer compared with the one whose rows come first. Reads only."""

from collections.abc import AsyncIterator
from typing import Any

from syncline.compare.rows import differing_keys
from syncline.engine.core import Plan
from syncline.engine.state import Stage, State
from syncline.hub.build import Asked
from syncline.hub.records import key_list
from syncline.hub.telling import silent_of
from syncline.mapping.statement import create_table
from syncline.merge.join import merge_join
from syncline.model.key import order
from syncline.model.limits import DIFFERENCES_MAX, SNAPSHOT_ROWS_MAX
from syncline.model.schema import Collection
from syncline.model.space import Space
from syncline.model.value import Key, Row, plain
from syncline.peers.protocol import Peer

Report = dict[str, Any]
Range = tuple[dict[Key, Row], dict[Key, Row]]


async def run(space: Space, asked: Asked, plan: Plan, state: State) -> Report:
    """The report of `plan`. Raises PeerError."""
    peers: dict[str, Report] = {}
    collections: dict[str, Report] = {name: {} for name in plan.collections}
    conflicts: list[Report] = []
    for name in asked.tables:
        record = state.peers.get(name)
        stage = record.stage if record is not None else Stage.NEW
        reference = _reference(asked, plan, state, name)
        role = str(stage) if stage is not Stage.NEW else "joins" if reference else "seed"
        totals = {"rows_to_fill": 0, "rows_to_copy": 0, "differing": 0, "deletes": 0}
        for collection in plan.collections.values():
            counts = dict.fromkeys(totals, 0)
            if role == "joins":
                counts = await _compare(collection, asked, plan, reference, name, conflicts)
            collections[collection.name][name] = counts
            totals = {key: totals[key] + counts[key] for key in totals}
        begins = stage is Stage.NEW and asked.identities[name].empty
        statements = _statements(asked, name) if begins else []
        peers[name] = {"state": role, **totals, "statements": statements}
    return {
        "space": space.name,
        "seed": plan.seed,
        "peers": peers,
        "collections": collections,
        "conflicts": conflicts,
        "conflicts_listed_up_to": DIFFERENCES_MAX,
    }


def _reference(asked: Asked, plan: Plan, state: State, name: str) -> str:
    """The peer whose rows a joining one is compared with: one that is in, else the seed; '' if it is the seed itself."""
    live = [one for one in asked.tables if one != name and one in state.peers and state.peers[one].footing is Stage.LIVE]
    return live[0] if live else plan.seed if plan.seed != name else ""


def _statements(asked: Asked, name: str) -> list[str]:
    """What makes the tables of a peer that begins empty."""
    return [create_table(table.name, table) for table in asked.tables[name].values()]


async def _compare(
    collection: Collection, asked: Asked, plan: Plan, reference: str, name: str, conflicts: list[Report]
) -> dict[str, int]:
    counts = {"rows_to_fill": 0, "rows_to_copy": 0, "differing": 0, "deletes": 0}
    authority = _authority(plan, collection, reference, name)
    async for theirs, mine in _ranges(collection, asked.peers[reference], asked.peers[name]):
        for key in differing_keys([theirs, mine]):
            held, brought = theirs.get(key), mine.get(key)
            if brought is None:
                counts["rows_to_fill"] += 1
            elif held is None:
                counts["rows_to_copy" if authority in ("", name) else "deletes"] += 1
            else:
                counts["differing"] += 1
                _list_conflicts(collection, plan, key, (held, brought), (reference, name), conflicts)
    return counts


def _authority(plan: Plan, collection: Collection, reference: str, name: str) -> str:
    """Whose rows stand: over one that only receives always the others'."""
    return reference if silent_of(plan, collection.name, [name]) else plan.authority.get(collection.name, "")


def _list_conflicts(
    collection: Collection, plan: Plan, key: Key, rows: tuple[Row, Row], sides: tuple[str, str], conflicts: list[Report]
) -> None:
    authority = _authority(plan, collection, *sides)
    merged = merge_join(plan.book[collection.name], key, *rows, sides[1], authority=authority)
    for one in merged.verdict.conflicts if merged.verdict else ():
        if len(conflicts) < DIFFERENCES_MAX:
            place = collection.columns.index(one.field)
            conflicts.append(
                {
                    "collection": collection.name,
                    "key": key_list(key),
                    "field": one.field,
                    "rule": one.rule,
                    "peers": {sides[0]: plain(one.ours.value), sides[1]: plain(one.theirs.value)},
                    "outcome": plain((merged.after or ())[place]),
                    "open": one.open,
                }
            )


async def _ranges(collection: Collection, seed: Peer, other: Peer) -> AsyncIterator[Range]:
    after: Key | None = None
    while True:
        theirs = await seed.chunk(collection, after, SNAPSHOT_ROWS_MAX)
        upto = None if theirs.done else theirs.last
        mine = await other.chunk(collection, after, SNAPSHOT_ROWS_MAX, upto)
        rows = theirs.rows
        if not mine.done and mine.last is not None:
            upto = mine.last
            end = order(upto)
            rows = tuple(pair for pair in rows if order(pair[0]) <= end)
        yield dict(rows), dict(mine.rows)
        if upto is None:
            return
        after = upto
