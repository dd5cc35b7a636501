"""Names: a peer that is renamed stays who it is. Entries keep the name of their time; readers ask what it is called now.

A rename is an entry of its own, so everybody knows from which offset on the new name counts, also where the old name is given
to another peer later.
"""

from collections.abc import Sequence

import msgspec

from syncline.model.entry import Entry
from syncline.model.stamp import Offset

Rename = tuple[Offset, str, str]  # the entry that recorded it, the old name, the new one


class Names:
    """All renames of a space, oldest first."""

    def __init__(self, renames: Sequence[Rename] = ()) -> None:
        self.renames: list[Rename] = list(renames)

    def note(self, offset: Offset, old: str, new: str) -> None:
        """From this entry on a peer is called `new`."""
        self.renames.append((offset, old, new))

    def now(self, entry: Entry) -> Entry:
        """An entry with the names that its peers have now. Its fingerprint is another one: ask the entry itself for that."""
        if not self.renames or entry.offset > self.renames[-1][0]:
            return entry
        peer, to = self.of(entry.peer, entry.offset), self.of(entry.to, entry.offset)
        if (peer, to) == (entry.peer, entry.to):
            return entry
        return msgspec.structs.replace(entry, peer=peer, to=to)

    def all_now(self, entries: list[Entry]) -> list[Entry]:
        """Entries in order, as `now` has each; the very list where nobody in it has another name since."""
        if not self.renames or entries[0].offset > self.renames[-1][0]:
            return entries
        return [self.now(entry) for entry in entries]

    def of(self, peer: str, offset: Offset) -> str:
        """What a peer is called now that an entry at this offset names."""
        for at, old, new in self.renames:
            if at > offset and peer == old:
                peer = new
        return peer

    def once(self, peer: str) -> list[str]:
        """What a peer was called before, newest first."""
        found: list[str] = []
        for _, old, new in reversed(self.renames):
            if new == peer:
                found.append(old)
                peer = old
        return found
