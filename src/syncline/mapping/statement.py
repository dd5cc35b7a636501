"""Statements that a message may suggest: standard SQL with quoted names, for a person to read and run. Pure text."""

from syncline.model.schema import Column, Table

_BINARY = frozenset({"", "BINARY"})


def quote(name: str) -> str:
    """An identifier in standard quotes."""
    return '"' + name.replace('"', '""') + '"'


def quoted(names: tuple[str, ...]) -> str:
    """Identifiers for a column list."""
    return ", ".join(quote(name) for name in names)


def add_column(table: str, column: Column) -> str:
    """The statement that adds a column like another peer's; nullable, because the rows that are there have no value yet."""
    return f"ALTER TABLE {quote(table)} ADD COLUMN {_declare(column, bare=True)}"


def rename_column(table: str, old: str, new: str) -> str:
    """The statement that renames a column."""
    return f"ALTER TABLE {quote(table)} RENAME COLUMN {quote(old)} TO {quote(new)}"


def unique_index(table: str, columns: tuple[str, ...]) -> str:
    """The statement that makes columns unique."""
    name = "_".join((table, *columns, "key"))
    return f"CREATE UNIQUE INDEX {quote(name)} ON {quote(table)} ({quoted(columns)})"


def create_table(name: str, like: Table) -> str:
    """The statements that create a table like another peer's.

    As that peer has them, where it can tell: with its defaults, checks and unique indexes. Otherwise what the catalog knows.
    """
    if like.makes:
        return "; ".join(f"{before} {quote(name)} {after}" for before, after in like.makes)
    parts = [_declare(column) for column in like.columns if not column.generated]
    if like.key:
        parts.append(f"PRIMARY KEY ({quoted(like.key)})")
    parts.extend(f"UNIQUE ({quoted(columns)})" for columns in like.uniques)
    options = ", ".join(word for mark, word in (("without_rowid", "WITHOUT ROWID"), ("strict", "STRICT")) if mark in like.marks)
    return f"CREATE TABLE {quote(name)} ({', '.join(parts)})" + (f" {options}" if options else "")


def _declare(column: Column, bare: bool = False) -> str:
    words = [quote(column.name), column.declared]
    words.append("" if column.nullable or bare else "NOT NULL")
    words.append("" if column.collation.upper() in _BINARY else f"COLLATE {column.collation}")
    return " ".join(word for word in words if word)
