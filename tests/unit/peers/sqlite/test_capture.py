"""Reading a changelog as it lives: resumed, trimmed, watched; tables that change under it; rows too large to travel."""

import asyncio
import os
import shutil
import sqlite3
import time
from collections.abc import Awaitable
from contextlib import aclosing, suppress
from pathlib import Path

import pytest
from tests.unit.peers.sqlite.office import Office, office, run, soon

from syncline.model.change import Transaction
from syncline.model.errors import PeerChanged, PeerError, PeerRestored, PeerUnreachable, PeerUnsafe
from syncline.model.schema import Collection
from syncline.model.stamp import Position
from syncline.peers.sqlite import SqlitePeer, open_peer

T = Collection("t", ("id", "v"), ("id",))
SCHEMA = "CREATE TABLE t (id INTEGER PRIMARY KEY, v)"


async def error_of(work: Awaitable[object]) -> PeerError:
    """The PeerError that work ends with."""
    with pytest.raises(PeerError) as caught:
        await work
    return caught.value


async def drained(here: Office, after: Position | None = None) -> None:
    """Read on until something stops it."""
    async for _ in here.peer.stream(after):
        pass


def test_d43_what_sqlite_does_to_rows_is_captured(tmp_path: Path) -> None:
    """DELETE without WHERE, a reused rowid, VACUUM, ATTACH, WITHOUT ROWID."""
    schema = f"{SCHEMA}; CREATE TABLE w (id TEXT PRIMARY KEY, v) WITHOUT ROWID"
    w = Collection("w", ("id", "v"), ("id",))

    async def story() -> None:
        async with office(tmp_path, schema, T, w) as here:
            here.sql.execute("INSERT INTO t(v) VALUES ('a'), ('b'), ('c')")
            here.sql.execute("DELETE FROM t")
            here.sql.execute("INSERT INTO t(v) VALUES ('again')")
            here.sql.execute("VACUUM")
            other = sqlite3.connect(":memory:", isolation_level=None)
            other.execute("ATTACH ? AS theirs", (str(here.path),))
            other.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v)")
            other.execute("UPDATE theirs.t SET v = 'attached'")
            other.execute("INSERT INTO theirs.w VALUES ('k', 1)")
            other.close()
            found = [(change.collection, change.key, change.before, change.after) for change in await here.changes()]
            inserts = [("t", (n,), None, (n, letter)) for n, letter in ((1, "a"), (2, "b"), (3, "c"))]
            deletes = [("t", (n,), (n, letter), None) for n, letter in ((1, "a"), (2, "b"), (3, "c"))]
            assert found == [
                *inserts,
                *deletes,
                ("t", (1,), None, (1, "again")),
                ("t", (1,), (1, "again"), (1, "attached")),
                ("w", ("k",), None, ("k", 1)),
            ]

    run(story())


def test_a_stream_that_waits_wakes_up(tmp_path: Path) -> None:
    async def story() -> None:
        async with office(tmp_path, SCHEMA, T) as here, aclosing(here.peer.stream(None)) as stream:  # type: ignore[type-var]
            first = await soon(anext(stream))
            assert (first.changes, first.position) == ((), await here.peer.position())
            for number in range(3):
                waiting = asyncio.ensure_future(anext(stream))
                await asyncio.sleep(0.02)
                assert not waiting.done()
                here.sql.execute("INSERT INTO t VALUES (?, 'x')", (number,))
                assert [change.key for change in (await soon(waiting)).changes] == [(number,)]

    run(story())


def test_two_streams_read_one_file(tmp_path: Path) -> None:
    async def story() -> None:
        async with office(tmp_path, SCHEMA, T) as here:
            here.sql.executemany("INSERT INTO t VALUES (?, 'x')", [(n,) for n in range(50)])
            one, two = await asyncio.gather(here.changes(), here.changes())
            assert one == two
            assert len(one) == 50

    run(story())


def test_records_are_forgotten_when_nothing_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncline.model.limits.TRIM_ROWS_MIN", 10)

    async def story() -> None:
        async with office(tmp_path, SCHEMA, T) as here, aclosing(here.peer.stream(None)) as stream:  # type: ignore[type-var]
            here.sql.executemany("INSERT INTO t VALUES (?, 'x')", [(n,) for n in range(300)])
            end = await here.peer.position()
            while (await anext(stream)).position < end:
                pass
            await here.peer.acknowledge(end)
            waiting = asyncio.ensure_future(anext(stream))
            await soon(_until(here, "SELECT count(*) = 1 FROM _syncline_changelog"))
            here.sql.execute("DELETE FROM t WHERE id = 7")
            assert [change.key for change in (await soon(waiting)).changes] == [(7,)]
            assert (await here.peer.position()).major == end.major + 1

    run(story())


async def _until(here: Office, question: str) -> None:
    while here.sql.execute(question).fetchone() != (1,):
        await asyncio.sleep(0.01)


