"""What a comparison found so far, what was told of it, and small questions about comparisons."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from syncline.engine.state import State
from syncline.hub.incidents import AGAIN, fewer, needed, over, unknown
from syncline.model.codec import decode_row, encode_row
from syncline.model.limits import PROOF_WAIT_SECONDS, SCAN_PENDING_MAX
from syncline.model.proof import Incident, Mode, Proof, Scan, Wanted
from syncline.model.schema import Collection
from syncline.model.stamp import Micros, Offset
from syncline.model.value import Key
from syncline.model.words import counted
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
    """A full comparison under way. `head`: of the log when it began; `start`: through what its rows are compared so far.

    What changes meanwhile is compared too, now and then: so `start` follows the log, however long all of it takes.
    """

    def __init__(self, name: str, peers: Sequence[Peer], start: Offset, head: Offset, began: Micros, last: float) -> None:
        self.name, self.peers, self.start, self.head, self.began = name, peers, start, head, began
        self.last = last  # when it was last written down
        self.told = Told()
        self._later: dict[Key, str] = {}  # what was found of what changed meanwhile, with its state
        self._pending: dict[Key, None] = {}
        self._seen: set[Key] = set()
        self._unlisted = 0  # pending keys that are not listed

    @classmethod
    def resumed(cls, scan: Scan, peers: Sequence[Peer], last: float) -> "Note":
        """One that stopped."""
        made = cls(scan.collection, peers, scan.start, scan.head, scan.began, last)
        made._pending = {decode_row(key): None for key in scan.pending}
        made._seen = set(made._pending)
        made._unlisted = max(0, scan.unequal.get("pending", 0) - len(scan.pending))
        return made

    def found(self, differences: Sequence[Difference]) -> None:
        """The comparison itself found these."""
        for one in differences:
            self._seen.add(one.key)
            self._later.pop(one.key, None)
            if one.state == "pending":
                self._wait(one.key)

    def caught_up(self, goal: Offset, differences: Sequence[Difference]) -> None:
        """What changed up to `goal` was compared at all peers, and only these are not equal."""
        self.start = goal
        for one in differences:
            if one.key not in self._seen:
                self._later[one.key] = one.state
            if one.state == "pending":
                self._wait(one.key)

    def _wait(self, key: Key) -> None:
        if len(self._pending) < SCAN_PENDING_MAX or key in self._pending:
            self._pending[key] = None
        else:
            self._unlisted += 1

    def scan(self, upto: Key, progress: Progress) -> Scan:
        """What is written down."""
        names, rows, ranges = tuple(peer.name for peer in self.peers), progress.rows, progress.ranges
        unequal = self._unequal(progress.unequal)
        pending = tuple(encode_row(key) for key in self._pending)
        return Scan(self.name, names, self.start, encode_row(upto), rows, ranges, self.began, unequal, self.head, pending)

    def scan_again(self, scan: Scan) -> Scan:
        """The same of one that does not go on just now."""
        pending = tuple(encode_row(key) for key in self._pending)
        return msgspec.structs.replace(scan, start=self.start, unequal=self._unequal(scan.unequal), pending=pending)

    def proof(self, proof: Proof) -> Proof:
        """The proof of the comparison, with what was found of what changed meanwhile."""
        listed = {decode_row(key): None for key in proof.pending} | self._pending
        pending = tuple(encode_row(key) for key in listed)
        unequal = self._unequal(proof.unequal, len(pending))
        return msgspec.structs.replace(
            proof, start=self.start, head=self.head, unequal=unequal, pending=pending, began=self.began
        )

    def _unequal(self, states: Mapping[str, int], pending: int | None = None) -> dict[str, int]:
        """How many keys of each state; each pending one once."""
        found = Counter(states) + Counter(self._later.values())
        waits = (len(self._pending) if pending is None else pending) + self._unlisted
        found["pending"] = waits
        return {state: count for state, count in found.items() if count}


class AtRest(NamedTuple):
    """A collection compared while no hub ran: at these peers, when the log ended at `head`. `began`: when that was."""

    compared: Compared
    peers: tuple[str, ...]
    head: Offset
    began: Micros

    @property
    def _sure(self) -> dict[str, set[str]]:
        return {self.compared.collection: set(self.peers)}

    def _unequal(self) -> dict[str, set[bytes]] | None:
        """The keys that are not equal; None where not all are listed."""
        listed = self.compared.differences
        complete = len(listed) == self.compared.found
        return {self.compared.collection: {encode_row(one.key) for one in listed}} if complete else None

    def _open(self, state: State) -> dict[str, Incident]:
        """The open incidents that this comparison can tell of: those that were known before it began."""
        return {one.id: one for one in state.proofs.open(self.compared.collection) if one.last <= self.head}

    def over(self, state: State) -> dict[str, str]:
        """How the open incidents that are over ended; one too large to name its rows ends where none differs."""
        unequal, found = self._unequal(), self._open(state)
        closed = over(found, state, unequal, self._sure) if unequal is not None else {}
        large = [one for one in found.values() if not (self.compared.found or one.is_named)]
        return closed | {one.id: AGAIN for one in large if needed(one, state) <= set(self.peers)}

    def fewer(self, state: State) -> dict[str, list[bytes]]:
        """The keys that are left of open incidents of which some rows are equal again."""
        unequal = self._unequal()
        return fewer(self._open(state), state, unequal, self._sure) if unequal is not None else {}

    def rested(self, state: State) -> tuple[bytes, ...]:
        """The keys that had been pending and are equal now, at every peer of which anything is claimed."""
        unequal, known = self._unequal(), state.proofs.of(self.compared.collection)
        if unequal is None or not set(known.compared) <= set(self.peers):
            return ()
        return tuple(key for key in known.pending if key not in unequal[self.compared.collection])

    def is_news(self, state: State) -> bool:
        """Whether the log does not say so already: other drift than before, or less of it, or a proof that goes further."""
        if not self.compared.whole or len(self.peers) < 2:
            return False
        proofs = state.proofs
        known = proofs.of(self.compared.collection)
        if self.compared.found == 0:
            return bool(proofs.open(self.compared.collection)) or any(
                known.through.get(peer, -1) < self.compared.start for peer in self.peers
            )
        if unknown(proofs, [one for one in self.compared.differences if one.state == "drift"]):
            return True
        told = known.last.unequal.get("drift", 0) if known.last is not None else 0
        return bool(self.over(state) or self.fewer(state)) or self.compared.states.get("drift", 0) != told


def progress_of(scan: Scan) -> Progress:
    """Where a full comparison that stopped goes on."""
    return Progress(decode_row(scan.upto), scan.start, scan.rows, scan.ranges, dict(scan.unequal))


def cause_of(late: Sequence[str], tally: Tally) -> str:
    """Why the proof of a collection does not move, as far as one comparison tells; '' if it does."""
    if late:
        return f"{' and '.join(late)} did not get what the log has within {PROOF_WAIT_SECONDS:.0f} s"
    if tally.states.get("parked"):
        return f"{counted(tally.states['parked'], 'row')} parked: see 'syncline parked'"
    if tally.states.get("pending"):
        return f"{counted(tally.states['pending'], 'row')} under way for too long"
    return ""


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
