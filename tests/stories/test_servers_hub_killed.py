"""The hub is killed with -9 at every place where half of something is done, its peers being database servers under load."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import psycopg
import pymysql
import pytest
from tests.servers import mariadb, postgres
from tests.stories.dying import KILLED, POINTS
from tests.stories.mixed import Mixed, make
from tests.stories.programs import Program, assert_counted, counting, working

HERE: Final = Path(__file__).parent
ROWS: Final = 6_000
AT_ONCE: Final = "{retention_seconds: 0.001}"


class Kind(NamedTuple):
    """A kind of server: one that tests share, and the errors after which a program begins its transaction anew."""

    server: Callable[[], Any]
    passing: tuple[type[Exception], ...]


KINDS: Final = {
    "postgresql": Kind(postgres.shared, (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure)),
    "mariadb": Kind(mariadb.shared, (pymysql.err.OperationalError,)),  # a deadlock, or a lock that was waited for too long
}
PLACES: Final = [  # each once, at its last time, when most is under way
    pytest.param(kind, name, point.times[-1], id=f"{kind}-{name}") for kind in KINDS for name, point in POINTS[kind].items()
]


@pytest.fixture
def offices(tmp_path: Path, kind: str, point: str) -> Iterator[Mixed]:
    """Two populated offices that have not met: half of the rows at both, customer 1 only here, customer 2 only there."""
    server = KINDS[kind].server()
    mixed = make(tmp_path, {"hq": server, "munich": server}, settings="" if POINTS[kind][point].keeping else AT_ONCE)
    rows = ROWS if POINTS[kind][point].joining else ROWS // 20
    for peer, customer, first in (("hq", 1, 0), ("munich", 2, rows // 2)):
        values = ", ".join(f"({n + first}, 'row {n + first}')" for n in range(3, rows))
        mixed.write(peer, f"INSERT INTO customers (id, name) VALUES ({customer}, 'counted here'), {values}")
    yield mixed
    mixed.close()


@pytest.mark.parametrize(("kind", "point", "number"), PLACES)
def test_f1_f2_f4_f5_f6_f7_f8_killed_at_every_point_where_half_is_done(
    offices: Mixed, kind: str, point: str, number: int
) -> None:
    joining, passing = POINTS[kind][point].joining, KINDS[kind].passing
    if not joining:
        offices.settle()
    counters = {"hq": (1, 10**6), "munich": (2 if joining else 1, 2 * 10**6)}  # offices that have not met have none in common
    programs = [(Program(offices, peer, counting(first, one), passing), first) for peer, (one, first) in counters.items()]
    with working(*(program for program, _ in programs)):
        words = (f"{kind}.{point}:{number}", "run", str(offices.space.config), "--json")
        process = offices.space.spawn("dying", str(HERE / "dying.py"), *words)
        try:
            assert process.wait(60) == KILLED, f"{point} was not reached for the {number}. time\n{offices.space.said('dying')}"
        finally:
            process.kill()
    offices.write("hq", "DELETE FROM customers WHERE id = 17")  # while nobody looks
    offices.settle()
    assert_counted(offices, programs)
    offices.assert_equal()
    assert 17 not in {row[0] for row in offices.rows("munich")}
    assert offices.verify()["equal"] is True
