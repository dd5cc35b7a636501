"""From columns before and after, or from changes, to blocks: what every kind does that captures by columns. Pure.

Rows that only a change by change account can tell (changes of key, a key in several ways) make no blocks: the answer is None.
"""

from collections.abc import Mapping, Sequence
from operator import ne
from typing import Final

from syncline.model.block import Block, Series
from syncline.model.change import Change
from syncline.model.forms import PLAIN, SPELLED
from syncline.model.stamp import Micros
from syncline.model.value import ABSENT, Row

_KINDS_MAX: Final = 8  # sets of changed columns, beyond which blocks would be crumbs

Ages = Sequence[Micros]


def updated(
    name: str, key_places: tuple[int, ...], before: Sequence[Series], after: Sequence[Series], ages: Ages
) -> list[Block] | None:
    """Blocks of updates, one for each set of columns that changed; updates to what was there are left out."""
    if any(after[place].raw != before[place].raw for place in key_places):
        return None
    changed = [place for place, (old, new) in enumerate(zip(before, after, strict=True)) if old.raw != new.raw]
    differs = [_differs(before[place], after[place]) for place in changed]
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


def _differs(before: Series, after: Series) -> list[bool]:
    """Where a column changed. 1.0 and 1.00 are the same: writing it again would undo what others wrote meanwhile."""
    if after.form in SPELLED:
        return list(map(ne, before.values, after.values))
    return list(map(ne, before.raw, after.raw))


def of_changes(
    changes: Sequence[Change], key_places: Mapping[str, tuple[int, ...]], ages: Ages = ()
) -> tuple[Block, ...] | None:
    """Blocks of changes, by the places of the key in each collection's rows. `ages`: of each change, see Block."""
    by_kind: dict[tuple[str, bool, bool], list[int]] = {}
    for place, change in enumerate(changes):
        if change.verdict is not None:
            return None
        by_kind.setdefault((change.collection, change.before is not None, change.after is not None), []).append(place)
    found: list[Block] = []
    for (name, had, has), places in by_kind.items():
        alike = [changes[place] for place in places]
        before = _series([one.before or () for one in alike]) if had else ()
        after = _series([one.after or () for one in alike]) if has else ()
        if before is None or after is None or (had and has and len(before) != len(after)):
            return None
        if not _have_keys(alike, key_places[name], before or after):
            return None
        theirs = tuple([ages[place] for place in places]) if ages else ()
        made = updated(name, key_places[name], before, after, theirs) if had and has else None
        if had and has and made is None:
            return None
        found += [Block(name, key_places[name], before, after, theirs)] if made is None else made
    return tuple(found) if are_apart(found) else None


def _series(rows: Sequence[Row]) -> tuple[Series, ...] | None:
    """The columns of rows; None if they are not equally wide or something in them was not sent."""
    if len(set(map(len, rows))) > 1 or any(ABSENT in row for row in rows):
        return None
    return tuple([Series(PLAIN, column) for column in zip(*rows, strict=True)])


def _have_keys(changes: Sequence[Change], key_places: tuple[int, ...], series: Sequence[Series]) -> bool:
    """Whether the rows hold the keys that the changes name."""
    if max(key_places) >= len(series):
        return False
    return [one.key for one in changes] == list(zip(*[series[place].raw for place in key_places], strict=True))


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
