"""What control events say, from bytes made by hand."""

import sys
import zlib
from struct import pack

import pytest
from tests.unit.peers.mysql.made import event

from syncline.model.errors import CodecError
from syncline.peers.mysql import events

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def test_a_header_is_nineteen_bytes() -> None:
    found = events.header(event(events.XID, b"12345678", end=2**32 + 5, flags=8))
    assert (found.kind, found.server, found.size, found.end, found.flags) == (events.XID, 1, 27, 5, 8)


def test_a_gtid_has_its_domain_server_and_sequence() -> None:
    body = pack("<QIB", 77, 3, events.PREPARED_XA | 4) + bytes(6)
    assert events.gtid(event(events.GTID, body)) == events.Gtid(3, 1, 77, events.PREPARED_XA | 4)


def test_the_list_of_gtids_names_the_last_of_each_domain() -> None:
    body = pack("<I", 2 | 0x10000000) + pack("<IIQ", 0, 1, 9) + pack("<IIQ", 4, 2, 5)
    assert events.gtid_list(event(events.GTID_LIST, body)) == {0: "0-1-9", 4: "4-2-5"}


def test_a_query_has_its_schema_and_its_text_after_what_else_is_said() -> None:
    body = pack("<IIBHH", 1, 0, 4, 0, 3) + b"\x00\x01\x02" + b"shop\0" + "DROP TABLE `ü`".encode()
    assert events.query(event(events.QUERY, body)) == events.Query("shop", "DROP TABLE `ü`")


def test_d48_a_compressed_query_is_read() -> None:
    text = b"INSERT INTO items VALUES (1)" * 20
    packed = bytes([0x82]) + len(text).to_bytes(2, "big") + zlib.compress(text)
    body = pack("<IIBHH", 1, 0, 4, 0, 0) + b"shop\0" + packed
    assert events.query(event(events.QUERY_COMPRESSED, body)).text == text.decode()


@pytest.mark.parametrize(
    "data", [b"\x92\x00\x01x", b"\x82\x00\x05" + zlib.compress(b"four"), b"\x81\x04" + zlib.compress(b"four")[:-3]]
)
def test_what_was_compressed_otherwise_or_is_damaged_is_refused(data: bytes) -> None:
    with pytest.raises(CodecError):
        events.inflate(data)


def test_reading_goes_on_where_a_rotate_says() -> None:
    assert events.rotate(event(events.ROTATE, pack("<Q", 2**33) + b"log.000012")) == (2**33, "log.000012")


def test_a_file_says_when_it_was_made() -> None:
    body = pack("<H50sI", 4, b"10.11.19-MariaDB-log", 0) + b"\x13"
    assert events.file_format(event(events.FORMAT, body)) == events.Format("10.11.19-MariaDB-log", 1_700_000_000)


def test_a_prepared_transaction_has_a_name_of_two_parts() -> None:
    body = pack("<?III", False, 1, 2, 3) + b"ab" + b"cde"
    assert events.prepared(event(events.XA_PREPARE, body)) == ("6162,636465,1", False)


@pytest.mark.parametrize("method", [0, 255])
def test_the_events_of_a_compressed_transaction_of_mysql_are_given_one_by_one(method: int) -> None:
    inner = [event(events.QUERY, bytes([n]) * 700_000) for n in range(4)] + [event(events.XID, bytes(8))]
    data = b"".join(inner)
    packed = zstd.compress(data) if method == 0 else data
    head = b"\x02" + (b"\x01\x00" if method == 0 else b"\x03\xfc\xff\x00") + b"\x01\x04" + b"\xfd" + bytes(3) + b"\x00"
    assert list(events.payload(event(events.PAYLOAD, head + packed))) == inner


def test_a_compressed_transaction_that_is_cut_is_refused() -> None:
    packed = zstd.compress(event(events.XID, bytes(8)) + b"more")
    with pytest.raises(CodecError, match="4 bytes"):
        list(events.payload(event(events.PAYLOAD, b"\x02\x01\x00\x00" + packed)))
    with pytest.raises(CodecError, match="known: 7"):
        list(events.payload(event(events.PAYLOAD, b"\x02\x01\x07\x00")))


@pytest.mark.parametrize(("data", "number"), [(b"\xfa", 250), (b"\xfc\x01\x02", 513), (b"\xfd\1\0\1", 65537)])
def test_lengths_are_one_to_nine_bytes(data: bytes, number: int) -> None:
    assert events.lenenc(b"-" + data, 1) == (number, 1 + len(data))
