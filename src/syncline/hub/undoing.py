"""Past repairs, as the log still has them; and what takes one of them back."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec

from syncline.compare.explained import fits
from syncline.compare.repair import LONG_AGO, Outcome, Told, leave, take_back
from syncline.hub.moments import when
from syncline.hub.telling import Decide, Rows
from syncline.model.change import Change
from syncline.model.entry import Entry, Kind
from syncline.model.errors import UsageError
from syncline.model.schema import Collection
from syncline.model.stamp import Micros, Offset
from syncline.model.value import Key, Row

Report = dict[str, Any]


class Memory(msgspec.Struct):
    """What is known of one key: each peer's row before the repair and after it, and what the log had told before."""

    stood: dict[str, Row | None]
    before: Told | None
    everyone: list[Row | None] = []  # the row that was sent to everyone, if one was
    alone: dict[str, Row | None] = {}  # what was sent to one peer

    def expected(self, peer: str, row: Row | None) -> Row | None:
        """The row that the repair left at a peer; where it did nothing, what was there, or else `row`."""
        if peer in self.alone:
            return self.alone[peer]
        return self.everyone[0] if self.everyone else self.stood.get(peer, row)


class Past(msgspec.Struct):
    """A repair that was made."""

    id: Offset
    time: Micros
    policy: str
    undoes: Offset = 0
    by: str = ""  # who ordered it; '' where an older entry does not say
    offsets: set[Offset] = set()
    keys: dict[str, dict[Key, Memory]] = {}

    def take(self, entry: Entry) -> None:
        """Take in one of its entries."""
        body = entry.body or {}
        self.offsets.add(entry.offset)
        for place, change in enumerate(entry.changes):
            self._take(entry, change, dict(zip(body["peers"], body["stood"][place], strict=True)), body["told"][place])

    def _take(self, entry: Entry, change: Change, stood: dict[str, Any], told: list[Any]) -> None:
        rows = {peer: None if row is None else tuple(row) for peer, row in stood.items()}
        before = Told(None if told[0] is None else tuple(told[0]), LONG_AGO) if told else None
        memory = self.keys.setdefault(change.collection, {}).setdefault(change.key, Memory(rows, before))
        if entry.to:
            memory.alone[entry.to] = change.after
        else:
            memory.everyone = [change.after]

    def report(self) -> Report:
        """For people and programs."""
        collections = {name: len(keys) for name, keys in self.keys.items()}
        told: Report = {"id": str(self.id), "time": when(self.time), "by": self.by or None, "policy": self.policy}
        told["rows"] = sum(collections.values())
        return told | {"collections": collections, "undoes": str(self.undoes) if self.undoes else None}


async def past_repairs(notes: AsyncIterator[tuple[Entry, ...]], only: Offset = 0) -> list[Past]:
    """The repairs of which the log still has entries, oldest first; `only`: that one, and what took it back."""
    found: dict[Offset, Past] = {}
    async for entries in notes:
        for entry in entries:
            body = entry.body or {}
            if entry.kind is Kind.SETTLE and "stood" in body and only in (0, body["id"], body.get("undoes")):
                id = body["id"]
                past = found.setdefault(id, Past(id, entry.time, body["policy"], body.get("undoes", 0), body.get("by", "")))
                past.take(entry)
    return list(found.values())


async def past_repair(notes: AsyncIterator[tuple[Entry, ...]], id: Offset) -> tuple[Past, list[Past]]:
    """One repair, and those that took it back. Raises UsageError if the log has none of that id."""
    found = {one.id: one for one in await past_repairs(notes, id)}
    if id not in found:
        raise UsageError(f"there is no repair {id}", hint="see 'syncline repair --list'; the log may have let go of it")
    return found.pop(id), list(found.values())


def list_report(found: list[Past]) -> list[Report]:
    """All repairs, with what took each of them back."""
    undone = {one.undoes: str(one.id) for one in found if one.undoes}
    return [one.report() | {"undone_by": undone.get(one.id)} for one in found]


def by_memory(past: Past, back: Sequence[Past] = ()) -> Decide:
    """What takes this repair back, for rows that nobody changed since. `back`: the repairs that took it back already."""

    def decide(collection: Collection, key: Key, rows: Rows, told: Told | None) -> Outcome:
        memory = past.keys[collection.name][key]
        undone = next((one.id for one in back if told is not None and told.offset in one.offsets), 0)
        if undone:
            return leave(key, rows, f"it was taken back already, by repair {undone}", idle=True)
        if told is None or told.offset not in past.offsets:
            return leave(key, rows, "it was changed since the repair")
        for peer, row in rows.items():
            if not fits(memory.expected(peer, row), row):
                return leave(key, rows, f"{peer} has not, or not any more, the row that the repair made")
        return take_back(collection.name, key, rows, memory.stood, memory.before, told)

    return decide
