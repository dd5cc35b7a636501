"""The catalog of an SQLite file: tables as the model sees them, and what a capture must know of their uniqueness.

Reads PRAGMAs and sqlite_schema only; decides nothing.
"""

import sqlite3
from typing import Final

import msgspec

from syncline.model.schema import Column, Kind, Table
from syncline.peers.sqlite.features import PREFIX, quote
from syncline.peers.sqlite.holds import holds_of
from syncline.peers.sqlite.sqltext import around_name, index_parts

ESTIMATE_ROWS_MAX: Final = 1_000_000
_GENERATED: Final = frozenset({2, 3})  # table_xinfo.hidden: virtual and stored generated columns
_KINDS: Final = (
    ("BOOL", Kind.BOOLEAN),
    ("INT", Kind.INTEGER),
    ("UUID", Kind.UUID),
    ("JSON", Kind.JSON),
    ("CHAR", Kind.TEXT),
    ("CLOB", Kind.TEXT),
    ("TEXT", Kind.TEXT),
    ("BLOB", Kind.BYTES),
    ("REAL", Kind.REAL),
    ("FLOA", Kind.REAL),
    ("DOUB", Kind.REAL),
    ("TIMESTAMPTZ", Kind.INSTANT),
    ("TIMESTAMP", Kind.TIMESTAMP),
    ("DATETIME", Kind.TIMESTAMP),
    ("DATE", Kind.DATE),
    ("TIME", Kind.TIME),
    ("DEC", Kind.DECIMAL),
    ("NUM", Kind.DECIMAL),
)


class Unique(msgspec.Struct, frozen=True):
    """One way in which rows of a table must differ. `terms` are SQL expressions over the table's columns."""

    terms: tuple[str, ...]
    collations: tuple[str, ...]
    columns: tuple[str, ...] = ()  # where every term is a column: their names
    where: str = ""  # of a partial index
    is_rowid: bool = False  # an INTEGER PRIMARY KEY: not known before an insert that leaves it out


class Catalog(msgspec.Struct, frozen=True):
    """A table with what only this kind of peer knows of it."""

    table: Table
    uniques: tuple[Unique, ...]
    alias: str = ""  # the column that is the rowid, if any

    @property
    def stored(self) -> tuple[str, ...]:
        """The columns that can be written."""
        return tuple(column.name for column in self.table.columns if not column.generated)

    def is_unique(self, key: tuple[str, ...]) -> bool:
        """Whether these columns name at most one row: a full unique constraint that compares exactly."""
        return any(
            set(unique.columns) == set(key) and not unique.where and set(unique.collations) <= {"BINARY"}
            for unique in self.uniques
        )


def tables(connection: sqlite3.Connection) -> dict[str, Table]:
    """Every ordinary table of the file, without Syncline's own."""
    return {name: catalog(connection, name, estimate=True).table for name in table_names(connection)}


def table_names(connection: sqlite3.Connection) -> list[str]:
    """The names of ordinary tables (no views, virtual or shadow tables), as the catalog lists them."""
    found = connection.execute("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'")
    names = [name for (name,) in found.fetchall()]
    return sorted(name for name in names if not name.startswith((PREFIX, "sqlite_")))


def kind_of_table(connection: sqlite3.Connection, name: str) -> str:
    """table, view, virtual, shadow, or '' if there is nothing of that name (compared exactly)."""
    sql = "SELECT type FROM pragma_table_list WHERE schema = 'main' AND name = ?"
    row = connection.execute(sql, (name,)).fetchone()
    return str(row[0]) if row else ""


def catalog(connection: sqlite3.Connection, name: str, *, estimate: bool = False) -> Catalog:
    """One table's catalog. The table must exist. `estimate`: count its rows too, and tell what makes such a table."""
    listed = connection.execute("SELECT wr, strict FROM pragma_table_list WHERE schema = 'main' AND name = ?", (name,))
    without_rowid, strict = listed.fetchone() or (0, 0)
    rows = connection.execute("SELECT * FROM pragma_table_xinfo(?)", (name,)).fetchall()
    indexes = connection.execute('SELECT name, origin, partial FROM pragma_index_list(?) WHERE "unique"', (name,)).fetchall()
    parts = [row for row in rows if row[5]]
    alias = ""
    if len(parts) == 1 and parts[0][2].upper() == "INTEGER" and not without_rowid and all(i[1] != "pk" for i in indexes):
        alias = parts[0][1]
    uniques = [_unique(connection, index, partial) for index, _, partial in indexes]
    if alias:
        uniques.insert(0, Unique((quote(alias),), ("BINARY",), (alias,), is_rowid=True))
    compared = {column for unique in uniques for column in unique.columns}
    columns = tuple(_column(connection, name, row, alias, bool(strict), row[1] in compared) for row in rows if row[6] != 1)
    marks = [word for word, on in (("without_rowid", without_rowid), ("strict", strict)) if on]
    key = {row[1] for row in parts}
    table = Table(
        name,
        columns,
        tuple(unique.columns for unique in uniques if unique.columns and not unique.where and set(unique.columns) != key),
        _triggers(connection, name),
        tuple(marks),
        _estimate(connection, name) if estimate else 0,
        _makes(connection, name) if estimate else (),
        _parents(connection, name) if estimate else (),
    )
    return Catalog(table, tuple(uniques), alias)


