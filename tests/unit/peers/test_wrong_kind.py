"""An address of one kind that leads to a server of another kind says so, and not that certificates or time ran out."""

import asyncio

import pytest
from tests.servers import mariadb, postgres

from syncline.model.errors import PeerUnsafe
from syncline.peers.registry import open_peer


def _said(url: str) -> PeerUnsafe:
    async def connect() -> None:
        peer = open_peer("pr", url)
        try:
            await peer.connect()
        finally:
            await peer.close()

    with pytest.raises(PeerUnsafe) as caught:
        asyncio.run(connect())
    return caught.value


@pytest.mark.parametrize("options", ["", "?sslmode=disable"])
def test_a_postgres_address_that_leads_to_mariadb(options: str) -> None:
    error = _said(f"postgresql://u@127.0.0.1:{mariadb.shared().port}/db{options}")
    assert error.what == "what answers there is no PostgreSQL server"
    assert "mariadb://" in error.hint


def test_a_mariadb_address_that_leads_to_postgres() -> None:
    error = _said(f"mariadb://u@127.0.0.1:{postgres.shared().port}/db?connect_timeout=1")
    assert error.what == "what answers there is no MariaDB or MySQL server"
    assert "a PostgreSQL server answers there" in error.why
    assert "postgresql://" in error.hint
