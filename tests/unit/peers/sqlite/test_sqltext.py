"""CREATE INDEX statements as people write them."""

import pytest

from syncline.peers.sqlite.sqltext import index_parts

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
