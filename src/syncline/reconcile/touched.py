"""Which rows may have changed since they were compared: the log tells. So a proof costs in proportion to change."""

from collections.abc import AsyncIterator, Mapping

from syncline.model.entry import Entry
from syncline.model.limits import TOUCHED_KEYS_MAX
from syncline.model.stamp import Offset
from syncline.model.value import Key

Touched = dict[str, dict[Key, None]]


def touch(found: Touched, entry: Entry, since: Mapping[str, Offset]) -> int:
    """Add the keys of an entry, of those collections that were compared before it; how many changes these are."""
    count = 0
    for block in entry.blocks:
        if entry.offset > since.get(block.collection, entry.offset):
            found.setdefault(block.collection, {}).update(dict.fromkeys(block.keys))
            count += block.count
    for change in () if entry.blocks else entry.changes:
        if entry.offset > since.get(change.collection, entry.offset):
            keys = found.setdefault(change.collection, {})
            keys[change.key] = None
            if change.verdict is not None and change.verdict.moved is not None:
                keys[change.verdict.moved] = None
            count += 1
    return count


async def touched(
    frames: AsyncIterator[tuple[Entry, ...]], since: Mapping[str, Offset], most: int = TOUCHED_KEYS_MAX
) -> AsyncIterator[Touched]:
    """The keys in entries of the log, by collection, after the offset `since` it; in portions of about `most` changes."""
    found: Touched = {}
    count = 0
    async for entries in frames:
        for entry in entries:
            if entry.is_data:
                count += touch(found, entry, since)
        if count >= most:
            yield found
            found, count = {}, 0
    if found:
        yield found
