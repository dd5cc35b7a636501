"""A small disk of its own for a story, where a server's user can get to, and a file that fills it up."""

import errno
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(size: str) -> Iterator[Path]:
    """A disk of so much, as in '256m'. Skips the test where none can be mounted."""
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("only root can mount a small disk")
    place = Path(tempfile.mkdtemp(prefix="syncline-disk-"))
    words = [mount, "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", str(place)]
    made = subprocess.run(words, capture_output=True, text=True, check=False)
    if made.returncode != 0:
        place.rmdir()
        pytest.skip(f"no small disk can be mounted here: {made.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)
    place.rmdir()


def fill(disk: Path) -> Path:
    """A file that takes all the space that is left."""
    filler = disk / "filler"
    with filler.open("wb") as file:
        piece = 16 * 1024 * 1024
        while piece:
            try:
                os.write(file.fileno(), bytes(piece))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                piece //= 2
    return filler
