"""The careful way of writing, after a batch met a constraint: everything that can be written is, the rest is refused by name.

Slices that work are kept, slices that fail are halved down to single rows. Rows that fail may be waiting for one another
(two rows that swap a unique value, T7): they are tried again, then taken out and put back together inside the transaction.
No row ever replaces another (C8).
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from syncline.model.change import Refusal
from syncline.model.value import ABSENT, Row, Value
from syncline.model.write import Op, Write
from syncline.peers import storing
from syncline.peers.sqlite.convert import Native, bind, read_row, store
from syncline.peers.sqlite.features import quote
from syncline.peers.sqlite.reading import columns_of, read
from syncline.peers.sqlite.statement import Target, by_key, insert_head, update_sets, upsert_tail
from syncline.peers.sqlite.writing import Prepared, Setbacks, execute
from syncline.peers.storing import Unstorable

_UNIQUE = frozenset({"SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT_ROWID"})


class Job(storing.Job[Target], frozen=True):
    """One row of a write, with its table."""

    def is_there(self, connection: sqlite3.Connection) -> bool:
        """Whether there is a row of its key."""
        where, params = _key_params(self)
        return connection.execute(f"SELECT 1 FROM {quote(self.target.table)} WHERE {where}", params).fetchone() is not None


class RolledBack(Exception):
    """A trigger of the user's ended the whole transaction (RAISE(ROLLBACK)) at this row."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        super().__init__(refusal.reason)


def write_carefully(connection: sqlite3.Connection, prepared: Sequence[Prepared], *, singly: bool) -> list[Refusal]:
    """Write what can be written; the rows that cannot. `singly`: row by row from the start.

    Raises RolledBack, a setback with the transaction gone if not `singly`, or sqlite3 errors that concern no single row.
    """
    failed: list[tuple[Job, Refusal]] = []
    for one in prepared:
        failed += _halve(connection, one, 0, len(one.rows), singly=singly)
    for one in prepared:
        failed += _try_all(connection, [Job(one.write, place, one.target) for place in one.odd])
    waiting = [job for job, refusal in failed if refusal.code == "unique"]
    refused = [refusal for _, refusal in failed if refusal.code != "unique"]
    while waiting:
        again = _try_all(connection, waiting)
        if len(again) == len(waiting):
            return refused + _exchange(connection, again)
        waiting = [job for job, _ in again]
    return refused


def _halve(
    connection: sqlite3.Connection, prepared: Prepared, start: int, stop: int, *, singly: bool
) -> list[tuple[Job, Refusal]]:
    if stop - start <= 1 or singly:
        return _try_all(connection, [Job(prepared.write, place, prepared.target) for place in prepared.places[start:stop]])
    try:
        with savepoint(connection):
            execute(connection, prepared, start, stop)
    except Setbacks:
        if not connection.in_transaction:
            raise
        middle = (start + stop) // 2
        first = _halve(connection, prepared, start, middle, singly=False)
        return first + _halve(connection, prepared, middle, stop, singly=False)
    return []


def _try_all(connection: sqlite3.Connection, jobs: Sequence[Job]) -> list[tuple[Job, Refusal]]:
    """Write rows one by one; those that failed."""
    failed = []
    for job in jobs:
        refusal = _attempt(connection, job)
        if refusal is not None:
            failed.append((job, refusal))
    return failed


def _attempt(connection: sqlite3.Connection, job: Job) -> Refusal | None:
    return _guarded(connection, job, partial(_write_one, connection, job))


def _guarded(connection: sqlite3.Connection, job: Job, work: Callable[[], None]) -> Refusal | None:
    """Do something to one row; a refusal if it failed, and then nothing was done."""
    try:
        with savepoint(connection):
            work()
    except Unstorable as error:
        return job.refusal(error.code, error.reason)
    except Setbacks as error:
        refusal = refusal_of(job, error)
        if not connection.in_transaction:
            raise RolledBack(refusal) from error
        return refusal
    return None


def refusal_of(job: Job, error: Exception) -> Refusal:
    """What a constraint's error says, as a refusal."""
    name = str(getattr(error, "sqlite_errorname", ""))
    if name in _UNIQUE:
        return job.refusal("unique", str(error))
    code = name.removeprefix("SQLITE_").removeprefix("CONSTRAINT_").lower() or "value"
    return job.refusal(code, str(error))


