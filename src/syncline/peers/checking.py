"""What every kind has against a collection's columns, whatever its catalog is."""

from collections.abc import Iterator, Mapping
from typing import Any

from syncline.model.errors import Problem, TablesDiffer, UnknownColumn
from syncline.model.limits import COLUMNS_MAX, KEY_COLUMNS_MAX
from syncline.model.schema import Collection, Table


def unusable(table: Table, name: str, adds: str, where: Mapping[str, Any]) -> Problem | None:
    """What stands against a column of a collection in this table. `adds`: the statement that adds it."""
    column = table.column(name)
    if column is None:
        return UnknownColumn("a column is missing", hint=adds, column=name, **where)
    if column.generated:
        hint = "leave it out: each peer computes it"
        return TablesDiffer("a generated column cannot be written", hint=hint, column=name, **where)
    return None


def too_wide(collection: Collection, where: Mapping[str, Any]) -> Iterator[Problem]:
    """A problem, if there are more columns than Syncline carries."""
    if len(collection.columns) > COLUMNS_MAX or len(collection.key) > KEY_COLUMNS_MAX:
        why = f"at most {COLUMNS_MAX} columns and {KEY_COLUMNS_MAX} key columns"
        yield TablesDiffer("the table is too wide", why=why, hint="split it", **where)
