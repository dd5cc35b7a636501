"""The merge rules of the explored collections, built as a configuration would build them."""

from collections.abc import Callable
from functools import cache

from tests.proof.words import COLUMNS, PEERS

from syncline.merge.policies.choose import build_policy
from syncline.merge.policy import Policy, Rules
from syncline.model.errors import Problem
from syncline.model.schema import Kind
from syncline.model.space import PolicySpec


def _no_code(path: str) -> Callable[..., object]:
    raise LookupError(path)


@cache
def policy(name: str, kind: Kind = Kind.TEXT, argument: object = None) -> Policy:
    """A policy by its name in a configuration."""
    found = build_policy(PolicySpec(name, argument), "a", kind, PEERS, _no_code)
    if isinstance(found, Problem):
        raise found
    return found


@cache
def rules(collection: str, deletes: str, register: str = "newest") -> Rules:
    """A register by the given policy, a counter and a set, mixed in one row."""
    argument = ("q", "p") if register == "prefer" else None
    key, counter = policy("newest", Kind.INTEGER), policy("counter", Kind.INTEGER)
    return Rules(collection, COLUMNS, (key, policy(register, argument=argument), counter, policy("set")), deletes)
