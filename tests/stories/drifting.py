"""Drift in an SQLite file: rows that are written past its triggers."""

from typing import Final

from tests.stories.space import Cell, Space

MANY: Final = "WITH RECURSIVE many(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM many WHERE n < {})"


def unseen(space: Space, peer: str, sql: str, *values: Cell) -> None:
    """Write so that no trigger tells: what was recorded is removed again in the same transaction."""
    with space.open(peer) as connection:
        connection.execute("BEGIN IMMEDIATE")
        (end,) = connection.execute("SELECT max(seq) FROM _syncline_changelog").fetchone()
        connection.execute(sql, values)
        connection.execute("DELETE FROM _syncline_changelog WHERE seq > ?", (end,))
        connection.execute("COMMIT")
