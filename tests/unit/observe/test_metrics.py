"""A status as metrics: each standing, what is unknown, and that in sync is said only where the proof says it."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from tests.unit.observe.reports import MOMENT, Report, copy, peer, proof, status

from syncline.hub.standing import Standing
from syncline.observe.metrics import FAMILIES, STANDINGS, Kind, samples

NOW = datetime(2026, 11, 21, 10, 1, 30, tzinfo=UTC)
COPY = ("crm", "hq", "customers")


def told(report: Report, now: datetime = NOW) -> dict[tuple[str, tuple[str, ...]], float]:
    found = [((one.family.name, one.labels), one.value) for one in samples(report, now)]
    assert len(dict(found)) == len(found), "no sample is told twice"
    return dict(found)


def of_copy(**other: object) -> dict[tuple[str, tuple[str, ...]], float]:
    return told(status(peers={"hq": peer(collections={"customers": copy(**other)})}))


def test_the_standings_are_those_of_the_status() -> None:
    assert tuple(one.value for one in Standing) == STANDINGS


def test_a_status_becomes_samples() -> None:
    found = told(status())
    assert found["syncline_hub_running", ("crm",)] == 1
    assert found["syncline_hub_answering", ("crm",)] == 1
    assert found["syncline_looked_at_seconds", ("crm",)] == NOW.timestamp()
    assert found["syncline_log_head_offset", ("crm",)] == 812
    assert found["syncline_log_floor_offset", ("crm",)] == 12
    assert found["syncline_log_bytes", ("crm",)] == 123456
    assert found["syncline_log_waiting", ("crm",)] == 0
    assert found["syncline_repair_alarm", ("crm",)] == 0
    assert found["syncline_waiting_columns", ("crm",)] == 0
    assert found["syncline_peer_state", ("crm", "hq", "live")] == 1
    assert found["syncline_conflicts_open", ("crm", "customers")] == 2
    assert found["syncline_conflicts_total", ("crm", "customers")] == 5
    assert found["syncline_drift_incidents", ("crm", "customers")] == 0
    assert found["syncline_drift_rows", ("crm", "customers")] == 0
    assert found["syncline_lag_entries", COPY] == 12
    assert found["syncline_lag_seconds", COPY] == 1.25
    assert found["syncline_parked_rows", COPY] == 1
    assert found["syncline_watermark_offset", COPY] == 800
    assert found["syncline_verified_through_offset", COPY] == 790
    assert found["syncline_compared_offset", COPY] == 795
    assert found["syncline_compared_age_seconds", COPY] == 90


@pytest.mark.parametrize("standing", Standing)
@pytest.mark.parametrize("alarm", [True, False])
def test_in_sync_is_said_only_where_the_proof_says_it(standing: Standing, alarm: bool) -> None:
    found = of_copy(proof=proof(standing.value, alarm))
    assert found["syncline_in_sync", COPY] == (1 if standing is Standing.IN_SYNC else 0)
    assert found["syncline_proof_alarm", COPY] == alarm
    states = {labels[-1]: value for (name, labels), value in found.items() if name == "syncline_proof_standing"}
    assert states == {one.value: float(one is standing) for one in Standing}


def test_what_is_unknown_has_no_sample() -> None:
    unknown = proof("unproven", through=None, compared=None, compared_at=None)
    found = of_copy(lag_seconds=None, uncaptured=None, verified_through=None, proof=unknown)
    absent = {"lag_seconds", "uncaptured_changes", "verified_through_offset", "compared_offset"}
    absent |= {"compared_age_seconds", "full_proof_age_seconds"}
    assert {name for name, _ in found}.isdisjoint({f"syncline_{name}" for name in absent})
    names = {name for name, _ in of_copy(uncaptured=3, proof=proof(full_at=MOMENT))}
    assert {f"syncline_{name}" for name in absent} <= names, "the same are there when they are known"


def test_a_copy_of_which_nothing_is_known_has_no_proof() -> None:
    names = {name for name, _ in of_copy(proof=None)}
    assert "syncline_lag_entries" in names
    assert not {name for name in names if "proof" in name or "sync_" in name or name.endswith("in_sync") or "drift" in name}


def test_without_a_hub_only_what_is_known_is_told() -> None:
    found = told(status(hub={"running": False}, log={"head": 0, "floor": 0, "bytes": 0}))
    assert found["syncline_hub_running", ("crm",)] == 0
    names = {name for name, _ in found}
    assert names.isdisjoint({"syncline_hub_answering", "syncline_log_waiting", "syncline_repair_alarm"})


def test_a_hub_that_does_not_answer_is_told_and_speaks_for_nothing() -> None:
    found = told(status(hub={"running": True}, log={"head": 0, "floor": 0, "bytes": 0, "reason": "SYN-L05: ..."}))
    assert found["syncline_hub_answering", ("crm",)] == 0
    assert "syncline_log_waiting" not in {name for name, _ in found}


def test_alarms_beside_the_proof() -> None:
    kept = {"what": "slot x", "bytes": 5_000_000_000}
    lost = peer(state="broken", kept=kept, alarm={"code": "SYN-P10"}, set_aside={"rows": 3, "after": "1.0.0"}, collections={})
    log = {"head": 1, "floor": 0, "bytes": 9, "reason": "no space"}
    found = told(status(peers={"van": lost}, log=log, repair_alarm={"code": "SYN-V01"}, waiting_columns=[{}]))
    assert found["syncline_peer_state", ("crm", "van", "broken")] == 1
    assert found["syncline_history_kept_bytes", ("crm", "van")] == 5_000_000_000
    assert found["syncline_history_alarm", ("crm", "van")] == 1
    assert found["syncline_set_aside_rows", ("crm", "van")] == 3
    assert found["syncline_log_waiting", ("crm",)] == 1
    assert found["syncline_repair_alarm", ("crm",)] == 1
    assert found["syncline_waiting_columns", ("crm",)] == 1


def test_drift_is_counted_once_however_many_copies_tell_of_it() -> None:
    copies = {"customers": copy(proof=proof("drift", True, incidents=["9.0", "9.1"], drift_rows=12))}
    found = told(status(peers={"hq": peer(collections=copies), "van": peer(collections=copies)}))
    assert found["syncline_drift_incidents", ("crm", "customers")] == 2
    assert found["syncline_drift_rows", ("crm", "customers")] == 12


def test_an_age_is_never_negative() -> None:
    assert told(status(), NOW - timedelta(days=1))["syncline_compared_age_seconds", COPY] == 0


def test_families_are_named_as_the_house_names_them() -> None:
    assert len({one.name for one in FAMILIES}) == len(FAMILIES)
    for one in FAMILIES:
        assert re.fullmatch(r"syncline_[a-z_]+", one.name)
        assert one.help.endswith(".")
        assert one.name.endswith("_total") == (one.kind is Kind.COUNTER)
        assert one.labels[0] == "space"


def test_every_sample_is_of_a_listed_family_and_has_its_labels() -> None:
    for one in samples(status(), NOW):
        assert one.family in FAMILIES
        assert len(one.labels) == len(one.family.labels)
