"""The careful way of writing, after a batch met a constraint: everything that can be written is, the rest is refused by name.

Slices that work are kept, slices that fail are halved by savepoints down to single rows. Rows that fail may be waiting for
one another (two rows that swap a unique value, T7; a child before its parent): they are tried again, then taken out and put
back together inside the transaction. No row ever replaces another (C8).
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final, TypeAlias

import psycopg

from syncline.model.change import Refusal
from syncline.model.value import ABSENT, Value
from syncline.model.write import Op, Write
from syncline.peers import storing
from syncline.peers.postgres.connect import Connection
from syncline.peers.postgres.convert import doubtful, store
from syncline.peers.postgres.features import quote
from syncline.peers.postgres.statement import Target, one, reordered, shape_of
from syncline.peers.postgres.writing import Prepared, Setbacks, Stages, execute, rewritten
from syncline.peers.storing import Unstorable

_CODES: Final = {"23505": "unique", "23514": "check", "23502": "notnull", "23503": "foreign_key", "23P01": "exclusion"}
_WAITING: Final = frozenset({"unique", "foreign_key", "exclusion"})

Job: TypeAlias = storing.Job[Target]


async def write_carefully(
    connection: Connection, stages: Stages, prepared: Sequence[Prepared], *, may_remove: bool
) -> list[Refusal]:
    """Write what can be written; the rows that cannot. `may_remove`: deleting a row does nothing but delete it."""
    failed: list[tuple[Job, Refusal]] = []
    for each in prepared:
        failed += await _halve(connection, stages, each, 0, len(each.places))
        failed += await _try_all(connection, [Job(each.write, place, each.target) for place in each.odd])
    waiting = [job for job, refusal in failed if refusal.code in _WAITING]
    refused = [refusal for _, refusal in failed if refusal.code not in _WAITING]
    while waiting:
        again = await _try_all(connection, waiting)
        if len(again) == len(waiting):
            if not may_remove:
                return refused + [refusal for _, refusal in again]
            stuck = [(job, refusal) for job, refusal in again if refusal.code != "foreign_key"]
            orphans = [refusal for _, refusal in again if refusal.code == "foreign_key"]
            return refused + orphans + await _exchange(connection, stuck)
        waiting = [job for job, _ in again]
    return refused


async def _halve(
    connection: Connection, stages: Stages, prepared: Prepared, start: int, stop: int
) -> list[tuple[Job, Refusal]]:
    if stop - start <= 1:
        return await _try_all(
            connection, [Job(prepared.write, place, prepared.target) for place in prepared.places[start:stop]]
        )
    try:
        async with connection.transaction():
            await execute(connection, stages, prepared, start, stop)
    except Setbacks:
        stages.clear()
        middle = (start + stop) // 2
        first = await _halve(connection, stages, prepared, start, middle)
        return first + await _halve(connection, stages, prepared, middle, stop)
    return []


async def _try_all(connection: Connection, jobs: Sequence[Job]) -> list[tuple[Job, Refusal]]:
    """Write rows one by one; those that failed."""
    failed = []
    for job in jobs:
        refusal = await _guarded(connection, job, partial(_write_one, connection, job))
        if refusal is not None:
            failed.append((job, refusal))
    return failed


async def _guarded(connection: Connection, job: Job, work: Callable[[], Awaitable[None]]) -> Refusal | None:
    """Do something to one row; a refusal if it failed, and then nothing was done."""
    try:
        async with connection.transaction():
            await work()
    except Unstorable as error:
        return job.refusal(error.code, error.reason)
    except Setbacks as error:
        return refusal_of(job, error)
    return None


def refusal_of(job: Job, error: psycopg.Error) -> Refusal:
    """What a constraint's error says, as a refusal."""
    state = error.sqlstate or ""
    code = _CODES.get(state, "value" if state.startswith("22") else "constraint")
    detail = f": {error.diag.message_detail}" if error.diag.message_detail else ""
    return job.refusal(code, f"{error.diag.message_primary or error}{detail}")


async def _write_one(connection: Connection, job: Job) -> None:
    """Write one row; columns that were not sent are left as they are."""
    write = job.write
    key = dict(zip(job.target.collection.key, write.keys[job.place], strict=True))
    if write.op is not Op.DELETE:
        names = (*write.fields, *write.deltas)
        sent = {n for n, value in zip(names, write.rows[job.place], strict=True) if value is not ABSENT}
        row = tuple(value for n, value in zip(names, write.rows[job.place], strict=True) if n in sent)
        fields, deltas = (tuple(n for n in part if n in sent) for part in (write.fields, write.deltas))
        write = Write(write.op, write.collection, (write.keys[job.place],), fields, deltas, (row,))
        if write.op is Op.UPDATE and not row:
            return
        values = {**key, **dict(zip((*fields, *deltas), row, strict=True))} if write.op is Op.UPSERT else None
    else:
        row, values = (), key
    shape = shape_of(write, job.target)
    given: list[Value] = [values[name] for name in shape.names] if values is not None else [*key.values(), *row]
    texts = [await _stored(connection, job, name, value) for name, value in zip(shape.names, given, strict=True)]
    order = reordered(shape)
    await connection.execute(one(shape), texts if order is None else [texts[place] for place in order])


