"""From an address to a log: a path or sqlite:///path is the embedded one. The only place that knows the kinds of logs."""

import os
import re
from typing import Final
from urllib.parse import unquote

from syncline.log.claim import is_claimed
from syncline.log.desk import Desk
from syncline.log.place import exists
from syncline.log.reading import SqliteReader
from syncline.log.sqlite import SqliteLog
from syncline.model.errors import UsageError
from syncline.model.event import Listener

_URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_HINT: Final = "write a path, or sqlite:///path (four slashes before an absolute one)"


def log_path(url: str) -> str:
    """The absolute path of an embedded log. Raises UsageError for any other address."""
    match = _URL.fullmatch(url)
    if match is not None and match[1].lower() != "sqlite":
        raise UsageError(f"there is no log of the kind {match[1]!r}", hint=_HINT)
    path = url
    if match is not None:
        host, _, path = match[2].partition("/")
        path = unquote(path)
        if host or "?" in match[2]:
            raise UsageError("an embedded log is a file on this machine", why=f"{url!r} says more than a path", hint=_HINT)
    if not path or path == ":memory:" or "\0" in path:
        raise UsageError("this address names no file for the log", hint=_HINT)
    return os.path.abspath(path)


def open_log(url: str, on_event: Listener | None = None, *, vfs: str = "", inline: bool = False) -> SqliteLog:
    """The log at an address, not opened yet. Raises UsageError."""
    return SqliteLog(url if vfs else log_path(url), on_event, vfs=vfs, inline=inline)


async def open_reader(url: str, *, inline: bool = False) -> SqliteReader:
    """An opened view of the log, beside a hub that may be running. Raises UsageError, LogError."""
    reader = SqliteReader(log_path(url), inline=inline)
    try:
        await reader.open()
    except BaseException:
        await reader.close()
        raise
    return reader


def open_desk(url: str) -> Desk:
    """The log's desk; the file is opened when it is first used. Raises UsageError."""
    return Desk(log_path(url))


def log_exists(url: str) -> bool:
    """Whether there is a log at an address. Raises UsageError, or LogError where something else lies there."""
    return exists(log_path(url))


def is_served(url: str) -> bool:
    """Whether a hub serves the log at an address now. Raises UsageError, LogError."""
    return is_claimed(log_path(url))
