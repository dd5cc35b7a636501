"""The embedded log passes what any log must pass."""

from pathlib import Path

from syncline.log.conformance import LogSuite
from syncline.log.sqlite import SqliteLog


class TestSqliteLog(LogSuite):
    def make(self, place: Path) -> SqliteLog:
        return SqliteLog(str(place / "space.log.db"))

    def lose_lock(self, place: Path) -> None:
        (place / "space.log.db.lock").unlink()
