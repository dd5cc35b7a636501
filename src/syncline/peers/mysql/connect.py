"""Opening a MariaDB or MySQL database, and telling its errors: every driver error becomes a PeerError with cause and fix.

Every session is pinned, so that a value has one text whatever the server or the user prefer. The driver blocks: a session
does its work in a thread of its own, one piece after the other.
"""

import asyncio
import socket
import ssl
import struct
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

import pymysql

from syncline.model import limits
from syncline.model.errors import PeerBusy, PeerChanged, PeerDenied, PeerError, PeerFull, PeerUnreachable, PeerUnsafe
from syncline.model.secret import mask
from syncline.peers.address import refuse_unescaped
from syncline.peers.mysql.features import Server, server_of
from syncline.peers.mysql.pulse import State, Watch

_T = TypeVar("_T")
Connection: TypeAlias = Any  # pymysql.connections.Connection, which has no types of its own

# strict, so that no value is bent to fit; zero dates are values; a zero is no order to count on
SQL_MODE: Final = "STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO"
_PINNED: Final = (
    "SET NAMES utf8mb4 COLLATE utf8mb4_bin",
    f"SET SESSION sql_mode = '{SQL_MODE}', time_zone = '+00:00', character_set_results = NULL, sql_safe_updates = 0, "
    "sql_select_limit = DEFAULT, sql_auto_is_null = 0, wait_timeout = 604800, net_write_timeout = 600, "
    "net_read_timeout = 600, lock_wait_timeout = 10, innodb_lock_wait_timeout = 1, unique_checks = 1, "
    "group_concat_max_len = 67108864"  # of the texts of a range that is digested
    # a server may end what takes long: reading a large range does. MySQL remembers what a table was like for a day
    "/*M! , max_statement_time = 0 */ /*!80000 , max_execution_time = 0, information_schema_stats_expiry = 0 */",
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ WRITE",
)
_SESSION_SQL: Final = "SELECT COMMAND, TIME FROM information_schema.PROCESSLIST WHERE ID = %s"
_OPTIONS: Final = ("insecure", "ssl_ca", "ssl_cert", "ssl_key", "unix_socket", "connect_timeout")
_LOOPBACK: Final = frozenset({"", "localhost", "127.0.0.1", "::1"})
_TRUE: Final = {"true": True, "1": True, "false": False, "0": False}
_PORT: Final = 3306
_LOST: Final = 2013  # the driver's number for a connection that ended, or gave no answer in time
_NO_WAY_IN: Final = 2059  # the driver's number for a way to log in that it does not have
_POSTGRES: Final = "a PostgreSQL server answers there"
_TLS_REQUEST: Final = 80877103  # https://www.postgresql.org/docs/current/protocol-message-formats.html: SSLRequest
_STUMBLES: Final = (AttributeError, IndexError, AssertionError, struct.error)  # of the driver, over half a message
_KEEPALIVE: Final = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 30_000}

BUSY: Final = frozenset({1020, 1205, 1213, 1317, 1412, 1479, 1614, 1637, 1969, 3024, 3572})
_FULL: Final = frozenset({1021, 1037, 1038, 1041, 1114, 3164, 1197})
_LOGIN: Final = frozenset({1044, 1045, 1129, 1130, 1698, 1820, 1862, 2061, 3118, 3955, 4151})
_NO_DATABASE: Final = 1049
_DATABASE: Final = 1044  # this user may not do this in this database
_RIGHT: Final = frozenset({1142, 1143, 1227, 1370, 1410, 1419})
_CHANGED: Final = frozenset({1051, 1054, 1072, 1146, 1932})
_AWAY: Final = frozenset(
    {0, 1040, 1042, 1053, 1077, 1079, 1080, 1081, 1152, 1153, 1156, 1157, 1158, 1159, 1160, 1161, 1184, 1203, 1226, 1290}
    | {1836, 1927, 2002, 2003, 2005, 2006, 2013, 2014, 2055, 3159, 3168}
)


