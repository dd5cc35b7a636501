"""Opening an SQLite file, and telling its errors: every sqlite3 error becomes a PeerError with cause and fix.

Only the standard library's sqlite3 may open a user's file in this process: see docs/decisions/0002.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, quote, unquote

from syncline.model.errors import PeerBusy, PeerChanged, PeerError, PeerFull, PeerUnreachable, PeerUnsafe
from syncline.peers.sqlite.features import VERSION_MIN

_SCHEME: Final = "sqlite:"
_CACHE_PAGES_KIB: Final = 8 * 1024
_STATEMENTS: Final = 64  # kept prepared; a wide one takes a third of a megabyte
_GONE: Final = ("no such table", "no such column", "has no column named")
_TRUE: Final = {"1": True, "0": False}


class Place(NamedTuple):
    """A peer's file. `create`: an empty file may be made where there is none."""

    peer: str
    path: Path
    create: bool = False


def parse_url(name: str, url: str) -> Place:
    """`sqlite:///relative.db`, `sqlite:////absolute.db`, with `?create=1`. Raises PeerUnsafe."""
    rest = url[len(_SCHEME) :]
    place, _, query = rest.partition("?")
    path = unquote(place[3:])
    if not place.startswith("///") or not path or path == ":memory:" or "\0" in path:
        raise PeerUnsafe("this address names no SQLite file", hint="write sqlite:///file.db", peer=name)
    options = dict(parse_qsl(query, keep_blank_values=True))
    for option, value in options.items():
        if option != "create" or value not in _TRUE:
            raise PeerUnsafe(f"an SQLite address has no option {option}={value}", hint="use create=1, or none", peer=name)
    return Place(name, Path(path).absolute(), _TRUE[options.get("create", "0")])


def open_reader(place: Place) -> sqlite3.Connection:
    """A connection that reads and never waits for a lock: whoever reads tries again. Raises PeerError."""
    return _open(place)


def open_writer(place: Place, busy_seconds: float) -> sqlite3.Connection:
    """A connection that writes. Its commits are on the disk when they return.

    Only what is done with it waits for other writers, not the opening. Raises PeerError.
    """
    connection = _open(place)
    with closed_unless(connection), errors(place, "opening"):
        # synchronous FULL: the watermark that capture reports as confirmed must survive a power cut
        for pragma in ("synchronous=FULL", "temp_store=MEMORY", "wal_autocheckpoint=32000", f"cache_size=-{_CACHE_PAGES_KIB}"):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        connection.execute(f"PRAGMA busy_timeout={int(busy_seconds * 1000)}").fetchall()
    return connection


@contextmanager
def closed_unless(connection: sqlite3.Connection) -> Iterator[None]:
    """Close the connection if the block fails."""
    try:
        yield
    except BaseException:
        connection.close()
        raise


def is_to_be_created(place: Place) -> bool:
    """Whether there is nothing yet, and the address allows to begin so. A file without a byte is nothing. Raises PeerUnsafe."""
    return place.create and (not is_there(place) or (place.path.is_file() and place.path.stat().st_size == 0))


def create_file(place: Place) -> None:
    """Make an empty file where there is none and the address allows it. Raises PeerUnreachable."""
    if is_to_be_created(place):
        try:
            place.path.touch(exist_ok=True)
        except OSError as error:
            raise _no_file(place, error.strerror or str(error)) from error


def is_there(place: Place) -> bool:
    """Whether there is a file (or folder) at its path. Raises PeerUnsafe where one may not even look."""
    try:
        place.path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        hint = "give this user the right to enter the folder"
        raise PeerUnsafe(f"cannot look at {place.path}", why=error.strerror or "", hint=hint, peer=place.peer) from error
    return True


def _may(path: Path, mode: int) -> bool:
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def _open(place: Place) -> sqlite3.Connection:
    require_version(sqlite3.sqlite_version_info)
    if not is_there(place):
        raise _no_file(place, "there is no such file")
    if not place.path.is_dir() and not _may(place.path, os.R_OK | os.W_OK):
        raise _no_rights("its permissions forbid it", {"peer": place.peer, "file": str(place.path)})
    uri = f"file:{quote(str(place.path))}?mode=rw"
    with errors(place, "opening"):
        connection = sqlite3.connect(
            uri, uri=True, isolation_level=None, check_same_thread=False, timeout=0.0, cached_statements=_STATEMENTS
        )
        with closed_unless(connection):
            # foreign_keys OFF: what a cascade did at its origin was captured there, row by row
            for pragma in ("foreign_keys=OFF", "recursive_triggers=OFF", "schema_version"):
                connection.execute(f"PRAGMA {pragma}").fetchall()
    return connection


