"""MySQL does not tell which place in its binary log a snapshot belongs to: it is found out while others write, or made so."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.servers import mysql
from tests.unit.peers.mysql.database import Database, database, story

from syncline.model.errors import PeerBusy
from syncline.peers.mysql import quiet
from syncline.peers.mysql.history import Spot
from syncline.peers.mysql.quiet import Logged, untouched

TABLES = ("CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL)", "INSERT INTO t VALUES (1, 0), (2, 0)")
ROWS = (((1,), (1, 0)), ((2,), (2, 0)))


def _group(table: str, *more: tuple[str, str]) -> list[tuple[str, str]]:
    return [("Anonymous_Gtid", ""), ("Query", "BEGIN"), *more, ("Table_map", f"table_id: 91 ({table})"), ("Update_rows", ""),
            ("Xid", "COMMIT /* xid=7 */")]  # fmt: skip


MARK, OURS, OTHER = _group("crm.syncline_history"), _group("crm.t"), _group("crm.other")


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        (MARK, True),
        (OURS + MARK, True),
        (OURS + MARK + OTHER, True),
        (MARK + OURS, False),
        (MARK + OTHER + OURS + OTHER, False),
        (MARK + _group("CRM.T"), False),
        ([*MARK, ("Anonymous_Gtid", ""), ("Query", "use `crm`; UPDATE t SET n = 1")], False),
        ([*MARK, ("Anonymous_Gtid", ""), ("Query", "XA COMMIT X'61',X'',1")], False),
        ([*MARK, ("Anonymous_Gtid", ""), ("Transaction_payload", "compression='ZSTD'")], False),
        ([("Gtid", ""), ("Transaction_payload", "compression='ZSTD'")], True),
        (OURS + OTHER, False),
        (MARK + _group("crm.other", ("Table_map", "table_id: 92 (crm.t)")), False),
        ([], False),
    ],
)
def test_what_stands_behind_our_change_decides(events: list[tuple[str, str]], expected: bool) -> None:
    found = [Logged(at, at + 1, kind, info) for at, (kind, info) in enumerate(events)]
    assert untouched(found, "crm", "t") is expected


@contextmanager
def _written(base: Database) -> Iterator[None]:
    """Somebody has written to the table, and has not committed yet."""
    with base.server.connect(base.name) as program:
        program.begin()
        program.query("UPDATE t SET n = n + 1 WHERE id = 1")
        yield
        program.rollback()


def test_a_table_that_is_being_written_all_the_time_is_read_at_once(
    mysql_server: mysql.MysqlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quiet, "ROUNDS", 1)

    async def work() -> None:
        async with database(*TABLES) as base:
            peer, found = await base.ready("t")
            with _written(base):
                assert (await peer.chunk(found["t"], None, 10)).rows == ROWS
                assert (await peer.rows(found["t"], [(1,)])).rows == ROWS[:1]

    story(work)


def test_where_nothing_is_written_reading_writes_nothing_either(mysql_server: mysql.MysqlServer) -> None:
    async def work() -> None:
        async with database(*TABLES) as base:
            peer, found = await base.ready("t")
            first = await peer.chunk(found["t"], None, 10)
            places = [(await peer.chunk(found["t"], None, 10)).position for _ in range(5)]
            assert set(places) == {first.position, await peer.position()}
            base.run("UPDATE t SET n = 1")
            assert (await peer.chunk(found["t"], None, 10)).position > first.position

    story(work)


@pytest.mark.parametrize("how", ["order", "prepared"])
def test_where_it_cannot_be_found_out_the_table_is_kept_from_being_written(
    mysql_server: mysql.MysqlServer, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody commits in the order of the log, or what was prepared is committed a moment after it was logged."""
    monkeypatch.setattr(quiet, "ROUNDS", 2)
    if how == "prepared":
        monkeypatch.setattr(quiet, "_prepares", lambda _: True)

    async def work() -> None:
        async with database(*TABLES) as base:
            peer, found = await base.ready("t")
            if how == "order":
                mysql_server.run(None, "SET GLOBAL binlog_order_commits = OFF")
            with _written(base):
                with pytest.raises(PeerBusy, match="keeping a table from being written"):
                    await peer.chunk(found["t"], None, 10)
                reading = asyncio.ensure_future(peer.chunk(found["t"], None, 10))
                await asyncio.sleep(0.2)
                assert not reading.done()
            assert (await reading).rows == ROWS
            base.run("UPDATE t SET n = 5")

    try:
        story(work)
    finally:
        mysql_server.run(None, "SET GLOBAL binlog_order_commits = ON")


def test_what_the_server_does_not_show_yet_tells_nothing(mysql_server: mysql.MysqlServer) -> None:
    async def work() -> None:
        async with database(*TABLES) as base:
            peer, _ = await base.ready("t")
            assert peer._reader is not None
            file, end = mysql_server.run(None, "SHOW MASTER STATUS")[0][:2]
            base.run("UPDATE t SET n = n + 1")
            after = Spot(file, int(mysql_server.run(None, "SHOW MASTER STATUS")[0][1]))

            async def logged(before: Spot, upto: Spot) -> list[Logged]:
                assert peer._reader is not None
                return await peer._reader.run(lambda one: quiet._logged(one, before, upto))

            assert len(await logged(Spot(file, int(end)), after)) == 5
            assert await logged(Spot(file, int(end)), Spot(file, after.offset + 1)) == []
            assert await logged(Spot(file, after.offset + 1_000_000), Spot(file, after.offset + 1_000_001)) == []
            assert await logged(Spot(file, int(end)), Spot("binlog.999999", 4)) == []

    story(work)
