"""What a rename would do, and whether the database under the new name is the one that the log knows under the old one."""

from typing import Any

from syncline.engine.identity import require_free, session_mark, verify_identity
from syncline.engine.renaming import is_renamed, require_renamable
from syncline.engine.state import State
from syncline.model.errors import UsageError
from syncline.model.space import Space
from syncline.peers.registry import open_peer

Report = dict[str, Any]


def require_configured(space: Space, old: str, new: str) -> None:
    """Raise UsageError unless the configuration has the new name in the place of the old one."""
    if old == new:
        raise UsageError(f"{old} has this name already", hint="give the old name and the new one")
    if new not in space.peers:
        hint = f"write {new} instead of {old} in {space.path}, with the address as it is; nothing else changes"
        raise UsageError(f"the configuration has no peer {new}", why="a rename follows the configuration", hint=hint)
    if old in space.peers:
        why = "they are two places, and each is a peer of its own"
        hint = f"take {old} out of {space.path} if {new} is its new name"
        raise UsageError(f"{old} and {new} are both configured", why=why, hint=hint)


async def plan(space: Space, state: State, old: str, new: str) -> Report:
    """What a rename carries over. Raises UsageError or PeerError if it cannot be."""
    require_configured(space, old, new)
    done = is_renamed(state, old, new)
    record = state.peers[new] if done else require_renamable(state, old, new)
    if not done:
        peer = open_peer(new, space.peers[new].url, captures=space.hears(new))
        try:
            shown = await peer.connect()
            require_free(record, shown, session_mark(space.name, ""))
            verify_identity(record, shown, state.head)
        finally:
            await peer.close()
    name = new if done else old
    sides = [(one.conflict.ours.peer, one.conflict.theirs.peer) for one in state.open.values()]
    return {
        "old": old,
        "new": new,
        "stage": str(record.stage),
        "watermark": record.captured,
        "parked": sum(row.peer == name for row in state.parked.values()),
        "conflicts_open": sum(old in side or new in side for side in sides),
        "proven": {one: peers[name] for one, peers in state.verified.items() if name in peers},
        "renamed": done,
    }
