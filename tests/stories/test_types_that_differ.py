"""Columns of two kinds of servers that cannot hold one another's values: told by check, plan and init before anything moves."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.servers import mariadb, postgres
from tests.stories.mixed import Mixed, make
from tests.stories.space import Report, Space

NARROW = {
    "hq": "CREATE TABLE things (id int8 PRIMARY KEY, price numeric(12,4), name text, count int8, label text, day text)",
    "munich": "CREATE TABLE things (id bigint PRIMARY KEY, price decimal(12,2), name varchar(10), count bigint unsigned, "
    "label varchar(40) CHARACTER SET utf8mb3, day date)",
}
NEVER = {
    "hq": "CREATE TABLE things (id int8 PRIMARY KEY, seen timestamptz, photo bytea, name text)",
    "munich": "CREATE TABLE things (id bigint PRIMARY KEY, seen datetime(6), photo int, name longtext)",
}
SAID = {
    ("hq", "count"): ["numbers above 9223372036854775807"],
    ("hq", "price"): ["more than 8 digits before the point"],
    ("munich", "price"): ["more than 2 digits after the point"],
    ("munich", "name"): ["more than 10 characters"],
    ("munich", "count"): ["numbers below 0"],
    ("munich", "label"): ["more than 40 characters", "characters that are not in utf8mb3"],
    ("munich", "day"): ["texts that are not dates"],
}


@pytest.fixture
def mixed(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Mixed]:
    servers = {"hq": postgres.shared(), "munich": mariadb.shared()}
    made = make(tmp_path, servers, schema=request.param, collections={"things": "{}"})
    yield made
    made.close()


def said(advice: list[Report]) -> dict[tuple[str, str], list[str]]:
    """Who cannot hold what, by peer and column."""
    found: dict[tuple[str, str], list[str]] = {}
    for one in (one for one in advice if "column" in one["where"]):
        assert one["code"] == "SYN-C21"
        place = (one["where"]["peer"], one["where"]["column"])
        found.setdefault(place, []).append(one["what"].removeprefix("it cannot hold "))
    return found


@pytest.mark.parametrize("mixed", [NARROW], indirect=True, ids=["narrow"])
def test_d1_d5_d28_what_would_be_parked_is_told_before_anything_moves(mixed: Mixed) -> None:
    checked = mixed.space.verb("check").data
    assert (checked["ok"], checked["problems"]) == (True, [])
    assert said(checked["advice"]) == SAID
    assert said(mixed.space.verb("plan").data["advice"]) == SAID
    mixed.write("hq", "INSERT INTO things VALUES (1, 1.2345, 'fits', 1, 'x', NULL), (2, 1.25, 'fits', 2, 'x', '2024-02-29')")
    mixed.settle(code=None)
    assert [(row["key"], row["peer"], row["code"]) for row in mixed.space.parked()] == [([1], "munich", "rounded")]
    assert [row[0] for row in mixed.rows("munich", "things")] == [2]


@pytest.mark.parametrize("mixed", [NARROW], indirect=True, ids=["narrow"])
def test_d28_init_proposes_the_table_and_writes_what_would_be_parked(mixed: Mixed) -> None:
    out = mixed.space.folder / "proposed.yaml"
    urls = [mixed.servers[peer].url(mixed.databases[peer]) for peer in mixed.servers]
    told = Space.raw("init", *urls, "--out", str(out), "--json")
    assert told.data["collections"] == ["things"]
    assert {one["where"]["column"] for one in told.data["advice"]} == {"price", "name", "count", "label", "day"}
    text = out.read_text(encoding="utf-8")
    assert "it cannot hold more than 10 characters" in text
    checked, proposed = said(Space.raw("check", str(out), "--json").data["advice"]), said(told.data["advice"])
    assert {place: sorted(lacks) for place, lacks in checked.items()} == {
        place: sorted(lacks) for place, lacks in proposed.items()
    }


@pytest.mark.parametrize("mixed", [NEVER], indirect=True, ids=["never"])
def test_d10_d44_columns_that_never_fit_are_refused_by_every_verb(mixed: Mixed) -> None:
    for verb in ("check", "plan", "run"):
        told = mixed.space.verb(verb, code=1)
        refused = {one["where"]["column"] for one in told.data["problems"] if one["code"] == "SYN-C19"}
        assert refused == {"seen", "photo"}, verb
    urls = [mixed.servers[peer].url(mixed.databases[peer]) for peer in mixed.servers]
    told = Space.raw("init", *urls, "--out", str(mixed.space.folder / "proposed.yaml"), "--json")
    assert "SYN-C19" in told.codes
    assert not (mixed.space.folder / "proposed.yaml").exists()
