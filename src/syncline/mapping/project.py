"""Projection: what the entries of a batch mean for one peer, folded per key and grouped for wide statements. Pure."""

from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import suppress
from functools import lru_cache
from operator import itemgetter, ne

import msgspec

from syncline.mapping.bulk import rest_of, whole_blocks, writes_of
from syncline.model.change import Change
from syncline.model.entry import DATA_KINDS, Entry, Kind
from syncline.model.schema import Collection as Shape
from syncline.model.value import ABSENT, Key, Row, Value, changed_fields
from syncline.model.write import Batch, Op, Write


class Target(msgspec.Struct, frozen=True):
    """A peer to project for: its name, the collections' shapes, which columns are counters, what it does not receive."""

    peer: str
    shapes: Mapping[str, Shape]
    counters: Mapping[str, frozenset[int]]
    refuses: frozenset[str] = frozenset()  # collections it only sends


class Difference(msgspec.Struct):
    """Several updates of one key folded: the fields to set and the increments to add."""

    sets: dict[int, Value]
    deltas: dict[int, int]


class Full(msgspec.Struct):
    """The whole row, or None: the row must not be there."""

    row: Row | None


Effect = Change | Difference | Full
Effects = dict[Key, Effect]
Updates = dict[tuple[tuple[int, ...], tuple[int, ...]], list[tuple[Key, Row]]]  # by the fields to set and to add to


def project(entries: Sequence[Entry], target: Target, blocked: Set[tuple[str, Key]] = frozenset()) -> Batch:
    """The writes of a run of entries at one peer. `blocked` keys wait behind a parked row and are left out.

    The origin gets nothing of its own plain changes, the full outcome of corrected ones; the others get the difference.
    """
    effects: dict[str, Effects] = {name: {} for name in target.shapes if name not in target.refuses}
    upto = rows = 0
    fingerprint = ""
    peer, held = target.peer, bool(blocked)
    received = {name: target.shapes[name] for name in effects}
    bulk = whole_blocks(entries, peer, received, blocked)
    writes: list[Write] = []
    for name, blocks in list(bulk.items()):
        made = writes_of(blocks, target.shapes[name], target.counters[name])
        if made is None:
            del bulk[name]
        else:
            writes += made
            rows += sum([len(write.keys) for write in made])
    if entries:
        upto, fingerprint = entries[-1].offset, entries[-1].fingerprint
    for entry in entries:
        if (entry.to and entry.to != peer) or entry.kind not in DATA_KINDS:
            continue
        own = entry.peer == peer and entry.kind is Kind.CHANGE
        if own and entry.blocks:
            continue
        for change in rest_of(entry, bulk):
            verdict, key = change.verdict, change.key
            if own and (verdict is None or not verdict.correct):
                continue
            keyed = effects.get(change.collection)
            if keyed is None or (held and (change.collection, key) in blocked):
                continue  # not configured any more, or not for this peer, or not now
            whole = own or bool(entry.to) or (verdict is not None and verdict.full)
            if change.before is None and change.after is None and not whole:
                continue  # a delete of what the log had deleted: a row of that key here is a new one
            earlier = keyed.get(key)
            if earlier is None:
                keyed[key] = Full(change.after) if whole else change
            else:
                keyed[key] = _fold(earlier, change, target.counters[change.collection], whole=whole)
    for name, keyed in effects.items():
        if not keyed:
            continue
        writes += _group(name, keyed, target.shapes[name], target.counters[name])
        rows += len(keyed)
    return Batch(upto, tuple(writes), rows, fingerprint)


def _fold(earlier: Effect, change: Change, counters: frozenset[int], *, whole: bool) -> Effect:
    if whole or change.before is None or change.after is None:
        return Full(change.after)
    later = _difference(change, counters)
    if isinstance(earlier, Change):
        earlier = Full(earlier.after) if earlier.before is None or earlier.after is None else _difference(earlier, counters)
    if isinstance(earlier, Full):
        return Full(change.after)  # the log's whole row at this offset
    sets = earlier.sets | later.sets
    deltas = dict(earlier.deltas)
    for place, delta in later.deltas.items():
        if place in sets:
            sets[place] = change.after[place]
        else:
            deltas[place] = deltas.get(place, 0) + delta
    for place in later.sets:
        deltas.pop(place, None)
    return Difference(sets, deltas)


