"""CREATE statements as people write them."""

import pytest

from syncline.peers.sqlite.sqltext import around_name, index_parts, with_not_null

CASES = [
    ("CREATE UNIQUE INDEX i ON t(a)", ["a"], ""),
    ("create unique index i on t (a COLLATE NOCASE desc, lower(b, 'x,y') ASC)", ["a", "lower(b, 'x,y')"], ""),
    ('CREATE INDEX i ON "t(" ("a,b", `c)` COLLATE RTRIM, [d e])', ['"a,b"', "`c)`", "[d e]"], ""),
    (
        "CREATE INDEX i ON t(a || ')' /* , */, (b COLLATE NOCASE || 'x')) WHERE a > 1;",
        ["a || ')'", "(b COLLATE NOCASE || 'x')"],
        "a > 1",
    ),
    ("CREATE INDEX i ON t(a -- , b)\n) WHERE b IS NOT 'WHERE' -- ) end", ["a"], "b IS NOT 'WHERE'"),
    ("CREATE INDEX i ON t(a COLLATE NOCASE COLLATE RTRIM)", ["a COLLATE NOCASE"], ""),
    ("CREATE INDEX i ON t(CASE WHEN a THEN (b) ELSE c END, 'it''s')", ["CASE WHEN a THEN (b) ELSE c END", "'it''s'"], ""),
]


@pytest.mark.parametrize(("sql", "parts", "where"), CASES)
def test_index_parts(sql: str, parts: list[str], where: str) -> None:
    assert index_parts(sql) == (parts, where)


TABLE = (
    'CREATE TABLE "a (b" (id TEXT -- the, key\n PRIMARY KEY,\n  [b c] REAL DEFAULT (1.5), "On" CHECK ("On" <> \'),\')) STRICT'
)


@pytest.mark.parametrize(
    ("sql", "word", "parts"),
    [
        (TABLE, "TABLE", ("CREATE TABLE", TABLE[TABLE.index("(id") :].replace("-- the, key\n ", "").replace("\n  ", " "))),
        ("create table a$b(x)", "TABLE", ("create table", "(x)")),
        ('CREATE UNIQUE INDEX "on" ON t(a) WHERE a > 1', "ON", ('CREATE UNIQUE INDEX "on" ON', "(a) WHERE a > 1")),
    ],
)
def test_a_statement_around_its_tables_name(sql: str, word: str, parts: tuple[str, str]) -> None:
    assert around_name(sql, word) == parts


def test_columns_are_declared_not_null() -> None:
    declared = around_name(TABLE, "TABLE")[1]
    assert with_not_null(declared, ["ID", "on"]) == (
        '(id TEXT PRIMARY KEY NOT NULL, [b c] REAL DEFAULT (1.5), "On" CHECK ("On" <> \'),\') NOT NULL) STRICT'
    )
    assert with_not_null("(`x` , 'y' INT, PRIMARY KEY (x))", ["x", "y"]) == "(`x` NOT NULL, 'y' INT NOT NULL, PRIMARY KEY (x))"
