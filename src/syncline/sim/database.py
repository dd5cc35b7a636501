"""A transactional database in memory: tables, constraints, a captured commit history, and our footprint in it.

The model behind a simulated peer. Synchronous and atomic: a local transaction or an applied batch happens whole or not at all,
and `on_commit` sees every state that a reader could see. Knows nothing of networks or engines.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum

import msgspec

from syncline.model.change import Change, Refusal, Verdict
from syncline.model.schema import Collection
from syncline.model.stamp import Micros, Offset, Position
from syncline.model.value import ABSENT, Key, Row, Value
from syncline.model.write import Batch, Op, Write
from syncline.peers.receiving import only_receives, received, receiving

Tables = dict[str, dict[Key, Row]]


class Do(StrEnum):
    """What a local statement does to one row."""

    INSERT = "insert"
    UPDATE = "update"
    INCREMENT = "increment"
    DELETE = "delete"
    REKEY = "rekey"


class Statement(msgspec.Struct, frozen=True):
    """One local statement: `values` are the fields to set (INSERT, UPDATE) or to add (INCREMENT); `to` the new key (REKEY)."""

    do: Do
    collection: str
    key: Key
    values: dict[str, Value] = {}
    to: Key = ()


class Constraints(msgspec.Struct, frozen=True):
    """What this database refuses: rows with a banned value in any column, and equal values in a unique column."""

    banned: frozenset[Value] = frozenset()
    uniques: frozenset[tuple[str, str]] = frozenset()  # (collection, column); NULLs never clash


class Commit(msgspec.Struct, frozen=True):
    """One commit of this database. `echo`: it is an applied batch, `context` then being its own watermark."""

    number: int
    context: Offset
    time: Micros
    changes: tuple[Change, ...] = ()
    refused: tuple[Refusal, ...] = ()
    echo: bool = False

    @property
    def position(self) -> Position:
        """Where it stands in the history. The text tells two histories of the same length apart."""
        return Position(self.number, 0, format(self.time, "x"))


class Content(msgspec.Struct):
    """Everything in the database's files, footprint included: what a backup copies."""

    tables: Tables
    history: list[Commit] = []
    number: int = 0
    trimmed: int = 0
    watermark: Offset = 0
    fingerprint: str = ""
    incarnation: str = ""
    nonce: str = ""
    captured: frozenset[str] = frozenset()
    refused: tuple[Refusal, ...] = ()  # by the last batch; all that one which only receives remembers

    def copy(self) -> "Content":
        """An independent copy (rows and commits are immutable)."""
        tables = {name: dict(table) for name, table in self.tables.items()}
        return msgspec.structs.replace(self, tables=tables, history=list(self.history))


class LocalRefused(Exception):
    """A local transaction broke a constraint and was rolled back; nobody was told that it had happened."""