def _difference(change: Change, counters: frozenset[int]) -> Difference:
    before, after = change.before or (), change.after or ()
    difference = Difference({}, {})
    for place in changed_fields(before, after):
        new = after[place]
        old = before[place] if place < len(before) else ABSENT
        if place in counters and isinstance(new, int) and (old is None or isinstance(old, int)):
            difference.deltas[place] = new - (old or 0)
        else:
            difference.sets[place] = new
    return difference


@lru_cache(maxsize=4096)
def _pick(places: tuple[int, ...]) -> Callable[[Row], Row]:
    if len(places) == 1:
        place = places[0]
        return lambda row: (row[place],)
    return itemgetter(*places) if places else lambda _row: ()


def _group(name: str, keyed: Effects, shape: Shape, counters: frozenset[int]) -> list[Write]:
    removed: list[Key] = []
    upserts: dict[tuple[int, ...], list[tuple[Key, Row]]] = {}
    updates: Updates = {}
    plain: dict[tuple[bool, ...], list[Change]] = {}  # by which fields differ
    everything = tuple(range(len(shape.columns)))
    for key, effect in keyed.items():
        if type(effect) is Change and effect.before is not None and effect.after is not None:
            if len(effect.before) == len(effect.after):
                plain.setdefault(tuple(map(ne, effect.before, effect.after)), []).append(effect)
            else:
                _plain_update(updates, effect, changed_fields(effect.before, effect.after), counters)
            continue
        match effect:
            case Difference(sets, deltas):
                if sets or deltas:
                    values = (*sets.values(), *deltas.values())
                    updates.setdefault((tuple(sets), tuple(deltas)), []).append((key, values))
                continue
            case Full(row):
                after = row
            case Change(after=after):
                pass
        if after is None:
            removed.append(key)
        else:
            places = everything if ABSENT not in after and len(after) == len(everything) else _present(after)
            upserts.setdefault(places, []).append((key, after if places is everything else _pick(places)(after)))
    for differs, changes in plain.items():
        _plain_updates(updates, changes, tuple([place for place, one in enumerate(differs) if one]), counters)
    names = shape.columns
    writes = [Write(Op.DELETE, name, tuple(_sorted(removed)), rows=())] if removed else []
    for (set_places, delta_places), pairs in updates.items():
        keys, rows = _columns(pairs)
        fields, increments = tuple(names[place] for place in set_places), tuple(names[place] for place in delta_places)
        writes.append(Write(Op.UPDATE, name, keys, fields, increments, rows))
    for places, pairs in upserts.items():
        keys, rows = _columns(pairs)
        writes.append(Write(Op.UPSERT, name, keys, tuple(names[place] for place in places), (), rows))
    return writes


def _plain_updates(updates: Updates, changes: list[Change], places: tuple[int, ...], counters: frozenset[int]) -> None:
    """Updates that differ in the same fields."""
    if not places:
        return
    if counters.isdisjoint(places):
        rows = map(_pick(places), [change.after or () for change in changes])
        updates.setdefault((places, ()), []).extend(zip([change.key for change in changes], rows, strict=True))
        return
    for change in changes:
        _plain_update(updates, change, places, counters)


def _plain_update(updates: Updates, change: Change, places: tuple[int, ...], counters: frozenset[int]) -> None:
    if places and not counters.isdisjoint(places):
        difference = _difference(change, counters)
        sets, deltas = difference.sets, difference.deltas
        updates.setdefault((tuple(sets), tuple(deltas)), []).append((change.key, (*sets.values(), *deltas.values())))
    elif places:
        updates.setdefault((places, ()), []).append((change.key, _pick(places)(change.after or ())))


def _present(row: Row) -> tuple[int, ...]:
    return tuple(place for place, value in enumerate(row) if value is not ABSENT)


def _columns(pairs: list[tuple[Key, Row]]) -> tuple[tuple[Key, ...], tuple[Row, ...]]:
    with suppress(TypeError):  # keys of mixed kinds stay in log order
        pairs.sort(key=itemgetter(0))  # neighbouring keys share pages
    keys, rows = zip(*pairs, strict=True)
    return keys, rows


def _sorted(keys: list[Key]) -> list[Key]:
    try:
        return sorted(keys)
    except TypeError:
        return keys
