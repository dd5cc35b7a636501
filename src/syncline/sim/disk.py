"""A simulated disk under the real SQLite: an apsw VFS over files in memory that loses what was not synced.

A write reaches the platters at the next sync of its file; a file's creation or removal at the next sync of the directory. A
power loss keeps an arbitrary part of what was not synced: nothing, all, a prefix, or a subset of 512-byte sectors. Source of
the rules: https://www.sqlite.org/atomiccommit.html (hardware assumptions) and https://www.sqlite.org/c3ref/io_methods.html.
"""

import itertools
import random
from collections import Counter
from typing import Final

SECTOR_BYTES: Final = 512

Pending = tuple[int, bytes | None]  # offset and bytes of a write; size and None of a truncation


class SimFile:
    """One file: `data` as the running system sees it, `durable` as the platters hold it, and the writes between the two."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.durable = bytearray()
        self.pending: list[Pending] = []
        self.locks: dict[object, int] = {}  # holder (an open handle) -> SQLite lock level

    def write(self, data: bytes, offset: int) -> None:
        """Write in memory; remember it for the next sync."""
        place(self.data, offset, data)
        self.pending.append((offset, data))

    def truncate(self, size: int) -> None:
        """Cut or extend to `size` bytes."""
        place(self.data, size, None)
        self.pending.append((size, None))

    def sync(self) -> None:
        """Everything written so far reaches the platters."""
        for offset, data in self.pending:
            place(self.durable, offset, data)
        self.pending.clear()


def place(target: bytearray, offset: int, data: bytes | None) -> None:
    """Perform one write, or one truncation to `offset` if data is None."""
    if len(target) < offset:
        target.extend(bytes(offset - len(target)))
    if data is None:
        del target[offset:]
    else:
        target[offset : offset + len(data)] = data


class SimDisk:
    """The files of one machine; they survive the processes that open them.

    `full`: writes that would grow a file fail. `fail_sync`: so many coming syncs fail, and what they should have saved is lost
    at the next power loss even if a later sync succeeds (what Linux does after EIO).
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.files: dict[str, SimFile] = {}
        self.full = False
        self.fail_sync = 0
        self.counts: Counter[str] = Counter()
        self._names: list[tuple[str, SimFile | None]] = []  # creations (None) and removals not yet synced, in order

    def open(self, name: str) -> SimFile:
        """The file of that name, made if it is not there."""
        file = self.files.get(name)
        if file is None:
            file = self.files[name] = SimFile()
            self._names.append((name, None))
        return file

    def delete(self, name: str, sync: bool) -> bool:
        """Remove a file; whether it was there. `sync` makes the removal durable at once, with all before it."""
        file = self.files.pop(name, None)
        if file is not None:
            self._names.append((name, file))
        if sync:
            self._names.clear()
        return file is not None

    def sync(self, file: SimFile) -> bool:
        """Sync a file, and the directory if the file is new in it; False if the disk refused this once."""
        self.counts["sync"] += 1
        if self.fail_sync:
            self.fail_sync -= 1
            self.counts["sync failed"] += 1
            file.pending.clear()
            return False
        file.sync()
        if any(removed is None and self.files.get(name) is file for name, removed in self._names):
            self._names.clear()
        return True

    def lose_power(self) -> None:
        """Every file becomes what its platters hold, with an arbitrary part of the unsynced writes."""
        self.counts["power loss"] += 1
        keep = self._rng.randint(0, len(self._names))
        for name, removed in reversed(self._names[keep:]):
            if removed is None:
                self.files.pop(name, None)
            else:
                self.files[name] = removed
        self._names.clear()
        for _, file in sorted(self.files.items()):
            for offset, data in self._survivors(file.pending):
                place(file.durable, offset, data)
            file.pending.clear()
            file.locks.clear()
            file.data = bytearray(file.durable)

    def _survivors(self, pending: list[Pending]) -> list[Pending]:
        if not pending:
            return []
        fate = self._rng.choice(("none", "all", "prefix", "subset", "torn"))
        self.counts[f"unsynced {fate}"] += 1
        match fate:
            case "none":
                return []
            case "all":
                return list(pending)
            case "prefix":
                return pending[: self._rng.randint(0, len(pending))]
            case "subset":
                return [write for write in pending if self._rng.random() < 0.5]
            case _:
                pieces = [piece for write in pending for piece in _sectors(write)]
                return [piece for piece in pieces if self._rng.random() < 0.5]

    def flip_bit(self, name: str, offset: int, bit: int = 0) -> None:
        """Damage one bit of a file, on the platters and in the cache."""
        file = self.files[name]
        file.data[offset] ^= 1 << bit
        if offset < len(file.durable):
            file.durable[offset] ^= 1 << bit

    def copy(self) -> dict[str, bytes]:
        """All files as they are now: a backup of the machine."""
        return {name: bytes(file.data) for name, file in self.files.items()}

    def restore(self, copy: dict[str, bytes]) -> None:
        """Bring a backup back, durably. Processes that have files open must be dead."""
        self.files.clear()
        self._names.clear()
        for name, data in copy.items():
            file = self.files[name] = SimFile()
            file.data, file.durable = bytearray(data), bytearray(data)


def _sectors(write: Pending) -> list[Pending]:
    """A write as the separate sectors the drive may or may not have finished."""
    offset, data = write
    if data is None:
        return [write]
    first = SECTOR_BYTES - offset % SECTOR_BYTES
    cuts = [0, *range(first, len(data), SECTOR_BYTES), len(data)]
    return [(offset + start, data[start:end]) for start, end in itertools.pairwise(cuts) if end > start]
