"""What triggers of the user's did while Syncline wrote: told apart from our own writes, and kept as local changes (C18).

Our own records are taken out of the changelog; what is left stands after the watermark, so it is captured like any change
that a program made after seeing it. A trigger that answers every delivery by changing the same columns again would never
come to rest between two peers; after some rounds the row is refused instead, and a person is told.
"""

import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from syncline.model.change import Change, Refusal
from syncline.model.limits import TRIGGER_ANSWERS_MAX, TRIGGER_CALM_SECONDS, TRIGGER_ROUNDS_MAX, WINDOW_ROWS_MAX
from syncline.model.value import ABSENT, Key, Row, changed_fields
from syncline.model.write import Op, Write
from syncline.peers.sqlite.careful import Job
from syncline.peers.sqlite.decode import Hit, Item, Move, decode
from syncline.peers.sqlite.features import CHANGELOG
from syncline.peers.sqlite.footprint import MILLIS, width
from syncline.peers.sqlite.layout import Layout
from syncline.peers.sqlite.reading import Source, read
from syncline.peers.sqlite.statement import Target

_Where = tuple[str, Key]


@dataclass
class _Chain:
    """Deliveries of one row that triggers answered one after the other, and the columns the last answer changed."""

    since: float
    last: float
    columns: frozenset[int] = frozenset()
    rounds: int = 0
    answers: int = 0


