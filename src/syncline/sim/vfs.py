"""The SQLite VFS over a SimDisk, one mount per simulated process. A dead process's mount touches nothing any more."""

import itertools
import random
from collections.abc import Callable
from typing import Final

import apsw

from syncline.sim.disk import SECTOR_BYTES, SimDisk, SimFile

_NUMBER: Final = itertools.count()  # SQLite's registry is global; the name of a mount means nothing else
_LOCK_NONE, _LOCK_SHARED, _LOCK_RESERVED, _LOCK_PENDING, _LOCK_EXCLUSIVE = range(5)
_JULIAN_MILLIS_1970: Final = 210_866_760_000_000
_EXCLUDED: Final = frozenset(
    {"xSetSystemCall", "xGetSystemCall", "xNextSystemCall", "xDlOpen", "xDlSym", "xDlClose", "xDlError"}
)


class DiskError(apsw.IOError):
    """What SQLite is told when the simulated disk fails."""

    def __init__(self, extended: int, why: str) -> None:
        super().__init__(why)
        self.extendedresult = extended


class Mount(apsw.VFS):
    """A VFS named `name`. `hit` is called before each write, truncation, sync and removal; `dead` cuts everything off."""

    def __init__(
        self, disk: SimDisk, rng: random.Random, now: Callable[[], int], hit: Callable[[str, str], None] | None = None
    ) -> None:
        self.disk = disk
        self.name = f"syncline-sim-{next(_NUMBER)}"
        self.dead = False
        self._rng = rng
        self._now = now
        self._hit = hit
        super().__init__(self.name, base="", maxpathname=512, exclude=set(_EXCLUDED))

    def effect(self, name: str, detail: str) -> bool:
        """Something is about to change on the disk: count it.

        False for a dead process: nothing may happen, and nobody is left to be told (SQLite rolls back and closes on its own).
        """
        if not self.dead and self._hit is not None:
            self._hit(name, detail)
        return not self.dead

    def kill(self) -> None:
        """The process is gone: its locks fall, its connections reach nothing any more."""
        self.dead = True
        for file in self.disk.files.values():
            for holder in [one for one in file.locks if isinstance(one, Handle) and one.mount is self]:
                del file.locks[holder]
        self.unregister()
        now = self._now()
        self._hit, self._now = None, lambda: now  # SQLite's side is invisible to the garbage collector: hold no world by it

    def excepthook(self, *_args: object) -> bool:
        """Errors of a closing connection have nobody to go to."""
        return True

    def xFullPathname(self, name: str) -> str:  # noqa: N802
        return name

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        path = name.filename() if isinstance(name, apsw.URIFilename) else (name or "")
        if self.dead:
            raise apsw.CantOpenError("this process is dead")
        if path and not flags[0] & apsw.SQLITE_OPEN_CREATE and path not in self.disk.files:
            raise apsw.CantOpenError(f"no file {path}")
        flags[1] = flags[0]
        file = self.disk.open(path) if path else SimFile()  # without a name: a temporary file
        return Handle(self, file, path)  # type: ignore[return-value]  # apsw asks for the methods, not for the class

    def xDelete(self, name: str, sync: bool) -> None:  # noqa: N802
        if self.effect("disk.delete", name) and not self.disk.delete(name, sync):
            raise DiskError(apsw.SQLITE_IOERR_DELETE_NOENT, f"no file {name}")

    def xAccess(self, name: str, flags: int) -> bool:  # noqa: N802
        return name in self.disk.files

    def xRandomness(self, count: int) -> bytes:  # noqa: N802
        return self._rng.randbytes(count)

    def xSleep(self, micros: int) -> int:  # noqa: N802
        return micros

    def xCurrentTimeInt64(self) -> int:  # noqa: N802
        return _JULIAN_MILLIS_1970 + self._now() // 1000

    def xCurrentTime(self) -> float:  # noqa: N802
        return self.xCurrentTimeInt64() / 86_400_000

    def xGetLastError(self) -> tuple[int, str | None]:  # noqa: N802
        return 0, None


class Handle:
    """One open file of one process, with the methods of apsw.VFSFile."""

    def __init__(self, mount: Mount, file: SimFile, name: str) -> None:
        self.mount = mount
        self._file = file
        self._name = name

    def excepthook(self, *_args: object) -> bool:
        """Errors of a closing connection have nobody to go to."""
        return True

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802
        return bytes(self._file.data[offset : offset + amount])

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        if not self.mount.effect("disk.write", self._name):
            return
        if self.mount.disk.full and offset + len(data) > len(self._file.data):
            self.mount.disk.counts["full"] += 1
            raise apsw.FullError("the simulated disk is full")
        self._file.write(data, offset)

    def xTruncate(self, size: int) -> None:  # noqa: N802
        if self.mount.effect("disk.truncate", self._name):
            self._file.truncate(size)

    def xSync(self, _flags: int) -> None:  # noqa: N802
        if self.mount.effect("disk.sync", self._name) and not self.mount.disk.sync(self._file):
            raise DiskError(apsw.SQLITE_IOERR_FSYNC, "the simulated disk failed to sync")

    def xFileSize(self) -> int:  # noqa: N802
        return len(self._file.data)

    def xLock(self, level: int) -> None:  # noqa: N802
        others = max((held for holder, held in self._file.locks.items() if holder is not self), default=_LOCK_NONE)
        own = self._file.locks.get(self, _LOCK_NONE)
        if level <= own:
            return
        blocked = {
            _LOCK_SHARED: others >= _LOCK_PENDING,
            _LOCK_RESERVED: others >= _LOCK_RESERVED,
            _LOCK_PENDING: others >= _LOCK_RESERVED,
            _LOCK_EXCLUSIVE: others >= _LOCK_SHARED,
        }
        if self.mount.dead or blocked[level]:
            raise apsw.BusyError("the file is locked")
        self._file.locks[self] = level

    def xUnlock(self, level: int) -> None:  # noqa: N802
        if level == _LOCK_NONE:
            self._file.locks.pop(self, None)
        elif self in self._file.locks:
            self._file.locks[self] = level

    def xCheckReservedLock(self) -> bool:  # noqa: N802
        return any(held >= _LOCK_RESERVED for holder, held in self._file.locks.items() if holder is not self)

    def xFileControl(self, _op: int, _pointer: int) -> bool:  # noqa: N802
        return False

    def xSectorSize(self) -> int:  # noqa: N802
        return SECTOR_BYTES

    def xDeviceCharacteristics(self) -> int:  # noqa: N802
        return 0

    def xClose(self) -> None:  # noqa: N802
        self._file.locks.pop(self, None)