def require_version(version: tuple[int, ...]) -> None:
    """Raise PeerUnsafe unless this SQLite library is new enough."""
    if version < VERSION_MIN:
        found, needed = ".".join(map(str, version)), ".".join(map(str, VERSION_MIN))
        raise PeerUnsafe(
            f"SQLite {found} is too old", why=f"{needed} is needed", hint="use a Python that is built with a newer SQLite"
        )


def _no_file(place: Place, why: str) -> PeerUnreachable:
    hint = "correct the path or bring the file back; ?create=1 begins with an empty one"
    return PeerUnreachable(f"cannot open {place.path}", why=why, hint=hint, peer=place.peer)


@contextmanager
def errors(place: Place, doing: str) -> Iterator[None]:
    """Turn sqlite3 errors of the block into PeerErrors."""
    try:
        yield
    except sqlite3.Error as error:
        raise translate(error, place, doing) from error


def primary_code(error: sqlite3.Error) -> int:
    """The primary result code (https://sqlite.org/rescode.html); 0 where Python raised the error itself."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def translate(error: sqlite3.Error, place: Place, doing: str) -> PeerError:
    """The PeerError that tells what an sqlite3 error means for whoever runs Syncline."""
    name = str(getattr(error, "sqlite_errorname", type(error).__name__))
    why = f"{error} ({name}) while {doing}"
    where = {"peer": place.peer, "file": str(place.path)}
    if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_READONLY_DBMOVED:  # not a matter of rights
        return moved(place, why)
    match primary_code(error):
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            hint = "end the program that holds a write transaction open"
            return PeerBusy("the file is locked by another writer", why=why, hint=hint, **where)
        case sqlite3.SQLITE_FULL:
            return PeerFull("no space is left for the file", why=why, hint="free some space; it goes on by itself", **where)
        case sqlite3.SQLITE_NOTADB:
            return PeerUnsafe("this is not an SQLite database", why=why, hint="correct the path", **where)
        case sqlite3.SQLITE_CORRUPT:
            hint = "restore the file from a backup, or rebuild it with the sqlite3 shell's .recover"
            return PeerUnsafe("the database is damaged", why=why, hint=hint, **where)
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_AUTH:
            hint = "give this user the right to write the file and its folder (SQLite keeps its journal beside the file)"
            return PeerUnsafe("the file may not be written", why=why, hint=hint, **where)
        case sqlite3.SQLITE_CANTOPEN:
            return _cannot_open(place, why, where)
        case sqlite3.SQLITE_ERROR if any(words in str(error) for words in _GONE):
            hint = f"let the peer join again: 'syncline resume {place.peer} --rejoin'"
            return PeerChanged("a table was altered or dropped", why=why, hint=hint, **where)
        case sqlite3.SQLITE_IOERR:
            return PeerUnreachable("the file cannot be read or written now", why=why, hint="look at the disk", **where)
        case _:
            return PeerUnsafe("SQLite refused", why=why, hint="the reason says what", **where)


def moved(place: Place, why: str = "") -> PeerUnreachable:
    """The file that is open is no longer the one at its path: what is written to it now might never be seen again."""
    hint = "put it back; it goes on by itself if it is the same database"
    return PeerUnreachable("the file was moved or replaced", why=why, hint=hint, peer=place.peer, file=str(place.path))


def _cannot_open(place: Place, why: str, where: dict[str, str]) -> PeerError:
    if place.path.is_dir():
        return PeerUnsafe(f"{place.path} is a folder", why=why, hint="name the file in it", **where)
    if place.path.exists() and not (_may(place.path, os.R_OK | os.W_OK) and _may(place.path.parent, os.W_OK)):
        return _no_rights(why, where)
    return PeerUnreachable("the file cannot be opened", why=why, hint="look at the path and the disk", **where)


def _no_rights(why: str, where: dict[str, str]) -> PeerUnsafe:
    """Told before SQLite opens the file: it would leave journal files behind that nobody may write either."""
    hint = "give this user the right to read and write the file and its folder"
    return PeerUnsafe("the file may not be opened", why=why, hint=hint, **where)
