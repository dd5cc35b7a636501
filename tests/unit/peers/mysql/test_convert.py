"""Values both ways on a real server: what is read is what the stream says, what is written is what was meant, or refused."""

import os

import pytest
from tests.unit.peers.mysql.database import changes, collection_of, database, on_each_server, story

from syncline.model.value import Row, Tagged, Value, real
from syncline.model.write import Batch, Op, Write
from syncline.peers.mysql import charset
from syncline.peers.mysql.columns import column_reader_of, literals
from syncline.peers.mysql.convert import Type, decimal_text_value, literal
from syncline.peers.storing import Unstorable

TABLE = """CREATE TABLE every (
  id bigint PRIMARY KEY, t1 tinyint(1), t8 tinyint, u8 tinyint unsigned, m mediumint unsigned, i int(5) zerofill,
  big bigint, ubig bigint unsigned, y year, d decimal(20,5), dz decimal(10,2) zerofill, wide decimal(65,30),
  f float, g double, h double(12,2), c char(10), v varchar(60), tx text, l1 varchar(20) CHARACTER SET latin1,
  u3 varchar(20) CHARACTER SET utf8mb3, u16 varchar(20) CHARACTER SET utf16, bi binary(4), vb varbinary(300), bl longblob,
  e enum('a','it''s','c\\\\d',''), s set('x','y','z'), b bit(10), da date, ti time(3), dt datetime(6), ts timestamp(2) NULL,
  j json, uu uuid, i4 inet4, i6 inet6, p point
) CHARACTER SET utf8mb4"""
COLUMNS = (
    "id", "t1", "t8", "u8", "m", "i", "big", "ubig", "y", "d", "dz", "wide", "f", "g", "h", "c", "v", "tx", "l1", "u3",
    "u16", "bi", "vb", "bl", "e", "s", "b", "da", "ti", "dt", "ts", "j", "uu", "i4", "i6", "p",
)  # fmt: skip
POINT = bytes(4) + bytes([1, 1, 0, 0, 0]) + bytes(8) + bytes([0, 0, 0, 0, 0, 0, 0xF0, 0x3F])
FULL: Row = (
    1, 2, -128, 255, 2**24 - 1, 42, -(2**63), Tagged("decimal", str(2**64 - 1)), 2155, Tagged("real", "-1.5"), 12,
    Tagged("decimal", "12345678901234567890123456789012345.000000000000000000000000000001"), real(0.1), real(5e-324),
    Tagged("real", "1234567890.12"), "padded", "it's ünï 😀 \\ \0 %s", "a\nb\tc", "é€\x81", "ünï", "z😀", b"a\0\0\0",
    bytes(range(256)), bytes(range(256)) * 3, "it's", "x,z", "0000000101", "2024-02-29", "-838:59:59.5",
    "2024-02-29 23:59:59.000001", "2038-01-19 03:14:07.25+00", '{"a":  1.10}', "6ccd780c-baba-1026-9564-5b8c656024db",
    "10.0.0.1", "::ffff:1.2.3.4", POINT,
)  # fmt: skip
EDGES: Row = (
    2, -1, 127, 0, 0, 0, 2**63 - 1, 7, 0, 0, 0, -1, real(16777216.0), real(1.7976931348623157e308), Tagged("real", "0.0"),
    "", "", "", "", "", "", bytes(4), b"", b"", "", "", "1111111111", "0000-00-00", "00:00:00", "0000-00-00 00:00:00",
    "0000-00-00 00:00:00+00", "[]", "00000000-0000-0000-0000-000000000000", "0.0.0.0", "::", None,
)  # fmt: skip
NULLS: Row = (3, *[None] * (len(COLUMNS) - 1))
MORE: Row = (
    4, 0, 0, 1, 1, 99999, 0, Tagged("decimal", str(2**63)), 1901, real(0.00001), Tagged("real", "99999999.99"),
    real(1e-30), real(3.4028235e38), real(-1e-7), Tagged("real", "-0.5"),
    "ß", "'\\'", "\x00", "\xff", "\uffff", "\U0010ffff", b"\0\0\0\x01", b"'\\\0\n", os.urandom(5000), "c\\d", "x,y,z",
    "0000000000", "9999-12-31", "100:00:00.001", "1000-01-01 00:00:00", "1970-01-01 00:00:01+00", '"\\u00e9"',
    "ffffffff-ffff-ffff-ffff-ffffffffffff", "255.255.255.255", "2001:db8::1", POINT,
)  # fmt: skip
ROWS = (FULL, NULLS, MORE)


