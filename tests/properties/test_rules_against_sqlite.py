"""Rules against SQLite's own evaluation of the same expression, on what both languages mean alike (X5, P12).

Left out, because the languages differ on purpose: texts compared or calculated with numbers (SQLite converts, rules refuse),
LIKE without regard to case, integers beyond 64 bits and decimals (SQLite has binary reals), GREATEST and LEAST of NULL.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from tests.unit.merge.policies.contests import contest

from syncline.merge.policies.refused import Refused
from syncline.merge.policies.rule import Rule
from syncline.model.errors import MergeError
from syncline.model.value import Value

NUMBERS, TEXTS = ("n", "m"), ("s", "t")
letters = st.text(st.sampled_from("aAbB %_é漢"), max_size=4)
small = st.none() | st.integers(-20, 20)


def quoted(text: str) -> str:
    """A text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


@st.composite
def number(draw: st.DrawFn, depth: int) -> str:
    """An expression that gives an integer or NULL."""
    if depth == 0:
        column = st.sampled_from([f"{side}.{name}" for side in ("ours", "theirs") for name in NUMBERS])
        return draw(column | st.integers(0, 9).map(str) | st.just("NULL"))
    one, other = draw(number(depth - 1)), draw(number(depth - 1))
    shape = draw(
        st.sampled_from(["+", "-", "*", "neg", "abs", "length", "coalesce", "nullif", "case", "of", "cast", "condition"])
    )
    match shape:
        case "+" | "-" | "*":
            return f"({one} {shape} {other})"
        case "neg":
            return f"(- {one})"
        case "abs":
            return f"ABS({one})"
        case "length":
            return f"LENGTH({draw(text(depth - 1))})"
        case "coalesce" | "nullif":
            return f"{shape.upper()}({one}, {other})"
        case "case":
            return f"(CASE WHEN {draw(condition(depth - 1))} THEN {one} ELSE {other} END)"
        case "of":
            return f"(CASE {one} WHEN {other} THEN {draw(number(0))} WHEN 0 THEN 1 END)"
        case "cast":
            return f"CAST(CAST({one} AS TEXT) AS INTEGER)"
        case _:
            return draw(condition(depth - 1))


@st.composite
def text(draw: st.DrawFn, depth: int) -> str:
    """An expression that gives a text or NULL."""
    if depth == 0:
        column = st.sampled_from([f"{side}.{name}" for side in ("ours", "theirs") for name in TEXTS])
        return draw(column | letters.map(quoted) | st.just("NULL"))
    one, other = draw(text(depth - 1)), draw(text(depth - 1))
    shape = draw(
        st.sampled_from(["join", "join_number", "case", "lower", "upper", "trim", "substr", "tail", "coalesce", "nullif"])
    )
    match shape:
        case "join":
            return f"({one} || {other})"
        case "join_number":
            return f"({one} || {draw(number(depth - 1))})"
        case "case":
            return f"(CASE WHEN {draw(condition(depth - 1))} THEN {one} ELSE {other} END)"
        case "substr":
            return f"SUBSTR({one}, {draw(st.integers(-4, 4))}, {draw(st.integers(0, 4))})"
        case "tail":
            return f"SUBSTR({one}, {draw(st.integers(-4, 4))})"
        case "coalesce" | "nullif":
            return f"{shape.upper()}({one}, {other})"
        case _:
            return f"{shape.upper()}({one})"


@st.composite
def condition(draw: st.DrawFn, depth: int) -> str:
    """An expression that gives 1, 0 or NULL."""
    kind = number if draw(st.booleans()) else text
    one, other, third = (draw(kind(max(depth - 1, 0))) for _ in range(3))
    plain = ["compare", "null", "not_null", "in", "not_in", "between", "like"]
    shape = draw(st.sampled_from(plain if depth < 1 else [*plain, "and", "or", "not"]))
    match shape:
        case "compare":
            return f"({one} {draw(st.sampled_from(['=', '<>', '<', '<=', '>', '>=']))} {other})"
        case "null":
            return f"({one} IS NULL)"
        case "not_null":
            return f"({one} IS NOT NULL)"
        case "in" | "not_in":
            return f"({one} {shape.replace('_', ' ').upper()} ({other}, {third}))"
        case "between":
            return f"({one} BETWEEN {other} AND {third})"
        case "like":
            return f"({draw(text(0))} LIKE {draw(letters.map(quoted))})"
        case "and" | "or":
            return f"({draw(condition(depth - 1))} {shape.upper()} {draw(condition(depth - 1))})"
        case _:
            return f"(NOT {draw(condition(depth - 1))})"


