"""The types of MariaDB with the values that hurt. Values are written by a session that allows zero dates."""

from typing import Final

from tests.types.cases import Case, case, computed

_TEXTS = ("", " ", "x", "trailing  ", "12", " 1e5 ", "it's \\\\ \"\n\t", "nul \\0 inside", "😀 ünï", "é", "e\u0301")
_PLAIN = ("", "x", "12", "ünï")
_ALL_BYTES = f"X'{bytes(range(256)).hex()}'"
_BYTES = ("''", "'abcd'", "X'00'", "X'6100'", "X'610000'", "'a'", "X'FF27'")
_JSONS = (
    '{"b":1,"a":2,"a":3}',
    '{ "long": 12345678901234567890123, "tiny": 0.1000000000000000055 }',
    "1e400",
    "null",
    "[]",
    '""',
)
_DAYS = ("2024-02-29", "1000-01-01", "9999-12-31", "0000-00-00", "2024-00-00", "0000-01-01")
_WALLS = ("2024-02-29 12:00:00", "2024-03-31 02:30:00", "9999-12-31 23:59:59", "0000-00-00 00:00:00")
_INSTANTS = ("2024-02-29 12:00:00", "2024-10-27 01:30:00", "1970-01-01 00:00:01", "2038-01-19 03:14:07")
_INTS = ("-2147483648", "7", "2147483647")
_MILLIS = ("2024-02-29 12:00:00", "2024-02-29 12:00:00.517")
_MICROS = ("2024-02-29 12:00:00", "2024-02-29 12:00:00.000517")
_TIMES = ("00:00:00", "23:59:59", "24:00:00", "-838:59:59", "838:59:59")
_LONG = "12345678901234567890123456789012345.012345678901234567890123456789"

