"""The binary log as a server sends it: packets in, events out, checked. Knows nothing of what is inside but the checksum.

Sources: https://mariadb.com/kb/en/replication-protocol/ and
https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_binlog_dump.html
"""

import asyncio
import secrets
import ssl
import uuid
import zlib
from struct import Struct
from typing import Final

import pymysql

from syncline.model import limits
from syncline.model.errors import CodecError, PeerUnreachable
from syncline.peers.mysql import events
from syncline.peers.mysql.connect import Connection, Place, dial, errors
from syncline.peers.mysql.history import Spot

OFFSET_MAX: Final = 2**32 - 1  # that a dump can begin at
HEARTBEAT_SECONDS: Final = 2.0
_CHUNK: Final = 256 * 1024
_TAKE: Final = 512 * 1024  # bytes after which what was received is given out: measured, more is slower
_FULL_PACKET: Final = 0xFFFFFF
_HEAD: Final = Struct("<I").unpack_from
_REGISTER, _DUMP = 0x15, 0x12
_OK, _ERROR = 0x00, 0xFF
_CRC32: Final = 1
_SEEN_NOTHING: Final = "the server ended the stream"


class DumpRefused(Exception):
    """The server cannot send what was asked for: error 1236, with its words."""


class Packets:
    """Cuts what is received into packets; long ones come in pieces that are put together. Pure."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._pieces: list[bytes] = []

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes; the payloads that are complete by now."""
        self._data += data
        held, at, size, found = self._data, 0, len(self._data), []
        with memoryview(held) as view:
            while size - at >= 4:
                length = _HEAD(view, at)[0] & _FULL_PACKET
                if size - at < 4 + length:
                    break
                payload = bytes(view[at + 4 : at + 4 + length])
                at += 4 + length
                if length == _FULL_PACKET:
                    self._pieces.append(payload)
                elif self._pieces:
                    found.append(b"".join([*self._pieces, payload]))
                    self._pieces = []
                else:
                    found.append(payload)
        del held[:at]
        return found


class Checksums:
    """Checks and takes off the checksum of each event, where the file has them. Pure."""

    def __init__(self) -> None:
        self._on = False

    def bare(self, event: bytes) -> bytes:
        """The event without its checksum. Raises CodecError for a damaged one."""
        if event[4] == events.FORMAT:
            self._on = event[-5] == _CRC32
            return event[:-5]
        made_for_us = bool(event[17] & events.ARTIFICIAL)  # these have one or not, whatever the file has
        if not self._on and not made_for_us:
            return event
        body = event[:-4]
        if zlib.crc32(body) == _HEAD(event, len(body))[0]:
            return body
        if made_for_us:
            return event
        raise CodecError("an event of the binary log is damaged", why="its checksum does not fit")


class Dump:
    """One stream of the binary log, over a connection of its own."""

    def __init__(self, place: Place, connection: Connection) -> None:
        self._place, self._connection = place, connection
        self._socket = connection._sock
        self._loop = asyncio.get_running_loop()
        self._packets, self._checksums = Packets(), Checksums()
        self._silent = 0.0
        self._failed: Exception | None = None  # what comes after what was received
        self.news = asyncio.Event()  # set it to have `receive` return

    @classmethod
    async def open(cls, place: Place, spot: Spot) -> "Dump":
        """A stream from a place on, at most OFFSET_MAX in its file. Raises PeerError."""
        with errors(place, "connecting for replication"):
            connection = await asyncio.get_running_loop().run_in_executor(None, _begin, place, spot)
        return cls(place, connection)

    async def receive(self, seconds: float) -> list[bytes]:
        """The events that are there, at most some; waits up to `seconds` for the first.

        Raises PeerError, DumpRefused, CodecError for what is damaged.
        """
        with errors(self._place, "streaming"):
            found = self._take()
            if not found:
                before = self._loop.time()
                await self._wait(seconds)
                found = self._take()
                self._silent = 0.0 if found else self._silent + self._loop.time() - before
        if self._silent > limits.PEER_SILENT_SECONDS:
            why = f"it sent nothing for {self._silent:.0f} s, not even a heartbeat"
            hint = "look at the server and at what lies between; it goes on by itself"
            raise PeerUnreachable("the server does not answer", why=why, hint=hint, **self._place.where)
        return found

    async def _wait(self, seconds: float) -> None:
        """Wait for the server or for news. Nobody listens in between: what is not read would wake the loop for ever."""
        if self.news.is_set():
            self.news.clear()
            return
        self._loop.add_reader(self._socket.fileno(), self.news.set)
        timer = self._loop.call_later(seconds, self.news.set)
        try:
            await self.news.wait()
        finally:
            timer.cancel()
            self._loop.remove_reader(self._socket.fileno())
            self.news.clear()

    def _take(self) -> list[bytes]:
        """What is there; what is wrong is raised once everything before it was given out."""
        found: list[bytes] = []
        received = 0
        try:
            while received < _TAKE and self._failed is None:
                data = self._socket.recv(_CHUNK)
                if not data:
                    raise pymysql.err.OperationalError(2013, _SEEN_NOTHING)
                received += len(data)
                self._silent = 0.0
                for payload in self._packets.feed(data):
                    found.append(self._event(payload))
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except (pymysql.err.Error, OSError, DumpRefused, CodecError) as error:
            self._failed = error
        if self._failed is not None and not found:
            raise self._failed
        return found

    def _event(self, payload: bytes) -> bytes:
        if payload[0] == _OK:
            return self._checksums.bare(payload[1:])
        if payload[0] != _ERROR:
            raise pymysql.err.OperationalError(2013, _SEEN_NOTHING)
        number = int.from_bytes(payload[1:3], "little")
        said = payload[9:].decode(errors="replace")
        if number == 1236:
            raise DumpRefused(said)
        raise pymysql.err.OperationalError(number, said)

    async def close(self) -> None:
        """End the stream."""
        await self._loop.run_in_executor(None, self._connection._force_close)


def _begin(place: Place, spot: Spot) -> Connection:
    connection = dial(place)
    number = secrets.randbelow(2**31) + 2**31  # of two streams with one number, the server ends the first
    name = str(uuid.uuid4())
    period = int(HEARTBEAT_SECONDS * 1_000_000_000)
    connection.query(
        f"SET @mariadb_slave_capability = 4, @master_binlog_checksum = @@GLOBAL.binlog_checksum, "
        f"@source_binlog_checksum = @@GLOBAL.binlog_checksum, @master_heartbeat_period = {period}, "
        f"@source_heartbeat_period = {period}, @slave_uuid = '{name}', @replica_uuid = '{name}', "
        "@@SESSION.net_write_timeout = 86400"
    )
    connection._execute_command(_REGISTER, Struct("<IBBBHII").pack(number, 0, 0, 0, 0, 0, 0))
    connection._read_ok_packet()
    connection._execute_command(_DUMP, Struct("<IHI").pack(spot.offset, 0, number) + spot.file.encode())
    connection._sock.setblocking(False)
    return connection
