"""The streaming replication protocol over psycopg: copy data in, standby status out. Knows nothing of what is inside.

Source: https://www.postgresql.org/docs/current/protocol-replication.html
"""

import asyncio
import time
from struct import Struct
from typing import Final

import psycopg
from psycopg import sql
from psycopg.pq import ConnStatus

from syncline.model.errors import PeerError, PeerRestored
from syncline.peers.postgres.connect import Connection, Place, errors, open_walsender

_STATUS: Final = Struct("!cQQQqB")
_ALIVE: Final = Struct("!cQqB")
_DATA: Final = ord("w")
_HEAD: Final = 25  # of an XLogData message
_EPOCH_MICROS: Final = 946_684_800_000_000  # 2000-01-01 in Unix microseconds
_PIECE: Final = 6_000  # messages taken at once
_PIECE_BYTES: Final = 4 * 1024 * 1024  # after which no more are taken
_FEW: Final = 100  # messages: a server that goes on sending is left to gather more, since many cost little more than one
_BUSY_SECONDS: Final = 0.005
_GATHER_SECONDS: Final = 0.002
_NO_SLOT: Final = frozenset({"42704", "55000"})  # no such object; it is not in a state to be used
_FEEDBACK_SECONDS: Final = 5.0  # well within wal_sender_timeout, whatever the reader does


def lsn_text(lsn: int) -> str:
    """An LSN as PostgreSQL writes it."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


class Walsender:
    """One streaming session. `ends` is how far the server has looked: everything committed up to there was received."""

    def __init__(self, place: Place, connection: Connection) -> None:
        self._place, self._connection = place, connection
        self._pgconn = connection.pgconn
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._heard = 0.0
        self.news = asyncio.Event()  # set it to have `receive` return
        self.ends = 0
        self.confirmed = 0  # the server may forget what is before

    @property
    def pid(self) -> int:
        """The server's process that sends."""
        return self._pgconn.backend_pid

    @classmethod
    async def open(cls, place: Place) -> "Walsender":
        """A session that does not stream yet."""
        return cls(place, await open_walsender(place))

    async def copy_slot(self, slot: str, name: str) -> None:
        """Make a temporary copy of a slot, which ends with this session."""
        text = sql.SQL("SELECT pg_catalog.pg_copy_logical_replication_slot({}, {}, true)").format(slot, name)
        with errors(self._place, "copying the slot"):
            try:
                await self._connection.execute(text)
            except psycopg.Error as error:
                self._require_slot(error)
                raise

    def _require_slot(self, error: psycopg.Error) -> None:
        """Raise PeerRestored where an error tells that the slot was dropped, or does not have its log any more."""
        if (error.sqlstate or "") in _NO_SLOT and "replication slot" in str(error):
            peer = self._place.peer
            raise PeerRestored(
                "the replication slot is gone",
                why=f"{self._place.scrub(str(error))}: somebody dropped it, or the server let go of its log",
                hint=f"let it join again by compare-and-merge: 'syncline resume {peer} --rejoin'",
                peer=peer,
            ) from error

    async def start(self, slot: str, lsn: int, publication: str) -> None:
        """Begin to stream. Raises psycopg.errors.ObjectInUse if somebody else streams from this slot."""
        quoted = sql.Literal(sql.Identifier(publication).as_string(None))
        text = sql.SQL("START_REPLICATION SLOT {} LOGICAL {} (proto_version '1', publication_names {})")
        command = text.format(sql.Identifier(slot), sql.SQL(lsn_text(lsn)), quoted)
        try:
            await self._connection.execute(command)
        except psycopg.errors.ObjectInUse:
            raise
        except psycopg.Error as error:
            self._require_slot(error)
            with errors(self._place, "starting to stream"):
                raise error
        self.ends = lsn
        self._pgconn.nonblocking = 1
        self._feed_back()

    async def receive(self, seconds: float) -> tuple[list[bytes], bytes | None]:
        """The messages that are there, at most some, and the keepalive after them; waits up to `seconds`. Raises PeerError."""
        with errors(self._place, "streaming"):
            found, alive = self._take()
            if not found and alive is None:
                await self._wait(seconds)
                found, alive = self._take()
            now = self._loop.time()
            if found and alive is None and len(found) < _FEW and now - self._heard < _BUSY_SECONDS:
                await asyncio.sleep(_GATHER_SECONDS)
                more, alive = self._take()
                found += more
            self._heard = now
        return found, alive

    async def _wait(self, seconds: float) -> None:
        """Wait for the server or for news. Nobody listens in between: what is not read would wake the loop for ever."""
        self._loop.add_reader(self._pgconn.socket, self.news.set)
        timer = self._loop.call_later(seconds, self.news.set)
        try:
            await self.news.wait()
        finally:
            timer.cancel()
            self._loop.remove_reader(self._pgconn.socket)
            self.news.clear()

    def _take(self) -> tuple[list[bytes], bytes | None]:
        """Complete messages; of an XLogData message only what is inside."""
        found: list[bytes] = []
        get, room, asked = self._pgconn.get_copy_data, _PIECE_BYTES, False
        while len(found) < _PIECE and room > 0:
            size, data = get(1)
            if size > 0:
                if data[0] != _DATA:
                    return found, bytes(data)
                found.append(bytes(data[_HEAD:]))
                room -= size
                asked = False
            elif size < 0:
                raise psycopg.OperationalError("the server ended the stream")
            elif asked:
                break
            else:  # libpq takes little at once; what has come meanwhile belongs to the same piece
                self._pgconn.consume_input()
                asked = True
        return found, None

    def keepalive(self, message: bytes) -> None:
        """Learn how far the server has looked; answer it if it asks for that."""
        _, end, _, reply = _ALIVE.unpack(message)
        self.ends = max(self.ends, end)
        if reply:
            self.tell()

    def tell(self, *, ask: bool = False) -> None:
        """Tell the server how far we are; `ask` it to say how far it is."""
        now = time.time_ns() // 1000 - _EPOCH_MICROS
        received = max(self.ends, self.confirmed)
        with errors(self._place, "answering the server"):
            self._pgconn.put_copy_data(_STATUS.pack(b"r", received, self.confirmed, self.confirmed, now, ask))
            self._pgconn.flush()

    def _feed_back(self) -> None:
        self._timer = self._loop.call_later(_FEEDBACK_SECONDS, self._feed_back)
        if self._pgconn.status == ConnStatus.OK:
            try:
                self.tell()
            except PeerError:  # `receive` meets the same trouble, and tells it
                self.news.set()

    async def close(self) -> None:
        """End the session."""
        if self._timer is not None:
            self._timer.cancel()
        await self._connection.close()
