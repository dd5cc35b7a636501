"""Rules: what they compute, what they refuse, and how they are bounded."""

import pytest
from tests.unit.merge.policies.contests import contest

from syncline.merge.policies.expression import parse
from syncline.merge.policies.refused import Refused
from syncline.merge.policies.rule import Rule
from syncline.merge.policy import Settled
from syncline.model import limits
from syncline.model.errors import MergeError
from syncline.model.schema import Kind
from syncline.model.value import ABSENT, Tagged, Value

COLUMNS = ("field", "Price", "odd name", "order", "gone")
ROWS = ((2, 10, "x", None, ABSENT), (3, 20, "y", 7, ABSENT))


def date(text: str) -> Tagged:
    return Tagged("date", text)


def run(text: str, base: Value = 1, ours: Value = 2, theirs: Value = 3, kind: Kind = Kind.ANY) -> Value:
    rows = ((ours, *ROWS[0][1:]), (theirs, *ROWS[1][1:]))
    return Rule(text, kind, COLUMNS).settle(contest(base, ours, theirs, columns=COLUMNS, rows=rows)).value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("GREATEST(ours, theirs)", 3),
        ("LEAST(ours, NULL, theirs)", 2),
        ("GREATEST(NULL, NULL)", None),
        ("ours + theirs - base", 4),
        ("10 - 3 - 2", 5),
        ("2 * 3 * 4 - 1 + 2", 25),
        ("1e2 + 0.50 - .5", 100),
        ("CASE WHEN ours.price > theirs.Price THEN ours ELSE theirs END", 3),
        ("CASE ours.\"odd name\" WHEN 'x' THEN 1 WHEN NULL THEN 2 END", 1),
        ("COALESCE(ours.order, theirs.order)", 7),
        ("ours_peer || ' at ' || ours_time || ', ' || theirs_peer || ' at ' || theirs_time", "hq at 10, munich at 20"),
        ("OURS + Theirs.PRICE", 22),
        ("'it''s' || \"theirs\"", "it's3"),
        ("NOT ours = 2 OR theirs IN (3, NULL)", 1),
        ("theirs NOT IN (4, NULL)", None),
        ("ours BETWEEN 2 AND 3 AND theirs NOT BETWEEN 2 AND 3", 0),
        ("base IS NULL OR TRUE", 1),
        ("NULLIF(base, 1)", None),
        ("LENGTH('né') + LENGTH(123)", 5),
        ("UPPER('aé') || LOWER('AÉ')", "AéaÉ"),
        ("TRIM('  a b ')", "a b"),
        ("SUBSTR('abcdef', -3, 2) || SUBSTRING('abcdef' FROM 2 FOR 1) || SUBSTR('abc', 0, 2)", "deba"),
        ("ROUND(2.5) || ' ' || ROUND(-2.345, 2) || ' ' || ROUND(7, 2) || ' ' || ABS(-1.50)", "3 -2.35 7 1.50"),
        ("CAST('12' AS INTEGER) + CAST(' 1.5 ' AS DECIMAL) + CAST(-1.9 AS BIGINT) || ''", "12.5"),
        ("ours::text || CAST(1.50 AS VARCHAR)", "21.50"),
        ("'abc' LIKE 'a%' AND 'abc' LIKE '_b_' AND NOT 'abc' LIKE 'A%'", 1),
        ("ours -- the one in the log", 2),
        ("0.1 + 0.2 = 0.3", 1),
    ],
)
def test_rules_compute(text: str, value: Value) -> None:
    assert run(text) == value


def test_a_result_that_is_a_side_is_that_side() -> None:
    one = contest(None, Tagged("decimal", "1.50"), Tagged("decimal", "2.0"))
    assert Rule("LEAST(ours, theirs)", Kind.DECIMAL).settle(one) == Settled(Tagged("decimal", "1.50"), "ours")
    assert Rule("theirs * 1.0", Kind.DECIMAL).settle(one).value == Tagged("decimal", "2.0")
    assert Rule("ours * 2 - 1", Kind.DECIMAL).settle(one) == Settled(Tagged("decimal", "2.0"), "theirs")


