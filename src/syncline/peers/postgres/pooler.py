"""Connection poolers: through most of them nobody can stream changes, and what a session sets may hold for another session.

Known ones are told by their addresses; any other by what it does to a session. Pure.
"""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

_SUPABASE: Final = ".pooler.supabase.com"
_NEON: Final = re.compile(r"([^.]+)-pooler(\..*\bneon\..+)")
_RDS: Final = re.compile(r".+\.proxy-[^.]+\.[^.]+\.rds\.amazonaws\.com(\.cn)?")
REFUSED: Final = "unsupported startup parameter"  # what PgBouncer says to a session that would set something
HINT: Final = "name the server itself, not the pooler: its own host, and its own port, mostly 5432"


class Pooler(NamedTuple):
    """What an address says of a pooler, and the way around it."""

    what: str
    direct: str


def pooler_of(conninfo: Mapping[str, str]) -> Pooler | None:
    """The pooler that an address leads to, if it is a known one."""
    hosts = conninfo.get("host", "").split(",")
    ports = conninfo.get("port", "5432").split(",")
    for place, host in enumerate(hosts):
        port = ports[place] if place < len(ports) else ports[-1]
        if found := _known(host.lower(), port, conninfo.get("user", "")):
            return found
    return None


def _known(host: str, port: str, user: str) -> Pooler | None:
    if host.endswith(_SUPABASE):
        role, _, project = user.partition(".")
        direct = f"{role or 'postgres'}@db.{project or 'PROJECT'}.supabase.co:5432"
        return Pooler("Supabase's pooler", f"use the direct address, {direct}; it needs IPv6, or the IPv4 add-on")
    if host.endswith(".supabase.co") and port == "6543":
        return Pooler("Supabase's pooler", f"use port 5432: {host}:5432")
    if neon := _NEON.fullmatch(host):
        return Pooler("Neon's pooler", f"leave out '-pooler': {neon[1]}{neon[2]}")
    if _RDS.fullmatch(host):
        return Pooler("an RDS proxy", "use the endpoint of the instance, or of the Aurora cluster's writer")
    if host.endswith(".postgres.database.azure.com") and port == "6432":
        return Pooler("Azure's PgBouncer", f"use port 5432: {host}:5432")
    return None
