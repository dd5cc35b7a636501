"""Reading a log file: frames in order, frames with notes, what was kept of the trimmed. Each call is one bounded step.

Nothing is skipped silently: frames must follow each other without a gap, and frames with notes are linked. A step sees one
snapshot and leaves no transaction open, so that trimming and compaction may go on between two steps.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Final, NamedTuple

import apsw

from syncline.log.faults import FAULTS, damaged, named
from syncline.log.frame import Frame, as_frame, data_of, entries_in, unpack
from syncline.log.state import LogState, read_state
from syncline.model.codec import decode_entries, join_entries, split_entries
from syncline.model.entry import Entry
from syncline.model.errors import LogDamaged, LogError
from syncline.model.limits import LOG_READ_BYTES_MAX
from syncline.model.stamp import Offset

Frames = list[tuple[Entry, ...]]

COLUMNS: Final = "first, last, noted, flags, size, sum, body"
_AFTER: Final = f"SELECT {COLUMNS} FROM frame WHERE last > ? ORDER BY last"
_NOTES_AFTER: Final = f"SELECT {COLUMNS} FROM frame WHERE flags & 1 AND last > ? ORDER BY last"
_KEPT_AFTER: Final = f"SELECT {COLUMNS} FROM kept WHERE first > ? ORDER BY first"
_TAIL: Final = f"SELECT {COLUMNS} FROM frame ORDER BY first DESC LIMIT 1"


class Bite(NamedTuple):
    """What one step found: entries, a tuple per frame, and the offset up to which everything has been seen."""

    frames: Frames
    upto: Offset


@contextmanager
def snapshot(db: apsw.Connection, path: str) -> Iterator[LogState]:
    """One unchanging view of the file, and its state. SQLite's errors come out as the log's."""
    try:
        db.execute("BEGIN")
        try:
            yield read_state(db)
        finally:
            if db.in_transaction:
                db.execute("ROLLBACK")
    except FAULTS as error:
        raise named(error, path, db.system_errno) from error


def frames_after(db: apsw.Connection, after: Offset, upto: Offset) -> Iterator[Frame]:
    """The verified frames that hold the offsets after < offset <= upto, without a gap. Raises LogDamaged at one."""
    reached = after
    try:
        with closing(db.execute(_AFTER, (after,))) as rows:
            for row in rows:
                frame = as_frame(row)
                if frame.first != reached + 1 and (reached > after or not frame.first <= after < frame.last):
                    break
                reached = frame.last
                yield frame
                if reached >= upto:
                    return
    except apsw.CorruptError as error:
        raise damaged(str(error), reached + 1) from error
    raise damaged("entries are missing", reached + 1)


def tail(db: apsw.Connection) -> Frame | None:
    """The last frame, verified."""
    rows = db.execute(_TAIL).fetchall()
    return as_frame(rows[0]) if rows else None


def head(db: apsw.Connection, state: LogState) -> Offset:
    """The last offset."""
    rows = db.execute("SELECT last FROM frame ORDER BY first DESC LIMIT 1").fetchall()
    last = rows[0][0] if rows else state.floor
    if not isinstance(last, int):
        raise damaged("a frame has columns of the wrong type")
    return last


def sound_head(db: apsw.Connection, state: LogState) -> Offset:
    """The last offset before a torn last frame, which the next opening for serving sets aside; the last one if none is torn."""
    rows = db.execute(_TAIL).fetchall()
    if not rows:
        return state.floor
    try:
        return as_frame(rows[0]).last
    except LogDamaged:
        first = rows[0][0]
        if not isinstance(first, int) or first <= state.floor:
            raise
        return first - 1


class Scan:
    """The steps over one connection."""

    def __init__(self, db: apsw.Connection, path: str) -> None:
        self._db, self._path = db, path

    def span(self) -> tuple[Offset, Offset]:
        """Floor and head now."""
        with snapshot(self._db, self._path) as state:
            return state.floor, head(self._db, state)

    def sound_span(self) -> tuple[Offset, Offset]:
        """Floor and head now, without a torn last frame."""
        with snapshot(self._db, self._path) as state:
            return state.floor, sound_head(self._db, state)

    def read(self, after: Offset, upto: Offset) -> Bite:
        """Entries with after < offset <= upto, as many frames as fit, at least one."""
        frames: Frames = []
        size = 0
        reached = after
        with snapshot(self._db, self._path) as state:
            if after < state.floor:
                hint = "a peer that is this far behind must join again"
                raise LogError("these entries have been trimmed away", hint=hint, after=after, floor=state.floor)
            for frame in frames_after(self._db, after, upto):
                data = data_of(frame)
                frames.append(_cut(entries_in(frame, data), after, upto))
                size += frame.size
                reached = frame.last
                if size >= LOG_READ_BYTES_MAX:
                    break
        return Bite(frames, reached)

    def find(self, needle: bytes, after: Offset, upto: Offset) -> Bite:
        """Those entries with after < offset <= upto whose encoded form holds `needle`; the others are not decoded."""
        frames: Frames = []
        size = 0
        reached = after
        with snapshot(self._db, self._path) as state:
            start = max(after, state.floor)
            for frame in frames_after(self._db, start, upto) if start < upto else ():
                data = data_of(frame)
                if needle in data:
                    hits = [part for part in split_entries(data) if needle in bytes(part)]
                    frames.append(_cut(decode_entries(join_entries(hits)), start, upto))
                size += frame.size
                reached = frame.last
                if size >= LOG_READ_BYTES_MAX:
                    break
            else:
                reached = max(start, upto)
        return Bite([entries for entries in frames if entries], reached)

    def notes(self, after: Offset, upto: Offset) -> Bite:
        """Those entries with after < offset <= upto that have notes; first what was kept of the trimmed ones."""
        with snapshot(self._db, self._path) as state:
            if after < state.floor:
                return self._kept(state, after, upto)
            return self._notes(after, upto)

    def _kept(self, state: LogState, after: Offset, upto: Offset) -> Bite:
        found: Frames = []
        size = 0
        with closing(self._db.execute(_KEPT_AFTER, (after,))) as rows:
            for row in rows:
                frame = as_frame(row)
                data = data_of(frame)
                found.append(_cut(entries_in(frame, data), after, upto))
                size += frame.size
                if size >= LOG_READ_BYTES_MAX:
                    return Bite([entries for entries in found if entries], frame.last)
        count = self._db.execute("SELECT count(*) FROM kept").fetchall()[0][0]
        if count != state.kept:
            raise damaged(f"{count} of {state.kept} control entries are left of what was trimmed", 1)
        return Bite([entries for entries in found if entries], state.floor)

    def _notes(self, after: Offset, upto: Offset) -> Bite:
        found: Frames = []
        size = 0
        seen = after
        with closing(self._db.execute(_NOTES_AFTER, (after,))) as rows:
            for row in rows:
                if isinstance(row[0], int) and row[0] > upto:
                    break
                frame = as_frame(row)
                _linked(frame, seen)
                data = data_of(frame)
                found.append(tuple(entry for entry in _cut(entries_in(frame, data), after, upto) if entry.has_notes))
                size += frame.size
                seen = frame.last
                if seen >= upto or size >= LOG_READ_BYTES_MAX:
                    return Bite([entries for entries in found if entries], seen)
        if seen < upto:
            for frame in frames_after(self._db, upto - 1, upto):
                if frame.has_notes and frame.first > seen:
                    raise damaged("a frame with notes is missing from its index", frame.first)
                _linked(frame, seen)
        return Bite([entries for entries in found if entries], max(seen, upto))

    def verify(self, after: Offset, upto: Offset) -> tuple[int, Offset]:
        """Check frames in full, as many as fit: (how many, up to which offset)."""
        count = size = 0
        reached = after
        with snapshot(self._db, self._path) as state:
            start = max(after, state.floor)
            for frame in frames_after(self._db, start, upto) if start < upto else ():
                entries = unpack(frame)
                if not frame.has_notes and any(entry.has_notes for entry in entries):
                    raise damaged("a frame has notes and does not say so", frame.first)
                count += 1
                size += frame.size
                reached = frame.last
                if size >= LOG_READ_BYTES_MAX:
                    break
            else:
                reached = max(start, upto)
        return count, reached


def _linked(frame: Frame, seen: Offset) -> None:
    if frame.first > seen and frame.noted > seen:
        raise damaged("a frame with notes is missing", seen + 1)


def _cut(entries: tuple[Entry, ...], after: Offset, upto: Offset) -> tuple[Entry, ...]:
    """The entries with after < offset <= upto."""
    if entries[0].offset > after and entries[-1].offset <= upto:
        return entries
    return tuple(entry for entry in entries if after < entry.offset <= upto)
