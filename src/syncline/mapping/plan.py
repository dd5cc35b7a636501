"""The mapping plan: one collection as configured, and its table at every peer -> the collection, or why it cannot be one.

Pure. Every difference that would lose, change or confuse values is a Problem here, before any data moves.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Final, TypeAlias

from syncline.mapping.fit import misfits
from syncline.mapping.statement import add_column, create_table, quoted, rename_column, unique_index
from syncline.model import limits
from syncline.model.errors import MissingTable, NoKey, Problem, TablesDiffer, UnknownColumn
from syncline.model.schema import Collection, Column, Kind, Table
from syncline.model.space import CollectionSpec

Tables: TypeAlias = Mapping[str, Table]

# What SQLite does to a value on its way into a column (sqlite.org/datatype3.html section 3: INTEGER and NUMERIC do the same).
SQLITE_STORAGE: Final = {"INTEGER": "numeric", "NUMERIC": "numeric", "REAL": "real", "TEXT": "text", "BLOB": "as given"}
_BINARY: Final = frozenset({"", "BINARY"})
_COLLATED: Final = frozenset({"TEXT", "BLOB", ""})


def plan(spec: CollectionSpec, tables: Mapping[str, Table | None]) -> Collection | list[Problem]:
    """The canonical collection of all peers' tables, or everything that stands against it.

    `tables` holds each peer's table; None says that the peer was asked and has no such table. Columns are in the order of
    the first peer; generated columns are left out. The key is the spec's, else the tables' primary key. A kind on which the
    peers disagree is ANY. Problems carry the line of `spec.lines` and name peer, column and the statement that helps.
    """
    collection, problems = outline(spec, tables)
    return problems or collection


def outline(spec: CollectionSpec, tables: Mapping[str, Table | None]) -> tuple[Collection, list[Problem]]:
    """The collection as far as it can be told, and all problems of `plan`: so that what else is wrong can be told as well."""
    found = {peer: table for peer, table in tables.items() if table is not None}
    problems: list[Problem] = _missing_tables(spec, tables, found)
    columns = _columns(found)
    stored = list(_storage(spec, found, columns))
    told = {problem.where.get("column") for problem in stored}
    key = _key(spec, found, columns, problems) if found else ()
    problems += [
        *_missing_columns(spec, found, columns),
        *_half_generated(spec, found),
        *stored,
        *(problem for problem in misfits(spec, found) if problem.where.get("column") not in told),
        *_collations(spec, found, key),
        *_too_wide(spec, columns, key),
    ]
    kinds = tuple(_kind(found, name) for name in columns)
    names = {peer: table.name for peer, table in found.items() if table.name != spec.name}
    return Collection(spec.name, columns, key, kinds, names), problems


def line_of(spec: CollectionSpec, *parts: str) -> int:
    """The line where the text says the most exact of these parts, else where the collection stands."""
    return next((spec.lines[part] for part in parts if part in spec.lines), spec.lines.get("", 0))


def _columns(tables: Tables) -> tuple[str, ...]:
    """The canonical columns: every peer's, without those that are generated wherever they are."""
    names = dict.fromkeys(column.name for table in tables.values() for column in table.columns)
    return tuple(name for name in names if not all(column.generated for _, column in _holders(tables, name)))


def _holders(tables: Tables, name: str) -> list[tuple[str, Column]]:
    found = ((peer, table.column(name)) for peer, table in tables.items())
    return [(peer, column) for peer, column in found if column is not None]


def _kind(tables: Tables, name: str) -> Kind:
    kinds = {column.kind for _, column in _holders(tables, name)}
    return kinds.pop() if len(kinds) == 1 else Kind.ANY


def _missing_tables(spec: CollectionSpec, tables: Mapping[str, Table | None], found: Tables) -> list[Problem]:
    problems: list[Problem] = []
    model = next(iter(found.values()), None)
    for peer, table in tables.items():
        if table is None:
            name = spec.at.get(peer, spec.name)
            what = f"there is no table {name}"
            hint = (
                f"create it, or name another under at: {create_table(name, model)}" if model else "correct the name, or add at"
            )
            line = line_of(spec, f"at.{peer}")
            problems.append(MissingTable(what, hint=hint, line=line, collection=spec.name, peer=peer))
    return problems


def _missing_columns(spec: CollectionSpec, tables: Tables, columns: tuple[str, ...]) -> Iterable[Problem]:
    for name in columns:
        holders = _holders(tables, name)
        for peer, table in tables.items():
            if table.column(name) is not None:
                continue
            holder, model = holders[0]
            twin = next((column.name for column in table.columns if column.name.lower() == name.lower()), None)
            hint = rename_column(table, twin, name) if twin else add_column(table, model)
            why = f"{holder} has it" + (f"; here it is written {twin}" if twin else "")
            where = {"collection": spec.name, "peer": peer, "column": name}
            yield TablesDiffer("a column is missing", why=why, hint=hint, line=line_of(spec, f"at.{peer}"), **where)


def _half_generated(spec: CollectionSpec, tables: Tables) -> Iterable[Problem]:
    for name in dict.fromkeys(column.name for table in tables.values() for column in table.columns):
        sides = {column.generated: peer for peer, column in _holders(tables, name)}
        if len(sides) == 2:
            why = f"{sides[True]} computes it, {sides[False]} stores it, so they would differ"
            hint = "make it an ordinary column at both, or a generated one at both"
            where = {"collection": spec.name, "peer": sides[True], "column": name}
            yield TablesDiffer("a column is generated at one peer only", why=why, hint=hint, line=line_of(spec), **where)


