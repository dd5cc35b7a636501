"""MariaDB (10.6 and newer) and MySQL 8 databases as peers: changes are captured from the binary log."""
