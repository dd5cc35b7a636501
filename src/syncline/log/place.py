"""The log's file: is it one, making a new one, and connections to it with the durability that is promised.

Touches nothing that is not a log: the header of the file is read before SQLite sees it.
Source of the header: https://www.sqlite.org/fileformat.html, section 1.3.
"""

import os
import stat
from contextlib import closing, suppress
from importlib.resources import files
from pathlib import Path
from typing import Final
from urllib.parse import quote

import apsw

from syncline.log.faults import FAULTS, named
from syncline.log.state import FRESH, write_state
from syncline.log.transaction import transaction
from syncline.model.errors import LogError
from syncline.model.limits import BUSY_SECONDS, LOG_WAL_PAGES_MAX

APPLICATION: Final = 0x53594C47  # "SYLG"
FORMAT: Final = 1
_MAGIC: Final = b"SQLite format 3\0"
_HEADER_BYTES: Final = 100
_FULL: Final = 2


def exists(path: str) -> bool:
    """Whether there is a log: a file of ours, of a format that is known. An empty file is none. Raises LogError."""
    try:
        if not os.path.isdir(os.path.dirname(path) or "."):
            raise LogError("the log's directory is not there", hint=f"mkdir -p {os.path.dirname(path)}", log=path)
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):
            raise LogError("the log is not a file", why="something else has its name", hint="name a file", log=path)
        header = _header(path) if found.st_size else b""
    except FileNotFoundError:
        return False
    except FAULTS as error:
        raise named(error, path) from error
    if header:
        _check(header[:16] == _MAGIC, _number(header, 68), _number(header, 60), path)
    return bool(header)


def _header(path: str) -> bytes:
    """The first bytes of the file, read through SQLite's file system: closing a file any other way would drop the locks that
    this process holds on it through SQLite. Source: https://www.sqlite.org/howtocorrupt.html, section 2.2."""
    file = apsw.VFSFile("", path, [apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_MAIN_DB, 0])
    try:
        return file.xRead(_HEADER_BYTES, 0)
    finally:
        file.xClose()


def _number(header: bytes, place: int) -> int:
    return int.from_bytes(header[place : place + 4], "big")


def _check(is_sqlite: bool, application: int, version: int, path: str) -> None:
    hint = "name another file as the log, or move this one away"
    if not is_sqlite:
        raise LogError("this file is not a log", why="it is not an SQLite file", hint=hint, log=path)
    if application != APPLICATION:
        raise LogError("this file is not a log", why="it is an SQLite file of something else", hint=hint, log=path)
    if version != FORMAT:
        hint = "use the Syncline that wrote it, or a newer one"
        raise LogError(f"this log has format {version}; this Syncline reads format {FORMAT}", hint=hint, log=path)


def create(path: str) -> None:
    """Make an empty log, beside its place and then moved there: nobody ever sees half a log. Raises LogError."""
    new = f"{path}.new"
    try:
        Path(new).unlink(missing_ok=True)
        with closing(apsw.Connection(new)) as db:
            set_up(db)
        os.chmod(new, stat.S_IRUSR | stat.S_IWUSR)  # it holds everybody's rows
        os.replace(new, path)
        folder = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except FAULTS as error:
        with suppress(OSError):
            Path(new).unlink(missing_ok=True)
        raise named(error, path, _no_errno(error)) from error


def _no_errno(error: Exception) -> int:
    return (error.errno or 0) if isinstance(error, OSError) else 0


def set_up(db: apsw.Connection) -> None:
    """Write the schema into an empty database, and turn it to write-ahead logging."""
    for pragma in ("auto_vacuum = INCREMENTAL", "synchronous = EXTRA"):
        db.execute(f"PRAGMA {pragma}").fetchall()
    with transaction(db):
        db.execute(files("syncline.log").joinpath("schema.sql").read_text("utf-8")).fetchall()
        db.execute(f"PRAGMA application_id = {APPLICATION}").fetchall()
        db.execute(f"PRAGMA user_version = {FORMAT}").fetchall()
        write_state(db, FRESH)
    db.execute("PRAGMA journal_mode = WAL").fetchall()


def connect(path: str, *, write: bool, vfs: str = "") -> apsw.Connection:
    """A connection to a log that is there. One that may write has fsync before each acknowledgement, and proves it.

    With a `vfs` the file is held exclusively, because such a one has no shared memory, and is made if it is empty.
    """
    flags = apsw.SQLITE_OPEN_READWRITE if write else apsw.SQLITE_OPEN_READONLY
    db = apsw.Connection(path, flags=flags | (apsw.SQLITE_OPEN_CREATE if vfs else 0), vfs=vfs or None)
    try:
        db.set_busy_timeout(int(BUSY_SECONDS * 1000))
        if vfs:
            db.execute("PRAGMA locking_mode = EXCLUSIVE").fetchall()
            if _pragma(db, "application_id") == 0 and not db.execute("SELECT 1 FROM sqlite_schema").fetchall():
                set_up(db)
        _check(True, _pragma(db, "application_id"), _pragma(db, "user_version"), path)
        if write:
            _make_durable(db, path)
    except BaseException:
        db.close()
        raise
    return db


def connect_resting(path: str) -> apsw.Connection:
    """A reading connection where no file can be made beside the log, such as on a read-only file system.

    Only for a log that nobody serves: then it has no write-ahead file, or an empty one. Raises LogError otherwise.
    """
    waiting = f"{path}-wal"
    if os.access(os.path.dirname(path) or ".", os.W_OK) or (os.path.exists(waiting) and os.path.getsize(waiting)):
        raise LogError("the log cannot be read from here", hint="look at the rights of its directory", log=path)
    uri = f"file:{quote(os.path.abspath(path))}?immutable=1"
    return apsw.Connection(uri, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)


def _pragma(db: apsw.Connection, name: str) -> int:
    return int(str(db.execute(f"PRAGMA {name}").fetchall()[0][0]))


def _make_durable(db: apsw.Connection, path: str) -> None:
    mode = db.execute("PRAGMA journal_mode = WAL").fetchall()[0][0]
    for pragma in ("synchronous = FULL", "fullfsync = 1", "checkpoint_fullfsync = 1"):
        db.execute(f"PRAGMA {pragma}").fetchall()
    db.execute(f"PRAGMA journal_size_limit = {4 * LOG_WAL_PAGES_MAX * 4096}").fetchall()
    if mode != "wal" or _pragma(db, "synchronous") != _FULL:
        why = f"journal mode {mode}, synchronous {_pragma(db, 'synchronous')}"
        raise LogError("the log cannot be made durable here", why=why, hint="put it on a local file system", log=path)


def rewrite(db: apsw.Connection) -> None:
    """Write everything in the write-ahead file into the log file, and begin it anew.

    An earlier program may have died of a failed sync: then what is read from the write-ahead file here is only in the cache,
    the disk has a hole, and whatever follows a hole is lost with the power. Source: Rebello et al., see log/sqlite.py.
    """
    db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
