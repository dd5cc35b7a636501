"""What refers to what by foreign keys, and what waits for what."""

from graphlib import TopologicalSorter
from itertools import product

from syncline.mapping.parents import parents_at, parents_first
from syncline.model.schema import Collection, Table


def test_parents_are_told_by_collection_whatever_their_tables_are_called() -> None:
    orders = Collection("orders", ("id",), ("id",), tables={"p": "bestellungen"})
    people = Collection("people", ("id",), ("id",), tables={"p": "Kunden"})
    alone = Collection("alone", ("id",), ("id",))
    tables = {"bestellungen": Table("bestellungen", (), parents=("kunden", "elsewhere")), "Kunden": Table("Kunden", ())}
    found = parents_at("p", {"orders": orders, "people": people, "alone": alone}, tables)
    assert found == {"orders": frozenset({"people"})}


def test_a_table_that_refers_to_itself_waits_for_nothing() -> None:
    tree = Collection("tree", ("id",), ("id",))
    assert parents_at("p", {"tree": tree}, {"tree": Table("tree", (), parents=("tree",))}) == {}


def test_who_refers_to_another_waits_for_it_whatever_the_order_and_wherever_the_key_is() -> None:
    found = parents_first(["lines", "orders", "people"], [{"lines": frozenset({"orders"})}, {"orders": frozenset({"people"})}])
    assert found == {"lines": {"orders"}, "orders": {"people"}}


def test_in_a_circle_each_waits_only_for_those_before_it() -> None:
    circle = {"a": frozenset({"b"}), "b": frozenset({"c"}), "c": frozenset({"a"})}
    assert parents_first(["a", "b", "c"], [circle]) == {"a": frozenset(), "b": frozenset(), "c": {"a"}}


def test_nothing_ever_waits_in_a_circle_and_what_can_come_first_does() -> None:
    """All ways in which three collections can refer to each other."""
    names = ["a", "b", "c"]
    pairs = [(one, other) for one in names for other in names if one != other]
    for chosen in product((False, True), repeat=len(pairs)):
        parents = {one: frozenset(p for (c, p), on in zip(pairs, chosen, strict=True) if on and c == one) for one in names}
        waits = parents_first(names, [parents])
        ranked = list(TopologicalSorter({one: waits.get(one, frozenset()) for one in names}).static_order())
        assert sorted(ranked) == names
        for child, parent in pairs:
            mutual = parent in parents[child] and _reaches(parents, parent, child)
            if parent in parents[child] and (not mutual or parent < child):
                assert parent in waits[child]


def _reaches(parents: dict[str, frozenset[str]], start: str, end: str) -> bool:
    met, left = set(), {start}
    while left:
        met |= left
        left = {parent for one in left for parent in parents[one]} - met
    return end in met
