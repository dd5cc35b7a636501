"""Opening a PostgreSQL database, and telling its errors: every driver error becomes a PeerError with cause and fix.

Every session is pinned, so that a value has one text whatever the role, the database or the environment prefer.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, urlencode

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from syncline.model import limits
from syncline.model.errors import PeerBusy, PeerChanged, PeerDenied, PeerError, PeerFull, PeerUnreachable, PeerUnsafe
from syncline.model.secret import mask
from syncline.peers.address import refuse_unescaped, unescaped
from syncline.peers.postgres.pooler import HINT, REFUSED, pooler_of

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

_PINNED: Final = {
    "datestyle": "ISO",
    "intervalstyle": "postgres",
    "timezone": "UTC",
    "extra_float_digits": "3",
    "bytea_output": "hex",
    "search_path": "",
    "lc_monetary": "C",
    "xmlbinary": "base64",
    "row_security": "off",  # rows that a policy hides are an error, not missing rows
    "standard_conforming_strings": "on",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "default_transaction_read_only": "off",
    "default_transaction_isolation": r"read\ committed",
}
# whether the pins hold; and what a role may have been given that older servers do not know is taken from this session
_HELD_SQL: Final = (
    b"SELECT current_setting('search_path') IN ('', '\"\"') AND current_setting('row_security') = 'off' "
    b"AND current_setting('TimeZone') = 'UTC' AND current_setting('extra_float_digits') = '3' "
    b"AND current_setting('statement_timeout') = '0' AND current_setting('application_name') = 'syncline', "
    b"(SELECT count(pg_catalog.set_config(name, '0', false)) FROM pg_catalog.pg_settings WHERE setting <> '0' "
    b"AND name IN ('lock_timeout', 'transaction_timeout', 'idle_session_timeout'))"
)
_OURS: Final = ("schema", "insecure", "wal_budget")
_LIBPQ: Final = frozenset(
    {"host", "hostaddr", "port", "user", "password", "passfile", "dbname", "sslmode", "sslrootcert", "sslcert", "sslkey"}
    | {"sslpassword", "sslcrl", "channel_binding", "gssencmode", "connect_timeout", "target_session_attrs", "tcp_user_timeout"}
)
_DEFAULTS: Final = {
    "connect_timeout": "10",
    "target_session_attrs": "read-write",  # where several hosts are named, the one that is not a standby
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
    "application_name": "syncline",
    "client_encoding": "UTF8",
}
_LOOPBACK: Final = frozenset({"", "localhost", "127.0.0.1", "::1"})
logging.getLogger("psycopg").addHandler(logging.NullHandler())  # what goes wrong is told by errors, not on the screen
_BYTES: Final = re.compile(r"([0-9]{1,6})(MB|GB|TB)")
_UNITS: Final = {"MB": 1024**2, "GB": 1024**3, "TB": 1024**4}
_TRUE: Final = {"true": True, "1": True, "false": False, "0": False}
_LOGIN: Final = ("authentication failed", "no pg_hba.conf entry", "does not exist", "no password supplied", "not permitted")
_NO_DATABASE: Final = re.compile('database ".*" does not exist')
_AWAY: Final = frozenset({"08", "53", "57", "58"})  # classes: it cannot be reached, has no room, ends, has trouble
_STRANGER: Final = ("invalid response to SSL negotiation", "expected authentication request from server, but received")
_CERTIFICATE: Final = ("certificate", "SSL", "root.crt")


class Place(NamedTuple):
    """A peer's database: how libpq reaches it, and the schema whose tables are meant.

    `budget`: how many bytes of its log the server may keep for us before there is an alarm.
    """

    peer: str
    conninfo: dict[str, str]
    schema: str
    budget: int = limits.WAL_BUDGET_BYTES

    @property
    def where(self) -> dict[str, str]:
        """What messages say of it; never a secret."""
        host = self.conninfo.get("host") or self.conninfo.get("hostaddr") or "(local)"
        return {"peer": self.peer, "database": f"{host}:{self.conninfo.get('port', '5432')}/{self.conninfo.get('dbname', '')}"}

    def scrub(self, text: str) -> str:
        """A driver's message without the password."""
        secrets = (self.conninfo.get(name, "") for name in ("password", "sslpassword"))
        return " ".join(mask(text, secrets).split())


