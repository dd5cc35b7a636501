"""Rows of a query as the server sends them in its text protocol: by rows, or column by column for many at once.

Several times as fast as the driver's own reading. Source: https://mariadb.com/kb/en/result-set-packets/
"""

from collections.abc import Sequence
from typing import Final

import pymysql
from pymysql.constants import COMMAND

from syncline.peers.arrays import Indexes, Octets, np
from syncline.peers.mysql.connect import Connection

Field = bytes | None
_WIDTHS: Final = {252: 2, 253: 3, 254: 8}  # of a length that does not fit a byte
_NULL: Final = 251
_WHOLE: Final = 0xFFFFFF  # a packet of this size goes on in the next
_LOST: Final = 2013
_MANY: Final = 40  # rows, from which on arrays are faster


def read(connection: Connection, sql: str | bytes) -> list[tuple[Field, ...]]:
    """The rows of a query, each field as the server's own bytes."""
    count, packets = _answer(connection, sql)
    return [fields(packet, count) for packet in packets]


def read_columns(connection: Connection, sql: str | bytes) -> list[Sequence[Field]]:
    """The same, column by column; none if there are no rows."""
    count, packets = _answer(connection, sql)
    return columns_of(packets, count)


def _answer(connection: Connection, sql: str | bytes) -> tuple[int, list[bytes]]:
    """How many columns a query's rows have, and a packet for each row."""
    connection._execute_command(COMMAND.COM_QUERY, sql)
    result = pymysql.connections.MySQLResult(connection)
    head = connection._read_packet()
    result.field_count = head.read_length_encoded_integer()
    result._get_descriptions()
    return result.field_count, _packets(connection)


def _packets(connection: Connection) -> list[bytes]:
    """What comes up to the end of the rows."""
    found: list[bytes] = []
    begun: list[bytes] = []
    get, number = connection._rfile.read, connection._next_seq_id
    while True:
        try:
            head = get(4)
            size = int.from_bytes(head[:3], "little")
            data = get(size)
        except OSError as error:
            connection._force_close()
            raise pymysql.err.OperationalError(_LOST, f"the connection was lost while rows were read ({error})") from error
        if len(head) < 4 or len(data) < size or head[3] != number:
            connection._force_close()
            raise pymysql.err.OperationalError(_LOST, "the connection was lost while rows were read")
        number = connection._next_seq_id = (number + 1) % 256
        if size == _WHOLE or begun:
            begun.append(data)
            if size == _WHOLE:
                continue
            data, begun = b"".join(begun), []
        if data[0] == 0xFE and len(data) < 9:
            return found
        if data[0] == 0xFF:
            pymysql.err.raise_mysql_exception(data)
        found.append(data)


def fields(data: bytes, count: int) -> tuple[Field, ...]:
    """The fields of a row: each with its length before it; NULL is a byte of its own."""
    found: list[Field] = []
    at = 0
    for _ in range(count):
        field, at = _field(data, at)
        found.append(field)
    return tuple(found)


def _field(data: bytes, at: int) -> tuple[Field, int]:
    """The field that begins at a place, and where it ends."""
    size = data[at]
    at += 1
    if size == _NULL:
        return None, at
    if size > _NULL:
        width = _WIDTHS[size]
        size = int.from_bytes(data[at : at + width], "little")
        at += width
    return data[at : at + size], at + size


def columns_of(packets: Sequence[bytes], count: int) -> list[Sequence[Field]]:
    """The columns of rows."""
    if len(packets) < _MANY:
        return list(zip(*[fields(packet, count) for packet in packets], strict=True))
    data = b"".join(packets)
    numbers = np.frombuffer(data, np.uint8)
    sizes = np.fromiter(map(len, packets), np.int64, len(packets))
    at = np.cumsum(sizes) - sizes
    found: list[Sequence[Field]] = []
    for _ in range(count):
        column, at = _column(data, numbers, at)
        found.append(column)
    return found


def _column(data: bytes, numbers: Octets, at: Indexes) -> tuple[Sequence[Field], Indexes]:
    sizes = numbers[at].astype(np.int64)
    if sizes.max() < _NULL:
        starts = at + 1
        ends = starts + sizes
        return [data[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)], ends
    pairs = [_field(data, start) for start in at.tolist()]
    return [field for field, _ in pairs], np.array([end for _, end in pairs], np.int64)