def test_d31_no_common_version_is_null_and_a_column_that_was_not_sent_is_an_error() -> None:
    assert run("base IS NULL", ABSENT) == 1
    with pytest.raises(MergeError, match=r"needs ours\.gone"):
        run("ours.gone")
    assert run("CASE WHEN 1 = 1 THEN 5 ELSE ours.gone END") == 5


@pytest.mark.parametrize(
    ("kind", "text", "ours", "theirs", "value"),
    [
        (Kind.INTEGER, "ours * 1.5", 2, 3, 3),
        (Kind.INTEGER, "ours * 2.0", 2, 3, 4),
        (Kind.REAL, "ours + theirs", Tagged("real", "0.1"), Tagged("real", "0.2"), Tagged("real", "0.3")),
        (Kind.REAL, "1", Tagged("real", "0.5"), None, Tagged("real", "1.0")),
        (Kind.DECIMAL, "ours + theirs", Tagged("decimal", "0.10"), Tagged("decimal", "0.2"), Tagged("decimal", "0.30")),
        (Kind.DECIMAL, "ours + theirs", 1, Tagged("real", "0.25"), Tagged("real", "1.25")),
        (Kind.DECIMAL, "ours + theirs", Tagged("real", "0.75"), Tagged("real", "0.25"), 1),
        (Kind.DECIMAL, "5", None, "x", Tagged("decimal", "5")),
        (Kind.TEXT, "LENGTH(ours)", "abc", "d", "3"),
        (Kind.TEXT, "1.50", "abc", "d", "1.50"),
        (Kind.BOOLEAN, "NOT ours", Tagged("boolean", "t"), Tagged("boolean", "t"), Tagged("boolean", "f")),
        (Kind.BOOLEAN, "ours = theirs", 1, 0, 0),
        (Kind.DATE, "GREATEST(ours, theirs)", date("9999-01-01"), date("10000-01-01"), date("10000-01-01")),
        (Kind.DATE, "CASE WHEN ours > '2020-01-01' THEN ours END", date("2021-01-01"), None, date("2021-01-01")),
        (Kind.TIMESTAMP, "ours || ' 00:00:00'", "2024-01-01", "2024-01-02", "2024-01-01 00:00:00"),
        (Kind.UUID, "GREATEST(ours, theirs)", Tagged("uuid", "0b"), Tagged("uuid", "0a"), Tagged("uuid", "0b")),
        (Kind.JSON, "COALESCE(NULL, '{}')", Tagged("json", "[]"), Tagged("json", "1"), Tagged("json", "{}")),
        (Kind.BYTES, "CASE WHEN ours > theirs THEN ours ELSE theirs END", b"a", b"b", b"b"),
        (Kind.ANY, "1.5", 1, 2, Tagged("real", "1.5")),
    ],
)
def test_the_result_is_carried_as_the_column_carries_its_values(
    kind: Kind, text: str, ours: Value, theirs: Value, value: Value
) -> None:
    assert Rule(text, kind).settle(contest(None, ours, theirs)).value == value


