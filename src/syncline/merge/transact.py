"""A whole transaction through resolve: from what a peer committed to the entry that the log gets. Pure but for the window."""

from syncline.merge.policy import RuleBook
from syncline.merge.resolve import Arrival, resolve
from syncline.merge.view import Record, Slot, View, is_plain
from syncline.merge.window import Window
from syncline.model.block import Block
from syncline.model.change import Change, Transaction
from syncline.model.entry import Entry, Kind
from syncline.model.stamp import Micros, Offset
from syncline.model.value import Key


def settle(window: Window, book: RuleBook, transaction: Transaction, offset: Offset, time: Micros) -> Entry:
    """The entry at `offset` for a transaction, recorded in the window. `time` is the commit time, corrected and bounded.

    Changes of keys that no other peer touched go through as they are; only the others are resolved row by row. A transaction
    of peer '' is a person's or a repair's decision: nobody's own, so it is always resolved, and everyone gets its outcome.
    """
    peer, changes, blocks = transaction.peer, transaction.changes, transaction.blocks
    outcome: tuple[Change, ...] = ()
    if blocks and is_undisturbed(window, transaction, time):
        for block in blocks:
            window.record_block(block, offset, peer, time)
    elif peer and not blocks and _undisturbed(window, changes, peer, time):
        _record_plain(window, changes, offset, peer, time)
        outcome = changes
    else:
        net = replaced(changes)
        outcome = tuple([_settle_one(window, book, transaction, change, offset, time) for change in net])
        blocks = ()
    kind = Kind.CHANGE if peer else Kind.SETTLE
    return Entry(offset, kind, peer, transaction.position, transaction.context, time, outcome, blocks=blocks)


def replaced(changes: tuple[Change, ...]) -> tuple[Change, ...]:
    """The changes of a transaction, where a delete and an insert of the same key are the update that they come to.

    Nobody else ever saw the row gone. As two changes they would contend with what others did to it like a delete and a new
    row, without the values that it started from: a counter would begin anew on top of what it had been.
    """
    found: list[Change | None] = list(changes)
    gone: dict[tuple[str, Key], int] = {}
    for place, change in enumerate(changes):
        spot = (change.collection, change.key)
        start = gone.pop(spot, None)
        if change.verdict is not None:
            continue  # half of a change of key
        if change.after is None:
            gone[spot] = place
        elif change.before is None and start is not None:
            found[start] = None
            found[place] = Change(change.collection, change.key, changes[start].before, change.after)
    return tuple([change for change in found if change is not None])


def is_undisturbed(window: Window, transaction: Transaction, time: Micros) -> bool:
    """Whether the blocks of a transaction can go through as they are: nobody else touched their keys, no clock stepped back."""
    return bool(transaction.peer) and all(_is_free(window, block, transaction.peer, time) for block in transaction.blocks)


def _is_free(window: Window, block: Block, peer: str, time: Micros) -> bool:
    if block.steps_back:
        return False
    slots = window.of(block.collection)
    if slots.keys().isdisjoint(block.keys):
        return True
    first, _ = block.span(time)
    for key in block.keys:
        slot = slots.get(key)
        if slot is not None and not _precedes(slot, key, peer, first):
            return False
    return True


def _undisturbed(window: Window, changes: tuple[Change, ...], peer: str, time: Micros) -> bool:
    """Whether nobody else touched these keys, and the peer's clock has not stepped back between its own writes of them."""
    collection, slots = "", {}
    for change in changes:
        if change.collection != collection:
            collection = change.collection
            slots = window.of(collection)
        slot = slots.get(change.key)
        if slot is not None and not _precedes(slot, change.key, peer, time):
            return False
    return True


def _precedes(slot: Slot, key: Key, peer: str, time: Micros) -> bool:
    """Whether a slot has only what this peer did itself up to a moment."""
    if isinstance(slot, View) or slot.peer != peer:
        return False
    if slot.time <= time or isinstance(slot, Record):
        return slot.time <= time
    return all(slot.block.time(place, slot.entry_time) <= time for place in slot.block.places(key))


def _record_plain(window: Window, changes: tuple[Change, ...], offset: Offset, peer: str, time: Micros) -> None:
    start = 0
    for place in range(1, len(changes) + 1):
        if place == len(changes) or changes[place].collection != changes[start].collection:
            run = changes if place - start == len(changes) else changes[start:place]
            window.record_plain(changes[start].collection, run, offset, peer, time)
            start = place


def _settle_one(
    window: Window, book: RuleBook, transaction: Transaction, change: Change, offset: Offset, time: Micros
) -> Change:
    peer, collection, key = transaction.peer, change.collection, change.key
    arrival = Arrival(peer, window.context(peer, collection, key, transaction.context), time)
    outcome = resolve(window.view(collection, key), change, book[collection], arrival)
    if peer and is_plain(outcome.verdict):
        window.record_plain(collection, (outcome,), offset, peer, time)
    else:
        window.record_change(outcome, offset, peer, time)
    return outcome
