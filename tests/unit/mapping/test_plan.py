"""The mapping plan: what makes a collection, and what stands against it, with peer, column, line and statement."""

import sqlite3
from contextlib import closing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline.mapping.plan import outline, plan
from syncline.mapping.statement import add_column, create_table, quote
from syncline.model import limits
from syncline.model.errors import Problem
from syncline.model.schema import Collection, Column, Kind, Table
from syncline.model.space import CollectionSpec, PolicySpec

STORAGE = {
    Kind.INTEGER: "INTEGER", Kind.TEXT: "TEXT", Kind.REAL: "REAL", Kind.BYTES: "BLOB", Kind.DECIMAL: "NUMERIC", Kind.ANY: ""
}  # fmt: skip


def column(name: str, kind: Kind = Kind.TEXT, **more: Any) -> Column:
    """A column as SQLite declares it."""
    return Column(name, more.pop("declared", STORAGE[kind]), kind, affinity=more.pop("affinity", STORAGE[kind]), **more)


ID = column("id", Kind.INTEGER, key_part=1, nullable=False)
NAME = column("name")
BALANCE = column("balance", Kind.INTEGER)


def table(*columns: Column, name: str = "customers", **more: Any) -> Table:
    """A table of these columns."""
    return Table(name, columns, **more)


def spec(**more: Any) -> CollectionSpec:
    """The collection customers, with lines."""
    lines = {"": 7, "key": 8, "at.b": 9, "merge": 10, "merge.nme": 11}
    return CollectionSpec("customers", lines=lines, **more)


def refused(found: Collection | list[Problem]) -> list[Problem]:
    """The problems; every one must say where and how to fix it."""
    assert isinstance(found, list)
    assert found
    for problem in found:
        assert problem.hint
        assert problem.line
        assert problem.where["collection"] == "customers"
    return found


def one(found: Collection | list[Problem]) -> Problem:
    """The only problem."""
    (problem,) = refused(found)
    return problem


def test_equal_tables_make_a_collection() -> None:
    found = plan(spec(), {"a": table(ID, NAME), "b": table(NAME, ID, name="kunden")})
    assert found == Collection("customers", ("id", "name"), ("id",), (Kind.INTEGER, Kind.TEXT), {"b": "kunden"})


def test_d34_the_key_has_its_own_order() -> None:
    columns = (column("a", key_part=2), column("b"), column("c", key_part=1))
    found = plan(spec(), {"a": table(*columns), "b": table(*columns)})
    assert isinstance(found, Collection)
    assert (found.columns, found.key, found.key_places) == (("a", "b", "c"), ("c", "a"), (2, 0))


def test_d34_peers_may_order_the_key_differently() -> None:
    other = (column("a", key_part=1), column("b"), column("c", key_part=2))
    first = (column("a", key_part=2), column("b"), column("c", key_part=1))
    found = plan(spec(), {"a": table(*first), "b": table(*other)})
    assert isinstance(found, Collection)
    assert found.key == ("c", "a")


def test_kinds_on_which_peers_disagree_are_any() -> None:
    found = plan(spec(), {"a": table(ID, column("x", Kind.INTEGER)), "b": table(ID, column("x", Kind.DECIMAL))})
    assert isinstance(found, Collection)
    assert found.kinds == (Kind.INTEGER, Kind.ANY)


def test_a_declared_key_that_is_unique_everywhere_is_taken() -> None:
    email = column("email", nullable=False)
    found = plan(
        spec(key=("email",)), {"a": table(ID, email, uniques=(("email",),)), "b": table(ID, email, uniques=(("email",),))}
    )
    assert isinstance(found, Collection)
    assert found.key == ("email",)


def test_d23_generated_columns_are_left_out() -> None:
    full = column("full", generated=True)
    found = plan(spec(), {"a": table(ID, NAME, full), "b": table(ID, NAME)})
    assert isinstance(found, Collection)
    assert found.columns == ("id", "name")


def test_d23_a_column_that_only_one_peer_computes_is_refused() -> None:
    found = plan(spec(), {"a": table(ID, column("full", generated=True)), "b": table(ID, column("full"))})
    problem = one(found)
    assert problem.code == "SYN-C19"
    assert problem.where["peer"] == "a"
    assert "a computes it, b stores it" in problem.why


def test_a_missing_table_comes_with_its_statement() -> None:
    problem = one(plan(spec(at={"b": "kunden"}), {"a": table(ID, NAME, uniques=(("name",),)), "b": None}))
    assert (problem.code, problem.line, problem.where["peer"]) == ("SYN-C20", 9, "b")
    assert 'CREATE TABLE "kunden" ("id" INTEGER NOT NULL, "name" TEXT, PRIMARY KEY ("id"), UNIQUE ("name"))' in problem.hint


def test_tables_missing_everywhere_are_all_told() -> None:
    assert [problem.where["peer"] for problem in refused(plan(spec(), {"a": None, "b": None}))] == ["a", "b"]


