"""The disk of a MariaDB server is full: nothing counts as there that is not, the others go on, and with space it goes on."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from tests.servers.mariadb import Server, shared
from tests.stories.mixed import Mixed, make
from tests.stories.small_disk import fill, small_disk

ROWS: Final = 20
MANY: Final = 3_000
_SMALL: Final = {"innodb-log-file-size": "16M", "innodb-buffer-pool-size": "64M"}
_WAITING: Final = ("SYN-P07", "SYN-P02")  # full; or it answers nobody, as it waits for space for its own log


@pytest.fixture
def disk() -> Iterator[Path]:
    with small_disk("320m") as place:
        yield place


@pytest.fixture
def pair(disk: Path, tmp_path: Path) -> Iterator[Mixed]:
    """hq on the small disk."""
    server = Server(_SMALL, under=disk)
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
    wide = "repeat(md5(seq), 300)"
    pair.write("munich", f"INSERT INTO customers (id, notes) SELECT seq, {wide} FROM seq_100_to_{99 + MANY}")
    pair.space.wait(lambda: pair.space.state("hq").startswith("waiting"), "hq is waited for")
    assert any(code in pair.space.state("hq") for code in _WAITING)
    for _ in range(5):
        pair.write("munich", "UPDATE customers SET balance = balance + 10 WHERE id < 100")
    filler.unlink()
    server = pair.servers["hq"]
    if not server.is_up:  # where its own log cannot be written MariaDB stops
        server.start()
    pair.space.wait(lambda: len(pair.rows("hq")) == ROWS + MANY, "hq has all rows")
    pair.wait_equal()
    assert {row[2] for row in pair.rows("hq") if row[0] < 100} == {51}
    assert pair.space.stop() == 0
    assert pair.verify()["equal"] is True
    assert pair.space.parked() == []
