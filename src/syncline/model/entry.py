"""Entries of the log: the only durable state Syncline owns. Everything else is a fold over them."""

from enum import StrEnum
from typing import Any, cast

import msgspec

from syncline.model.block import Block
from syncline.model.change import Change, Rows
from syncline.model.stamp import Micros, Offset, Position


class Kind(StrEnum):
    """What an entry is. Data kinds carry changes; control kinds carry `body`."""

    CHANGE = "change"  # the outcome of one source transaction of `peer`
    FILL = "fill"  # the then-current rows of a key range, for the joining peer `to` alone
    RETRY = "retry"  # the then-current row of a parked key, for `to` alone; ends the exception
    SETTLE = "settle"  # a person's or a repair's decision, by peer '' or by whose rows stand; `to`: for that peer alone
    PARK = "park"  # body: {collection, key, code, reason, at}: an exception of `peer`
    PEER = "peer"  # body: {state, incarnation, nonce, ...}: joined, joining, stale, paused, left...
    JOIN = "join"  # body: progress of a joining peer
    CONFIRM = "confirm"  # body: {peer: [captured watermark, position]}
    SCHEMA = "schema"  # body: columns of a collection from here on
    CHECKPOINT = "checkpoint"  # body: the fold of all control entries before it
    VERIFY = "verify"  # body: what was compared, up to which offset, with which result


DATA_KINDS = frozenset({Kind.CHANGE, Kind.FILL, Kind.RETRY, Kind.SETTLE})


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One entry: a source transaction's outcome, or a control record.

    `peer` is the origin ('' for Syncline itself), `position` its commit there, `context` the watermark it had seen, `time`
    its commit time corrected by the peer's measured clock offset. `to` restricts delivery to one peer. Plain changes may be in
    `blocks`; `changes` shows them.
    """

    offset: Offset
    kind: Kind
    peer: str = ""
    position: Position | None = None
    context: Offset = 0
    time: Micros = 0
    changes: tuple[Change, ...] = ()
    to: str = ""
    body: dict[str, Any] | None = None
    blocks: tuple[Block, ...] = ()

    def __post_init__(self) -> None:
        if self.blocks:
            msgspec.structs.force_setattr(self, "changes", cast(tuple[Change, ...], Rows(self.blocks)))

    @property
    def fingerprint(self) -> str:
        """What tells this entry from the one that another life of the log has at its offset."""
        return f"{self.time:x}.{self.position.major if self.position else 0:x}.{self.peer}"

    @property
    def rows(self) -> int:
        """How many rows it carries."""
        return len(self.changes)

    @property
    def is_data(self) -> bool:
        """Whether it carries rows for peers."""
        return self.kind in DATA_KINDS

    @property
    def has_notes(self) -> bool:
        """Whether a reader of control records and conflicts must see it."""
        if self.kind is not Kind.CHANGE:
            return True
        return not self.blocks and any(change.verdict is not None for change in self.changes)
