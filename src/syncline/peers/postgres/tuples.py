"""The tuples inside row messages, taken apart: one by one, or for many messages of one table at once, column by column.

Source: https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html (TupleData)
"""

from collections.abc import Sequence
from struct import Struct
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from syncline.model.value import ABSENT, Absent

Raw: TypeAlias = bytes | Absent | None
RawColumns: TypeAlias = list[Sequence[Raw]]

LENGTH: Final = Struct("!I").unpack_from
COUNT: Final = Struct("!H").unpack_from
NEW, TEXT, NULL = map(ord, "Ntn")
_HEAD: Final = 5  # the kind of message and the table
_MANY: Final = 40  # messages, from which on arrays are faster


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


def columns_of(messages: Sequence[bytes]) -> tuple[RawColumns | None, RawColumns | None]:
    """The columns of the old and of the new tuples of messages of one kind about one table."""
    if len(messages) < _MANY:
        pairs = [tuples_of(message) for message in messages]
        old, new = pairs[0][0] is not None, pairs[0][1] is not None
        return (
            list(zip(*[one or () for one, _ in pairs], strict=True)) if old else None,
            list(zip(*[one or () for _, one in pairs], strict=True)) if new else None,
        )
    data = b"".join(messages)
    numbers = np.frombuffer(data, np.uint8)
    ends = np.cumsum(np.fromiter(map(len, messages), np.int64, len(messages)))
    at = np.concatenate((np.zeros(1, np.int64), ends[:-1])) + _HEAD
    columns: list[RawColumns | None] = [None, None]
    while at[0] < ends[0]:
        half = int(numbers[at[0]] == NEW)
        columns[half], at = _columns(data, numbers, at + 1)
    return columns[0], columns[1]


def _columns(data: bytes, numbers: NDArray[np.uint8], at: NDArray[np.int64]) -> tuple[RawColumns, NDArray[np.int64]]:
    """The columns of the tuples that begin at these places, and where they end."""
    quads = np.lib.stride_tricks.sliding_window_view(np.concatenate((numbers, np.zeros(4, np.uint8))), 4)
    found: RawColumns = []
    (count,) = COUNT(data, int(at[0]))
    at = at + 2
    for _ in range(count):
        kinds = numbers[at]
        texts = kinds == TEXT
        sizes = np.ascontiguousarray(quads[at + 1]).view(">u4").ravel().astype(np.int64)
        if texts.all():
            starts = at + 5
            at = starts + sizes
            found.append([data[start:end] for start, end in zip(starts.tolist(), at.tolist(), strict=True)])
        else:
            found.append(_mixed(data, kinds.tolist(), at.tolist(), sizes.tolist()))
            at = at + np.where(texts, 5 + sizes, 1)
    return found, at


def _mixed(data: bytes, kinds: Sequence[int], at: Sequence[int], sizes: Sequence[int]) -> list[Any]:
    return [
        data[start + 5 : start + 5 + size] if kind == TEXT else None if kind == NULL else ABSENT
        for kind, start, size in zip(kinds, at, sizes, strict=True)
    ]
