"""From columns before and after to blocks: what every kind does that captures by columns. Pure.

Rows that only a change by change account can tell (changes of key, a key in several ways) make no blocks: the answer is None.
"""

from collections.abc import Sequence
from operator import ne
from typing import Final

from syncline.model.block import Block, Series
from syncline.model.stamp import Micros

_KINDS_MAX: Final = 8  # sets of changed columns, beyond which blocks would be crumbs

Ages = Sequence[Micros]


def updated(
    name: str, key_places: tuple[int, ...], before: Sequence[Series], after: Sequence[Series], ages: Ages
) -> list[Block] | None:
    """Blocks of updates, one for each set of columns that changed; updates to what was there are left out."""
    if any(after[place].raw != before[place].raw for place in key_places):
        return None
    changed = [place for place, (old, new) in enumerate(zip(before, after, strict=True)) if old.raw != new.raw]
    differs = [list(map(ne, before[place].raw, after[place].raw)) for place in changed]
    if all(map(all, differs)):
        if not changed:
            return []
        news = tuple([one if place in changed else None for place, one in enumerate(after)])
        return [Block(name, key_places, tuple(before), news, tuple(ages))]
    rows: dict[tuple[bool, ...], list[int]] = {}
    for place, mask in enumerate(zip(*differs, strict=True)):
        rows.setdefault(mask, []).append(place)
    if len(rows) > _KINDS_MAX:
        return None
    blocks = []
    for mask, places in rows.items():
        if any(mask):
            kept = {column for column, differ in zip(changed, mask, strict=True) if differ}
            old = tuple([one.take(places) for one in before])
            new = tuple([one.take(places) if column in kept else None for column, one in enumerate(after)])
            blocks.append(Block(name, key_places, old, new, tuple([ages[place] for place in places]) if ages else ()))
    return blocks


def are_apart(blocks: Sequence[Block]) -> bool:
    """Whether blocks of one collection have no key in common."""
    by_name: dict[str, list[Block]] = {}
    for block in blocks:
        by_name.setdefault(block.collection, []).append(block)
    for alike in by_name.values():
        if len(alike) > 1:
            sets = [set(block.keys) for block in alike]
            if sum(map(len, sets)) != len(set().union(*sets)):
                return False
    return True
