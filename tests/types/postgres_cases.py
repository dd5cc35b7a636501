"""The types of PostgreSQL with the values that hurt."""

from typing import Final

from tests.types.cases import Case, case, computed

_DAYS = ("2024-02-29", "0001-01-01", "9999-12-31", "10000-01-01", "5874897-12-31", "4713-01-01 BC", "infinity", "-infinity")
_FLOATS = ("0", "-5", "0.1", "1e300", "5e-324", "1.7976931348623157e308", "-0", "NaN", "Infinity", "-Infinity")
_SINGLES = ("0", "-5", "0.1", "3.4028235e38", "1e-45", "16777217", "-0", "NaN", "Infinity")
_LONG = "12345678901234567890123456789012345678901234567890.5"
_NUMBERS = ("0", "-5", "1.10", "0.1", "18446744073709551615", "12345678901234567.8901", "1e-20", _LONG)
_NOT_FINITE = ("NaN", "Infinity", "-Infinity")
_TEXTS = ("", " ", "x", "trailing  ", "12", " 1e5 ", "it's \\ \"\n\t", "😀 ünï", "é", "e\u0301")
_JSONS = (
    '{"b":1,"a":2,"a":3}',
    '{ "long": 12345678901234567890123, "tiny": 0.1000000000000000055 }',
    "1e400",
    "null",
    "[]",
    '""',
)
_ALL_BYTES = "\\x" + bytes(range(256)).hex()
_BYTES = ("\\x", "\\x00", "\\x6100", "\\x610000", "\\x61", "\\xff27", _ALL_BYTES)
_INTERVALS = ("1 year 2 mons 3 days 04:05:06.78", "-1 mons +3 days -04:05:06", "0", "36:00:00")
_INSTANTS = ("2024-02-29 12:00:00.123456+02", "2024-10-27 01:30:00+00", "2038-01-19 03:14:08+00", "1969-12-31 23:59:59+00")
_WALLS = ("2024-02-29 12:00:00", "2024-03-31 02:30:00.517", "9999-12-31 23:59:59.999999")
_CLOCKS = ("00:00", "23:59:59.999999", "12:00:00.5", "24:00:00")
_FAR = ("10000-01-01 00:00:00", "0044-03-15 12:00:00 BC", "infinity", "-infinity")

