"""From a policy as written to the policy, or to the problem with it."""

from collections.abc import Callable

import pytest

from syncline.merge.policies.choose import NAMES, PLAIN, build_policy, fits
from syncline.merge.policies.custom import Custom
from syncline.merge.policies.registers import Prefer
from syncline.merge.policies.rule import Rule
from syncline.merge.policies.sets import Set
from syncline.merge.policy import Policy
from syncline.model.errors import PolicyUnfit, Problem, UnknownPeer, UnknownPolicy, UsageError
from syncline.model.schema import Kind
from syncline.model.space import PolicySpec

PEERS = ("hq", "munich", "van")


def decide(*_: object) -> object:
    return 1


def load(path: str) -> Callable[..., object]:
    """Stands in for the import that the engine does."""
    if path == "rules:decide":
        return decide
    if path == "rules:broken":
        raise ZeroDivisionError("at import")
    if path == "rules:leaves":
        raise SystemExit(3)
    raise UsageError(f"cannot load {path}", why="no module named rules")


def build(name: str, argument: object = None, kind: Kind = Kind.TEXT) -> Policy | Problem:
    return build_policy(PolicySpec(name, argument, line=7), "field", kind, PEERS, load, ("id", "field"))


def problem(name: str, argument: object = None, kind: Kind = Kind.TEXT) -> Problem:
    """The problem, with what every problem must have."""
    found = build(name, argument, kind)
    assert isinstance(found, Problem)
    assert found.hint
    assert found.line == 7
    assert found.where["column"] == "field"
    return found


@pytest.mark.parametrize("name", PLAIN)
def test_every_plain_policy_is_built_by_its_name(name: str) -> None:
    kind = Kind.INTEGER if name == "counter" else Kind.TEXT
    built = build(name, None, kind)
    assert not isinstance(built, Problem)
    assert built.name == name
    assert isinstance(problem(name, "x" * 9, kind), UnknownPolicy)


def test_policies_that_merge_say_so() -> None:
    three_way = {name for name, make in PLAIN.items() if make().three_way}
    assert three_way == {"counter", "set", "text", "json", "append"}
    assert {name for name, make in PLAIN.items() if make().delta} == {"counter"}


def test_policies_with_an_argument() -> None:
    prefer, single, rule = build("prefer", ["hq", "van"]), build("prefer", "hq"), build("rule", "ours || theirs.ID")
    assert isinstance(prefer, Prefer)
    assert prefer.peers == ("hq", "van")
    assert isinstance(single, Prefer)
    assert single.peers == ("hq",)
    assert isinstance(rule, Rule)
    assert rule.kind is Kind.TEXT
    separated = build("set", ";")
    assert isinstance(separated, Set)
    assert separated.separator == ";"
    for name, argument in (("custom", "rules:decide"), ("custom", "python:rules:decide"), ("python:rules:decide", None)):
        custom = build(name, argument)
        assert isinstance(custom, Custom)
        assert custom.function is decide


MISFITS = {
    "counter": set(Kind) - {Kind.INTEGER, Kind.DECIMAL, Kind.ANY},
    "set": set(Kind) - {Kind.TEXT, Kind.JSON, Kind.ANY},
    "append": set(Kind) - {Kind.TEXT, Kind.JSON, Kind.ANY},
    "json": set(Kind) - {Kind.TEXT, Kind.JSON, Kind.ANY},
    "text": set(Kind) - {Kind.TEXT, Kind.ANY},
    "max": {Kind.JSON, Kind.INTERVAL},
    "min": {Kind.JSON, Kind.INTERVAL},
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", Kind)
def test_a_policy_that_does_not_fit_the_column_is_a_problem_with_a_fix(name: str, kind: Kind) -> None:
    misfit = fits(name, kind)
    assert (misfit is not None) == (kind in MISFITS.get(name, set()))
    if misfit is not None:
        found = problem(name, None, kind)
        assert isinstance(found, PolicyUnfit)
        assert kind.value in found.why
        assert (found.why, found.hint) == misfit


@pytest.mark.parametrize("name", NAMES)
def test_a_key_column_takes_no_policy_but_newest(name: str) -> None:
    assert (fits(name, Kind.INTEGER, key=True) is None) == (name == "newest")


@pytest.mark.parametrize(
    ("name", "argument", "says"),
    [
        ("nearest", None, "no policy 'nearest'"),
        ("", None, "no policy ''"),
        ("prefer", None, "needs peers"),
        ("prefer", [], "needs peers"),
        ("prefer", [1], "needs peers"),
        ("prefer", ["hq", "hq"], "twice"),
        ("rule", None, "needs an expression"),
        ("rule", 12, "needs an expression"),
        ("rule", "ours / 2", "ours / 2"),
        ("rule", "theirs.price", "no column 'price'"),
        ("rule", "1=1) OR (1=1", "it cannot be read near"),
        ("custom", None, "cannot use None"),
        ("custom", "rules", "cannot use 'rules'"),
        ("custom", "../rules:decide", "cannot use"),
        ("custom", "rules:decide()", "cannot use"),
        ("custom", "os:system;x", "cannot use"),
        ("custom", "rules:missing", "no module named rules"),
        ("custom", "rules:broken", "ZeroDivisionError: at import"),
        ("custom", "rules:leaves", "SystemExit: 3"),
        ("set", "and", "cannot separate by 'and'"),
        ("set", "", "cannot separate by ''"),
        ("set", 5, "cannot separate by 5"),
        ("set", ";" * 9, "cannot separate"),
    ],
)
def test_what_is_wrong_is_named_with_its_fix(name: str, argument: object, says: str) -> None:
    found = problem(name, argument)
    assert isinstance(found, UnknownPolicy)
    assert says in f"{found.what}: {found.why}"


def test_an_unknown_peer_is_named() -> None:
    found = problem("prefer", ["hq", "paris"])
    assert isinstance(found, UnknownPeer)
    assert "'paris'" in found.what
    assert "hq, munich, van" in found.hint


def test_what_is_loaded_must_be_a_function() -> None:
    found = build_policy(PolicySpec("custom", "m:f"), "field", Kind.TEXT, PEERS, lambda _path: 5)  # type: ignore[arg-type,return-value]
    assert isinstance(found, Problem)
    assert "cannot be called" in found.what
