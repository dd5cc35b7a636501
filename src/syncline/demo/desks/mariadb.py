"""Desks at MariaDB databases."""

from typing import Any, Final
from urllib.parse import unquote, urlsplit

import pymysql

from syncline.demo.desks.desk import Dialect, Trouble

_AGAIN: Final = frozenset({1020, 1062, 1205, 1213})  # a row that changed, a key that is taken, a lock, a deadlock
_LOST: Final = frozenset({0, 1053, 1927, 2002, 2003, 2006, 2013, 2055})
_BEGIN: Final = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"  # else rows that are not there are locked too


def _connect(address: str) -> Any:
    parts = urlsplit(address)
    return pymysql.connect(
        host=parts.hostname or "127.0.0.1", port=parts.port or 3306, user=unquote(parts.username or "root"),
        password=unquote(parts.password or ""), database=parts.path.removeprefix("/"), autocommit=True, charset="utf8mb4",
        init_command=_BEGIN,
    )  # fmt: skip


def _trouble(error: Exception) -> Trouble:
    number = error.args[0] if isinstance(error, pymysql.err.Error) and error.args else -1
    if isinstance(error, pymysql.err.InterfaceError) or number in _LOST:
        return "lost"
    return "again" if number in _AGAIN else ""


DIALECT: Final = Dialect(
    connect=_connect,
    trouble=_trouble,
    begin="START TRANSACTION",
    types={
        "INTEGER": "bigint",
        "REAL": "double",
        "TEXT": "longtext",
        "NAME": "varchar(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin",
    },
    tables="SELECT table_name FROM information_schema.tables WHERE table_schema = database()",
    lock=" FOR UPDATE",
)