@pytest.mark.parametrize(
    ("kind", "text", "ours", "theirs"),
    [
        (Kind.INTEGER, "1.5", 1, 2),
        (Kind.INTEGER, "'abc'", 1, 2),
        (Kind.INTEGER, "ours * theirs", 2**62, 2**62),
        (Kind.DECIMAL, "0.1000000000000000055", Tagged("real", "0.5"), 1),
        (Kind.REAL, "1e400", Tagged("real", "0.5"), None),
        (Kind.BOOLEAN, "2", 1, 0),
        (Kind.BYTES, "'a'", b"a", b"b"),
        (Kind.DATE, "'tomorrow'", Tagged("date", "2024-01-01"), Tagged("date", "2024-01-02")),
        (Kind.ANY, "ours < theirs", 1, "1"),
        (Kind.ANY, "ours = theirs", b"1", "1"),
        (Kind.ANY, "ours + theirs", 1, "1"),
        (Kind.ANY, "ours AND theirs", 1, "1"),
        (Kind.ANY, "ours || theirs", b"a", "b"),
        (Kind.ANY, "ours < theirs", Tagged("json", "1"), Tagged("json", "2")),
        (Kind.ANY, "ours + 1", Tagged("real", "nan"), 1),
        (Kind.ANY, "ours + 1", Tagged("real", "inf"), 1),
        (Kind.ANY, "ours = theirs", Tagged("date", "2024-01-01"), Tagged("time", "10:00:00")),
        (Kind.ANY, "CAST(ours AS INTEGER)", "1x", 1),
        (Kind.ANY, "CAST(ours AS INTEGER)", "１", 1),
        (Kind.ANY, "CAST(ours AS DECIMAL)", "NaN", 1),
        (Kind.ANY, "CAST(ours AS DECIMAL)", b"1", 1),
        (Kind.ANY, "ROUND(1.5, ours)", -1, 1),
        (Kind.ANY, "ABS(ours)", "1", 1),
        (Kind.ANY, "SUBSTR('abc', 1, ours)", -1, 1),
        (Kind.ANY, "ours LIKE 'a'", 1, 1),
    ],
)
def test_d44_what_has_no_answer_is_an_error_and_never_a_guess(kind: Kind, text: str, ours: Value, theirs: Value) -> None:
    with pytest.raises(MergeError) as caught:
        Rule(text, kind).settle(contest(None, ours, theirs))
    assert caught.value.what.startswith("the rule ")
    assert caught.value.where["column"] == "field"


REFUSED = [
    ("", "empty"),
    ("   ", "empty"),
    ("1=1) OR (1=1", "it cannot be read near"),
    ("1; DROP TABLE customers", "';'"),
    ("ours;", "';'"),
    ("ours FROM customers", "FROM"),
    ("DISTINCT ours", "DISTINCT"),
    ("ours, theirs", "several values"),
    ("ours AS x", "ours AS x"),
    ("1 UNION SELECT 2", "statement"),
    ("(SELECT 1)", "(SELECT 1)"),
    ("ours IN (SELECT 1)", "subquery"),
    ("EXISTS(SELECT 1)", "EXISTS"),
    ("load_extension('x')", "function LOAD_EXTENSION"),
    ("__import__('os')", "function __IMPORT__"),
    ("RANDOM()", "function RAND"),
    ("ours || ", "a value is missing near '||'"),
    ("ours BETWEEN 1", "a value is missing near '1'"),
    ("CASE WHEN", "a value is missing"),
    ("NULLIF(ours)", "a value is missing"),
    ("GREATEST()", "a value is missing"),
    ("GREATEST(ours theirs)", "a ) is missing near 'theirs'"),
    ("from", "it cannot be read"),
    ("CURRENT_TIMESTAMP", "function CURRENT_TIMESTAMP"),
    ("COUNT(*)", "function COUNT"),
    ("MAX(ours)", "function MAX"),
    ("SUM(ours) OVER ()", "SUM(ours) OVER ()"),
    ("ours / 2", "ours / 2"),
    ("ours % 2", "ours % 2"),
    ("ours & 2", "ours & 2"),
    ("ours[1]", "ours[1]"),
    ("ours -> 'a'", "function JSON_EXTRACT"),
    ("ours.*", "ours.*"),
    ("*", "* "),
    (":x", ":x"),
    ("?", "? "),
    ("@x", "@x"),
    ("{{ ours }}", "STRUCT"),
    ("x'00'", "it cannot be read near"),
    ("0x10", "0 AS x10"),
    ("INTERVAL '1' day", "INTERVAL"),
    ("ours LIKE 'a' ESCAPE 'b'", "ESCAPE"),
    ("ours ILIKE 'a'", "ILIKE"),
    ("ours IS TRUE", "IS takes only NULL"),
    ("ours COLLATE nocase", "COLLATE"),
    ("CAST(ours AS DATE)", "CAST to DATE"),
    ("CAST(ours AS DECIMAL(10, 2))", "CAST to DECIMAL(10, 2)"),
    ("TRIM(LEADING 'x' FROM ours)", "TRIM with"),
    ("IF(1, 2, 3)", "function IF"),
    ("ours.nope", "no column 'nope'"),
    ("price", "'price' is unknown"),
    ("mine.price", "'mine' is no side"),
    ("base.price", "base has no columns"),
    ("main.ours.price", "main.ours.price"),
    ("'unclosed", "not closed"),
    ("1e99999", "digits"),
    ("LENGTH('a', 'b')", "LENGTH with"),
    ("SUBSTR('a')", "SUBSTR"),
    ("(" * 1900 + "1" + ")" * 1900, "nested too deeply"),
    ("NOT " * 900 + "1", "nested too deeply"),
    ("(" * 32 + "1" + ")" * 32, "nested deeper"),
    ("+".join(["1"] * 400), "500 parts"),
    ("'" + "a" * 5000 + "'", "4000 characters"),
]


