"""The catalog of a PostgreSQL database: tables as the model sees them, and what capture and apply must know of them.

Reads system catalogs only; decides nothing.
"""

from collections.abc import Iterable, Sequence
from importlib.resources import files
from typing import Any, Final

import msgspec

from syncline.model.schema import Column, Table
from syncline.peers.postgres.connect import Connection
from syncline.peers.postgres.convert import NUMERIC, Type
from syncline.peers.postgres.features import quote
from syncline.peers.postgres.holds import holds_of

ESTIMATE_ROWS_MAX: Final = 1_000_000
_SQL: Final = files("syncline.peers.postgres").joinpath("catalog.sql").read_text(encoding="utf-8")
TABLES_SQL, COLUMNS_SQL, INDEXES_SQL = (part.strip() for part in _SQL.split(";")[:3])


class Index(msgspec.Struct, frozen=True):
    """A unique index over plain columns. `immediate`: not deferrable, so ON CONFLICT can use it."""

    columns: tuple[str, ...]
    primary: bool
    immediate: bool
    partial: bool


class Catalog(msgspec.Struct, frozen=True, dict=True):
    """A table with what only this kind of peer knows of it."""

    oid: int
    table: Table
    types: dict[str, Type]
    indexes: tuple[Index, ...]
    kind: str  # pg_class.relkind: r an ordinary table, p a partitioned one
    identity: str  # pg_class.relreplident; of a partitioned table that of all its parts, or '' where they differ
    owned: bool
    readable: bool
    writable: bool
    unlogged: bool
    partition: bool
    secured: bool  # row security holds for this role
    always: tuple[str, ...]  # columns GENERATED ALWAYS AS IDENTITY
    virtual: tuple[str, ...]  # generated columns that are not stored
    referenced: tuple[str, ...]  # foreign keys of others that point here and act on deletes or updates
    fires: tuple[str, ...]  # triggers that fire even for session_replication_role = replica
    owner: str = ""  # '' for a superuser: nobody should be made a member of that

    @property
    def stored(self) -> tuple[str, ...]:
        """The columns that can be written."""
        return tuple(column.name for column in self.table.columns if not column.generated)

    def is_unique(self, key: tuple[str, ...]) -> bool:
        """Whether a unique index that ON CONFLICT can use has exactly these columns."""
        return any(set(index.columns) == set(key) and index.immediate and not index.partial for index in self.indexes)


async def catalogs(connection: Connection, schema: str, names: Sequence[str] | None = None) -> dict[str, Catalog]:
    """Tables of a schema by name: those of `names` that are there, or all."""
    wanted = None if names is None else list(names)
    tables = await _fetch(connection, TABLES_SQL, (schema, wanted, wanted))
    oids = [row[0] for row in tables]
    columns = _by_first(await _fetch(connection, COLUMNS_SQL, (oids,)))
    indexes = _by_first(await _fetch(connection, INDEXES_SQL, (oids,)))
    return {row[1]: _catalog(row, columns.get(row[0], []), indexes.get(row[0], [])) for row in tables}


async def tables(connection: Connection, schema: str) -> dict[str, Table]:
    """Every ordinary table of the schema. Small tables are counted; for large ones the server's estimate serves."""
    found = {}
    for name, entry in (await catalogs(connection, schema)).items():
        if entry.partition:
            continue
        rows = entry.table.rows_estimate
        if not rows and entry.readable:
            counted = f"SELECT count(*) FROM (SELECT 1 FROM {quote(schema)}.{quote(name)} LIMIT {ESTIMATE_ROWS_MAX}) AS piece"
            ((rows,),) = await _fetch(connection, counted.replace("%", "%%"), ())
        found[name] = msgspec.structs.replace(entry.table, rows_estimate=rows)
    return found


async def _fetch(connection: Connection, sql: str, params: Sequence[object]) -> list[tuple[Any, ...]]:
    return await (await connection.execute(sql.encode(), params)).fetchall()


def _by_first(rows: Iterable[tuple[Any, ...]]) -> dict[int, list[tuple[Any, ...]]]:
    found: dict[int, list[tuple[Any, ...]]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(row[1:])
    return found


def _catalog(row: tuple[Any, ...], columns: list[tuple[Any, ...]], indexes: list[tuple[Any, ...]]) -> Catalog:
    (
        oid,
        name,
        kind,
        identity,
        owned,
        readable,
        writable,
        unlogged,
        partition,
        secured,
        estimate,
        triggers,
        fires,
        referenced,
        owner,
        parents,
    ) = row
    found = tuple(Index(tuple(names), primary, immediate, partial) for names, primary, immediate, partial in indexes)
    key = next((index.columns for index in found if index.primary), ())
    types = {column[0]: _type(column) for column in columns}
    table = Table(
        name,
        tuple(_column(column, types[column[0]], key) for column in columns),
        tuple(index.columns for index in found if not index.primary and not index.partial),
        tuple(triggers),
        tuple(mark for mark, on in (("partitioned", kind == "p"), ("unlogged", unlogged)) if on),
        int(estimate or 0),
        parents=tuple(parents),
    )
    always = tuple(column[0] for column in columns if column[7] == "a")
    virtual = tuple(column[0] for column in columns if column[6] == "v")
    return Catalog(
        oid, table, types, found, kind, identity or "", owned, readable, writable, unlogged, partition, secured,
        always, virtual, tuple(referenced), tuple(fires), owner,
    )  # fmt: skip


def _type(column: tuple[Any, ...]) -> Type:
    _, declared, base, modifier, enum = column[:5]
    scale = None
    if base == NUMERIC and modifier >= 4:
        scale = (modifier - 4) & 0x7FF
        scale = scale - 0x800 if scale >= 0x400 else scale
    return Type(base, declared, scale, enum, modifier)


def _column(column: tuple[Any, ...], kind: Type, key: tuple[str, ...]) -> Column:
    name, declared, _, _, _, nullable, generated, _, collation = column
    part = key.index(name) + 1 if name in key else 0
    return Column(name, declared, kind.kind, nullable, generated != "", part, collation, kind.affinity, holds_of(kind))
