"""How much of its log a PostgreSQL server keeps for our slot, and when it would let go of it. Reads only."""

from collections.abc import Sequence
from typing import Any, Final

from syncline.peers.postgres.connect import Connection
from syncline.peers.postgres.features import PREFIX
from syncline.peers.postgres.footprint import fetch
from syncline.peers.protocol import Kept

_LOOK: Final = (
    "end transactions that are open for long: SELECT pid, xact_start, query FROM pg_stat_activity "
    "WHERE backend_xid IS NOT NULL ORDER BY xact_start; SELECT * FROM pg_prepared_xacts"
)
# of several slots the one that keeps most; what newer servers tell is asked for by name, so that older ones answer too
_SQL: Final = (
    "SELECT s.slot_name::text, s.wal_status::text, pg_catalog.pg_wal_lsn_diff("
    "CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn() "
    "ELSE pg_catalog.pg_current_wal_lsn() END, s.restart_lsn)::int8, s.safe_wal_size::int8, "
    "extract(epoch FROM pg_catalog.now() - (pg_catalog.to_jsonb(s) ->> 'inactive_since')::timestamptz)::float8, "
    "extract(epoch FROM current_setting('idle_replication_slot_timeout', true)::interval)::float8, "
    "coalesce(pg_catalog.to_jsonb(s) ->> 'invalidation_reason', 'the server invalidated it') "
    "FROM pg_catalog.pg_replication_slots AS s WHERE s.database = pg_catalog.current_database() "
    "AND pg_catalog.starts_with(s.slot_name::text, %s) AND NOT s.temporary ORDER BY s.restart_lsn LIMIT 1"
)


async def read_kept(connection: Connection, budget: int) -> Kept | None:
    """What is kept for our slot; None if there is none."""
    rows = await fetch(connection, _SQL, (PREFIX,))
    return kept_of(rows[0], budget) if rows else None


def kept_of(row: Sequence[Any], budget: int) -> Kept:
    """What a row of the server's slots means."""
    name, status, held, safe, idle, timeout, reason = row
    what, kept = f"the replication slot {name}", max(0, held or 0)
    if status == "lost":
        return Kept(what, kept, budget, lost=str(reason))
    leaving = status == "unreserved"
    limit = kept + safe if safe is not None and safe > 0 else 0
    return Kept(what, kept, budget, limit, float(idle or 0), float(timeout or 0), leaving, look=_LOOK)
