"""A slot that is dropped, or whose log the server let go of, in the moment before it is streamed from."""

import pytest
from tests.servers.postgres import Server
from tests.unit.peers.postgres.database import database, story

from syncline.model.errors import PeerRestored
from syncline.peers.postgres.connect import parse_url
from syncline.peers.postgres.wire import Walsender

_MAKE = "SELECT pg_create_logical_replication_slot('gone', 'pgoutput')"


@pytest.mark.parametrize("way", ["start", "copy"])
def test_f20_a_slot_that_was_dropped_is_not_a_table_that_was_altered(way: str) -> None:
    async def work() -> None:
        async with database() as found:
            walsender = await Walsender.open(found.peer().place)
            try:
                with pytest.raises(PeerRestored, match="slot is gone") as caught:
                    await (walsender.start("gone", 0, "any") if way == "start" else walsender.copy_slot("gone", "copy"))
            finally:
                await walsender.close()
            assert "resume pg --rejoin" in caught.value.hint

    story(work)


def test_f20_a_slot_that_the_server_let_go_of_is_not_a_server_that_is_away() -> None:
    server = Server({"max_slot_wal_keep_size": "16MB"})
    try:
        server.run("postgres", _MAKE)
        for _ in range(4):
            server.run("postgres", "SELECT pg_logical_emit_message(false, 'none of ours', 'x')", "SELECT pg_switch_wal()")
        server.run("postgres", "CHECKPOINT")

        async def work() -> None:
            walsender = await Walsender.open(parse_url("pg", server.url("postgres")))
            try:
                with pytest.raises(PeerRestored, match="let go of its log"):
                    await walsender.start("gone", 0, "any")
            finally:
                await walsender.close()

        story(work)
    finally:
        server.remove()