class Place(NamedTuple):
    """A peer's database and how it is reached. `tls`: the server must prove who it is."""

    peer: str
    host: str
    port: int
    user: str
    password: str
    database: str
    tls: bool
    options: dict[str, str]

    @property
    def where(self) -> dict[str, str]:
        """What messages say of it; never a secret."""
        return {"peer": self.peer, "database": f"{self.host or '(local)'}:{self.port}/{self.database}"}

    def scrub(self, text: str) -> str:
        """A driver's message without the password."""
        return " ".join(mask(text, [self.password]).split())


def parse_url(name: str, url: str) -> Place:
    """`mysql://user:password@host:3306/database` or `mariadb://...`, with `insecure=true` and `ssl_ca=`. Raises PeerUnsafe.

    A host that is not this machine is reached by TLS with a verified certificate and name, unless `insecure=true` is written.
    """
    refuse_unescaped(name, url)
    place, _, query = url.partition("?")
    given = dict(parse_qsl(query, keep_blank_values=True))
    strange = sorted(set(given) - set(_OPTIONS))
    if strange:
        hint = f"use one of: {', '.join(_OPTIONS)}"
        raise PeerUnsafe(f"a MariaDB or MySQL address has no option {strange[0]!r}", hint=hint, peer=name)
    if given.get("insecure", "false") not in _TRUE:
        raise PeerUnsafe("the option insecure cannot be read", hint="write insecure=true, or leave it out", peer=name)
    try:
        parts = urlsplit(place)
        host, port = unquote(parts.hostname or ""), parts.port or _PORT
        seconds = float(given.get("connect_timeout", "10"))
    except ValueError as error:
        hint = "write mariadb://user@host:3306/database"
        raise PeerUnsafe("this address cannot be read", hint=hint, peer=name) from error
    database = unquote(parts.path.removeprefix("/"))
    if not database or not 0 < seconds <= 600:
        why = "connect_timeout is in seconds, up to 600" if database else "it names no database"
        raise PeerUnsafe("this address cannot be used", why=why, hint="write mariadb://user@host:3306/database", peer=name)
    tls = host not in _LOOPBACK and "unix_socket" not in given and not _TRUE[given.get("insecure", "false")]
    return Place(name, host, port, unquote(parts.username or ""), unquote(parts.password or ""), database, tls, given)


def dial(place: Place) -> Connection:
    """A connection that has logged in, and nothing more; blocking. Raises driver errors, OSError."""
    options: dict[str, Any] = {}
    if place.tls or any(name.startswith("ssl_") for name in place.options):
        context = ssl.create_default_context(cafile=place.options.get("ssl_ca"))
        if not place.tls and "ssl_ca" not in place.options:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if certificate := place.options.get("ssl_cert"):
            context.load_cert_chain(certificate, place.options.get("ssl_key"))
        options["ssl"] = context
    elif "insecure" not in place.options:
        options["ssl_disabled"] = True
    try:
        connection = _login(place, options)
    except _STUMBLES as error:
        raise pymysql.err.OperationalError(2013, "the connection was lost during the greeting") from error
    except RuntimeError as error:  # a package is missing
        raise pymysql.err.OperationalError(_NO_WAY_IN, str(error)) from error
    except pymysql.err.OperationalError as error:
        if number_of(error) == _LOST and _is_postgres(place):
            raise pymysql.err.OperationalError(_LOST, f"{_POSTGRES}; {error.args[1]}") from error
        raise
    connection._read_timeout = None  # it was for the greeting; what hangs later is noticed by TCP
    with suppress(OSError):  # a socket of this machine needs none of it
        for name, value in _KEEPALIVE.items():
            if number := getattr(socket, name, None):
                connection._sock.setsockopt(socket.IPPROTO_TCP, number, value)
    return connection


def _is_postgres(place: Place) -> bool:
    """Whether a PostgreSQL server is there: it answers its own request for TLS with one letter, and waits to be spoken to."""
    try:
        with socket.create_connection((place.host or "localhost", place.port), 2.0) as asking:
            asking.sendall(struct.pack("!ii", 8, _TLS_REQUEST))
            return asking.recv(1) in (b"S", b"N")
    except OSError:
        return False