def test_numbers_are_never_used_twice(tmp_path: Path) -> None:
    async def story() -> None:
        async with office(tmp_path, SCHEMA, T) as here:
            seen = set()
            for number in range(5):
                here.sql.execute("INSERT INTO t VALUES (?, 'x')", (number,))
                end = await here.peer.position()
                assert end.major not in seen
                seen.add(end.major)
                await here.peer.acknowledge(Position(end.major + 1000))
                await here.apply()
            assert here.sql.execute("SELECT count(*) FROM _syncline_changelog").fetchone() <= (2,)

    run(story())


def test_f26_f28_another_history_is_not_read_on(tmp_path: Path) -> None:
    """A file that lost its last commits, and wrote others of the same number since."""

    async def story() -> None:
        async with office(tmp_path, SCHEMA, T) as here:
            here.sql.execute("INSERT INTO t VALUES (1, 'kept')")
            here.sql.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            shutil.copy(here.path, tmp_path / "backup.db")
            here.sql.execute("INSERT INTO t VALUES (2, 'lost')")
            seen = (await here.captured())[-1].position
            restored = open_peer("here", f"sqlite:///{tmp_path}/backup.db")
            await restored.connect()
            assert isinstance(await error_of(_first(restored.stream(seen))), PeerRestored)
            await asyncio.sleep(0.005)
            with sqlite3.connect(tmp_path / "backup.db") as program:
                program.execute("INSERT INTO t VALUES (2, 'other')")
            program.close()
            assert (await restored.position()).major == seen.major
            error = await error_of(_first(restored.stream(seen)))
            assert isinstance(error, PeerRestored)
            assert "not the one" in error.why
            await restored.close()
            assert await here.changes(seen) == []

    run(story())


async def _first(stream: object) -> object:
    return await anext(stream)  # type: ignore[call-overload]


def test_f26_a_file_that_is_replaced_while_open_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncline.model.limits.FILE_CHECK_SECONDS", 0.01)

    async def story() -> None:
        async with office(tmp_path, SCHEMA, T) as here:
            reading = asyncio.ensure_future(drained(here))
            await asyncio.sleep(0.03)
            assert not reading.done()
            shutil.copy(here.path, tmp_path / "copy.db")
            os.replace(tmp_path / "copy.db", here.path)
            error = await soon(error_of(reading))
            assert isinstance(error, PeerUnreachable)
            assert "replaced" in error.what

    run(story())


DAMAGES = {
    "dropped": ("DROP TABLE t", "dropped or renamed"),
    "recreated": (f"DROP TABLE t; {SCHEMA}", "not captured"),
    "renamed": ("ALTER TABLE t RENAME TO t2", "dropped or renamed"),
    "column renamed": ("ALTER TABLE t RENAME COLUMN v TO w", "columns"),
    "rebuilt": ("CREATE TABLE n (id INTEGER PRIMARY KEY, v, z); DROP TABLE t; ALTER TABLE n RENAME TO t", "not captured"),
    "trigger dropped": ("DROP TRIGGER _syncline_1_update", "not captured"),
}


@pytest.mark.parametrize("damage", sorted(DAMAGES))
@pytest.mark.parametrize("running", [True, False])
def test_f25_d43_a_table_that_changes_under_us_is_noticed(tmp_path: Path, damage: str, running: bool) -> None:
    sql, what = DAMAGES[damage]

    async def story() -> None:
        async with office(tmp_path, SCHEMA, T) as here:
            here.sql.execute("INSERT INTO t VALUES (1, 'before')")
            seen: list[Transaction] = []

            async def read() -> None:
                async for transaction in here.peer.stream(None):
                    seen.append(transaction)

            reading = asyncio.ensure_future(read())
            if running:
                await asyncio.sleep(0.03)
                assert not reading.done()
            here.sql.execute("INSERT INTO t VALUES (2, 'last')")
            here.sql.executescript(sql)
            error = await soon(error_of(reading))
            assert isinstance(error, PeerChanged)
            assert what in error.what
            assert error.where["table"] == "t"
            assert [change.key for transaction in seen for change in transaction.changes] == [(1,), (2,)]
            assert isinstance(await error_of(here.apply(here.upsert((3, "x")))), PeerChanged)
            later = open_peer("here", f"sqlite:///{here.path}")
            await later.connect()
            assert isinstance(await error_of(later.setup([T])), PeerError)
            await later.teardown()
            await later.close()

    run(story())


def test_a_captured_column_cannot_be_dropped(tmp_path: Path) -> None:
    async def story() -> None:
        async with office(tmp_path, SCHEMA, T) as here:
            with pytest.raises(sqlite3.OperationalError):
                here.sql.execute("ALTER TABLE t DROP COLUMN v")
            here.sql.execute("INSERT INTO t VALUES (1, 'still')")
            assert [change.after for change in await here.changes()] == [(1, "still")]

    run(story())


