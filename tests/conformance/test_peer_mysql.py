"""The MariaDB and MySQL peer passes what every kind of peer must pass."""

from pathlib import Path

from tests.conformance.mysql_harness import MysqlHarness

from syncline.peers.conformance import Harness, PeerSuite


class TestMysqlPeer(PeerSuite):
    def harness(self, place: Path) -> Harness:
        return MysqlHarness()
