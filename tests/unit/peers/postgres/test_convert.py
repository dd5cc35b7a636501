"""Values through a real server: what is read by snapshot and by stream is one value, and writing it gives it back exactly."""

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.servers.postgres import shared
from tests.unit.peers.postgres.database import changes, database, story

from syncline.model.codec import encode_row
from syncline.model.forms import READERS
from syncline.model.value import INT64_MAX, INT64_MIN, Tagged, Value, real
from syncline.model.write import Batch, Op, Write
from syncline.peers.postgres.convert import NUMERIC, Type, form_of, store
from syncline.peers.storing import Unstorable

EVERY_TYPE = {
    "numeric": [
        "1.10",
        "0",
        "-0.5",
        "1e20",
        "0.1234567890123456789",
        "NaN",
        "123456789012345678901234567890",
        f"0.{'0' * 60}1",
    ],
    "numeric(12,2)": ["10.50", "-3.00", "0.05", "9999999999.99"],
    "float8": ["0.1", "-0", "5e-324", "1.7976931348623157e308", "NaN", "Infinity", "-Infinity", "12"],
    "float4": ["0.1", "-0", "1.17549435e-38", "3.4028235e38", "16777216", "NaN"],
    "int2": ["-32768", "32767"],
    "int8": [str(INT64_MIN), str(INT64_MAX)],
    "boolean": ["t", "f"],
    "text": ["", "a\tb\\n\n\r'\"%s", "ünï 😀", "\\N", "x'61'"],
    "varchar(5)": ["abc  ", ""],
    "char(5)": ["ab", "     "],
    "bytea": [r"\x", r"\x00", "\\x" + bytes(range(256)).hex(), r"\x6100"],
    "date": ["infinity", "-infinity", "4713-01-01 BC", "2024-02-29", "5874897-12-31"],
    "time": ["24:00:00", "00:00:00.000001"],
    "timetz": ["24:00:00+02", "12:30:00-05:30"],
    "timestamp": ["infinity", "0044-03-15 12:00:00 BC", "294276-12-31 23:59:59.999999", "2024-01-01 00:00:00.517"],
    "timestamptz": [
        "-infinity",
        "2024-03-31 02:30:00+02",
        "0001-01-01 00:00:00+00 BC",
        "2024-07-01 12:00:00.1 America/New_York",
    ],
    "interval": ["1 year 2 mons 3 days 04:05:06.78", "-1 mons +1 day -00:00:01", "00:00:00"],
    "uuid": ["A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"],
    "json": ['{"b": 1e400,  "a": 0.1000000000000000055, "a": 12345678901234567890123}', "null"],
    "jsonb": ['{"b": 1, "a": 1.10}', "null", "[]"],
    "int4[]": ["{}", "{1,NULL,3}", "[2:3]={1,2}", "{{1,2},{3,4}}"],
    "text[]": ['{"a,b","NULL",NULL,"\\"",""}'],
    "bit(5)": ["00101"],
    "varbit": ["0" * 65, ""],
    "inet": ["192.168.2.0/12", "::1", "10.0.0.1"],
    "money": ["-12.34"],
    "int4range": ["[1,5)", "empty"],
    "point": ["(1.5,-2)"],
    "tsvector": ["'a':1 'b':2"],
    "mood": ["sad", "it's 'ok', \"x\""],
    "positive": ["12.50"],
    "pair": ['(1,"a b")'],
}
MADE = (
    "CREATE TYPE mood AS ENUM ('sad', 'it''s ''ok'', \"x\"')",
    "CREATE DOMAIN cents AS numeric(10,2)",
    "CREATE DOMAIN positive AS cents CHECK (VALUE > 0)",
    "CREATE TYPE pair AS (n int, t text)",
)


def test_d1_d3_d4_d5_d7_d8_d9_d13_d14_d15_d16_d17_d18_d19_d22_d26_d31_d45_d49_every_type_is_exact() -> None:
    columns = ", ".join(f'c{place} {"public." if kind in ("mood", "positive", "pair") else ""}{kind}'
                        for place, kind in enumerate(EVERY_TYPE))  # fmt: skip
    table = f"CREATE TABLE {{}} (id int8 PRIMARY KEY, {columns})"

    async def work() -> None:
        async with database(*MADE, table.format("one"), table.format("two")) as base:
            peer, found = await base.ready("one", "two")
            number = 0
            with base.server.connect(base.name) as program:
                program.execute("SET timezone = 'Asia/Kolkata'; SET datestyle = 'German'; SET intervalstyle = 'iso_8601'")
                for place, texts in enumerate(EVERY_TYPE.values()):
                    for text in texts:
                        number += 1
                        program.execute(f"INSERT INTO one (id, c{place}) VALUES (%s, %s)".encode(), (number, text))
            streamed = {change.key: change.after for change in await changes(peer)}
            read = dict((await peer.chunk(found["one"], None, 10_000)).rows)
            assert streamed == read
            assert len(read) == number
            rows = tuple(read.values())
            write = Write(Op.UPSERT, "two", tuple(read), found["two"].columns, (), rows)
            done = await peer.apply(Batch(1, (write,), len(rows)))
            assert done.refused == ()
            again = dict((await peer.chunk(found["two"], None, 10_000)).rows)
            assert [encode_row(row) for row in again.values()] == [encode_row(row) for row in rows]
            assert base.run("SELECT count(*) FROM one JOIN two USING (id) WHERE one::text <> two::text") == [(1,)], (
                "only what numeric without a scale shows beyond its value: 1.10"
            )

    story(work)


