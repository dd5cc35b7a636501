"""The demo's proof: all files compared by reading them, and the writers' ledgers held against them. Asks the engine nothing."""

import hashlib
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from syncline.demo import dataset
from syncline.demo.images import losers
from syncline.demo.judge import Loser
from syncline.log.registry import open_reader
from syncline.model.conflict import Conflict
from syncline.model.entry import Kind
from syncline.model.value import Key


def fingerprint(path: Path) -> tuple[str, int]:
    """A hash over every row of every demo table in key order, and how many rows there are."""
    digest = hashlib.sha256()
    count = 0
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=30.0)) as connection:
        for sheet in dataset.SHEETS:
            columns = ", ".join(f"quote({name})" for name in sheet.columns)
            for row in connection.execute(f"SELECT {columns} FROM {sheet.name} ORDER BY {sheet.key}"):
                digest.update(repr((sheet.name, row)).encode())
                count += 1
    return digest.hexdigest(), count


def equal(files: Sequence[Path]) -> tuple[bool, int]:
    """Whether all files hold the same rows, and how many rows one has."""
    prints = [fingerprint(path) for path in files]
    return len({print_ for print_, _ in prints}) == 1, prints[0][1]


async def recorded_losers(log: str) -> tuple[list[Loser], dict[str, int]]:
    """Every losing image that the log keeps, and how many conflicts each rule settled."""
    found: dict[str, list[tuple[Key, Conflict]]] = {}
    rules: dict[str, int] = {}
    columns: dict[str, tuple[str, ...]] = {}
    reader = await open_reader(log)
    try:
        async for entries in reader.read_notes(0):
            for entry in entries:
                if entry.kind is Kind.SCHEMA:
                    columns.update({name: tuple(names) for name, names in (entry.body or {}).items()})
                for change in entry.changes:
                    for conflict in change.verdict.conflicts if change.verdict else ():
                        found.setdefault(change.collection, []).append((change.key, conflict))
                        rules[conflict.rule] = rules.get(conflict.rule, 0) + 1
    finally:
        await reader.close()
    images = [one for table, recorded in found.items() for one in losers(table, columns[table], recorded)]
    return images, rules
