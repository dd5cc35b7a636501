"""Positions, offsets, stamps: where something stands in a history."""

from typing import NamedTuple, TypeAlias

import msgspec

Offset: TypeAlias = int  # of an entry in the log, 1, 2, 3...; 0 is before the first
Micros: TypeAlias = int  # microseconds since 1970-01-01 UTC

NOBODY = ""  # the peer of a stamp whose value no peer wrote itself (a merge result): nobody has seen it before its offset


class Position(msgspec.Struct, frozen=True, array_like=True):
    """A commit in one peer's own history. Ordered within that peer only; `text` is the peer's own word for it (LSN, GTID).

    The text has no part in the order: of one place a peer may know more at one time than at another.
    """

    major: int
    minor: int = 0
    text: str = ""

    def __lt__(self, other: "Position") -> bool:
        return (self.major, self.minor) < (other.major, other.minor)

    def __le__(self, other: "Position") -> bool:
        return (self.major, self.minor) <= (other.major, other.minor)

    def __gt__(self, other: "Position") -> bool:
        return (self.major, self.minor) > (other.major, other.minor)

    def __ge__(self, other: "Position") -> bool:
        return (self.major, self.minor) >= (other.major, other.minor)


class Stamp(NamedTuple):
    """What gave a field its value: the entry's offset, the peer that wrote it, and the corrected time."""

    offset: Offset
    peer: str
    time: Micros
