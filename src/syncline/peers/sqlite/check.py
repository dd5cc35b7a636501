"""What stands against synchronising a table of an SQLite file, and what would merely be better: read-only, all at once."""

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Final, TypedDict

from syncline.model.errors import MissingTable, NoKey, Problem, TablesDiffer
from syncline.model.limits import NAME_CHARS_MAX
from syncline.model.schema import Collection, Column, Kind
from syncline.model.words import counted
from syncline.peers.checking import too_wide, unusable
from syncline.peers.sqlite import statement
from syncline.peers.sqlite.features import CHANGELOG, LAYOUT, PREFIX, STATE, quote
from syncline.peers.sqlite.inspect import Catalog, catalog, kind_of_table, table_names
from syncline.peers.sqlite.layout import load_layouts
from syncline.peers.sqlite.sqltext import with_not_null

# Kinds whose values a column of this affinity would turn into others.
_CHANGED: Final = {
    "TEXT": {Kind.INTEGER, Kind.REAL, Kind.BOOLEAN},
    "INTEGER": {Kind.TEXT, Kind.REAL},
    "NUMERIC": {Kind.TEXT, Kind.REAL},
    "REAL": {Kind.TEXT, Kind.INTEGER, Kind.DECIMAL, Kind.BOOLEAN},
    "BLOB": set(),
}
_TIMES: Final = count()
_OBJECTS: Final = {"view": "a view", "virtual": "a virtual table", "shadow": "a shadow table of a virtual one"}


class Where(TypedDict):
    """Where a problem is, as every message names it."""

    peer: str
    collection: str
    table: str


def problems(connection: sqlite3.Connection, peer: str, collections: Sequence[Collection]) -> list[Problem]:
    """Every unmet precondition."""
    found = [*_file(connection, peer), *_collisions(connection, peer)]
    tables: dict[str, str] = {}
    for collection in collections:
        table = collection.table_at(peer)
        if table in tables:
            what, why = "two collections are one table", f"{tables[table]} and {collection.name} are both {table}"
            found.append(Problem(what, why=why, hint="keep one of them", peer=peer, collection=collection.name))
        tables[table] = collection.name
        found += _collection(connection, peer, collection, table)
    return found


def _file(connection: sqlite3.Connection, peer: str) -> Iterator[Problem]:
    (encoding,) = connection.execute("PRAGMA encoding").fetchone()
    if encoding != "UTF-8":
        why = f"its encoding is {encoding}; text that is not valid in it could not be carried exactly"
        hint = "copy it into a UTF-8 file: sqlite3 old.db .dump | sqlite3 new.db"
        yield Problem("the file is not UTF-8", why=why, hint=hint, peer=peer)


def _collisions(connection: sqlite3.Connection, peer: str) -> Iterator[Problem]:
    names = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema").fetchall()]
    installed = {STATE, CHANGELOG, LAYOUT}
    if installed <= set(names):
        installed |= {name for layout in load_layouts(connection).values() for name in layout.installed}
    for name in names:
        if name.startswith(PREFIX) and name not in installed:
            why = f"names that begin with {PREFIX} are Syncline's"
            yield Problem(f"{name} is in the way", why=why, hint=f"rename or drop {name}", peer=peer)


def _collection(connection: sqlite3.Connection, peer: str, collection: Collection, table: str) -> list[Problem]:
    where: Where = {"peer": peer, "collection": collection.name, "table": table}
    kind = kind_of_table(connection, table)
    if kind != "table":
        return [_no_table(connection, table, kind, where)]
    if len(table) > NAME_CHARS_MAX or table.startswith(PREFIX):
        return [Problem("this table's name cannot be used", why=f"longer than {NAME_CHARS_MAX}, or reserved", **where)]
    entry = catalog(connection, table)
    found = [*_columns(entry, collection, where), *_key(connection, entry, collection, where)]
    return found or _statements(connection, entry, collection, where)


def _no_table(connection: sqlite3.Connection, table: str, kind: str, where: Where) -> Problem:
    if kind:
        why = "its rows are kept elsewhere, and no trigger sees them change"
        return MissingTable(f"{table} is {_OBJECTS.get(kind, kind)}", why=why, hint="name an ordinary table", **where)
    twin = next((name for name in table_names(connection) if name.lower() == table.lower()), None)
    hint = f"it is written {twin} here" if twin else "create it, or name another one under 'at'"
    return MissingTable(f"there is no table {table}", hint=hint, **where)


def _columns(entry: Catalog, collection: Collection, where: Where) -> Iterator[Problem]:
    kinds = collection.kinds or (Kind.ANY,) * len(collection.columns)
    for name, kind in zip(collection.columns, kinds, strict=True):
        column = entry.table.column(name)
        if problem := unusable(entry.table, name, f"ALTER TABLE {quote(entry.table.name)} ADD COLUMN {quote(name)}", where):
            yield problem
        elif column is not None and _is_changed(kind, column, in_key=name in collection.key):
            declared = column.declared or "without a type"
            why = f"it is declared {declared}, so SQLite would turn {kind} values into others"
            hint = "declare the column alike at all peers"
            yield TablesDiffer("a column would change values", why=why, hint=hint, column=name, **where)
    yield from too_wide(collection, where)


