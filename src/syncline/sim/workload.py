"""Users: they insert, update, count, tag, delete and move rows at one peer, in seeded transactions on a few hot keys."""

import asyncio
import random

import msgspec

from syncline.model.value import Key, Row, Value
from syncline.sim.database import Do, LocalRefused, SimDatabase, Statement
from syncline.sim.ledger import Acked, Ledger
from syncline.sim.shape import ITEMS, PAIR_KEYS, set_items, set_text


class Habits(msgspec.Struct, frozen=True):
    """What the users of one run do. Weights are relative; 0 switches a habit off."""

    keys: int = 3
    rate: float = 2.0  # transactions per second and peer
    statements_max: int = 3
    insert: float = 2.0
    update: float = 4.0
    increment: float = 3.0
    delete: float = 1.0
    rekey: float = 0.0
    pair: float = 1.0  # both rows of a pair get the same mark, in one transaction
    poison: float = 0.0  # share of updates that write a value which other peers refuse


class Users:
    """The users at one peer. Every success goes to the ledger; `early` says whether their peer is part of the space yet."""

    def __init__(self, database: SimDatabase, ledger: Ledger, habits: Habits, rng: random.Random, poisons: list[str]) -> None:
        self.database, self.ledger, self.habits = database, ledger, habits
        self.early = True
        self.last_at = 0.0
        self._rng = rng
        self._poisons = poisons
        self._count = 0

    async def work(self) -> None:
        """Write until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._rng.expovariate(self.habits.rate))
            self.transact(loop.time())

    def transact(self, now: float) -> Acked | None:
        """One transaction; what it got acknowledged, if anything."""
        try:
            commit = self.database.local(self._statements())
        except LocalRefused:
            return None
        if commit is None or not commit.changes:
            return None
        acked = Acked(self.database.name, commit.number, commit.context, now, commit.changes, early=self.early)
        self.ledger.note(acked)
        self.last_at = now
        return acked

    def fresh(self, what: str = "") -> str:
        """A value that nobody ever wrote before."""
        self._count += 1
        return f"{self.database.name}{what}{self._count}"

    def row(self, key: Key) -> dict[str, Value]:
        """The values of a new item."""
        return {
            "id": key[0],
            "name": self.fresh(),
            "owner": self.fresh(),
            "quantity": self._rng.choice((0, 1, 10)),
            "tags": set_text(frozenset((self.fresh("t"),))),
            "notes": self.fresh("n"),
        }

    def _statements(self) -> list[Statement]:
        habits = self.habits
        weights = {
            "insert": habits.insert, "update": habits.update, "increment": habits.increment,
            "delete": habits.delete, "rekey": habits.rekey, "pair": habits.pair,
        }  # fmt: skip
        made: list[Statement] = []
        for _ in range(self._rng.randint(1, habits.statements_max)):
            habit = self._rng.choices(list(weights), list(weights.values()))[0]
            made += self._pair() if habit == "pair" else [self._item(habit)]
        return made

    def _pair(self) -> list[Statement]:
        mark: Value = self.fresh("m")
        return [Statement(Do.UPDATE, "pairs", key, {"mark": mark}) for key in self._rng.choice(PAIR_KEYS)]

    def _item(self, habit: str) -> Statement:
        key: Key = (self._rng.randint(1, self.habits.keys),)
        row = self.database.rows("items").get(key)
        if row is None or (habit == "insert" and self._rng.random() < 0.2):
            return Statement(Do.INSERT, "items", key, self.row(key))
        if habit == "delete":
            return Statement(Do.DELETE, "items", key)
        if habit == "increment":
            return Statement(Do.INCREMENT, "items", key, {"quantity": self._rng.choice((-2, -1, 1, 1, 5))})
        if habit == "rekey":
            return Statement(Do.REKEY, "items", key, to=(self._rng.randint(1, self.habits.keys),))
        return Statement(Do.UPDATE, "items", key, self._changes(row))

    def _changes(self, row: Row) -> dict[str, Value]:
        if self._poisons and self._rng.random() < self.habits.poison:
            return {"name": self._poisons.pop()}
        columns = self._rng.sample(("name", "owner", "tags", "notes"), self._rng.choice((1, 1, 2)))
        return {column: self._change(column, row[ITEMS.columns.index(column)]) for column in columns}

    def _change(self, column: str, old: Value) -> Value:
        if column == "tags":
            items = set_items(old)
            if items and self._rng.random() < 0.3:
                return set_text(items - {self._rng.choice(sorted(items))})
            return set_text(items | {self.fresh("t")})
        if column == "notes":
            lines = old.split("\n") if isinstance(old, str) else []
            if lines and self._rng.random() < 0.4:
                lines[self._rng.randrange(len(lines))] = self.fresh("n")
            else:
                lines.insert(self._rng.randint(0, len(lines)), self.fresh("n"))
            return "\n".join(lines[-8:])
        return self.fresh()
