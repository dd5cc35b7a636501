"""The algebra of the policies (P12): deterministic, total, the identities of a three-way merge, orders that do not matter."""

import json
from itertools import permutations

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from tests.unit.merge.policies.contests import contest, swapped

from syncline.merge.policies.append import Append
from syncline.merge.policies.counter import Counter
from syncline.merge.policies.custom import Custom
from syncline.merge.policies.jsons import Json
from syncline.merge.policies.jsontext import parse
from syncline.merge.policies.registers import Extreme, First, Manual, Newest, Prefer
from syncline.merge.policies.rule import Rule
from syncline.merge.policies.sets import Set
from syncline.merge.policies.text import Text
from syncline.merge.policy import Contest, Policy, Settled
from syncline.model.codec import decode_row, encode_row
from syncline.model.errors import MergeError
from syncline.model.value import ABSENT, Tagged, Value

QUICK = settings(max_examples=100, deadline=None)
THREE_WAY: tuple[Policy, ...] = (Counter(), Set(), Set(";"), Set("json"), Text(), Json(), Append())
REGISTERS: tuple[Policy, ...] = (Newest(), First(), Prefer(["munich"]), Extreme("max", 1), Extreme("min", -1), Manual())
OTHERS: tuple[Policy, ...] = (
    Rule("COALESCE(GREATEST(ours, theirs), base)"),
    Rule("CASE WHEN ours_time > theirs_time THEN ours || theirs ELSE LENGTH(theirs) + 1 END"),
    Custom("module:largest", lambda base, ours, theirs, context: max(ours, theirs), twice=True),
)
ALL = (*THREE_WAY, *REGISTERS, *OTHERS)

words = st.sampled_from(
    ["a", "b", "b", "red", "dog", " ", ", ", ",", "\n", "\r\n", "é", "漢", ".", "[", "]", '"', "1", "1.0", "{"]
)
prose = st.lists(words, max_size=12).map("".join)
scalars = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["a", "b", "é"])
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=4),
    max_leaves=8,
)
spaced = st.sampled_from([None, 1, 2])
documents = st.builds(lambda tree, indent: json.dumps(tree, indent=indent), trees, spaced)
names = st.sampled_from("abcd")
few = st.integers(0, 2) | st.lists(st.sampled_from("xyz"), unique=True, max_size=3)
objects = st.builds(
    lambda tree, indent: json.dumps(tree, indent=indent),
    st.dictionaries(names, few | st.dictionaries(names, few, min_size=1), min_size=2),
    spaced,
)
numbers = st.decimals(-1000, 1000, places=2, allow_nan=False).map(lambda number: Tagged("decimal", f"{number:f}"))
reals = st.floats(allow_nan=True, allow_infinity=True).map(lambda number: Tagged("real", repr(number)))
moments = st.sampled_from(["infinity", "-infinity", "0044-03-15 BC", "9999-12-31", "10000-01-01"]).map(
    lambda text: Tagged("date", text)
)
anything: st.SearchStrategy[Value] = st.one_of(
    st.none(),
    st.just(ABSENT),
    st.integers(-(2**63), 2**64 - 1),
    st.text(max_size=8),
    prose,
    documents,
    documents.map(lambda text: Tagged("json", text)),
    st.binary(max_size=4),
    numbers,
    reals,
    moments,
    st.sampled_from(
        [Tagged("decimal", "1e999999"), Tagged("decimal", "NaN"), Tagged("boolean", "t"), Tagged("interval", "P1D")]
    ),
)


lines = st.sampled_from(["the red dog\n", "a cat\n", "\n", "red, red\n", "one two three four\r\n", "end"])


@st.composite
def versions(draw: st.DrawFn) -> tuple[str, str, str]:
    """A text and two edits of it, in lines and in words."""
    base = draw(st.lists(lines, max_size=6))
    sides = []
    for _ in range(2):
        side = []
        for line in base:
            change = draw(st.sampled_from(["keep", "keep", "keep", "word", "drop", "add", "replace"]))
            word = draw(words)
            edited = {"drop": "", "add": line + word + "\n", "replace": word, "word": line.replace("red", word, 1)}
            side.append(edited.get(change, line))
        sides.append("".join(side))
    return "".join(base), sides[0], sides[1]