def _login(place: Place, options: dict[str, Any]) -> Connection:
    seconds = float(place.options.get("connect_timeout", "10"))
    return pymysql.connect(
        host=place.host or "localhost", port=place.port, unix_socket=place.options.get("unix_socket"),
        user=place.user or None, password=place.password.encode(), database=place.database, charset="utf8mb4",
        connect_timeout=seconds, read_timeout=seconds, autocommit=None, program_name="syncline", local_infile=False, **options,
    )  # fmt: skip


def _open(place: Place) -> tuple[Connection, Server]:
    connection = dial(place)
    ((version,),) = fetch(connection, "SELECT VERSION()")
    for statement in _PINNED:
        connection.query(statement)
    connection.autocommit(True)
    return connection, server_of(version)


def fetch(connection: Connection, sql: str, params: Sequence[object] = ()) -> list[tuple[Any, ...]]:
    """Run a statement; its rows, as Python's values. Where there are params, a % that is no placeholder is written twice."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params or None)
        return list(cursor.fetchall())


@contextmanager
def transaction(connection: Connection, begin: str = "START TRANSACTION") -> Iterator[None]:
    """A transaction around the block: committed, or rolled back if the block fails."""
    connection.query(begin)
    try:
        yield
    except BaseException:
        with suppress(pymysql.err.Error, OSError):
            connection.query("ROLLBACK")
        raise
    connection.query("COMMIT")


class Session:
    """A pinned session in autocommit mode, and the thread that does its work."""

    def __init__(self, place: Place, connection: Connection, server: Server, worker: ThreadPoolExecutor) -> None:
        self.place, self.server = place, server
        self._connection, self._worker = connection, worker
        self._closed = False
        self._looking: asyncio.Task[None] | None = None

    async def run(self, work: Callable[[Connection], _T]) -> _T:
        """Do something with the connection, after whatever it is doing. Given up, it still comes to its end there.

        Raises PeerUnreachable once it is closed.
        """
        if self._closed:
            raise PeerUnreachable("this session is closed", hint="it goes on by itself with another one", **self.place.where)
        doing = self._worker.submit(_whole, work, self._connection)
        timer = asyncio.get_running_loop().call_later(limits.PEER_SILENT_SECONDS, self._look_after, doing)
        try:
            return await asyncio.wrap_future(doing)
        finally:
            if doing.done():  # what was given up is looked after all the same: a close waits for it
                timer.cancel()

    def _look_after(self, doing: "Future[Any]") -> None:
        watch = Watch(doing, partial(_state_of, self.place, self._connection.thread_id()), partial(_sever, self._connection))
        self._looking = asyncio.create_task(watch.look())

    async def fetch(self, sql: str, params: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """The rows of a statement."""
        return await self.run(lambda connection: fetch(connection, sql, params))

    async def close(self) -> None:
        """Close it, once its work is done."""
        if not self._closed:
            self._closed = True
            await asyncio.get_running_loop().run_in_executor(self._worker, _close, self._connection)
            self._worker.shutdown(wait=False)


def _whole(work: Callable[[Connection], _T], connection: Connection) -> _T:
    """Work whose failure is told as the connection's end, where the driver stumbles over what it was left with."""
    try:
        return work(connection)
    except _STUMBLES as error:
        if connection.open:
            raise
        raise pymysql.err.OperationalError(2013, "the connection was lost") from error


def _state_of(place: Place, number: int) -> State | None:
    """What the server says of a session, over a connection of its own; None if it says nothing, or knows none. Blocking."""
    seconds = limits.PEER_SILENT_SECONDS
    try:
        with closing(dial(place._replace(options=place.options | {"connect_timeout": str(seconds)}))) as connection:
            connection._read_timeout = seconds
            rows = fetch(connection, _SESSION_SQL, (number,))
    except (pymysql.err.Error, OSError) as error:
        told = number_of(error) if isinstance(error, pymysql.err.Error) else 0
        return State(waits=False) if told and told not in _AWAY else None  # it answers, if only to say no
    return State(waits=rows[0][0] == "Sleep" and float(rows[0][1]) >= seconds) if rows else None


