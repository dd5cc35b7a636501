"""What the log told last of rows, and what a repair makes of copies that differ, given that."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from functools import partial
from types import MappingProxyType
from typing import Final

from syncline.compare.repair import Facts, Outcome, RepairPolicy, Told, leave, propose
from syncline.engine.closing import closing
from syncline.engine.core import Plan
from syncline.hub.pipeline import Readable
from syncline.merge import copies
from syncline.merge.copies import merge_copies, whole
from syncline.model.change import Change, change_of
from syncline.model.entry import Entry
from syncline.model.errors import LogError
from syncline.model.schema import Collection
from syncline.model.space import Direction
from syncline.model.stamp import Micros, Offset
from syncline.model.value import Key, Row

Rows = Mapping[str, Row | None]
_NOTHING: Final[Rows] = MappingProxyType({})
Decide = Callable[[Collection, Key, Rows, Told | None], Outcome]


async def told_of(log: Readable, collection: str, keys: Set[Key], held: Mapping[Key, Rows] | None = None) -> Mapping[Key, Told]:
    """What the log, as far as it is still there, told last of each key; a row that went to one peer alone is no younger.

    `held`: copies of the rows; what the log told is not kept a second time where it is one of them.
    """
    return await LastWords(log, collection, keys, held or {}).found()


class LastWords:
    """What the log told last of some rows. The log is read once; later only what came since."""

    def __init__(self, log: Readable, collection: str, keys: Set[Key], held: Mapping[Key, Rows] = MappingProxyType({})) -> None:
        self._log, self._collection, self._keys, self._held = log, collection, set(keys), held
        self._found: dict[Key, Told] = {}
        self._upto: Offset = 0

    async def found(self) -> Mapping[Key, Told]:
        """The last words by now. What was read before is changed, too."""
        while True:
            floor = self._log.floor
            if floor > self._upto:  # nothing is told of what was trimmed
                self._found.clear()
                self._upto = floor
            try:
                async with closing(self._log.read(self._upto)) as frames:
                    async for entries in frames:
                        for entry in entries:
                            self._take(entry)
                return self._found
            except LogError:
                if self._log.floor == floor:  # else it was trimmed meanwhile
                    raise

    def forget(self, keys: Iterable[Key]) -> None:
        """Nobody asks about these any more."""
        self._keys.difference_update(keys)
        for key in keys:
            self._found.pop(key, None)

    def _take(self, entry: Entry) -> None:
        self._upto = entry.offset
        if not entry.is_data:
            return
        for change, time in _changes(entry, self._collection, self._keys):
            known = self._found.get(change.key)
            age = known.time if entry.to and known is not None else time
            self._found[change.key] = Told(self._once(change.key, whole(change)), age, entry.offset)
        _take_back(entry, self._collection, self._found)

    def _once(self, key: Key, row: Row | None) -> Row | None:
        """The row, or the copy that it is equal to."""
        return next((one for one in self._held.get(key, _NOTHING).values() if one == row), row)


def _take_back(entry: Entry, collection: str, found: dict[Key, Told]) -> None:
    """An undo that leaves peers their own rows: the log's last word is what it was before the repair, if it had one."""
    for change, word in zip(entry.changes, (entry.body or {}).get("words", ()), strict=False):
        if change.collection == collection and change.key in found:
            row = tuple(word[0]) if word and word[0] is not None else None
            found[change.key] = found[change.key]._replace(row=row, known=bool(word))


def _changes(entry: Entry, collection: str, keys: Set[Key]) -> Iterator[tuple[Change, Micros]]:
    """An entry's changes of these keys, and when their values were written. Of blocks, only these rows are made."""
    for block in entry.blocks:
        if block.collection == collection and not keys.isdisjoint(block.keys):
            for place in sorted([place for key in keys & set(block.keys) for place in block.places(key)]):
                yield change_of(block, place), block.time(place, entry.time)
    for change in () if entry.blocks else entry.changes:
        if change.key in keys and change.collection == collection:
            yield change, (change.verdict.time if change.verdict is not None else 0) or entry.time


def silent_of(plan: Plan, collection: str, peers: Iterable[str]) -> Set[str]:
    """Those of the peers that only receive a collection."""
    return {peer for peer in peers if collection in plan.only(peer, Direction.RECEIVE)}


def by_policy(plan: Plan, policy: RepairPolicy) -> Decide:
    """What this policy makes of a key."""

    receive_only: dict[str, Set[str]] = {}  # of a peer: the collections that it only receives

    def is_silent(peer: str, collection: str) -> bool:
        if peer not in receive_only:
            receive_only[peer] = plan.only(peer, Direction.RECEIVE)
        return collection in receive_only[peer]

    def decide(collection: Collection, key: Key, rows: Rows, told: Told | None) -> Outcome:
        if policy.peer not in ("", *rows) and collection.name in plan.only(policy.peer, Direction.SEND):
            return leave(key, rows, f"{policy.peer} only sends: it keeps rows of its own, which are not compared")
        silent = [name for name in rows if is_silent(name, collection.name)]
        merge = partial(_merged, plan, collection.name, key, rows, told, silent)
        return propose(collection.name, key, rows, policy, Facts(told, silent, merge))

    return decide


def _merged(
    plan: Plan, name: str, key: Key, rows: Rows, told: Told | None, silent: Sequence[str], authority: str | None
) -> Change:
    """By the field policies and the collection's own authority, or with this peer's row standing."""
    first = plan.authority.get(name, "") if authority is None else authority
    last = copies.Told(told.row) if told is not None and told.known else None
    return merge_copies(plan.book[name], key, rows, authority=first, told=last, silent=silent)
