"""Projection of blocks: what they mean for a peer, by columns, where nothing has to be folded row by row. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from itertools import repeat
from operator import sub

from syncline.model.block import Block, Series, concatenated
from syncline.model.blocks import of_changes
from syncline.model.change import Change, changes_of
from syncline.model.entry import Entry, Kind
from syncline.model.forms import PLAIN
from syncline.model.schema import Collection as Shape
from syncline.model.value import Key
from syncline.model.write import Op, Write


class Wheres:
    """The keys of a block, each with its collection. Who asks for one of them can ask the block instead."""

    def __init__(self, block: Block) -> None:
        self.block = block

    def __iter__(self) -> Iterator[tuple[str, Key]]:
        return zip(repeat(self.block.collection), self.block.keys, strict=False)


Blocks = dict[str, list[Block]]
Parts = dict[str, list[Block | list[Change]]]


def whole_blocks(entries: Sequence[Entry], peer: str, shapes: Mapping[str, Shape], blocked: Set[tuple[str, Key]]) -> Blocks:
    """By collection: the blocks for a peer, where they are all that these entries have of it, and no key is `blocked`.

    Plain changes that stand between blocks become blocks of their own: a few of them must not make all others be looked at.
    """
    found: Parts = {}
    mixed: set[str] = set()
    for entry in entries:
        if entry.to and entry.to != peer:
            continue
        if entry.blocks:
            if entry.peer != peer:
                for block in entry.blocks:
                    found.setdefault(block.collection, []).append(block)
        elif entry.is_data:
            for change in entry.changes:
                if change.verdict is None and entry.kind is Kind.CHANGE and not entry.to:
                    if entry.peer != peer:
                        _add(found, change)
                elif change.verdict is not None or entry.peer != peer:
                    mixed.add(change.collection)
    made: Blocks = {}
    for name, parts in found.items():
        if name not in mixed and name in shapes and any(isinstance(part, Block) for part in parts):
            blocks = _as_blocks(parts, shapes[name])
            if blocks is not None and not (blocked and _holds(blocks, blocked)):
                made[name] = blocks
    return made


def _add(found: Parts, change: Change) -> None:
    parts = found.setdefault(change.collection, [])
    if not parts or isinstance(parts[-1], Block):
        parts.append([])
    parts[-1].append(change)  # type: ignore[union-attr]


def _as_blocks(parts: Sequence[Block | list[Change]], shape: Shape) -> list[Block] | None:
    blocks: list[Block] = []
    for part in parts:
        more = (part,) if isinstance(part, Block) else of_changes(part, {shape.name: shape.key_places})
        if more is None:
            return None
        blocks += more
    return blocks


def _holds(blocks: Sequence[Block], blocked: Set[tuple[str, Key]]) -> bool:
    """Whether a key of theirs is among these."""
    return any(not blocked.isdisjoint(Wheres(block)) for block in blocks)


def rest_of(entry: Entry, taken: Mapping[str, object]) -> Iterable[Change]:
    """The changes of an entry without those of collections that are taken."""
    if not entry.blocks:
        return [change for change in entry.changes if change.collection not in taken] if taken else entry.changes
    return [change for block in entry.blocks if block.collection not in taken for change in changes_of(block)]


def writes_of(blocks: Sequence[Block], shape: Shape, counters: frozenset[int]) -> list[Write] | None:
    """What to write, or None if rows have to be folded one by one."""
    kinds: dict[tuple[bool, bool, tuple[int, ...], int, tuple[str, ...]], list[Block]] = {}
    keys = [key for block in blocks for key in block.keys]
    distinct = len(set(keys)) == len(keys)
    for block in blocks:
        forms = tuple([one.form for one in block.after if one]) if distinct else ()  # so that none is read for another's sake
        kinds.setdefault((bool(block.before), bool(block.after), block.differs, len(block.after), forms), []).append(block)
    if not distinct and (len(kinds) > 1 or not blocks[0].is_update):
        return None
    writes: list[Write] = []
    for (had, has, differs, width, _), alike in kinds.items():
        if not has:
            write = _write(Op.DELETE, shape, alike, ())
        elif not had:
            write = _write(Op.UPSERT, shape, alike, tuple(range(width)))
        elif not differs:
            continue
        else:
            updates = _updates(shape, alike, differs, counters, distinct=distinct)
            if updates is None:
                return None
            write = updates
        writes.append(write)
    return writes


def _write(op: Op, shape: Shape, blocks: Sequence[Block], places: tuple[int, ...]) -> Write:
    """Deletes or upserts."""
    wanted = places or blocks[0].key_places
    series = [concatenated([block.present(place) for block in blocks]) for place in wanted]
    order = _order([key for block in blocks for key in block.keys])
    fields = tuple([shape.columns[place] for place in places])
    return Write.of_series(
        op,
        shape.name,
        _taken(series, order),
        fields,
        key_places=tuple(map(wanted.index, blocks[0].key_places)),
        fresh=op is Op.UPSERT,
    )


def _updates(
    shape: Shape, blocks: Sequence[Block], differs: tuple[int, ...], counters: frozenset[int], *, distinct: bool
) -> Write | None:
    key_places = blocks[0].key_places
    keys = [key for block in blocks for key in block.keys]
    sets = tuple([place for place in differs if place not in counters])
    adds = tuple([place for place in differs if place in counters])
    deltas: list[Sequence[int]] = []
    for place in adds:
        found = _deltas(blocks, place)
        if found is None:
            return None
        deltas.append(found)
    last: Sequence[int] = range(len(keys))
    if not distinct:
        last = list(dict(zip(keys, last, strict=True)).values())
        deltas = [_summed(keys, one, last) for one in deltas]
    else:
        deltas = [list(one) for one in deltas]
    order = _order([keys[place] for place in last])
    places = [last[place] for place in order] if order is not None else last
    taken = None if isinstance(places, range) else places
    series = [concatenated([block.present(place) for block in blocks]) for place in (*key_places, *sets)]
    added = [Series(PLAIN, [one[place] for place in order] if order is not None else one) for one in deltas]
    fields, names = tuple([shape.columns[one] for one in sets]), tuple([shape.columns[one] for one in adds])
    parts = tuple(range(len(key_places)))
    return Write.of_series(Op.UPDATE, shape.name, (*_taken(series, taken), *added), fields, names, key_places=parts)


def _deltas(blocks: Sequence[Block], place: int) -> list[int] | None:
    """What was added to a counter, row by row; None if something there is no number."""
    found: list[int] = []
    for block in blocks:
        old, new = block.before[place].values, block.present(place).values
        if set(map(type, old)) != {int} or set(map(type, new)) != {int}:
            return None
        found += map(sub, new, old)
    return found


def _summed(keys: Sequence[Key], deltas: Sequence[int], last: Sequence[int]) -> list[int]:
    """The sums by key, in the order of each key's last row."""
    sums: dict[Key, int] = {}
    get = sums.get
    for key, delta in zip(keys, deltas, strict=True):
        sums[key] = get(key, 0) + delta
    return [sums[keys[place]] for place in last]


def _order(keys: Sequence[Key]) -> list[int] | None:
    """Places in the order of the keys, since neighbouring keys share pages; None: as they are."""
    with suppress(TypeError):  # keys of mixed kinds stay in log order
        order = sorted(range(len(keys)), key=keys.__getitem__)
        return order if order != list(range(len(keys))) else None
    return None


def _taken(series: Sequence[Series], places: Sequence[int] | None) -> tuple[Series, ...]:
    return tuple(series) if places is None else tuple([one.take(places) for one in series])
