"""A facade that answers from a table, and a configuration for it: the verbs under test need no engine."""

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from syncline.cli.facade import Report
from syncline.cli.main import app
from syncline.hub.exporting import Sink
from syncline.hub.repairs import Wish
from syncline.model.errors import SynclineError
from syncline.model.event import Event, Listener
from syncline.model.proof import EVERYTHING, Wanted
from syncline.model.schema import Kind
from syncline.model.space import Space

CONFIG = """\
space: crm
peers: {hq: "sqlite:///hq.db?create=1", van: "sqlite:///van.db?create=1"}
collections: {customers: {key: [id]}}
"""
COLLECTION = {
    "state": "live", "lag_entries": 12, "lag_seconds": 1.25, "log_offset": 812, "watermark": 800, "parked": 1,
    "uncaptured": None, "conflicts_open": 2, "conflicts_all": 5, "verified_through": 790,
}  # fmt: skip
STATUS: Report = {
    "space": "crm",
    "hub": {"running": True, "pid": 4711},
    "log": {"head": 812, "floor": 12, "bytes": 123456},
    "peers": {
        "hq": {"state": "live", "reason": None, "collections": {"customers": COLLECTION}},
        "van": {"state": "broken", "reason": "SYN-P06: restored", "collections": {}},
    },
}
SIDE = {"peer": "hq", "time": "2026-11-21T10:00:00.000+00:00", "value": "Bonn", "row": {"id": 7, "city": "Bonn"}}
CONFLICT: Report = {
    "id": "812.0.1", "collection": "customers", "key": [7], "kind": "field", "field": "city", "rule": "newest", "winner": "hq",
    "open": True, "time": "2026-11-21T10:00:00.000+00:00", "peer": "van", "ours": SIDE,
    "theirs": {**SIDE, "peer": "van", "value": None}, "base": "Ulm", "outcome": {"id": 7, "city": "Bonn"}, "note": "",
}  # fmt: skip
PARKED: Report = {
    "id": "812/van/1", "peer": "van", "collection": "customers", "key": [7], "code": "CHECK", "reason": "CHECK failed: city",
    "since": 800, "time": None, "attempts": 3, "retrying": False,
}  # fmt: skip
HISTORY: list[Report] = [
    {"offset": 1, "time": "2026-11-21T09:00:00.000Z", "origin": "hq", "change": "insert", "after": {"id": 7, "city": "Ulm"}},
    {
        "offset": 2, "time": "2026-11-21T10:00:00.000+00:00", "origin": "van", "change": "update",
        "fields": {"city": ["Ulm", "Bonn"]},
        "conflicts": [{"field": "city", "rule": "newest", "winner": "van", "open": False, "loser": [SIDE]}],
    },
]  # fmt: skip
DIFFERENCE: Report = {
    "collection": "customers", "key": [7], "fields": ["city"], "state": "drift",
    "peers": {"hq": {"city": "Bonn"}, "van": {"city": "\x1b[31mUlm"}},
}  # fmt: skip
PAST: Report = {
    "id": "820", "time": "2026-11-21T10:00:00.000+00:00", "by": "ada", "policy": "authority:hq", "rows": 2,
    "collections": {"customers": 2}, "undoes": None, "undone_by": "831",
}  # fmt: skip
REPAIR: Report = {
    "plan": {
        "plan": 1, "policy": "merge", "head": 812, "rows": 0, "found": 0, "collections": {}, "repairs": [], "left": [],
        "not_compared": [], "why_not_compared": {},
    },
    "refused": [], "done": None, "equal": True, "hub": {"running": True},
}  # fmt: skip
INCIDENT: Report = {
    "id": "812.0", "collection": "customers", "peers": ["van"], "rows": 12, "keys": [[7], [8]], "first": 800, "last": 811,
    "cause": "uncaptured", "why": "the rows at van were never in the log", "remedy": "'syncline repair customers'",
    "found_at": "2026-11-21T10:07:31.250+00:00", "open": False, "closed": 815, "how": "equal again",
}  # fmt: skip

ANSWERS: dict[str, Any] = {
    "drift": [INCIDENT],
    "check": [],
    "plan": {
        "peers": {
            "hq": {
                "state": "new",
                "rows_to_fill": 0,
                "rows_to_copy": 5,
                "differing": 1,
                "deletes": 0,
                "statements": ["CREATE TABLE x"],
            }
        },
        "collections": {"customers": {"hq": {"rows_to_fill": 0, "rows_to_copy": 5, "differing": 1, "deletes": 0}}},
        "conflicts": [{"collection": "customers", "key": [7], "field": "city", "rule": "newest"}],
    },
    "run": {**STATUS, "converged": True},
    "status": STATUS,
    "conflicts": [CONFLICT],
    "conflict": CONFLICT,
    "settle": {"settled": "812.0.1", "offset": 813},
    "parked": [PARKED],
    "retry_parked": {"retried": PARKED["id"]},
    "skip_parked": {"skipped": PARKED["id"]},
    "verify": {"equal": True, "rows": 12345, "pending": 0, "differences": [], "verified_through": {"customers": 812}},
    "repair": REPAIR,
    "repairs": [PAST],
    "history": HISTORY,
    "at_row": {
        "collection": "customers",
        "key": [7],
        "offset": 2,
        "row": {"id": 7, "city": "Bonn", "note": None},
        "made": {"offset": 2, "row": 0, "origin": "van", "kind": "change", "time": "2026-11-21T10:00:00.000+00:00"},
    },
    "export": {"collection": "customers", "offset": 2, "rows": 25, "read_at": "hq", "columns": ["id", "city"]},
    "replay": {
        "peer": "van",
        "from": 2,
        "upto": 812,
        "done": True,
        "collections": {"customers": {"keys": 1500, "given": 3, "equal": 1496, "parked": 1}},
    },
    "archive": {"archive": "files", "rows": 1500, "collections": {"customers": {"after": 0, "upto": 812, "files": ["a"]}}},
    "pause": {"paused": ["van"]},
    "resume": {"aside": {}, "hub": {"running": True}},
    "teardown": {"removed": ["van"]},
}


