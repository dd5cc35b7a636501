"""Rows in the text protocol: columns taken from many rows at once are the rows taken apart one by one."""

import pymysql
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from syncline.peers.mysql.textrows import _packets, columns_of, fields

LONG = b"x" * 70_000
VALUES = st.one_of(st.none(), st.binary(max_size=5), st.sampled_from([b"", b"\xfb", b"\xfe" * 8, b"a" * 250, b"a" * 251, LONG]))


def field(value: bytes | None) -> bytes:
    """A field with its length before it."""
    if value is None:
        return b"\xfb"
    size = len(value)
    if size < 251:
        return bytes([size]) + value
    return (b"\xfc" + size.to_bytes(2, "little") if size < 2**16 else b"\xfd" + size.to_bytes(3, "little")) + value


@given(st.lists(st.lists(VALUES, min_size=3, max_size=3), min_size=1, max_size=6), st.sampled_from([1, 7, 60]))
@example([[LONG, None, b""]], 60)
def test_d30_d31_many_rows_at_once_are_as_they_are_one_by_one(some: list[list[bytes | None]], times: int) -> None:
    rows = [tuple(row) for row in some * times]
    packets = [b"".join(map(field, row)) for row in rows]
    assert [fields(packet, 3) for packet in packets] == rows
    assert [list(column) for column in columns_of(packets, 3)] == [list(column) for column in zip(*rows, strict=True)]


class Wire:
    """A connection whose server has said this."""

    def __init__(self, *parts: bytes, number: int = 3) -> None:
        self._next_seq_id, self._said, self.closed = number, b"".join(parts), False
        self._rfile = self

    def read(self, size: int) -> bytes:
        """What comes next."""
        found, self._said = self._said[:size], self._said[size:]
        return found

    def _force_close(self) -> None:
        self.closed = True


def packet(data: bytes, number: int) -> bytes:
    """A packet with its head."""
    return len(data).to_bytes(3, "little") + bytes([number]) + data


END = b"\xfe\0\0\0\0"


def test_d37_a_row_larger_than_a_packet_is_one_row() -> None:
    large = b"y" * 0xFFFFFF
    wire = Wire(
        packet(b"a", 255), packet(large, 0), packet(b"rest", 1), packet(large, 2), packet(b"", 3), packet(END, 4), number=255
    )
    assert _packets(wire) == [b"a", large + b"rest", large]
    assert wire._next_seq_id == 5


def test_f15_what_is_cut_off_is_no_end() -> None:
    for parts in (
        (packet(b"a", 3),),
        (packet(b"a", 3), b"\x05\0"),
        (packet(b"a", 3), packet(b"abc", 4)[:-1]),
        (packet(b"a", 9),),
    ):
        wire = Wire(*parts)
        with pytest.raises(pymysql.err.OperationalError, match="lost"):
            _packets(wire)
        assert wire.closed


def test_f13_an_error_among_the_rows_is_told() -> None:
    wire = Wire(packet(b"a", 3), packet(b"\xff" + (1317).to_bytes(2, "little") + b"#70100Query execution was interrupted", 4))
    with pytest.raises(pymysql.err.OperationalError, match="interrupted"):
        _packets(wire)
