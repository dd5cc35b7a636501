"""Which columns can hold one another's values: never, always, or only some, with peer, column and what would be parked."""

import pytest

from syncline.mapping.fit import advise, misfits, orphans
from syncline.mapping.plan import plan
from syncline.model import holds
from syncline.model.holds import Holds, bits
from syncline.model.schema import Column, Kind, Table
from syncline.model.space import CollectionSpec, Direction


def forms(*names: str, **more: object) -> Holds:
    """What a column of these forms holds."""
    return Holds(frozenset(names), **more)  # type: ignore[arg-type]


TEXT, TEN = forms(holds.TEXT), forms(holds.TEXT, size=10)
INT4, INT8 = (
    forms(holds.INTEGER, low=-(2**31), high=2**31 - 1, scale=0),
    forms(holds.INTEGER, low=-(2**63), high=2**63 - 1, scale=0),
)
UNSIGNED = forms(holds.INTEGER, low=0, high=2**64 - 1, scale=0)
CENTS = forms(holds.INTEGER, holds.FRACTION, low=1 - 10**10, high=10**10 - 1, scale=2)
PARTS = forms(holds.INTEGER, holds.FRACTION, low=1 - 10**8, high=10**8 - 1, scale=4)
FLAG = forms(holds.INTEGER, low=0, high=1, loose=True)


def tables(here: Holds, there: Holds) -> dict[str, Table]:
    """Two peers' tables with one column each beside the key."""
    key = Column("id", "bigint", Kind.INTEGER, key_part=1, nullable=False, holds=INT8)
    return {
        peer: Table("things", (key, Column("c", f"type at {peer}", Kind.ANY, holds=one)))
        for peer, one in (("hq", here), ("van", there))
    }


def told(here: Holds, there: Holds, **more: Direction) -> list[tuple[str, str]]:
    """Who cannot hold what."""
    found = list(advise(CollectionSpec("things", direction=more), tables(here, there)))
    assert all(one.where["column"] == "c" and "parked" in one.why for one in found)
    return [(str(one.where["peer"]), one.what.removeprefix("it cannot hold ")) for one in found]


@pytest.mark.parametrize(
    ("here", "there"),
    [
        (forms(holds.BYTES), INT4),
        (forms(holds.BYTES), TEXT),
        (forms(holds.INSTANT), forms(holds.WALL)),
        (forms(holds.DATE), INT8),
        (forms(holds.UUID), forms(holds.JSON)),
        (forms(bits(10)), forms(bits(11))),
        (forms(holds.OTHER), forms(holds.BYTES)),
        (TEXT, CENTS),
    ],
)
def test_d10_d44_columns_of_kinds_that_never_fit_are_refused_once(here: Holds, there: Holds) -> None:
    (problem,) = misfits(CollectionSpec("things", lines={"": 4}), tables(here, there))
    assert (problem.code, problem.line, problem.where["column"]) == ("SYN-C19", 4, "c")
    assert "type at hq" in problem.why
    assert "type at van" in problem.why
    assert told(here, there) == []
    found = plan(CollectionSpec("things", lines={"": 4}), tables(here, there))
    assert isinstance(found, list)
    assert [one.text() for one in found] == [problem.text()]


@pytest.mark.parametrize(
    ("here", "there"),
    [
        (TEXT, TEXT),
        (Holds(), INT4),
        (forms(holds.BYTES), Holds()),
        (forms(holds.REAL), forms(holds.INTEGER, holds.FRACTION, holds.REAL)),
        (forms(holds.INSTANT, fraction=6), forms(holds.INSTANT, fraction=6)),
        (INT8, INT8),
        (TEXT, forms(holds.TEXT, size=2**32 - 1, unit="bytes")),
    ],
)
def test_columns_that_fit_or_of_which_nothing_is_known_are_passed_over(here: Holds, there: Holds) -> None:
    assert list(misfits(CollectionSpec("things"), tables(here, there))) == []
    assert told(here, there) == []


@pytest.mark.parametrize(
    ("here", "there", "expected"),
    [
        (PARTS, CENTS, [("hq", "more than 8 digits before the point"), ("van", "more than 2 digits after the point")]),
        (TEXT, TEN, [("van", "more than 10 characters")]),
        (INT8, INT4, [("van", "numbers outside -2147483648 to 2147483647")]),
        (UNSIGNED, INT8, [("hq", "numbers below 0"), ("van", "numbers above 9223372036854775807")]),
        (TEXT, forms(holds.TEXT, charset="utf8mb3"), [("van", "characters that are not in utf8mb3")]),
        (TEN, forms(holds.TEXT, size=39, unit="bytes"), [("hq", "more than 10 characters"), ("van", "more than 39 bytes")]),
        (TEN, forms(holds.TEXT, size=40, unit="bytes"), [("hq", "more than 10 characters")]),
        (TEXT, forms(holds.DATE), [("van", "texts that are not dates")]),
        (TEXT, forms(holds.LABEL, labels=("a",)), [("van", "other texts than its labels")]),
        (forms(holds.LABEL, labels=("a", "b")), forms(holds.LABEL, labels=("a",)), [("van", "the labels 'b'")]),
        (forms(holds.BYTES), forms(holds.BYTES, size=4, unit="bytes", exactly=True), [("van", "anything but 4 bytes")]),
        (forms(holds.WALL, fraction=6), forms(holds.WALL, fraction=0), [("van", "more than 0 digits after the second")]),
        (INT8, FLAG, []),
    ],
)
def test_d1_d5_d17_d28_values_that_one_side_cannot_hold_are_named(
    here: Holds, there: Holds, expected: list[tuple[str, str]]
) -> None:
    assert list(misfits(CollectionSpec("things"), tables(here, there))) == []
    assert sorted(told(here, there)) == sorted(expected)


def test_what_never_goes_that_way_is_not_told() -> None:
    assert told(TEXT, TEN, van=Direction.SEND) == []
    assert told(TEXT, TEN, van=Direction.RECEIVE) == [("van", "more than 10 characters")]
    spec = CollectionSpec("things", direction={"van": Direction.RECEIVE})
    assert list(misfits(spec, tables(forms(holds.DATE), INT8))) != []


def test_a_parent_table_that_is_no_collection_is_told_with_the_peers_that_refer_to_it() -> None:
    key = (Column("id", "bigint", Kind.INTEGER, key_part=1),)
    held = {peer: {"pets": Table("pets", key, parents=("owners",)), "owners": Table("owners", key)} for peer in ("hq", "van")}
    alone = {"pets": CollectionSpec("pets")}
    (told,) = orphans(alone, held)
    assert told.what == "its parent table owners is no collection"
    assert told.where == {"collection": "pets"}
    assert "at hq, van a foreign key" in told.why
    assert not list(orphans({**alone, "people": CollectionSpec("people", at={"hq": "owners", "van": "Owners"})}, held))
    assert [
        one.why.partition(" a ")[0] for one in orphans({**alone, "owners": CollectionSpec("owners", at={"van": "x"})}, held)
    ] == ["at van"]