rows = st.tuples(small, small, st.none() | letters, st.none() | letters)


@pytest.fixture(scope="module")
def database() -> Iterator[sqlite3.Connection]:
    """A database with a table for either side."""
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("PRAGMA case_sensitive_like = ON")
        for side in ("ours", "theirs"):
            db.execute(f"CREATE TABLE {side} (n INTEGER, m INTEGER, s TEXT, t TEXT)")
        yield db


def by_sqlite(db: sqlite3.Connection, expression: str, sides: tuple[tuple[Value, ...], tuple[Value, ...]]) -> Value:
    """What SQLite makes of it."""
    for side, row in zip(("ours", "theirs"), sides, strict=True):
        db.execute(f"DELETE FROM {side}")
        db.execute(f"INSERT INTO {side} VALUES (?, ?, ?, ?)", row)
    found: Value = db.execute(f"SELECT {expression} FROM ours, theirs").fetchone()[0]
    return found


@settings(max_examples=600, deadline=None)
@given(expression=number(3) | text(3) | condition(3), ours=rows, theirs=rows)
def test_rules_give_what_sqlite_gives(
    database: sqlite3.Connection, expression: str, ours: tuple[Value, ...], theirs: tuple[Value, ...]
) -> None:
    one = contest(None, "other", "another", columns=(*NUMBERS, *TEXTS), rows=(ours, theirs))
    wanted = by_sqlite(database, expression, (ours, theirs))
    assert type(wanted) in (int, str, type(None))
    assert Rule(expression, columns=one.columns).settle(one).value == wanted
    event(type(wanted).__name__)


@settings(max_examples=200, deadline=None)
@given(
    number=st.decimals(-1000, 1000, places=3, allow_nan=False),
    places=st.integers(0, 2),
    values=st.lists(st.integers(-9, 9), min_size=2),
)
def test_rounding_and_extremes_agree_where_reals_are_exact(
    database: sqlite3.Connection, number: object, places: int, values: list[int]
) -> None:
    """Halves are exact in binary only for multiples of 1/8 and the like, so only those are rounded here."""
    eighths = round(float(str(number)) * 8) / 8
    wanted = database.execute(f"SELECT ROUND({eighths!r}, {places})").fetchone()[0]
    one = contest(None, 0, 0)
    found = Rule(f"CAST(ROUND({eighths!r}, {places}) AS TEXT)").settle(one).value
    assert isinstance(found, str)
    assert float(found) == wanted
    listed = ", ".join(map(str, values))
    assert Rule(f"GREATEST({listed})").settle(one).value == max(values)
    assert Rule(f"LEAST({listed})").settle(one).value == min(values)


@settings(max_examples=300, deadline=None)
@given(cell=st.text(st.sampled_from("ab\n"), max_size=8), pattern=st.text(st.sampled_from("ab%_"), max_size=6))
def test_like_agrees(database: sqlite3.Connection, cell: str, pattern: str) -> None:
    wanted = database.execute("SELECT ? LIKE ?", (cell, pattern)).fetchone()[0]
    one = contest(None, cell, pattern)
    assert Rule("ours LIKE theirs").settle(one).value == wanted


PIECES = (
    "ours theirs base ours.n ours.s NULL TRUE CASE WHEN THEN ELSE END AND OR NOT IN IS LIKE BETWEEN SELECT FROM CAST AS INT "
    "TEXT DECIMAL LENGTH( SUBSTR( ROUND( GREATEST( COALESCE( EXEC( ) ( , ; -- /* */ ' \" 'a' 1 2.5 1e9 0x1 + - * / % || = <> < "
    "-> :: ? :a @a $1 {{ }} [ ] * ! ~ & ^ \\ \n \0 é"
)


@settings(max_examples=500, deadline=None)
@given(expression=st.lists(st.sampled_from(PIECES.split(" ")), max_size=12).map(" ".join))
def test_x5_any_text_is_a_rule_or_is_refused_with_a_reason(expression: str) -> None:
    try:
        rule = Rule(expression)
    except Refused as refused:
        reasons = [str(refused), refused.hint]
    else:
        reasons = [str(settled(rule)) or "empty text"]
        event("a rule")
    assert all(reasons)


def settled(rule: Rule) -> Value:
    """What a rule gives for 1 and 2, or why not."""
    try:
        return rule.settle(contest(None, 1, 2, columns=("n", "s"), rows=((1, "a"), (2, "b")))).value
    except MergeError as error:
        return error.what
