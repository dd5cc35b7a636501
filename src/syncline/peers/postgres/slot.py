"""The replication slot: made, watched, moved on and dropped. What it says decides whether history is whole."""

import asyncio
from typing import Any, Final

import psycopg

from syncline.model.errors import PeerBusy
from syncline.peers.postgres.connect import Connection, Place
from syncline.peers.postgres.features import HISTORY, PREFIX, object_name
from syncline.peers.postgres.wire import Walsender, lsn_text

_WAIT_SECONDS: Final = 60
_TRIES: Final = 40
_PAUSE_SECONDS: Final = 0.01
_SLOT_SQL: Final = (
    "SELECT s.slot_name::text, s.active, s.active_pid, s.wal_status, s.plugin::text, "
    "s.database::text = pg_catalog.current_database(), "
    "pg_catalog.pg_wal_lsn_diff(s.confirmed_flush_lsn, '0/0')::int8, "
    "h.system, h.timeline, h.acknowledged::int8, h.passed::int8, h.broken, "
    "(SELECT system_identifier::text FROM pg_catalog.pg_control_system()), "
    "CASE WHEN pg_catalog.pg_is_in_recovery() THEN '' "
    "ELSE pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8) END "
    f"FROM {HISTORY} AS h LEFT JOIN pg_catalog.pg_replication_slots AS s ON s.slot_name = %s"
)


async def _read(connection: Connection, incarnation: str) -> tuple[Any, ...] | None:
    cursor = await connection.execute(_SLOT_SQL.encode(), (object_name(incarnation),))
    return await cursor.fetchone()


async def trouble(connection: Connection, incarnation: str, after: int | None = None) -> str:
    """Why the history from `after` on is not whole, in words; '' if it is (F20, F21, F28)."""
    row = await _read(connection, incarnation)
    if row is None:
        return "Syncline's record of its history is gone"
    name, _, _, status, plugin, same, confirmed, system, timeline, acknowledged, passed, broken, system_now, timeline_now = row
    if system != system_now:
        return f"it is another server: system identifier {system_now}, not {system}"
    if timeline_now and timeline != timeline_now:
        return f"its history took another branch: timeline {timeline_now}, not {timeline}: a failover or a restore"
    if broken:
        return str(broken)
    if name is None:
        return "the replication slot is gone"
    if plugin != "pgoutput" or not same:
        return "the replication slot is not the one that Syncline made"
    if status == "lost" or confirmed is None:  # one that is "unreserved" may still catch up; if not, it is lost then
        return f"the replication slot is {status or 'invalid'}: the server let go of its log"
    if after is not None and after < confirmed and not (acknowledged <= after and confirmed <= passed):
        return f"the replication slot stands at {lsn_text(confirmed)}, after {lsn_text(after)}: somebody else moved it on"
    return ""


async def forgotten(connection: Connection, incarnation: str) -> int:
    """Up to where history was given away. What lies between `acknowledged` and `passed` was none of ours, and is not missed."""
    row = await _read(connection, incarnation)
    if row is None or row[6] is None:
        return 0
    confirmed, acknowledged, passed = row[6], row[9], row[10]
    return int(acknowledged if acknowledged <= confirmed <= passed else confirmed)


async def create_slot(connection: Connection, place: Place, incarnation: str) -> None:
    """Make the slot. Waits for transactions that run now. Raises PeerBusy if they take too long."""
    try:
        await connection.execute(f"SET statement_timeout = {_WAIT_SECONDS * 1000}".encode())
        sql = b"SELECT pg_catalog.pg_create_logical_replication_slot(%s, 'pgoutput')"
        await connection.execute(sql, (object_name(incarnation),))
    except psycopg.errors.QueryCanceled as error:
        why = f"transactions that began before did not end within {_WAIT_SECONDS} s"
        hint = "end them: SELECT pid, query FROM pg_stat_activity WHERE backend_xid IS NOT NULL"
        raise PeerBusy("the replication slot could not be made", why=why, hint=hint, peer=place.peer) from error
    finally:
        await connection.execute(b"SET statement_timeout = 0")


async def drop_slots(connection: Connection) -> None:
    """Drop every slot of ours in this database; whoever streams from it is ended first."""
    mine = (
        "SELECT slot_name::text, active_pid FROM pg_catalog.pg_replication_slots "
        "WHERE database = pg_catalog.current_database() AND pg_catalog.starts_with(slot_name::text, %s) AND NOT temporary"
    )
    for _ in range(_TRIES):
        rows = await (await connection.execute(mine.encode(), (PREFIX,))).fetchall()
        if not rows:
            return
        for name, pid in rows:
            try:
                if pid is not None:
                    await connection.execute(b"SELECT pg_catalog.pg_terminate_backend(%s)", (pid,))
                async with connection.transaction():
                    await connection.execute(b"SELECT pg_catalog.pg_drop_replication_slot(%s)", (name,))
            except (psycopg.errors.ObjectInUse, psycopg.errors.UndefinedObject):
                await asyncio.sleep(_PAUSE_SECONDS)
    raise psycopg.errors.ObjectInUse("a replication slot of Syncline's is still in use")


async def advance(connection: Connection, incarnation: str, lsn: int) -> None:
    """Let the server forget what is before `lsn`, where nobody streams. What is busy or behind is left for the next time."""
    row = await _read(connection, incarnation)
    if row is None or row[0] is None or row[1] or lsn <= row[6]:
        return
    try:
        sql = b"SELECT pg_catalog.pg_replication_slot_advance(%s, %s::text::pg_lsn)"
        await connection.execute(sql, (object_name(incarnation), lsn_text(lsn)))
    except psycopg.errors.ObjectInUse:
        return


async def note_passed(connection: Connection, acknowledged: int, passed: int) -> None:
    """Remember that nothing of ours lies between the two: so the slot may stand at the second (T9)."""
    sql = f"UPDATE {HISTORY} SET acknowledged = %s, passed = %s"
    await connection.execute(sql.encode(), (acknowledged, passed))


async def note_broken(connection: Connection, why: str) -> None:
    """Remember that this history is not whole: until the peer joins again, it is not the one that the log knows."""
    await connection.execute(f"UPDATE {HISTORY} SET broken = %s WHERE broken = ''".encode(), (why,))


async def take(walsender: Walsender, incarnation: str, publication: str, lsn: int, copy: str) -> bool:
    """Begin to stream: from the slot, or from a copy that ends with the session if somebody streams from it. True: the slot."""
    slot = object_name(incarnation)
    for _ in range(_TRIES):
        try:
            await walsender.start(slot, lsn, publication)
        except psycopg.errors.ObjectInUse:
            await asyncio.sleep(_PAUSE_SECONDS)
        else:
            return True
    await walsender.copy_slot(slot, copy)
    await walsender.start(copy, lsn, publication)
    return False