FAMILIES: tuple[st.SearchStrategy[Value], ...] = (
    anything,
    prose,
    documents,
    objects,
    objects.map(lambda text: Tagged("json", text)),
    st.integers(-5, 5),
    st.integers(-5, 5) | numbers,
    st.integers(-5, 5) | reals,
    moments,
    st.lists(st.sampled_from("abcd"), max_size=4).map(";".join),
    st.lists(st.sampled_from(["a", "b", "1"]), max_size=4).map(",".join),
)


@st.composite
def contests(draw: st.DrawFn, values: st.SearchStrategy[Value] | None = None) -> Contest:
    """Two concurrent sides, sometimes with equal times; mostly of one family, as real changes are."""
    times = draw(st.tuples(st.integers(0, 2), st.integers(0, 2)))
    contended = draw(st.booleans())
    if values is None and draw(st.integers(0, 3)) == 0:
        base, ours, theirs = draw(versions())
        return contest(base, ours, theirs, times=times, contended=contended)
    family = draw(st.sampled_from(FAMILIES)) if values is None else values
    side = family.filter(lambda value: value is not ABSENT) | st.none()
    return contest(draw(family | st.just(ABSENT)), draw(side), draw(side), times=times, contended=contended)


def settled(policy: Policy, one: Contest) -> Settled | None:
    """What a policy says; None for a MergeError, the only error that is allowed."""
    try:
        return policy.settle(one)
    except MergeError as error:
        _explained(error)
        return None


def _explained(error: MergeError) -> None:
    assert error.what
    assert error.hint


@pytest.mark.parametrize("policy", ALL, ids=lambda policy: policy.name)
@QUICK
@given(one=contests())
def test_p12_total_and_deterministic(policy: Policy, one: Contest) -> None:
    first = settled(policy, one)
    assert first == settled(policy, one)
    if first is None:
        event("MergeError")
        return
    assert decode_row(encode_row((first.value,))) == (first.value,)
    assert {"ours": one.ours, "theirs": one.theirs}.get(first.winner, first.value) == first.value
    assert not (first.lossless and first.open)
    event(f"{first.winner}{' lossless' if first.lossless else ''}")


@pytest.mark.parametrize("policy", THREE_WAY, ids=lambda policy: policy.name)
@QUICK
@given(one=contests())
def test_a_change_from_what_the_log_holds_stands(policy: Policy, one: Contest) -> None:
    plain = contest(one.ours, one.ours, one.theirs)
    found = settled(policy, plain)
    if found is not None:
        assert found.value == one.theirs
        assert found.lossless


@pytest.mark.parametrize("policy", THREE_WAY, ids=lambda policy: policy.name)
@QUICK
@given(one=contests())
def test_no_change_changes_nothing(policy: Policy, one: Contest) -> None:
    found = settled(policy, contest(one.theirs, one.ours, one.theirs))
    if found is not None:
        assert found.value == one.ours
        assert found.lossless


@pytest.mark.parametrize("policy", [one for one in THREE_WAY if not one.delta], ids=lambda policy: policy.name)
@QUICK
@given(one=contests())
def test_c3_equal_changes_are_no_conflict(policy: Policy, one: Contest) -> None:
    found = settled(policy, contest(one.base, one.ours, one.ours))
    assert found == Settled(one.ours, "ours", lossless=True)


@QUICK
@given(texts=versions(), times=st.tuples(st.integers(0, 2), st.integers(0, 2)))
def test_text_does_not_care_who_is_asked(texts: tuple[str, str, str], times: tuple[int, int]) -> None:
    concurrent = contest(*texts, times=times)
    here, there = Text().settle(concurrent), Text().settle(swapped(concurrent))
    assert (here.value, here.lossless, here.note) == (there.value, there.lossless, there.note)
    event("lossless" if here.lossless else "contested")


