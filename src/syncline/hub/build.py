"""From a configuration to what the engine runs: peers asked, collections planned, rules built. All problems at once."""

import asyncio
import importlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from collections.abc import Collection as Collected
from dataclasses import dataclass, field, replace

import msgspec

from syncline.config.load import address_now
from syncline.engine.core import Plan
from syncline.engine.identity import require_free, require_there, session_mark
from syncline.engine.state import PeerRecord, State
from syncline.hub.waiting import waiting
from syncline.mapping.fit import advise, orphans
from syncline.mapping.plan import outline
from syncline.merge.policy import Rules
from syncline.merge.rules_build import build_rules
from syncline.model.errors import Advice, ConfigError, PeerError, Problem, UsageError
from syncline.model.schema import Collection, Table
from syncline.model.space import CollectionSpec, Direction, Space
from syncline.model.words import counted
from syncline.peers.protocol import Identity, Peer
from syncline.peers.registry import open_peer


@dataclass
class Asked:
    """What the peers answered."""

    peers: dict[str, Peer]
    identities: dict[str, Identity] = field(default_factory=dict)
    tables: dict[str, dict[str, Table]] = field(default_factory=dict)
    failed: dict[str, PeerError] = field(default_factory=dict)


def load_custom(path: str) -> Callable[..., object]:
    """The function behind `module:function` or `python:module:function`. Raises UsageError."""
    module, _, name = path.removeprefix("python:").partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageError(f"cannot load {path}", why=str(error), hint="write python:module:function") from error
    if not callable(found):
        raise UsageError(f"{path} is not a function", hint="write python:module:function")
    return found  # type: ignore[no-any-return]


async def ask(space: Space, state: State | None = None) -> Asked:
    """Connect to every peer and read its catalog. Peers that cannot be opened or reached are listed, not raised.

    `state`: what the log knows; where it knows a peer, that one is not there unless something is.
    """
    records = {} if state is None else state.peers
    asked = Asked({})
    for name in space.peers:
        try:
            asked.peers[name] = open_peer(name, address_now(space, name), captures=space.hears(name))
        except PeerError as error:
            asked.failed[name] = error

    async def one(name: str, peer: Peer) -> None:
        try:
            identity = await peer.connect()
            require_there(records.get(name, PeerRecord(name)), identity)
            asked.identities[name] = identity
            asked.tables[name] = await peer.inspect()
        except PeerError as error:
            asked.failed[name] = error

    await asyncio.gather(*(one(name, peer) for name, peer in asked.peers.items()))
    asked.tables = {name: asked.tables[name] for name in space.peers if name in asked.tables}  # whoever answered first
    for name in (name for name in asked.tables if asked.identities[name].empty):
        asked.tables[name] = _tables_to_make(space, asked, name)
    return asked


def _tables_to_make(space: Space, asked: Asked, name: str) -> dict[str, Table]:
    """The tables that a peer which begins empty will have: each as the first other peer of its kind has it."""
    kind = asked.peers[name].features.kind
    models = [one for one in asked.tables if not asked.identities[one].empty and asked.peers[one].features.kind == kind]
    made: dict[str, Table] = {}
    for spec in space.collections.values():
        found = (asked.tables[one].get(spec.at.get(one, spec.name)) for one in models)
        model = next((table for table in found if table is not None and table.makes), None)
        if model is not None:
            place = spec.at.get(name, spec.name)
            made[place] = msgspec.structs.replace(model, name=place, triggers=(), rows_estimate=0)
    return made


def failures(space: Space, asked: Asked, state: State) -> dict[str, PeerError]:
    """The peers that cannot take part now, with the reason: they could not be asked, or another space holds them."""
    found = dict(asked.failed)
    for name, identity in asked.identities.items():
        try:
            require_free(state.peers.get(name, PeerRecord(name)), identity, session_mark(space.name, ""))
        except PeerError as error:
            found.setdefault(name, error)
    return found


class Renewal:
    """What a session connects to: the peer that it has, or another one where a secret file holds another secret since."""

    def __init__(self, space: Space, name: str) -> None:
        self._space, self._url = space, address_now(space, name)

    def __call__(self, peer: Peer) -> Peer:
        url = address_now(self._space, peer.name)
        if url == self._url:
            return peer
        fresh = open_peer(peer.name, url, captures=self._space.hears(peer.name))
        self._url = url
        return fresh


