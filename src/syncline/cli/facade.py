"""What the verbs ask of the engine: one protocol, and the one place that connects it. The verbs know nothing else of it."""

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

from syncline.hub.exporting import Sink
from syncline.hub.proof_report import Order
from syncline.hub.repairs import Wish
from syncline.hub.space_hub import SpaceHub
from syncline.model.errors import SynclineError
from syncline.model.event import Listener
from syncline.model.proof import EVERYTHING, Wanted
from syncline.model.space import Space

Report: TypeAlias = dict[str, Any]  # what is printed as JSON, as it is


class Facade(Protocol):
    """A space in the hands of a verb. Every method opens what it needs and closes it again; all raise SynclineError.

    An event whose detail has `done` and `total` (rows) moves a progress bar named by event, peer and collection.
    """

    async def check(self) -> Sequence[SynclineError]:
        """Every unmet precondition at peers and log, each with the statement that fixes it; and peers that cannot be used.

        Among them may be Advice, by which nothing is stopped.
        """
        ...

    async def plan(self) -> Report:
        """What the first run would do; changes nothing.

        {"peers": {name: {state, rows_to_fill, rows_to_copy, differing, deletes, statements: [..]}},
         "collections": {name: {peer: {rows_to_fill, rows_to_copy, differing, deletes}}},
         "conflicts": [{collection, key, field, rule, ...}], "advice": [{code, what, where, why, fix, ..}]}
        """
        ...

    async def run(self, until_idle: bool, on_event: Listener, stop: asyncio.Event) -> Report:
        """Serve until `stop`, or until everything captured is delivered and compared. The final status.

        Until idle, it has the key "converged": whether all peers were compared and equal. `status()` may be called meanwhile.
        """
        ...

    async def status(self) -> Report:
        """{"space", "hub": {"running", "pid"}, "log": {"head", "floor", "bytes"}, "peers": {name: {state, stage,
        reason, "collections": {name: {state, lag_entries, lag_seconds, uncaptured, log_offset, watermark, parked,
        conflicts_open, conflicts_all, verified_through,
        "proof": {standing, alarm, cause, through, compared, compared_at, full_at, incidents, drift_rows}}},
        "set_aside": {"rows", "after"} | None}}, "waiting_columns": [{what, where, why, fix, ..}],
        "repair_alarm": {code, what, why, fix, ..} | None (of a running hub)}
        """
        ...

    async def conflicts(self, open_only: bool, collection: str | None, limit: int, after: str | None) -> list[Report]:
        """Conflicts in the log's order, each with an `id`; `after` is the id to go on from."""
        ...

    async def conflict(self, id: str) -> Report:
        """One conflict with both images. UsageError if there is none of that id."""
        ...

    async def settle(self, id: str, take: str | None, sets: dict[str, str]) -> Report:
        """Settle a conflict, open or closed, by taking a peer's side or setting fields; it travels as an ordinary change."""
        ...

    async def parked(self, collection: str | None, limit: int, after: str | None) -> list[Report]:
        """Rows that a peer refused, each with an `id`, in the log's order."""
        ...

    async def retry_parked(self, *ids: str) -> Report:
        """Try parked rows again, with their then current values; none named: all that were not given up.

        One: the row, with its id as `retried`. Else {"retried": [id], "not_retried": {id: reason}}.
        """
        ...

    async def skip_parked(self, id: str) -> Report:
        """Give a parked row up at its peer; the peer's own row stands."""
        ...

    async def verify(self, repair: bool, on_event: Listener, wanted: Wanted = EVERYTHING) -> Report:
        """Compare all peers row by row.

        {"equal", "rows", "pending", "drift", "parked", "differences": [{collection, key, fields, "peers": {peer: value},
         "state": drift|pending|parked}], "differences_not_listed", "parked_at": {peer: rows},
         "not_compared", "why_not_compared": {peer: reason},
         "repaired", "verified_through": {...}}
        """
        ...

    async def repair(self, wish: Wish, on_event: Listener) -> Report:
        """Plan a repair, or take one back; with `wish.yes` carry it out.

        {"plan": {"plan": version, policy, head, rows, found, undoes, "collections": {name: {rows, found, classes,
         "peers": {peer: {insert, update, delete}}}}, "repairs": [{collection, key, class, "peers": {peer: {does, fields}},
         exact, stood, after}], "left": [{collection, key, why}], not_compared, why_not_compared},
         "refused": [errors], "done": {id, repaired, left} | None, "equal", "hub": {running}}
        """
        ...

    async def repairs(self) -> list[Report]:
        """Past repairs, oldest first: [{id, time, policy, rows, collections, undoes, undone_by}]."""
        ...

    async def history(self, collection: str, key: tuple[str, ...]) -> list[Report]:
        """Every value of a row: origin, time, rule and loser. The key's parts are as typed, in key order."""
        ...

    async def drift(self) -> list[Report]:
        """Incidents of drift, the open ones first.

        [{id, collection, peers, rows, keys, first, last, cause, why, remedy, open, closed, how}]
        """
        ...

    async def at_row(self, offset: int | None, time: str | None, collection: str, key: tuple[str, ...]) -> Report:
        """One row as of an offset, or as of a time: {"collection", "key", "offset", "row": {column: value} | None,
        "made": {offset, row, origin, kind, time} | None}; made: the change that the log still has.
        """
        ...

    async def export(self, offset: int | None, time: str | None, collection: str, sink: Sink) -> Report:
        """All rows as of an offset, into a sink: {"collection", "offset", "rows", "read_at", "columns"}."""
        ...

    async def replay(self, since: int, peer: str, collection: str | None, really: bool) -> Report:
        """Give a peer again what changed since an offset; unless `really`, count it.

        {"peer", "from", "upto", "done", "collections": {name: {"keys", "given", "equal", "parked"}}}
        """
        ...

    async def archive(self, folder: str, since: int | None, collection: str | None) -> Report:
        """Write what a folder of Parquet files does not have of the log yet.

        {"archive", "rows", "collections": {name: {"after", "upto", "files": [path]}}}
        """
        ...

    async def proof(self, order: Order) -> Report:
        """Write a signed report of what the log says was proven; compare first, if that is wanted.

        {file, html, key, key_made, sha256, key_id, public_key, standing, words, "report": as in the file}
        """
        ...

    async def pause(self, peer: str | None) -> Report:
        """Stop a peer, or all, from taking part; the log keeps what it misses."""
        ...

    async def resume(self, peer: str | None, rejoin: bool, authority: str | None, approve: bool) -> Report:
        """Let a peer, or all, take part again; `rejoin` compares and merges first, `approve` lets a held mass change pass."""
        ...

    async def rename(self, old: str, new: str, yes: bool) -> Report:
        """Show what a rename carries over; with `yes`, record it: {old, new, stage, watermark, parked, conflicts_open, proven,
        renamed, offset}.
        """
        ...

    async def teardown(self, peer: str | None, yes: bool, foreign: bool = False) -> Report:
        """Remove every trace of Syncline from a peer, or from all."""
        ...


def hub_for(space: Space) -> Facade:
    """The engine for a space."""
    return SpaceHub(space)
