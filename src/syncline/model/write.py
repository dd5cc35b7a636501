"""Writes: what one peer must do to its tables, grouped so that a door can do many rows in one statement."""

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from typing import TypeVar, cast, overload

import msgspec

from syncline.model.block import Series
from syncline.model.stamp import Offset
from syncline.model.value import Key, Row


class Op(StrEnum):
    """UPSERT: full rows. UPDATE: only `fields` (and `deltas`) of rows that are there. DELETE: by key; nothing is fine."""

    UPSERT = "upsert"
    UPDATE = "update"
    DELETE = "delete"


_T = TypeVar("_T")


class Late(Sequence[_T]):
    """A sequence of known length that is made when first looked at."""

    __slots__ = ("_count", "_made", "_make")

    def __init__(self, count: int, make: Callable[[], Sequence[_T]]) -> None:
        self._count, self._make = count, make
        self._made: Sequence[_T] | None = None

    def _all(self) -> Sequence[_T]:
        if self._made is None:
            self._made = self._make()
        return self._made

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, place: int) -> _T: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[_T]: ...
    def __getitem__(self, place: int | slice) -> _T | Sequence[_T]:
        return self._all()[place]

    def __iter__(self) -> Iterator[_T]:
        return iter(self._all())

    def __eq__(self, other: object) -> bool:
        return tuple(self._all()) == tuple(other) if isinstance(other, Sequence) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self._all()))

    def __repr__(self) -> str:
        return repr(tuple(self._all()))


class Write(msgspec.Struct, frozen=True):
    """Rows of one collection to be written in one way. Keys are distinct across all writes of a batch.

    UPSERT: `rows` hold the values of `fields` (which include the key columns).
    UPDATE: `rows` hold the values of `fields`, then the increments of `deltas`; a NULL target plus a delta is the delta.
    DELETE: `rows` are empty. `keys[i]` belongs to `rows[i]`.

    `series`: the same by columns, where it came so: of an upsert the fields', else the key's columns and then the row's.
    """

    op: Op
    collection: str
    keys: tuple[Key, ...]
    fields: tuple[str, ...] = ()
    deltas: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    series: tuple[Series, ...] = ()
    fresh: bool = False  # of an upsert: the log knows of no such rows

    @classmethod
    def of_series(
        cls,
        op: Op,
        collection: str,
        series: tuple[Series, ...],
        fields: tuple[str, ...] = (),
        deltas: tuple[str, ...] = (),
        *,
        key_places: tuple[int, ...],
        fresh: bool = False,
    ) -> "Write":
        """A write by columns; `key_places`: which of the series are the key's. Keys and rows are made if somebody asks."""
        count = len(series[0])
        skipped = 0 if op is Op.UPSERT else len(key_places)

        def keys() -> Sequence[Key]:
            return list(zip(*[series[place].values for place in key_places], strict=True))

        def rows() -> Sequence[Row]:
            return list(zip(*[one.values for one in series[skipped:]], strict=True))

        made = Late(0 if op is Op.DELETE else count, rows)
        named, held = cast(tuple[Key, ...], Late(count, keys)), cast(tuple[Row, ...], made)
        return cls(op, collection, named, fields, deltas, held, series, fresh)


class Batch(msgspec.Struct, frozen=True):
    """Whole entries, folded per key, for one peer; applied in one transaction together with watermark `upto`.

    `fingerprint` is kept beside the watermark: that of the entry at `upto`, or '' where it is not known.
    """

    upto: Offset
    writes: tuple[Write, ...]
    rows: int
    fingerprint: str = ""