async def dismiss(asked: Asked) -> None:
    """Close what `ask` opened."""
    await asyncio.gather(*(peer.close() for peer in asked.peers.values()))


def build_plan(space: Space, asked: Asked, known: Mapping[str, Sequence[str]]) -> tuple[Plan, list[Problem]]:
    """The engine's plan, and everything that stands against it. `known` are the columns as the log has them so far."""
    plan, problems, _ = _planned(space, asked, known)
    return plan, problems


def _planned(
    space: Space, asked: Asked, known: Mapping[str, Sequence[str]]
) -> tuple[Plan, list[Problem], dict[str, Collection]]:
    """See build_plan; and the collections against which something stands, where they can be told well enough to ask peers."""
    problems: list[Problem] = []
    collections: dict[str, Collection] = {}
    spoiled: dict[str, Collection] = {}
    book: dict[str, Rules] = {}
    for name, spec in space.collections.items():
        tables = _settled_columns(
            {peer: found.get(spec.at.get(peer, name)) for peer, found in asked.tables.items()}, known, name
        )
        planned, found = outline(spec, tables)
        problems += found
        if not any(tables.values()):
            continue
        collection = _in_log_order(planned, known.get(name, ()), problems)
        at = {peer: table for peer, table in spec.at.items() if table != name}  # also of peers that come later
        made = [table.makes for table in tables.values() if table is not None and table.makes]  # for whoever begins empty
        makes = made[0] if made else ()
        collection = msgspec.structs.replace(collection, tables={**at, **collection.tables}, makes=makes)
        rules = build_rules(spec, collection, tuple(space.peers), load_custom)
        if isinstance(rules, list):
            problems += rules
        if isinstance(rules, list) or found:
            if set(collection.key) <= set(collection.columns):
                spoiled[name] = collection
            continue
        collections[name], book[name] = collection, rules
    for problem in problems:
        problem.file = problem.file or space.path
    specs = space.collections.values()
    plan = Plan(
        collections=collections,
        book=book,
        seed=_seed(space, asked),
        directions={spec.name: {peer: spec.direction_at(peer) for peer in space.peers} for spec in specs},
        authority={spec.name: spec.authority for spec in specs if spec.authority},
    )
    return plan, problems, spoiled


def _settled_columns(
    tables: Mapping[str, Table | None], known: Mapping[str, Sequence[str]], name: str
) -> dict[str, Table | None]:
    """The tables without the columns that only some peers have got so far: a running collection takes them in once all have."""
    present = [table for table in tables.values() if table is not None]
    if name not in known or not present:
        return dict(tables)
    common = set.intersection(*({column.name for column in table.columns} for table in present)) | set(known[name])
    return {
        peer: table and msgspec.structs.replace(table, columns=tuple(one for one in table.columns if one.name in common))
        for peer, table in tables.items()
    }


def waiting_columns(
    space: Space, tables: Mapping[str, Mapping[str, Table]], known: Mapping[str, Sequence[str]]
) -> list[Problem]:
    """Columns of running collections that only some peers have so far (`tables`: by peer, then name); see waiting."""
    held: dict[str, dict[str, Table | None]] = {}
    for name, spec in space.collections.items():
        held[name] = {peer: found.get(spec.at.get(peer, name)) for peer, found in tables.items()}
    return waiting(held, known)


def advice(space: Space, asked: Asked) -> list[Problem]:
    """Automatic repair, if it is on; parent tables that are no collections; columns that cannot hold some of others' values.

    Nothing is stopped by it.
    """
    found: list[Problem] = [*_repairs_itself(space), *orphans(space.collections, asked.tables)]
    for name, spec in space.collections.items():
        tables = {peer: tables.get(spec.at.get(peer, name)) for peer, tables in asked.tables.items()}
        found += advise(spec, {peer: table for peer, table in tables.items() if table is not None})
    for one in found:
        one.file = space.path
    return found


def _repairs_itself(space: Space) -> list[Problem]:
    """That drift is repaired without asking, and which."""
    spec = space.verify.repair
    if spec is None:
        return []
    rows = counted(spec.cap, "row")
    what = f"automatic repair is on: {', '.join(spec.classes)} by {spec.policy}, up to {rows} a proof"
    return [Advice(what, hint="if it is not meant, take 'repair' out of 'verify'")]