@QUICK
@given(one=contests(objects))
def test_json_does_not_care_who_is_asked_beyond_the_order_of_names(one: Contest) -> None:
    concurrent = contest(one.base, one.ours, one.theirs, times=(one.ours_stamp.time, one.theirs_stamp.time))
    here, there = Json().settle(concurrent), Json().settle(swapped(concurrent))
    assert here.lossless == there.lossless
    assert _unordered(here.value) == _unordered(there.value)
    event("lossless" if here.lossless else "contested")


def _unordered(value: Value) -> object:
    if value is None:
        return None
    assert isinstance(value, str)
    assert parse(value)
    return _sorted(json.loads(value))


def _sorted(tree: object) -> object:
    """Arrays of scalars as sets: their additions stand in the log's order."""
    if isinstance(tree, dict):
        return {name: _sorted(part) for name, part in tree.items()}
    if isinstance(tree, list):
        return sorted((repr(_sorted(part)) for part in tree), key=str)
    return tree


@QUICK
@given(one=contests(st.integers(-50, 50) | numbers | st.none()))
def test_newest_max_and_min_do_not_care_who_is_asked(one: Contest) -> None:
    concurrent = contest(one.base, one.ours, one.theirs, times=(one.ours_stamp.time, one.theirs_stamp.time))
    for policy in (Newest(), Extreme("max", 1), Extreme("min", -1), Prefer(["munich", "hq"])):
        assert policy.settle(concurrent).value == policy.settle(swapped(concurrent)).value


@QUICK
@given(base=st.integers(-5, 5) | st.none(), steps=st.lists(st.integers(-9, 9) | st.none(), min_size=2, max_size=4))
def test_c10_c19_counters_converge_to_the_sum_in_every_order(base: int | None, steps: list[int | None]) -> None:
    """Each of several peers writes once, from the same base: `step` more, or NULL."""
    written = [None if step is None else (base or 0) + step for step in steps]
    wanted = (base or 0) + sum((value or 0) - (base or 0) for value in written)
    for order in permutations(written):
        held: Value = base
        for value in order:
            held = Counter().settle(contest(base, held, value)).value
        assert (held or 0) == wanted


elements = st.lists(st.sampled_from(["a", "b", "c", "d", "e", "f"]), unique=True, max_size=5)


@QUICK
@given(base=elements, sides=st.lists(elements, min_size=2, max_size=4), as_json=st.booleans())
def test_c19_sets_converge_in_every_order(base: list[str], sides: list[list[str]], as_json: bool) -> None:
    def text(one: list[str]) -> str:
        return json.dumps(one) if as_json else ", ".join(one)

    gone = {element for side in sides for element in set(base) - set(side)}
    wanted = (set(base) | {element for side in sides for element in side}) - gone
    for order in permutations(sides):
        held: Value = text(base)
        for side in order:
            found = Set().settle(contest(text(base), held, text(side)))
            assert found.lossless
            held = found.value
        assert isinstance(held, str)
        found_elements = json.loads(held) if held.startswith("[") else [one.strip() for one in held.split(",") if one]
        assert len(found_elements) == len(wanted)
        assert set(found_elements) == wanted


notes = st.sampled_from(["x1;", "x2;", "x3;", "\nx4"])


@QUICK
@given(base=prose, additions=st.lists(notes, unique=True, min_size=2, max_size=4))
def test_p7_appended_pieces_are_all_there_in_every_order(base: str, additions: list[str]) -> None:
    for order in permutations(additions):
        held: Value = base
        for addition in order:
            held = Append().settle(contest(base, held, base + addition)).value
        assert held == base + "".join(order)


@QUICK
@given(base=st.lists(scalars, max_size=3), additions=st.lists(st.integers(10, 20), unique=True, min_size=2, max_size=4))
def test_p7_appended_elements_are_all_there_in_every_order(base: list[object], additions: list[int]) -> None:
    for order in permutations(additions):
        held: Value = json.dumps(base)
        for addition in order:
            held = Append().settle(contest(json.dumps(base), held, json.dumps([*base, addition]))).value
        assert isinstance(held, str)
        assert json.loads(held) == [*base, *order]