NUMBERS: Final[tuple[Case, ...]] = (
    case("smallint", "number", "D5", ("-32768", "0", "32767"), mariadb="SMALLINT", sqlite="INTEGER"),
    case("integer", "number", "D5", ("-2147483648", "7", "2147483647"), mariadb="INT", sqlite="INTEGER", postgres="smallint"),
    case(
        "bigint", "number", "D5", ("-9223372036854775808", "0", "9223372036854775807"),
        mariadb=("BIGINT", "BIGINT UNSIGNED"), sqlite="INTEGER", postgres="integer",
    ),
    case("boolean", "number", "D6", ("t", "f"), mariadb="TINYINT(1)", sqlite="BOOLEAN"),
    case("real", "number", "D4 D3", _SINGLES, mariadb=("FLOAT", "DOUBLE"), sqlite="REAL", postgres="double precision"),
    case("double precision", "number", "D4 D3", _FLOATS, mariadb="DOUBLE", sqlite="REAL", postgres="real"),
    case(
        "numeric", "number", "D1 D2 D3", (*_NUMBERS, *_NOT_FINITE),
        mariadb="DECIMAL(65,30)", sqlite=("NUMERIC", "TEXT", "BLOB"), postgres="numeric(12,2)",
    ),
    case(
        "numeric(12,4)", "number", "D1", ("1.10", "-0.0001", "12345678.9012", "5", "NaN"),
        mariadb=("DECIMAL(12,4)", "DECIMAL(12,2)", "DOUBLE"), sqlite=("DECIMAL(12,4)", "INTEGER"), postgres="numeric(12,2)",
    ),
    case(
        "numeric(38,10)", "number", "D1 D2", ("1.5", "1234567890123456789012345678.0123456789"),
        mariadb="DECIMAL(38,10)", sqlite="NUMERIC",
    ),
    case("money", "text", "D45", ("$1.23", "-$9,999.99"), mariadb="VARCHAR(40)", sqlite="TEXT"),
    case("oid", "number", "D45", ("0", "4294967295"), mariadb="INT UNSIGNED", sqlite="INTEGER"),
)  # fmt: skip
TEXTS: Final[tuple[Case, ...]] = (
    case(
        "text", "text", "D26 D28 D31", (*_TEXTS, "y" * 70_000),
        mariadb=("LONGTEXT", "TEXT", "VARCHAR(10)", "VARCHAR(40) CHARACTER SET utf8mb3", "VARCHAR(40) CHARACTER SET latin1"),
        sqlite=("TEXT", "BLOB"), postgres=("varchar(10)", "integer"),
    ),
    case("varchar(10)", "text", "D28 D31", ("", "ten chars!", "😀" * 10), mariadb="VARCHAR(10)", sqlite="VARCHAR(10)"),
    case("char(5)", "text", "D26", ("", "ab", "ab   ", "12345"), mariadb=("CHAR(5)", "VARCHAR(5)"), sqlite="TEXT"),
    case('"char"', "text", "D45", ("x", ""), mariadb="CHAR(1)", sqlite="TEXT"),
    case("colour", "text", "D17", ("red", "it's; green"), mariadb=("ENUM('red','it''s; green')", "VARCHAR(40)"), sqlite="TEXT"),
    case("xml", "text", "D45", ("<a>1</a>",), mariadb="LONGTEXT", sqlite="TEXT"),
    case("json", "text", "D19", _JSONS, mariadb=("JSON", "LONGTEXT"), sqlite=("TEXT", "JSON"), postgres="jsonb"),
    case("jsonb", "text", "D19", _JSONS, mariadb=("JSON", "LONGTEXT"), sqlite=("TEXT", "JSON"), postgres="json"),
    case("uuid", "text", "D22", ("6F9619FF-8B86-D011-B42D-00C04FC964FF",), mariadb=("UUID", "CHAR(36)"), sqlite="TEXT"),
    case("bytea", "bytes", "D16", _BYTES, mariadb=("LONGBLOB", "VARBINARY(4)"), sqlite="BLOB", postgres=("integer", "text")),
)  # fmt: skip
TIMES: Final[tuple[Case, ...]] = (
    case("date", "time", "D7", _DAYS, mariadb="DATE", sqlite=("TEXT", "DATE")),
    case("time", "time", "D8 D13", _CLOCKS, mariadb=("TIME(6)", "TIME"), sqlite="TEXT", postgres="time(0)"),
    case("time with time zone", "text", "D8", ("24:00:00+02", "12:00:00-03:30"), mariadb="VARCHAR(40)", sqlite="TEXT"),
    case(
        "timestamp", "time", "D10 D13 D7", (*_WALLS, *_FAR),
        mariadb=("DATETIME(6)", "DATETIME", "TIMESTAMP(6) NULL"),
        sqlite=("TEXT", "DATETIME"), postgres=("timestamp(0)", "date"),
    ),
    case(
        "timestamp with time zone", "time", "D9 D10", (*_INSTANTS, *_FAR),
        mariadb=("TIMESTAMP(6) NULL", "DATETIME(6)"), sqlite="TEXT", postgres="timestamp",
    ),
    case("interval", "text", "D14", _INTERVALS, mariadb="VARCHAR(80)", sqlite="TEXT"),
)  # fmt: skip
OTHERS: Final[tuple[Case, ...]] = (
    case("bit(10)", "text", "D15", ("0000000001", "1" * 10), mariadb=("BIT(10)", "VARCHAR(10)"), sqlite=("TEXT", "NUMERIC")),
    case("bit varying", "text", "D15", ("", "0", "0" * 65), mariadb="VARCHAR(80)", sqlite="TEXT"),
    case("integer[]", "text", "D18", ("{}", "{1,NULL,2}", "{{1,2},{3,4}}", "[2:3]={1,2}"), mariadb="LONGTEXT", sqlite="TEXT"),
    case("text[]", "text", "D18", ('{"",NULL,"NULL","a,b"}',), mariadb="LONGTEXT", sqlite="TEXT"),
    case("bytea[]", "text", "D18", ('{"\\\\x00","\\\\x"}',), mariadb="LONGTEXT", sqlite="TEXT"),
    case("inet", "text", "D45", ("192.168.2.0/12", "::1"), mariadb=("VARCHAR(50)", "INET6"), sqlite="TEXT"),
    case("cidr", "text", "D45", ("10.0.0.0/8",), mariadb="VARCHAR(50)", sqlite="TEXT"),
    case("macaddr", "text", "D45", ("08:00:2b:01:02:03",), mariadb="VARCHAR(50)", sqlite="TEXT"),
    case("int4range", "text", "D45", ("[1,10)", "empty", "(,)"), mariadb="VARCHAR(50)", sqlite="TEXT"),
    case("point", "text", "D45", ("(1.5,-2)",), mariadb="VARCHAR(80)", sqlite="TEXT"),
    case("tsvector", "text", "D45", ("'a':1 'b':2,3A",), mariadb="LONGTEXT", sqlite="TEXT"),
    case("place", "text", "D45", ('("x y",)', "(,1)"), mariadb="LONGTEXT", sqlite="TEXT"),
    case("name_of_ten", "text", "D45", ("", "short"), mariadb="VARCHAR(10)", sqlite="TEXT"),
    computed(
        "bigint GENERATED ALWAYS AS (id * 2) STORED", mariadb=("BIGINT GENERATED ALWAYS AS (id * 2) STORED", "BIGINT"),
        sqlite=("INTEGER GENERATED ALWAYS AS (id * 2)", "INTEGER"),
    ),
)  # fmt: skip
CASES: Final = (*NUMBERS, *TEXTS, *TIMES, *OTHERS)
# the types of its own that a database has to have
MADE: Final = (
    "CREATE TYPE colour AS ENUM ('red', 'it''s; green'); CREATE TYPE place AS (street text, number int); "
    "CREATE DOMAIN name_of_ten AS varchar(10); "
)
