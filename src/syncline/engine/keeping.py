"""What servers keep of their logs for peers: looked at now and then, and an alarm before a disk fills or history is let go of.

The rule and the words are pure. Nobody lets go of anything here: that is for a person to decide.
"""

import asyncio
from collections.abc import Mapping
from enum import StrEnum

from syncline.engine.session import Phase, Session
from syncline.engine.state import PeerRecord, Stage
from syncline.model import limits
from syncline.model.errors import PeerBehind, PeerError, SynclineError
from syncline.model.event import Event, Listener
from syncline.model.stamp import Position
from syncline.model.words import lasted, sized, told_time
from syncline.peers.protocol import Kept, Peer

LOOK_SECONDS = 10.0  # how long one look may take
_LEAVE = "or let go of it for good: 'syncline teardown {0}'"


class Danger(StrEnum):
    """Why there is an alarm, the worst first."""

    LOST = "lost"  # the server has let go of what was needed
    LEAVING = "leaving"  # it says that it may at any time
    SIZE = "size"  # half of what it allows is used
    AGE = "age"  # half of the time is over after which it lets go
    BUDGET = "budget"  # its disk is being filled because of us


def danger(kept: Kept) -> Danger | None:
    """Whether what is kept is a reason for an alarm; a function of its numbers alone."""
    if kept.lost:
        return Danger.LOST
    if kept.leaving:
        return Danger.LEAVING
    if kept.bytes_max and 2 * kept.bytes >= kept.bytes_max:
        return Danger.SIZE
    if kept.seconds_max and 2 * kept.seconds >= kept.seconds_max:
        return Danger.AGE
    return Danger.BUDGET if kept.budget and kept.bytes > kept.budget else None


def alarm(name: str, kept: Kept, cause: str, fix: str) -> PeerBehind | None:
    """The alarm in words: what is kept, against which bound, why if that is known, and what helps."""
    found = danger(kept)
    if found is None:
        return None
    what = "the server is about to let go of history that was not read yet"
    size = f"{kept.what}: {sized(kept.bytes)} of the server's log are kept"
    match found:
        case Danger.LOST:
            what, why = "the server has let go of history that was not read yet", f"{kept.what} is lost: {kept.lost}"
            fix = f"'syncline resume {name} --rejoin' compares and merges; {_LEAVE.format(name)}"
        case Danger.LEAVING:
            why = f"{size}, more than it has to keep: the next checkpoint may end that"
        case Danger.SIZE:
            why = f"{size}, and it lets go beyond {sized(kept.bytes_max)}"
        case Danger.AGE:
            why = f"{size}; nobody has read there for {lasted(kept.seconds)}, and it lets go after {lasted(kept.seconds_max)}"
        case Danger.BUDGET:
            what, why = "the server keeps too much of its log for this peer", f"{size}, the budget is {sized(kept.budget)}"
    return PeerBehind(what, peer=name, why=f"{why}; {cause}" if cause else why, hint=fix)


def cause_of(record: PeerRecord, phase: Phase | None, reason: Exception | None, look: str = "") -> tuple[str, str]:
    """Why a peer's history is not read, as far as is known, and what helps. `phase`: None where no hub runs."""
    name, leave = record.name, _LEAVE.format(record.name)
    since = f" since {told_time(record.staged)}" if record.staged else ""
    rejoin = f"let it join again: 'syncline resume {name} --rejoin'; {leave}"
    if record.stage is Stage.PAUSED:
        return f"it is paused{since}", f"let it go on: 'syncline resume {name}'; {leave}"
    if record.stage is Stage.STALE:
        return f"it was away for too long, and is stale{since}", rejoin
    if record.stage is Stage.LEFT:
        return f"it left this space{since}", f"let go of it: 'syncline teardown {name}'; or let it join again"
    if phase is None:
        return "no hub runs", f"run one: 'syncline run'; {leave}"
    if phase in (Phase.BROKEN, Phase.WAITING) and reason is not None:
        told = reason.what if isinstance(reason, SynclineError) else str(reason)
        hint = reason.hint if isinstance(reason, SynclineError) and reason.hint else rejoin
        return f"it is {phase}: {told}", hint if "teardown" in hint else f"{hint}; {leave}"
    return "a hub reads it, and something holds it back", look or "see what the hub waits for: 'syncline status'"


def report(kept: Kept | None, told: PeerBehind | None) -> dict[str, object]:
    """Both for every face: the numbers, and the alarm where there is one."""
    if kept is None:
        return {"kept": None, "alarm": None}
    numbers = {"what": kept.what, "bytes": kept.bytes, "budget": kept.budget or None, "bytes_max": kept.bytes_max or None}
    numbers |= {"seconds": round(kept.seconds, 3) or None, "seconds_max": kept.seconds_max or None}
    raised = told.as_json() | {"danger": str(danger(kept)), "text": told.text()} if told is not None else None
    return {"kept": numbers, "alarm": raised}


class Keeping:
    """Looks at every peer of a running hub, also at those that are paused or stopped, and tells what changed."""

    def __init__(self, sessions: Mapping[str, Session], emit: Listener) -> None:
        self._sessions, self._emit = sessions, emit
        self._kept: dict[str, Kept | None] = {}
        self._told: dict[str, tuple[Danger, int]] = {}  # the alarm that was told last, and at how many bytes

    async def run(self) -> None:
        """Look, for ever."""
        while True:
            await asyncio.gather(*(self._look(session) for session in self._sessions.values()))
            await asyncio.sleep(limits.KEPT_SECONDS)

    async def _look(self, session: Session) -> None:
        captured = session.captured if session.phase in (Phase.LIVE, Phase.JOINING) else None
        try:
            if session.phase in (Phase.PAUSED, Phase.BROKEN):
                session.peer = session.renew(session.peer)
            found = await look(session.peer, captured or session.record.position)
        except Exception as error:  # one peer's failure, of whatever kind, is not the others' (F33)
            self._emit(Event("history.unknown", session.name, detail={"why": repr(error)}))
            return
        if found is not None:
            self._kept[session.name] = found[0]
            self._tell(session)

    def _tell(self, session: Session) -> None:
        """Say that an alarm began, became another one or twice as large, or is over."""
        name, kept = session.name, self._kept[session.name]
        now = self.alarm(name)
        if kept is None or now is None:
            if self._told.pop(name, None) is not None:
                self._emit(Event("history.calm", name, detail={"bytes": kept.bytes if kept is not None else 0}))
            return
        found = danger(kept)
        before, size = self._told.get(name, (None, 0))
        if found is not None and (found is not before or kept.bytes >= 2 * size > 0):
            self._told[name] = (found, kept.bytes)
            self._emit(Event("history.alarm", name, detail=now.as_json()))

    def alarm(self, name: str) -> PeerBehind | None:
        """The alarm at a peer, if there is one."""
        kept, session = self._kept.get(name), self._sessions[name]
        if kept is None:
            return None
        return alarm(name, kept, *cause_of(session.record, session.phase, session.reason, kept.look))

    def report(self, name: str) -> dict[str, object]:
        """What is kept for a peer as it was looked at last, and the alarm."""
        return report(self._kept.get(name), self.alarm(name))


async def look(peer: Peer, after: Position | None) -> tuple[Kept | None] | None:
    """What is kept for a peer, in a tuple; None where that cannot be found out now."""
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            return (await peer.kept(after),)
    except (PeerError, TimeoutError):
        return None
