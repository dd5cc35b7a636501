"""When each copy was last compared, and by whom the last comparison was. The fold has only the last proofs. Pure."""

from collections.abc import Iterable

import msgspec

from syncline.engine.names import Names
from syncline.engine.state import State
from syncline.model.entry import Entry, Kind
from syncline.model.proof import VERSION, Mode, Proof
from syncline.model.stamp import Micros


class Looked(msgspec.Struct, frozen=True):
    """`times`: when a peer's copy of a collection was last compared. `last`: which peers the last comparison was of.

    Peers are called as they are called now.
    """

    times: dict[tuple[str, str], Micros] = {}
    last: dict[str, frozenset[str]] = {}


def looked(state: State, notes: Iterable[Entry]) -> Looked:
    """From what the fold keeps, and from the notes that the log still has, in order."""
    found = Looked({}, {})
    for known in state.proofs.collections.values():
        for proof in (known.full, known.last):
            if proof is not None:
                _add(found, proof, state.names, state.head)
    for entry in notes:
        body = entry.body or {}
        if entry.kind is Kind.VERIFY and body.get("v") == VERSION:
            for told in body.get("proofs", ()):
                _add(found, msgspec.convert(told, Proof), state.names, entry.offset)
    return found


def _add(found: Looked, proof: Proof, names: Names, offset: int) -> None:
    peers = [names.of(peer, offset) for peer in proof.peers]
    found.last[proof.collection] = frozenset(peers)
    if proof.mode is Mode.SAMPLED or len(peers) < 2:
        return
    behind = {names.of(peer, offset) for peer in proof.behind}
    for peer in peers:
        if peer not in behind:
            place = peer, proof.collection
            found.times[place] = max(found.times.get(place, 0), proof.time)
