"""Changes and transactions: what a peer did, row by row, in its own commit order."""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Final, cast, overload

import msgspec

from syncline.model.block import Block
from syncline.model.conflict import Conflict
from syncline.model.stamp import Micros, Offset, Position
from syncline.model.value import Key, Row

CHANGE_BYTES: Final = 500  # of a change of a few columns, without its texts
WEIGHED_ROWS_MAX: Final = 64


class Verdict(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What resolve adds to a change that was not plain.

    `correct`: the origin gets the full outcome too. `full`: everyone gets the full row, not the difference. `merged`: fields
    (column indexes) whose value no peer wrote itself. `time`: stamp time where it is not the entry's. `conflicts`: every
    contended decision with rule, both images and the loser. `moved`: the other key of a key change. `kept`: fields of a
    revived row that its change did not touch; they are as old as they were.
    """

    correct: bool = False
    full: bool = False
    merged: tuple[int, ...] = ()
    time: Micros = 0
    conflicts: tuple[Conflict, ...] = ()
    moved: Key | None = None
    kept: tuple[int, ...] = ()


class Change(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One row, before and after, in the collection's column order. None: the row is not there.

    As captured, the images are the peer's. In a log entry, they are the canonical row's: `before` is the log's row before
    the entry and `after` the log's row after it. A row shorter than the collection's columns is padded with ABSENT.
    """

    collection: str
    key: Key
    before: Row | None
    after: Row | None
    verdict: Verdict | None = None


def weigh(changes: Sequence[Change]) -> int:
    """About how many bytes changes take in memory: from a few of them, spread evenly, when there are many."""
    if type(changes) is Rows:
        return sum([block.weight for block in changes.blocks])
    step = len(changes) // WEIGHED_ROWS_MAX + 1
    images = [image for change in changes[::step] for image in (change.before, change.after) if image is not None]
    texts = [value for image in images for value in image if type(value) is str or type(value) is bytes]
    return len(changes) * CHANGE_BYTES + step * sum(map(len, texts))


class Rows(Sequence[Change]):
    """The changes of blocks, made when first looked at."""

    __slots__ = ("_made", "blocks")

    def __init__(self, blocks: tuple[Block, ...]) -> None:
        self.blocks = blocks
        self._made: tuple[Change, ...] | None = None

    def _changes(self) -> tuple[Change, ...]:
        if self._made is None:
            self._made = tuple(chain.from_iterable(map(changes_of, self.blocks)))
        return self._made

    def __len__(self) -> int:
        return sum([block.count for block in self.blocks])

    @overload
    def __getitem__(self, place: int) -> Change: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Change, ...]: ...
    def __getitem__(self, place: int | slice) -> Change | tuple[Change, ...]:
        return self._changes()[place]

    def __iter__(self) -> Iterator[Change]:
        return iter(self._changes())

    def __eq__(self, other: object) -> bool:
        return self._changes() == tuple(other) if isinstance(other, Sequence) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._changes())

    def __repr__(self) -> str:
        return repr(self._changes())


def changes_of(block: Block) -> list[Change]:
    """The changes of a block, row by row."""
    name = block.collection
    return [Change(name, key, old, new) for key, old, new in zip(block.keys, *block.images(), strict=True)]


def change_of(block: Block, place: int) -> Change:
    """One row's change."""
    return Change(block.collection, block.keys[place], *block.image(place))


def weigh_rows(rows: Sequence[Row]) -> int:
    """About how many bytes rows take in memory, as weigh does."""
    return weigh([Change("", (), None, row) for row in rows[:: len(rows) // WEIGHED_ROWS_MAX + 1]]) * (
        len(rows) // WEIGHED_ROWS_MAX + 1
    )


class Refusal(msgspec.Struct, frozen=True, array_like=True):
    """A row that a peer refused to apply, with its reason: the seed of a parked exception."""

    collection: str
    key: Key
    code: str
    reason: str


class Transaction(msgspec.Struct, frozen=True, array_like=True):
    """One committed transaction of a peer, or only the news that its watermark moved (then `changes` is empty).

    `context` is the last watermark before it in the peer's own history. `refused` lists rows that the apply transaction of
    watermark `context` left out. `time` is the commit time by the peer's clock. Where rows come by columns they are in
    `blocks`, and `changes` shows them. Several transactions that were committed one after the other may come as one, by
    `blocks` alone; `split` then gives them one by one.
    """

    peer: str
    position: Position
    context: Offset
    time: Micros
    changes: tuple[Change, ...] = ()
    refused: tuple[Refusal, ...] = ()
    blocks: tuple[Block, ...] = ()
    split: Callable[[], "Sequence[Transaction]"] | None = None

    def __post_init__(self) -> None:
        if self.blocks:
            msgspec.structs.force_setattr(self, "changes", cast(tuple[Change, ...], Rows(self.blocks)))