def _write_one(connection: sqlite3.Connection, job: Job) -> None:
    write, target, table = job.write, job.target, quote(job.target.table)
    key = target.collection.key
    where, params = _key_params(job)
    if write.op is Op.DELETE:
        connection.execute(f"DELETE FROM {table} WHERE {where}", params)
        return
    sent = _sent(job)
    if write.op is Op.UPSERT:
        bound = [bind(value, target.affinity(name)) for name, value in sent]
        fields = tuple(name for name, _ in sent)
        sql = insert_head(target.table, fields) + f"({','.join(holder for holder, _ in bound)})" + upsert_tail(key, fields)
        connection.execute(sql, [value for _, value in bound])
        return
    bound = [bind(value, target.affinity(name)) for name, value in sent]
    fields, deltas = _split(write, sent)
    sets = update_sets(target.table, fields, deltas, [holder for holder, _ in bound])
    if sets:
        connection.execute(f"UPDATE OR ABORT {table} SET {sets} WHERE {where}", [*(value for _, value in bound), *params])


def _sent(job: Job) -> list[tuple[str, Value]]:
    """The row's columns and values, without those that were not sent."""
    names = (*job.write.fields, *job.write.deltas)
    return [(name, value) for name, value in zip(names, job.write.rows[job.place], strict=True) if value is not ABSENT]


def _split(write: Write, sent: Sequence[tuple[str, Value]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    names = [name for name, _ in sent]
    deltas = tuple(name for name in names if name in write.deltas)
    return tuple(name for name in names if name not in write.deltas), deltas


@contextmanager
def savepoint(connection: sqlite3.Connection) -> Iterator[None]:
    """All of the block or nothing of it, inside the transaction."""
    connection.execute("SAVEPOINT syncline")
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK TO syncline")
            connection.execute("RELEASE syncline")
        raise
    connection.execute("RELEASE syncline")


# -- rows that wait for one another ---------------------------------------------------------------------------------------


def _exchange(connection: sqlite3.Connection, failed: Sequence[tuple[Job, Refusal]]) -> list[Refusal]:
    """Take all these rows out, then put them in as they shall be. Rows that fail even so stay as they were."""
    refused: list[Refusal] = []
    jobs = list(failed)
    while jobs:
        out: dict[int, Refusal] = {}
        try:
            with savepoint(connection):
                _take_out_and_put_in(connection, [job for job, _ in jobs], out)
                if out:
                    raise _Again
        except _Again:
            refused += out.values()
            jobs = [pair for place, pair in enumerate(jobs) if place not in out]
            continue
        return refused
    return refused


class _Again(Exception):
    """Some rows failed; the others are to be tried without them."""


def _take_out_and_put_in(connection: sqlite3.Connection, jobs: Sequence[Job], out: dict[int, Refusal]) -> None:
    current = [_current(connection, job) for job in jobs]
    for job in jobs:
        _guarded(connection, job, partial(_remove, connection, job))
    for place, job in enumerate(jobs):
        row = current[place]
        if row is None and job.write.op is not Op.UPSERT:
            continue
        refusal = _guarded(connection, job, partial(_put, connection, job, row))
        if refusal is not None:
            out[place] = refusal


def _key_params(job: Job) -> tuple[str, list[Native]]:
    key = job.target.collection.key
    held = [bind(value, job.target.affinity(name)) for name, value in zip(key, job.write.keys[job.place], strict=True)]
    return by_key(key, [holder for holder, _ in held]), [value for _, value in held]


def _current(connection: sqlite3.Connection, job: Job) -> Row | None:
    """The whole row as it is, with the columns that are not in the collection."""
    where, params = _key_params(job)
    source = columns_of(job.target.table, job.target.catalog.stored, job.target.collection.key)
    rows = read(connection, source, f"WHERE {where}", params).rows
    return read_row(rows[0]) if rows else None


def _remove(connection: sqlite3.Connection, job: Job) -> None:
    where, params = _key_params(job)
    connection.execute(f"DELETE FROM {quote(job.target.table)} WHERE {where}", params)


def _put(connection: sqlite3.Connection, job: Job, row: Row | None) -> None:
    """Insert the row as the write wants it."""
    target, write = job.target, job.write
    values: dict[str, Value] = dict(zip(target.catalog.stored, row, strict=True)) if row is not None else {}
    increments: dict[str, Value] = {}
    for name, value in _sent(job):
        if name in write.deltas:
            increments[name] = value
            values.setdefault(name, None)
        else:
            values[name] = value
    holders, bound = [], []
    for name, value in values.items():
        holder, native = bind(value, target.affinity(name))
        bound.append(native)
        if name in increments:
            holder = f"COALESCE({holder},0)+?"
            bound.append(store(increments[name], "BLOB"))
        holders.append(holder)
    connection.execute(insert_head(target.table, tuple(values)) + f"({','.join(holders)})", bound)
