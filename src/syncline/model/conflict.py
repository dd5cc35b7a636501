"""A contended decision as a value: it can be stored, shown and settled later."""

from typing import Any

import msgspec

from syncline.model.stamp import Micros, Offset
from syncline.model.value import Row


class Side(msgspec.Struct, frozen=True, array_like=True):
    """One side of a conflict: who wrote what, when, in which entry (0 where unknown).

    `value` is the field's (ABSENT for a whole-row conflict); `row` the whole row as that side had it, None if deleted.
    """

    peer: str
    value: Any  # Value
    row: Row | None
    time: Micros
    offset: Offset = 0


class Conflict(msgspec.Struct, frozen=True, array_like=True):
    """Two changes that did not know each other touched the same thing, and `rule` decided.

    `kind`: field, delete-update, update-delete, insert-insert, join, repair. `field` is the column name, or '' for a whole row.
    `winner` is the peer whose value stands, or '' for a merged one.
    `open`: a person has to settle it (rule manual); until then the kept value stands. `base` is the value before both.
    """

    kind: str
    field: str
    rule: str
    winner: str
    ours: Side  # what the log held
    theirs: Side  # what the change brought
    open: bool = False
    base: Any = None  # Value
    note: str = ""
