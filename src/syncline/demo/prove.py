"""The demo's proof: all offices compared by reading them, and the writers' ledgers held against them. Asks no engine."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from syncline.demo import dataset
from syncline.demo.desks.open import open_desk
from syncline.demo.images import losers
from syncline.demo.judge import Loser
from syncline.log.registry import open_reader
from syncline.model.conflict import Conflict
from syncline.model.entry import Kind
from syncline.model.value import Key


def fingerprint(place: Path | str) -> tuple[str, int]:
    """A hash over every row of every demo table in key order, values and their types, and how many rows there are."""
    digest = hashlib.sha256()
    count = 0
    with open_desk(place) as desk:
        for sheet in dataset.SHEETS:
            for row in desk.read(f"SELECT {', '.join(sheet.columns)} FROM {sheet.name} ORDER BY {sheet.key}"):
                digest.update(repr((sheet.name, row)).encode())
                count += 1
    return digest.hexdigest(), count


def equal(places: Sequence[Path | str]) -> tuple[bool, int]:
    """Whether all offices hold the same rows, and how many rows one has."""
    prints = [fingerprint(place) for place in places]
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
