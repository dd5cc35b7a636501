"""Incidents: drift that was found is told once, with what can be known of its cause, and its end too."""

from collections.abc import Collection, Mapping, Sequence, Set
from typing import Final

from syncline.compare.causes import Cause, Guess, explain, guess
from syncline.engine.closing import closing
from syncline.engine.core import Engine
from syncline.engine.proofs import Proofs
from syncline.engine.state import State
from syncline.hub.moments import when
from syncline.hub.telling import silent_of
from syncline.merge.copies import whole
from syncline.model.codec import decode_row, encode_row
from syncline.model.entry import Kind
from syncline.model.errors import LogError, PeerError
from syncline.model.limits import INCIDENT_KEYS_MAX
from syncline.model.proof import Incident
from syncline.model.value import Key, Row, plain
from syncline.reconcile.verify import Difference

AGAIN: Final = "equal again"  # how most incidents end
LOOKED_AT: Final = 100  # rows of a collection whose history is looked for


class Past:
    """What the log had of a row, oldest first. `undone`: at last, a repair of it was taken back."""

    def __init__(self) -> None:
        self.rows: list[Row | None] = []
        self.undone = False


Told = Mapping[tuple[str, Key], Past]


async def incidents_of(engine: Engine, drifted: Sequence[Difference]) -> list[Incident]:
    """The drift that no open incident has yet, by likely cause."""
    news = unknown(engine.state.proofs, drifted)
    if not news:
        return []
    told = await _told(engine, news)
    cascading = await _cascading(engine, {one.collection for one in news})
    groups: dict[tuple[str, Guess], list[Difference]] = {}
    for one in news:
        past = told.get((one.collection, one.key)) or Past()
        silent, complete = silent_of(engine.plan, one.collection, one.rows), not engine.log.floor
        found = guess(one.rows, past.rows, cascading.get(one.collection, frozenset()), complete=complete, silent=silent)
        found = Guess(Cause.UNDONE, ()) if past.undone else found
        groups.setdefault((one.collection, found), []).append(one)
    return [_incident(engine, collection, found, rows) for (collection, found), rows in groups.items()]


def unknown(proofs: Proofs, drifted: Sequence[Difference]) -> list[Difference]:
    """The drift that no open incident names."""
    known = _known(proofs)
    return [one for one in drifted if (one.collection, encode_row(one.key)) not in known]


def _known(proofs: Proofs) -> set[tuple[str, bytes]]:
    """The rows of open incidents."""
    return {(one.collection, key) for one in proofs.incidents.values() for key in one.keys}


def _incident(engine: Engine, collection: str, found: Guess, rows: Sequence[Difference]) -> Incident:
    why, remedy = explain(found, collection, silent_of(engine.plan, collection, rows[0].rows))
    keys = tuple(encode_row(one.key) for one in rows[:INCIDENT_KEYS_MAX])
    compared = engine.state.proofs.of(collection).compared
    first = min((compared[peer] for peer in rows[0].rows if peer in compared), default=0)
    last, now = engine.state.head, engine.clock.now()
    cause, among = found.cause.value, tuple(rows[0].rows)
    return Incident(collection, found.peers, keys, len(rows), first, last, cause, why, remedy, now, among=among)


async def _told(engine: Engine, drifted: Sequence[Difference]) -> Told:
    """What the log, as far as it is still there, had of the first of these rows, oldest first."""
    wanted: dict[str, set[Key]] = {}
    for one in drifted:
        keys = wanted.setdefault(one.collection, set())
        if len(keys) < LOOKED_AT:
            keys.add(one.key)
    found: dict[tuple[str, Key], Past] = {}
    try:
        async with closing(engine.log.read(engine.log.floor)) as frames:
            async for entries in frames:
                for entry in (entry for entry in entries if entry.is_data):
                    for change in entry.changes:
                        if change.key in wanted.get(change.collection, ()):
                            told = found.setdefault((change.collection, change.key), Past())
                            if not told.rows and entry.kind is Kind.CHANGE:  # a fill tells what was there all the time
                                told.rows.append(change.before)
                            told.rows.append(whole(change))
                            told.undone = "undoes" in (entry.body or {})
    except LogError:  # it was trimmed meanwhile: then there is less to go by
        return found
    return found


async def _cascading(engine: Engine, collections: Collection[str]) -> Mapping[str, Set[str]]:
    """The peers where foreign keys change rows without the log seeing it, by collection."""
    found: dict[str, set[str]] = {}
    for name, session in engine.sessions.items():
        try:
            tables = await session.peer.inspect()
        except PeerError:
            continue
        for collection in collections:
            table = tables.get(engine.plan.collections[collection].table_at(name))
            if table is not None and "cascades" in table.marks:
                found.setdefault(collection, set()).add(name)
    return found


def over(
    incidents: Mapping[str, Incident], state: State, unequal: Mapping[str, Set[bytes]], sure: Mapping[str, Set[str]]
) -> dict[str, str]:
    """Those of the incidents, all of whose keys were looked at, that are over. Nobody who is needed may have been away.

    `unequal`: by collection the keys that are not equal, for whatever reason; `sure`: the peers that were compared.
    """
    return {
        name: AGAIN
        for name, one in incidents.items()
        if one.collection in sure
        and one.is_named
        and unequal[one.collection].isdisjoint(one.keys)
        and needed(one, state) <= sure[one.collection]
    }


def fewer(
    incidents: Mapping[str, Incident], state: State, unequal: Mapping[str, Set[bytes]], sure: Mapping[str, Set[str]]
) -> dict[str, list[bytes]]:
    """Of those of which some rows are equal again, and not all: the keys that are not."""
    found = {
        name: [key for key in one.keys if key in unequal[one.collection]]
        for name, one in incidents.items()
        if one.collection in sure and one.is_named and needed(one, state) <= sure[one.collection]
    }
    return {name: keys for name, keys in found.items() if 0 < len(keys) < len(incidents[name].keys)}


def needed(one: Incident, state: State) -> Set[str]:
    """The peers that have to be equal again: those that were compared, and still take part."""
    return {peer for peer in (one.among or one.peers) if state.peer(peer).holds_window}


def incident_report(one: Incident) -> dict[str, object]:
    """One incident, for every face."""
    keys = [[plain(part) for part in decode_row(key)] for key in one.keys[:10]]
    return {
        "id": one.id,
        "collection": one.collection,
        "peers": list(one.peers),
        "rows": one.count,
        "keys": keys,
        "first": one.first,
        "last": one.last,
        "found_at": when(one.time),
        "cause": one.cause,
        "why": one.why,
        "remedy": one.remedy,
        "open": not one.closed,
        "closed": one.closed or None,
        "how": one.how or None,
    }
