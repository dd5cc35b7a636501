"""Packets and checksums, from bytes; the stream of a real server is in test_capture."""

import zlib
from struct import pack

import pytest
from tests.unit.peers.mysql.made import event

from syncline.model.errors import CodecError
from syncline.peers.mysql import events
from syncline.peers.mysql.wire import Checksums, Packets


def _packet(payload: bytes) -> bytes:
    return pack("<I", len(payload))[:3] + b"\x01" + payload


def test_packets_come_out_whole_however_they_arrive() -> None:
    data = b"".join(_packet(bytes([n]) * n * 1000) for n in range(1, 20))
    whole = Packets().feed(data)
    assert [len(one) for one in whole] == [n * 1000 for n in range(1, 20)]
    packets = Packets()
    assert [one for at in range(0, len(data), 777) for one in packets.feed(data[at : at + 777])] == whole


def test_d37_a_packet_of_sixteen_mebibytes_goes_on_in_the_next_one() -> None:
    full, packets = 2**24 - 1, Packets()
    data = b"x" * full + b"y" * full + b"z"
    sent = b"\xff\xff\xff\x00" + data[:full] + b"\xff\xff\xff\x01" + data[full : 2 * full] + _packet(b"z") + _packet(b"next")
    found = [one for at in range(0, len(sent), 1_000_000) for one in packets.feed(sent[at : at + 1_000_000])]
    assert found == [data, b"next"]
    exact = b"\xff\xff\xff\x00" + data[:full] + _packet(b"")
    assert Packets().feed(exact) == [data[:full]]


def _summed(data: bytes) -> bytes:
    return data + pack("<I", zlib.crc32(data))


def test_events_are_checked_where_their_file_has_checksums() -> None:
    bare, made = Checksums(), event(events.XID, bytes(8))
    assert bare.bare(made) == made
    assert bare.bare(event(events.FORMAT, b"description") + b"\x01" + bytes(4)) == event(events.FORMAT, b"description")
    assert bare.bare(_summed(made)) == made
    damaged = bytearray(_summed(made))
    damaged[22] ^= 1
    with pytest.raises(CodecError, match="checksum"):
        bare.bare(bytes(damaged))
    bare.bare(event(events.FORMAT, b"another file") + b"\x00" + bytes(4))
    assert bare.bare(made) == made


def test_what_a_server_makes_for_a_stream_has_a_checksum_or_not() -> None:
    for checksums in (Checksums(), _on()):
        made = event(events.ROTATE, pack("<Q", 4) + b"log.000001", flags=events.ARTIFICIAL)
        assert checksums.bare(made) == made
        assert checksums.bare(_summed(made)) == made


def _on() -> Checksums:
    found = Checksums()
    found.bare(event(events.FORMAT, b"") + b"\x01" + bytes(4))
    return found
