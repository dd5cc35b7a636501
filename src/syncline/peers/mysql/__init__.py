"""MariaDB (10.6 and newer) and MySQL 8 databases as peers: changes are captured from the binary log."""

from syncline.peers.mysql.peer import MysqlPeer, open_peer

__all__ = ["MysqlPeer", "open_peer"]
