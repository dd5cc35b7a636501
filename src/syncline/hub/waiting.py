"""Columns that only some peers have so far: they are not synchronized before all have them."""

from collections.abc import Mapping, Sequence

from syncline.model.errors import Problem
from syncline.model.schema import Table


def waiting(tables: Mapping[str, Mapping[str, Table | None]], known: Mapping[str, Sequence[str]]) -> list[Problem]:
    """A problem for each such column. `tables`: by collection, then peer; `known`: a running collection's columns."""
    found: list[Problem] = []
    for name, held in tables.items():
        columns = {peer: {one.name for one in table.columns} for peer, table in held.items() if table is not None}
        for column in sorted(set().union(*columns.values()) - set(known.get(name, ()))) if name in known else ():
            lacking = [peer for peer, names in columns.items() if column not in names]
            if lacking:
                hint = (
                    f"add it at {', '.join(lacking)} too; values written before that are settled by 'syncline verify --repair'"
                )
                why = "only some peers have it, so it is not synchronized"
                found.append(Problem(f"column {column} waits", collection=name, why=why, hint=hint))
    return found