def _unknown_column(spec: CollectionSpec, name: str, columns: tuple[str, ...], line: int) -> Problem:
    near = get_close_matches(name, columns, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]!r}?" if near else f"use one of: {', '.join(columns)}"
    return UnknownColumn(f"unknown column {name!r}", hint=hint, line=line, collection=spec.name, column=name)


def _key(spec: CollectionSpec, tables: Tables, columns: tuple[str, ...], problems: list[Problem]) -> tuple[str, ...]:
    """The key; what stands against it goes into `problems`."""
    line = line_of(spec, "key")
    if not spec.key:
        key = _primary_key(spec, tables, problems)
        for name in (name for name in key if name not in columns):
            why, hint = "a generated column is never written", "name other columns that are unique at every peer under key"
            problems.append(NoKey(f"key column {name} is generated", why=why, hint=hint, line=line, collection=spec.name))
        return key
    unknown = [name for name in spec.key if name not in columns]
    problems.extend(_unknown_column(spec, name, columns, line) for name in unknown)
    for peer, table in tables.items():
        if unknown or set(table.key) == set(spec.key):
            continue
        where = {"collection": spec.name, "peer": peer}
        if not any(set(unique) == set(spec.key) for unique in table.uniques):
            what = f"the key {', '.join(spec.key)} is not unique"
            why = "no primary key or unique constraint has exactly these columns, so one key could name two rows"
            problems.append(NoKey(what, why=why, hint=unique_index(table, spec.key), line=line, **where))
            continue
        nullable = [column.name for column in table.columns if column.name in spec.key and column.nullable]
        if nullable:
            why = "unique constraints allow any number of NULLs, and a row without a key cannot be told apart"
            hint = f"declare {', '.join(nullable)} NOT NULL, or make the key the primary key"
            problems.append(NoKey("a part of the key may be NULL", why=why, hint=hint, line=line, **where))
    return spec.key


def _primary_key(spec: CollectionSpec, tables: Tables, problems: list[Problem]) -> tuple[str, ...]:
    key: tuple[str, ...] = ()
    first = ""
    for peer, table in tables.items():
        where = {"collection": spec.name, "peer": peer}
        if not table.key:
            what, why = f"table {table.name} has no primary key", "rows that cannot be told apart cannot be synchronised"
            hint = f"add a primary key, or name the columns of a unique constraint: {spec.name}: {{key: [...]}}"
            problems.append(NoKey(what, why=why, hint=hint, line=line_of(spec), **where))
        elif not key:
            key, first = table.key, peer
        elif set(key) != set(table.key):
            why = f"{first} has ({quoted(key)}), {peer} has ({quoted(table.key)})"
            hint = "make the primary keys alike, or name columns that are unique at every peer under key"
            problems.append(NoKey("the primary keys differ", why=why, hint=hint, line=line_of(spec), **where))
    return key


def _storage(spec: CollectionSpec, tables: Tables, columns: tuple[str, ...]) -> Iterable[Problem]:
    """Columns that SQLite would store as another value at one peer than at another (D2, D44)."""
    for name in columns:
        holders = [(peer, column) for peer, column in _holders(tables, name) if column.affinity.upper() in SQLITE_STORAGE]
        for peer, column in holders[1:]:
            first, model = holders[0]
            here, there = SQLITE_STORAGE[column.affinity.upper()], SQLITE_STORAGE[model.affinity.upper()]
            if here != there:
                declared = f"{first} declares {model.declared or 'nothing'} (stored {there})"
                why = f"{declared}, {peer} {column.declared or 'nothing'} (stored {here}): values would change on the way"
                hint = "declare the column alike at both peers"
                where = {"collection": spec.name, "peer": peer, "column": name}
                yield TablesDiffer("a column is stored differently", why=why, hint=hint, line=line_of(spec), **where)


def _collations(spec: CollectionSpec, tables: Tables, key: tuple[str, ...]) -> Iterable[Problem]:
    """Key columns whose peer takes different texts for the same key (D25, D26)."""
    for name in key:
        for peer, column in _holders(tables, name):
            if column.collation.upper() in _BINARY or column.affinity.upper() not in _COLLATED:
                continue
            why = (
                f"with COLLATE {column.collation} this peer takes different texts for one key; one row would overwrite another"
            )
            exact = "utf8mb4_nopad_bin (at MySQL utf8mb4_0900_bin)" if "_" in column.collation else "nothing or BINARY"
            hint = f"declare the key column with an exact collation, here {exact}; an index with another serves searches"
            where = {"collection": spec.name, "peer": peer, "column": name}
            yield TablesDiffer("the key is not compared exactly", why=why, hint=hint, line=line_of(spec, "key"), **where)


def _too_wide(spec: CollectionSpec, columns: tuple[str, ...], key: tuple[str, ...]) -> Iterable[Problem]:
    for noun, found, most in (("columns", columns, limits.COLUMNS_MAX), ("key columns", key, limits.KEY_COLUMNS_MAX)):
        if len(found) > most:
            what, why = f"{len(found)} {noun} are too many", f"the most is {most}"
            yield TablesDiffer(what, why=why, hint="split the table", line=line_of(spec), collection=spec.name)
