"""What a comparison found so far, what was told of it, and small questions about comparisons."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from syncline.engine.proofs import Proofs
from syncline.hub.incidents import unknown
from syncline.model.codec import encode_row
from syncline.model.proof import Mode, Proof, Scan, Wanted
from syncline.model.schema import Collection
from syncline.model.stamp import Micros, Offset
from syncline.model.value import Key
from syncline.peers.protocol import Peer
from syncline.reconcile.pace import Pace
from syncline.reconcile.verify import Compared, Difference, How, Progress


class Told:
    """What a comparison wrote down so far: the incidents that it opened, and how many rows more belong to one of them."""

    def __init__(self) -> None:
        self.opened: set[str] = set()
        self.more: Counter[str] = Counter()


class Tally:
    """What a comparison in several goes found."""

    def __init__(self, *goes: Compared) -> None:
        self.rows = self.ranges = 0
        self.seconds = 0.0
        self.states: Counter[str] = Counter()
        self.differences: list[Difference] = []
        self.algorithms: set[str] = set()
        for one in goes:
            self.add(one)

    @property
    def algorithm(self) -> str:
        """That of the digests; '' where there were several."""
        return next(iter(self.algorithms)) if len(self.algorithms) == 1 else ""

    def add(self, compared: Compared) -> None:
        """Take in one go."""
        self.rows, self.ranges = self.rows + compared.rows, self.ranges + compared.ranges
        self.seconds += compared.seconds
        self.states.update(compared.states)
        self.differences += compared.differences
        self.algorithms.add(compared.algorithm)


class Note:
    """When a full comparison began, and when its progress was last written down. `head`: of the log, when it began."""

    def __init__(self, began: Micros, last: float, head: Offset) -> None:
        self.began, self.last, self.head = began, last, head

    def scan(self, name: str, peers: Sequence[Peer], upto: Key, progress: Progress) -> Scan:
        """What is written down."""
        names, rows, ranges = tuple(peer.name for peer in peers), progress.rows, progress.ranges
        return Scan(name, names, progress.start, encode_row(upto), rows, ranges, self.began, progress.unequal, self.head)


class AtRest(NamedTuple):
    """A collection compared while no hub ran: at these peers, when the log ended at `head`."""

    compared: Compared
    peers: tuple[str, ...]
    head: Offset

    def is_news(self, proofs: Proofs) -> bool:
        """Whether the log does not say so already."""
        if not self.compared.whole or len(self.peers) < 2:
            return False
        known = proofs.of(self.compared.collection)
        if self.compared.found == 0:
            return bool(proofs.open(self.compared.collection)) or any(
                known.through.get(peer, -1) < self.compared.start for peer in self.peers
            )
        return bool(unknown(proofs, [one for one in self.compared.differences if one.state == "drift"]))


def how_of(wanted: Wanted) -> How:
    """How to compare what somebody wants compared."""
    return How(pace=Pace(wanted.budget, wanted.rows_per_second), share=wanted.sample, seed=wanted.seed)


def is_news(last: Proof | None, proof: Proof) -> bool:
    """Whether a proof says more than the last one of its collection."""
    if last is None or proof.mode is Mode.FULL or proof.rested:
        return True
    return (last.start, last.unequal, last.peers, last.behind) != (proof.start, proof.unequal, proof.peers, proof.behind)


async def estimate(collection: Collection, peers: Sequence[Peer]) -> int:
    """About how many rows a collection has."""
    table = (await peers[0].inspect()).get(collection.table_at(peers[0].name))
    return table.rows_estimate if table is not None else 0