def parse_url(name: str, url: str) -> Place:
    """`postgresql://user@host:port/db`, with `schema=`, `insecure=true` and libpq's own options. Raises PeerUnsafe.

    A host that is not this machine is reached by TLS with a verified certificate and name, unless `insecure=true` is written.
    """
    refuse_unescaped(name, url)
    place, _, query = url.partition("?")
    given = parse_qsl(query, keep_blank_values=True)
    own = {option: value for option, value in given if option in _OURS}
    strange = sorted({option for option, _ in given} - set(_OURS) - _LIBPQ)
    if strange:
        hint = f"use {', '.join(_OURS)}, or one of libpq's: {', '.join(sorted(_LIBPQ))}"
        raise PeerUnsafe(f"a PostgreSQL address has no option {strange[0]!r}", hint=hint, peer=name)
    if own.get("insecure", "false") not in _TRUE:
        raise PeerUnsafe("the option insecure cannot be read", hint="write insecure=true, or leave it out", peer=name)
    rest = urlencode([(option, value) for option, value in given if option not in _OURS])
    try:
        scheme, _, tail = place.partition(":")
        found = conninfo_to_dict(f"{scheme.lower()}:{tail}" + (f"?{rest}" if rest else ""))
    except psycopg.Error as error:
        hint = "write postgresql://user@host:5432/database"
        raise PeerUnsafe("this address cannot be read", hint=hint, peer=name) from error
    if "@" in str(found.get("host", ""))[1:]:  # libpq ends a password at the first one; sockets without a file begin with one
        raise unescaped(name)
    conninfo = _DEFAULTS | {option: str(value) for option, value in found.items() if value is not None}
    conninfo["options"] = " ".join(f"-c {setting}={value}" for setting, value in _PINNED.items())
    if not _TRUE[own.get("insecure", "false")]:
        _secure(name, conninfo)
    return Place(name, conninfo, own.get("schema") or "public", _budget(name, own.get("wal_budget")))


def _budget(name: str, text: str | None) -> int:
    """Bytes, as PostgreSQL's own settings are written: 512MB, 4GB. Raises PeerUnsafe."""
    if text is None:
        return limits.WAL_BUDGET_BYTES
    found = _BYTES.fullmatch(text)
    count = int(found[1]) * _UNITS[found[2]] if found else 0
    if not limits.WAL_BUDGET_BYTES_MIN <= count <= limits.WAL_BUDGET_BYTES_MAX:
        why = "it is a whole number with MB, GB or TB, from 1MB to 1024TB"
        raise PeerUnsafe("the option wal_budget cannot be read", why=why, hint="write wal_budget=4GB", peer=name)
    return count


def _secure(name: str, conninfo: dict[str, str]) -> None:
    """Ask for a verified server wherever the way there is not this machine's own."""
    hosts = f"{conninfo.get('host', '')},{conninfo.get('hostaddr', '')}".split(",")
    if all(host in _LOOPBACK or host.startswith(("/", "@")) for host in hosts):
        return
    if conninfo.setdefault("sslmode", "verify-full") != "verify-full":
        what = f"sslmode={conninfo['sslmode']} does not prove who the server is"
        raise PeerUnsafe(what, hint="leave sslmode out, or write insecure=true to go without", peer=name)
    conninfo.setdefault("sslrootcert", "system")


async def open_session(place: Place) -> Connection:
    """A pinned session in autocommit mode. Raises PeerError; PeerUnsafe where a pooler does not keep the pins."""
    _refuse_pooler(place)
    with errors(place, "connecting"):
        session = await psycopg.AsyncConnection.connect(make_conninfo("", **place.conninfo), autocommit=True)
        try:
            held = await (await session.execute(_HELD_SQL)).fetchone()
        except BaseException:
            await session.close()
            raise
    if held is None or not held[0]:
        await session.close()
        raise _pooled(place, "what this session sets does not hold for its statements")
    return session


