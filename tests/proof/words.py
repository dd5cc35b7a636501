"""The small world that the proof explores: peers, rows, local writes. It knows nothing of windows or of how conflicts end.

A row has a key, a register `a`, a counter `n` and a set `s`. Every write brings values of its own: a text with the writer's
name, a power of two, a tag; so what became of a write can be read off any later row.
"""

import json
from collections.abc import Iterable
from functools import cache
from typing import Final, NamedTuple, TypeAlias

from syncline.mapping.project import Target
from syncline.model.change import Change
from syncline.model.schema import Collection
from syncline.model.value import Key, Row, Value

PEERS: Final = ("p", "q", "r")
COLUMNS: Final = ("id", "a", "n", "s")
A, N, S = 1, 2, 3
COUNTERS: Final = frozenset({N})
KEY: Final[Key] = (1,)
NAMES: Final = ("c", "d")  # a collection per explored key: the second key lives in another collection
SHAPES: Final = {name: Collection(name, COLUMNS, ("id",)) for name in NAMES}
KNOWS_ALL: Final = 1 << 30  # the first offset a peer lacks, if it lacks nothing

Rows: TypeAlias = tuple[Row | None, ...]  # one per explored key


class Local(NamedTuple):
    """One row of a local write: which key, both images, and what its peer truly knew of the log about that key."""

    place: int
    before: Row | None
    after: Row | None
    knew: int


def folded(changes: tuple[Local, ...], count: int) -> tuple[Local, ...]:
    """What a transaction asks for, if the log has `count` changes of it: deleting and inserting again may be one."""
    found: list[Local] = []
    for one in changes:
        last = found[-1] if found else None
        if len(changes) > count and last is not None and last.place == one.place and last.after is None and one.before is None:
            found[-1] = last._replace(after=one.after)
        else:
            found.append(one)
    return tuple(found)


class Written(NamedTuple):
    """An item of a peer's history: a local transaction. `seq` counts the peer's own writes from 0."""

    seq: int
    context: int
    changes: tuple[Local, ...]


class Marked(NamedTuple):
    """An item of a peer's history: an apply of ours, with the rows it left out."""

    upto: int
    refused: tuple[int, ...] = ()


Item: TypeAlias = Written | Marked


class PeerState(NamedTuple):
    """A transactional peer: its rows, the part of its history that was not captured yet, its watermark.

    `lacks` holds per key the first offset whose effect is not there (a parked row), KNOWS_ALL if there is none, 0 for a row
    that a joining peer was not given yet.
    """

    rows: Rows
    history: tuple[Item, ...]
    watermark: int
    writes: int  # local writes left
    lacks: tuple[int, ...]


def tags(values: Iterable[str]) -> str:
    """A set as the set policy writes it: a JSON list in order."""
    return json.dumps(sorted(values))


@cache
def tags_of(value: Value) -> frozenset[str]:
    """The set a value stands for."""
    return frozenset(json.loads(value)) if isinstance(value, str) else frozenset()


START: Final[Row] = (1, "0", 0, tags("z"))
OTHER: Final[Row] = (1, "9", 1 << 20, tags("y"))  # what a joining peer brings that has rows of its own


def target(peer: str) -> Target:
    """What projection needs to know of a peer."""
    return Target(peer, SHAPES, dict.fromkeys(NAMES, COUNTERS))


def options(state: PeerState, peer: int, total: int, ops: str) -> list[tuple[str, PeerState]]:
    """Every local transaction that the peer could commit now, each with the peer after it."""
    seq = total - state.writes
    found: list[tuple[str, PeerState]] = []
    for op in ops:
        rows = state.rows
        steps = _steps(op, rows, peer, seq)
        if not steps:
            continue
        changes: list[Local] = []
        after = list(rows)
        for place, row in steps:
            knew = min(state.watermark, state.lacks[place] - 1)
            changes.append(Local(place, after[place], row, knew))
            after[place] = row
        written = Written(seq, state.watermark, tuple(changes))
        moved = state._replace(rows=tuple(after), history=(*state.history, written), writes=state.writes - 1)
        found.append((f"{PEERS[peer]} {_NAMES[op]}", moved))
    return found


_NAMES: Final = {
    "a": "sets a", "n": "adds to n", "s": "adds a tag", "t": "removes the tag", "u": "sets a, adds to n", "e": "sets a to e",
    "f": "sets a twice", "d": "deletes", "x": "deletes and inserts", "i": "inserts", "j": "inserts e", "b": "sets a of both",
    "k": "deletes both", "m": "sets a of the second",
}  # fmt: skip


def _steps(op: str, rows: Rows, peer: int, seq: int) -> list[tuple[int, Row | None]]:
    """What an operation does: (key, row after) one by one; nothing if it does not apply to these rows."""
    row = rows[0]
    name, bit = f"{PEERS[peer]}{seq}", 1 << (2 * peer + seq)
    fresh: Row = (1, name, bit, tags([name]))
    if op in "ij":
        return [] if row is not None else [(0, fresh if op == "i" else (1, "e", 0, tags("z")))]
    if op in "bkm":
        return _pair(op, rows, name)
    if row is None:
        return []
    match op:
        case "a":
            return [(0, _with(row, A, name))]
        case "n":
            return [(0, _with(row, N, _number(row[N]) + bit))]
        case "s":
            return [(0, _with(row, S, tags(tags_of(row[S]) | {name})))]
        case "t":
            return [(0, _with(row, S, tags(tags_of(row[S]) - {"z"})))] if "z" in tags_of(row[S]) else []
        case "u":
            return [(0, _with(_with(row, A, name), N, _number(row[N]) + bit))]
        case "e":
            return [(0, _with(row, A, "e"))] if row[A] != "e" else []
        case "f":
            return [(0, _with(row, A, name + "'")), (0, _with(row, A, name))]
        case "d":
            return [(0, None)]
        case _:
            return [(0, None), (0, fresh)]


def _pair(op: str, rows: Rows, name: str) -> list[tuple[int, Row | None]]:
    first, second = rows
    if second is None or (first is None and op != "m"):
        return []
    if op == "k":
        return [(0, None), (1, None)]
    changed: list[tuple[int, Row | None]] = [(1, _with(second, A, name))]
    return changed if op == "m" or first is None else [(0, _with(first, A, name)), *changed]


def _with(row: Row, place: int, value: Value) -> Row:
    return (*row[:place], value, *row[place + 1 :])


def _number(value: Value) -> int:
    return value if isinstance(value, int) else 0


def as_changes(written: Written) -> tuple[Change, ...]:
    """The transaction's changes as a door would capture them."""
    return tuple(Change(NAMES[one.place], KEY, one.before, one.after) for one in written.changes)
