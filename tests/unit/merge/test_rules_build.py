"""The rules of a collection: a policy per column, or every problem at once."""

from collections.abc import Callable

from syncline.merge.policies.registers import Newest
from syncline.merge.policies.rule import Rule
from syncline.merge.policy import Rules
from syncline.merge.rules_build import build_rules
from syncline.model.errors import PolicyUnfit, Problem, UnknownColumn, UnknownPeer, UnknownPolicy, UsageError
from syncline.model.schema import Collection, Kind
from syncline.model.space import CollectionSpec, PolicySpec

CUSTOMERS = Collection(
    "customers",
    ("id", "name", "balance", "tags", "notes", "rate"),
    ("id",),
    (Kind.INTEGER, Kind.TEXT, Kind.INTEGER, Kind.TEXT, Kind.TEXT, Kind.REAL),
)


def load(path: str) -> Callable[..., object]:
    raise UsageError(f"cannot load {path}", why="nothing is installed here")


def build(merge: dict[str, PolicySpec], collection: Collection = CUSTOMERS, **rest: object) -> Rules | list[Problem]:
    spec = CollectionSpec(collection.name, merge=merge, **rest)  # type: ignore[arg-type]
    return build_rules(spec, collection, ("hq", "munich"), load)


def names(merge: dict[str, PolicySpec], collection: Collection = CUSTOMERS) -> dict[str, str]:
    """The policy of each column."""
    built = build(merge, collection)
    assert isinstance(built, Rules), built
    assert built.columns == collection.columns
    return {column: policy.name for column, policy in zip(built.columns, built.policies, strict=True)}


def problems(merge: dict[str, PolicySpec], **rest: object) -> list[Problem]:
    built = build(merge, **rest)  # type: ignore[arg-type]
    assert isinstance(built, list)
    assert all(one.hint for one in built)
    assert all(one.where["collection"] == "customers" for one in built)
    return built


def test_without_a_word_every_column_has_newest() -> None:
    assert set(names({}).values()) == {"newest"}


def test_columns_have_their_own_policy_or_the_default_and_keys_have_newest() -> None:
    found = names(
        {
            "default": PolicySpec("prefer", ["hq"]),
            "balance": PolicySpec("counter"),
            "tags": PolicySpec("set"),
            "rate": PolicySpec("newest"),
        }
    )
    assert found == {"id": "newest", "name": "prefer", "balance": "counter", "tags": "set", "notes": "prefer", "rate": "newest"}


def test_a_key_column_may_say_newest() -> None:
    assert names({"id": PolicySpec("newest")})["id"] == "newest"


def test_deletes_and_collection_are_carried_over() -> None:
    built = build({}, deletes="delete_wins")
    assert isinstance(built, Rules)
    assert (built.collection, built.deletes) == ("customers", "delete_wins")


def test_a_rule_knows_the_columns_and_the_kind() -> None:
    built = build({"rate": PolicySpec("rule", "CASE WHEN ours.NAME IS NULL THEN theirs ELSE ours END")})
    assert isinstance(built, Rules)
    rule = built.policies[5]
    assert isinstance(rule, Rule)
    assert rule.kind is Kind.REAL


def test_a_collection_of_unknown_kinds_takes_any_policy() -> None:
    plain = Collection("customers", ("id", "a", "b"), ("id",))
    assert names({"a": PolicySpec("counter"), "b": PolicySpec("text")}, plain) == {"id": "newest", "a": "counter", "b": "text"}


def test_a_column_called_default_is_a_column() -> None:
    odd = Collection("customers", ("id", "default", "b"), ("id",))
    assert names({"default": PolicySpec("counter")}, odd) == {"id": "newest", "default": "counter", "b": "newest"}


def test_all_problems_come_at_once_in_the_order_of_the_text() -> None:
    found = problems(
        {
            "default": PolicySpec("counter", line=3),
            "rate": PolicySpec("counter", line=11),
            "id": PolicySpec("manual", line=4),
            "balanse": PolicySpec("counter", line=5),
            "zzz": PolicySpec("newest", line=6),
            "name": PolicySpec("prefer", ["hq", "paris"], line=7),
            "balance": PolicySpec("nearest", line=8),
            "tags": PolicySpec("custom", "rules:f", line=9),
            "notes": PolicySpec("rule", "ours.nme", line=10),
        },
        deletes="sometimes",
        lines={"deletes": 12},
    )
    assert [(one.line, type(one)) for one in found] == [
        (4, PolicyUnfit),
        (5, UnknownColumn),
        (6, UnknownColumn),
        (7, UnknownPeer),
        (8, UnknownPolicy),
        (9, UnknownPolicy),
        (10, UnknownPolicy),
        (11, PolicyUnfit),
        (12, UnknownPolicy),
    ]
    text = "\n".join(one.text() for one in found)
    assert "did you mean balance?" in text
    assert "use one of: id, name" in text
    assert "nothing is installed here" in text


def test_a_default_that_fits_not_every_column_is_one_problem_that_names_them() -> None:
    (found,) = problems({"default": PolicySpec("counter", line=3), "notes": PolicySpec("text")})
    assert isinstance(found, PolicyUnfit)
    assert "name, tags, rate" in found.what
    assert found.line == 3


def test_a_bad_default_is_one_problem() -> None:
    (found,) = problems({"default": PolicySpec("prefer", ["paris"], line=3)})
    assert isinstance(found, UnknownPeer)
    assert found.line == 3


def test_lines_are_taken_from_the_collection_where_the_policy_has_none() -> None:
    (found,) = problems({"tags": PolicySpec("counter")}, lines={"merge.tags": 21})
    assert found.line == 21
    (found,) = problems({"id": PolicySpec("first")}, lines={"merge.id": 22})
    assert found.line == 22
    (found,) = problems({"nope": PolicySpec("first")}, lines={"merge.nope": 23})
    assert found.line == 23


def test_newest_is_what_stands_where_nothing_is_said() -> None:
    built = build({})
    assert isinstance(built, Rules)
    assert all(isinstance(policy, Newest) for policy in built.policies)
