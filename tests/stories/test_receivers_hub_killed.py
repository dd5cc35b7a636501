"""The hub is killed with -9 while a peer that only receives is filled, and while it follows a source that counts.

Nothing that happens there is captured, so what a crash leaves has to be told by the watermark alone.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from tests.stories import programs, writers
from tests.stories.life import KINDS as SERVERS
from tests.stories.mixed import Mixed
from tests.stories.programs import Program
from tests.stories.receiving import KINDS, ask, die, fed
from tests.stories.writers import Writer

ROWS: Final = 6_000  # of which a fill makes two ranges
FIRST: Final = 1_000_000  # of the ids that are inserted meanwhile
FILLING: Final = ("f8_mark_in_the_peer:1", "f6_range_appended:1", "f5_applied_but_not_told:1")
FOLLOWING: Final = ("f4_applying:2", "f5_applied_but_not_told:3", "f2_appended_but_not_acknowledged:5")


@pytest.fixture
def mixed(tmp_path: Path, kind: str) -> Iterator[Mixed]:
    """An hq with rows, one of which is counted up."""
    made = fed(tmp_path, kind)
    values = ", ".join(f"({number}, 'row {number}')" for number in range(1, ROWS + 1))
    made.write("hq", f"INSERT INTO customers (id, name) VALUES {values}")
    yield made
    made.close()


@contextmanager
def counting(mixed: Mixed) -> Iterator[Program | Writer]:
    """A program at hq counts customer 1 up, and inserts customers, while the block runs."""
    if "hq" in mixed.servers:
        program: Program | Writer = Program(mixed, "hq", programs.counting(FIRST), SERVERS["postgresql"].passing, 0.005)
    else:
        program = Writer(mixed.space, "hq", writers.counting(FIRST), 0.005)
    program.start()
    try:
        yield program
    finally:
        program.finish()


def agree(mixed: Mixed, done: int) -> None:
    """Nothing of so many transactions is lost, nothing is there twice, and nothing else was ever changed."""
    mixed.settle()
    mixed.assert_equal()
    rows = {row[0]: row for row in mixed.rows("depot")}
    assert rows.pop(1)[2] == done
    assert {key: row[2] for key, row in rows.items() if key >= FIRST} == dict.fromkeys(range(FIRST, FIRST + -(-done // 3)), 1)
    assert {key: row[1:3] for key, row in rows.items() if key < FIRST} == {n: (f"row {n}", 0) for n in range(2, ROWS + 1)}
    assert mixed.verify()["equal"] is True


@pytest.mark.parametrize("kind", ["postgresql", "sqlite"])
def test_f1_f2_f4_f5_f6_f8_killed_wherever_half_is_done_while_it_fills_and_follows(mixed: Mixed, kind: str) -> None:
    with counting(mixed) as program:
        for place in FILLING:
            assert len(mixed.rows("depot")) < ROWS, "it was not filled yet"
            die(mixed, f"{kind}.{place}")
        for place in FOLLOWING:
            program.wait_for(20)
            die(mixed, f"{kind}.{place}")
    agree(mixed, program.done)
    assert ask(mixed, KINDS[kind].captures) == [(0,)]


@pytest.mark.parametrize("kind", ["postgresql"])
def test_f1_f2_f4_f5_p7_killed_at_random_moments_nothing_is_lost_or_doubled(mixed: Mixed, kind: str) -> None:
    rng = random.Random(9)
    space = mixed.space
    with counting(mixed) as program:
        for _ in range(3):
            space.hub = space.spawn("hub", "-m", "syncline", "run", str(space.config), "--json")
            space.wait(lambda: space.log.exists() and space.status()["hub"].get("running") is True, "a hub runs")
            program.wait_for(rng.randrange(5, 120))
            space.kill()
    agree(mixed, program.done)
