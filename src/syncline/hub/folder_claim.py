"""The claim of a run on the folder that it writes: an operating system lock on a file in it. A dead process cannot keep it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from syncline.log.claim import me
from syncline.model.errors import UsageError

LOCK: Final = "archive.lock"


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Make the folder, if need be, and hold it. Raises UsageError, with the holder's name where another run has it.

    The lock's file stays: who removed it would let a second run in beside one that has it open already.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise _unwritable(folder, error) from error
    try:
        _lock(file, folder)
        yield
    finally:
        os.close(file)


def _lock(file: int, folder: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(file, 0)
        os.pwrite(file, me().encode(), 0)
    except BlockingIOError as error:
        holder = os.pread(file, 200, 0).decode(errors="replace") or "another process"
        hint = "let it end; the next run goes on where it ended"
        raise UsageError(f"another archive run is writing in {folder}", why=f"it is {holder}", hint=hint) from error
    except OSError as error:
        raise _unwritable(folder, error) from error


def _unwritable(folder: Path, error: OSError) -> UsageError:
    return UsageError(f"{folder} cannot be written", why=error.strerror or str(error), hint="name another folder")
