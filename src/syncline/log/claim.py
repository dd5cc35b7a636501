"""The claim of a running hub on a log: an operating system lock on a file beside it, which a dead process cannot keep."""

import fcntl
import os
import socket
import time

from syncline.log.faults import named
from syncline.model.errors import LogBusy
from syncline.model.limits import CLAIM_SECONDS


def me() -> str:
    """This process, for people."""
    return f"pid {os.getpid()} on {socket.gethostname()}"


class Claim:
    """Held from construction to release. Raises LogBusy with the holder's name, or LogError."""

    def __init__(self, path: str) -> None:
        place = f"{path}.lock"
        try:
            self._file = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise named(error, path) from error
        try:
            _lock(self._file)
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, me().encode(), 0)
        except BlockingIOError as error:
            holder = os.pread(self._file, 200, 0).decode(errors="replace") or "another process"
            os.close(self._file)
            raise LogBusy(f"this log is served by {holder}", hint="stop that hub first", log=path) from error
        except OSError as error:
            os.close(self._file)
            raise named(error, path) from error

    def release(self) -> None:
        """Let the log go."""
        os.close(self._file)


def _lock(file: int) -> None:
    """Take the lock, trying for a moment: is_claimed holds it while it looks. Raises BlockingIOError."""
    deadline = time.monotonic() + CLAIM_SECONDS
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
        time.sleep(CLAIM_SECONDS / 25)


def is_claimed(path: str) -> bool:
    """Whether a running hub holds the log at this path. Takes nothing; raises LogError."""
    try:
        file = os.open(f"{path}.lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise named(error, path) from error
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False