@pytest.mark.parametrize(("text", "construct"), REFUSED, ids=[text[:30] or "empty" for text, _ in REFUSED])
def test_x5_everything_else_is_refused_by_name(text: str, construct: str) -> None:
    with pytest.raises(Refused) as caught:
        Rule(text, Kind.ANY, COLUMNS)
    assert construct in f"{caught.value} "
    assert caught.value.hint
    told = f"{caught.value} {caught.value.hint}"
    assert [word for word in ("sqlglot", "<class", "Token", "SENTINEL") if word in told] == [], "not in the reader's own names"


def test_a_long_chain_is_one_level() -> None:
    text = " OR ".join(f"ours = {number}" for number in range(10, 90))
    assert run(text) == 0
    assert run("||".join(["ours"] * 150)) == "2" * 150


def test_x9_texts_cannot_be_blown_up() -> None:
    most = "a" * (limits.RULE_TEXT_CHARS_MAX // 2)
    assert run("ours || ours", None, most, "b") == most * 2
    with pytest.raises(MergeError, match="too long"):
        run("(ours || ours) || 'x'", None, most, "b")
    with pytest.raises(MergeError, match="too long"):
        run("((ours || ours) || (ours || ours)) || ((ours || ours) || (ours || ours))", None, most, "b")


def test_x9_numbers_cannot_be_blown_up() -> None:
    square = "ours"
    for _ in range(6):
        square = f"({square} * {square})"
    with pytest.raises(MergeError, match="too long"):
        run(square, None, 2**63 - 1, 0)
    with pytest.raises(MergeError, match="too long"):
        run(square, None, Tagged("decimal", "9" * 100 + ".5"), 0)
    with pytest.raises(MergeError, match="cannot hold"):
        run("ours + 1", None, Tagged("decimal", "9" * 2000), 0)
    with pytest.raises(MergeError, match="cannot hold"):
        run("ours || ''", None, Tagged("decimal", "1e999999999"), 0)


def test_x9_patterns_do_not_backtrack() -> None:
    """A matcher that tries all ways would need longer than the universe has."""
    assert run("ours LIKE theirs", None, "a" * 100_000, "%a" * 400 + "%b") == 0
    with pytest.raises(MergeError, match="long pattern"):
        run("ours LIKE theirs", None, "a", "%" * (limits.RULE_PATTERN_CHARS_MAX + 1))


def test_parsing_gives_a_tree_once() -> None:
    assert parse("ours + 1").sql() == "ours + 1"
