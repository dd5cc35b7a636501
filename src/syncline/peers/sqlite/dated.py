"""A backlog whose commits nobody watched: each change at its own time, and still as one where nobody contends. Pure.

A backlog may span days, and where two offices changed a field the newer change has to win. So it is parted where the time
changes. Parts that are told by columns are given out as one, with the age of each row: the engine takes that as it is where
nobody else touched the rows, and asks for the parts where somebody did.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

from syncline.model.blocks import of_changes
from syncline.model.change import Change, Transaction
from syncline.model.value import Key
from syncline.peers.sqlite.decode import Item
from syncline.peers.sqlite.layout import Layout
from syncline.peers.sqlite.reconcile import run_of, runs

Places = Mapping[str, tuple[int, ...]]


def places_of(layouts: Iterable[Layout]) -> Places:
    """Where the key is in the rows of each collection that can be told by columns: those that had one layout ever."""
    found: dict[str, list[tuple[int, ...]]] = {}
    for layout in layouts:
        found.setdefault(layout.collection, []).append(layout.key_places)
    return {name: places[0] for name, places in found.items() if len(places) == 1}


def by_statement(items: Sequence[Item], millis: Sequence[int], *, plain: bool) -> Iterator[tuple[int, tuple[Change, ...]]]:
    """The changes of each time, and where it ends; without times that changed nothing, but always with the last.

    `plain`: the items are changes and Nones whose images chain.
    """
    for start, stop in runs(millis):
        some = items[start:stop]
        found = tuple([one for one in some if isinstance(one, Change)]) if plain else tuple(run_of(some))
        if found or stop == len(items):
            yield stop, found


def together(parts: Sequence[Transaction], places: Places) -> list[Transaction]:
    """Parts, in their order and of one context, in as few transactions as columns can tell; at least one part."""
    if len(parts) == 1:
        return list(parts)
    whole = _as_one(parts, places)
    if whole is not None:
        return [whole]
    half = len(parts) // 2
    return together(parts[:half], places) + together(parts[half:], places)


def _as_one(parts: Sequence[Transaction], places: Places) -> Transaction | None:
    changes = list(chain.from_iterable([part.changes for part in parts]))
    if not places.keys() >= {change.collection for change in changes} or not _are_alike(changes):
        return None
    last = parts[-1]
    blocks = of_changes(changes, places, [last.time - part.time for part in parts for _ in part.changes])
    if not blocks:
        return None
    return Transaction(last.peer, last.position, last.context, last.time, blocks=blocks, split=lambda: parts)


def _are_alike(changes: Iterable[Change]) -> bool:
    """Whether no row changed in several ways, which no columns tell: cheaper than to try."""
    ways: dict[tuple[str, Key], tuple[bool, bool]] = {}
    for change in changes:
        way = change.before is None, change.after is None
        if change.verdict is not None or ways.setdefault((change.collection, change.key), way) != way:
            return False
    return True
