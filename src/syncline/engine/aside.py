"""Rows whose own values did not stand when their peer joined: a part of the fold, so that nobody has to go and look for them.

Counted by the join's entries, and only as long as the log has those: what is forgotten there can be put back no more.
"""

from collections.abc import Mapping
from typing import Any

from syncline.model.entry import Entry
from syncline.model.stamp import Offset

KIND = "join"  # of the conflicts


class Aside:
    """Per peer, what its last join set aside and nobody has decided about since."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[Offset, int]] = {}  # peer -> entry of its join -> rows in it
        self._decided: dict[str, set[tuple[Offset, int]]] = {}  # peer -> rows that a person decided about: entry, place

    def begin(self, peer: str) -> None:
        """It joins anew: what was then does not count any more."""
        self._rows.pop(peer, None)
        self._decided.pop(peer, None)

    def rename(self, old: str, new: str) -> None:
        """A peer has another name from now on."""
        if old in self._rows:
            self._rows[new] = self._rows.pop(old)
        if old in self._decided:
            self._decided[new] = self._decided.pop(old)

    def note(self, entry: Entry) -> None:
        """Take in an entry with rows: of a join, or a decision."""
        for name in (entry.body or {}).get("settles", ()):
            offset, place, *_ = (int(part) for part in name.split("."))
            for peer, found in self._rows.items():
                if offset in found:
                    self._decided.setdefault(peer, set()).add((offset, place))
        for change in () if entry.blocks else entry.changes:
            lost = {
                one.theirs.peer
                for one in (change.verdict.conflicts if change.verdict is not None else ())
                if one.kind == KIND and one.theirs.peer and one.winner != one.theirs.peer
            }
            for peer in lost:
                found = self._rows.setdefault(peer, {})
                found[entry.offset] = found.get(entry.offset, 0) + 1

    def report(self, peer: str) -> Mapping[str, Any] | None:
        """How many rows, and the id after which their conflicts are listed; None if there are none."""
        found = self._rows.get(peer, {})
        rows = sum(found.values()) - len(self._decided.get(peer, ()))
        return {"rows": rows, "after": f"{min(found) - 1}.0.0"} if rows > 0 else None