def _refuse_pooler(place: Place) -> None:
    """Raise PeerUnsafe for an address that is known to be a pooler's."""
    if (pooler := pooler_of(place.conninfo)) is not None:
        raise _pooled(place, f"this is the address of {pooler.what}", pooler.direct)


def _pooled(place: Place, why: str, hint: str = HINT) -> PeerUnsafe:
    told = f"{why}; nobody can stream changes through one, and values would be read as others have set it"
    return PeerUnsafe("a connection pooler stands before the server", why=told, hint=hint, **place.where)


async def open_walsender(place: Place) -> Connection:
    """A pinned session that can stream. Raises PeerError."""
    _refuse_pooler(place)
    conninfo = make_conninfo("", **place.conninfo, replication="database")
    with errors(place, "connecting for replication"):
        return await psycopg.AsyncConnection.connect(conninfo, autocommit=True)


@contextmanager
def errors(place: Place, doing: str) -> Iterator[None]:
    """Turn driver errors of the block into PeerErrors."""
    try:
        yield
    except psycopg.Error as error:
        raise translate(error, place, doing) from error


def translate(error: psycopg.Error, place: Place, doing: str) -> PeerError:
    """The PeerError that tells what a driver's error means for whoever runs Syncline."""
    state = error.sqlstate or ""
    why = f"{place.scrub(str(error))}{f' ({state})' if state else ''} while {doing}"
    where = place.where
    if state in {"40001", "40P01", "55P03", "57014", "55006"}:
        return PeerBusy("another transaction is in the way", why=why, hint="it is tried again by itself", **where)
    if state in {"53100", "53200"}:
        return PeerFull("the server has no space left", why=why, hint="free some space; it goes on by itself", **where)
    if REFUSED in why:
        return _pooled(place, why)
    if state == "3D000" or (not state and doing.startswith("connecting") and _NO_DATABASE.search(why)):
        hint = "correct the database's name in the address, or create it: CREATE DATABASE; it is tried again by itself"
        return PeerDenied("the database does not exist", why=why, hint=hint, **where)
    if state.startswith("28") or (not state and doing.startswith("connecting") and any(word in why for word in _LOGIN)):
        hint = "correct the address, the password or the server's pg_hba.conf; it is tried again by itself"
        return PeerDenied("the server does not let Syncline in", why=why, hint=hint, **where)
    if not state and doing.startswith("connecting") and "session is read-only" in why:
        hint = "name the primary, or promote this one; it goes on by itself"
        return PeerUnreachable("this server is a standby", why=why, hint=hint, **where)
    if not state and doing.startswith("connecting") and any(word in why for word in _STRANGER):
        hint = "correct the port; the address of a MariaDB or MySQL server begins with mariadb:// or mysql://"
        return PeerUnsafe("what answers there is no PostgreSQL server", why=why, hint=hint, **where)
    if not state and doing.startswith("connecting") and any(word in why for word in _CERTIFICATE):
        hint = "give the server a certificate for its name; sslrootcert= names its authority; insecure=true goes without"
        return PeerUnsafe("the server does not prove who it is", why=why, hint=hint, **where)
    if state in {"42P01", "42703", "42704"}:
        hint = f"look at the tables, then let it join again: 'syncline resume {place.peer} --rejoin'"
        return PeerChanged("a table was altered or dropped", why=why, hint=hint, **where)
    if state == "42501":
        return PeerUnsafe("a right is missing", why=why, hint="'syncline check' says which, with the statement", **where)
    if state and state[:2] not in _AWAY and isinstance(error, psycopg.OperationalError):
        hint = "the reason says what; it is tried again by itself"
        return PeerUnreachable("the server does not do what it was asked for now", why=why, hint=hint, **where)
    if not state or state[:2] in _AWAY:
        hint = "start the server, or correct the address; it goes on by itself"
        return PeerUnreachable("the server cannot be reached now", why=why, hint=hint, **where)
    return PeerUnsafe("PostgreSQL refused", why=why, hint="the reason says what", **where)
