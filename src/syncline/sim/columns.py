"""How a simulated peer tells its commits by columns: small ones that were read at once as one, as PostgreSQL's peer does.

A group never reaches beyond a place that somebody asked for while the stream ran, and never over a commit of ours.
"""

import random
from collections.abc import Sequence
from typing import Final, TypeAlias

from syncline.model.blocks import of_changes
from syncline.model.change import Change, Transaction
from syncline.model.schema import Collection
from syncline.peers.protocol import Chunk
from syncline.sim.database import Commit, SimDatabase

GROUP_MAX: Final = 12  # commits
Asked: TypeAlias = set[int]  # the numbers of commits that a stream may not reach beyond


class Columns:
    """The places that were asked for, and the groups in between."""

    def __init__(self, database: SimDatabase, rng: random.Random) -> None:
        self._database, self._rng = database, rng
        self._places = {shape.name: shape.key_places for shape in database.shapes.values()}
        self._asked: list[Asked] = []

    def begin(self) -> Asked:
        """A stream begins: it gives out the end of the history as it is now, and knows what is asked for from now on."""
        self._asked.append({self._database.end.major})
        return self._asked[-1]

    def end(self, asked: Asked) -> None:
        """A stream has ended."""
        self._asked = [one for one in self._asked if one is not asked]

    def ask(self) -> None:
        """Somebody may wait for what is the end of the history now."""
        for asked in self._asked:
            asked.add(self._database.end.major)

    def told(self, name: str, commits: Sequence[Commit], asked: Asked) -> list[Transaction]:
        """Commits as transactions, by columns where that can be."""
        found: list[Transaction] = []
        rest = list(commits)
        while rest:
            size = self._rng.randint(1, min(len(rest), GROUP_MAX))
            size = next((place for place in range(1, size) if _is_apart(rest[place - 1], rest[place], asked)), size)
            made = next(one for one in (self._together(name, rest[:count]) for count in range(size, 0, -1)) if one is not None)
            found.append(made[0])
            rest = rest[made[1] :]
        return found

    def _together(self, name: str, commits: Sequence[Commit]) -> tuple[Transaction, int] | None:
        """These commits as one transaction and how many they are; None if they cannot be told so. A single one always can."""
        last = commits[-1]
        changes = [change for one in commits for change in one.changes]
        ages = [last.time - one.time for one in commits for _ in one.changes] if len(commits) > 1 else []
        blocks = of_changes(changes, self._places, ages) if changes else None
        if not blocks:
            return (transaction_of(name, last), 1) if len(commits) == 1 else None

        def split() -> list[Transaction]:
            return [transaction_of(name, one) for one in commits]

        several = split if len(commits) > 1 else None
        made = Transaction(name, last.position, last.context, last.time, blocks=blocks, split=several)
        return made, len(commits)


def _is_apart(one: Commit, other: Commit, asked: Asked) -> bool:
    """Whether two neighbours may not be told as one. Only what a user did is told by columns."""
    if not one.changes or not other.changes or one.context != other.context:
        return True
    return any(one.number <= number < other.number for number in asked)


def transaction_of(peer: str, commit: Commit) -> Transaction:
    """A commit, told change by change."""
    return Transaction(peer, commit.position, commit.context, commit.time, commit.changes, commit.refused)


def by_columns(chunk: Chunk, collection: Collection) -> Chunk:
    """A chunk as a peer gives it that reads whole columns."""
    inserts = [Change(collection.name, key, None, row) for key, row in chunk.rows]
    blocks = of_changes(inserts, {collection.name: collection.key_places}) if inserts else None
    if not blocks:
        return chunk
    return Chunk.of_block(blocks[0], chunk.last, done=chunk.done, position=chunk.position, watermark=chunk.watermark)
