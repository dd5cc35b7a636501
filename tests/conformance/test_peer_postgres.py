"""The PostgreSQL peer passes what every kind of peer must pass, on every version of the server that is there."""

from pathlib import Path

import pytest
from tests.conformance.postgres_harness import PostgresHarness
from tests.servers.postgres import shared

from syncline.demo.servers.postgres_programs import installed
from syncline.peers.conformance import Harness, PeerSuite


@pytest.mark.parametrize("major", installed(), scope="class")
class TestPostgresPeer(PeerSuite):
    @pytest.fixture(autouse=True)
    def _on(self, major: int) -> None:
        self.major = major

    def harness(self, place: Path) -> Harness:
        return PostgresHarness(shared(self.major))