NUMBERS: Final[tuple[Case, ...]] = (
    case(
        "TINYINT(1)", "number", "D6", ("2", "-1", "127", "0", "1"),
        postgres=("smallint", "boolean"), sqlite=("INTEGER", "BOOLEAN"),
    ),
    case("TINYINT UNSIGNED", "number", "D5", ("0", "255"), postgres="smallint", sqlite="INTEGER", mariadb="TINYINT"),
    case("SMALLINT", "number", "D5", ("-32768", "32767"), postgres="smallint", sqlite="INTEGER"),
    case("SMALLINT UNSIGNED", "number", "D5", ("0", "65535"), postgres=("integer", "smallint"), sqlite="INTEGER"),
    case("MEDIUMINT", "number", "D5", ("-8388608", "8388607"), postgres="integer", sqlite="INTEGER"),
    case("MEDIUMINT UNSIGNED", "number", "D5", ("16777215",), postgres="integer", sqlite="INTEGER"),
    case("INT", "number", "D5", _INTS, postgres="integer", sqlite="INTEGER", mariadb="INT UNSIGNED"),
    case("INT UNSIGNED", "number", "D5", ("0", "4294967295"), postgres=("bigint", "integer"), sqlite="INTEGER"),
    case("BIGINT", "number", "D5", ("-9223372036854775808", "9223372036854775807"), postgres="bigint", sqlite="INTEGER"),
    case(
        "BIGINT UNSIGNED", "number", "D5", ("0", "9223372036854775807", "18446744073709551615"),
        postgres=("numeric(20)", "bigint"), sqlite=("INTEGER", "TEXT"), mariadb=("BIGINT", "DECIMAL(20)"),
    ),
    case("YEAR", "number", "D12", ("0000", "1901", "69", "2155"), postgres="smallint", sqlite="INTEGER"),
    case(
        "DECIMAL(12,4)", "number", "D1 D2", ("1.10", "-0.0001", "12345678.9012", "5"),
        postgres=("numeric(12,4)", "numeric(12,2)"), sqlite="DECIMAL(12,4)", mariadb="DECIMAL(12,2)",
    ),
    case("DECIMAL(65,30)", "number", "D1 D2", ("1.5", _LONG), postgres="numeric", sqlite="NUMERIC"),
    case("FLOAT", "number", "D4", ("0", "-5", "0.1", "3.40282e38", "1e-45", "16777216"), postgres="real", sqlite="REAL"),
    case("DOUBLE", "number", "D4", ("0", "-5", "0.1", "1e300", "5e-324"), postgres="double precision", sqlite="REAL"),
)  # fmt: skip
TEXTS: Final[tuple[Case, ...]] = (
    case("CHAR(5)", "text", "D26", ("", "ab", "ab   ", "ünïé😀"), postgres=("varchar(5)", "char(5)"), sqlite="TEXT"),
    case(
        "VARCHAR(40)", "text", "D26 D28 D30 D31", _TEXTS, postgres=("text", "varchar(5)"), sqlite="TEXT",
        mariadb=("VARCHAR(40) CHARACTER SET utf8mb3", "CHAR(40)"),
    ),
    case("VARCHAR(40) CHARACTER SET utf8mb3", "text", "D28", (*_PLAIN, "€"), postgres="text", sqlite="TEXT"),
    case("VARCHAR(40) CHARACTER SET latin1", "text", "D28", (*_PLAIN, "€"), postgres="text", sqlite="TEXT"),
    case("TINYTEXT", "text", "D31", ("", "x"), postgres="text", sqlite="TEXT"),
    case("TEXT", "text", "D30 D31", _TEXTS, postgres="text", sqlite="TEXT"),
    case("MEDIUMTEXT", "text", "D31", ("", "x"), postgres="text", sqlite="TEXT"),
    case("LONGTEXT", "text", "D31", ("", "x"), postgres="text", sqlite="TEXT"),
    case("ENUM('a','b, c','')", "text", "D17", ("a", "b, c", ""), postgres="text", sqlite="TEXT", mariadb="ENUM('b, c','a')"),
    case("SET('a','b','c')", "text", "D17", ("", "a", "c,a"), postgres="text", sqlite="TEXT"),
    case("JSON", "text", "D19 D20", (*_JSONS, '"\\\\u0000"'), postgres=("json", "jsonb", "text"), sqlite=("TEXT", "JSON")),
    case("UUID", "text", "D22", ("6F9619FF-8B86-D011-B42D-00C04FC964FF",), postgres=("uuid", "text"), sqlite="TEXT"),
    case("INET4", "text", "D45", ("10.0.0.1",), postgres=("text", "inet"), sqlite="TEXT"),
    case("INET6", "text", "D45", ("::1", "fe80::1"), postgres=("text", "inet"), sqlite="TEXT"),
)  # fmt: skip
BYTES: Final[tuple[Case, ...]] = (
    case("BINARY(4)", "bytes", "D16", ("''", "X'6100'", "X'61000000'", "'abcd'"), raw=True, postgres="bytea", sqlite="BLOB"),
    case("VARBINARY(99)", "bytes", "D16", _BYTES, raw=True, postgres="bytea", sqlite="BLOB", mariadb="BINARY(4)"),
    case("BLOB", "bytes", "D16", (*_BYTES, _ALL_BYTES), raw=True, postgres=("bytea", "text"), sqlite=("BLOB", "TEXT")),
    case("BIT(1)", "bits", "D15", ("b'0'", "b'1'"), raw=True, postgres=("bit(1)", "boolean"), sqlite="TEXT"),
    case("BIT(10)", "bits", "D15", ("b'1'", "b'1111111111'"), raw=True, postgres="bit(10)", sqlite="TEXT", mariadb="BIT(11)"),
    case("BIT(64)", "bits", "D15", ("b'0'", "0xFFFFFFFFFFFFFFFF"), raw=True, postgres="bit(64)", sqlite="TEXT"),
    case("POINT", "bytes", "D45", ("POINT(1.5,-2)",), raw=True, postgres="bytea", sqlite="BLOB"),
)  # fmt: skip
TIMES: Final[tuple[Case, ...]] = (
    case("DATE", "time", "D11 D7", _DAYS, postgres=("date", "text"), sqlite=("TEXT", "DATE")),
    case("TIME", "time", "D8", _TIMES, postgres=("time", "text", "interval"), sqlite="TEXT"),
    case("TIME(6)", "time", "D8 D13", ("12:00:00.5", "-00:00:00.000001"), postgres=("time", "text"), sqlite="TEXT"),
    case("TIME(3)", "time", "D8 D13", ("12:00:00", "12:00:00.517"), postgres="time(3)", sqlite="TEXT", mariadb="TIME"),
    case("DATETIME", "time", "D10 D11", _WALLS, postgres=("timestamp", "text"), sqlite=("TEXT", "DATETIME")),
    case("DATETIME(3)", "time", "D13", _MILLIS, postgres="timestamp(3)", sqlite="TEXT", mariadb="DATETIME"),
    case("DATETIME(6)", "time", "D13", _MICROS, postgres="timestamp", sqlite="TEXT", mariadb="DATETIME(3)"),
    case(
        "TIMESTAMP NULL", "time", "D10 D11", (*_INSTANTS, "0000-00-00 00:00:00"),
        postgres=("timestamp with time zone", "timestamp"), sqlite="TEXT", mariadb="DATETIME",
    ),
    case("TIMESTAMP(6) NULL", "time", "D10 D13", ("2024-02-29 12:00:00.123456",), postgres="timestamptz", sqlite="TEXT"),
    computed(
        "BIGINT GENERATED ALWAYS AS (id * 2) STORED", postgres=("bigint GENERATED ALWAYS AS (id * 2) STORED", "bigint"),
        sqlite=("INTEGER GENERATED ALWAYS AS (id * 2)", "INTEGER"),
    ),
)  # fmt: skip
CASES: Final = (*NUMBERS, *TEXTS, *BYTES, *TIMES)
MADE: Final = ""
