"""Writes: what one peer must do to its tables, grouped so that a door can do many rows in one statement."""

from enum import StrEnum

import msgspec

from syncline.model.stamp import Offset
from syncline.model.value import Key, Row


class Op(StrEnum):
    """UPSERT: full rows. UPDATE: only `fields` (and `deltas`) of rows that are there. DELETE: by key; nothing is fine."""

    UPSERT = "upsert"
    UPDATE = "update"
    DELETE = "delete"


class Write(msgspec.Struct, frozen=True):
    """Rows of one collection to be written in one way. Keys are distinct across all writes of a batch.

    UPSERT: `rows` hold the values of `fields` (which include the key columns).
    UPDATE: `rows` hold the values of `fields`, then the increments of `deltas`; a NULL target plus a delta is the delta.
    DELETE: `rows` are empty. `keys[i]` belongs to `rows[i]`.
    """

    op: Op
    collection: str
    keys: tuple[Key, ...]
    fields: tuple[str, ...] = ()
    deltas: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()


class Batch(msgspec.Struct, frozen=True):
    """Whole entries, folded per key, for one peer; applied in one transaction together with watermark `upto`.

    `fingerprint` is kept beside the watermark: that of the entry at `upto`, or '' where it is not known.
    """

    upto: Offset
    writes: tuple[Write, ...]
    rows: int
    fingerprint: str = ""
