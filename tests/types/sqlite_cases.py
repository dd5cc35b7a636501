"""The declared types of SQLite, which any value may be in, with the values that hurt."""

from typing import Final

from tests.types.cases import Case, case, computed

_INTEGERS = ("0", "-9223372036854775808", "9223372036854775807")
_REALS = ("0.0", "1.0", "0.1", "1e300", "5e-324", "9e999", "-9e999", "-0.0")
_ODD = ("CAST(x'C328' AS TEXT)", "'nul ' || char(0) || ' inside'", "CAST(x'EDA080' AS TEXT)")
_TEXTS = ("''", "' '", "'x'", "'trailing  '", "'12'", "'it''s \\ \"'", "'😀 ünï'", "'é'", "'e\u0301'", *_ODD)
_BLOBS = ("x''", "x'00'", "x'6100'", "x'610000'", "x'61'", "x'FF27'", f"x'{bytes(range(256)).hex()}'")
_DAYS = ("'2024-02-29'", "'0001-01-01'", "'2024-1-5'", "'0000-00-00'", "'infinity'", "'next week'")
_WALLS = ("'2024-02-29 12:00:00'", "'2024-03-31 02:30:00.517'", "'2024-02-29 12:00:00.1234567'", "'2024-02-29T12:00:00'")
_INSTANTS = ("'2024-02-29 12:00:00+00'", "'2024-02-29 12:00:00+02'", "'2024-02-29 12:00:00'")
_JSONS = ('\'{"b":1,"a":2,"a":3}\'', "'{\"a\": 1}'", "'[1e400]'", "'not json'", "'\"\\u0000\"'")
_UUIDS = ("'6f9619ff-8b86-d011-b42d-00c04fc964ff'", "'6F9619FF-8B86-D011-B42D-00C04FC964FF'", "'not one'")


def _raw(declared: str, meaning: str, ids: str, values: tuple[str, ...], **to: str | tuple[str, ...]) -> Case:
    return case(declared, meaning, ids, values, raw=True, **to)


CASES: Final[tuple[Case, ...]] = (
    _raw(
        "INTEGER", "any", "D5 D44", (*_INTEGERS, "0.5", "'abc'", "x'61'"),
        postgres=("bigint", "integer"), mariadb=("BIGINT", "INT"),
    ),
    _raw("BOOLEAN", "any", "D6 D44", ("0", "1", "2", "'true'"), postgres="boolean", mariadb="TINYINT(1)"),
    _raw("REAL", "any", "D4 D3", _REALS, postgres=("double precision", "real"), mariadb=("DOUBLE", "FLOAT")),
    _raw(
        "DECIMAL(12,4)", "any", "D2 D44", ("1.10", "0.00001", "5", "'12.50'", "'12345678901234567.8901'", "'abc'"),
        postgres=("numeric(12,4)", "numeric"), mariadb="DECIMAL(12,4)",
    ),
    _raw("NUMERIC", "any", "D2 D4", ("1", "1e300", "0.1", "1e19", "9e999"), postgres="numeric", mariadb="DECIMAL(65,30)"),
    _raw(
        "TEXT", "any", "D28 D29 D30 D31", _TEXTS, postgres=("text", "varchar(5)", "bytea"),
        mariadb=("LONGTEXT", "VARCHAR(5)", "VARCHAR(40) CHARACTER SET utf8mb3", "LONGBLOB"), sqlite="VARCHAR(5)",
    ),
    _raw("BLOB", "any", "D16", (*_BLOBS, "'text'", "1"), postgres="bytea", mariadb=("LONGBLOB", "VARBINARY(4)"), sqlite="TEXT"),
    _raw("", "any", "D44", ("1", "1.0", "'1'", "x'31'"), postgres=("bytea", "json"), mariadb="LONGBLOB", sqlite="NUMERIC"),
    _raw("DATE", "any", "D7 D11", _DAYS, postgres=("date", "text"), mariadb=("DATE", "VARCHAR(40)")),
    _raw("DATETIME", "any", "D10 D13", _WALLS, postgres="timestamp", mariadb=("DATETIME(6)", "DATETIME")),
    _raw("TIMESTAMPTZ", "any", "D9 D10", _INSTANTS, postgres="timestamp with time zone", mariadb="TIMESTAMP(6) NULL"),
    _raw("TIME", "any", "D8", ("'12:00:00'", "'24:00:00'", "'25:00:00'", "'-01:00:00'"), postgres="time", mariadb="TIME(6)"),
    _raw("JSON", "any", "D19 D20", (*_JSONS, "1"), postgres=("json", "jsonb"), mariadb="JSON"),
    _raw("UUID", "any", "D22", _UUIDS, postgres="uuid", mariadb="UUID"),
    computed(
        "INTEGER GENERATED ALWAYS AS (id * 2)", postgres=("bigint GENERATED ALWAYS AS (id * 2) STORED", "bigint"),
        mariadb=("BIGINT GENERATED ALWAYS AS (id * 2) STORED", "BIGINT"), sqlite=("INTEGER",),
    ),
)  # fmt: skip
MADE: Final = ""
