"""A peer lost its history and joins again: what of its rows does not stand is told before and after, and can be put back."""

import pytest
from tests.stories.space import Space

from syncline.cli.status import set_aside

TRACES = (
    "SELECT type, name FROM sqlite_schema WHERE name LIKE '\\_syncline%' ESCAPE '\\' AND type IN ('trigger', 'table') "
    "ORDER BY type DESC"
)


def _lost(space: Space) -> None:
    """Five customers everywhere; then the van loses its history, and writes to three of them."""
    space.write("hq", *(f"INSERT INTO customers (id, name) VALUES ({number}, 'n{number}')" for number in range(1, 6)))
    space.settle()
    space.write("van", *(f'DROP {kind!s} "{name!s}"' for kind, name in space.read("van", TRACES)))
    space.write(
        "van",
        "UPDATE customers SET name = 'newest', iban = 'DE1' WHERE id IN (1, 2)",
        "UPDATE customers SET iban = 'x' WHERE id = 3",
    )


@pytest.mark.parametrize("served", [True, False])
def test_a_rejoin_tells_how_many_rows_it_sets_aside_and_how_to_put_them_back(space: Space, served: bool) -> None:
    _lost(space)
    if served:
        space.start(live=("hq",))
        space.wait(lambda: space.state("van").startswith("broken SYN-P06"), "it is noticed")
    stopped = space.state("van")
    assert "--rejoin'. Where its rows differ and nothing tells who wrote last, the space's values stand" in stopped
    assert space.raw("resume", "van", "-c", str(space.config)).text.count("the space's values stand") == 1, "said once"

    told = space.raw("resume", "van", "--rejoin", "-c", str(space.config)).text
    if not served:
        assert "the space's values will stand, and van's are kept as conflicts" in told
        told = space.raw("run", "--until-idle", "-c", str(space.config)).text
    assert "van: when it joined, 3 rows of it differed from the space's and were set aside as conflicts" in told
    found = space.status()["peers"]["van"]["set_aside"]
    assert found["rows"] == 3
    assert set_aside("van", found) in told
    assert set_aside("van", found) in space.raw("status", "-c", str(space.config)).text
    assert space.status()["peers"]["hq"]["set_aside"] is None

    listed = space.conflicts("--all", "--after", found["after"])
    assert {one["key"][0] for one in listed} == {1, 2, 3}
    ids = [one["id"] for one in listed]
    space.verb("conflicts", "resolve", ids[0], "--take", "van")
    assert space.status()["peers"]["van"]["set_aside"]["rows"] == 2
    decided = space.verb("conflicts", "resolve", *ids[1:], "--take", "van").data["decided"]
    assert [one["settled"] for one in decided] == ids[1:]
    assert space.status()["peers"]["van"]["set_aside"] is None
    if served:
        space.stop()
    space.settle()
    assert space.read("hq", "SELECT id, name, iban FROM customers WHERE id < 4") == [
        (1, "newest", "DE1"), (2, "newest", "DE1"), (3, "n3", "x")
    ]  # fmt: skip
    space.assert_equal()
