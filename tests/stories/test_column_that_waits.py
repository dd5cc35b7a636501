"""A column that one peer has and the others have not is told wherever somebody looks, until all have it."""

from tests.stories.space import Space


def _waits(space: Space) -> list[str]:
    return [one["what"] for one in space.status()["waiting_columns"]]


def _told(space: Space, *words: str) -> str:
    return space.raw(*words, "-c", str(space.config)).text


def test_f30_a_column_that_waits_is_told_by_status_at_rest_and_while_a_hub_runs(space: Space) -> None:
    space.write("hq", "INSERT INTO customers (id, name) VALUES (1, 'n')")
    space.settle()
    assert _waits(space) == []
    space.write("hq", "ALTER TABLE customers ADD COLUMN phone TEXT")
    line = "customers: column phone waits: only some peers have it, so it is not synchronized. Next: add it at van too"
    assert _waits(space) == ["column phone waits"]
    assert line in _told(space, "status")
    assert line in _told(space, "run", "--until-idle")

    space.start()
    assert _waits(space) == ["column phone waits"], "from the first moment"
    space.write("hq", "ALTER TABLE customers ADD COLUMN fax TEXT")
    space.wait(lambda: _waits(space) == ["column fax waits", "column phone waits"], "one that came meanwhile is told too")
    space.write("van", "ALTER TABLE customers ADD COLUMN phone TEXT")
    space.write("van", "ALTER TABLE customers ADD COLUMN fax TEXT")
    space.wait(lambda: _waits(space) == [], "all have them")
