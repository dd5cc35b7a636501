"""How near the binary log that is still needed is to being purged: from the numbers that a server tells."""

import pytest

from syncline.engine.keeping import Danger, danger
from syncline.peers.mysql.history import Spot
from syncline.peers.mysql.kept import Keeping, kept_of, next_file

FILES = {"log.000007": 1000, "log.000008": 500, "log.000009": 300}


@pytest.mark.parametrize(
    ("spot", "closed", "rules", "unread", "expected"),
    [
        (Spot("log.000008", 100), 960, (100.0, 0), 700, None),
        (Spot("log.000008", 100), 950, (100.0, 0), 700, Danger.AGE),
        (Spot("log.000008", 100), 1, (0.0, 0), 700, None),
        (Spot("log.000009", 100), 0, (100.0, 0), 200, None),
        (Spot("log.000007", 0), 960, (0.0, 3600), 1800, Danger.SIZE),
        (Spot("log.000007", 1), 960, (0.0, 3600), 1799, None),
        (Spot("log.000006", 4), 0, (100.0, 0), 0, Danger.LOST),
    ],
)
def test_f20_the_numbers_of_a_binary_log(
    spot: Spot, closed: int, rules: tuple[float, int], unread: int, expected: Danger | None
) -> None:
    kept = kept_of(Keeping(FILES, *rules, 1000.0), spot, closed)
    assert kept.bytes == unread
    assert danger(kept) is expected


def test_f20_a_file_that_is_still_written_has_no_next_one() -> None:
    keeping = Keeping(FILES, 1.0, 0, 1000.0)
    assert next_file(keeping, "log.000009") == ""
    assert next_file(keeping, "log.000008") == "log.000009"
    assert next_file(keeping, "log.000001") == "", "it is gone"