def test_d1_d2_numbers_have_the_form_that_sqlite_gives_them() -> None:
    numeric, boolean, stamp = READERS[form_of(NUMERIC)], READERS[form_of(16)], READERS[form_of(1184)]
    assert [numeric(text) for text in (b"12.00", b"12.50", b"-0.10", b"0.00")] == [12, real(12.5), real(-0.1), 0]
    assert numeric(b"12345678901234567.8901") == Tagged("decimal", "12345678901234567.8901")
    assert numeric(b"9223372036854775808") == Tagged("decimal", "9223372036854775808")
    assert numeric(b"0.00000010") == real(1e-07)
    assert (boolean(b"t"), boolean(b"f"), stamp(b"infinity")) == (1, 0, "infinity")


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_d1_a_decimal_keeps_its_value(number: Decimal) -> None:
    kind = Type(NUMERIC, "numeric")
    value = READERS[form_of(NUMERIC)](f"{number:f}".encode()) if not (number.is_zero() and number.is_signed()) else 0
    text = store(value, kind)
    assert text is not None
    assert Decimal(text) == number


@settings(max_examples=20, deadline=None)
@given(st.lists(st.one_of(st.floats(), st.floats(width=32)), min_size=1, max_size=40))
def test_d4_floats_come_back_bit_by_bit(numbers: list[float]) -> None:
    with shared().connect("postgres") as program:
        program.execute("SET extra_float_digits = 3")
        for oid, name in ((701, "float8"), (700, "float4")):
            texts: list[str] = []
            for number in numbers:
                try:
                    texts.append(str(store(real(number), Type(oid, name))))
                except Unstorable:
                    assert oid == 700
            given_back = program.execute(f"SELECT t::{name}::text FROM unnest(%s::text[]) AS t".encode(), (texts,)).fetchall()
            assert [READERS[form_of(oid)](text.encode()) for (text,) in given_back] == [Tagged("real", text) for text in texts]


@pytest.mark.parametrize(
    ("value", "oid", "name", "code"),
    [
        ("abc", 23, "integer", "type"),
        (2**31, 23, "integer", "out_of_range"),
        (12, 25, "text", "type"),
        ("a\0b", 25, "text", "nul"),
        ("\ud800", 25, "text", "not_utf8"),
        ("ab ", 1042, "character(5)", "padding"),
        (b"x", 25, "text", "type"),
        (Tagged("rawtext", "ff"), 25, "text", "not_utf8"),
        (Tagged("oversize", "huge"), 25, "text", "too_large"),
        (real(12.0), 1700, "numeric", "type"),
        (real(1e19), 1700, "numeric", "type"),
        (real(-0.0), 1700, "numeric", "type"),
        (real(0.1234567890123), 700, "real", "rounded"),
        (2, 16, "boolean", "type"),
        ("1.5", 701, "double precision", "type"),
    ],
)
def test_d25_d29_d30_d44_what_a_column_would_change_is_refused(value: Value, oid: int, name: str, code: str) -> None:
    with pytest.raises(Unstorable) as caught:
        store(value, Type(oid, name))
    assert caught.value.code == code
    assert caught.value.reason


def test_d1_a_declared_scale_never_rounds() -> None:
    cents = Type(NUMERIC, "numeric(12,2)", 2)
    assert store(real(0.25), cents) == "0.25"
    with pytest.raises(Unstorable, match="would round"):
        store(real(0.125), cents)


def test_d13_d20_d22_texts_that_the_server_would_write_in_another_way_are_refused_by_row() -> None:
    table = "CREATE TABLE odd (id int8 PRIMARY KEY, u uuid, j jsonb, d date, t timestamptz(1), l varchar(3))"
    ugly: list[tuple[Value, ...]] = [
        (1, "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", None, None, None, None),
        (2, None, '{"a":1}', None, None, None),
        (3, None, '"\\u0000"', None, None, None),
        (4, None, None, "2024-1-5", None, None),
        (5, None, None, "2024-02-30", None, None),
        (6, None, None, None, "2024-01-01 00:00:00", None),
        (7, None, None, None, None, "long"),
        (8, None, None, None, "2024-01-01 00:00:00.25+00", None),
    ]
    fine = (9, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", '{"a": 1}', "2024-01-05", "2024-01-01 00:00:00+00", "abc")

    async def work() -> None:
        async with database(table) as base:
            peer, found = await base.ready("odd")
            rows = (*ugly, fine)
            write = Write(Op.UPSERT, "odd", tuple((row[0],) for row in rows), found["odd"].columns, (), rows)
            done = await peer.apply(Batch(1, (write,), len(rows)))
            assert {refusal.key[0]: refusal.code for refusal in done.refused} == {
                1: "rewritten", 2: "rewritten", 3: "value", 4: "rewritten", 5: "value", 6: "rewritten", 7: "value",
                8: "rewritten",
            }  # fmt: skip
            assert dict((await peer.chunk(found["odd"], None, 10)).rows) == {(9,): fine}

    story(work)