def _is_changed(kind: Kind, column: Column, *, in_key: bool) -> bool:
    """Whether the column would turn values of this kind into others. Reals in a key without that type are read as integers."""
    loose = in_key and kind is Kind.REAL and column.affinity == "BLOB"
    return kind is not column.kind and (loose or kind in _CHANGED[column.affinity])


def _key(connection: sqlite3.Connection, entry: Catalog, collection: Collection, where: Where) -> Iterator[Problem]:
    table, key = entry.table, collection.key
    if not key:
        why = "rows that cannot be told apart cannot be synchronised; the hidden rowid changes with VACUUM"
        yield NoKey("there is no key", why=why, hint="rebuild the table with a PRIMARY KEY", **where)
        return
    parts = [column for column in table.columns if column.name in key]
    for column in parts:
        if column.collation not in ("", "BINARY"):
            why = f"with COLLATE {column.collation} different texts are one key here; one row would overwrite another"
            hint = "rebuild the table with the key column declared without COLLATE"
            yield NoKey("the key is not compared exactly", why=why, hint=hint, column=column.name, **where)
    if loose := [column.name for column in parts if column.nullable]:
        yield _nullable(connection, table.name, loose, where)
    if len(parts) == len(key) and all(column.collation in ("", "BINARY") for column in parts) and not entry.is_unique(key):
        columns = ", ".join(map(quote, key))
        why = "no primary key or unique constraint has exactly these columns, so one key could name two rows"
        hint = f"CREATE UNIQUE INDEX ... ON {quote(table.name)} ({columns})"
        yield NoKey("the key is not unique", why=why, hint=hint, **where)


def _nullable(connection: sqlite3.Connection, table: str, columns: list[str], where: Where) -> Problem:
    """A key that may be NULL, with the whole way out: SQLite cannot add NOT NULL to a column that is there."""
    missing = " OR ".join(f"{quote(name)} IS NULL" for name in columns)
    (rows,) = connection.execute(f"SELECT count(*) FROM {quote(table)} WHERE {missing}").fetchone()
    found = f"{counted(rows, 'row has', 'rows have')} it now" if rows else "no row has it now"
    why = f"SQLite lets many rows have NULL in such a key, and they could not be told apart; {found}"
    first = f"give {counted(rows, 'row a key', 'rows keys')} or delete them (WHERE {missing}), then " if rows else ""
    names = ", ".join(map(quote, columns))
    hint = f"{first}rebuild the table with {names} NOT NULL: {_rebuild(connection, table, columns)}"
    return NoKey("a part of the key may be NULL", why=why, hint=hint, column=", ".join(columns), **where)


def _rebuild(connection: sqlite3.Connection, table: str, columns: list[str]) -> str:
    """The statements that declare columns NOT NULL (https://sqlite.org/lang_altertable.html#otheralter)."""
    entry = catalog(connection, table, estimate=True)
    fresh = quote(f"{table}_new")
    names = ", ".join(map(quote, entry.stored))
    sql = "SELECT sql FROM sqlite_schema WHERE tbl_name = ? AND type IN ('index', 'trigger') AND sql IS NOT NULL ORDER BY rowid"
    again = [text for (text,) in connection.execute(sql, (table,)).fetchall()]
    statements = [
        "PRAGMA foreign_keys=OFF",
        "PRAGMA legacy_alter_table=ON",
        "BEGIN",
        f"CREATE TABLE {fresh} {with_not_null(entry.table.makes[0][1], columns)}",
        f"INSERT INTO {fresh} ({names}) SELECT {names} FROM {quote(table)}",
        f"DROP TABLE {quote(table)}",
        f"ALTER TABLE {fresh} RENAME TO {quote(table)}",
        *again,
        "COMMIT",
    ]
    return "; ".join(statements)


def _statements(connection: sqlite3.Connection, entry: Catalog, collection: Collection, where: Where) -> list[Problem]:
    """Our statements compile, with every trigger, index and collation of the table.

    Each text is used once: SQLite does not look whether an EXPLAIN kept from earlier still fits the schema, and crashes.
    """
    name, key, columns = entry.table.name, collection.key, collection.columns
    texts = (
        (statement.upsert(name, key, columns, 1), len(columns)),
        (statement.update(name, key, columns, (), 1), len(key) + len(columns)),
        (statement.delete(name, key, 1), len(key)),
    )
    for text, values in texts:
        try:
            connection.execute(f"EXPLAIN {text} -- {next(_TIMES)}", (None,) * values).fetchall()
        except sqlite3.Error as error:
            hint = "remove what only another program can run, or keep this table out"
            return [Problem("the table cannot be written by Syncline", why=str(error), hint=hint, **where)]
    return []


def advice(connection: sqlite3.Connection, peer: str, collections: Sequence[Collection]) -> list[str]:
    """What would be better, but need not be."""
    found = []
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    if mode != "wal":
        found.append(f"journal_mode is {mode}: with 'PRAGMA journal_mode=WAL' readers and writers do not wait for one another")
    for collection in collections:
        table = collection.table_at(peer)
        if kind_of_table(connection, table) == "table" and (names := catalog(connection, table).table.triggers):
            rule = f"WHEN (SELECT applying FROM {STATE}) = 0"
            found.append(f"{table} has triggers ({', '.join(names)}): they also run for delivered rows, unless they say {rule}")
    return found