def test_d6_d10_d12_d15_d22_every_type_is_written_as_it_is_and_read_and_streamed_as_it_was() -> None:
    """On one table: apply, snapshot and stream have the same values."""

    async def work() -> None:
        async with database(TABLE) as base:
            peer, found = await base.ready("every")
            every = found["every"]
            assert every.columns == COLUMNS
            rows = [*ROWS, (*EDGES[:24], "a", *EDGES[25:])]
            write = Write(Op.UPSERT, "every", tuple((row[0],) for row in rows), COLUMNS, (), tuple(rows))
            done = await peer.apply(Batch(1, (write,), len(rows)))
            assert done.refused == ()
            read = dict((await peer.chunk(every, None, 100)).rows)
            for row in rows:
                assert list(zip(COLUMNS, read[row[:1]], strict=True)) == list(zip(COLUMNS, row, strict=True))
            base.run("CREATE TABLE held AS SELECT * FROM every", "DELETE FROM every", "INSERT INTO every SELECT * FROM held")
            streamed = {change.key: change.after for change in await changes(peer) if change.collection == "every"}
            assert streamed == read

    story(work)


@on_each_server
def test_d11_d17_what_only_a_careless_server_holds_is_read_and_streamed_alike() -> None:
    async def work() -> None:
        async with database(
            "CREATE TABLE odd (id int PRIMARY KEY, e enum('a','b'), t varchar(20) CHARACTER SET utf8mb3, da date)"
        ) as base:
            peer, found = await base.ready("odd")
            base.run("SET sql_mode = ''", "INSERT INTO odd VALUES (1, 'nonsense', 'x', '2024-00-31')")
            streamed = [change.after for change in await changes(peer)]
            read = [row for _, row in (await peer.chunk(found["odd"], None, 10)).rows]
            assert streamed == read == [(1, "", "x", "2024-00-31")]

    story(work)


INT, TEXT = Type("int", "int(11)"), Type("text", "text", charset="utf8mb4", size=65535)
VARCHAR = Type("varchar", "varchar(5)", charset="utf8mb4", size=5)
ENUM = Type("enum", "enum('a','b')", charset="utf8mb4", labels=("a", "b"))
SET = Type("set", "set('x','y')", charset="utf8mb4", labels=("x", "y"))
PRICE = Type("decimal", "decimal(6,2)", size=6, scale=2)
REFUSED: tuple[tuple[Value, Type, str], ...] = (
    (2**31, INT, "out_of_range"),
    (-1, Type("int", "int unsigned", unsigned=True), "out_of_range"),
    (Tagged("decimal", str(2**64)), Type("bigint", "bigint unsigned", unsigned=True), "out_of_range"),
    (50, Type("year", "year(4)"), "out_of_range"),
    ("1", INT, "type"),
    (1, TEXT, "type"),
    (b"x", TEXT, "type"),
    ("abcdef", VARCHAR, "too_large"),
    ("abc   ", VARCHAR, "too_large"),
    ("é" * 32768, TEXT, "too_large"),
    ("\ud800", TEXT, "charset"),
    ("x", Type("varbinary", "varbinary(3)", size=3), "type"),
    (b"abcd", Type("varbinary", "varbinary(3)", size=3), "too_large"),
    (b"ab", Type("binary", "binary(3)", size=3), "padding"),
    ("a ", Type("char", "char(5)", charset="utf8mb4", size=5), "padding"),
    ("😀", Type("varchar", "varchar(5)", charset="utf8mb3", size=5), "charset"),
    ("漢", Type("varchar", "varchar(5)", charset="latin1", size=5), "charset"),
    ("A", ENUM, "value"),
    ("", ENUM, "value"),
    ("1", ENUM, "value"),
    ("y,x", SET, "value"),
    ("x,x", SET, "value"),
    ("01", Type("bit", "bit(3)", size=3), "value"),
    ("012", Type("bit", "bit(3)", size=3), "value"),
    (Tagged("real", "1.005"), PRICE, "rounded"),
    (12345, PRICE, "out_of_range"),
    (Tagged("real", "3.0"), PRICE, "type"),
    (Tagged("real", "1e+19"), Type("decimal", "decimal(65,30)", size=65, scale=30), "type"),
    (Tagged("real", "nan"), PRICE, "type"),
    (Tagged("real", "inf"), Type("double", "double"), "type"),
    (Tagged("real", "-0.0"), Type("double", "double"), "type"),
    (Tagged("real", "0.1000000001"), Type("float", "float"), "rounded"),
    (Tagged("real", "1e39"), Type("float", "float"), "rounded"),
    (Tagged("real", "1.234"), Type("double", "double(5,2)", scale=2), "rounded"),
    (1, Type("double", "double"), "type"),
    ("2024-1-5", Type("date", "date"), "rewritten"),
    ("2024-01-05 10:00:00", Type("date", "date"), "rewritten"),
    ("2024-01-05 10:00:00.25", Type("datetime", "datetime(1)", scale=1), "rounded"),
    ("2024-01-05 10:00:00.50", Type("datetime", "datetime(6)", scale=6), "rewritten"),
    ("2024-01-05 10:00:00", Type("timestamp", "timestamp", scale=0), "rewritten"),
    ("2024-01-05 10:00:00+02", Type("timestamp", "timestamp", scale=0), "rewritten"),
    ("-00:00:00", Type("time", "time", scale=0), "rewritten"),
    ("1:00:00", Type("time", "time", scale=0), "rewritten"),
    ("6CCD780C-BABA-1026-9564-5B8C656024DB", Type("uuid", "uuid"), "rewritten"),
    (Tagged("oversize", "huge"), TEXT, "too_large"),
    (Tagged("rawtext", "ff"), TEXT, "not_utf8"),
    (None, Type("timestamp", "timestamp", nullable=False), "notnull"),
)


