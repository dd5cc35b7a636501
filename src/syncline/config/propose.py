"""A first configuration for tables that are already there: which can be synchronised, and which policies suit their columns.

Guesses only what is safe to be wrong about; what would change the meaning of a column (counter, set) is a remark, not a guess.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import msgspec

from syncline.config.read import Scalar
from syncline.config.values import label_of, listed
from syncline.mapping.fit import advise, orphans
from syncline.mapping.plan import plan
from syncline.model.errors import Advice, MissingTable, Problem
from syncline.model.schema import Collection, Kind, Table
from syncline.model.space import CollectionSpec, PeerSpec, PolicySpec, Space

Tables: TypeAlias = Mapping[str, Mapping[str, Table]]  # peer -> table's name -> table

_TEXT_NAMES: Final = re.compile(r"(.*_)?(notes?|comments?|remarks?|description|body|memo)", re.IGNORECASE)
_LATEST_NAMES: Final = re.compile(r"(updated|modified|changed|last_\w+)(_at|_on|_time)?|mtime", re.IGNORECASE)
_COUNT_NAMES: Final = re.compile(
    r"(.*_)?(balance|counts?|counter|stock|quantity|qty|total|points|hits|visits|views|likes)", re.IGNORECASE
)
_SET_NAMES: Final = re.compile(r"(.*_)?(tags|labels|keywords|categories|flags)", re.IGNORECASE)
_TIMES: Final = frozenset({Kind.DATE, Kind.TIMESTAMP, Kind.INSTANT})
_NUMBERS: Final = frozenset({Kind.INTEGER, Kind.DECIMAL})


@dataclass(slots=True)
class Remarks:
    """What the written file says in comments: per collection suggested lines and warnings, and the tables left out with why."""

    suggestions: dict[str, dict[str, str]] = field(default_factory=dict)  # collection -> line of merge -> why
    warnings: dict[str, list[str]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)  # what stands against the tables left out
    advice: list[Advice] = field(default_factory=list)  # values that would be parked


def mapped(tables: Tables) -> dict[str, Collection | list[Problem]]:
    """Every table that some peer has: the collection that it can be, or what stands against it as far as the catalogs tell."""
    names = dict.fromkeys(found for peer in tables.values() for found in peer)
    return {name: _mapped(name, {peer: found.get(name) for peer, found in tables.items()}) for name in names}


def _mapped(name: str, tables: Mapping[str, Table | None]) -> Collection | list[Problem]:
    found = plan(CollectionSpec(name), tables)
    if not isinstance(found, Collection):
        return found
    makes = [table.makes for table in tables.values() if table is not None and table.makes]
    return msgspec.structs.replace(found, makes=makes[0]) if makes else found


def to_make(models: Iterable[Mapping[str, Table]]) -> dict[str, Table]:
    """The tables that a peer which is to be created will have: each as the first of others of its kind has it."""
    made: dict[str, Table] = {}
    for tables in models:
        for name, table in tables.items():
            if table.makes:
                made.setdefault(name, msgspec.structs.replace(table, triggers=(), rows_estimate=0))
    return made


def propose(
    name: str, peers: Iterable[PeerSpec], tables: Tables, refused: Mapping[str, Sequence[Problem]] | None = None
) -> tuple[Space, Remarks]:
    """A space of all tables that every peer has and that can be synchronised, and remarks on the rest.

    `refused`: what the peers themselves have against a table, by its name.
    """
    remarks = Remarks()
    collections: dict[str, CollectionSpec] = {}
    for table, found in mapped(tables).items():
        against = list((refused or {}).get(table, ())) if isinstance(found, Collection) else found
        if isinstance(found, Collection) and not against:
            spec = _collection(found, tables, remarks)
            if spec is not None:
                collections[table] = spec
            continue
        remarks.problems += against
        remarks.left_out[table] = _why_left_out(against)
    for one in orphans(collections, tables):
        remarks.advice.insert(0, one)
        remarks.warnings[str(one.where["collection"])].append(f"{one.what}: {one.why}")
    return Space(name, "sqlite", {peer.name: peer for peer in peers}, collections), remarks


def _why_left_out(problems: Sequence[Problem]) -> str:
    """The first thing that stands against a table, at which peers, and the fix."""
    first = problems[0]
    peers = listed(dict.fromkeys(str(one.where["peer"]) for one in problems if one.what == first.what and "peer" in one.where))
    column = f"column {first.where['column']} " if "column" in first.where else ""
    what = f"not at {peers}" if isinstance(first, MissingTable) else f"{first.what} ({column}at {peers})"
    return f"{what}{f': {first.why}' if first.why else ''}{f'. Fix: {first.hint}' if first.hint else ''}"


def _collection(found: Collection, tables: Tables, remarks: Remarks) -> CollectionSpec | None:
    name = found.name
    if label_of([], Scalar(name, False, 0), "table") is None:
        remarks.left_out[name] = "its name has control characters"
        return None
    remarks.suggestions[name] = _suggestions(found)
    here = {peer: held[name] for peer, held in tables.items()}
    advised = list(advise(CollectionSpec(name), here))
    remarks.advice += advised
    narrow = [f"column {one.where['column']} at {one.where['peer']}: {one.what}: {one.why}" for one in advised]
    remarks.warnings[name] = _warnings(found, here) + narrow
    return CollectionSpec(name, key=found.key, merge={"default": PolicySpec("newest"), **_policies(found)})


def _policies(collection: Collection) -> dict[str, PolicySpec]:
    """Policies that lose less than `newest` and cannot surprise."""
    policies = {}
    for column, kind in zip(collection.columns, collection.kinds, strict=True):
        if column in collection.key:
            continue
        if kind is Kind.TEXT and _TEXT_NAMES.fullmatch(column):
            policies[column] = PolicySpec("text")
        elif kind is Kind.JSON:
            policies[column] = PolicySpec("json")
        elif kind in _TIMES and _LATEST_NAMES.fullmatch(column):
            policies[column] = PolicySpec("max")
    return policies


def _suggestions(collection: Collection) -> dict[str, str]:
    lines = {}
    for column, kind in zip(collection.columns, collection.kinds, strict=True):
        if column in collection.key:
            continue
        if kind in _NUMBERS and _COUNT_NAMES.fullmatch(column):
            lines[column] = "counter"
        elif kind is Kind.TEXT and _SET_NAMES.fullmatch(column):
            lines[column] = "set"
    return lines


def _warnings(collection: Collection, tables: Mapping[str, Table]) -> list[str]:
    found = []
    kinds = dict(zip(collection.columns, collection.kinds, strict=True))
    if len(collection.key) == 1 and kinds[collection.key[0]] is Kind.INTEGER:
        found.append(
            "each peer numbers new rows itself: give each its own range, or use UUIDs, so that no two rows share a key"
        )
    if any(table.uniques for table in tables.values()):
        found.append("a unique constraint holds at each peer alone: a row that breaks it elsewhere is parked there")
    return found
