"""Functions of the user's: called, checked, and never believed blindly."""

from collections.abc import Callable
from itertools import count

import pytest
from tests.unit.merge.policies.contests import contest

from syncline.merge.policies.custom import Custom
from syncline.merge.policy import Settled
from syncline.model.errors import MergeError
from syncline.model.value import ABSENT, Tagged, Value


def test_the_function_gets_values_and_context_and_decides() -> None:
    seen: list[object] = []

    def decide(base: object, ours: object, theirs: object, context: dict[str, object]) -> object:
        seen.append((base, ours, theirs, context))
        return ours

    one = contest(ABSENT, "o", "t", columns=("id", "field"), rows=((1, "o"), (1, "t")))
    assert Custom("rules:decide", decide).settle(one) == Settled("o", "ours")
    context = {
        "column": "field",
        "contended": True,
        "ours_peer": "hq",
        "theirs_peer": "munich",
        "ours_time": 10,
        "theirs_time": 20,
        "ours_row": {"id": 1, "field": "o"},
        "theirs_row": {"id": 1, "field": "t"},
    }
    assert seen == [(ABSENT, "o", "t", context)]


@pytest.mark.parametrize("value", [None, 12, "text", b"\x00", Tagged("decimal", "1.5"), 2**64 - 1, -(2**63)])
def test_any_value_may_stand(value: Value) -> None:
    assert Custom("m:f", lambda *_: value).settle(contest(1, 2, 3)) == Settled(value, "merged")


@pytest.mark.parametrize(
    "value",
    [1.5, True, ABSENT, [], {}, object(), 2**64, -(2**63) - 1, "\ud800", Tagged("text", "\ud800"),
     Tagged("", "a"), Tagged("a\0b", "c"), bytearray(b"a"), Ellipsis],
)  # fmt: skip
def test_d19_what_is_no_value_is_an_error(value: object) -> None:
    with pytest.raises(MergeError, match="gave no value"):
        Custom("m:f", lambda *_: value).settle(contest(1, 2, 3))


def _fail(*_: object) -> object:
    raise KeyError("missing")


def _recurse(*arguments: object) -> object:
    return _recurse(*arguments)


@pytest.mark.parametrize("function", [_fail, _recurse, lambda: None, lambda *_: 1 // 0])
def test_c20_f33_a_function_that_fails_is_an_error_with_its_name_and_cause(function: Callable[..., object]) -> None:
    with pytest.raises(MergeError, match="m:f failed") as caught:
        Custom("m:f", function).settle(contest(1, 2, 3))
    assert caught.value.why
    assert caught.value.where["column"] == "field"
    assert caught.value.__cause__ is not None


def test_c20_a_function_that_changes_its_mind_is_caught_by_asking_twice() -> None:
    counter = count()
    with pytest.raises(MergeError, match="not deterministic"):
        Custom("m:f", lambda *_: next(counter), twice=True).settle(contest(1, 2, 3))
    assert Custom("m:f", lambda base, ours, theirs, context: ours + theirs, twice=True).settle(contest(1, 2, 3)).value == 5


def test_a_function_cannot_change_what_the_next_one_is_given() -> None:
    def spoil(_base: object, ours: object, _theirs: object, context: dict[str, object]) -> object:
        assert context.pop("column") == "field"
        context.clear()
        return ours

    assert Custom("m:f", spoil, twice=True).settle(contest(1, 2, 3)).value == 2
