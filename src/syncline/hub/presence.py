"""Whether a running hub can look at a peer's copies now, which decides who may be called in sync. Asks nobody."""

from syncline.engine.core import Engine
from syncline.engine.session import Phase
from syncline.engine.state import Stage
from syncline.hub.standing import LEFT, Away


def away(engine: Engine, peer: str) -> Away | None:
    """Why nothing is known of a peer's copies now, whatever was proven of them; None where that may still stand."""
    session, waiting = engine.sessions[peer], engine.ingest.waiting
    if engine.state.peer(peer).stage is Stage.LEFT:
        return LEFT
    why = f": {session.reason}" if session.reason is not None else ""
    if session.phase not in (Phase.LIVE, Phase.JOINING) and not _begins(engine, peer):
        return Away(f"{peer} is {session.phase}{why}", alarm=session.phase is not Phase.PAUSED)
    if waiting is not None:  # what is written at the peers meanwhile is not in the log, so the log proves nothing of now
        return Away(f"the log takes no entries: {waiting}")
    return None


def unsure(engine: Engine, peer: str) -> str:
    """What is under way at a peer of which nothing is wrong, so that no copy of it is in sync yet; '' where it is live."""
    phase = engine.sessions[peer].phase
    if _begins(engine, peer):
        return f"{peer} is being connected"
    return "" if phase is Phase.LIVE else f"{peer} is {phase}"


def _begins(engine: Engine, peer: str) -> bool:
    """Whether a peer is connected for the first time since it was asked for. One that failed has a reason until it is live."""
    session = engine.sessions[peer]
    return session.reason is None and session.phase in (Phase.CONNECTING, Phase.WAITING)
