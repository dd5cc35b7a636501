"""A budget of time, rows and hours."""

from datetime import datetime, time

import pytest

from syncline.reconcile.pace import FREE, Pace

NIGHT = Pace(window=(time(22), time(6)))
NOON = Pace(window=(time(12), time(13, 30)))


@pytest.mark.parametrize(
    ("pace", "seconds", "rows", "rest"),
    [
        (FREE, 1.0, 1000, 0.0),
        (Pace(share=0.25), 1.0, 1000, 3.0),
        (Pace(share=0.5, rows_per_second=100), 1.0, 1000, 9.0),
        (Pace(rows_per_second=10_000), 1.0, 1000, 0.0),
        (Pace(share=0.001), 10.0, 1, 9990.0),
    ],
)
def test_it_rests_as_long_as_the_budget_says(pace: Pace, seconds: float, rows: int, rest: float) -> None:
    assert pace.pause(seconds, rows) == pytest.approx(rest)


@pytest.mark.parametrize(
    ("pace", "hour", "waits"),
    [
        (FREE, "03:00", 0),
        (NIGHT, "23:59", 0),
        (NIGHT, "05:59", 0),
        (NIGHT, "06:00", 16 * 3600),
        (NIGHT, "21:59", 60),
        (NOON, "12:00", 0),
        (NOON, "13:30", 22.5 * 3600),
        (NOON, "11:00", 3600),
        (Pace(window=(time(5), time(5))), "17:00", 0),
    ],
)
def test_it_waits_for_its_hours(pace: Pace, hour: str, waits: float) -> None:
    assert pace.wait(datetime.fromisoformat(f"2026-11-21T{hour}:00")) == waits
