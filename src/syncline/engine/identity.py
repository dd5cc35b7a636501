"""Is this the peer whose history the log knows? Pure checks over what it shows and what the log recorded."""

from collections.abc import Set
from typing import Final

from syncline.engine.state import PeerRecord
from syncline.model.errors import PeerBusy, PeerRestored, PeerUnreachable, PeerUnsafe
from syncline.model.stamp import Offset, Position
from syncline.peers.protocol import Identity
from syncline.peers.receiving import UNHEARD

_FRESH: Final = "Syncline's tables are gone or empty: it was replaced, or torn down by hand"


def verify_identity(record: PeerRecord, shown: Identity, head: Offset) -> None:
    """Raise PeerRestored with the evidence unless the peer's history continues the one in the log (torture F20, F26-F28).

    PeerUnreachable where there is nothing to show it: see require_there.
    """
    if not _has_place(record):
        return
    require_there(record, shown)
    why = _evidence(record, shown, head, record.position)
    if why:
        same = not shown.fresh and shown.incarnation.partition(" ")[0] == record.incarnation
        raise PeerRestored(
            "its history is not the one that the log knows" if same else "this is not the copy that the log knows",
            peer=record.name,
            why=why,
            hint=f"let it join again by compare-and-merge: 'syncline resume {record.name} --rejoin'",
        )


def require_heard(record: PeerRecord, heard: Set[str]) -> None:
    """Raise PeerRestored if users are to be heard in a collection that their peer only received, and wrote there meanwhile."""
    if _has_place(record) and (names := sorted(record.unheard & heard)):
        raise PeerRestored(
            "nobody heard what its users wrote",
            peer=record.name,
            collection=", ".join(names),
            why=UNHEARD,
            hint=f"let it join again by compare-and-merge: 'syncline resume {record.name} --rejoin'",
        )


def require_there(record: PeerRecord, shown: Identity) -> None:
    """Raise PeerUnreachable where there is nothing of a peer with a place in the log, even if its address allows to begin so.

    Only a peer that is new to the log begins empty: what this one had may come back.
    """
    if shown.empty and _has_place(record):
        raise PeerUnreachable(
            "its database is away",
            peer=record.name,
            why="there is nothing at its address, and the log knows what was there",
            hint=f"bring it back; if it is gone for good, let an empty one join: 'syncline resume {record.name} --rejoin'",
        )


def require_kept(record: PeerRecord, made: Identity) -> None:
    """Raise PeerRestored if `setup` had to make anew what the log knows of: it went after the peer had been met."""
    if made.fresh and _has_place(record):
        raise PeerRestored(
            "this is not the copy that the log knows",
            peer=record.name,
            why=_FRESH,
            hint=f"let it join again by compare-and-merge: 'syncline resume {record.name} --rejoin'",
        )


def require_same(record: PeerRecord, made: Identity) -> None:
    """Raise PeerRestored if `setup` gave a peer that the log knows another incarnation: its history broke since it was met."""
    if _has_place(record) and made.incarnation != record.incarnation:
        raise PeerRestored(
            "its history is not the one that the log knows",
            peer=record.name,
            why="it broke while the peer was being set up, so a new one was begun",
            hint=f"let it join again by compare-and-merge: 'syncline resume {record.name} --rejoin'",
        )


def session_mark(space: str, token: str) -> str:
    """What a session of this space leaves in a peer as its nonce: it names the space."""
    return f"{space}/{token}"


def require_free(record: PeerRecord, shown: Identity, mark: str) -> None:
    """Raise PeerUnsafe if another space than the one of `mark` holds the peer: only one can have what is captured there."""
    holder, own = (one.rpartition("/")[0] for one in (shown.nonce, mark))
    if not holder or holder == own or shown.nonce in record.nonces:
        return
    leave, here = f"'syncline teardown {record.name}'", f"'syncline teardown {record.name} --foreign' here"
    raise PeerUnsafe(
        "this peer is held by another space",
        peer=record.name,
        space=holder,
        why="what is captured at a peer can go to one space only; the other one would miss it",
        hint=f"let it leave there: {leave} with the configuration of {holder}; if it is a copy of a peer there, {here}",
    )


