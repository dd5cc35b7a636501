"""A file or folder that may not be written: the cause is named, nothing is changed, and it goes on once it may."""

import os
import shutil
import sqlite3
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from syncline.model.errors import PeerError
from syncline.model.schema import Collection
from syncline.peers.conformance.reading import run
from syncline.peers.sqlite import open_peer

T = Collection("t", ("id", "v"), ("id",))
NOBODY = 65534


@contextmanager
def somebody_else() -> Iterator[None]:
    """Without root's rights, where the tests have them: root may do anything."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


async def set_up(path: Path) -> PeerError | None:
    """What stands against setting up."""
    peer = open_peer("office", f"sqlite:///{path}")
    try:
        await peer.connect()
        await peer.setup([T])
    except PeerError as error:
        return error
    finally:
        await peer.close()
    return None


def refusal(path: Path) -> str:
    """The code with which it is refused; the hint must say what to do."""
    with somebody_else():
        error = run(set_up(path))
    assert error is None or "right" in error.hint
    return error.code if error else ""


def test_f14_missing_rights_are_named_and_cured_without_edits() -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        folder.chmod(0o755)
        path = folder / "office.db"
        with sqlite3.connect(path) as program:
            program.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v)")
        program.close()
        before = path.read_bytes()
        path.chmod(0o444)
        folder.chmod(0o555)
        assert refusal(path) == "SYN-P04"
        path.chmod(0o000)
        assert refusal(path) == "SYN-P04"
        path.chmod(0o666)  # the file alone is not enough: the journal stands beside it
        assert refusal(path) == "SYN-P04"
        folder.chmod(0o000)
        assert refusal(path) == "SYN-P04"
        folder.chmod(0o755)
        assert path.read_bytes() == before
        folder.chmod(0o777)
        assert refusal(path) == ""
    finally:
        folder.chmod(stat.S_IRWXU)
        shutil.rmtree(folder)
