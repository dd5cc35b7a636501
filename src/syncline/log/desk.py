"""The desk: what other processes ask of the hub that serves a log, as rows in the log's own file.

A command puts a request and waits for its result; the running hub takes, does and answers. At least once: what a hub took and
did not answer before it died is taken again by the next one. Knows no verb: kinds and bodies are the callers' business.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import apsw
import msgspec

from syncline.log.faults import FAULTS, named
from syncline.log.place import connect, exists
from syncline.log.transaction import transaction
from syncline.model.errors import LogBusy, LogError, UsageError
from syncline.model.limits import DESK_BODY_BYTES_MAX, DESK_KEEP_SECONDS, DESK_POLL_SECONDS
from syncline.model.stamp import Micros

Body = dict[str, Any]


class Request(msgspec.Struct, frozen=True):
    """One request: `body` is what JSON can carry, `created` the asking process's time."""

    id: int
    kind: str
    body: Body
    created: Micros


class Desk:
    """One process's place at the desk of a log. Opens the file when first used; all methods raise LogError."""

    def __init__(self, path: str, clock: Callable[[], float] = time.time) -> None:
        self._path, self._clock = path, clock
        self._db: apsw.Connection | None = None
        self._version: object = None  # of the file when nothing was waiting; another one means that somebody wrote
        self._recovered = False

    # -- asking -------------------------------------------------------------------------------------------------------------

    def put(self, kind: str, body: Body, *, kept_seconds: float = DESK_KEEP_SECONDS) -> int:
        """Leave a request; its id. `kept_seconds`: of the same kind, answers that are older are forgotten."""
        packed, old = _packed(body), self._now() - int(kept_seconds * 1e6)
        with self._writing() as db:
            db.execute("DELETE FROM request WHERE kind = ? AND done < ?", (kind, old))
            db.execute("INSERT INTO request (kind, body, created) VALUES (?, ?, ?)", (kind, packed, self._now()))
            self._version = None
            return db.last_insert_rowid()

    def result(self, id: int) -> Body | None:
        """The answer to a request; None while there is none. Raises UsageError for a request that is not there."""
        with self._using() as db:
            rows = db.execute("SELECT result FROM request WHERE id = ?", (id,)).fetchall()
        if not rows:
            raise UsageError(f"there is no request {id}", hint="ask again")
        return None if rows[0][0] is None else _unpacked(rows[0][0])

    def wait(self, id: int, timeout_seconds: float) -> Body:
        """The answer, as soon as it is there. Blocks. Raises LogBusy after the time, having withdrawn an untaken request."""
        deadline = time.monotonic() + timeout_seconds
        while (answer := self.result(id)) is None:
            if time.monotonic() > deadline:
                done = "it was withdrawn" if self.withdraw(id) else "the hub has taken it and may still do it"
                hint = "see whether the hub runs: syncline status"
                raise LogBusy(f"the running hub did not answer within {timeout_seconds:g} s", why=done, hint=hint)
            time.sleep(DESK_POLL_SECONDS)
        return answer

    def withdraw(self, id: int) -> bool:
        """Take a request back that no hub has taken yet; whether it was."""
        with self._writing() as db:
            db.execute("DELETE FROM request WHERE id = ? AND taken IS NULL", (id,))
            return db.changes() > 0

    # -- answering ----------------------------------------------------------------------------------------------------------

    def take(self) -> tuple[Request, ...]:
        """The waiting requests, oldest first; each is given out once in the life of this object. Cheap when nothing changed."""
        with self._using() as db:
            version = db.execute("PRAGMA data_version").fetchall()
            if version == self._version:
                return ()
            waiting = db.execute(
                "SELECT 1 FROM request WHERE taken IS NULL OR (done IS NULL AND ?) LIMIT 1", (not self._recovered,)
            )
            if not waiting.fetchall():
                self._version, self._recovered = version, True
                return ()
        with self._writing() as db:
            if not self._recovered:
                db.execute("UPDATE request SET taken = NULL WHERE done IS NULL")
            rows = db.execute("SELECT id, kind, body, created FROM request WHERE taken IS NULL ORDER BY id").fetchall()
            db.execute("UPDATE request SET taken = ? WHERE taken IS NULL", (self._now(),))
            db.execute("DELETE FROM request WHERE done < ?", (self._now() - int(DESK_KEEP_SECONDS * 1e6),))
        self._recovered = True
        return tuple(Request(int(str(id)), str(kind), _unpacked(body), int(str(at))) for id, kind, body, at in rows)

    def answer(self, id: int, result: Body) -> None:
        """Answer a request; nobody may be waiting any more."""
        packed = _packed(result)
        with self._writing() as db:
            db.execute("UPDATE request SET done = ?, result = ? WHERE id = ?", (self._now(), packed, id))

    # -- inside -------------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close the file; the desk may be used again."""
        if self._db is not None:
            self._db.close()
            self._db = None
            self._version = None

    def _now(self) -> Micros:
        return int(self._clock() * 1e6)

    @contextmanager
    def _using(self) -> Iterator[apsw.Connection]:
        try:
            if self._db is None:
                if not exists(self._path):
                    raise LogError("there is no log here", hint="run the space first: syncline run", log=self._path)
                self._db = connect(self._path, write=True)
                self._db.wal_autocheckpoint(0)  # moving pages is the hub's business
            yield self._db
        except FAULTS as error:
            raise named(error, self._path, self._db.system_errno if self._db is not None else 0) from error

    @contextmanager
    def _writing(self) -> Iterator[apsw.Connection]:
        with self._using() as db, transaction(db):
            yield db


def _packed(body: Body) -> bytes:
    packed = msgspec.json.encode(body)
    if len(packed) > DESK_BODY_BYTES_MAX:
        raise UsageError("too much for one request", why=f"{len(packed)} bytes; the limit is {DESK_BODY_BYTES_MAX}")
    return packed


def _unpacked(data: object) -> Body:
    try:
        return dict(msgspec.json.decode(data if isinstance(data, bytes) else b""))
    except (msgspec.MsgspecError, TypeError, ValueError) as error:
        raise LogError("a request on the log's desk cannot be read", why=str(error), hint="ask again") from error
