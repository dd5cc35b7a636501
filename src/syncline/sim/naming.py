"""Names where peers are renamed: a peer keeps its first name for users and checkers; the hub knows its newest one."""

from typing import Final

import msgspec

from syncline.model.change import Change
from syncline.model.conflict import Conflict, Side
from syncline.model.entry import Entry

MARK: Final = "~"  # between the first name and the number of the rename


def first_name(name: str) -> str:
    """The name that a peer had in the beginning."""
    return name.partition(MARK)[0]


def next_name(name: str) -> str:
    """A name that nobody had so far."""
    base, _, number = name.partition(MARK)
    return f"{base}{MARK}{int(number or 0) + 1}"


def with_first_names(entry: Entry) -> Entry:
    """An entry as it would be had nobody been renamed."""
    changes = entry.changes
    if not entry.blocks and any(MARK in name for change in changes for name in _named(change)):
        changes = tuple(map(_change, changes))
    elif MARK not in entry.peer + entry.to:
        return entry
    return msgspec.structs.replace(entry, peer=first_name(entry.peer), to=first_name(entry.to), changes=changes)


def _named(change: Change) -> list[str]:
    conflicts = change.verdict.conflicts if change.verdict is not None else ()
    return [name for one in conflicts for name in (one.winner, one.ours.peer, one.theirs.peer)]


def _change(change: Change) -> Change:
    verdict = change.verdict
    if verdict is None or not verdict.conflicts:
        return change
    conflicts = tuple(map(_conflict, verdict.conflicts))
    return msgspec.structs.replace(change, verdict=msgspec.structs.replace(verdict, conflicts=conflicts))


def _conflict(one: Conflict) -> Conflict:
    ours, theirs = _side(one.ours), _side(one.theirs)
    return msgspec.structs.replace(one, winner=first_name(one.winner), ours=ours, theirs=theirs)


def _side(side: Side) -> Side:
    return msgspec.structs.replace(side, peer=first_name(side.peer))
