"""SQLite's errors as the log's own: damage, no space, somebody else, or simply unusable. Knows no table of the log."""

import errno
from typing import Final

import apsw

from syncline.model.errors import LogBusy, LogDamaged, LogError, LogFull

RECOVER: Final = (
    "restore the log file from a copy, or move it away and start again: the peers then join anew by compare-and-merge; "
    "do not edit it"
)
FAULTS: Final = (apsw.Error, OSError, UnicodeDecodeError)  # what a file can do to its reader; `named` gives it a name
_NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_SYNC: Final = frozenset({apsw.SQLITE_IOERR_FSYNC, apsw.SQLITE_IOERR_DIR_FSYNC})


def damaged(why: str, offset: int | None = None, path: str | None = None) -> LogDamaged:
    """A LogDamaged that names the first bad offset, where it is known, and the way out."""
    return LogDamaged("the log is damaged", why=why, hint=RECOVER, offset=offset, log=path)


def named(error: Exception, path: str, system_errno: int = 0) -> LogError:
    """The log's error for one of SQLite or of the operating system. `system_errno`: the connection's, 0 if unknown."""
    number = (error.errno or 0) if isinstance(error, OSError) else system_errno
    match error:
        case LogError():
            return error
        case apsw.FullError() | apsw.IOError() | OSError() if _is_full(error, number):
            return LogFull("no space for the log", why=str(error), hint="free space; it goes on by itself", log=path)
        case apsw.BusyError() | apsw.LockedError():
            return LogBusy("another process holds the log file", why=str(error), hint="end it, or wait for it", log=path)
        case apsw.CorruptError() | apsw.NotADBError() | apsw.SQLError() | apsw.FormatError() | UnicodeDecodeError():
            return damaged(str(error), path=path)
        case apsw.TooBigError():
            return LogError("an entry is too big for the log", why=str(error), hint="write smaller transactions", log=path)
        case _:
            hint = "look at the disk and at the rights of the file and of its directory, then start again"
            return LogError("the log file cannot be used", why=str(error) or type(error).__name__, hint=hint, log=path)


def _is_full(error: Exception, number: int) -> bool:
    """No space. A sync that fails for want of space is not one of these: what it should have saved may be lost."""
    if isinstance(error, apsw.FullError):
        return True
    return number in _NO_SPACE and getattr(error, "extendedresult", 0) not in _SYNC