def test_d42_a_unique_index_that_comes_later_is_watched_too(tmp_path: Path) -> None:
    async def story() -> None:
        async with office(tmp_path, SCHEMA, T) as here, aclosing(here.peer.stream(None)) as stream:  # type: ignore[type-var]
            await anext(stream)
            here.sql.execute("INSERT INTO t VALUES (1, 'a')")
            assert len((await soon(anext(stream))).changes) == 1
            waiting = asyncio.ensure_future(anext(stream))
            here.sql.execute("CREATE UNIQUE INDEX later ON t(v)")
            await soon(_until(here, "SELECT sql LIKE '%\"v\"=NEW%' FROM sqlite_schema WHERE name = '_syncline_1_replace'"))
            here.sql.execute("REPLACE INTO t VALUES (2, 'a')")
            found = (await soon(waiting)).changes
            assert [(change.key, change.after) for change in found] == [((1,), None), ((2,), (2, "a"))]

    run(story())


def test_a_newer_footprint_and_a_foreign_one_are_refused(tmp_path: Path) -> None:
    async def story() -> None:
        async with office(tmp_path, SCHEMA, T) as here:
            here.sql.execute("UPDATE _syncline_state SET format = 99")
            with pytest.raises(PeerUnsafe, match="newer"):
                await here.peer.connect()
            here.sql.execute("DELETE FROM _syncline_state")
            with pytest.raises(PeerUnsafe, match="empty"):
                await here.peer.connect()

    run(story())
    missing = run(_unset(tmp_path))
    assert "not set up" in missing.what


async def _unset(tmp_path: Path) -> PeerError:
    with sqlite3.connect(tmp_path / "plain.db") as program:
        program.execute(SCHEMA)
    program.close()
    peer = open_peer("here", f"sqlite:///{tmp_path}/plain.db")
    await peer.connect()
    error = await error_of(_first(peer.stream(None)))
    await peer.close()
    return error


def test_a_collection_may_not_move_to_another_table(tmp_path: Path) -> None:
    async def story() -> None:
        async with office(tmp_path, f"{SCHEMA}; CREATE TABLE other (id INTEGER PRIMARY KEY, v)", T) as here:
            moved = Collection("t", ("id", "v"), ("id",), tables={"here": "other"})
            assert isinstance(await error_of(here.peer.setup([moved])), PeerChanged)
            await here.peer.setup([])  # taken out: its triggers go, its records stay readable
            here.sql.execute("INSERT INTO t VALUES (1, 'unseen')")
            assert await here.changes() == []

    run(story())


def test_f25_damage_is_told_although_other_tables_are_written_all_the_time(tmp_path: Path) -> None:
    other = Collection("other", ("id", "v"), ("id",))

    async def story() -> None:
        async with office(tmp_path, f"{SCHEMA}; CREATE TABLE other (id INTEGER PRIMARY KEY, v)", T, other) as here:
            here.sql.execute("DROP TABLE t")
            writing = asyncio.ensure_future(_write_on(here))
            assert isinstance(await soon(error_of(drained(here))), PeerChanged)
            writing.cancel()

    run(story())


async def _write_on(here: Office) -> None:
    while True:
        here.sql.execute("INSERT INTO other(v) VALUES (1)")
        await asyncio.sleep(0)


def test_a_program_sees_nothing_of_the_triggers(tmp_path: Path) -> None:
    async def story() -> None:
        async with office(tmp_path, "CREATE TABLE t (id INTEGER PRIMARY KEY, v UNIQUE)", T) as here:
            cursor = here.sql.execute("INSERT INTO t(v) VALUES ('a'), ('b')")
            assert (cursor.lastrowid, cursor.rowcount) == (2, 2)
            cursor = here.sql.execute("REPLACE INTO t(id, v) VALUES (7, 'a')")
            assert (cursor.lastrowid, cursor.rowcount) == (7, 1)
            assert here.sql.execute("SELECT last_insert_rowid(), changes()").fetchone() == (7, 1)
            assert here.sql.execute("UPDATE t SET v = v || 'x' RETURNING v").fetchall() == [("bx",), ("ax",)]
            assert here.sql.execute("SELECT changes()").fetchone() == (2,)
            assert here.sql.execute("DELETE FROM t").rowcount == 2

    run(story())


def test_an_idle_peer_costs_next_to_nothing(tmp_path: Path) -> None:
    """Under 1% of a core: measured over two seconds, with room for a slow machine."""

    async def story() -> float:
        async with office(tmp_path, SCHEMA, T) as here:
            peer = open_peer("idle", f"sqlite:///{here.path}")
            await peer.connect()
            reading = asyncio.ensure_future(_read_all(peer))
            await asyncio.sleep(0.5)
            begun = time.process_time()
            await asyncio.sleep(2.0)
            spent = time.process_time() - begun
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading
            await peer.close()
            return spent / 2.0

    assert run(story()) < 0.03


async def _read_all(peer: SqlitePeer) -> None:
    async for _ in peer.stream(None):
        pass
