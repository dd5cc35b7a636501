"""Transactions that are prepared (XA), begun first and committed later, or taken back: what was committed is told, in order."""

from collections.abc import Iterator

import pytest
from tests.servers import mysql
from tests.servers.mariadb import Server, shared
from tests.unit.peers.mysql.database import database, story

from syncline.peers.conformance.reading import captured

ITEMS = "CREATE TABLE items (id BIGINT PRIMARY KEY, name VARCHAR(50))"


@pytest.fixture(params=["mariadb", "mysql"])
def preparing(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server on which something is prepared: on MySQL that changes how snapshots begin, so it is not the one of all."""
    if request.param == "mariadb":
        yield shared()
        return
    if mysql.root() is None:
        pytest.skip("MySQL 8 is not there, and was not fetched")
    made = mysql.MysqlServer()
    yield made
    made.remove()


def test_t2_t3_t5_only_what_was_committed_is_told_and_in_commit_order(preparing: Server) -> None:
    async def work() -> None:
        async with database(ITEMS, server=preparing) as base:
            peer, _ = await base.ready("items")
            with base.server.connect(base.name) as one, base.server.connect(base.name) as two:
                first, second = one.cursor(), two.cursor()
                first.execute("BEGIN")
                first.execute("INSERT INTO items (id, name) VALUES (1, 'begun first')")
                second.execute("INSERT INTO items (id, name) VALUES (2, 'committed first')")
                first.execute("SAVEPOINT s")
                first.execute("INSERT INTO items (id, name) VALUES (3, 'taken back')")
                first.execute("ROLLBACK TO s")
                first.execute("COMMIT")
                second.execute("BEGIN")
                second.execute("INSERT INTO items (id, name) VALUES (4, 'never')")
                second.execute("ROLLBACK")
                second.execute("BEGIN")
                second.execute("INSERT INTO items (id, name) VALUES (41, 'logged and taken back')")
                second.execute("CREATE TEMPORARY TABLE t (n INT)")
                second.execute("ROLLBACK")
                second.execute("XA START 'later'")
                second.execute("INSERT INTO items (id, name) VALUES (5, 'prepared')")
                second.execute("XA END 'later'")
                second.execute("XA PREPARE 'later'")
                with base.server.connect(base.name) as three:
                    third = three.cursor()
                    third.execute("XA START 'ne''ver', 'part'")
                    third.execute("INSERT INTO items (id, name) VALUES (6, 'prepared for nothing')")
                    third.execute("XA END 'ne''ver', 'part'")
                    third.execute("XA PREPARE 'ne''ver', 'part'")
                    third.execute("XA ROLLBACK 'ne''ver', 'part'")
                    third.execute("XA START 'at once'")
                    third.execute("INSERT INTO items (id, name) VALUES (7, 'in one phase')")
                    third.execute("XA END 'at once'")
                    third.execute("XA COMMIT 'at once' ONE PHASE")
                between = await captured(peer)
                assert [change.key for t in between for change in t.changes] == [(2,), (1,), (7,)]
                second.execute("XA COMMIT 'later'")
            found = await captured(peer)
            assert [change.key for t in found for change in t.changes] == [(2,), (1,), (7,), (5,)]
            assert [t.position for t in found] == sorted({t.position for t in found})
            rest = await captured(peer, between[-1].position)
            assert [change.key for t in rest for change in t.changes] == [(5,)], "what was prepared before is looked for"

    story(work)
