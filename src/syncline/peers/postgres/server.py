"""What a PostgreSQL server and its role must be like before one of its databases can be a peer: facts in one query, then rules.

The rules are pure, so that servers can be judged that nobody has at hand.
"""

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from syncline.model.errors import Problem
from syncline.peers.postgres.connect import Connection, Place
from syncline.peers.postgres.features import PREFIX, VERSION_MIN, quote
from syncline.peers.postgres.footprint import fetch
from syncline.peers.postgres.hosting import PREFIXES, Host, failover, host_of, to_decode, to_replicate, to_set
from syncline.peers.postgres.pooler import HINT

_NAMED: Final = (
    "wal_level", "server_encoding", "max_replication_slots", "max_wal_senders", "max_slot_wal_keep_size", "wal_sender_timeout",
)  # fmt: skip
_SQL: Final = (
    "SELECT current_setting('server_version_num')::int, pg_catalog.current_database()::text, r.rolname::text, "
    "(r.rolsuper OR r.rolreplication OR coalesce((SELECT pg_catalog.pg_has_role(g.oid, 'USAGE') FROM pg_catalog.pg_roles AS g "
    "WHERE g.rolname = 'rds_replication'), false)), "
    "pg_catalog.pg_is_in_recovery(), "
    "pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE'), "
    "pg_catalog.has_database_privilege(pg_catalog.current_database(), 'TEMPORARY'), "
    "(SELECT count(*) FROM pg_catalog.pg_replication_slots)::int, "
    "(SELECT count(*) FROM pg_catalog.pg_stat_replication)::int, "
    "(SELECT count(*) FROM pg_catalog.pg_replication_slots WHERE database = pg_catalog.current_database() "
    "AND pg_catalog.starts_with(slot_name::text, %s))::int, "
    "EXISTS (SELECT FROM pg_catalog.pg_replication_slots WHERE slot_type = 'physical'), "
    "pg_catalog.pg_backend_pid(), "
    "EXISTS (SELECT FROM pg_catalog.pg_proc WHERE proname = 'aurora_version'), "
    "ARRAY(SELECT DISTINCT pg_catalog.split_part(name, '.', 1) FROM pg_catalog.pg_settings "
    "WHERE pg_catalog.split_part(name, '.', 1) = ANY (%s) AND name LIKE '%%.%%'), "
    "(SELECT pg_catalog.json_object_agg(name, setting) FROM pg_catalog.pg_settings WHERE name = ANY (%s)), "
    "coalesce((SELECT reset_val FROM pg_catalog.pg_settings WHERE name = 'transaction_timeout'), '0') "
    "FROM pg_catalog.pg_roles AS r WHERE r.rolname = current_user"
)


class Facts(msgspec.Struct, frozen=True):
    """What a server says of itself and of our role. `slots`, `senders`: how many are in use; `ours`: slots of Syncline's here.

    `pid` is the process that answers, `dialled` the one that took the connection. `settings` as pg_settings has them.
    `transaction_timeout`: milliseconds that the role's sessions begin with.
    """

    version: int
    database: str
    role: str
    replicates: bool
    standby: bool
    creates: bool
    temporary: bool
    slots: int
    senders: int
    ours: int
    standbys: bool
    pid: int
    aurora: bool
    prefixes: tuple[str, ...]
    settings: Mapping[str, str]
    transaction_timeout: str = "0"
    dialled: int = 0

    @property
    def host(self) -> Host:
        """Who runs it."""
        return host_of(self.prefixes, aurora=self.aurora)


async def read_facts(connection: Connection) -> Facts:
    """Ask the server, in one query."""
    ((*row,),) = await fetch(connection, _SQL, (PREFIX, list(PREFIXES), list(_NAMED)))
    return msgspec.structs.replace(Facts(*row), dialled=connection.pgconn.backend_pid)


