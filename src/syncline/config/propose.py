"""A first configuration for tables that are already there: which can be synchronised, and which policies suit their columns.

Guesses only what is safe to be wrong about; what would change the meaning of a column (counter, set) is a remark, not a guess.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from syncline.config.read import Scalar
from syncline.config.secrets import show
from syncline.config.values import label_of, listed
from syncline.mapping.plan import plan
from syncline.model.schema import Collection, Kind, Table
from syncline.model.space import CollectionSpec, PeerSpec, PolicySpec, Space

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


def propose(name: str, peers: Iterable[PeerSpec], tables: Mapping[str, Mapping[str, Table]]) -> tuple[Space, Remarks]:
    """A space of all tables that every peer has and that can be mapped, and remarks on the rest."""
    remarks = Remarks()
    collections: dict[str, CollectionSpec] = {}
    for table in dict.fromkeys(found for peer in tables.values() for found in peer):
        spec = _collection(table, tables, remarks)
        if spec is not None:
            collections[table] = spec
    return Space(name, "sqlite", {peer.name: peer for peer in peers}, collections), remarks


def _collection(name: str, tables: Mapping[str, Mapping[str, Table]], remarks: Remarks) -> CollectionSpec | None:
    absent = [peer for peer, found in tables.items() if name not in found]
    if absent:
        remarks.left_out[name] = f"not at {listed(absent)}"
        return None
    if label_of([], Scalar(name, False, 0), "table") is None:
        remarks.left_out[name] = "its name has control characters"
        return None
    held = {peer: found[name] for peer, found in tables.items()}
    mapped = plan(CollectionSpec(name), held)
    if isinstance(mapped, list):
        remarks.left_out[name] = f"{mapped[0].what}: {mapped[0].why}" if mapped[0].why else mapped[0].what
        return None
    remarks.suggestions[name] = _suggestions(mapped)
    remarks.warnings[name] = _warnings(mapped, held)
    return CollectionSpec(name, key=mapped.key, merge={"default": PolicySpec("newest"), **_policies(mapped)})


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
    loose = [name for name in collection.key if _nullable(name, tables)]
    if loose:
        found.append(f"the key allows NULL in {listed(show(name) for name in loose)}: such rows cannot be synchronised")
    if any(table.uniques for table in tables.values()):
        found.append("a unique constraint holds at each peer alone: a row that breaks it elsewhere is parked there")
    return found


def _nullable(name: str, tables: Mapping[str, Table]) -> bool:
    columns = (table.column(name) for table in tables.values())
    return any(column is not None and column.nullable and column.kind is not Kind.INTEGER for column in columns)