def test_a_missing_column_comes_with_its_statement() -> None:
    problem = one(plan(spec(), {"a": table(ID, NAME, BALANCE), "b": table(ID, NAME, name="kunden")}))
    assert (problem.code, problem.line) == ("SYN-C19", 9)
    assert dict(problem.where) == {"collection": "customers", "peer": "b", "column": "balance"}
    assert problem.hint == 'ALTER TABLE "kunden" ADD COLUMN "balance" INTEGER'


def test_d40_a_column_in_other_letters_is_to_be_renamed() -> None:
    found = refused(plan(spec(), {"a": table(ID, NAME), "b": table(ID, column("Name"))}))
    assert {problem.hint for problem in found} == {
        'ALTER TABLE "customers" RENAME COLUMN "Name" TO "name"',
        'ALTER TABLE "customers" RENAME COLUMN "name" TO "Name"',
    }


def test_columns_of_policies_are_not_the_plans_business() -> None:
    assert isinstance(plan(spec(merge={"nme": PolicySpec("newest")}), {"a": table(ID), "b": table(ID)}), Collection)


def test_an_outline_tells_what_is_there_beside_the_problems() -> None:
    found, problems = outline(spec(), {"a": table(ID, NAME), "b": None})
    assert found == Collection("customers", ("id", "name"), ("id",), (Kind.INTEGER, Kind.TEXT))
    assert [problem.code for problem in problems] == ["SYN-C20"]


def test_d36_a_table_without_key_is_refused() -> None:
    bare = table(column("x"))
    found = refused(plan(spec(), {"a": bare, "b": bare}))
    assert [(problem.code, problem.where["peer"]) for problem in found] == [("SYN-C13", "a"), ("SYN-C13", "b")]


def test_different_primary_keys_are_refused() -> None:
    problem = one(plan(spec(), {"a": table(ID, NAME), "b": table(column("id", Kind.INTEGER), column("name", key_part=1))}))
    assert problem.code == "SYN-C13"
    assert 'a has ("id"), b has ("name")' in problem.why


def test_a_declared_key_must_be_unique_at_every_peer() -> None:
    email = column("email", nullable=False)
    problem = one(plan(spec(key=("email",)), {"a": table(ID, email, uniques=(("email",),)), "b": table(ID, email)}))
    assert (problem.code, problem.line, problem.where["peer"]) == ("SYN-C13", 8, "b")
    assert problem.hint == 'CREATE UNIQUE INDEX "customers_email_key" ON "customers" ("email")'


def test_d34_a_declared_key_may_not_be_null() -> None:
    loose = table(ID, column("email"), uniques=(("email",),))
    found = refused(plan(spec(key=("email",)), {"a": loose, "b": loose}))
    assert [problem.what for problem in found] == ["a part of the key may be NULL"] * 2


def test_an_unknown_key_column_is_refused_once() -> None:
    problem = one(plan(spec(key=("idd",)), {"a": table(ID), "b": table(ID)}))
    assert (problem.code, problem.line, problem.hint) == ("SYN-C12", 8, "did you mean 'id'?")


@pytest.mark.parametrize(
    "kinds", [(Kind.TEXT, Kind.DECIMAL), (Kind.TEXT, Kind.INTEGER), (Kind.REAL, Kind.INTEGER), (Kind.BYTES, Kind.TEXT)]
)
def test_d2_d44_columns_that_are_stored_differently_are_refused(kinds: tuple[Kind, Kind]) -> None:
    problem = one(plan(spec(), {"a": table(ID, column("x", kinds[0])), "b": table(ID, column("x", kinds[1]))}))
    assert problem.code == "SYN-C19"
    assert problem.where["column"] == "x"
    assert "values would change" in problem.why
    assert f"a declares {STORAGE[kinds[0]]}" in problem.why


def test_d2_numeric_and_integer_store_alike() -> None:
    found = plan(spec(), {"a": table(ID, column("x", Kind.INTEGER)), "b": table(ID, column("x", Kind.DECIMAL))})
    assert isinstance(found, Collection)


@pytest.mark.parametrize("collation", ["NOCASE", "RTRIM", "german"])
def test_d25_d26_a_key_that_is_not_compared_exactly_is_refused(collation: str) -> None:
    code = column("code", key_part=1, collation=collation)
    found = refused(plan(spec(), {"a": table(code), "b": table(code)}))
    assert [problem.where["peer"] for problem in found] == ["a", "b"]
    assert all(f"COLLATE {collation}" in problem.why for problem in found)


def test_d25_the_hint_names_a_collation_that_the_peer_knows() -> None:
    for collation, exact in (("NOCASE", "BINARY"), ("utf8mb4_bin", "utf8mb4_nopad_bin")):
        code = column("code", key_part=1, collation=collation)
        assert all(exact in problem.hint for problem in refused(plan(spec(), {"a": table(code), "b": table(code)})))


def test_d25_collations_do_not_matter_for_numbers_and_other_columns() -> None:
    number = column("id", Kind.INTEGER, key_part=1, collation="NOCASE")
    tables = dict.fromkeys("ab", table(number, column("x", collation="NOCASE")))
    assert isinstance(plan(spec(), tables), Collection)


