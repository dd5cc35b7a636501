"""What the log says of proofs: up to where each collection was compared at each peer, and the drift that is open.

A part of the fold. Only comparing makes a claim: a peer that joins, leaves or becomes stale has none until it was compared.
"""

from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from syncline.model.entry import Entry
from syncline.model.proof import VERSION, Incident, Mode, Proof, Scan
from syncline.model.stamp import Micros, Offset

CLOSED_MAX: Final = 100  # incidents that are over and still remembered


@dataclass
class Proven:
    """One collection. `compared`: all rows but those of open incidents, parked and pending ones were found equal, through it.

    `through`: all rows were. `full`: the last full comparison; `last`: the last of any mode.
    """

    compared: dict[str, Offset] = field(default_factory=dict)
    through: dict[str, Offset] = field(default_factory=dict)
    full: Proof | None = None
    last: Proof | None = None
    scan: Scan | None = None
    pending: tuple[bytes, ...] = ()  # keys that never rested when they were compared
    fulls: dict[str, Micros] = field(default_factory=dict)  # when the last comparison of every row there began
    times: dict[str, Micros] = field(default_factory=dict)  # when the last comparison that claims something there ended


class Proofs:
    """All collections."""

    def __init__(self) -> None:
        self.collections: dict[str, Proven] = {}
        self.incidents: dict[str, Incident] = {}  # open ones, by id
        self.closed: dict[str, Incident] = {}
        self.dropped: dict[str, Offset] = {}  # peer -> where it last joined, left or became stale

    def of(self, collection: str) -> Proven:
        """What is known of one."""
        return self.collections.get(collection) or Proven()

    def open(self, collection: str) -> list[Incident]:
        """The open incidents of a collection."""
        return [one for one in self.incidents.values() if one.collection == collection]

    def fold(self, entry: Entry) -> None:
        """Take in a VERIFY entry."""
        body = entry.body or {}
        if body.get("v") != VERSION:
            for collection, peers in body.items():
                self._known(collection).compared.update(peers)
                self._known(collection).through.update(peers)
            return
        for place, told in enumerate(body.get("incidents", ())):
            incident = msgspec.structs.replace(msgspec.convert(told, Incident), id=f"{entry.offset}.{place}")
            self.incidents[incident.id] = incident
        for name, how in body.get("closed", {}).items():
            incident_over = self.incidents.pop(name, None)
            if incident_over is not None:
                self.closed[name] = msgspec.structs.replace(incident_over, closed=entry.offset, closed_at=entry.time, how=how)
        while len(self.closed) > CLOSED_MAX:
            del self.closed[next(iter(self.closed))]
        for name, keys in body.get("fewer", {}).items():
            if name in self.incidents:
                self.incidents[name] = msgspec.structs.replace(self.incidents[name], keys=tuple(keys), count=len(keys))
        for name, rows in body.get("more", {}).items():
            if name in self.incidents:
                self.incidents[name] = msgspec.structs.replace(self.incidents[name], count=self.incidents[name].count + rows)
        if "scan" in body:
            scan = msgspec.convert(body["scan"], Scan)
            self._known(scan.collection).scan = scan
        for told in body.get("proofs", ()):
            self._prove(msgspec.convert(told, Proof))

    def _prove(self, proof: Proof) -> None:
        known = self._known(proof.collection)
        known.last = proof
        if proof.mode is Mode.SAMPLED or len(proof.peers) < 2:
            return
        sure = [peer for peer in proof.peers if peer not in proof.behind and proof.head >= self.dropped.get(peer, 0)]
        if proof.mode is Mode.FULL:
            known.full, known.scan = proof, None
            known.fulls.update(dict.fromkeys(sure, proof.began or proof.time))
        known.times.update(dict.fromkeys(sure, proof.time))
        if proof.unequal.get("pending", 0) > len(proof.pending):
            return  # nobody knows which
        left = dict.fromkeys(key for key in known.pending if key not in set(proof.rested))
        known.pending = tuple(left | dict.fromkeys(proof.pending))
        open_here = bool(self.open(proof.collection)) or not proof.equal or bool(known.pending)
        for peer in sure:
            if proof.mode is Mode.STEADY and peer not in known.compared:
                continue
            known.compared[peer] = max(known.compared.get(peer, 0), proof.start)
            if not open_here:
                known.through[peer] = max(known.through.get(peer, 0), known.compared[peer])

    def rename(self, old: str, new: str) -> None:
        """A peer has another name from now on; what was proven of it stands."""
        for known in self.collections.values():
            for claims in (known.compared, known.through, known.fulls, known.times):
                if old in claims:
                    claims[new] = claims.pop(old)
            known.full, known.last = _proof_renamed(known.full, old, new), _proof_renamed(known.last, old, new)
            if known.scan is not None:
                known.scan = msgspec.structs.replace(known.scan, peers=_renamed(known.scan.peers, old, new))
        for name, one in self.incidents.items():
            among = _renamed(one.among, old, new)
            self.incidents[name] = msgspec.structs.replace(one, peers=_renamed(one.peers, old, new), among=among)
        if old in self.dropped:
            self.dropped[new] = self.dropped.pop(old)

    def drop(self, peer: str, offset: Offset) -> None:
        """This peer's copies are compared anew before anything is said of them; what began before does not count."""
        self.dropped[peer] = offset
        for known in self.collections.values():
            for claims in (known.compared, known.through, known.fulls, known.times):
                claims.pop(peer, None)
            if known.scan is not None and peer in known.scan.peers:
                known.scan = None

    def _known(self, collection: str) -> Proven:
        return self.collections.setdefault(collection, Proven())

    def export(self) -> dict[str, Any]:
        """For a checkpoint."""
        plain = {
            name: {
                "compared": one.compared,
                "through": one.through,
                "full": one.full,
                "last": one.last,
                "scan": one.scan,
                "pending": one.pending,
                "fulls": one.fulls,
                "times": one.times,
            }
            for name, one in self.collections.items()
        }
        made: dict[str, Any] = {"collections": plain, "dropped": self.dropped}
        made |= {"incidents": list(self.incidents.values()), "closed": list(self.closed.values())}
        exported: dict[str, Any] = msgspec.to_builtins(made, builtin_types=(bytes,))
        return exported

    def restore(self, export: dict[str, Any]) -> None:
        """From a checkpoint."""
        self.collections = {
            name: Proven(
                one["compared"],
                one["through"],
                msgspec.convert(one["full"], Proof | None),
                msgspec.convert(one["last"], Proof | None),
                msgspec.convert(one["scan"], Scan | None),
                tuple(one.get("pending", ())),
                one.get("fulls", {}),
                one["times"] if "times" in one else _times(one),
            )
            for name, one in export.get("collections", {}).items()
        }
        self.incidents = {one.id: one for one in msgspec.convert(export.get("incidents", []), list[Incident])}
        self.dropped = export.get("dropped", {})
        self.closed = {one.id: one for one in msgspec.convert(export.get("closed", []), list[Incident])}


def _times(told: dict[str, Any]) -> dict[str, Micros]:
    """What an older checkpoint tells of when copies were compared."""
    times: dict[str, Micros] = {}
    for proof in (msgspec.convert(told[name], Proof | None) for name in ("full", "last")):
        if proof is not None and proof.mode is not Mode.SAMPLED:
            times |= {peer: proof.time for peer in proof.peers if peer not in proof.behind and peer in told["compared"]}
    return times


def _proof_renamed(proof: Proof | None, old: str, new: str) -> Proof | None:
    if proof is None:
        return None
    peers, behind = _renamed(proof.peers, old, new), _renamed(proof.behind, old, new)
    return msgspec.structs.replace(proof, peers=peers, behind=behind)


def _renamed(peers: tuple[str, ...], old: str, new: str) -> tuple[str, ...]:
    return tuple(new if peer == old else peer for peer in peers)
