"""The catalog of a MariaDB or MySQL database: tables as the model sees them, and what capture and apply must know of them.

Reads information_schema only; decides nothing.
"""

import re
from collections.abc import Iterable, Sequence
from importlib.resources import files
from typing import Any, Final, NamedTuple

import msgspec

from syncline.model.schema import Column, Table
from syncline.peers.mysql.connect import Connection, fetch
from syncline.peers.mysql.convert import BYTES, FLOATS, TIMES, Type
from syncline.peers.mysql.features import OURS, Server, quote
from syncline.peers.mysql.holds import holds_of

COUNTED_ROWS_MAX: Final = 10_000  # of a table whose rows are counted; beyond, the server's estimate serves
_SQL: Final = files("syncline.peers.mysql").joinpath("catalog.sql").read_text(encoding="utf-8")
TABLES_SQL, COLUMNS_SQL, INDEXES_SQL, TRIGGERS_SQL, FOREIGN_SQL, CHECKS_SQL = (part.strip() for part in _SQL.split(";"))
_LABEL: Final = re.compile(r"'((?:[^'\\]|''|\\.)*)'", re.DOTALL)
_ESCAPED: Final = re.compile(r"''|\\(.)", re.DOTALL)
_CONTROLS: Final = {"0": "\0", "n": "\n", "r": "\r", "t": "\t", "Z": "\x1a"}
_JSON_CHECK: Final = re.compile(r"json_valid\(`((?:[^`]|``)*)`\)", re.IGNORECASE)


class Index(NamedTuple):
    """A unique index. `whole`: over plain columns, not over their first characters or over an expression."""

    name: str
    columns: tuple[str, ...]
    whole: bool


class Trigger(NamedTuple):
    """A trigger, with what it does."""

    name: str
    body: str | None  # None: this account may not read it


class Foreign(NamedTuple):
    """A foreign key of a table, and what its deletes and updates do to it."""

    name: str
    parent: str
    on_update: str
    on_delete: str

    @property
    def acts(self) -> bool:
        """Whether rows are changed by what happens to the other table."""
        return bool({self.on_update, self.on_delete} & {"CASCADE", "SET NULL", "SET DEFAULT"})


class Catalog(msgspec.Struct, frozen=True, dict=True):
    """A table with what only this kind of peer knows of it. `touched`: columns that an UPDATE sets by itself."""

    table: Table
    types: dict[str, Type]
    indexes: tuple[Index, ...]
    engine: str
    versioned: bool
    touched: tuple[str, ...]
    triggers: tuple[Trigger, ...]
    foreign: tuple[Foreign, ...]

    @property
    def stored(self) -> tuple[str, ...]:
        """The columns that can be written."""
        return tuple(column.name for column in self.table.columns if not column.generated)

    def is_unique(self, key: tuple[str, ...]) -> bool:
        """Whether a unique index has exactly these columns."""
        return any(set(index.columns) == set(key) and index.whole for index in self.indexes)

    def only_unique(self, key: tuple[str, ...]) -> bool:
        """Whether nothing but the key is unique: then a duplicate can only be the row itself."""
        return all(set(index.columns) == set(key) and index.whole for index in self.indexes)


def catalogs(connection: Connection, server: Server, names: Sequence[str] | None = None) -> dict[str, Catalog]:
    """Tables of the session's database by name: those of `names` that are there, or all but ours."""
    if names is not None and not names:
        return {}
    wanted = None if names is None else set(names)
    there = _asked(connection, TABLES_SQL, names)
    rows = [row for row in there if (row[0] in wanted if wanted is not None else row[0] not in OURS)]
    columns, indexes = _grouped(connection, COLUMNS_SQL, names), _grouped(connection, INDEXES_SQL, names)
    triggers, foreign = _grouped(connection, TRIGGERS_SQL, names), _grouped(connection, FOREIGN_SQL, names)
    checks = _grouped(connection, CHECKS_SQL, names) if server.mariadb else {}
    found = {}
    for row in rows:
        parts = (part.get(row[0], []) for part in (columns, indexes, triggers, foreign, checks))
        found[row[0]] = _catalog(row, server, *parts)
    return found


def tables(connection: Connection, server: Server) -> dict[str, Table]:
    """Every table but ours. The rows of small tables are counted; for large ones the server's estimate serves."""
    found = {}
    for name, entry in catalogs(connection, server).items():
        sql = f"SELECT count(*) FROM (SELECT 1 FROM {quote(name)} LIMIT {COUNTED_ROWS_MAX}) AS piece"
        ((rows,),) = fetch(connection, sql)
        estimate = max(rows, entry.table.rows_estimate) if rows == COUNTED_ROWS_MAX else rows
        found[name] = msgspec.structs.replace(entry.table, rows_estimate=estimate)
    return found


