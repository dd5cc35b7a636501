"""From the images of rows before and after to changes: what every kind does that captures both images. Pure."""

from collections.abc import Sequence
from typing import TypeAlias

from syncline.model.change import Change, Verdict
from syncline.model.value import Key, Row

Item: TypeAlias = Change | tuple[Change, Change] | None  # of one row: a change of key is two, an update to what was there none


def inserted(name: str, keys: Sequence[Key], rows: Sequence[Row]) -> list[Change]:
    """Rows that came."""
    return [Change(name, key, None, row) for key, row in zip(keys, rows, strict=True)]


def deleted(name: str, keys: Sequence[Key], rows: Sequence[Row]) -> list[Change]:
    """Rows that went."""
    return [Change(name, key, row, None) for key, row in zip(keys, rows, strict=True)]


def updated(name: str, keys: Sequence[Key], new_keys: Sequence[Key], rows: Sequence[Row], news: Sequence[Row]) -> list[Item]:
    """Rows that changed, each with its keys before and after."""
    if new_keys == keys:
        pairs = zip(keys, rows, news, strict=True)
        return [Change(name, key, row, new) if row != new else None for key, row, new in pairs]
    everything = zip(keys, new_keys, rows, news, strict=True)
    return [_item(name, key, new_key, row, new) for key, new_key, row, new in everything]


def moved(name: str, old_key: Key, new_key: Key, before: Row, after: Row) -> tuple[Change, Change]:
    """A change of key: its two halves know each other."""
    gone = Change(name, old_key, before, None, Verdict(moved=new_key))
    return gone, Change(name, new_key, None, after, Verdict(moved=old_key))


def _item(name: str, key: Key, new_key: Key, row: Row, new: Row) -> Item:
    if key != new_key:
        return moved(name, key, new_key, row, new)
    return Change(name, key, row, new) if row != new else None


def flat(items: Sequence[Item]) -> list[Change]:
    """All changes of some rows, in order."""
    found: list[Change] = []
    for item in items:
        if type(item) is Change:
            found.append(item)
        elif item is not None:
            found += item  # type: ignore[arg-type]
    return found
