"""A status as metrics: named families of samples with labels. Pure; knows no exposition format.

What is not known has no sample: a zero would say that it is known to be none. Of a copy, `syncline_in_sync` is 1 only where its
standing is in sync, which is a claim through `syncline_verified_through_offset` and no further.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple

Report = Mapping[str, Any]
IN_SYNC: Final = "in sync"
STANDINGS: Final = (IN_SYNC, "moving", "stalled", "drift", "unproven", "away")  # as `hub.standing.Standing` has them


class Kind(StrEnum):
    """What a family's values do: a gauge goes up and down, a counter only up."""

    GAUGE = "gauge"
    COUNTER = "counter"


class Family(NamedTuple):
    """One metric: `name` ends in its unit where it has one, a counter's in `_total`. `labels` name what a sample is of."""

    name: str
    help: str
    labels: tuple[str, ...]
    kind: Kind = Kind.GAUGE


class Sample(NamedTuple):
    """One value; `labels` in the order of the family's."""

    family: Family
    labels: tuple[str, ...]
    value: float


_SPACE: Final = ("space",)
_PEER: Final = ("space", "peer")
_COLLECTION: Final = ("space", "collection")
_COPY: Final = ("space", "peer", "collection")

HUB_RUNNING: Final = Family("syncline_hub_running", "Whether a hub serves the space: 1 or 0.", _SPACE)
HUB_ANSWERING: Final = Family("syncline_hub_answering", "Whether the running hub answers: 1 or 0; absent if none runs.", _SPACE)
LOOKED_AT: Final = Family(
    "syncline_looked_at_seconds",
    "When all of this was asked for, in seconds since 1970: an answer is kept for a moment.",
    _SPACE,
)
LOG_HEAD: Final = Family("syncline_log_head_offset", "Offset of the log's last entry.", _SPACE)
LOG_FLOOR: Final = Family("syncline_log_floor_offset", "Offset up to which the log's entries were forgotten.", _SPACE)
LOG_BYTES: Final = Family("syncline_log_bytes", "Size of the log's file in bytes.", _SPACE)
LOG_WAITING: Final = Family(
    "syncline_log_waiting",
    "Whether the hub waits for its log, such as for disk space: 1 or 0; absent where nobody knows.",
    _SPACE,
)
REPAIR_ALARM: Final = Family(
    "syncline_repair_alarm", "1 if a proof found more than may be repaired without a person; absent if no hub tells.", _SPACE
)
WAITING_COLUMNS: Final = Family("syncline_waiting_columns", "Columns that only some peers have so far.", _SPACE)
PEER_STATE: Final = Family(
    "syncline_peer_state", "1 for the state a peer is in now; other states are absent.", (*_PEER, "state")
)
HISTORY_BYTES: Final = Family(
    "syncline_history_kept_bytes", "What a server keeps of its own log for the peer, in bytes.", _PEER
)
HISTORY_ALARM: Final = Family(
    "syncline_history_alarm",
    "1 if that is too much, or the server is about to let go of what is needed; absent if unknown.",
    _PEER,
)
SET_ASIDE: Final = Family("syncline_set_aside_rows", "Rows whose own values did not stand at the peer's last join.", _PEER)
CONFLICTS_OPEN: Final = Family("syncline_conflicts_open", "Conflicts that wait for a person.", _COLLECTION)
CONFLICTS: Final = Family("syncline_conflicts_total", "Conflicts there ever were, settled ones too.", _COLLECTION, Kind.COUNTER)
INCIDENTS: Final = Family("syncline_drift_incidents", "Open incidents of drift.", _COLLECTION)
DRIFT_ROWS: Final = Family("syncline_drift_rows", "Rows in open incidents of drift.", _COLLECTION)
LAG_ENTRIES: Final = Family("syncline_lag_entries", "Entries of the log that the peer does not have yet.", _COPY)
LAG_SECONDS: Final = Family(
    "syncline_lag_seconds", "Age of the oldest change that the peer does not have yet, in seconds.", _COPY
)
UNCAPTURED: Final = Family(
    "syncline_uncaptured_changes",
    "Changes at the peer that no hub has captured; absent if unknown; 10000 at a peer: or more.",
    _COPY,
)
PARKED: Final = Family("syncline_parked_rows", "Rows that the peer refused and that wait.", _COPY)
WATERMARK: Final = Family("syncline_watermark_offset", "Offset of the last entry that was applied at the peer.", _COPY)
VERIFIED: Final = Family(
    "syncline_verified_through_offset", "Offset up to which the copy was compared and equal; absent if it never was.", _COPY
)
COMPARED: Final = Family(
    "syncline_compared_offset", "Offset up to which the copy was compared, rows known to differ excepted.", _COPY
)
SYNC: Final = Family("syncline_in_sync", "1 only if the copy was compared and equal through the last change, else 0.", _COPY)
STANDING: Final = Family(
    "syncline_proof_standing", "1 for how the copy stands, 0 for the other standings.", (*_COPY, "standing")
)
ALARM: Final = Family(
    "syncline_proof_alarm", "1 if the copy's standing is one that should not be (red in status), else 0.", _COPY
)
COMPARED_AGE: Final = Family(
    "syncline_compared_age_seconds", "Seconds since the copy was last compared; grows while nothing changes, too.", _COPY
)
FULL_AGE: Final = Family(
    "syncline_full_proof_age_seconds", "Seconds since the last comparison of every row of the copy began.", _COPY
)