def is_twin(record: PeerRecord, shown: Identity) -> bool:
    """Whether this is the database of a peer that the log knows, or a copy of it."""
    return bool(record.incarnation) and not shown.fresh and shown.incarnation.partition(" ")[0] == record.incarnation


def require_copy(name: str, twin: PeerRecord, shown: Identity, *, listed: bool, again: bool) -> None:
    """Raise PeerError unless it is sure that a new peer's database is a copy of its twin's, and not the twin's own.

    Only the twin's own has the mark of its last session. `listed`: the twin is a peer of this configuration; `again`: it got a
    new mark since this database showed the one before.
    """
    if shown.nonce not in twin.nonces:
        return
    old, own = twin.name, "if it is a copy that is to be a peer of its own"
    if not listed:
        leave = f"'syncline teardown {name} --yes', then 'syncline resume {name} --rejoin'"
        raise PeerUnsafe(
            f"this is the database of {old}, or a copy of it",
            peer=name,
            why=f"{old} is not configured any more, and this database has the mark of its last session",
            hint=f"if {old} has a new name: 'syncline rename {old} {name}'; {own}: {leave}",
        )
    if again:
        raise PeerUnsafe(
            f"this is the database of {old}",
            peer=name,
            why=f"whatever mark {old} gets, this one has it too: one database is configured under two names",
            hint="give it one name",
        )
    raise PeerBusy(
        f"it cannot be told yet whether this is the database of {old} or a copy of it",
        peer=name,
        why=f"it has the mark of {old}'s last session, and {old} was not met since; a copy would not get the next one",
        hint=f"wait until {old} is live; if {old} has a new name: take the old one out of the configuration",
    )


def continues(record: PeerRecord, shown: Identity, head: Offset) -> bool:
    """Whether a peer that comes back has the history that the log had of it up to `record.since`, and what it did since."""
    return bool(record.incarnation) and record.since is not None and not _evidence(record, shown, head, record.since)


def knows_its_own(record: PeerRecord, shown: Identity) -> bool:
    """Whether a peer that comes back can tell what it wrote itself since the log last heard of it."""
    known = not shown.fresh and shown.incarnation == record.incarnation
    return known and (record.since is None or shown.forgotten <= record.since)


def _has_place(record: PeerRecord) -> bool:
    return record.holds_window and bool(record.incarnation)


def _evidence(record: PeerRecord, shown: Identity, head: Offset, position: Position | None) -> str:
    if shown.fresh:
        return _FRESH
    if shown.incarnation.startswith(f"{record.incarnation} ("):  # the same database, whose kind says what became of its history
        return shown.incarnation.partition(" ")[2][1:-1]
    if shown.incarnation != record.incarnation:
        return f"its incarnation is {shown.incarnation}, the log knows {record.incarnation}"
    if record.nonces and shown.nonce not in record.nonces:
        return "its session mark is not the last one that was set: it was restored from a copy, or a copy of it was used"
    if shown.watermark > head:
        return f"it has entries up to {shown.watermark}, but the log ends at {head}: the log was restored from a copy"
    if shown.watermark < record.captured and record.captured != record.joined_at:
        return f"its watermark {shown.watermark} is behind {record.captured}, which it had confirmed: it went back in time"
    if position is not None and shown.forgotten > position:
        gone = f"it has forgotten its history up to {shown.forgotten.major}, which this log does not have"
        return f"{gone}: the log was restored from a copy, or somebody else moved the peer's history on"
    if position is not None and shown.position < position:
        return f"its history ends at {shown.position.major}, before {position.major}, which was captured from it"
    return ""
