"""What the MariaDB and MySQL kind of peer can do, what differs between the servers, and the names that Syncline leaves."""

import re
from typing import Final

import msgspec

from syncline.peers.protocol import Features

FEATURES: Final = Features(
    "mysql",
    transactions_exact=False,
    note="small transactions that were committed one after the other may travel as one, a transaction of more than "
    "TRANSACTION_ROWS_MAX rows in parts; TRUNCATE asks for a rejoin",
)
FORMAT: Final = 1  # of the footprint; a database with a larger one was set up by a newer Syncline

PREFIX: Final = "syncline_"
STATE: Final = "syncline_state"
HISTORY: Final = "syncline_history"
LAYOUT: Final = "syncline_layout"
OURS: Final = frozenset({STATE, HISTORY, LAYOUT})
APPLYING: Final = "@syncline_applying"  # is 1 in the session that applies: a trigger may ask it and do nothing


class Server(msgspec.Struct, frozen=True):
    """What a server is: its flavour decides by which statements and variables it is asked."""

    mariadb: bool
    version: tuple[int, int, int]
    text: str

    @property
    def name(self) -> str:
        """For people."""
        return f"{'MariaDB' if self.mariadb else 'MySQL'} {'.'.join(map(str, self.version))}"

    @property
    def oldest(self) -> tuple[int, int, int]:
        """The first version of this flavour that can be a peer."""
        return (10, 6, 0) if self.mariadb else (8, 0, 14)

    @property
    def status_sql(self) -> str:
        """What tells the end of the binary log."""
        return "SHOW BINARY LOG STATUS" if not self.mariadb and self.version >= (8, 4, 0) else "SHOW MASTER STATUS"

    @property
    def replica_right(self) -> str:
        """The privilege that SHOW MASTER STATUS needs."""
        return "BINLOG MONITOR" if self.mariadb else "REPLICATION CLIENT"

    @property
    def holds_minus_zero(self) -> bool:
        """Whether a DOUBLE keeps the sign of zero; MariaDB drops it."""
        return not self.mariadb

    @property
    def exact_collation(self) -> str:
        """The collation of utf8mb4 that takes no two texts for one."""
        return "utf8mb4_nopad_bin" if self.mariadb else "utf8mb4_0900_bin"


def server_of(version: str) -> Server:
    """The server that `SELECT VERSION()` tells of: '10.11.19-MariaDB-0+deb12u1-log', '8.0.43'."""
    found = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", version)
    numbers = [int(part or 0) for part in found.groups()] if found else [0, 0, 0]
    major, minor, patch = numbers
    return Server("mariadb" in version.lower(), (major, minor, patch), version)


def quote(name: str) -> str:
    """An identifier as the server reads it back, whatever it is made of."""
    return "`" + name.replace("`", "``") + "`"
