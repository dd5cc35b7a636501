"""Rows and tables at the bounds: values too large to travel, very wide tables, many large rows."""

import asyncio
from contextlib import aclosing
from pathlib import Path

from tests.unit.peers.sqlite.office import office, run

from syncline.model.canonical import Way
from syncline.model.limits import GROUP_ROWS_MAX, VALUE_BYTES_MAX
from syncline.model.schema import Collection
from syncline.model.value import Tagged
from syncline.peers.sqlite import open_peer

T = Collection("t", ("id", "v"), ("id",))
SCHEMA = "CREATE TABLE t (id INTEGER PRIMARY KEY, v)"


def test_d37_a_value_too_large_to_travel_is_marked_and_the_rest_flows(tmp_path: Path) -> None:
    size = VALUE_BYTES_MAX + 1

    async def story() -> None:
        async with office(tmp_path, SCHEMA, T) as here:
            here.sql.execute("INSERT INTO t VALUES (1, 'small'), (2, zeroblob(?)), (3, 'also small')", (size,))
            here.sql.execute("INSERT INTO t VALUES (4, ?)", ("x" * (2 * 1024 * 1024),))
            found = {change.key: change.after for change in await here.changes()}
            assert found[1,] == (1, "small")
            assert found[3,] == (3, "also small")
            assert found[4,] == (4, "x" * (2 * 1024 * 1024))
            marked = found[2,]
            assert marked is not None
            assert isinstance(marked[1], Tagged)
            assert (marked[1].kind, str(size) in marked[1].text) == ("oversize", True)
            assert (await here.rows())[2,] == marked
            done = await here.apply(here.upsert((9, marked[1])))
            assert [(refusal.code, str(size) in refusal.reason) for refusal in done.refused] == [("too_large", True)]

    run(story())


def test_d37_a_table_of_nine_hundred_columns(tmp_path: Path) -> None:
    names = tuple(f"c{n}" for n in range(900))
    wide = Collection("t", names, ("c0",))
    schema = f"CREATE TABLE t (c0 INTEGER PRIMARY KEY, {', '.join(names[1:])})"

    async def story() -> None:
        async with office(tmp_path, schema, wide) as here:
            here.sql.execute(f"INSERT INTO t VALUES ({','.join('?' * 900)})", range(900))
            here.sql.execute("UPDATE t SET c899 = 'end'")
            created, changed = await here.changes()
            assert created.after == tuple(range(900))
            assert changed.after == (*range(899), "end")
            await here.apply(here.upsert(*((n, *range(899)) for n in range(40))))
            assert (await here.rows())[39,] == (39, *range(899))

    run(story())


def test_s4_many_large_rows_are_read_in_bounded_pieces(tmp_path: Path) -> None:
    async def story() -> None:
        async with office(tmp_path, SCHEMA, T) as here:
            for start in range(0, 60, 10):
                here.sql.executemany("INSERT INTO t VALUES (?, ?)", [(n, bytes(900_000)) for n in range(start, start + 10)])
            found = await here.captured()
            assert [change.key for t in found for change in t.changes] == [(n,) for n in range(60)]
            assert max(len(t.changes) for t in found) < 60
            chunk = await here.peer.chunk(T, None, 50)
            assert 0 < len(chunk.rows) < 50
            assert not chunk.done
            assert len((await here.peer.rows(T, [(n,) for n in range(60)])).rows) == 60
            (piece,) = (await here.peer.digests(T, [(None, None)], Way())).parts
            assert piece.count == 60

    run(story())


def test_t1_a_large_transaction_that_was_watched_stays_whole(tmp_path: Path) -> None:
    """More rows than a backlog's group may have, in statements at different times: one commit, so one transaction."""

    async def story() -> None:
        async with office(tmp_path, SCHEMA, T) as here:
            peer = open_peer("here", f"sqlite:///{here.path}", poll_seconds=30.0)  # however slow the machine, it watches
            await peer.connect()
            async with aclosing(peer.stream(None)) as stream:  # type: ignore[type-var]
                await anext(stream)
                waiting = asyncio.ensure_future(anext(stream))
                await asyncio.sleep(0.01)
                here.sql.execute("BEGIN")
                for start in range(0, 15_000, 1_000):
                    here.sql.executemany("INSERT INTO t VALUES (?, 'x')", [(n,) for n in range(start, start + 1_000)])
                here.sql.execute("COMMIT")
                for capture in peer._captures:
                    capture.news.set()
                assert len((await waiting).changes) == 15_000
            whole = await here.captured()  # nobody watched: cut, but nothing is lost
            assert [change.key for t in whole for change in t.changes] == [(n,) for n in range(15_000)]
            assert max(len(t.changes) for t in whole) <= GROUP_ROWS_MAX
            await peer.close()

    run(story())