def test_d37_too_many_columns_are_refused() -> None:
    wide = table(ID, *(column(f"c{number}") for number in range(limits.COLUMNS_MAX)))
    assert "too many" in one(plan(spec(), {"a": wide, "b": wide})).what


def test_too_many_key_columns_are_refused() -> None:
    wide = table(*(column(f"c{number}", key_part=number + 1) for number in range(limits.KEY_COLUMNS_MAX + 1)))
    assert "key columns" in one(plan(spec(), {"a": wide, "b": wide})).what


def test_all_problems_at_once() -> None:
    found = refused(
        plan(
            spec(key=("idd",)),
            {"a": table(ID, NAME, BALANCE), "b": table(ID, column("name", Kind.INTEGER)), "c": None},
        )
    )
    assert sorted(problem.code for problem in found) == ["SYN-C12", "SYN-C19", "SYN-C19", "SYN-C20"]


NAMES = st.text(alphabet=st.characters(codec="utf-8"), min_size=1, max_size=8)


@given(NAMES, st.lists(NAMES, min_size=1, max_size=4, unique=True))
def test_x4_d40_names_stay_inside_their_quotes(name: str, columns: list[str]) -> None:
    made = create_table(name, table(*(column(word, key_part=place + 1) for place, word in enumerate(columns))))
    outside = made.replace('""', "").split('"')[::2]
    assert "".join(outside).replace(" ", "") == f"CREATETABLE({'TEXT,' * len(columns)}PRIMARYKEY({',' * (len(columns) - 1)}))"
    first = quote(columns[0])
    assert add_column(table(name=name), column(columns[0])) == f"ALTER TABLE {quote(name)} ADD COLUMN {first} TEXT"


def test_a_statement_has_the_quotes_of_the_server_that_is_to_run_it() -> None:
    here, there = table(ID, NAME, name="o`r"), table(ID, NAME, name="o`r", quotes="`")
    found = refused(plan(spec(key=("name",)), {"a": here, "b": there}))
    assert [problem.hint for problem in found] == [
        'CREATE UNIQUE INDEX "o`r_name_key" ON "o`r" ("name")',
        "CREATE UNIQUE INDEX `o``r_name_key` ON `o``r` (`name`)",
    ]
    told = one(plan(spec(), {"a": table(ID, NAME, BALANCE), "b": there}))
    assert told.hint == "ALTER TABLE `o``r` ADD COLUMN `balance` INTEGER"
    twin = table(ID, column("Name"), name="o`r", quotes="`")
    found = refused(plan(spec(), {"a": here, "b": twin}))
    assert "ALTER TABLE `o``r` RENAME COLUMN `Name` TO `name`" in [problem.hint for problem in found]
    assert create_table("o`r", there).startswith("CREATE TABLE `o``r` (`id` INTEGER NOT NULL,")


KINDS = st.sampled_from(list(STORAGE))
TABLES = st.lists(
    st.builds(
        lambda name, kind, part, made, order: column(name, kind, key_part=part, generated=made, collation=order),
        st.sampled_from(["a", "A", "b", "c"]), KINDS, st.integers(0, 2), st.booleans(), st.sampled_from(["", "NOCASE"]),
    ),
    min_size=0, max_size=4, unique_by=lambda found: found.name,
).map(lambda columns: table(*columns))  # fmt: skip


@given(
    st.dictionaries(st.sampled_from("xyz"), st.none() | TABLES, min_size=1),
    st.lists(st.sampled_from("abc"), max_size=2, unique=True),
)
def test_whatever_the_tables_a_plan_is_sound_or_refused(tables: dict[str, Table | None], key: list[str]) -> None:
    found = plan(spec(key=tuple(key)), tables)
    if isinstance(found, list):
        refused(found)
        return
    assert found.key
    assert set(found.key) <= set(found.columns)
    for held in tables.values():
        assert held is not None
        columns = [held.column(name) for name in found.columns]
        assert all(one is not None and not one.generated for one in columns)


def test_a_missing_table_is_suggested_as_the_other_peer_declares_it() -> None:
    makes = (
        ("CREATE TABLE", "(id INTEGER PRIMARY KEY, n NOT NULL DEFAULT 0 CHECK (n > 0))"),
        ("CREATE UNIQUE INDEX i ON", "(n)"),
    )
    found = one(plan(spec(at={"b": 'kun"den'}), {"a": table(ID, BALANCE, makes=makes), "b": None}))
    suggested = found.hint.partition("at: ")[2]
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(suggested)
        db.execute('INSERT INTO "kun""den" (id, n) VALUES (1, 1)')
        for refused in ("VALUES (2, 1)", "VALUES (3, -1)", "VALUES (4, NULL)"):
            with pytest.raises(sqlite3.IntegrityError):
                db.execute(f'INSERT INTO "kun""den" (id, n) {refused}')
