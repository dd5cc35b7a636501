"""Who runs a PostgreSQL server, as its settings tell, and how the same thing is changed at each of them. Pure."""

from collections.abc import Collection
from enum import StrEnum
from typing import Final

from syncline.peers.postgres.features import quote


class Host(StrEnum):
    """Who runs the server."""

    SELF = "PostgreSQL"
    RDS = "Amazon RDS"
    AURORA = "Amazon Aurora"
    CLOUD_SQL = "Google Cloud SQL"
    AZURE = "Azure Database for PostgreSQL"
    NEON = "Neon"
    SUPABASE = "Supabase"


_PREFIXES: Final = {  # of settings that only they have
    "cloudsql": Host.CLOUD_SQL, "azure": Host.AZURE, "neon": Host.NEON, "supautils": Host.SUPABASE, "rds": Host.RDS,
}  # fmt: skip
PREFIXES: Final = tuple(_PREFIXES)
_WHERE: Final = {
    Host.SELF: "ALTER SYSTEM SET {0} = {1}; then {2} the server",
    Host.RDS: "set {0} = {1} in the DB parameter group; then reboot the instance",
    Host.AURORA: "set {0} = {1} in the DB cluster parameter group; then reboot the writer",
    Host.CLOUD_SQL: "set the database flag {0} = {1} (Edit, Flags and parameters); the instance restarts",
    Host.AZURE: "set {0} = {1} under 'Server parameters' of the portal; then restart the server",
    Host.NEON: "{0} is set by Neon: ask its support for {1}",
    Host.SUPABASE: "set {0} = {1} with the Supabase CLI: supabase postgres-config update",
}
_LOGICAL: Final = {
    Host.SELF: ("wal_level", "logical"),
    Host.RDS: ("rds.logical_replication", "1"),
    Host.AURORA: ("rds.logical_replication", "1"),
    Host.CLOUD_SQL: ("cloudsql.logical_decoding", "on"),
    Host.AZURE: ("wal_level", "logical"),
    Host.SUPABASE: ("wal_level", "logical"),
}


def host_of(prefixes: Collection[str], *, aurora: bool) -> Host:
    """Who runs a server that has settings with these prefixes. `aurora`: it has Aurora's own functions."""
    if aurora:
        return Host.AURORA
    return next((host for prefix, host in _PREFIXES.items() if prefix in prefixes), Host.SELF)


def to_set(host: Host, name: str, value: str, *, restart: bool = True) -> str:
    """How a setting is changed there."""
    return _WHERE[host].format(name, value, "restart" if restart else "reload")


def to_decode(host: Host) -> str:
    """How changes can be captured there."""
    if host is Host.NEON:
        return "enable it in Neon's console: Settings, Logical Replication; the project's computes restart"
    return to_set(host, *_LOGICAL[host])


def to_replicate(host: Host, role: str) -> str:
    """The statement that lets a role replicate."""
    if host in (Host.RDS, Host.AURORA):
        return f"GRANT rds_replication TO {quote(role)}"
    if host is Host.NEON:
        return "use a role that was made in Neon's console, CLI or API: these may replicate, roles made by SQL may not"
    return f"ALTER ROLE {quote(role)} REPLICATION"


def failover(host: Host, *, standbys: bool) -> str:
    """What happens to the slot when the server fails over, where that is known and worth a word."""
    if host is Host.NEON:
        return (
            "Neon removes a slot that was inactive for about 40 hours while others are active, and all of a branch that is "
            "restored: the peer joins again then"
        )
    if host is Host.AZURE or standbys:
        return "after a failover to a standby this peer joins again: its slot is not there, or belongs to another timeline"
    return ""
