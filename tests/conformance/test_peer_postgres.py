"""The PostgreSQL peer passes what every kind of peer must pass."""

from pathlib import Path

from tests.conformance.postgres_harness import PostgresHarness

from syncline.peers.conformance import Harness, PeerSuite


class TestPostgresPeer(PeerSuite):
    def harness(self, place: Path) -> Harness:
        return PostgresHarness()
