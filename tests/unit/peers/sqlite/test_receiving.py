"""A file that only receives: triggers of the user's make no difference to what is delivered; ours stand only beside them."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

from syncline.model.schema import Collection, Kind
from syncline.model.write import Batch, Op, Write
from syncline.peers.protocol import Applied
from syncline.peers.sqlite import open_peer

ITEMS = Collection("items", ("id", "name"), ("id",), (Kind.INTEGER, Kind.TEXT))
_TRIGGERS = "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND name LIKE '\\_syncline\\_%' ESCAPE '\\'"
_AUDIT = "CREATE TRIGGER audit AFTER INSERT ON items BEGIN INSERT INTO heard VALUES (new.id); END"


def upsert(*keys: int) -> Write:
    """Rows of items."""
    return Write(Op.UPSERT, "items", tuple((key,) for key in keys), ITEMS.columns, (), tuple((key, "x") for key in keys))


def test_t6_rows_are_written_beside_triggers_of_the_table_that_come_and_go(tmp_path: Path) -> None:
    async def story() -> None:
        path = tmp_path / "depot.db"
        with closing(sqlite3.connect(path, isolation_level=None)) as file:
            file.execute("CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT)")
            file.execute("CREATE TABLE heard (id INTEGER)")
            file.execute(_AUDIT)
            peer = open_peer("depot", f"sqlite:///{path}", captures=False)
            await peer.connect()
            await peer.setup([ITEMS])
            assert await peer.apply(Batch(1, (upsert(1, 2),), 2)) == Applied(2)
            assert file.execute("SELECT id FROM heard").fetchall() == [(1,), (2,)]
            file.execute("DROP TRIGGER audit")
            assert await peer.apply(Batch(2, (upsert(3),), 1)) == Applied(1)
            assert file.execute(_TRIGGERS).fetchone() == (0,)
            file.execute("CREATE TRIGGER no BEFORE INSERT ON items WHEN new.id = 5 BEGIN SELECT RAISE(IGNORE); END")
            done = await peer.apply(Batch(3, (upsert(4, 5),), 2))
            assert [(one.key, one.code) for one in done.refused] == [((5,), "ignored")]
            assert file.execute("SELECT id FROM items").fetchall() == [(1,), (2,), (3,), (4,)]
            assert await peer.changed() is None
            await peer.teardown()
            assert file.execute(_TRIGGERS).fetchone() == (0,)
            await peer.close()

    asyncio.run(story())
