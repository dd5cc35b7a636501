"""What users were told is committed, kept by the users themselves: the other side of the books that the checkers compare."""

import msgspec

from syncline.model.change import Change
from syncline.model.stamp import Offset
from syncline.model.value import Value


class Acked(msgspec.Struct, frozen=True):
    """One local transaction that a user got a success for.

    `number` is its place in its peer's own history, `context` the watermark that its peer had then (what its writer could have
    seen). `early`: it was made while its peer was not yet part of the space, so that only its last values must be kept.
    `void`: its peer was later restored from an older backup, so that the peer itself forgot it.
    """

    peer: str
    number: int
    context: Offset
    at: float
    changes: tuple[Change, ...]
    early: bool = False
    void: bool = False


class Ledger:
    """All acknowledged transactions in the order in which they were made."""

    def __init__(self) -> None:
        self.acked: list[Acked] = []
        self.initial: set[Value] = set()  # values in the rows that a peer brought along
        self.restores: list[tuple[str, int, Offset]] = []  # peer, last commit in the backup, the log's head by then

    def note(self, acked: Acked) -> None:
        """A user was told that this is committed."""
        self.acked.append(acked)

    def restored(self, peer: str, number: int, head: Offset) -> None:
        """A peer went back to a backup that ends at this commit: what came later is gone there, and no promise was broken."""
        self.restores.append((peer, number, head))
        self.acked = [
            msgspec.structs.replace(one, void=True) if one.peer == peer and one.number > number else one for one in self.acked
        ]

    @property
    def counted(self) -> list[Acked]:
        """The transactions that must be in the log exactly once, commit by commit."""
        return [one for one in self.acked if not one.early and not one.void]
