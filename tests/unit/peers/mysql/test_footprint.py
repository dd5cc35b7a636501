"""The footprint after a crash: MariaDB commits every CREATE TABLE by itself, so a setup can end between two of them."""

import pytest
from tests.unit.peers.mysql.database import database, story

from syncline.model.errors import PeerUnsafe
from syncline.peers.mysql import footprint
from syncline.peers.mysql.features import LAYOUT, OURS

ITEMS = "CREATE TABLE items (id BIGINT PRIMARY KEY, name VARCHAR(200))"


@pytest.mark.parametrize("made", range(1, len(OURS) + 1))
def test_f6_a_setup_that_was_cut_short_is_begun_anew(made: int) -> None:
    async def work() -> None:
        async with database(ITEMS) as base:
            base.run(*footprint._TABLES[:made])
            peer = base.peer()
            assert (await peer.connect()).fresh
            assert await peer.changed() is None
            assert await peer.kept(None) is None
            _, found = await base.ready("items")
            identity = await peer.connect()
            assert (identity.fresh, identity.incarnation != "", list(found)) == (False, True, ["items"])

    story(work)


def test_f6_a_setup_that_was_cut_short_is_torn_down() -> None:
    async def work() -> None:
        async with database(ITEMS) as base:
            base.run(*footprint._TABLES[:2])
            peer = base.peer()
            await peer.connect()
            await peer.teardown()
            assert base.run("SHOW TABLES") == [("items",)]

    story(work)


@pytest.mark.parametrize("emptied", [("syncline_state",), tuple(sorted(OURS - {LAYOUT}))])
def test_rows_of_a_footprint_that_somebody_deleted_are_not_taken_for_a_crash(emptied: tuple[str, ...]) -> None:
    async def work() -> None:
        async with database(ITEMS) as base:
            peer, _ = await base.ready("items")
            base.run(*(f"DELETE FROM {name}" for name in emptied))
            with pytest.raises(PeerUnsafe, match="deleted their rows"):
                await peer.connect()

    story(work)
