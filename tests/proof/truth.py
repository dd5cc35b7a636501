"""The truth table: what becomes of two changes of one row, for every policy, every delete policy and every pair of operations.

    python -m tests.proof.truth > tests/proof/truth_table.tsv

Two peers; the first one's change is in the log when the second one's arrives. `unseen`: neither knew the other's. `seen`: the
second wrote with the first one's in front of it. The row has a key and one field under the policy.
"""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Final, NamedTuple

from syncline.merge.policies.choose import NAMES, build_policy
from syncline.merge.policy import Policy, Rules
from syncline.merge.transact import settle
from syncline.merge.window import Window
from syncline.model.change import Change, Transaction, Verdict
from syncline.model.entry import Entry
from syncline.model.errors import Problem
from syncline.model.schema import Kind
from syncline.model.space import PolicySpec
from syncline.model.stamp import Position
from syncline.model.value import Row, Value, show

HEADER: Final = ("policy", "deletes", "start", "first", "second", "knowing", "outcome", "winner", "recorded", "sent back")
DELETES: Final = ("update_wins", "delete_wins", "newest", "manual")
PEERS: Final = ("ann", "bob")
UPDATES: Final = ("keep", "same", "other")  # the second peer: does not touch the field, writes the first one's value, another


class Values(NamedTuple):
    """Values of a field that fit a policy: the base, the first peer's, the second one's; and its kind and argument."""

    base: Value
    first: Value
    second: Value
    kind: Kind = Kind.TEXT
    argument: object = None


FITTING: Final[Mapping[str, Values]] = {
    "counter": Values(10, 11, 15, Kind.INTEGER),
    "max": Values(10, 30, 20, Kind.INTEGER),
    "min": Values(10, 30, 20, Kind.INTEGER),
    "set": Values("x,y", "x,y,a", "y,b"),
    "text": Values("one\ntwo\n", "One\ntwo\n", "one\nTwo\n"),
    "json": Values('{"a":1}', '{"a":2}', '{"a":1,"b":3}'),
    "append": Values("x\n", "x\na\n", "x\nb\n"),
    "prefer": Values("x", "a", "b", argument=["ann"]),
    "rule": Values("x", "a", "b", argument="ours || theirs"),
    "custom": Values("x", "a", "b", argument="python:here:longest"),
}


def _longest(base: Value, ours: Value, theirs: Value, context: Mapping[str, object]) -> Value:
    return max(str(ours), str(theirs))


def values_for(name: str) -> Values:
    """The values that fit a policy."""
    return FITTING.get(name, Values("x", "a", "b"))


def policy_for(name: str) -> Policy:
    """A policy by its name."""
    values = values_for(name)
    built = build_policy(PolicySpec(name, values.argument), "field", values.kind, PEERS, lambda _path: _longest)
    if isinstance(built, Problem):
        raise built
    return built


def pairs() -> Iterator[tuple[str, str, str]]:
    """Every start with every pair of operations that it allows."""
    yield from (("row", first, second) for first, second in product(("update", "delete"), (*UPDATES, "delete")))
    yield from (("row", "update", "insert"), ("row", "delete", "insert"))
    yield from (("none", "insert", second) for second in ("same", "other"))


def rows() -> Iterator[tuple[str, ...]]:
    """All rows of the table. Delete policies are crossed with one register, field policies with the first delete policy."""
    for name, (start, first, second), seen in product(NAMES, pairs(), (False, True)):
        if _possible(start, first, second, seen=seen):
            yield _row(name, DELETES[0], start, first, second, seen=seen)
    for deletes, (start, first, second), seen in product(DELETES[1:], pairs(), (False, True)):
        if _possible(start, first, second, seen=seen):
            yield _row("newest", deletes, start, first, second, seen=seen)


def _possible(start: str, first: str, second: str, *, seen: bool) -> bool:
    """Whether somebody who knows the first change can make the second."""
    if first == "delete":
        return (second == "insert") is seen or (not seen and second == "insert")
    return second != "insert" and not (seen and start == "none")


def _row(name: str, deletes: str, start: str, first: str, second: str, *, seen: bool) -> tuple[str, ...]:
    values = values_for(name)
    plain = policy_for("newest")
    rules = Rules("things", ("id", "field", "rest"), (plain, policy_for(name), plain), deletes)
    window, book = Window(), {"things": rules}
    begin: Row | None = (1, values.base, "r") if start == "row" else None
    one: Row | None = None if first == "delete" else (1, values.first, "r")
    _log(window, book, 1, "ann", 0, Change("things", (1,), begin, one))
    before = one if seen else None if start == "none" or second == "insert" else begin
    two = _second(values, before, second)
    entry = _log(window, book, 2, "bob", int(seen), Change("things", (1,), before, two))
    view = window.view("things", (1,))
    outcome = view.row if view is not None else None
    verdict = entry.changes[0].verdict if entry.changes else None
    return (
        name, deletes, start, first, second, "seen" if seen else "unseen",
        "no row" if outcome is None else show(outcome[1]), *_told(verdict),
    )  # fmt: skip


def _second(values: Values, before: Row | None, second: str) -> Row | None:
    match second:
        case "delete":
            return None
        case "keep":
            return (1, (before or (1, values.base))[1], "touched")
        case "same":
            return (1, values.first, "r")
        case _:
            return (1, values.second, "r")


def _log(window: Window, book: Mapping[str, Rules], offset: int, peer: str, context: int, change: Change) -> Entry:
    transaction = Transaction(peer, Position(1), context, offset * 1000, (change,))
    return settle(window, book, transaction, offset, transaction.time)


def _told(verdict: Verdict | None) -> tuple[str, str, str]:
    if verdict is None:
        return "-", "-", "no"
    recorded = [f"{one.kind}{' open' if one.open else ''}" for one in verdict.conflicts]
    winners = dict.fromkeys(one.winner or "merged" for one in verdict.conflicts)
    return ", ".join(winners) or "-", ", ".join(recorded) or "-", "yes" if verdict.correct else "no"


def text() -> str:
    """The table as tab-separated text."""
    return "".join("\t".join(row) + "\n" for row in (HEADER, *rows()))


if __name__ == "__main__":
    print(text(), end="")
