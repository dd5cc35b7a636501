"""What `check` says beside problems: a server that keeps all its log; and how much it keeps for us now."""

from typing import cast

from tests.unit.peers.postgres.database import Database, database, story

from syncline.engine.state import Stage, State
from syncline.hub import at_rest
from syncline.hub.pipeline import Readable
from syncline.model.space import PeerSpec, Space

COUNTS = "CREATE TABLE counts (id int8 PRIMARY KEY, n int8)"


def _space(base: Database) -> Space:
    return Space("s", "", {"pg": PeerSpec("pg", base.server.url(base.name))}, {})


def _stale() -> State:
    state = State()
    state.peer("pg").stage = Stage.STALE
    return state


def test_d23_a_unique_that_is_deferrable_is_advised_about_where_it_would_not_be_kept() -> None:
    tables = (
        "CREATE TABLE loose (id int8 PRIMARY KEY, iban text, UNIQUE (iban) DEFERRABLE)",
        "CREATE TABLE tight (id int8 PRIMARY KEY, iban text UNIQUE)",
    )

    async def work() -> None:
        async with database(*tables) as base:
            peer, found = await base.ready("loose", "tight")
            told = [one for one in await peer.advice(list(found.values())) if "DEFERRABLE" in one]
            assert len(told) == 1
            assert told[0].startswith('UNIQUE ("iban") of loose is DEFERRABLE')

    story(work)


def test_t9_f13_what_a_slot_keeps_is_told_with_and_without_a_connection() -> None:
    async def work() -> None:
        async with database(COUNTS) as base:
            peer, found = await base.ready("counts")
            assert any("max_slot_wal_keep_size" in one for one in await peer.advice(list(found.values())))
            before = await peer.kept(None)
            assert before is not None
            assert before.what.startswith("the replication slot syncline_")
            assert (before.budget, before.bytes_max, before.leaving, before.lost) == (4 * 1024**3, 0, False, "")
            base.run(f"SELECT pg_logical_emit_message(true, 'none of ours', repeat('x', {2**20}))")
            await peer.close()
            after = await peer.kept(None)
            assert after is not None
            assert after.bytes >= before.bytes + 2**20
            told = (await at_rest.look(_space(base), _stale(), cast(Readable, None)))["pg"]
            assert told.kept is not None, "nobody waits for a stale peer, and its server keeps its log all the same"
            assert told.kept.what == before.what
            assert told.reason is None
            await peer.connect()
            await peer.teardown()
            assert await peer.kept(None) is None

    story(work)
