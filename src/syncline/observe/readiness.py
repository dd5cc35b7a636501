"""Whether a space can be relied on now, and what stands against it. Pure: from a status to causes."""

from collections.abc import Mapping
from typing import Any, NamedTuple

Report = Mapping[str, Any]


class Cause(NamedTuple):
    """Why a space is not ready. `standing`: of a copy at `peer` of `collection`; all three are '' where it is the hub's."""

    peer: str
    collection: str
    standing: str
    why: str

    def as_json(self) -> dict[str, str | None]:
        """The same for machines: what does not apply is null."""
        return {
            "peer": self.peer or None,
            "collection": self.collection or None,
            "standing": self.standing or None,
            "why": self.why,
        }


def causes(status: Report) -> list[Cause]:
    """What stands against it: every red copy; a hub that does not run or answer, or waits for its log. None: it is ready."""
    hub = status["hub"]
    found: list[Cause] = []
    if not hub["running"]:
        found.append(Cause("", "", "", "no hub runs: nothing is delivered, and nothing new is proven"))
    elif "pid" not in hub:
        found.append(
            Cause("", "", "", f"the running hub does not answer: {status['log'].get('reason') or 'no reason is known'}")
        )
    elif reason := status["log"].get("reason"):
        found.append(Cause("", "", "", f"the log waits: {reason}"))
    for name, peer in status["peers"].items():
        for collection, copy in peer["collections"].items():
            proof = copy.get("proof")
            if proof is not None and proof["alarm"]:
                found.append(Cause(name, collection, proof["standing"], proof["cause"] or "no cause is known"))
    return found
