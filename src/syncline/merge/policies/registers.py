"""Policies that keep one side whole: newest, first, prefer, max, min, manual. None of them makes a value nobody wrote."""

from collections.abc import Sequence

from syncline.merge.policies.order import compare
from syncline.merge.policy import Contest, Settled, Winner, later
from syncline.model.value import Value, kind_of


def newer(contest: Contest) -> Winner:
    """The side that stands by time. A change that had seen `ours` is causally later, whatever the clocks say."""
    return later(contest.ours_stamp, contest.theirs_stamp) if contest.contended else "theirs"


def side(contest: Contest, winner: Winner) -> Value:
    """The value of one side."""
    return contest.theirs if winner == "theirs" else contest.ours


def by_time(contest: Contest, note: str = "") -> Settled:
    """The newer value stands. `note` says why another policy could not do better."""
    winner = newer(contest)
    return Settled(side(contest, winner), winner, note=note)


class Newest:
    """The later corrected time stands; equal times: the larger peer name."""

    name: str = "newest"
    three_way: bool = False
    delta: bool = False

    def settle(self, contest: Contest) -> Settled:
        """The newer side."""
        return by_time(contest)


class First:
    """What the log has stays: whoever came first in the log's order."""

    name: str = "first"
    three_way: bool = False
    delta: bool = False

    def settle(self, contest: Contest) -> Settled:
        """Ours."""
        return Settled(contest.ours, "ours")


class Prefer:
    """The side whose peer stands first in `peers`; neither is listed, or both are the same: the newer side."""

    name: str = "prefer"
    three_way: bool = False
    delta: bool = False

    def __init__(self, peers: Sequence[str]) -> None:
        self.peers: tuple[str, ...] = tuple(peers)

    def settle(self, contest: Contest) -> Settled:
        """The preferred side."""
        ours, theirs = self._rank(contest.ours_stamp.peer), self._rank(contest.theirs_stamp.peer)
        if ours == theirs:
            same = "both sides come from the same peer" if ours < len(self.peers) else "neither peer is listed"
            return by_time(contest, f"{same}; the newer value stands")
        winner: Winner = "theirs" if theirs < ours else "ours"
        return Settled(side(contest, winner), winner)

    def _rank(self, peer: str) -> int:
        return self.peers.index(peer) if peer in self.peers else len(self.peers)


class Extreme:
    """The larger (max) or the smaller (min) value; NULL loses; values that have no order with each other: the newer side."""

    three_way: bool = False
    delta: bool = False

    def __init__(self, name: str, sign: int) -> None:
        self.name: str = name
        self.sign = sign

    def settle(self, contest: Contest) -> Settled:
        """The extreme side; a tie (1.0 and 1.00) goes to the newer one."""
        ours, theirs = contest.ours, contest.theirs
        if ours is None or theirs is None:
            winner: Winner = "theirs" if ours is None and theirs is not None else "ours"
            return Settled(side(contest, winner), winner)
        order = compare(theirs, ours)
        if order is None:
            kinds = f"{kind_of(ours)} and {kind_of(theirs)}"
            return by_time(contest, f"{kinds} values have no order with each other here; the newer value stands")
        if order == 0:
            return by_time(contest)
        winner = "theirs" if order * self.sign > 0 else "ours"
        return Settled(side(contest, winner), winner)


class Manual:
    """A person decides; until then what the log has stays."""

    name: str = "manual"
    three_way: bool = False
    delta: bool = False

    def settle(self, contest: Contest) -> Settled:
        """Ours, open."""
        return Settled(contest.ours, "ours", open=True)
