"""MySQL: a snapshot whose place in the binary log is known. The server does not tell it, so it is found out, or made so.

Found out, while everybody writes on: a change of ours is committed, the snapshot is taken, and the binary log is asked how far
it is by then. Transactions are committed in the order in which they are logged, so that the snapshot has all that stand before
the change. Of those behind it nobody knows: if one of them is about the table, another snapshot is taken.

Made so, where that cannot be had: the table is kept from being written until the snapshot is taken. Whoever has written to it
and not committed yet is waited for, and who begins to write meanwhile does not wait for us: where somebody always writes, this
fails.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final, NamedTuple

import pymysql

from syncline.model.errors import PeerBusy
from syncline.peers.mysql import footprint, history, snapshot
from syncline.peers.mysql.connect import Connection, Place, Session, errors, fetch, number_of
from syncline.peers.mysql.features import HISTORY, Server, quote
from syncline.peers.mysql.history import Spot, spot_of
from syncline.peers.mysql.snapshot import Moment

TRIES: Final = 20  # snapshots that are taken one after the other, before the table is kept from being written
ROUNDS: Final = 6  # of both ways; others apply between them
_LOCK_SECONDS: Final = 1  # that the lock is waited for
_USUAL_SECONDS: Final = 10  # as sessions are pinned
_EVENTS_MAX: Final = 5_000  # that are looked at between our change and the snapshot
# a change that means nothing: a blank more or less behind what is there
_MARK_SQL: Final = f"UPDATE {HISTORY} SET files = IF(files LIKE '% ', TRIM(files), CONCAT(files, ' '))"
_ORDERED_SQL: Final = "SELECT @@GLOBAL.binlog_order_commits"
# what was prepared may be committed a moment after it was logged
_PREPARED_SQL: Final = "SHOW GLOBAL STATUS LIKE 'Com\\_xa\\_prepare'"
_U32: Final = 2**32 - 1
_GTIDS: Final = frozenset({"Gtid", "Anonymous_Gtid", "Gtid_tagged"})
_PLAIN: Final = frozenset({"Write_rows", "Update_rows", "Delete_rows", "Xid", "Rows_query", *_GTIDS})


class Logged(NamedTuple):
    """An event of the binary log, as the server shows it: where it begins and ends, its kind, and what it is about."""

    at: int
    end: int  # the low 32 bits of it
    kind: str
    info: str


class Quiet:
    """How one peer's snapshots begin."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._sure: Spot | None = None  # all that stands before it can be seen

    async def begin(self, session: Session, writer: Session, writing: asyncio.Lock, table: str) -> Moment:
        """From here on all reads of the session see one moment; `snapshot.end` lets go of it. Raises PeerBusy and others.

        `writing` is held by whoever uses `writer`.
        """
        for rest in reversed(range(ROUNDS)):
            async with writing:
                taken = await session.run(partial(self._found_out, server=session.server, table=table))
                if taken is not None:
                    return taken
                try:
                    async with held(writer, self._place, table):
                        return await session.run(partial(_begin, server=session.server))
                except PeerBusy:
                    if not rest:
                        raise
        raise AssertionError("the last round returns or raises")

    def _found_out(self, connection: Connection, server: Server, table: str) -> Moment | None:
        """A snapshot whose place is sure, while others write; None if there was none, or it cannot be told."""
        ((ordered,),) = fetch(connection, _ORDERED_SQL)
        if not ordered or not footprint.exists(connection):
            return None
        for _ in range(TRIES):
            before = history.end_of(connection, server)
            if before is None:
                return None
            marked = before != self._sure
            if marked:
                connection.query(_MARK_SQL)
            taken = snapshot.begin(connection, server, bare=False, heard=True)
            after = spot_of(taken.position)
            if not marked and after == before:
                return taken
            found = _logged(connection, before, after) if marked else []
            if untouched(found, self._place.database, table) and not _prepares(connection):
                self._sure = after if _is_alone(found) else None
                return taken
            self._sure = None
            snapshot.end(connection)
        return None


@asynccontextmanager
async def held(writer: Session, place: Place, table: str) -> AsyncIterator[None]:
    """Nobody writes to the table: so what its snapshot sees is what the binary log has, neither more nor less."""

    def lock(connection: Connection) -> None:
        connection.query(f"SET SESSION lock_wait_timeout = {_LOCK_SECONDS}")
        try:
            connection.query(f"LOCK TABLES {quote(table)} READ")
        finally:
            connection.query(f"SET SESSION lock_wait_timeout = {_USUAL_SECONDS}")

    with errors(place, "keeping a table from being written"):
        await writer.run(lock)
        try:
            yield
        finally:
            await writer.run(lambda connection: connection.query("UNLOCK TABLES"))


def _begin(connection: Connection, server: Server) -> Moment:
    return snapshot.begin(connection, server, bare=not footprint.exists(connection), heard=True)


def _prepares(connection: Connection) -> bool:
    return any(int(count) for _, count in fetch(connection, _PREPARED_SQL))


def _logged(connection: Connection, before: Spot, after: Spot) -> list[Logged]:
    """What was logged between two places; nothing if it cannot be told: in two files, too much, or not to be shown yet."""
    if before.file != after.file:
        return []
    try:
        rows = fetch(connection, "SHOW BINLOG EVENTS IN %s FROM %s LIMIT %s", (before.file, before.offset, _EVENTS_MAX))
    except pymysql.err.MySQLError as error:
        if number_of(error) != history.NO_EVENT:
            raise
        return []
    shown = [Logged(int(row[1]), int(row[4]) & _U32, str(row[2]), str(row[5])) for row in rows]
    found = [one for one in shown if one.at < after.offset]
    return found if found and found[-1].end == after.offset & _U32 else []


def untouched(found: Sequence[Logged], schema: str, table: str) -> bool:
    """Whether nothing behind our change is about the table. What cannot be looked into may be."""
    if _is_alone(found):
        return True
    mark = next((at for at, one in enumerate(found) if _is_about(one, schema, HISTORY)), None)
    if mark is None:
        return False
    for one in found[mark + 1 :]:
        strange = one.kind not in _PLAIN and one.kind != "Table_map" and not (one.kind == "Query" and one.info == "BEGIN")
        if strange or _is_about(one, schema, table):
            return False
    return True


def _is_alone(found: Sequence[Logged]) -> bool:
    """Whether nothing was logged but our change."""
    return len([one for one in found if one.kind in _GTIDS]) == 1


def _is_about(one: Logged, schema: str, table: str) -> bool:
    return one.kind == "Table_map" and one.info.lower().endswith(f"({schema}.{table})".lower())
