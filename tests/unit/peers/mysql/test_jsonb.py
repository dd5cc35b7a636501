"""MySQL's binary JSON, from bytes made as its documentation describes them; MariaDB writes doubles by the same rules."""

import json
from contextlib import suppress
from struct import error, pack
from typing import Any

import pytest
from tests.servers.mariadb import shared
from tests.unit.peers.mysql.made import BIGINT, event, table_map

from syncline.model.errors import CodecError
from syncline.model.limits import JSON_DEPTH_MAX
from syncline.peers.mysql import events
from syncline.peers.mysql.decode import Decoder
from syncline.peers.mysql.jsonb import json_text, real_text
from syncline.peers.mysql.layout import Layout


def _document(value: Any, *, large: bool = False) -> bytes:
    kind, data = _encode(value, large=large)
    return bytes([kind]) + data


def _encode(value: Any, *, large: bool) -> tuple[int, bytes]:
    match value:
        case None | True | False:
            return 4, bytes([{None: 0, True: 1, False: 2}[value]])
        case int():
            for kind, form in ((5, "<h"), (6, "<H"), (7, "<i"), (8, "<I"), (9, "<q"), (10, "<Q")):
                with suppress(error):
                    return kind, pack(form, value)
            raise ValueError(value)
        case float():
            return 11, pack("<d", value)
        case str():
            return 12, _size(len(value.encode())) + value.encode()
        case bytes():
            return 15, value
        case dict():
            return int(large), _members(list(value.values()), [key.encode() for key in value], large=large)
        case _:
            return 2 + large, _members(list(value), None, large=large)


def _size(number: int) -> bytes:
    found = b""
    while number > 127:
        found, number = found + bytes([number & 127 | 128]), number >> 7
    return found + bytes([number])


def _members(values: list[Any], keys: list[bytes] | None, *, large: bool) -> bytes:
    form, width = ("<I", 4) if large else ("<H", 2)
    start = 2 * width + (len(keys) * (width + 2) if keys is not None else 0) + len(values) * (1 + width)
    entries, behind = b"", b""
    for key in keys or ():
        entries += pack(form, start + len(behind)) + pack("<H", len(key))
        behind += key
    for value in values:
        kind, data = _encode(value, large=large)
        if kind in (4, 5, 6) or (large and kind in (7, 8)):
            entries += bytes([kind]) + data.ljust(width, b"\0")
        else:
            entries += bytes([kind]) + pack(form, start + len(behind))
            behind += data
    return pack(form, len(values)) + pack(form, start + len(behind)) + entries + behind


DOCUMENTS = [
    None, True, False, 0, -1, 32767, 65535, -(2**31), 2**32 - 1, -(2**63), 2**64 - 1, "", "ü\U0001f600", "x" * 200, [], {},
    "y" * 20_000, [1, "a", None, [True, {"b": []}]], {"a": 1, "bb": -70_000, "ccc": {"d": [2**40, "text"]}},
    ["\n\t\"\\/\x01\x7f"], {"": "empty", "käy": [0.5, 1.0, -2.0]},
]  # fmt: skip


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("value", DOCUMENTS, ids=lambda value: repr(value)[:20])
def test_d21_documents_are_written_as_mysql_writes_them(value: Any, large: bool) -> None:
    text = json_text(_document(value, large=large))
    assert text == json.dumps(value, ensure_ascii=False)
    assert json.loads(text) == value


def test_decimals_dates_and_times_in_documents() -> None:
    def opaque(kind: int, data: bytes) -> str:
        return json_text(b"\x0f" + bytes([kind]) + _size(len(data)) + data)

    moment = (((2015 * 13 + 1) << 5 | 15) << 17 | 23 << 12 | 24 << 6 | 25) << 24 | 120_000
    assert opaque(12, pack("<q", moment)) == '"2015-01-15 23:24:25.120000"'
    assert opaque(10, pack("<q", moment >> 41 << 41)) == '"2015-01-15"'
    assert opaque(11, pack("<q", -((838 << 12 | 59 << 6 | 59) << 24))) == '"-838:59:59.000000"'
    assert opaque(246, b"\x05\x02\x80\x7b\x32") == "123.50"
    assert opaque(246, b"\x05\x02\x7f\x84\xcd") == "-123.50"
    assert opaque(246, b"\x0c\x00\x80\x01\x00\x00\x00\x05") == "1000000005"
    assert opaque(252, b"\x00\xff") == '"base64:type252:AP8="'


def test_doubles_are_written_as_the_server_writes_them() -> None:
    numbers = [sign * digits * 10.0**power for sign in (1, -1) for digits in (1, 1.5, 1 / 3, 9.999) for power in range(-25, 25)]
    numbers += [5e-324, 1.7976931348623157e308, 2842204483345025.5, 1234567890123456.0, 123456789012345680.0, 0.0]
    with shared().connect() as connection, connection.cursor() as cursor:
        connection.decoders = {}
        cursor.execute("SELECT " + ", ".join(f"CAST({number!r} AS DOUBLE)" for number in numbers))
        said = [text if "." in text or "e" in text else f"{text}.0" for text in cursor.fetchone()]
    assert [real_text(number) for number in numbers] == said


@pytest.mark.parametrize(
    "data",
    [
        b"\x0e",
        b"\x0c\x05abc",
        b"\x02\x01\x00\x07",
        b"\x05\x01",
        b"\x04\x07",
        b"\x0c\x01\xff",
        b"\x0b" + pack("<d", float("nan")),
    ],
)
def test_damaged_documents_are_refused(data: bytes) -> None:
    with pytest.raises(CodecError):
        json_text(data)


def test_x9_documents_nested_too_deeply_are_refused() -> None:
    value: list[Any] = []
    for _ in range(JSON_DEPTH_MAX + 1):
        value = [value]
    with pytest.raises(CodecError, match="deep"):
        json_text(_document(value, large=True))


def test_a_json_column_of_mysql_is_read() -> None:
    decoder = Decoder("my", "shop", {"items": Layout("items", "items", ("id", "doc"), ("id",))})
    body = table_map("shop", "items", [("id", BIGINT), ("doc", 245)]).replace(b"\x02\x08\xf5\x00", b"\x02\x08\xf5\x01\x04")
    decoder.table(event(events.TABLE_MAP, body))
    document = _document({"a": [1, 2.0]})
    row = b"\x00" + pack("<qI", 5, len(document)) + document
    made = event(30, pack("<IHH", 7, 0, 1) + pack("<H", 2) + b"\x02\x03" + row)
    relation = decoder.relation(made)
    assert relation is not None
    assert [change.after for change in decoder.changes([(relation, made)])] == [(5, '{"a": [1, 2.0]}')]
