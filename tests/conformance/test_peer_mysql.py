"""The MariaDB and MySQL peer passes what every kind of peer must pass, on a server of each."""

from pathlib import Path

import pytest
from tests.conformance.mysql_harness import MysqlHarness
from tests.servers import mariadb, mysql

from syncline.peers.conformance import Harness, PeerSuite


class TestMariadbPeer(PeerSuite):
    def harness(self, place: Path) -> Harness:
        return MysqlHarness(mariadb.shared())


@pytest.mark.skipif(mysql.root() is None, reason="MySQL 8 is not there, and was not fetched")
class TestMysqlPeer(PeerSuite):
    def harness(self, place: Path) -> Harness:
        return MysqlHarness(mysql.shared())