def _parents(connection: sqlite3.Connection, name: str) -> tuple[str, ...]:
    found = connection.execute('SELECT DISTINCT "table" FROM pragma_foreign_key_list(?)', (name,)).fetchall()
    return tuple(sorted(parent for (parent,) in found if parent.lower() != name.lower()))


def _column(
    connection: sqlite3.Connection, table: str, row: tuple[object, ...], alias: str, strict: bool, compared: bool
) -> Column:
    _, name, declared, not_null, _, key_part, hidden = row
    text = str(declared).upper()
    kind, affinity = kind_of(text), "BLOB" if strict and text == "ANY" else affinity_of(text)
    return Column(
        name=str(name),
        declared=str(declared),
        kind=kind,
        nullable=not not_null and name != alias,
        generated=hidden in _GENERATED,
        key_part=int(str(key_part)),
        collation=_collation(connection, table, str(name)) if compared else "",
        affinity=affinity,
        holds=holds_of(kind, affinity),
    )


def affinity_of(declared: str) -> str:
    """The affinity of a declared type, in upper case (https://sqlite.org/datatype3.html, section 3.1)."""
    if "INT" in declared:
        return "INTEGER"
    if any(word in declared for word in ("CHAR", "CLOB", "TEXT")):
        return "TEXT"
    if not declared or "BLOB" in declared:
        return "BLOB"
    if any(word in declared for word in ("REAL", "FLOA", "DOUB")):
        return "REAL"
    return "NUMERIC"


def kind_of(declared: str) -> Kind:
    """What a declared type, in upper case, says that the column is for."""
    return next((kind for word, kind in _KINDS if word in declared), Kind.ANY)


def _collation(connection: sqlite3.Connection, table: str, column: str) -> str:
    """How the column compares texts, asked of SQLite itself: the catalog lists collations of indexes only."""
    try:
        return _probe(connection, table, column)
    except sqlite3.OperationalError as error:  # one that the program which owns the file registers
        name = str(error).rpartition("no such collation sequence: ")[2]
        if name == str(error):
            raise
        return name


def _probe(connection: sqlite3.Connection, table: str, column: str) -> str:
    if _distinct(connection, table, column, ["'a'", "'A'"]) == 1:
        return "NOCASE"
    return "RTRIM" if _distinct(connection, table, column, ["'a'", "'a '"]) == 1 else "BINARY"


def _distinct(connection: sqlite3.Connection, table: str, column: str, texts: list[str]) -> int:
    union = " UNION ".join(f"SELECT {text}" for text in texts)
    sql = f"SELECT count(*) FROM (SELECT {quote(column)} FROM {quote(table)} WHERE 0 UNION {union})"
    return int(connection.execute(sql).fetchone()[0])


def _unique(connection: sqlite3.Connection, index: str, partial: int) -> Unique:
    parts = connection.execute("SELECT name, coll FROM pragma_index_xinfo(?) WHERE key ORDER BY seqno", (index,)).fetchall()
    names = tuple(name for name, _ in parts)
    collations = tuple(str(collation).upper() for _, collation in parts)
    if None not in names and not partial:
        return Unique(tuple(map(quote, names)), collations, names)
    (sql,) = connection.execute("SELECT sql FROM sqlite_schema WHERE type = 'index' AND name = ?", (index,)).fetchone()
    written, where = index_parts(sql)
    terms = tuple(text if name is None else quote(name) for name, text in zip(names, written, strict=True))
    return Unique(terms, collations, () if None in names else names, where if partial else "")


def _triggers(connection: sqlite3.Connection, table: str) -> tuple[str, ...]:
    sql = "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ? COLLATE NOCASE ORDER BY rowid"
    names = [name for (name,) in connection.execute(sql, (table,)).fetchall()]
    return tuple(name for name in names if not name.startswith(PREFIX))


def _makes(connection: sqlite3.Connection, table: str) -> tuple[tuple[str, str], ...]:
    """The statements that make such a table and its unique indexes, each before and after the table's name."""
    (made,) = connection.execute("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?", (table,)).fetchone()
    listed = connection.execute("SELECT name FROM pragma_index_list(?) WHERE \"unique\" AND origin = 'c'", (table,)).fetchall()
    sql = "SELECT sql FROM sqlite_schema WHERE type = 'index' AND name = ?"
    indexes = [connection.execute(sql, name).fetchone()[0] for name in reversed(listed)]
    return (around_name(made, "TABLE"), *(around_name(index, "ON") for index in indexes))


def _estimate(connection: sqlite3.Connection, table: str) -> int:
    sql = f"SELECT count(*) FROM (SELECT 1 FROM {quote(table)} LIMIT {ESTIMATE_ROWS_MAX})"
    return int(connection.execute(sql).fetchone()[0])
