"""A row finds its range by a few comparisons with bounds: the right one, or none where it is in a gap."""

import random
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from syncline.model.key import order
from syncline.peers.buckets import Buckets, buckets_of
from syncline.peers.protocol import Range

MANY = 1_024


def place_of(buckets: Buckets, key: int) -> int | None:
    """The range of a row, as a statement would tell it: None if it is not one of those to look at."""

    def passed(bound: int) -> bool:
        return key > int(str(buckets.bounds[bound][0]))

    def either(bound: int, below: str, above: str) -> str:
        return above if passed(bound) else below

    first, last = buckets.ends
    if (first > 0 and not passed(first - 1)) or (last < len(buckets.bounds) and passed(last)):
        return None
    return buckets.places[int(buckets.number(str, either))] if buckets.inside("in", "out", either) == "in" else None


@given(st.lists(st.integers(-20, 20), unique=True).map(sorted), st.booleans(), st.booleans(), st.randoms(use_true_random=False))
def test_d27_each_row_is_in_its_range_or_in_none(bounds: list[int], low: bool, high: bool, rng: random.Random) -> None:
    cuts = [None] * low + [(bound,) for bound in bounds] + [None] * high
    every: list[Range] = list(pairwise(cuts))
    ranges = [one for one in every if rng.random() < 0.6]
    buckets = buckets_of(ranges)
    assert (buckets is None) == (not ranges)
    if buckets is None:
        return
    for key in range(-22, 23):
        places = [place for place, one in enumerate(ranges) if holds(one, key)]
        assert place_of(buckets, key) == next(iter(places), None)


def holds(one: Range, key: int) -> bool:
    """Whether a key is in a range."""
    after, upto = one
    return (after is None or order((key,)) > order(after)) and (upto is None or order((key,)) <= order(upto))


def test_ranges_out_of_order_or_empty_or_none_at_all_have_no_buckets() -> None:
    ranges: list[list[Range]] = [
        [],
        [((2,), (2,))],
        [((3,), (2,))],
        [((3,), (4,)), ((1,), (2,))],
        [((1,), (3,)), ((2,), (4,))],
        [((1,), None), ((2,), (4,))],
        [((1,), (2,)), (None, (4,))],
    ]
    assert [buckets_of(some) for some in ranges] == [None] * len(ranges)


def test_what_is_asked_of_a_row_is_as_deep_as_the_list_can_be_halved() -> None:
    buckets = buckets_of([((n,), (n + 1,)) for n in range(0, 2 * MANY, 2)])
    assert buckets is not None
    assert len(buckets.bounds) == 2 * MANY

    def deeper(bound: int, below: str, above: str) -> str:
        return max(below, above, key=lambda part: part.count("(")) + "("

    for deepest in (buckets.number(str, deeper), buckets.inside("in", "out", deeper)):
        assert deepest.count("(") == 11


def test_nothing_is_asked_of_a_row_where_there_is_no_gap() -> None:
    buckets = buckets_of([(None, (1,)), ((1,), (2,)), ((2,), (9,))])
    assert buckets is not None
    assert buckets.inside("all", "none", lambda bound, below, above: "asked") == "all"