async def _stored(connection: Connection, job: Job, name: str, value: Value) -> str | None:
    """One value as the server reads it. Raises Unstorable for one that would be another then."""
    kind = job.target.type_of(name)
    try:
        text = store(value, kind)
    except Unstorable as error:
        raise Unstorable(error.code, f"{name}: {error.reason}") from error
    if text is not None and doubtful([text], kind) and await rewritten(connection, kind, [(0, text)]):
        await connection.execute(f"SELECT %s::{kind.name.replace('%', '%%')}".encode(), (text,))  # its own error, if any
        raise Unstorable("rewritten", f"{name}: {kind.name} would keep {text[:40]!r} in another way")
    return text


# -- rows that wait for one another ---------------------------------------------------------------------------------------


class _Again(Exception):
    """Some rows failed; the others are to be tried without them."""


async def _exchange(connection: Connection, failed: Sequence[tuple[Job, Refusal]]) -> list[Refusal]:
    """Take all these rows out, then put them in as they shall be. Rows that fail even so stay as they were."""
    refused: list[Refusal] = []
    jobs = list(failed)
    while jobs:
        out: dict[int, Refusal] = {}
        try:
            async with connection.transaction():
                await _take_out_and_put_in(connection, [job for job, _ in jobs], out)
                if out:
                    raise _Again
        except _Again:
            refused += out.values()
            jobs = [pair for place, pair in enumerate(jobs) if place not in out]
            continue
        return refused
    return refused


async def _take_out_and_put_in(connection: Connection, jobs: Sequence[Job], out: dict[int, Refusal]) -> None:
    current = [await _take_out(connection, job) for job in jobs]
    for place, job in enumerate(jobs):
        row = current[place]
        if row is None and job.write.op is not Op.UPSERT:
            continue
        refusal = await _guarded(connection, job, partial(_put, connection, job, row))
        if refusal is not None:
            out[place] = refusal


async def _take_out(connection: Connection, job: Job) -> tuple[Any, ...] | None:
    """Delete the row; all of it as it was, in text, with the columns that are not in the collection."""
    key = job.target.collection.key
    stored = ", ".join(f"pg_catalog.format('%%s', {quote(name).replace('%', '%%')})" for name in job.target.catalog.stored)
    nulls = ", ".join(f"{quote(name).replace('%', '%%')} IS NULL" for name in job.target.catalog.stored)
    where = " AND ".join(f"{quote(name).replace('%', '%%')} = %s" for name in key)
    sql = f"DELETE FROM {job.target.layout.table.replace('%', '%%')} WHERE {where} RETURNING {stored}, {nulls}"
    params = [store(value, job.target.type_of(name)) for name, value in zip(key, job.write.keys[job.place], strict=True)]
    row = await (await connection.execute(sql.encode(), params)).fetchone()
    if row is None:
        return None
    half = len(row) // 2
    return tuple(None if missing else text for text, missing in zip(row[:half], row[half:], strict=True))


async def _put(connection: Connection, job: Job, row: tuple[Any, ...] | None) -> None:
    """Insert the row as the write wants it."""
    target, write = job.target, job.write
    values: dict[str, str | None] = dict(zip(target.catalog.stored, row, strict=True)) if row is not None else {}
    increments: dict[str, str | None] = {}
    for name, value in zip((*write.fields, *write.deltas), write.rows[job.place], strict=True):
        if value is ABSENT:
            continue
        text = await _stored(connection, job, name, value)
        if name in write.deltas:
            increments[name] = text
            values.setdefault(name, None)
        else:
            values[name] = text
    holders, bound = [], []
    for name, text in values.items():
        bound.append(text)
        holder = "%s"
        if name in increments:
            kind = target.type_of(name).name.replace("%", "%%")
            holder = f"coalesce(%s::{kind}, 0) + %s::{kind}"
            bound.append(increments[name])
        holders.append(holder)
    names = ", ".join(quote(name).replace("%", "%%") for name in values)
    table = target.layout.table.replace("%", "%%")
    sql = f"INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE VALUES ({', '.join(holders)})"
    await connection.execute(sql.encode(), bound)
