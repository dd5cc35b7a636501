"""What was proven and what was found not to be equal, as the log keeps it: proofs, scans under way, incidents of drift."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

import msgspec

from syncline.model.stamp import Micros, Offset

VERSION = 2  # of the body of a VERIFY entry; before, it was collection -> peer -> offset


class Mode(StrEnum):
    """How a collection was compared."""

    FULL = "full"  # every row
    STEADY = "steady"  # every row that the log has a change of since the last proof
    SAMPLED = "sampled"  # some ranges of rows: proves nothing of the rest


class Wanted(msgspec.Struct, frozen=True):
    """What somebody wants compared. `collections`: none for all; `sample`: the share of the ranges, chosen by `seed`.

    `budget`: the share of the time that it may take; `rows_per_second`: 0 for any number.
    """

    collections: tuple[str, ...] = ()
    sample: float = 1.0
    seed: int = 0
    budget: float = 1.0
    rows_per_second: int = 0

    def has(self, collection: str) -> bool:
        """Whether it is about this collection."""
        return not self.collections or collection in self.collections


EVERYTHING: Final = Wanted()


class Proof(msgspec.Struct, frozen=True):
    """One collection, compared at these peers. `start`: what the log had, and every one of them, when it began.

    `unequal`: how many keys were not the same everywhere, by state; with none, all are equal through `start`. `rows` were
    compared by `ranges` digests, in `seconds`. `behind`: peers that did not have all of `start`: nothing is claimed of them.
    `algorithm`: of the digests (model.canonical); '' where an older log does not tell, or several were used.
    `pending`: the keys that never rested (their bytes), as many as are listed; they are looked at again by the next proof.
    `rested`: keys that had been pending and are equal now, at every peer of which anything is claimed. `time`: when it ended;
    `began`: when it was begun, 0 where an older log does not tell. It may take days, and its first rows are as of then.
    """

    collection: str
    mode: Mode
    peers: tuple[str, ...]
    start: Offset
    rows: int
    ranges: int
    unequal: dict[str, int]
    time: Micros
    seconds: float
    behind: tuple[str, ...] = ()
    algorithm: str = ""
    pending: tuple[bytes, ...] = ()
    rested: tuple[bytes, ...] = ()
    head: Offset = 0  # of the log, when it began
    began: Micros = 0

    @property
    def equal(self) -> bool:
        """Whether nothing was found."""
        return not any(self.unequal.values())


class Scan(msgspec.Struct, frozen=True):
    """A full comparison under way: everything up to the key is compared through `start`; it goes on from there after a stop.

    `upto`: the key's bytes (model.codec). `unequal`: how many keys were found so far, by state; `pending`: those of them that
    never rested (their bytes), as many as are listed.
    """

    collection: str
    peers: tuple[str, ...]
    start: Offset
    upto: bytes
    rows: int
    ranges: int
    began: Micros
    unequal: dict[str, int] = {}
    head: Offset = 0  # of the log, when it began
    pending: tuple[bytes, ...] = ()


class Incident(msgspec.Struct, frozen=True):
    """Drift: rows that differ though nothing is under way. Open until their keys are found equal.

    `peers`: where the rows are that stand out, as far as that can be told. `keys`: the bytes of the first keys (model.codec),
    of `count`. `first`: the last offset at which they were proven equal; `last`: the one at which they were found. `cause`: a
    stable word; `why` and `remedy` are for people.
    """

    collection: str
    peers: tuple[str, ...]
    keys: tuple[bytes, ...]
    count: int
    first: Offset
    last: Offset
    cause: str
    why: str
    remedy: str
    time: Micros
    id: str = ""  # the offset of its entry, and its place in it
    closed: Offset = 0
    closed_at: Micros = 0
    how: str = ""  # how it ended: repaired or changed
    among: tuple[str, ...] = ()  # the peers that were compared: it is over when they are equal again

    @property
    def is_named(self) -> bool:
        """Whether it names all its keys, so that looking at them tells whether it is over."""
        return self.count == len(self.keys)


def body_of(
    proofs: list[Proof] | None = None,
    incidents: list[Incident] | None = None,
    closed: Mapping[str, str] | None = None,
    scan: Scan | None = None,
    more: Mapping[str, int] | None = None,
    fewer: Mapping[str, list[bytes]] | None = None,
) -> dict[str, Any]:
    """The body of a VERIFY entry. `closed`: how incidents ended, by id. `more`: rows that belong to an open incident, too.

    `fewer`: the keys that are left of an open incident, where its other rows are equal again.
    """
    body: dict[str, Any] = {"v": VERSION}
    if proofs:
        body["proofs"] = msgspec.to_builtins(proofs, builtin_types=(bytes,))
    if incidents:
        body["incidents"] = msgspec.to_builtins(incidents, builtin_types=(bytes,))
    if closed:
        body["closed"] = dict(closed)
    if more:
        body["more"] = dict(more)
    if fewer:
        body["fewer"] = dict(fewer)
    if scan is not None:
        body["scan"] = msgspec.to_builtins(scan, builtin_types=(bytes,))
    return body
