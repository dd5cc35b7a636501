"""Changelog records -> changes, by columns: what a chunk of records says, before rows that were replaced are sorted out.

Pure. A record is (seq, kind, milliseconds, b0, a0, b1, a1...) as the changelog has it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import msgspec

from syncline.model.change import Change, Refusal, Verdict
from syncline.model.stamp import Offset
from syncline.model.value import Key, Row, Value
from syncline.peers.sqlite.convert import as_compared, read_columns
from syncline.peers.sqlite.features import EVENTS, WATERMARK, Event
from syncline.peers.sqlite.layout import Layout

Record: TypeAlias = tuple[object, ...]
HEAD = 3  # seq, kind, milliseconds
_PLAIN = frozenset({Event.INSERT, Event.UPDATE, Event.DELETE})
_REFUSALS = msgspec.msgpack.Decoder(tuple[Refusal, ...])


class Hit(msgspec.Struct, frozen=True, gc=False):
    """A row that stood in the way of `new`. `same_key`: of the same key; else hit through another unique constraint."""

    collection: str
    key: Key
    row: Row
    new: Row
    same_key: bool


class Move(msgspec.Struct, frozen=True, gc=False):
    """An update that changed the key: the row left one and appeared under another."""

    gone: Change
    come: Change


class Mark(msgspec.Struct, frozen=True):
    """A watermark: everything after it was written with the log up to `offset` in place."""

    offset: Offset
    refused: tuple[Refusal, ...]


Item: TypeAlias = Change | Hit | Move | Mark | None  # None: an update that changed nothing


class Piece(msgspec.Struct, frozen=True):
    """Decoded records, side by side. `plain`: there are no hits and moves in it; `marked`: there is a watermark."""

    seqs: Sequence[int]
    millis: Sequence[int]
    items: list[Item]
    plain: bool
    marked: bool
    bytes: int = 0


def decode(records: Sequence[Record], layouts: Mapping[int, Layout], size: int = 0, *, idle: bool = False) -> Piece:
    """Decode a chunk of records, at least one, of about `size` bytes. `idle`: keep updates that changed nothing."""
    columns = list(zip(*records, strict=True))
    seqs, kinds, millis = columns[:HEAD]
    found = set(kinds)
    numbers = {kind // EVENTS for kind in found}
    marked = WATERMARK in found
    plain = all(kind == WATERMARK or kind % EVENTS in _PLAIN for kind in found)
    if len(numbers) == 1 and not marked:
        items = _items(layouts[numbers.pop()], [kind % EVENTS for kind in kinds], columns[HEAD:], idle)
    else:
        items = _mixed(records, kinds, layouts, idle)
    return Piece(seqs, millis, items, plain and Move not in set(map(type, items)), marked, size)


def _mixed(records: Sequence[Record], kinds: Sequence[int], layouts: Mapping[int, Layout], idle: bool) -> list[Item]:
    items: list[Item] = [None] * len(records)
    places: dict[int, list[int]] = {}
    for place, kind in enumerate(kinds):
        if kind == WATERMARK:
            items[place] = _mark(records[place])
        else:
            places.setdefault(kind // EVENTS, []).append(place)
    for number, where in places.items():
        columns = list(zip(*(records[place][HEAD:] for place in where), strict=True))
        for place, item in zip(where, _items(layouts[number], [kinds[p] % EVENTS for p in where], columns, idle), strict=True):
            items[place] = item
    return items


def _mark(record: Record) -> Mark:
    offset, blob = record[HEAD], record[HEAD + 1]
    return Mark(int(str(offset)), _REFUSALS.decode(blob) if isinstance(blob, bytes) else ())


def _items(layout: Layout, events: Sequence[int], columns: Sequence[Sequence[object]], idle: bool) -> list[Item]:
    width = 2 * len(layout.columns)
    old, new = read_columns(columns[0:width:2]), read_columns(columns[1:width:2])
    for place in layout.loose:
        old[place], new[place] = as_compared(old[place]), as_compared(new[place])
    new = [was if was == now else now for was, now in zip(old, new, strict=True)]  # a column that nobody changed, once
    name, places = layout.collection, layout.key_places
    before, after = zip(*old, strict=True), zip(*new, strict=True)
    kinds = set(events)
    if kinds == {Event.INSERT}:
        return [Change(name, key, None, row) for key, row in zip(_keys(new, places), after, strict=True)]
    if kinds == {Event.DELETE}:
        return [Change(name, key, row, None) for key, row in zip(_keys(old, places), before, strict=True)]
    old_keys, new_keys = _keys(old, places), _keys(new, places)
    if kinds == {Event.UPDATE} and old_keys == new_keys:
        return [
            Change(name, key, was, now) if idle or was != now else None
            for key, was, now in zip(old_keys, before, after, strict=True)
        ]
    rows = zip(events, old_keys, new_keys, before, after, strict=True)
    return [_item(name, *row, idle) for row in rows]


def _keys(columns: Sequence[Sequence[Value]], places: Iterable[int]) -> list[Key]:
    return list(zip(*(columns[place] for place in places), strict=True))


def _item(name: str, event: int, old_key: Key, new_key: Key, before: Row, after: Row, idle: bool) -> Item:
    match event:
        case Event.INSERT:
            return Change(name, new_key, None, after)
        case Event.DELETE:
            return Change(name, old_key, before, None)
        case Event.UPDATE if old_key == new_key:
            return Change(name, new_key, before, after) if idle or before != after else None
        case Event.UPDATE:
            return moved(name, old_key, new_key, before, after)
        case _:
            return Hit(name, old_key, before, after, event == Event.SAME_KEY)


def moved(name: str, old_key: Key, new_key: Key, before: Row, after: Row) -> Move:
    """A change of key: its two halves know each other."""
    return Move(
        Change(name, old_key, before, None, Verdict(moved=new_key)), Change(name, new_key, None, after, Verdict(moved=old_key))
    )