def server_problems(facts: Facts, place: Place, *, fresh: bool, captures: bool = True) -> Iterator[Problem]:
    """Every unmet precondition of the server and the role. `fresh`: nothing was set up there yet. `captures`: see check."""
    peer, host, settings = place.peer, facts.host, facts.settings
    if facts.version < VERSION_MIN:
        why = "13 is needed"
        yield Problem(f"PostgreSQL {facts.version // 10000} is too old", why=why, hint="upgrade the server", peer=peer)
    if facts.dialled != facts.pid and host is not Host.NEON:  # Neon's own gateway numbers sessions anew, and pools nothing
        why = "another process answers than the one that took the connection; nobody can stream changes through it"
        yield Problem("a connection pooler stands before the server", why=why, hint=HINT, peer=peer)
    if facts.standby:
        yield Problem("this server is a standby", why="nothing can be written to it", hint="name the primary", peer=peer)
    if captures:
        yield from _decoding(facts, peer)
    if settings["server_encoding"] != "UTF8":
        why = f"its encoding is {settings['server_encoding']}; text that is not in it could not be carried exactly"
        hint = "copy it into a UTF8 database: pg_dump, then createdb -E UTF8 -T template0"
        yield Problem("the database is not UTF8", why=why, hint=hint, peer=peer)
    if facts.transaction_timeout != "0":
        why = f"transaction_timeout is {facts.transaction_timeout} ms for it, also where changes are streamed"
        hint = f"ALTER ROLE {quote(facts.role)} SET transaction_timeout = 0"
        yield Problem("the role's transactions are ended", why=why, hint=hint, peer=peer)
    yield from _rights(facts, peer, fresh=fresh, captures=captures)


def _decoding(facts: Facts, peer: str) -> Iterator[Problem]:
    """What its log could not be read for."""
    if facts.settings["wal_level"] != "logical":
        why = f"wal_level is {facts.settings['wal_level']}"
        yield Problem("changes cannot be captured", why=why, hint=to_decode(facts.host), peer=peer)
    if not facts.replicates:
        why, hint = f"{facts.role} lacks REPLICATION", to_replicate(facts.host, facts.role)
        yield Problem("the role may not replicate", why=why, hint=hint, peer=peer)
    yield from _room(facts, peer)


def _rights(facts: Facts, peer: str, *, fresh: bool, captures: bool) -> Iterator[Problem]:
    where = f"DATABASE {quote(facts.database)} TO {quote(facts.role)}"
    if fresh and not facts.creates:
        what = "the role may not create Syncline's schema" + (" and publication" if captures else "")
        yield Problem(what, hint=f"GRANT CREATE ON {where}", peer=peer)
    if not facts.temporary:
        yield Problem("the role may not create temporary tables", hint=f"GRANT TEMPORARY ON {where}", peer=peer)


def _room(facts: Facts, peer: str) -> Iterator[Problem]:
    """A slot and a connection for a peer that has none yet."""
    if facts.ours:
        return
    rooms = (("slot", "max_replication_slots", facts.slots), ("connection", "max_wal_senders", facts.senders))
    for noun, name, used in rooms:
        most = int(facts.settings[name])
        if used >= most:
            why = f"{used} of {most} are in use"
            hint = to_set(facts.host, name, str(max(20, most + 10)))
            yield Problem(f"no replication {noun} is free", why=why, hint=hint, peer=peer)


def server_advice(facts: Facts) -> Iterator[str]:
    """What would be better at the server, but need not be."""
    host, settings = facts.host, facts.settings
    if settings["max_slot_wal_keep_size"] == "-1":
        yield (
            "max_slot_wal_keep_size is unlimited: while Syncline is away the server keeps all its log; "
            "with a limit the disk cannot fill, and a peer that was away for too long joins again"
        )
    if settings["wal_sender_timeout"] == "0":
        yield (
            "wal_sender_timeout is 0: a hub that is gone without a word holds its slot until the server notices; "
            f"{to_set(host, 'wal_sender_timeout', '60000', restart=False)}"
        )
    if told := failover(host, standbys=facts.standbys):
        yield told
