"""When what a server keeps is a reason for an alarm, and what the alarm says."""

import msgspec
import pytest

from syncline.engine.keeping import Danger, alarm, cause_of, danger, report
from syncline.engine.session import Phase
from syncline.engine.state import PeerRecord, Stage
from syncline.model.errors import PeerUnreachable
from syncline.peers.postgres.kept import kept_of
from syncline.peers.protocol import Kept

GIB = 1024**3
FINE = Kept("the replication slot syncline_1", GIB, 4 * GIB, 10 * GIB, 3600.0, 86400.0, look="look there")
NOON = 1_767_268_800_000_000  # 2026-01-01 12:00:00 UTC


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({}, None),
        ({"bytes": 4 * GIB}, None),
        ({"bytes": 4 * GIB + 1}, Danger.BUDGET),
        ({"bytes": 40 * GIB, "budget": 0, "bytes_max": 0}, None),
        ({"bytes": 5 * GIB - 1, "budget": 0}, None),
        ({"bytes": 5 * GIB}, Danger.SIZE),
        ({"bytes": 5 * GIB, "bytes_max": 0}, Danger.BUDGET),
        ({"seconds": 43_199.0}, None),
        ({"seconds": 43_200.0}, Danger.AGE),
        ({"seconds": 1e9, "seconds_max": 0.0}, None),
        ({"leaving": True, "bytes": 9 * GIB}, Danger.LEAVING),
        ({"lost": "wal_removed", "leaving": True}, Danger.LOST),
    ],
)
def test_f13_f20_the_numbers_alone_decide(found: dict[str, object], expected: Danger | None) -> None:
    kept = msgspec.structs.replace(FINE, **found)
    assert danger(kept) is expected
    assert (alarm("hq", kept, "", "") is None) == (expected is None)


def test_f13_an_alarm_names_the_peer_the_bytes_the_budget_the_cause_and_the_remedy() -> None:
    record = PeerRecord("hq", Stage.PAUSED, staged=NOON)
    kept = msgspec.structs.replace(FINE, bytes=5 * GIB, bytes_max=0)
    told = alarm("hq", kept, *cause_of(record, Phase.PAUSED, None))
    assert told is not None
    assert told.text() == (
        "SYN-P10: the server keeps too much of its log for this peer (peer hq): the replication slot syncline_1: 5.0 GiB of "
        "the server's log are kept, the budget is 4.0 GiB; it is paused since 2026-01-01 12:00:00 UTC. Fix: let it go on: "
        "'syncline resume hq'; or let go of it for good: 'syncline teardown hq'"
    )
    shown = report(kept, told)["alarm"]
    assert isinstance(shown, dict)
    assert shown["danger"] == "budget"
    assert shown["where"] == {"peer": "hq"}


@pytest.mark.parametrize(
    ("stage", "phase", "cause", "fix"),
    [
        (Stage.LIVE, None, "no hub runs", "'syncline run'"),
        (Stage.PAUSED, None, "it is paused", "'syncline resume hq'"),
        (Stage.STALE, Phase.BROKEN, "stale", "'syncline resume hq --rejoin'"),
        (Stage.LEFT, Phase.BROKEN, "it left this space", "'syncline teardown hq'"),
        (Stage.LIVE, Phase.WAITING, "it is waiting: the server is away", "start it; or let go"),
        (Stage.LIVE, Phase.LIVE, "something holds it back", "look there"),
    ],
)
def test_f13_the_cause_and_what_helps(stage: Stage, phase: Phase | None, cause: str, fix: str) -> None:
    reason = PeerUnreachable("the server is away", hint="start it") if phase is Phase.WAITING else None
    told = cause_of(PeerRecord("hq", stage), phase, reason, "look there")
    assert cause in told[0]
    assert fix in told[1]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (("s", "reserved", 100, None, None, None, "?"), None),
        (("s", "extended", 500, 400, None, None, "?"), Danger.SIZE),
        (("s", "unreserved", 500, -10, None, None, "?"), Danger.LEAVING),
        (("s", "lost", None, None, None, None, "idle_timeout"), Danger.LOST),
        (("s", "reserved", 100, None, 31.0, 60.0, "?"), Danger.AGE),
        (("s", "reserved", 2001, None, None, 0.0, "?"), Danger.BUDGET),
    ],
)
def test_f20_what_a_server_says_of_its_slot(row: tuple[object, ...], expected: Danger | None) -> None:
    assert danger(kept_of(row, 2000)) is expected
