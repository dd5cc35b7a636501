"""A query that takes long is left alone; a connection over which nobody will answer is given up."""

import asyncio

import psycopg
import pytest
from tests.servers.postgres import shared

from syncline.model import limits
from syncline.peers.postgres.connect import open_session, parse_url
from syncline.peers.postgres.pulse import Watch

SILENT_SECONDS = 0.3


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PEER_SILENT_SECONDS", SILENT_SECONDS)


def test_f15_a_query_that_takes_long_is_left_alone() -> None:
    async def work() -> None:
        place = parse_url("hq", shared().url("postgres"))
        session = await open_session(place)
        async with Watch(place, session):
            await session.execute(b"SELECT pg_sleep(%s)", (6 * SILENT_SECONDS,))
        assert await (await session.execute(b"SELECT 1")).fetchone() == (1,)
        await session.close()

    asyncio.run(work())


def test_f15_a_session_that_waits_for_us_while_we_wait_for_it_is_given_up() -> None:
    async def work() -> None:
        place = parse_url("hq", shared().url("postgres"))
        session = await open_session(place)
        answer = asyncio.Event()  # of a question that never arrived
        async with Watch(place, session):
            asyncio.get_running_loop().add_reader(session.fileno(), answer.set)
            async with asyncio.timeout(20.0):
                await answer.wait()
            asyncio.get_running_loop().remove_reader(session.fileno())
        with pytest.raises(psycopg.OperationalError):
            await session.execute(b"SELECT 1")
        await session.close()

    asyncio.run(work())
