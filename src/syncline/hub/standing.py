"""Whether a copy is in sync, as far as it was compared: never more than the proofs in the log say. Pure."""

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple

from syncline.engine.proofs import Proven
from syncline.engine.state import State
from syncline.hub.moments import when
from syncline.model.proof import Incident
from syncline.model.words import counted, lasted
from syncline.observe.readiness import causes

Report = dict[str, Any]
STALLED_PROOFS: Final = 3  # so many proofs may fail to move before that is an alarm
STALLED_SECONDS: Final = 30.0  # at least


class Standing(StrEnum):
    """What is known of one copy. Only IN_SYNC says that it is equal, and only through its offset."""

    IN_SYNC = "in sync"  # compared through the last change
    MOVING = "moving"  # compared up to some offset; what came since will be, soon
    STALLED = "stalled"  # what came since should have been compared by now
    DRIFT = "drift"  # rows differ though nothing is under way
    UNPROVEN = "unproven"  # not compared yet
    AWAY = "away"  # it cannot be looked at now, so nobody knows


class Away(NamedTuple):
    """Why a copy cannot be looked at; whether that is an alarm, or somebody wanted it so. `left`: it is none of the space's."""

    cause: str
    alarm: bool = True
    left: bool = False


LEFT: Final = Away("it left the space, as it was asked to", alarm=False, left=True)


def standing(
    state: State,
    peer: str,
    collection: str,
    *,
    waits: float = 0.0,
    every: float = 0.0,
    why: str = "",
    scanned: str = "",
    away: Away | None = None,
    unsure: str = "",
    sends: bool = False,
) -> Report:
    """One collection at one peer. `waits`: for how long something changed is not proven, in seconds; `every`: between proofs.

    `why`: what kept the last proof from moving. `scanned`: how far a full comparison has come. Without a hub: `every` 0.
    `unsure`: why it may hold more than the log knows of, so that it is not in sync.
    `sends`: it only sends, so it is not compared.
    """
    known = state.proofs.of(collection)
    through = known.through.get(peer)
    incidents = state.proofs.open(collection)
    late = bool(every) and waits > max(STALLED_PROOFS * every, STALLED_SECONDS)
    cause, alarm = "", False
    if away is not None and away.left:
        found, cause = Standing.AWAY, away.cause
    elif sends and away is None:
        found, cause = Standing.UNPROVEN, "it only sends: it keeps rows of its own, so it is not compared"
    elif not sends and any(peer in one.peers or not one.peers for one in incidents):
        found, alarm, cause = Standing.DRIFT, True, _differ(incidents)
    elif away is not None:
        found, alarm, cause = Standing.AWAY, away.alarm, away.cause
    elif incidents:
        found, cause = Standing.MOVING, f"rows at {' and '.join(incidents[0].peers)} differ"
    elif through is None:
        found, cause = Standing.UNPROVEN, scanned or why or _why_unproven(known, peer)
        alarm = late and not scanned
    elif through >= state.data and not unsure:
        found = Standing.IN_SYNC
    elif late:
        found, alarm = Standing.STALLED, True
        cause = why or f"nothing was compared for {lasted(waits)}, though there were changes"
    else:
        found = Standing.MOVING
        cause = unsure or ("" if every else "no hub runs")
    return {
        "standing": found.value,
        "alarm": alarm,
        "cause": cause or None,
        "through": through,
        "compared": known.compared.get(peer),
        "compared_at": when(known.times[peer]) if peer in known.times else None,
        "full_at": when(known.fulls[peer]) if peer in known.fulls else None,
        "incidents": [one.id for one in incidents],
        "drift_rows": sum(one.count for one in incidents),
    }


def red(status: Report) -> list[Report]:
    """What of a status is red, each with its `peer` and `collection`, '' where it is of none, and `why`.

    As a readiness check sees it, but for a hub that does not run: a space may be run now and then. A hub that runs and does not
    answer is red, and so are what keeps its log waiting, drift that it may not repair, and a server that keeps too much.
    """
    hub = status.get("hub", {})
    told = [] if not hub.get("running") else causes(status)
    found = [_red("", "", one.why) for one in told if not one.peer]
    if one := status.get("repair_alarm"):
        found.append(_red("", "", f"{one['code']} {one['what']}: {one['why']}"))
    for name, peer in status.get("peers", {}).items():
        if peer.get("alarm"):
            found.append(_red(name, "", peer["alarm"]["text"]))
        copies = peer.get("collections", {}).items()
        for collection, proof in ((collection, copy.get("proof") or {}) for collection, copy in copies):
            if proof.get("alarm"):
                found.append(_red(name, collection, f"{proof['standing']}: {proof.get('cause') or 'no cause is known'}"))
    return found


def _red(peer: str, collection: str, why: str) -> Report:
    return {"peer": peer, "collection": collection, "why": why}


def _differ(incidents: Sequence[Incident]) -> str:
    """How many rows, and why, as far as that is one thing."""
    rows = f"{counted(sum(one.count for one in incidents), 'row')} differed when last compared"
    if len({one.cause for one in incidents}) == 1:
        return f"{rows}: {incidents[0].why}"
    causes = Counter({one.cause: 0 for one in incidents})
    for one in incidents:
        causes[one.cause] += one.count
    return f"{rows}: {', '.join(f'{count:,} {cause}' for cause, count in causes.items())}"


def _why_unproven(known: Proven, peer: str) -> str:
    if known.last is not None and peer in known.last.peers:
        return "; ".join(f"{count} {state}" for state, count in known.last.unequal.items() if count)
    return "it was not compared yet"