class SimDatabase:
    """See the module. `collections` gives the shape of each table; a row's key is its values in the key columns."""

    def __init__(
        self,
        name: str,
        collections: Sequence[Collection],
        now: Callable[[], Micros],
        rng: random.Random,
        constraints: Constraints | None = None,
    ) -> None:
        self.name = name
        self.shapes = {collection.name: collection for collection in collections}
        self.constraints = constraints or Constraints()
        self.content = Content({name: {} for name in self.shapes})
        self.on_commit: list[Callable[[SimDatabase], None]] = []
        self.on_news: list[Callable[[], None]] = []
        self.now = now
        self._rng = rng

    # -- users ------------------------------------------------------------------------------------------------------------

    def local(self, statements: Sequence[Statement]) -> Commit | None:
        """Run a user's transaction; its commit with all it did, captured or not; None if nothing. Raises LocalRefused."""
        tables = _Overlay(self.content.tables)
        changes: list[Change] = []
        for statement in statements:
            changes += self._run(tables, statement)
        if not changes:
            return None
        for change in changes:
            row = tables.get(change.collection, change.key)
            why = self._refuses(tables, change.collection, change.key, row)
            if row is not None and why:
                raise LocalRefused(why[1])
        tables.flush()
        captured = tuple(change for change in changes if change.collection in self.content.captured)
        return msgspec.structs.replace(self._commit(captured), changes=tuple(changes))

    def _run(self, tables: "_Overlay", statement: Statement) -> list[Change]:
        name, key = statement.collection, statement.key
        columns = self.shapes[name].columns
        before = tables.get(name, key)
        if statement.do is Do.INSERT:
            if before is not None:
                raise LocalRefused(f"key {key} is there already")
            after: Row | None = tuple(statement.values.get(column) for column in columns)
        elif before is None:
            return []
        elif statement.do is Do.DELETE:
            after = None
        elif statement.do is Do.REKEY:
            return self._rekey(tables, statement, before)
        else:
            after = tuple(_changed(statement, column, old) for column, old in zip(columns, before, strict=True))
        if after == before:
            return []
        tables.set(name, key, after)
        return [Change(name, key, before, after)]

    def _rekey(self, tables: "_Overlay", statement: Statement, before: Row) -> list[Change]:
        name, key, to = statement.collection, statement.key, statement.to
        if tables.get(name, to) is not None:
            raise LocalRefused(f"key {to} is there already")
        moved = list(before)
        for place, value in zip(self.shapes[name].key_places, to, strict=True):
            moved[place] = value
        tables.set(name, key, None)
        tables.set(name, to, tuple(moved))
        return [
            Change(name, key, before, None, Verdict(moved=to)),
            Change(name, to, None, tuple(moved), Verdict(moved=key)),
        ]

    # -- Syncline's side --------------------------------------------------------------------------------------------------

    def set_up(self, collections: Sequence[str], *, captures: bool = True) -> None:
        """Install the footprint and capture these collections from now on, or nothing."""
        content = self.content
        if not content.incarnation:
            made = f"incarnation-{self._rng.randrange(2**48):012x}"
            content.incarnation = made if captures else receiving(made)
        if only_receives(content.incarnation):
            return
        content.captured = content.captured | frozenset(collections)

    def tear_down(self) -> None:
        """Remove the footprint with everything in it."""
        self.content = Content(self.content.tables)

    def apply(self, batch: Batch) -> Commit | None:
        """Apply a batch and its watermark as one commit; rows that a constraint refuses are left out and recorded.

        None: it took effect before, and nobody heard of its commit.
        """
        if batch.writes and batch.upto <= self.content.watermark:
            return None
        tables = _Overlay(self.content.tables)
        waiting = [(write, place) for write in batch.writes for place in range(len(write.keys))]
        waiting.sort(key=lambda item: item[0].op is not Op.DELETE)
        refused: list[tuple[Write, int, tuple[str, str]]] = []
        while waiting:  # a row may have to wait until another one of the batch makes room for its unique value
            tried = ((write, place, self._write(tables, write, place)) for write, place in waiting)
            refused = [(write, place, why) for write, place, why in tried if why is not None]
            if len(refused) == len(waiting):
                break
            waiting = [(write, place) for write, place, _ in refused]
        tables.flush()
        self.content.watermark, self.content.fingerprint = batch.upto, batch.fingerprint
        refusals = tuple(Refusal(write.collection, write.keys[place], *why) for write, place, why in refused)
        self.content.refused = refusals
        return self._commit((), refusals, echo=True)

    def _write(self, tables: "_Overlay", write: Write, place: int) -> tuple[str, str] | None:
        """Write one row; a code and reason if it is refused (then nothing changed)."""
        name, key = write.collection, write.keys[place]
        if write.op is Op.DELETE:
            tables.set(name, key, None)
            return None
        columns = self.shapes[name].columns
        before = tables.get(name, key)
        if before is None and write.op is Op.UPDATE:
            return None
        row = dict(zip(columns, before or (None,) * len(columns), strict=True))
        values = write.rows[place]
        for column, value in zip(write.fields, values, strict=False):
            if value is not ABSENT:
                row[column] = value
        for column, value in zip(write.deltas, values[len(write.fields) :], strict=True):
            row[column] = _sum(row[column], value)
        after = tuple(row.values())
        why = self._refuses(tables, name, key, after)
        if why is None:
            tables.set(name, key, after)
        return why

    def poll(self, after: int, *, exact: bool) -> list[Commit]:
        """The commits after a number, in order. Not exact: neighbouring user transactions may come as one."""
        found = self.content.history[max(0, after - self.content.trimmed) :]
        if exact:
            return found
        merged: list[Commit] = []
        for commit in found:
            last = merged[-1] if merged else None
            if last is None or last.echo or commit.echo or last.context != commit.context or self._rng.random() < 0.3:
                merged.append(commit)
            else:
                merged[-1] = msgspec.structs.replace(commit, changes=last.changes + commit.changes)
        return merged

    @property
    def end(self) -> Position:
        """The last commit of the history."""
        content = self.content
        if only_receives(content.incarnation):
            return received(content.watermark)
        return content.history[-1].position if content.history else Position(content.number)

    def trim(self, upto: int) -> None:
        """Forget the history up to a commit, but for the last one."""
        content = self.content
        upto = min(upto, content.number - 1)
        if only_receives(content.incarnation):
            return
        if upto > content.trimmed:
            del content.history[: upto - content.trimmed]
            content.trimmed = upto

    # -- the administrator ------------------------------------------------------------------------------------------------

    def backup(self) -> Content:
        """A copy of everything."""
        return self.content.copy()

    def restore(self, content: Content) -> None:
        """Go back to a backup, or become the clone of another database."""
        self.content = content.copy()
        self._news()

    def rows(self, collection: str) -> Mapping[Key, Row]:
        """The rows that stand."""
        return self.content.tables[collection]

    # -- inside -----------------------------------------------------------------------------------------------------------

    def _commit(self, changes: tuple[Change, ...], refused: tuple[Refusal, ...] = (), *, echo: bool = False) -> Commit:
        content = self.content
        commit = Commit(content.number + 1, content.watermark, self.now(), changes, refused, echo)
        if changes or echo:
            content.number += 1
            content.history.append(commit)
        for listener in self.on_commit:
            listener(self)
        self._news()
        return commit

    def _news(self) -> None:
        for listener in self.on_news:
            listener()

    def _refuses(self, tables: "_Overlay", name: str, key: Key, row: Row | None) -> tuple[str, str] | None:
        if row is None:
            return None
        if not self.constraints.banned.isdisjoint(row):
            return "check", "a value breaks a CHECK constraint"
        columns = self.shapes[name].columns
        for collection, column in self.constraints.uniques:
            place = columns.index(column) if collection == name else 0
            if collection == name and row[place] is not None and tables.has(name, place, row[place], but=key):
                return "unique", f"{column} is there already"
        return None


class _Overlay:
    """Rows as a transaction sees them: its own writes over the committed tables."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._mine: dict[tuple[str, Key], Row | None] = {}

    def get(self, name: str, key: Key) -> Row | None:
        where = (name, key)
        return self._mine[where] if where in self._mine else self._tables[name].get(key)

    def set(self, name: str, key: Key, row: Row | None) -> None:
        self._mine[name, key] = row

    def has(self, name: str, place: int, value: Value, *, but: Key) -> bool:
        keys = dict.fromkeys([*self._tables[name], *(key for where, key in self._mine if where == name)])
        rows = (self.get(name, key) for key in keys if key != but)
        return any(row is not None and row[place] == value for row in rows)

    def flush(self) -> None:
        for (name, key), row in self._mine.items():
            if row is None:
                self._tables[name].pop(key, None)
            else:
                self._tables[name][key] = row


def _changed(statement: Statement, column: str, old: Value) -> Value:
    if column not in statement.values:
        return old
    value = statement.values[column]
    return _sum(old, value) if statement.do is Do.INCREMENT else value


def _sum(old: Value, delta: Value) -> Value:
    assert isinstance(delta, int), "an increment is a number"
    return delta + (old if isinstance(old, int) else 0)
