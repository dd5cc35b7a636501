"""Committed transactions that were received together: given out as one, by columns, where that costs less. Pure."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from syncline.model.change import Change, Refusal, Transaction
from syncline.model.errors import PeerChanged
from syncline.model.stamp import Offset, Position
from syncline.peers.asked import Asked
from syncline.peers.mysql.decode import Decoder
from syncline.peers.mysql.held import Row

BLOCK_EVENTS_MIN: Final = 8  # row events, or bytes of them, that are given out by columns
BLOCK_BYTES_MIN: Final = 2_000


class Ready(NamedTuple):
    """A transaction that is committed and not decoded yet: its rows are in the next `events` of them."""

    events: int
    position: Position
    context: Offset
    time: int
    refused: tuple[Refusal, ...]


def together(ready: Sequence[Ready], asked: Asked) -> int:
    """How many of these may be given out as one: up to one of ours, or to a place that somebody waits for."""
    count = 1
    while count < len(ready) and ready[count - 1].events and ready[count].events:
        if asked.parts(ready[count - 1].position.major, ready[count].position.major):
            break
        count += 1
    return count


def by_columns(peer: str, decoder: Decoder, group: Sequence[Ready], rows: Sequence[Row]) -> list[Transaction] | None:
    """Transactions as one, by columns; None where they have to be told one by one, or are too few to be worth it."""
    last = group[-1]
    if not last.events:
        return [transaction_of(peer, last, [])]
    if len(rows) < BLOCK_EVENTS_MIN and sum([len(event) for _, event in rows]) < BLOCK_BYTES_MIN:
        return None
    ages = [last.time - one.time for one in group for _ in range(one.events)] if len(group) > 1 else []
    try:
        blocks = decoder.blocks(rows, ages)
    except PeerChanged:
        return None  # what stands before it is told one by one
    if blocks is None:
        return None

    def split() -> list[Transaction]:
        found, at = [], 0
        for one in group:
            found.append(transaction_of(peer, one, decoder.changes(rows[at : at + one.events])))
            at += one.events
        return found

    parted = split if len(group) > 1 else None
    made = Transaction(peer, last.position, last.context, last.time, blocks=blocks, split=parted)
    return [made] if blocks else []


def transaction_of(peer: str, one: Ready, changes: list[Change]) -> Transaction:
    """One transaction, change by change."""
    return Transaction(peer, one.position, one.context, one.time, tuple(changes), one.refused)
