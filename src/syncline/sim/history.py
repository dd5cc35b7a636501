"""What the checkers look at: facts noted while a simulation ran, in order, and the log's entries as they were first seen.

Facts are noted by the doors of the simulated world (net, logport) and by its readers, never by the program under test.
"""

from typing import TypeAlias

import msgspec

from syncline.model.codec import encode_entries
from syncline.model.entry import Entry
from syncline.model.stamp import Offset
from syncline.model.value import Key, Row
from syncline.sim.naming import first_name, with_first_names

Hub: TypeAlias = int  # which process: 1, 2, 3... in the order of their start


class LogOpened(msgspec.Struct, frozen=True):
    """A hub opened the log and took its fence."""

    hub: Hub
    head: Offset


class LogAppended(msgspec.Struct, frozen=True):
    """The log told a hub that this entry is durable."""

    hub: Hub
    offset: Offset
    digest: bytes


class LogRead(msgspec.Struct, frozen=True):
    """The log gave a hub this entry to read."""

    hub: Hub
    offset: Offset
    digest: bytes


class Entered(msgspec.Struct, frozen=True):
    """A hub began a session at a peer."""

    hub: Hub
    peer: str


class BatchApplied(msgspec.Struct, frozen=True):
    """A batch committed at a peer: its watermark before and after, and how far the log was known durable by then.

    `held`: the rows that the log's entries in between are about, as they stood after it; `number`: the peer's commits by then.
    """

    hub: Hub
    peer: str
    incarnation: str
    before: Offset
    upto: Offset
    durable: Offset
    refused: tuple[tuple[str, Key], ...] = ()
    held: tuple[tuple[tuple[str, Key], Row | None], ...] = ()
    number: int = 0


class Acknowledged(msgspec.Struct, frozen=True):
    """A peer was told to forget its history up to this commit number; how far the log was known durable by then."""

    hub: Hub
    peer: str
    upto: int
    durable: Offset


class Torn(msgspec.Struct, frozen=True):
    """A reader of a peer saw a part of a transaction."""

    peer: str
    at: float
    seen: str


class Claim(msgspec.Struct, frozen=True):
    """What the status said, what was true at that moment, and for how many seconds nobody had written anything."""

    hub: Hub
    at: float
    in_sync: bool
    equal: bool
    quiet_seconds: float


class Verified(msgspec.Struct, frozen=True):
    """What the product's own comparison said after everything was quiet, and how many rows really differed."""

    reported: int
    real: int


Fact: TypeAlias = LogOpened | LogAppended | LogRead | Entered | BatchApplied | Acknowledged | Torn | Claim | Verified


class History:
    """Facts in order, and every entry that the log ever confirmed or gave out, as first seen."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self.entries: dict[Offset, Entry] = {}
        self.durable: Offset = 0  # the highest offset that the log has told anyone is durable

    def touched(self, after: Offset, upto: Offset) -> list[tuple[str, Key]]:
        """The rows that entries with after < offset <= upto are about."""
        between = [self.entries[offset] for offset in range(after + 1, upto + 1) if offset in self.entries]
        return list({(change.collection, change.key): None for entry in between for change in entry.changes})

    def note(self, fact: Fact) -> None:
        """Remember a fact."""
        self.facts.append(fact)

    def appended(self, hub: Hub, entry: Entry) -> None:
        """The log confirmed an entry."""
        self.entries.setdefault(entry.offset, entry)
        self.durable = max(self.durable, entry.offset)
        self.facts.append(LogAppended(hub, entry.offset, digest(entry)))

    def read(self, hub: Hub, entry: Entry) -> None:
        """The log gave out an entry."""
        self.entries.setdefault(entry.offset, entry)
        self.durable = max(self.durable, entry.offset)
        self.facts.append(LogRead(hub, entry.offset, digest(entry)))

    def ordered(self) -> list[Entry]:
        """The entries by offset, with the first names of all peers."""
        return [with_first_names(self.entries[offset]) for offset in sorted(self.entries)]

    def captured(self, peer: str) -> int:
        """The number of the last commit of a peer that is in the log."""
        own = (entry.position for entry in self.entries.values() if first_name(entry.peer) == peer)
        return max((position.major for position in own if position is not None), default=0)


def digest(entry: Entry) -> bytes:
    """The bytes by which two sightings of an entry are compared."""
    return encode_entries((entry,))
