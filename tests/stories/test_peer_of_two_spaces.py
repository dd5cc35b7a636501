"""One file in two spaces: the second is refused, and the first loses nothing."""

from pathlib import Path

import pytest
from tests.stories.conftest import MakeSpace
from tests.stories.space import CUSTOMERS, Space


def _beside(space: Space, name: str = "other", config: str = "other.yaml") -> list[str]:
    """A second space that has van too; the words that name its configuration."""
    if not space.file("depot").exists():
        space.schema = CUSTOMERS
        space.build("depot")
    lines = [f"space: {name}", f"log: {name}.other.db", "peers:", "  van: sqlite:///van.db", "  depot: sqlite:///depot.db"]
    (space.folder / config).write_text("\n".join([*lines, "collections:", "  customers: {}"]) + "\n", encoding="utf-8")
    return ["--config", str(space.folder / config), "--json"]


def test_f26_a_peer_that_another_space_holds_is_refused_by_name_and_the_first_goes_on(make: MakeSpace) -> None:
    space = make()
    space.write("hq", "INSERT INTO customers (id, name) VALUES (1, 'n')")
    space.settle()
    space.write("van", "INSERT INTO customers (id, name) VALUES (2, 'for the first')")
    other = _beside(space)
    for verb in (["check"], ["plan"], ["run", "--until-idle"], ["verify"]):
        told = space.raw(*verb, *other)
        assert told.code != 0, verb
        assert "SYN-P04" in told.text
        assert "story" in told.text
        assert "syncline teardown van" in told.text
    assert not (space.folder / "other.other.db").exists()
    space.settle()
    space.assert_equal()
    assert space.value("hq", "SELECT name FROM customers WHERE id = 2") == "for the first"


def test_f26_a_peer_that_left_may_take_part_elsewhere_and_the_first_space_then_names_the_second(make: MakeSpace) -> None:
    space = make(("hq", "lab", "van"))
    space.write("hq", "INSERT INTO customers (id, name) VALUES (1, 'n')")
    space.settle()
    other = _beside(space)
    space.verb("teardown", "van", "--yes")
    told = space.raw("run", "--until-idle", *other)
    assert told.code == 0, told.text
    assert space.value("depot", "SELECT name FROM customers") == "n"
    space.verb("resume", "van", "--rejoin", code=None)
    space.write("hq", "UPDATE customers SET name = 'moved'")
    told = space.settle(code=3)
    assert told.codes == ["SYN-P04"]
    assert "other" in told.text
    assert space.value("lab", "SELECT name FROM customers") == "moved"
    assert space.value("van", "SELECT name FROM customers") == "n"
    space.write("van", "UPDATE customers SET name = 'for the second'")
    assert space.raw("run", "--until-idle", *other).code == 0
    assert space.value("depot", "SELECT name FROM customers") == "for the second"


def test_a_space_that_changed_its_name_still_has_its_peers(make: MakeSpace, tmp_path: Path) -> None:
    space = make()
    space.settle()
    space.config.write_text(
        space.config.read_text(encoding="utf-8").replace("space: story", "space: renamed"), encoding="utf-8"
    )
    space.write("van", "INSERT INTO customers (id, name) VALUES (1, 'n')")
    space.verb("check")
    space.settle()
    space.assert_equal()
    assert [path.name for path in tmp_path.glob("*.log.db")] == ["story.log.db"]


@pytest.mark.parametrize("where", ["there", "here"])
def test_f26_the_way_out_is_as_the_message_says(make: MakeSpace, where: str) -> None:
    space = make()
    space.settle()
    other = _beside(space)
    config, words = space.config, ["van", "--yes", "--json"]
    if where == "here":  # what is removed here is gone for the space that holds it, so that has to be meant
        config = space.folder / "other.yaml"
        told = space.raw("teardown", str(config), *words)
        assert told.codes == ["SYN-P04"]
        space.settle()  # it still takes part there
        words.append("--foreign")
    assert space.raw("teardown", str(config), *words).code == 0
    assert space.raw("run", "--until-idle", *other).code == 0
