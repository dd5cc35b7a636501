"""The SQLite peer passes what every kind of peer must pass."""

from pathlib import Path

from tests.conformance.sqlite_harness import SqliteHarness

from syncline.peers.conformance import Harness, PeerSuite


class TestSqlitePeer(PeerSuite):
    def harness(self, place: Path) -> Harness:
        return SqliteHarness(place)