async def peers_advice(asked: Asked, plan: Plan) -> list[Problem]:
    """What would be better at the peers, but need not be."""
    found: list[Problem] = []
    for name in asked.tables:
        there = [one for one in plan.collections.values() if one.table_at(name) in asked.tables[name]]
        found += [Advice(sentence, peer=name) for sentence in await asked.peers[name].advice(there)]
    return found


async def against(space: Space, asked: Asked, known: Mapping[str, Sequence[str]]) -> tuple[Plan, list[Problem]]:
    """The plan, and everything that stands against it: also what each peer has against its own tables. For every verb alike.

    Of a collection that cannot be planned, a peer tells only what the plan does not: rights, triggers and the like.
    """
    plan, problems, spoiled = _planned(space, asked, known)
    for name in (name for name in space.peers if name in asked.tables):
        there = [one for one in (*plan.collections.values(), *spoiled.values()) if one.table_at(name) in asked.tables[name]]
        told = await asked.peers[name].check(there)
        problems += [one for one in told if one.where.get("collection") not in spoiled or type(one) is Problem]
    return plan, problems


async def agreed(
    space: Space,
    asked: Asked,
    known: Mapping[str, Sequence[str]],
    members: Collected[str],
    changed: Callable[[], Awaitable[Collected[str]]],
    *,
    check: bool,
) -> tuple[Plan, list[Problem]]:
    """The plan of a space that may have run before, and what stands against it.

    A table that changed at a peer that took part before (one of `members`), of a collection that the log knows, is that peer's
    session's business: the space is planned without it, the session tells what changed there, and the others go on. `changed`
    finds out who cannot go on; problems alone may name either of two peers that differ. `check`: ask the peers, see `against`.
    """

    async def without(names: Collected[str]) -> tuple[Plan, list[Problem]]:
        tables = {name: tables for name, tables in asked.tables.items() if name not in names}
        rest = replace(asked, tables=tables)
        return await against(space, rest, known) if check else build_plan(space, rest, known)

    plan, problems = await without(())
    if not problems or any(str(one.where.get("collection", "")) not in {"", *known} for one in problems):
        return plan, problems
    named = [name for name in members if any(one.where.get("peer") == name for one in problems)]
    for names in (await changed(), *([name] for name in dict.fromkeys([*named, *members])), named):
        fewer, left = await without(names)
        if not left and len(fewer.collections) == len(space.collections):
            return fewer, []
    return plan, problems


def refuse(problems: Sequence[Problem], space: Space, failed: Sequence[PeerError] = ()) -> None:
    """Raise what stands against the space, if anything does: a ConfigError with all problems, the peers' errors, or a group."""
    errors: list[Exception] = list(failed)
    if problems:
        stand = counted(len(problems), "problem stands", "problems stand")
        errors.append(ConfigError(f"{stand} against running {space.path or space.name}", tuple(problems)))
    if len(errors) > 1:
        raise ExceptionGroup("the space cannot be served", errors)
    if errors:
        raise errors[0]


def _in_log_order(planned: Collection, known: Sequence[str], problems: list[Problem]) -> Collection:
    """Columns keep their places in the log for ever; new ones go to the end."""
    if not known:
        return planned
    gone = [name for name in known if name not in planned.columns]
    for name in gone:
        problems.append(
            Problem(
                f"column {name} is in the log but no longer at the peers",
                collection=planned.name,
                why="rows in the log have it, and peers that come back will bring it",
                hint="put it back, or give the collection a new name to start it anew",
            )
        )
    names = (*known, *(name for name in planned.columns if name not in known))
    kinds = dict(zip(planned.columns, planned.kinds, strict=True))
    ordered = tuple(name for name in names if name in kinds)
    return msgspec.structs.replace(planned, columns=ordered, kinds=tuple(kinds[name] for name in ordered))


def _seed(space: Space, asked: Asked) -> str:
    """Whose rows come first: a declared authority, else the first peer that has any."""
    authorities = [spec.authority for spec in space.collections.values() if spec.authority in asked.tables]
    if authorities:
        return authorities[0]
    for name in space.peers:
        tables = asked.tables.get(name, {})
        if any(_rows(tables, spec, name) for spec in space.collections.values()):
            return name
    return next(iter(asked.tables), next(iter(space.peers)))


def _rows(tables: Mapping[str, Table], spec: CollectionSpec, peer: str) -> int:
    table = tables.get(spec.at.get(peer, spec.name))
    return table.rows_estimate if table is not None and spec.direction_at(peer) is not Direction.RECEIVE else 0
