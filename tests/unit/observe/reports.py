"""Statuses as `syncline status --json` prints them, made from what a test wants to be different."""

from typing import Any

Report = dict[str, Any]
MOMENT = "2026-11-21T10:00:00.000+00:00"


def proof(standing: str = "in sync", alarm: bool = False, **other: Any) -> Report:
    """How a copy stands."""
    known: Report = {"standing": standing, "alarm": alarm, "cause": None, "through": 790, "compared": 795}
    return known | {"compared_at": MOMENT, "full_at": None, "incidents": [], "drift_rows": 0} | other


def copy(**other: Any) -> Report:
    """One collection at one peer."""
    known: Report = {"state": "live", "lag_entries": 12, "lag_seconds": 1.25, "uncaptured": None, "watermark": 800}
    known |= {"log_offset": 812, "parked": 1, "conflicts_open": 2, "conflicts_all": 5, "verified_through": 790}
    return known | {"proof": proof()} | other


def peer(**other: Any) -> Report:
    """One peer with one collection."""
    known: Report = {"state": "live", "stage": "live", "reason": None, "set_aside": None, "kept": None, "alarm": None}
    return known | {"collections": {"customers": copy()}} | other


def status(**other: Any) -> Report:
    """A space with a running hub and one peer."""
    log: Report = {"head": 812, "floor": 12, "bytes": 123456, "reason": None}
    known: Report = {"space": "crm", "hub": {"running": True, "pid": 4711}, "log": log, "peers": {"hq": peer()}}
    return known | {"repair_alarm": None, "waiting_columns": []} | other
