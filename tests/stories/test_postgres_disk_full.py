"""The disk of a server is full: nothing counts as there that is not, the others go on, and with space it goes on by itself."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from tests.servers.postgres import Server, shared
from tests.stories.mixed import Mixed, make
from tests.stories.small_disk import fill, small_disk

ROWS: Final = 20
_WAITING: Final = ("SYN-P07", "SYN-P02")  # full, or down: where its own log cannot be written PostgreSQL stops


@pytest.fixture
def disk() -> Iterator[Path]:
    with small_disk("256m") as place:
        yield place


@pytest.fixture
def pair(disk: Path, tmp_path: Path) -> Iterator[Mixed]:
    """hq on the small disk."""
    server = Server(under=disk)
    mixed = make(tmp_path, {"hq": server, "munich": shared()})
    mixed.write("hq", *(f"INSERT INTO customers (id, name) VALUES ({n}, 'name {n}')" for n in range(ROWS)))
    yield mixed
    mixed.close()
    server.remove()


def test_f13_a_server_whose_disk_is_full_goes_on_when_there_is_space(pair: Mixed, disk: Path) -> None:
    pair.start()
    pair.write("hq", "UPDATE customers SET balance = balance + 1")
    pair.wait_equal()
    filler = fill(disk)
    wide = "(SELECT string_agg(md5(n::text || m::text), '') FROM generate_series(1, 300) AS m)"
    pair.write("munich", f"INSERT INTO customers (id, notes) SELECT n, {wide} FROM generate_series(100, 3099) AS n")
    pair.space.wait(lambda: pair.space.state("hq").startswith("waiting"), "hq is waited for")
    for _ in range(5):
        pair.write("munich", "UPDATE customers SET balance = balance + 10 WHERE id < 100")
    pair.space.wait(lambda: any(code in pair.space.state("hq") for code in _WAITING), "it tells what it waits for")
    filler.unlink()
    server = pair.servers["hq"]
    if not server.is_up:
        server.stop()
        server.start()
    pair.space.wait(lambda: len(pair.rows("hq")) == ROWS + 3000, "hq has all rows")
    pair.wait_equal()
    assert {row[2] for row in pair.rows("hq") if row[0] < 100} == {51}
    assert pair.space.stop() == 0
    assert pair.verify()["equal"] is True
