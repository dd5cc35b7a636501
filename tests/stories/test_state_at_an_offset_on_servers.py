"""`at` where a PostgreSQL server is the peer that is read: beside a hub, without one, and with keys that are no numbers."""

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.servers.postgres import shared
from tests.stories.mixed import Mixed, make
from tests.stories.space import Space
from tests.stories.test_state_at_an_offset import head

TABLE = "CREATE TABLE things (id uuid PRIMARY KEY, at timestamptz, price numeric, ok boolean, raw bytea, doc jsonb, long text)"
IDS = [f"00000000-0000-4000-8000-{n:012d}" for n in range(6)]


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Mixed]:
    made = make(tmp_path, {"hq": shared(), "munich": shared()}, schema=TABLE, collections={"things": "{}"})
    yield made
    made.close()


def then(space: Space, offset: int) -> list[list[str]]:
    out = space.folder / "then.csv"
    space.verb("at", str(offset), "things", "--out", str(out))
    with out.open(encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream))[1:]


def test_a_table_of_every_kind_is_had_again_and_loads_as_it_was(pair: Mixed) -> None:
    space, long = pair.space, "x" * 20_000  # kept out of line by the server, so that a change need not send it
    for n, id in enumerate(IDS[:4]):
        cells = f"'{id}', '2026-11-2{n} 10:00:00+02', {n}.50, {n % 2 == 0}, '\\x00{n}0', '{{\"n\": {n}}}', '{long}{n}'"
        pair.write("hq", f"INSERT INTO things VALUES ({cells})")
    pair.settle()
    offset, before = head(space), pair.rows("hq", "things")
    pair.write("munich", f"UPDATE things SET price = 9.990 WHERE id = '{IDS[0]}'", f"DELETE FROM things WHERE id = '{IDS[1]}'")
    pair.write("hq", f"UPDATE things SET id = '{IDS[5]}', ok = NULL WHERE id = '{IDS[2]}'")
    pair.settle()
    pair.write("hq", f"UPDATE things SET price = 1, long = '' WHERE id = '{IDS[3]}'")  # nobody has captured it
    pair.write("munich", f"UPDATE things SET price = 2 WHERE id = '{IDS[3]}'")
    rows = then(space, offset)
    pair.start()
    assert then(space, offset) == rows, "beside a hub as without one"
    told = space.verb("at", str(offset), "things", IDS[1]).data
    assert told["row"]["price"] == 1.5
    later = space.verb("at", str(head(space)), "things", IDS[1]).data
    assert (later["row"], later["made"]["origin"]) == (None, "munich")
    assert space.stop() == 0
    server = shared()
    database = server.database()
    try:
        literals = [", ".join("NULL" if cell == "" else "'" + cell.replace("'", "''") + "'" for cell in row) for row in rows]
        server.run(database, TABLE, *(f"INSERT INTO things VALUES ({row})" for row in literals))
        assert sorted(server.run(database, "SELECT * FROM things"), key=repr) == before
    finally:
        server.forget(database)
