"""Where the history of a server stands, and whether it is still the one that is known: positions, files, what breaks it.

The binary log cannot be held for us: whoever purges or resets it breaks the history, and then only comparing finds out what
happened. A file is known by its name and by the second in which it was made (its first event says so).
"""

import json
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple

import pymysql

from syncline.model.stamp import Offset, Position
from syncline.peers.mysql.connect import Connection, fetch
from syncline.peers.mysql.features import HISTORY, Server

OFFSET_BITS: Final = 40  # of the offset in a file, below the file's number in the major part of a position
FIRST: Final = 4  # offset of the first event of a file
_U32: Final = 2**32
_NO_LOG: Final = 1381  # ER_NO_BINARY_LOGGING
NO_EVENT: Final = 1220  # ER_ERROR_WHEN_EXECUTING_COMMAND: wrong offset, or the file cannot be read


class Spot(NamedTuple):
    """A place in the binary log."""

    file: str
    offset: int


@lru_cache(64)
def file_number(file: str) -> int:
    """The number at the end of a file's name."""
    digits = file.rpartition(".")[2]
    return int(digits) if digits.isdigit() else 0


def major_of(number: int, offset: int) -> int:
    """What orders places in the binary log."""
    return number << OFFSET_BITS | offset


def position(file: str, offset: int, watermark: Offset, gtids: Iterable[str] = (), part: int = 0, made: int = 0) -> Position:
    """Where something stands. `text`: the watermark there, the file, and where they are known the second in which the file
    was made, and the GTID of each domain."""
    text = f"{watermark:016x} {file}"
    if made:
        text += f" {made} {','.join(sorted(gtids))}"
    return Position(major_of(file_number(file), offset), part, text)


def watermark_of(where: Position) -> Offset:
    """The watermark at a position."""
    return int(where.text.partition(" ")[0], 16) if where.text else 0


def spot_of(where: Position) -> Spot:
    """The file and the offset of a position; of a part, those of its transaction's beginning."""
    words = where.text.split(" ")
    return Spot(words[1] if len(words) > 1 else "", where.major & (1 << OFFSET_BITS) - 1)


def made_of(where: Position) -> int:
    """When the file of a position was made, 0 where it does not tell."""
    words = where.text.split(" ")
    return int(words[2]) if len(words) > 2 else 0


def gtids_of(where: Position) -> dict[int, str]:
    """The last GTID of each domain at a position, as far as it tells."""
    words = where.text.split(" ")
    known = words[3].split(",") if len(words) > 3 and words[3] else []
    return {int(gtid.partition("-")[0]): gtid for gtid in known}


# -- on the server --------------------------------------------------------------------------------------------------------


def identity(connection: Connection, server: Server) -> str:
    """What names a server among those that could answer at its address, and the database: a dump is loaded into another one."""
    variable = "server_id" if server.mariadb else "server_uuid"
    ((number, database),) = fetch(connection, f"SELECT @@{variable}, LOWER(DATABASE())")
    return f"{variable} {number}, database {database}"


def end_of(connection: Connection, server: Server) -> Spot | None:
    """Where the binary log ends now; None if there is none."""
    rows = fetch(connection, server.status_sql)
    return Spot(str(rows[0][0]), int(rows[0][1])) if rows else None


def files(connection: Connection) -> dict[str, int]:
    """The files that are there, oldest first, with their sizes; none where the server keeps no binary log."""
    try:
        return {str(row[0]): int(row[1]) for row in fetch(connection, "SHOW BINARY LOGS")}
    except pymysql.err.MySQLError as error:
        if error.args[0] == _NO_LOG:
            return {}
        raise


def oldest(connection: Connection) -> Position:
    """Where the oldest file begins: what stands before is forgotten."""
    first = next(iter(files(connection)), "")
    return Position(major_of(file_number(first), FIRST)) if first else Position(0)


def begin(connection: Connection, server: Server, *, captures: bool = True) -> None:
    """From here on it is this server's history that is known; inside a transaction, or not. `captures`: it is to be read."""
    end = (end_of(connection, server) if captures else None) or Spot("", 0)
    sql = (
        f"INSERT INTO {HISTORY} (one, server, began, files, broken) VALUES (1, %s, %s, '', '') ON DUPLICATE KEY UPDATE "
        "server = VALUES(server), began = VALUES(began), files = '', broken = ''"
    )
    fetch(connection, sql, (identity(connection, server), f"{end.file} {end.offset}"))


def began(connection: Connection) -> Spot:
    """Where the history that is known begins."""
    ((text,),) = fetch(connection, f"SELECT began FROM {HISTORY}")
    file, _, offset = text.rpartition(" ")
    return Spot(file, int(offset))


def note_broken(connection: Connection, why: str) -> None:
    """Remember that this history is not whole: until the peer joins again, it is not the one that the log knows."""
    fetch(connection, f"UPDATE {HISTORY} SET broken = %s WHERE broken = ''", (why,))


def created(connection: Connection) -> dict[int, int]:
    """When the files that are known were made, by their numbers."""
    rows = fetch(connection, f"SELECT files FROM {HISTORY}")
    text = rows[0][0].strip() if rows else ""  # see quiet
    known = json.loads(text) if text else {}
    return {int(number): int(time) for number, time in known.items()}


def note_created(connection: Connection, known: dict[int, int], first: int) -> None:
    """Remember when the files from the `first` on were made."""
    kept = {number: time for number, time in sorted(known.items()) if number >= first}
    fetch(connection, f"UPDATE {HISTORY} SET files = %s", (json.dumps(kept),))


def trouble(connection: Connection, server: Server, after: Position | None = None) -> str:
    """Why the history from `after` on is not whole, in words; '' if it is (F20, F22, F28)."""
    rows = fetch(connection, f"SELECT server, broken FROM {HISTORY}")
    if not rows:
        return "Syncline's record of its history is gone"
    known, broken = rows[0]
    now = identity(connection, server)
    if known not in (now, now.partition(",")[0]):  # without the database: noted by an earlier version
        return f"it is another server or database: {now}, not {known}"
    if broken:
        return str(broken)
    there = files(connection)
    if not there:
        return "the server keeps no binary log any more"
    numbers = {file_number(file) for file in there}
    newest = max(created(connection), default=0)
    if newest and newest not in numbers:
        return f"the binary log's file {newest} is gone: it was purged, or reset"
    return _trouble_at(connection, server, after, there) if after is not None and after.text else ""


def _trouble_at(connection: Connection, server: Server, after: Position, there: dict[str, int]) -> str:
    file, offset = spot_of(after)
    if file not in there:
        return f"the binary log {file} is gone: it was purged before it was read, or reset"
    if there[file] < offset:
        return f"the binary log {file} ends at {there[file]}, and it was read up to {offset}: reset, or restored"
    remembered = set(gtids_of(after).values())
    if remembered and server.mariadb and offset < _U32:
        ((found,),) = fetch(connection, "SELECT BINLOG_GTID_POS(%s, %s)", (file, offset))
        if found is not None and set(found.split(",")) != remembered:
            return f"at {offset} of {file} stands {found}, not {','.join(sorted(remembered))}: reset, or restored"
    return ""


def misplaced(connection: Connection, after: Position) -> str:
    """Why no event begins where history was read to, in words; '' if one does. For a server that would not send from there."""
    file, offset = spot_of(after)
    try:
        fetch(connection, "SHOW BINLOG EVENTS IN %s FROM %s LIMIT 1", (file, offset))
    except pymysql.err.MySQLError as error:
        if error.args[0] == NO_EVENT:
            return f"nothing begins at {offset} of {file}: the binary log was reset, or restored"
        raise
    return ""
