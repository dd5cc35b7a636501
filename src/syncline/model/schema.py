"""Columns, tables and collections: the shape of rows, as a peer has it and as the space sees it."""

from enum import StrEnum

import msgspec

from syncline.model.holds import Holds


class Kind(StrEnum):
    """The kinds of values a column is declared to hold."""

    INTEGER = "integer"
    REAL = "real"
    DECIMAL = "decimal"
    TEXT = "text"
    BYTES = "bytes"
    BOOLEAN = "boolean"
    DATE = "date"
    TIME = "time"
    TIMESTAMP = "timestamp"
    INSTANT = "instant"
    INTERVAL = "interval"
    UUID = "uuid"
    JSON = "json"
    ANY = "any"


class Column(msgspec.Struct, frozen=True):
    """A column as one peer declares it. `affinity` is the peer's own storage class or type family.

    `holds`: what its type lets it hold, as far as that is known.
    """

    name: str
    declared: str
    kind: Kind
    nullable: bool = True
    generated: bool = False
    key_part: int = 0  # 1-based place in the primary key, 0 if not in it
    collation: str = ""
    affinity: str = ""
    holds: Holds = Holds()


class Table(msgspec.Struct, frozen=True):
    """A table as one peer has it. `uniques` are the column sets of other unique constraints.

    `quotes`: what its kind of server puts around a name.
    """

    name: str
    columns: tuple[Column, ...]
    uniques: tuple[tuple[str, ...], ...] = ()
    triggers: tuple[str, ...] = ()  # triggers that are not ours
    marks: tuple[str, ...] = ()  # peculiarities a check may name: without_rowid, strict, ...
    rows_estimate: int = 0
    makes: tuple[tuple[str, str], ...] = ()  # what makes such a table: each statement before and after the table's name
    parents: tuple[str, ...] = ()  # other tables that its foreign keys refer to
    quotes: str = '"'

    def column(self, name: str) -> Column | None:
        """The column of that name, compared exactly."""
        return next((column for column in self.columns if column.name == name), None)

    @property
    def key(self) -> tuple[str, ...]:
        """The primary key's columns in key order; empty if there is none."""
        parts = sorted((column for column in self.columns if column.key_part), key=lambda column: column.key_part)
        return tuple(column.name for column in parts)


class Collection(msgspec.Struct, frozen=True):
    """A set of records kept equal: its columns in canonical order, its key, and each peer's name for the table.

    Columns are only ever appended, so that rows in old log entries stay readable. `makes`: as in Table, for an empty peer.
    """

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    kinds: tuple[Kind, ...] = ()
    tables: dict[str, str] = {}
    makes: tuple[tuple[str, str], ...] = ()

    def table_at(self, peer: str) -> str:
        """The table's name at a peer."""
        return self.tables.get(peer, self.name)

    @property
    def key_places(self) -> tuple[int, ...]:
        """The indexes of the key columns in a row."""
        return tuple(self.columns.index(name) for name in self.key)
