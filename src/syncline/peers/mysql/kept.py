"""How much of a MariaDB or MySQL server's binary log was not read yet, and how near it is to being purged. Reads only.

The server keeps its log by its own rule, whoever reads it: for a time since a file was closed, newer MariaDBs up to a size. A
file was closed when the next one was made, which that one's first event says.
"""

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Final, NamedTuple

from syncline.model.errors import CodecError, PeerError
from syncline.peers.mysql import events, history
from syncline.peers.mysql.connect import Connection, Place, fetch
from syncline.peers.mysql.history import FIRST, Spot, file_number
from syncline.peers.mysql.rights import variable
from syncline.peers.mysql.wire import Dump, DumpRefused
from syncline.peers.protocol import Kept

_WAIT_SECONDS: Final = 5.0
_LOOK: Final = "see whether the hub keeps up: 'syncline status'"


class Keeping(NamedTuple):
    """What a server says of its binary log: the files with their sizes, oldest first, and its rules; 0: no such rule."""

    files: Mapping[str, int]
    seconds_max: float
    bytes_max: int
    now: float  # by its own clock


def read_keeping(connection: Connection) -> Keeping:
    """What the server says."""
    ((now,),) = fetch(connection, "SELECT UNIX_TIMESTAMP(SYSDATE(6))")
    size = int(variable(connection, "max_binlog_total_size") or 0)
    return Keeping(history.files(connection), kept_seconds(connection), size, float(now))


def kept_seconds(connection: Connection) -> float:
    """For how long a closed file is kept; 0: for ever."""
    if variable(connection, "binlog_expire_logs_auto_purge") == "OFF":
        return 0.0
    seconds = float(variable(connection, "binlog_expire_logs_seconds") or 0)
    days = float(variable(connection, "expire_logs_days") or 0) if not seconds else 0
    return seconds or days * 86400


def next_file(keeping: Keeping, file: str) -> str:
    """The file after this one; '' if this one is still written, or gone."""
    later = [name for name in keeping.files if file_number(name) > file_number(file)]
    return later[0] if file in keeping.files and later else ""


def kept_of(keeping: Keeping, spot: Spot, closed: int) -> Kept:
    """What it means for whoever goes on from a spot. `closed`: when its file was closed (seconds since 1970); 0: it is not."""
    what = f"the binary log {spot.file}"
    if spot.file not in keeping.files:
        return Kept(what, 0, lost="it was purged before it was read, or reset")
    first = file_number(spot.file)
    unread = sum(size for name, size in keeping.files.items() if file_number(name) >= first) - spot.offset
    idle = max(0.0, keeping.now - closed) if closed else 0.0
    return Kept(what, max(0, unread), 0, keeping.bytes_max, idle, keeping.seconds_max, look=_LOOK)


async def made(place: Place, file: str) -> int:
    """When a file was made, in seconds since 1970, by its first event; 0 if that cannot be found out now."""
    with suppress(PeerError, DumpRefused, CodecError):
        dump = await Dump.open(place, Spot(file, FIRST))
        try:
            deadline = time.monotonic() + _WAIT_SECONDS
            while time.monotonic() < deadline:
                for event in await dump.receive(_WAIT_SECONDS):
                    if events.header(event).kind == events.FORMAT:
                        return events.file_format(event).created
        finally:
            await dump.close()
    return 0
