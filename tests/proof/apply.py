"""A transactional peer that applies a batch: the promise of `Peer.apply`, in a few lines. It decides nothing."""

from collections.abc import Sequence

from tests.proof.words import COLUMNS, KEY, KNOWS_ALL, NAMES, Marked, PeerState, Rows

from syncline.mapping import project
from syncline.mapping.project import Target
from syncline.model.entry import Entry, Kind
from syncline.model.value import Key, Row, Value
from syncline.model.write import Batch, Op, Write


class Broken(AssertionError):
    """A property does not hold. The message names it."""


def deliver(
    state: PeerState, target: Target, entries: Sequence[Entry], refused: tuple[int, ...] = (), *, apart: bool = False
) -> PeerState | None:
    """The peer after one batch of the entries that follow its watermark; `refused` keys are left out of it and parked.

    None if a key that should be refused is not in the batch. `apart`: the peer is joining and its row was not compared yet.
    """
    lacks = list(state.lacks)
    for place in _made_up(entries, target.peer):
        lacks[place] = KNOWS_ALL
    blocked = {(NAMES[place], KEY) for place, first in enumerate(lacks) if apart or 0 < first < KNOWS_ALL}
    batch = project.project(entries, target, blocked)
    if batch.upto != entries[-1].offset:
        raise Broken(f"P10: the batch moves the watermark to {batch.upto}, not to {entries[-1].offset}")
    touched = {key for write in batch.writes for key in ((write.collection, one) for one in write.keys)}
    for place in refused:
        if (NAMES[place], KEY) not in touched:
            return None
        lacks[place] = min(state.lacks[place] or KNOWS_ALL, state.watermark + 1)
    rows = apply(state.rows, batch, refused)
    if any(
        state.rows[place] != row and 0 < first < KNOWS_ALL for place, (row, first) in enumerate(zip(rows, lacks, strict=True))
    ):
        raise Broken("F32: something is written to a row that waits for its retry")
    history = (*state.history, Marked(batch.upto, refused))
    return state._replace(rows=rows, history=history, watermark=batch.upto, lacks=tuple(lacks))


def _made_up(entries: Sequence[Entry], peer: str) -> set[int]:
    """The keys that these entries give to this peer anew, or tell it that it holds."""
    given = [
        change for entry in entries if entry.kind in (Kind.RETRY, Kind.FILL) for change in entry.changes if entry.to == peer
    ]
    joined = any(entry.kind is Kind.JOIN and entry.peer == peer for entry in entries)
    return {NAMES.index(change.collection) for change in given} | ({0} if joined else set())


def apply(rows: Rows, batch: Batch, refused: tuple[int, ...] = ()) -> Rows:
    """The rows after a batch. Raises Broken if a key is written twice in it."""
    out = list(rows)
    seen: set[tuple[str, Key]] = set()
    for write in batch.writes:
        place = NAMES.index(write.collection)
        for at, key in enumerate(write.keys):
            if (write.collection, key) in seen:
                raise Broken("a key is written twice in one batch")
            seen.add((write.collection, key))
            if place not in refused:
                out[place] = _written(out[place], write, at)
    return tuple(out)


def _written(row: Row | None, write: Write, at: int) -> Row | None:
    if write.op is Op.DELETE:
        return None
    if write.op is Op.UPDATE and row is None:
        return None
    values: list[Value] = list(row) if row is not None else [None] * len(COLUMNS)
    given = write.rows[at]
    for name, value in zip(write.fields, given, strict=False):
        values[COLUMNS.index(name)] = value
    for name, value in zip(write.deltas, given[len(write.fields) :], strict=True):
        old = values[COLUMNS.index(name)]
        if not isinstance(value, int) or not (old is None or isinstance(old, int)):
            raise Broken(f"an increment of {value!r} on {old!r}")
        values[COLUMNS.index(name)] = value if old is None else old + value
    return tuple(values)