class FakeHub:
    """Answers every method from ANSWERS, remembers what was asked, raises what it is told to raise."""

    def __init__(self, **answers: Any) -> None:
        self.answers = {**ANSWERS, **answers}
        self.asked: list[tuple[str, tuple[object, ...]]] = []
        self.events: list[Event] = []
        self.signal: signal.Signals | None = None

    def __call__(self, space: Space) -> "FakeHub":
        """As `hub_for`."""
        self.space = space
        return self

    def _answer(self, name: str, *arguments: object) -> Any:
        self.asked.append((name, arguments))
        answer = self.answers[name]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def check(self) -> list[SynclineError]:
        found: list[SynclineError] = self._answer("check")
        return found

    async def plan(self) -> Report:
        return dict(self._answer("plan"))

    async def run(self, until_idle: bool, on_event: Listener, stop: asyncio.Event) -> Report:
        for event in self.events:
            on_event(event)
        if self.signal is not None:
            os.kill(os.getpid(), self.signal)
            async with asyncio.timeout(10):
                await stop.wait()
        return dict(self._answer("run", until_idle))

    async def status(self) -> Report:
        return dict(self._answer("status"))

    async def conflicts(self, open_only: bool, collection: str | None, limit: int, after: str | None) -> list[Report]:
        return list(self._answer("conflicts", open_only, collection, limit, after))

    async def conflict(self, id: str) -> Report:
        return dict(self._answer("conflict", id))

    async def settle(self, id: str, take: str | None, sets: dict[str, str]) -> Report:
        return dict(self._answer("settle", id, take, sets))

    async def parked(self, collection: str | None, limit: int, after: str | None) -> list[Report]:
        return list(self._answer("parked", collection, limit, after))

    async def retry_parked(self, *ids: str) -> Report:
        return dict(self._answer("retry_parked", *ids))

    async def skip_parked(self, id: str) -> Report:
        return dict(self._answer("skip_parked", id))

    async def verify(self, repair: bool, on_event: Listener, wanted: Wanted = EVERYTHING) -> Report:
        for event in self.events:
            on_event(event)
        return dict(self._answer("verify", repair, wanted))

    async def drift(self) -> list[Report]:
        return list(self._answer("drift"))

    async def repair(self, wish: Wish, on_event: Listener) -> Report:
        return dict(self._answer("repair", wish))

    async def repairs(self) -> list[Report]:
        return list(self._answer("repairs"))

    async def history(self, collection: str, key: tuple[str, ...]) -> list[Report]:
        return list(self._answer("history", collection, key))

    async def at_row(self, offset: int | None, time: str | None, collection: str, key: tuple[str, ...]) -> Report:
        return dict(self._answer("at_row", offset, time, collection, key))

    async def export(self, offset: int | None, time: str | None, collection: str, sink: Sink) -> Report:
        told = dict(self._answer("export", offset, time, collection))
        sink.begin(("id", "city"), (Kind.INTEGER, Kind.TEXT))
        sink.take([(number, None if number % 2 else "Bonn, a") for number in range(told["rows"])])
        return told

    async def replay(self, since: int, peer: str, collection: str | None, really: bool) -> Report:
        return {**self._answer("replay", since, peer, collection, really), "done": really}

    async def archive(self, folder: str, since: int | None, collection: str | None) -> Report:
        return dict(self._answer("archive", folder, since, collection))

    async def pause(self, peer: str | None) -> Report:
        return dict(self._answer("pause", peer))

    async def resume(self, peer: str | None, rejoin: bool, authority: str | None, approve: bool) -> Report:
        answer = dict(self._answer("resume", peer, rejoin, authority, approve))
        return {"resumed": [peer] if peer else list(self.space.peers), **answer}

    async def teardown(self, peer: str | None, yes: bool, foreign: bool = False) -> Report:
        return dict(self._answer("teardown", peer, yes))


def config_in(folder: Path) -> Path:
    """A good configuration file."""
    path = folder / "syncline.yaml"
    path.write_text(CONFIG)
    return path


def syncline(*words: str) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(app, list(words))


def answer(*words: str, code: int = 0) -> Any:
    """The one JSON object on stdout, with nothing else on it."""
    result = syncline(*words, "--json")
    assert result.exit_code == code, result.output
    assert result.stdout.count("\n") == 1
    return json.loads(result.stdout)
