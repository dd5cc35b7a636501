"""The careful way of writing, after a batch met a constraint: everything that can be written is, the rest is refused by name.

Slices that work are kept, slices that fail are halved by savepoints down to single rows. Rows that fail may be waiting for
one another (two rows that swap a unique value, T7): they are tried again, then taken out and put back together inside the
transaction. No row ever replaces another (C8).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Final, TypeAlias

import pymysql

from syncline.model.change import Refusal
from syncline.model.value import ABSENT
from syncline.model.write import Op, Write
from syncline.peers import storing
from syncline.peers.mysql.connect import Connection
from syncline.peers.mysql.convert import Type, literal
from syncline.peers.mysql.features import quote
from syncline.peers.mysql.statement import Shape, Target, one, shape_of
from syncline.peers.mysql.textrows import read
from syncline.peers.mysql.writing import Prepared, Stages, execute, rewritten, setback
from syncline.peers.storing import Unstorable

_WAITING: Final = frozenset({"unique", "foreign_key"})
_HOLD: Final = "syncline_hold"

Job: TypeAlias = storing.Job[Target]


def write_carefully(connection: Connection, stages: Stages, prepared: Sequence[Prepared], row_bytes_max: int) -> list[Refusal]:
    """Write what can be written; the rows that cannot."""
    writer = _Careful(connection, stages, row_bytes_max)
    failed: list[tuple[Job, Refusal]] = []
    for each in prepared:
        failed += writer.halve(each, 0, len(each.rows))
        failed += writer.try_all([Job(each.write, place, each.target) for place in each.odd])
    waiting = [job for job, refusal in failed if refusal.code in _WAITING]
    refused = [refusal for _, refusal in failed if refusal.code not in _WAITING]
    while waiting:
        again = writer.try_all(waiting)
        if len(again) == len(waiting):
            return refused + writer.exchange(again)
        waiting = [job for job, _ in again]
    return refused


class _Again(Exception):
    """Some rows failed; the others are to be tried without them."""


class _Careful:
    """What the steps of one careful writing share."""

    def __init__(self, connection: Connection, stages: Stages, row_bytes_max: int) -> None:
        self._connection, self._stages, self._row_bytes_max = connection, stages, row_bytes_max
        self._depth = 0

    @contextmanager
    def _savepoint(self) -> Iterator[None]:
        """What fails in the block is undone, and only that."""
        self._depth += 1
        name = f"syncline_{self._depth}"
        self._connection.query(f"SAVEPOINT {name}")
        try:
            yield
        except BaseException:
            with suppress(pymysql.err.Error):  # the whole transaction may be gone, and whoever began it finds out
                self._connection.query(f"ROLLBACK TO SAVEPOINT {name}")
            raise
        finally:
            self._depth -= 1
        self._connection.query(f"RELEASE SAVEPOINT {name}")

    def halve(self, prepared: Prepared, start: int, stop: int) -> list[tuple[Job, Refusal]]:
        """Write a slice, or what can be written of it."""
        if stop - start <= 1:
            return self.try_all([Job(prepared.write, place, prepared.target) for place in prepared.places[start:stop]])
        try:
            with self._savepoint():
                execute(self._connection, self._stages, prepared, start, stop)
        except pymysql.err.Error as error:
            if not setback(error):
                raise
            middle = (start + stop) // 2
            return self.halve(prepared, start, middle) + self.halve(prepared, middle, stop)
        return []

    def try_all(self, jobs: Sequence[Job]) -> list[tuple[Job, Refusal]]:
        """Write rows one by one; those that failed."""
        refusals = ((job, self._guarded(job, partial(self._write_one, job))) for job in jobs)
        return [(job, refusal) for job, refusal in refusals if refusal is not None]

    def _guarded(self, job: Job, work: Callable[[], None]) -> Refusal | None:
        """Do something to one row; a refusal if it failed, and then nothing was done."""
        try:
            with self._savepoint():
                work()
        except Unstorable as error:
            return job.refusal(error.code, error.reason)
        except pymysql.err.Error as error:
            code = setback(error)
            if not code:
                raise
            return job.refusal(code, str(error.args[1]))
        return None

    def _write_one(self, job: Job) -> None:
        """Write one row; columns that were not sent are left as they are."""
        shape, values = self._values(job)
        if shape.op is Op.UPSERT:
            self._upsert_one(job, shape, values)
        elif shape.op is Op.DELETE or shape.fields or shape.deltas:
            self._connection.query(one(shape, list(values.values())))

    def _upsert_one(self, job: Job, shape: Shape, values: dict[str, bytes]) -> None:
        key = [values[name] for name in shape.key]
        where = _where(shape.key, key)
        if not read(self._connection, b"SELECT 1 FROM " + shape.table.encode() + b" WHERE " + where + b" FOR UPDATE"):
            self._connection.query(_insert(shape.table, values))
            return
        fields = tuple(name for name in shape.fields if name not in shape.key)
        if fields:
            update = shape._replace(op=Op.UPDATE, fields=fields)
            self._connection.query(one(update, [*key, *(values[name] for name in fields)]))

    def _values(self, job: Job) -> tuple[Shape, dict[str, bytes]]:
        """What is written of one row, as literals in the order of its shape. Raises Unstorable."""
        write = job.write
        key = dict(zip(job.target.collection.key, write.keys[job.place], strict=True))
        row = dict(zip((*write.fields, *write.deltas), write.rows[job.place], strict=True)) if write.rows else {}
        sent = {name: value for name, value in row.items() if value is not ABSENT}
        fields, deltas = (tuple(name for name in part if name in sent) for part in (write.fields, write.deltas))
        slim = Write(write.op, write.collection, (write.keys[job.place],), fields, deltas, (tuple(sent.values()),))
        shape = shape_of(slim, job.target)
        given = key | sent
        texts = {}
        for name in shape.names:
            kind = job.target.step_of(name) if name in deltas else job.target.type_of(name)
            texts[name] = self._literal(name, given[name], kind)
        if sum(map(len, texts.values())) > self._row_bytes_max:
            size = sum(map(len, texts.values()))
            hint = "set max_allowed_packet higher at this server"
            raise Unstorable("too_large", f"the row needs {size} bytes, and a packet takes {self._row_bytes_max}; {hint}")
        return shape, texts

    def _literal(self, name: str, value: object, kind: Type) -> bytes:
        """One value as a literal. Raises Unstorable for one that would be another then."""
        try:
            text = literal(value, kind)  # type: ignore[arg-type]
        except Unstorable as error:
            raise Unstorable(error.code, f"{name}: {error.reason}") from error
        if kind.asked_as and rewritten(self._connection, kind, [(0, text)]):
            raise Unstorable("rewritten", f"{name}: {kind.name} would keep {str(value)[:40]!r} in another way, or not at all")
        return text

    # -- rows that wait for one another -----------------------------------------------------------------------------------

    def exchange(self, failed: Sequence[tuple[Job, Refusal]]) -> list[Refusal]:
        """Take all these rows out, then put them in as they shall be. Rows that fail even so stay as they were."""
        refused: list[Refusal] = []
        jobs = [job for job, _ in failed]
        while jobs:
            out: dict[int, Refusal] = {}
            try:
                with self._savepoint():
                    self._take_out_and_put_in(jobs, out)
                    if out:
                        raise _Again
            except _Again:
                refused += out.values()
                jobs = [job for place, job in enumerate(jobs) if place not in out]
                continue
            break
        return refused

    def _take_out_and_put_in(self, jobs: Sequence[Job], out: dict[int, Refusal]) -> None:
        holds: dict[str, str] = {}
        for job in jobs:
            if job.write.collection not in holds:
                holds[job.write.collection] = self._make_hold(job.target, f"{_HOLD}_{len(holds)}")
        held = [self._take_out(job, holds[job.write.collection]) for job in jobs]
        for place, job in enumerate(jobs):
            if held[place] or job.write.op is Op.UPSERT:
                refusal = self._guarded(job, partial(self._put, job, holds[job.write.collection] if held[place] else ""))
                if refusal is not None:
                    out[place] = refusal

    def _make_hold(self, target: Target, hold: str) -> str:
        """A table for rows as they were, with the columns that are not in the collection."""
        names, key = (", ".join(map(quote, part)) for part in (target.catalog.stored, target.collection.key))
        self._connection.query(f"DROP TEMPORARY TABLE IF EXISTS {hold}")
        made = f"CREATE TEMPORARY TABLE {hold} (PRIMARY KEY ({key})) ENGINE = InnoDB AS SELECT {names} FROM"
        self._connection.query(f"{made} {target.layout.table} LIMIT 0")
        return hold

    def _take_out(self, job: Job, hold: str) -> bool:
        """Move the row aside. Whether it was there."""
        kinds = [job.target.type_of(name) for name in job.target.collection.key]
        key = [literal(value, kind) for value, kind in zip(job.write.keys[job.place], kinds, strict=True)]
        where, table = _where(job.target.collection.key, key), job.target.layout.table.encode()
        names = ", ".join(map(quote, job.target.catalog.stored)).encode()
        taken = b"INSERT INTO %s SELECT %s FROM %s WHERE %s FOR UPDATE" % (hold.encode(), names, table, where)
        if not self._connection.query(taken):
            return False
        self._connection.query(b"DELETE FROM %s WHERE %s" % (table, where))
        return True

    def _put(self, job: Job, hold: str) -> None:
        """Insert the row as the write wants it."""
        shape, values = self._values(job)
        if not hold:
            self._connection.query(_insert(shape.table, values))
            return
        keys = set(shape.key)
        fields = tuple(name for name in shape.fields if name not in keys)
        if fields or shape.deltas:
            update = shape._replace(op=Op.UPDATE, table=hold, fields=fields, kept=())
            given = [values[name] for name in (*shape.key, *fields, *shape.deltas)]
            self._connection.query(one(update, given))
        names = ", ".join(map(quote, job.target.catalog.stored)).encode()
        where = _where(shape.key, [values[name] for name in shape.key])
        table = shape.table.encode()
        self._connection.query(b"INSERT INTO %s (%s) SELECT %s FROM %s WHERE %s" % (table, names, names, hold.encode(), where))


def _where(names: Sequence[str], key: Sequence[bytes]) -> bytes:
    """The condition that names one row."""
    return b" AND ".join(quote(name).encode() + b" = " + value for name, value in zip(names, key, strict=True))


def _insert(table: str, values: dict[str, bytes]) -> bytes:
    """The statement that inserts one row."""
    names = ", ".join(map(quote, values)).encode()
    return b"INSERT INTO " + table.encode() + b" (" + names + b") VALUES (" + b", ".join(values.values()) + b")"
