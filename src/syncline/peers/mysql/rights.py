"""What a server must be set to, and what its user must be allowed to do, before one of its databases can be a peer."""

import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Final

import pymysql

from syncline.model.errors import Problem
from syncline.peers.mysql.connect import Connection, Place, fetch
from syncline.peers.mysql.features import OURS, Server, quote

_GRANT: Final = re.compile(r"GRANT (.+?) ON (?:TABLE )?(\*|`(?:[^`]|``)*`)\.(\*|`(?:[^`]|``)*`) TO ", re.IGNORECASE)
_REVOKE: Final = re.compile(r"REVOKE (.+?) ON (`(?:[^`]|``)*`)\.\* FROM ", re.IGNORECASE)  # MySQL's partial_revokes
_NEEDED: Final = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "TRIGGER", "CREATE TEMPORARY TABLES"})
_SETTINGS: Final = {  # name -> value, and why it must be so
    "binlog_format": ("ROW", "only rows tell what was changed"),
    "binlog_row_image": ("FULL", "a change's whole rows are needed, before and after"),
    "binlog_row_metadata": ("FULL", "without the columns' names a changed table would be read with today's columns"),
    "binlog_row_value_options": ("", "parts of JSON values are no values"),
}


def variable(connection: Connection, name: str) -> str | None:
    """A global variable, or None if this server has none of that name."""
    rows = fetch(connection, "SHOW GLOBAL VARIABLES LIKE %s", (name.replace("_", r"\_"),))
    return str(rows[0][1]) if rows else None


def server_problems(connection: Connection, server: Server, place: Place, *, captures: bool = True) -> Iterator[Problem]:
    """What is wrong with the server, or with the user's rights on it. `captures`: its binary log is to be read."""
    peer = place.peer
    if server.version < server.oldest:
        needed = ".".join(map(str, server.oldest[:2]))
        yield Problem(f"{server.name} is too old", why=f"{needed} is needed", hint="upgrade the server", peer=peer)
    if captures and variable(connection, "log_bin") != "ON":
        hint = "write log_bin and server_id into the server's configuration, then restart it"
        yield Problem("changes cannot be captured", why="the server keeps no binary log", hint=hint, peer=peer)
    elif captures:
        yield from _settings(connection, peer)
        yield from _filters(connection, server, place)
    if variable(connection, "read_only") == "ON":
        hint = "name the primary, or SET GLOBAL read_only = OFF"
        yield Problem("this server is read-only", why="what is delivered cannot be written", hint=hint, peer=peer)
    yield from _rights(connection, server, place, captures=captures)


def _settings(connection: Connection, peer: str) -> Iterator[Problem]:
    for name, (wanted, why) in _SETTINGS.items():
        found = variable(connection, name)
        if found is not None and found.upper() != wanted:
            hint = f"SET GLOBAL {name} = '{wanted}', also in the server's configuration; sessions that are open keep theirs"
            yield Problem(f"{name} is {found or 'empty'}", why=why, hint=hint, peer=peer)


def _filters(connection: Connection, server: Server, place: Place) -> Iterator[Problem]:
    try:
        rows = fetch(connection, server.status_sql)
    except pymysql.err.OperationalError:
        return  # the right is missing, and `_rights` says so
    taken, ignored = (
        ({part for part in str(text or "").split(",") if part} for text in rows[0][2:4]) if rows else (set(), set())
    )
    if (taken and place.database not in taken) or place.database in ignored:
        hint = "correct binlog_do_db and binlog_ignore_db in the server's configuration, then restart it"
        why = "its settings leave this database out of the binary log"
        yield Problem("changes cannot be captured", why=why, hint=hint, peer=place.peer)


def _rights(connection: Connection, server: Server, place: Place, *, captures: bool) -> Iterator[Problem]:
    anywhere, here = rights_of(granted(connection, server), server, place.database)
    ((user,),) = fetch(connection, "SELECT CURRENT_USER()")
    account = "@".join(f"'{part}'" for part in str(user).rsplit("@", 1))
    missing = sorted({"REPLICATION SLAVE", server.replica_right} - anywhere) if captures else []
    if missing:
        hint = f"GRANT {', '.join(missing)} ON *.* TO {account}"
        yield Problem("the user may not read the binary log", hint=hint, peer=place.peer)
    needed = _NEEDED | ({"LOCK TABLES"} if captures and not server.mariadb else set())
    missing = sorted(needed - anywhere - here)
    if missing:
        why = f"Syncline keeps {', '.join(sorted(OURS))} there, and must see triggers"
        hint = f"GRANT {', '.join(missing)} ON {quote(place.database)}.* TO {account}"
        yield Problem("the user lacks rights on the database", why=why, hint=hint, peer=place.peer)


def granted(connection: Connection, server: Server) -> list[str]:
    """What SHOW GRANTS says of the session's user, with the roles that it has taken on."""
    sql = "SHOW GRANTS"
    if not server.mariadb:
        ((roles,),) = fetch(connection, "SELECT CURRENT_ROLE()")
        sql = f"SHOW GRANTS FOR CURRENT_USER() USING {roles}" if roles and roles != "NONE" else sql
    return [str(line) for (line,) in fetch(connection, sql)]


def rights_of(lines: Iterable[str], server: Server, database: str) -> tuple[set[str], set[str]]:
    """What grants allow everywhere, and in a whole database."""
    anywhere: set[str] = set()
    here: set[str] = set()
    revoked: set[str] = set()
    for line in lines:
        if (match := _REVOKE.match(line)) is not None and match[2][1:-1].replace("``", "`") == database:
            revoked |= {part.strip().upper() for part in match[1].split(",")}
        match = _GRANT.match(line)
        if match is None or match[3] != "*":
            continue
        rights = {part.strip().upper().replace("REPLICATION CLIENT", server.replica_right) for part in match[1].split(",")}
        if rights & {"ALL PRIVILEGES", "ALL"}:
            rights = {*_NEEDED, "LOCK TABLES", "REPLICATION SLAVE", server.replica_right}
        if match[2] == "*":
            anywhere |= rights
        elif _means(match[2][1:-1].replace("``", "`"), database):
            here |= rights
    return anywhere - revoked, here


def _means(pattern: str, database: str) -> bool:
    r"""Whether a grant's database, with % and _ as in LIKE and \ before plain ones, is this database."""
    text = re.sub(r"([\[\]*?])", r"[\1]", pattern)
    text = re.sub(r"\\([%_])|%|_", lambda found: found[1] or ("*" if found[0] == "%" else "?"), text)
    return fnmatchcase(database, text)