def _sever(connection: Connection) -> None:
    """End the way to the server at once, so that whoever waits for an answer hears of it instead of waiting for ever."""
    with suppress(OSError, AttributeError):  # it was closed meanwhile
        connection._sock.shutdown(socket.SHUT_RDWR)


def _close(connection: Connection) -> None:
    with suppress(pymysql.err.Error, OSError):
        connection.close()


async def open_session(place: Place) -> Session:
    """A pinned session. Raises PeerError."""
    worker = ThreadPoolExecutor(1, thread_name_prefix=f"syncline-{place.peer}")
    try:
        with errors(place, "connecting"):
            connection, server = await asyncio.get_running_loop().run_in_executor(worker, _open, place)
    except BaseException:
        worker.shutdown(wait=False)
        raise
    return Session(place, connection, server, worker)


@contextmanager
def errors(place: Place, doing: str) -> Iterator[None]:
    """Turn driver errors of the block into PeerErrors."""
    try:
        yield
    except pymysql.err.Error as error:
        raise translate(error, place, doing) from error
    except OSError as error:
        raise translate(pymysql.err.OperationalError(2013, str(error)), place, doing) from error


def number_of(error: pymysql.err.Error) -> int:
    """The server's or the driver's number of an error; 0 if it has none."""
    return error.args[0] if error.args and isinstance(error.args[0], int) else 0


def translate(error: pymysql.err.Error, place: Place, doing: str) -> PeerError:
    """The PeerError that tells what a driver's error means for whoever runs Syncline."""
    number = number_of(error)
    said = str(error.args[1]) if len(error.args) > 1 and error.args[1] else str(error) or type(error).__name__
    why = f"{place.scrub(said)}{f' ({number})' if number else ''} while {doing}"
    where = place.where
    if _POSTGRES in said:
        hint = "correct the port; the address of a PostgreSQL server begins with postgresql://"
        return PeerUnsafe("what answers there is no MariaDB or MySQL server", why=why, hint=hint, **where)
    if number in BUSY:
        return PeerBusy("another transaction is in the way", why=why, hint="it is tried again by itself", **where)
    if number in _FULL:
        return PeerFull("the server has no space left", why=why, hint="free some space; it goes on by itself", **where)
    if "certificate" in said or number == 2026:
        hint = "give the server a certificate for its name; ssl_ca= names its authority; insecure=true goes without"
        return PeerUnsafe("the server does not prove who it is", why=why, hint=hint, **where)
    if number == _NO_DATABASE:
        hint = "correct the database's name in the address, or create it: CREATE DATABASE; it is tried again by itself"
        return PeerDenied("the database does not exist", why=why, hint=hint, **where)
    if number == _NO_WAY_IN:
        hint = "install what is missing, beside Syncline; or go by TLS: insecure=true in the address, or ssl_ca="
        return PeerDenied("this driver cannot log in as the server wants it", why=why, hint=hint, **where)
    if number in _LOGIN and (number != _DATABASE or doing.startswith("connecting")):
        hint = "correct the address or the password, or create the user for this host; it is tried again by itself"
        return PeerDenied("the server does not let Syncline in", why=why, hint=hint, **where)
    if number in _CHANGED:
        hint = f"look at the tables, then let it join again: 'syncline resume {place.peer} --rejoin'"
        return PeerChanged("a table was altered or dropped", why=why, hint=hint, **where)
    if number in _RIGHT or number == _DATABASE:
        return PeerUnsafe("a right is missing", why=why, hint="'syncline check' says which, with the statement", **where)
    if number in _AWAY or isinstance(error, pymysql.err.InterfaceError):
        hint = "start the server, or correct the address; it goes on by itself"
        return PeerUnreachable("the server cannot be reached now", why=why, hint=hint, **where)
    return PeerUnsafe("the server refused", why=why, hint="the reason says what", **where)
