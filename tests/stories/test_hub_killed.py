"""The hub is killed with -9: at random moments under load, and at every place where half of something is done."""

import random
from pathlib import Path
from typing import Final

import pytest
from tests.stories.conftest import MakeSpace
from tests.stories.dying import KILLED, Point
from tests.stories.dying import POINTS as POINTS_BY_KIND
from tests.stories.space import Space
from tests.stories.writers import Writer, assert_counted, counting, writing

HERE: Final = Path(__file__).parent
ROWS: Final = 8_000


def test_f1_f2_f4_f5_p7_killed_five_times_under_load_nothing_is_lost_or_doubled(space: Space) -> None:
    rng = random.Random(20260)
    space.write("hq", "INSERT INTO customers (id, name) VALUES (1, 'Ada')")
    space.settle()
    writers = [(Writer(space, peer, counting(first), 0.002), first) for peer, first in (("hq", 10**6), ("van", 2 * 10**6))]
    space.start()
    with writing(*(writer for writer, _ in writers)):
        for _ in range(5):
            for writer, _ in writers:
                writer.wait_for(rng.randrange(10, 250))
            space.kill()
            space.start(live=())
    space.stop()
    space.settle()
    assert_counted(space, writers)
    space.assert_equal()
    assert space.verify()["equal"]


POINTS: Final = POINTS_BY_KIND["sqlite"]
TIMES: Final = [pytest.param(name, number, id=f"{name}-{number}") for name, point in POINTS.items() for number in point.times]


@pytest.mark.parametrize(("point", "number"), TIMES)
def test_f1_f2_f4_f5_f6_f7_f8_killed_at_every_point_where_half_is_done(make: MakeSpace, point: str, number: int) -> None:
    space = _offices(make, POINTS[point])
    mine = {"hq": 1, "van": 2 if POINTS[point].joining else 1}  # offices that have not met have no common counter
    if not POINTS[point].joining:
        space.settle()
    hq, van = (Writer(space, peer, counting(first, mine[peer]), 0.01) for peer, first in (("hq", 10**6), ("van", 2 * 10**6)))
    with writing(hq, van):
        process = space.spawn("dying", str(HERE / "dying.py"), f"sqlite.{point}:{number}", "run", str(space.config), "--json")
        try:
            assert process.wait(60) == KILLED, f"{point} was not reached for the {number}. time\n{space.said('dying')}"
        finally:
            process.kill()
    space.write("hq", "DELETE FROM customers WHERE id = 17")  # while nobody looks
    space.settle()
    assert_counted(space, [(hq, 10**6), (van, 2 * 10**6)])
    space.assert_equal()
    assert space.value("van", "SELECT count(*) FROM customers WHERE id = 17") == 0
    assert space.verify()["equal"]


def _offices(make: MakeSpace, point: Point) -> Space:
    """Two populated offices that have not met: half of the rows at both, customer 1 only here, customer 2 only there."""
    space = make(settings="" if point.keeping else "{retention_seconds: 0.001}")
    rows = ROWS if point.joining else ROWS // 10
    many = f"WITH many(n) AS (SELECT 3 UNION ALL SELECT n + 1 FROM many WHERE n < {rows})"
    for peer, customer, first in (("hq", 1, 0), ("van", 2, rows // 2)):
        names = f"{many} INSERT INTO customers (id, name) SELECT n + {first}, 'row ' || (n + {first}) FROM many"
        space.write(peer, names, f"INSERT INTO customers (id, name) VALUES ({customer}, 'counted here')")
    return space
