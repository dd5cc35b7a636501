"""The servers that stories of this kind of peer are told on."""

from collections.abc import Iterator

import pytest
from tests.servers import mariadb, mysql
from tests.unit.peers.mysql.database import chosen


@pytest.fixture(params=["mariadb", "mysql"])
def each_server(request: pytest.FixtureRequest) -> Iterator[mariadb.Server]:
    """The story is told on a MariaDB server, and once more on a MySQL server where one is there."""
    if request.param == "mysql" and mysql.root() is None:
        pytest.skip("MySQL 8 is not there, and was not fetched")
    with chosen(mysql.shared() if request.param == "mysql" else mariadb.shared()) as server:
        yield server


@pytest.fixture(scope="session")
def strict_mysql() -> Iterator[mysql.MysqlServer]:
    """With global transaction IDs, and no table without a primary key. Nothing is ever prepared there."""
    if mysql.root() is None:
        pytest.skip("MySQL 8 is not there, and was not fetched")
    made = mysql.MysqlServer({"gtid-mode": "ON", "enforce-gtid-consistency": "ON", "sql-require-primary-key": "ON"})
    yield made
    made.remove()


@pytest.fixture
def mysql_server(strict_mysql: mysql.MysqlServer) -> Iterator[mysql.MysqlServer]:
    """The story is told on a MySQL server that is strict."""
    with chosen(strict_mysql):
        yield strict_mysql