class Rounds:
    """How often triggers answered deliveries of a row: kept between batches, in memory.

    A round is a delivery that brings nothing but what a trigger had changed, or nothing at all: a few of them are a circle.
    Triggers of several peers may also move one another through different columns; then only the number of answers tells.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._chains: dict[_Where, _Chain] = {}

    def endless(self, where: _Where, ours: frozenset[int], theirs: frozenset[int]) -> bool:
        """A delivery changed columns `ours` of a row and a trigger then `theirs`. Whether this goes on and on."""
        now = self._clock()
        chain = self._chains.pop(where, None)
        if chain is None or now - chain.last > TRIGGER_CALM_SECONDS:
            chain = _Chain(now, now)
        if now - chain.since > TRIGGER_CALM_SECONDS:
            chain.since, chain.answers = now, 0
        chain.rounds = chain.rounds + 1 if ours <= chain.columns else 1
        chain.answers += 1
        chain.columns, chain.last = theirs, now
        self._chains[where] = chain
        if len(self._chains) > WINDOW_ROWS_MAX:
            self.calm(next(iter(self._chains)))  # the one that was quiet for longest
        return chain.rounds > TRIGGER_ROUNDS_MAX or chain.answers > TRIGGER_ANSWERS_MAX

    def calm(self, where: _Where) -> None:
        """A delivery was left as it was."""
        self._chains.pop(where, None)


class Answered(Exception):
    """Rows whose deliveries triggers keep answering: to be left out."""

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        self.refusals = refusals
        super().__init__("triggers do not come to rest")


def keep_effects(
    connection: sqlite3.Connection, layouts: Mapping[int, Layout], jobs: Sequence[Job], mark: int, rounds: Rounds
) -> list[Refusal]:
    """Leave in the changelog after `mark` only what triggers did; refusals of rows that a trigger ignored. Raises Answered."""
    seqs, items = _read(connection, layouts, mark)
    records: dict[_Where, list[tuple[int, Item]]] = {}
    for seq, item in zip(seqs, items, strict=True):
        records.setdefault(_where(item), []).append((seq, item))
    ours: list[int] = []
    refused: list[Refusal] = []
    answered: list[Refusal] = []
    for job in jobs:
        where = (job.write.collection, job.write.keys[job.place])
        found = records.get(where, [])
        ours += [seq for seq, item in found if isinstance(item, Hit)]
        mine = _ours(job, found)
        ours += mine
        if not mine and _should_be_seen(connection, job):
            refused.append(job.refusal("ignored", "a trigger of this table ignores the write: RAISE(IGNORE)"))
            continue
        left = [_columns(item) for seq, item in found if seq not in mine and isinstance(item, Change)]
        theirs = frozenset[int]().union(*left)
        if not theirs:  # or it was set to what it is: nobody will hear of that
            rounds.calm(where)
        elif rounds.endless(where, _written(mine, found), theirs):
            answered.append(_too_often(job))
    if answered:
        raise Answered(answered)
    connection.executemany(f"DELETE FROM {CHANGELOG} WHERE seq = ?", [(seq,) for seq in ours])
    return refused


def _read(connection: sqlite3.Connection, layouts: Mapping[int, Layout], mark: int) -> tuple[list[int], list[Item]]:
    names = ("seq", "kind", MILLIS, *(f"{side}{n}" for n in range(width(connection)) for side in "ba"))
    source = Source(CHANGELOG, names, ("seq",))
    seqs: list[int] = []
    items: list[Item] = []
    while found := read(connection, source, "WHERE seq > ? ORDER BY seq", (seqs[-1] if seqs else mark,)).rows:
        piece = decode(found, layouts, idle=True)
        seqs += piece.seqs
        items += piece.items
    return seqs, items


def _where(item: Item) -> _Where:
    match item:
        case Change(collection, key) | Hit(collection, key) | Move(Change(collection, key)):
            return collection, key
        case _:
            raise TypeError("only a transaction of ours is read here, and it has no watermark inside")


def _ours(job: Job, found: Sequence[tuple[int, Item]]) -> list[int]:
    """The records that our own write of this row made: the first one that looks like it, and what came with it."""
    for seq, item in found:
        if isinstance(item, Change) and _is_write(job.write, job.place, item, job.target):
            return [seq, *_taken_out(found, seq, item)]
    return []


def _too_often(job: Job) -> Refusal:
    names = ", ".join(job.target.catalog.table.triggers)
    reason = f"a trigger ({names}) changes what is delivered, again and again; let it leave Syncline's writes alone"
    return job.refusal("trigger", f"{reason}: WHEN (SELECT applying FROM _syncline_state) = 0")


def _taken_out(found: Sequence[tuple[int, Item]], upto: int, write: Change) -> list[int]:
    """The delete before an insert, where rows were exchanged."""
    if write.before is not None or write.after is None:
        return []
    return [seq for seq, item in found if seq < upto and isinstance(item, Change) and item.after is None][:1]


def _is_write(write: Write, place: int, change: Change, target: Target) -> bool:
    if write.op is Op.DELETE or change.after is None:
        return write.op is Op.DELETE and change.after is None
    columns = target.collection.columns
    values = write.rows[place]
    fields = zip(write.fields, values, strict=False)
    if any(value is not ABSENT and change.after[columns.index(name)] != value for name, value in fields):
        return False
    for name, value in zip(write.deltas, values[len(write.fields) :], strict=True):
        old, new = (_number(row, columns.index(name)) for row in (change.before, change.after))
        if value is not ABSENT and change.before is not None and old is not None and new != old + _plain(value):
            return False
    return True


def _number(row: Row | None, place: int) -> int | None:
    value = row[place] if row is not None else None
    return 0 if value is None else value if isinstance(value, int) else None


def _plain(value: object) -> int:
    return value if isinstance(value, int) else 0


def _should_be_seen(connection: sqlite3.Connection, job: Job) -> bool:
    """Whether the write should have left a record: an upsert always, others if there is such a row."""
    return job.write.op is Op.UPSERT or job.is_there(connection)


def _written(mine: Sequence[int], found: Sequence[tuple[int, Item]]) -> frozenset[int]:
    """The columns that our own write changed."""
    return _columns(next((item for seq, item in found if seq in mine and isinstance(item, Change)), None))


def _columns(change: Change | None) -> frozenset[int]:
    """The columns that a change changed: all of them where a row came or went."""
    if change is None:
        return frozenset()
    if change.before is None or change.after is None:
        return frozenset(range(len(change.after or change.before or ())))
    return frozenset(changed_fields(change.before, change.after))
