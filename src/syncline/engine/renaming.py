"""Renaming a peer: what speaks against it, and the entry that records it. Pure."""

from syncline.engine.state import PeerRecord, Stage, State
from syncline.model.entry import Entry, Kind
from syncline.model.errors import UsageError
from syncline.model.stamp import Micros, Offset


def is_renamed(state: State, old: str, new: str) -> bool:
    """Whether the log has this rename already, and nobody has taken part under the old name since."""
    return old not in state.peers and old in state.names.once(new) and new in state.peers


def require_renamable(state: State, old: str, new: str) -> PeerRecord:
    """The record of the peer to rename. Raises UsageError."""
    record, taken = state.peers.get(old), state.peers.get(new)
    if record is None or not record.joined_at:
        known = sorted(name for name, one in state.peers.items() if one.joined_at)
        hint = f"these have: {', '.join(known)}" if known else f"just call it {new} in the configuration"
        raise UsageError(f"{old} has not taken part in this space", hint=hint)
    if taken is not None and (taken.joined_at or taken.stage is not Stage.NEW):
        why = "what the log holds under that name is another peer's"
        raise UsageError(f"{new} has taken part in this space itself", why=why, hint="choose a name that was never used")
    return record


def rename_entry(state: State, old: str, new: str, offset: Offset, time: Micros) -> list[Entry]:
    """The entry that renames a peer; none if the log has it already. Raises UsageError."""
    if is_renamed(state, old, new):
        return []
    require_renamable(state, old, new)
    return [Entry(offset, Kind.PEER, old, time=time, body={"renamed": new})]
