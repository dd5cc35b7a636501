"""docs/policies.md is run: every example gives what the page says, and every policy stands in its table."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from tests.unit.merge.policies.contests import contest

from syncline.merge.policies.choose import NAMES, build_policy, fits
from syncline.merge.policies.expression import ALLOWED
from syncline.merge.policy import Policy
from syncline.model.errors import Problem
from syncline.model.schema import Kind
from syncline.model.space import PolicySpec
from syncline.model.value import ABSENT, Tagged, Value

PAGE: Final = Path(__file__).parents[4].joinpath("docs", "policies.md").read_text(encoding="utf-8")
EXAMPLES: Final[list[dict[str, Any]]] = [
    yaml.safe_load(text) for text in re.findall(r"```yaml example\n(.*?)```", PAGE, re.DOTALL)
]
KEYS: Final = {"policy", "kind", "base", "ours", "theirs", "times", "peers", "stands", "conflict", "note", "refused"}
CONFLICTS: Final = {"no": (True, False), "yes": (False, False), "open": (False, True)}


def functions() -> dict[str, Callable[..., object]]:
    """The functions that the page shows."""
    found: dict[str, Callable[..., object]] = {}
    for text in re.findall(r"```python example\n(.*?)```", PAGE, re.DOTALL):
        exec(compile(text, "docs/policies.md", "exec"), found)  # noqa: S102  # the page's own example
    return found


def value(written: object) -> Value:
    """A value as the page writes it: {decimal: '1.10'} for a tagged one."""
    match written:
        case {**tagged}:
            ((kind, text),) = tagged.items()
            return Tagged(str(kind), str(text))
        case None | int() | str():
            return written
        case _:
            raise AssertionError(f"no value: {written!r}")


def name_of(example: dict[str, Any]) -> str:
    """The policy's name."""
    policy = example["policy"]
    return policy if isinstance(policy, str) else next(iter(policy))


def built(example: dict[str, Any]) -> Policy | Problem:
    """The policy of an example, for a column of its kind (default: the kind of ours)."""
    policy = example["policy"]
    argument = None if isinstance(policy, str) else policy[name_of(example)]
    kind = {int: Kind.INTEGER, str: Kind.TEXT}.get(type(example.get("ours")), Kind.ANY)
    spec = PolicySpec(name_of(example), argument)
    return build_policy(spec, "field", Kind(example.get("kind", kind)), ("hq", "munich", "van"), load)


def load(path: str) -> Callable[..., object]:
    return functions()[path.partition(":")[2]]


@pytest.mark.parametrize("example", EXAMPLES, ids=[f"{number}-{name_of(one)}" for number, one in enumerate(EXAMPLES)])
def test_the_example_gives_what_the_page_says(example: dict[str, Any]) -> None:
    assert set(example) <= KEYS
    policy = built(example)
    if "refused" in example:
        assert isinstance(policy, Problem)
        assert example["refused"] in policy.why
        return
    assert not isinstance(policy, Problem), policy
    base = value(example["base"]) if "base" in example else ABSENT
    times, peers = tuple(example.get("times", (10, 20))), tuple(example.get("peers", ("hq", "munich")))
    found = policy.settle(contest(base, value(example["ours"]), value(example["theirs"]), times=times, peers=peers))
    assert found.value == value(example["stands"])
    said = {True: "yes", False: "no"}.get(example["conflict"], example["conflict"])  # YAML reads yes and no as booleans
    assert (found.lossless, found.open) == CONFLICTS[said]
    assert found.note == example.get("note", found.note)


def test_every_policy_has_a_row_in_the_table_a_part_and_an_example() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert [row for row in rows if row in NAMES] == [row for row in rows if row not in ("ours", "theirs", "base")]
    assert set(rows) >= set(NAMES)
    assert set(re.findall(r"^## (\w+)$", PAGE, re.MULTILINE)) == set(NAMES)
    assert {name_of(example) for example in EXAMPLES} == set(NAMES)


def table() -> dict[str, list[str]]:
    """The cells of the table of policies, by policy."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| `")]
    return {row[0].strip("`"): row for row in rows if row[0].strip("`") in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_the_table_tells_the_truth_about_columns_and_merging(name: str) -> None:
    _, _, columns, merges, recorded = table()[name]
    fitting = {kind for kind in Kind if fits(name, kind) is None} - {Kind.ANY}
    if columns.startswith("any"):
        assert fitting == set(Kind) - {Kind.ANY}
    elif columns.startswith("all but"):
        assert fitting == {kind for kind in Kind if kind.value not in columns} - {Kind.ANY}
    else:
        assert fitting == {Kind(word.strip()) for word in columns.split(",")}
    example = next(one for one in EXAMPLES if name_of(one) == name and "refused" not in one)
    policy = built(example)
    assert not isinstance(policy, Problem)
    assert policy.three_way == (merges == "yes")
    assert recorded in ("yes", "no", "open", "only clashes")


def test_every_construct_of_the_rule_language_is_on_the_page() -> None:
    part = PAGE.partition("## rule")[2].partition("## custom")[0].upper()
    spelled = {"Substring": "SUBSTR", "EQ": "`=`", "NEQ": "`<>`", "GT": "`>`", "GTE": "`>=`", "LT": "`<`", "LTE": "`<=`"}
    spelled |= {"Add": "`+`", "Sub": "`-`", "Mul": "`*`", "Neg": "`-`", "DPipe": "\\|\\|", "Is": "IS NULL", "Boolean": "TRUE"}
    silent = {"Paren", "If", "DataType", "Literal", "Column", "Identifier"}
    missing = [kind.__name__ for kind in ALLOWED if kind.__name__ not in silent]
    assert [name for name in missing if spelled.get(name, name.upper()) not in part] == []
