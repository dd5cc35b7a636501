"""Connections to MariaDB on which nothing comes and nothing ends: a way that swallows everything, a server that is frozen.

The hub runs with shorter bounds than usual; it is to notice within the sum of them, and a little for a busy machine.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from tests.servers.mariadb import Server, shared
from tests.servers.proxy import Proxy
from tests.stories.mixed import Mixed, make

HURRIED: Final = (str(Path(__file__).with_name("hurried.py")), "PEER_QUIET_SECONDS=1", "PEER_SILENT_SECONDS=2")
NOTICED_SECONDS: Final = 1 + 2 + 2 + 5
ROWS: Final = 20


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Mixed]:
    """munich on a server of its own, which may be frozen."""
    server = Server()
    mixed = make(tmp_path, {"hq": shared(), "munich": server})
    mixed.write("hq", *(f"INSERT INTO customers (id, name) VALUES ({n}, 'name {n}')" for n in range(ROWS)))
    yield mixed
    server.thaw()
    mixed.close()
    server.remove()


def _notices(mixed: Mixed) -> bool:
    return "SYN-P02" in mixed.space.state("munich")


def test_f15_connections_that_swallow_everything_are_noticed_and_made_anew(pair: Mixed) -> None:
    proxy = Proxy(pair.servers["munich"].port)
    pair.detour("munich", proxy.port)
    pair.start(*HURRIED)
    assert proxy.swallow() >= 3
    begun = time.monotonic()
    pair.write("hq", "UPDATE customers SET balance = balance + 1")
    pair.write("munich", "UPDATE customers SET balance = balance + 10")
    pair.space.wait(lambda: pair.balances("hq") == {11}, "what munich wrote arrives", NOTICED_SECONDS)
    assert time.monotonic() - begun > 2, "they were not swallowed"
    pair.wait_equal()
    assert pair.space.stop() == 0
    assert pair.verify()["equal"] is True
    proxy.close()


def test_f15_f17_f29_a_frozen_server_is_noticed_and_what_it_does_once_thawed_counts_once(pair: Mixed) -> None:
    pair.start(*HURRIED)
    munich = pair.servers["munich"]
    for _ in range(5):
        pair.write("hq", "UPDATE customers SET balance = balance + 1")
    munich.freeze()
    for _ in range(5):
        pair.write("hq", "UPDATE customers SET balance = balance + 1")
    pair.space.wait(lambda: _notices(pair), "the silence is noticed", NOTICED_SECONDS)
    pair.write("hq", "UPDATE customers SET balance = balance + 1")
    munich.thaw()
    pair.space.wait(lambda: pair.balances("munich") == {11}, "munich goes on")
    pair.wait_equal()
    assert pair.space.stop() == 0
    assert pair.verify()["equal"] is True
