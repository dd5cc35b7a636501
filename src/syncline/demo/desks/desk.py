"""A desk: one session of an office's database. Statements are written once, with `?` for values; a dialect says the rest.

Knows no peers, no log, no merging.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, Self, TypeAlias

Cell: TypeAlias = int | float | str | None
Trouble: TypeAlias = Literal["", "again", "lost"]  # something else; somebody was in the way; the server went away


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a kind of database is spoken to."""

    connect: Callable[[str], Any]  # from an address to a DB-API connection in autocommit mode
    trouble: Callable[[Exception], Trouble]
    begin: str
    types: Mapping[str, str]  # of columns: INTEGER, REAL, TEXT, and NAME for a text that is a key
    tables: str  # a query for the names of the tables that there are
    lock: str = ""  # at the end of a query whose rows are about to be written
    mark: str = "%s"  # where a value goes


class Desk:
    """A session, in autocommit mode between `begin` and `commit`. Closed at the end of a `with` block."""

    def __init__(self, connection: Any, dialect: Dialect) -> None:
        self.dialect = dialect
        self._connection = connection
        self._cursor = connection.cursor()

    def read(self, sql: str, values: Sequence[Cell] = ()) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        self._cursor.execute(self._said(sql), tuple(values))
        return list(self._cursor.fetchall())

    def change(self, sql: str, values: Sequence[Cell] = ()) -> int:
        """Run a statement; how many rows it changed."""
        self._cursor.execute(self._said(sql), tuple(values))
        return int(self._cursor.rowcount)

    def fill(self, sql: str, rows: Iterable[Sequence[Cell]]) -> int:
        """Run a statement for many rows; how many."""
        listed = [tuple(row) for row in rows]
        if listed:
            self._cursor.executemany(self._said(sql), listed)
        return len(listed)

    def begin(self) -> None:
        """Begin a transaction."""
        self.change(self.dialect.begin)

    def commit(self) -> None:
        """Commit it."""
        self.change("COMMIT")

    def rollback(self) -> None:
        """Give it up; also where there is none any more."""
        with suppress(Exception):
            self.change("ROLLBACK")

    def tables(self) -> set[str]:
        """The names of its tables."""
        return {str(name) for (name,) in self.read(self.dialect.tables)}

    def declared(self, sql: str) -> str:
        """A column's type as this database calls it."""
        return self.dialect.types[sql]

    def close(self) -> None:
        """End the session."""
        with suppress(Exception):  # the server may be gone
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _said(self, sql: str) -> str:
        return sql if self.dialect.mark == "?" else sql.replace("?", self.dialect.mark)
