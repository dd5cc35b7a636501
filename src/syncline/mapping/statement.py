"""Statements that a message may suggest: SQL with names in the server's own quotes, for a person to run. Pure text."""

from syncline.model.schema import Column, Table

_BINARY = frozenset({"", "BINARY"})


def quote(name: str, mark: str = '"') -> str:
    """An identifier in quotes, standard ones or those of a server."""
    return mark + name.replace(mark, 2 * mark) + mark


def quoted(names: tuple[str, ...], mark: str = '"') -> str:
    """Identifiers for a column list."""
    return ", ".join(quote(name, mark) for name in names)


def add_column(table: Table, column: Column) -> str:
    """The statement that adds a column like another peer's; nullable, because the rows that are there have no value yet."""
    mark = table.quotes
    return f"ALTER TABLE {quote(table.name, mark)} ADD COLUMN {_declare(column, mark, bare=True)}"


def rename_column(table: Table, old: str, new: str) -> str:
    """The statement that renames a column."""
    mark = table.quotes
    return f"ALTER TABLE {quote(table.name, mark)} RENAME COLUMN {quote(old, mark)} TO {quote(new, mark)}"


def unique_index(table: Table, columns: tuple[str, ...]) -> str:
    """The statement that makes columns unique."""
    name, mark = "_".join((table.name, *columns, "key")), table.quotes
    return f"CREATE UNIQUE INDEX {quote(name, mark)} ON {quote(table.name, mark)} ({quoted(columns, mark)})"


def create_table(name: str, like: Table) -> str:
    """The statements that create a table like another peer's.

    As that peer has them, where it can tell: with its defaults, checks and unique indexes. Otherwise what the catalog knows.
    """
    mark = like.quotes
    if like.makes:
        return "; ".join(f"{before} {quote(name, mark)} {after}" for before, after in like.makes)
    parts = [_declare(column, mark) for column in like.columns if not column.generated]
    if like.key:
        parts.append(f"PRIMARY KEY ({quoted(like.key, mark)})")
    parts.extend(f"UNIQUE ({quoted(columns, mark)})" for columns in like.uniques)
    options = ", ".join(word for mark, word in (("without_rowid", "WITHOUT ROWID"), ("strict", "STRICT")) if mark in like.marks)
    return f"CREATE TABLE {quote(name, mark)} ({', '.join(parts)})" + (f" {options}" if options else "")


def _declare(column: Column, mark: str, bare: bool = False) -> str:
    words = [quote(column.name, mark), column.declared]
    words.append("" if column.nullable or bare else "NOT NULL")
    words.append("" if column.collation.upper() in _BINARY else f"COLLATE {column.collation}")
    return " ".join(word for word in words if word)
