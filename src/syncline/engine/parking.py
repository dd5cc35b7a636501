"""Parked rows: set aside with their reason, tried again now and then or when a person asks, never forgotten."""

from syncline.engine.state import ParkedRow, State
from syncline.merge.window import Window
from syncline.model.change import Change
from syncline.model.entry import Entry, Kind
from syncline.model.errors import UsageError
from syncline.model.stamp import Micros, Offset
from syncline.model.value import Row

RETRY_SECONDS_FIRST = 30.0
RETRY_SECONDS_LAST = 3600.0


def due(state: State, now: Micros) -> list[ParkedRow]:
    """The exceptions whose time to try again has come: 30 s after they were parked, then doubling up to an hour.

    One that seems to have been parked in the future is due: our clock was set back (torture F19).
    """
    return [
        row for row in state.parked.values() if not (row.retried or row.skipped or 0 <= now - row.time < _wait(row.attempts))
    ]


def _wait(attempts: int) -> Micros:
    return int(min(RETRY_SECONDS_LAST, RETRY_SECONDS_FIRST * 2.0 ** min(attempts - 1, 20)) * 1e6)


def retry_entry(state: State, window: Window, row: ParkedRow, offset: Offset, time: Micros, held: Row | None = None) -> Entry:
    """A RETRY entry: the then-current row of a parked key for its peer alone. Recorded in the window. Raises UsageError.

    The current row is the window's; `held`, as a live peer has it, where the window does not know the key.
    """
    _require_parked(state, row)
    view = window.view(row.collection, row.key)
    if view is None and held is None:
        hint = "try again while the hub runs and another peer is live"
        raise UsageError("no live peer has this row", peer=row.peer, collection=row.collection, hint=hint)
    change = Change(row.collection, row.key, None, view.row if view is not None else held)
    entry = Entry(offset, Kind.RETRY, time=time, changes=(change,), to=row.peer)
    window.replay(entry)
    return entry


def skip_entry(state: State, row: ParkedRow, offset: Offset, time: Micros) -> Entry:
    """A PARK entry that says that a person gave this row up at its peer. Raises UsageError."""
    if _require_parked(state, row).retried:
        raise UsageError("this row is being tried again", peer=row.peer, hint="wait for how it ends")
    body = {"code": row.code, "reason": row.reason, "since": row.since, "skipped": True}
    return Entry(offset, Kind.PARK, row.peer, time=time, changes=(Change(row.collection, row.key, None, None),), body=body)


def _require_parked(state: State, row: ParkedRow) -> ParkedRow:
    known = state.parked.get((row.peer, row.collection, row.key))
    if known is None:
        raise UsageError("this row is not parked any more", peer=row.peer, collection=row.collection)
    return known