@pytest.mark.parametrize(("value", "kind", "code"), REFUSED)
def test_d1_d3_d8_d30_what_a_column_would_change_is_refused(value: Value, kind: Type, code: str) -> None:
    with pytest.raises(Unstorable) as caught:
        literal(value, kind)
    assert caught.value.code == code
    assert literals([value], kind) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.00", 0), ("-0.50", Tagged("real", "-0.5")), ("00012.500", Tagged("real", "12.5")), ("12", 12), ("-12.00", -12),
        ("0.1", Tagged("real", "0.1")), ("000", 0), ("99999999999999999999", Tagged("decimal", "99999999999999999999")),
        ("0.10000000000000000555", Tagged("decimal", "0.10000000000000000555")),
        ("123456789.25", Tagged("real", "123456789.25")),
    ],
)  # fmt: skip
def test_d1_a_decimal_has_one_form(text: str, value: Value) -> None:
    assert decimal_text_value(text) == value
    assert column_reader_of(PRICE)([text.encode(), None]) == [value, None]


@pytest.mark.parametrize("values", [["a", "b"], ["it's", "x"], ["\0", "a"], ["", ""], ["'\0'", "q"], ["ü", "😀"], ["\\", "n"]])
def test_texts_in_bulk_are_as_single_ones(values: list[str]) -> None:
    assert literals(values, TEXT) == [literal(value, TEXT) for value in values]
    assert list(column_reader_of(TEXT)([value.encode() for value in values])) == values


def test_numbers_in_bulk_are_as_single_ones() -> None:
    numbers = [0, -1, 2**31 - 1, -(2**31)]
    assert literals(numbers, INT) == [literal(number, INT) for number in numbers]
    assert literals([0, None, 3], INT) == [b"0", b"NULL", b"3"]
    assert literals([0, 2**31], INT) is None


@pytest.mark.parametrize(
    "texts", [["1.5", "-0.25"], ["9999.99"], ["10000"], ["1.125"], ["1e-05"], ["3.0"], ["-0.0"], ["nan"], ["1e2", "0.5"]]
)
@pytest.mark.parametrize(
    "kind", [PRICE, Type("decimal", "decimal(2,2)", size=2, scale=2), Type("decimal", "decimal(5)", True, size=5, scale=0)]
)
def test_d1_decimals_in_bulk_are_as_single_ones(texts: list[str], kind: Type) -> None:
    values: list[Value] = [Tagged("real", text) for text in texts]
    for column in (values, [*values, 7], [-3, 0]):
        try:
            alone = [literal(value, kind) for value in column]
        except Unstorable:
            assert literals(column, kind) is None
        else:
            assert literals(column, kind) == alone


@pytest.mark.parametrize("name", sorted(charset.KNOWN - {"utf8", "utf8mb3", "utf8mb4"}))
def test_d28_a_character_set_is_read_as_the_server_reads_it(name: str) -> None:
    """Every single byte, and the server's own encoding of some texts."""

    async def work() -> None:
        async with database() as base:
            asked = (f"CONVERT(CONVERT(x'{number:02x}' USING {name}) USING utf8mb4)" for number in range(256))
            (texts,) = base.run(f"SELECT {', '.join(asked)}")
            for number, text in enumerate(texts):
                data = bytes([number])
                try:
                    ours = charset.decode(data, name)
                except UnicodeDecodeError:
                    continue  # it is kept as bytes
                assert text == ours, number
                assert charset.encode(ours, name) == data

    if name not in {"ucs2", "utf16", "utf16le", "utf32"}:
        story(work)
    for text in ("az", "é") if name not in {"ascii", "cp1251", "koi8r", "gb2312", "euckr", "cp1257"} else ("az",):
        assert charset.decode(charset.encode(text, name), name) == text


def test_a_collection_of_a_table_has_its_columns_in_order() -> None:
    async def work() -> None:
        async with database(
            "CREATE TABLE t (b int, a int, v int AS (a + b), w int AS (a * b) STORED, PRIMARY KEY (a, b))"
        ) as base:
            peer = base.peer()
            await peer.connect()
            found = collection_of((await peer.inspect())["t"])
            assert (found.columns, found.key) == (("b", "a"), ("a", "b"))

    story(work)
