"""The tuples inside row messages, taken apart: one by one, or for many messages of one table at once, column by column.

Source: https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html (TupleData)
"""

from collections.abc import Sequence
from struct import Struct
from typing import Any, Final, TypeAlias

from syncline.model.value import ABSENT, Absent
from syncline.peers.arrays import Indexes, Octets, Records, np

Raw: TypeAlias = bytes | Absent | None
RawColumns: TypeAlias = list[Sequence[Raw]]

LENGTH: Final = Struct("!I").unpack_from
COUNT: Final = Struct("!H").unpack_from
NEW, TEXT, NULL = map(ord, "Ntn")
_HEAD: Final = 5  # the kind of message and the table
_MANY: Final = 40  # messages, from which on arrays are faster
_BRIM: Final = b"\0\0\0\0"  # so that four bytes can be read at any place


def tuples_of(message: bytes) -> tuple[list[Raw] | None, list[Raw] | None]:
    """The old and the new tuple of a row message."""
    at, old, new = _HEAD, None, None
    if message[at] != NEW:
        old, at = _tuple(message, at + 1)
    if at < len(message):
        new, _ = _tuple(message, at + 1)
    return old, new


def _tuple(message: bytes, at: int) -> tuple[list[Raw], int]:
    (count,) = COUNT(message, at)
    at += 2
    found: list[Raw] = []
    add, length = found.append, LENGTH
    for _ in range(count):
        kind = message[at]
        if kind == TEXT:
            start = at + 5
            at = start + length(message, at + 1)[0]
            add(message[start:at])
        else:
            add(None if kind == NULL else ABSENT)  # else unchanged, and stored elsewhere
            at += 1
    return found, at


class Joined:
    """Messages one after the other in one buffer, and where each begins and ends: asked all at once, by arrays."""

    __slots__ = ("_quads", "data", "ends", "numbers", "starts")

    def __init__(self, data: bytes, starts: Indexes, ends: Indexes, numbers: Octets, quads: Octets) -> None:
        self.data, self.starts, self.ends, self.numbers, self._quads = data, starts, ends, numbers, quads

    @classmethod
    def of(cls, messages: Sequence[bytes]) -> "Joined":
        """All of some messages."""
        data = b"".join((*messages, _BRIM))
        numbers = np.frombuffer(data, np.uint8)
        ends = np.cumsum(np.fromiter(map(len, messages), np.int64, len(messages)))
        starts = np.concatenate((np.zeros(1, np.int64), ends[:-1]))
        return cls(data, starts, ends, numbers, np.lib.stride_tricks.sliding_window_view(numbers, 4))

    def __len__(self) -> int:
        return len(self.starts)

    def take(self, places: Indexes | slice) -> "Joined":
        """The messages at these places, of the same buffer."""
        return Joined(self.data, self.starts[places], self.ends[places], self.numbers, self._quads)

    def messages(self) -> list[bytes]:
        """Each by itself."""
        data = self.data
        return [data[start:end] for start, end in zip(self.starts.tolist(), self.ends.tolist(), strict=True)]

    def records(self, fields: Sequence[tuple[str, str]]) -> Records:
        """Messages that are all of one size and shape, as an array of their fields, each with a name and numpy's type."""
        kind = np.dtype(list(fields))
        return np.ascontiguousarray(self.numbers[self.starts[:, None] + np.arange(kind.itemsize)]).view(kind).ravel()

    @property
    def kinds(self) -> Octets:
        """The first byte of each."""
        return self.numbers[self.starts]

    def octets(self, place: int) -> Octets:
        """The byte at a place of each."""
        return self.numbers[self.starts + place]

    def quads(self, at: Indexes) -> Indexes:
        """Four bytes at these places of the buffer, as numbers."""
        return np.ascontiguousarray(self._quads[at]).view(">u4").ravel().astype(np.int64)

    @property
    def tables(self) -> Indexes:
        """The table of each row message."""
        return self.quads(self.starts + 1)

    def columns(self) -> tuple[RawColumns | None, RawColumns | None]:
        """The columns of the old and of the new tuples of messages of one kind about one table."""
        at = self.starts + _HEAD
        columns: list[RawColumns | None] = [None, None]
        while at[0] < self.ends[0]:
            half = int(self.numbers[at[0]] == NEW)
            columns[half], at = self._columns(at + 1)
        return columns[0], columns[1]

    def _columns(self, at: Indexes) -> tuple[RawColumns, Indexes]:
        """The columns of the tuples that begin at these places, and where they end."""
        data = self.data
        found: RawColumns = []
        (count,) = COUNT(data, int(at[0]))
        at = at + 2
        for _ in range(count):
            kinds = self.numbers[at]
            texts = kinds == TEXT
            sizes = self.quads(at + 1)
            if texts.all():
                starts = at + 5
                at = starts + sizes
                found.append([data[start:end] for start, end in zip(starts.tolist(), at.tolist(), strict=True)])
            else:
                found.append(_mixed(data, kinds.tolist(), at.tolist(), sizes.tolist()))
                at = at + np.where(texts, 5 + sizes, 1)
        return found, at


def columns_of(messages: Sequence[bytes]) -> tuple[RawColumns | None, RawColumns | None]:
    """The columns of the old and of the new tuples of messages of one kind about one table."""
    if len(messages) >= _MANY:
        return Joined.of(messages).columns()
    pairs = [tuples_of(message) for message in messages]
    old, new = pairs[0][0] is not None, pairs[0][1] is not None
    return (
        list(zip(*[one or () for one, _ in pairs], strict=True)) if old else None,
        list(zip(*[one or () for _, one in pairs], strict=True)) if new else None,
    )


def _mixed(data: bytes, kinds: Sequence[int], at: Sequence[int], sizes: Sequence[int]) -> list[Any]:
    return [
        data[start + 5 : start + 5 + size] if kind == TEXT else None if kind == NULL else ABSENT
        for kind, start, size in zip(kinds, at, sizes, strict=True)
    ]
