"""Desks at SQLite files."""

import sqlite3
from typing import Final
from urllib.parse import unquote

from syncline.demo.desks.desk import Desk, Dialect, Trouble

BUSY_SECONDS: Final = 30.0  # how long a transaction waits for another writer of the file before this one gives up


def _connect(address: str) -> sqlite3.Connection:
    place = address.removeprefix("sqlite://")
    return sqlite3.connect(f"file:{place}?mode=rw", uri=True, timeout=BUSY_SECONDS, isolation_level=None)


def _trouble(_error: Exception) -> Trouble:
    return ""  # whoever else writes is waited for


DIALECT: Final = Dialect(
    connect=_connect,
    trouble=_trouble,
    begin="BEGIN IMMEDIATE",
    types={"INTEGER": "INTEGER", "REAL": "REAL", "TEXT": "TEXT", "NAME": "TEXT"},
    tables="SELECT name FROM sqlite_master WHERE type = 'table'",
    mark="?",
)


def create(address: str) -> None:
    """Make the file, in WAL mode. Raises FileExistsError rather than touch one that is there."""
    with open(unquote(address.removeprefix("sqlite://")), "xb"):
        pass
    with Desk(_connect(address), DIALECT) as desk:
        desk.read("PRAGMA journal_mode = WAL")