def _asked(connection: Connection, sql: str, names: Sequence[str] | None) -> list[tuple[Any, ...]]:
    """The rows of a catalog query. Told the names, the server need not look at every table."""
    asked = "IS NOT NULL" if names is None else f"IN ({', '.join(['%s'] * len(names))})"
    return fetch(connection, sql.format(names=asked), names or ())


def _grouped(connection: Connection, sql: str, names: Sequence[str] | None) -> dict[str, list[tuple[Any, ...]]]:
    found: dict[str, list[tuple[Any, ...]]] = {}
    for row in _asked(connection, sql, names):
        found.setdefault(row[0], []).append(row[1:])
    return found


def _catalog(
    row: tuple[Any, ...],
    server: Server,
    columns: list[tuple[Any, ...]],
    indexes: list[tuple[Any, ...]],
    triggers: list[tuple[Any, ...]],
    foreign: list[tuple[Any, ...]],
    checks: list[tuple[Any, ...]],
) -> Catalog:
    name, kind, engine, estimate, options = row
    found = _indexes(indexes)
    key = next((index.columns for index in found if index.name == "PRIMARY"), ())
    jsons = {match[1].replace("``", "`") for _, clause in checks if (match := _JSON_CHECK.fullmatch(clause))}
    types = {column[0]: _type(column, server, is_json=column[0] in jsons) for column in columns}
    versioned = kind == "SYSTEM VERSIONED"
    cascades = any(Foreign(*one).acts for one in foreign)  # what they change never reaches the binary log
    marks = (("partitioned", "partitioned" in (options or "")), ("versioned", versioned), ("cascades", cascades))
    table = Table(
        name,
        tuple(_column(column, types[column[0]], key) for column in columns),
        tuple(index.columns for index in found if index.name != "PRIMARY" and index.whole),
        tuple(trigger[0] for trigger in triggers),
        tuple(mark for mark, on in marks if on),
        int(estimate or 0),
        parents=tuple(sorted({one[1] for one in foreign if one[1] != name})),
        quotes="`",
    )
    touched = tuple(column[0] for column in columns if "on update" in (column[10] or "").lower())
    return Catalog(
        table, types, found, engine or "", versioned, touched, tuple(Trigger(*one) for one in triggers),
        tuple(Foreign(*one) for one in foreign),
    )  # fmt: skip


def _indexes(rows: Iterable[tuple[Any, ...]]) -> tuple[Index, ...]:
    parts: dict[str, list[tuple[Any, ...]]] = {}
    for name, column, cut in rows:
        parts.setdefault(name, []).append((column, cut))
    return tuple(
        Index(name, tuple(column or "" for column, _ in found), all(column and not cut for column, cut in found))
        for name, found in parts.items()
    )


def _type(column: tuple[Any, ...], server: Server, *, is_json: bool) -> Type:
    _, base, declared, nullable, charset, collation, length, precision, scale, fraction, _, _ = column
    base, unsigned = base.lower(), "unsigned" in declared.lower()
    size = int(length or precision or 0)
    digits: int | None = None
    if base == "decimal":
        digits = int(scale or 0)
    elif base in FLOATS and "," in declared:
        digits = int(scale)
    elif base in TIMES:
        digits = int(fraction or 0)
    if is_json and base == "longtext":
        base = "json"
    labels = tuple(_ESCAPED.sub(_unescape, text) for text in _LABEL.findall(declared)) if base in {"enum", "set"} else ()
    charset = "" if base in BYTES or charset == "binary" else charset or ("utf8mb4" if base == "json" else "")
    return Type(
        base, declared, unsigned, charset, collation or "", size, digits, labels,
        nullable == "YES", server.holds_minus_zero,
    )  # fmt: skip


def _unescape(match: re.Match[str]) -> str:
    return "'" if match[0] == "''" else _CONTROLS.get(match[1], match[1])


def _column(column: tuple[Any, ...], kind: Type, key: tuple[str, ...]) -> Column:
    name, _, declared, nullable, _, collation, *_, extra, expression = column
    part = key.index(name) + 1 if name in key else 0
    generated = bool(expression) or "VIRTUAL" in (extra or "").upper() or "STORED GENERATED" in (extra or "").upper()
    shown = "" if kind.exact or kind.base in {"enum", "set"} else collation or ""
    return Column(name, declared, kind.kind, nullable == "YES", generated, part, shown, kind.affinity, holds_of(kind))
