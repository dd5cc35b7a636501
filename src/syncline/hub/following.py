"""How far the log has a peer's history, for who reads the peer's rows beside a running hub."""

import asyncio
from typing import Any

import msgspec

from syncline.engine.core import Engine
from syncline.engine.session import Phase
from syncline.hub.desk_service import Gone, call
from syncline.log.registry import is_served, log_exists, open_desk
from syncline.model.errors import PeerUnreachable
from syncline.model.limits import RECHECK_SECONDS
from syncline.model.stamp import Position

Report = dict[str, Any]


async def captured(engine: Engine, body: Report) -> Report:
    """Wait, for a while, until the log has a peer's history up to a position. The desk's side.

    A stream tells how far it is where its own peer asked: so that asks anew where history ends, which is behind that position.
    """
    session = engine.sessions.get(body["peer"])
    if session is None or session.phase is not Phase.LIVE:
        return {"captured": False}
    try:
        async with asyncio.timeout(RECHECK_SECONDS):
            end = await session.peer.position()
            behind = end >= msgspec.convert(body["position"], Position)
            return {"captured": behind and await session.wait_captured(end)}
    except TimeoutError:
        return {"captured": False}


async def until_captured(log: str, peer: str, position: Position) -> bool:
    """Have the running hub wait until the log has a peer's history; False if no hub runs. Raises PeerUnreachable."""
    if not is_running(log):
        return False
    body = {"peer": peer, "position": [position.major, position.minor, position.text]}
    try:
        told = await call(open_desk(log), "captured", body, served=lambda: is_running(log))
    except Gone:
        return False
    if not told["captured"]:
        hint = "try again; 'syncline status' tells how the peer is"
        raise PeerUnreachable("the running hub has not captured what this peer wrote", peer=peer, hint=hint)
    return True


def is_running(log: str) -> bool:
    """Whether a hub serves this log now."""
    return log_exists(log) and is_served(log)