FAMILIES: Final = (
    HUB_RUNNING, HUB_ANSWERING, LOOKED_AT, LOG_HEAD, LOG_FLOOR, LOG_BYTES, LOG_WAITING, REPAIR_ALARM, WAITING_COLUMNS,
    PEER_STATE, HISTORY_BYTES, HISTORY_ALARM, SET_ASIDE, CONFLICTS_OPEN, CONFLICTS, INCIDENTS, DRIFT_ROWS, LAG_ENTRIES,
    LAG_SECONDS, UNCAPTURED, PARKED, WATERMARK, VERIFIED, COMPARED, SYNC, STANDING, ALARM, COMPARED_AGE, FULL_AGE,
)  # fmt: skip


def samples(status: Report, now: datetime) -> Iterator[Sample]:
    """The samples of a status as `syncline status --json` has it. `now`: when it was asked for, for the ages."""
    space = str(status["space"])
    yield Sample(LOOKED_AT, (space,), now.timestamp())
    for found in (_space(status), _collections(status)):
        for family, labels, value in found:
            if value is not None:
                yield Sample(family, (space, *labels), float(value))
    for name, peer in status["peers"].items():
        for family, labels, value in _peer(peer):
            if value is not None:
                yield Sample(family, (space, name, *labels), float(value))
        for collection, copy in peer["collections"].items():
            for family, labels, value in _copy(copy, now):
                if value is not None:
                    yield Sample(family, (space, name, collection, *labels), float(value))


Told = Iterator[tuple[Family, tuple[str, ...], float | None]]


def _space(status: Report) -> Told:
    hub, log = status["hub"], status["log"]
    yield HUB_RUNNING, (), hub["running"]
    yield HUB_ANSWERING, (), "pid" in hub if hub["running"] else None
    yield LOG_HEAD, (), log["head"]
    yield LOG_FLOOR, (), log["floor"]
    yield LOG_BYTES, (), log["bytes"]
    if "pid" in hub:  # else the log is not the hub's own word
        yield LOG_WAITING, (), log.get("reason") is not None
        yield REPAIR_ALARM, (), status.get("repair_alarm") is not None
    yield WAITING_COLUMNS, (), len(status.get("waiting_columns", ()))


def _peer(peer: Report) -> Told:
    yield PEER_STATE, (str(peer["state"]),), 1
    if kept := peer.get("kept"):
        yield HISTORY_BYTES, (), kept["bytes"]
        yield HISTORY_ALARM, (), peer.get("alarm") is not None
    if aside := peer.get("set_aside"):
        yield SET_ASIDE, (), aside["rows"]


def _collections(status: Report) -> Told:
    """What belongs to a collection and not to a copy: every peer tells the same."""
    seen: dict[str, Report] = {}
    for peer in status["peers"].values():
        seen = {**peer["collections"], **seen}
    for name, copy in seen.items():
        yield CONFLICTS_OPEN, (name,), copy["conflicts_open"]
        yield CONFLICTS, (name,), copy["conflicts_all"]
        if proof := copy.get("proof"):
            yield INCIDENTS, (name,), len(proof["incidents"])
            yield DRIFT_ROWS, (name,), proof["drift_rows"]


def _copy(copy: Report, now: datetime) -> Told:
    yield LAG_ENTRIES, (), copy["lag_entries"]
    yield LAG_SECONDS, (), copy["lag_seconds"]
    yield UNCAPTURED, (), copy["uncaptured"]
    yield PARKED, (), copy["parked"]
    yield WATERMARK, (), copy["watermark"]
    yield VERIFIED, (), copy["verified_through"]
    if (proof := copy.get("proof")) is None:
        return
    yield COMPARED, (), proof["compared"]
    yield SYNC, (), proof["standing"] == IN_SYNC
    for standing in dict.fromkeys((*STANDINGS, str(proof["standing"]))):
        yield STANDING, (standing,), standing == proof["standing"]
    yield ALARM, (), proof["alarm"]
    yield COMPARED_AGE, (), _age(proof["compared_at"], now)
    yield FULL_AGE, (), _age(proof["full_at"], now)


def _age(moment: str | None, now: datetime) -> float | None:
    """Seconds since a moment as reports have it; None if there is none. Never negative, whatever clocks do."""
    return max(0.0, (now - datetime.fromisoformat(moment)).total_seconds()) if moment else None
