"""Writing a log file: append, trim, compact, give space back. Each call is one fenced transaction, or a bounded step of it.

Every transaction first proves that this opening is still the one that serves the log; a later one has a larger epoch.
Compaction leaves the last frame alone, so that a torn tail never takes older entries along.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final, NamedTuple

import apsw
import msgspec

from syncline.log.frame import NOTES, Frame, Packed, alone, data_of, entries_in, merge, rest_of
from syncline.log.scan import COLUMNS, frames_after
from syncline.log.state import LogState, read_state, write_state
from syncline.log.transaction import transaction
from syncline.model.codec import split_entries
from syncline.model.entry import Kind
from syncline.model.errors import LogFenced
from syncline.model.limits import (
    LOG_MERGE_BYTES_MAX,
    LOG_SPARE_PAGES_MAX,
    LOG_STEP_BYTES_MAX,
    LOG_STEP_FRAMES_MAX,
    LOG_STEP_PAGES_MAX,
    LOG_WAL_PAGES_MAX,
)
from syncline.model.stamp import Offset

_INSERT: Final = f"INSERT INTO frame ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"
_KEEP: Final = f"INSERT INTO kept ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"
_FORGOTTEN: Final = frozenset({Kind.CHANGE, Kind.FILL})


def insert(db: apsw.Connection, frames: Sequence[Frame]) -> None:
    """Write frames."""
    db.executemany(_INSERT, frames)


class Merged(NamedTuple):
    """One step of compaction: how many frames went away, up to which offset it looked, whether that is the end."""

    gone: int
    reached: Offset
    done: bool


class Writer:
    """The one that may write, as of `epoch`. Lets SQLite's errors through: the log above decides what they mean."""

    def __init__(self, db: apsw.Connection, epoch: int) -> None:
        self._db, self._epoch = db, epoch
        self._wal_pages = 0
        self.settled: Offset = 0  # frames up to here are large: compaction need not look at them again
        db.set_wal_hook(self._note_wal)

    def _note_wal(self, _db: apsw.Connection, _name: str, pages: int) -> int:
        self._wal_pages = pages
        return apsw.SQLITE_OK

    @contextmanager
    def _fenced(self) -> Iterator[LogState]:
        with transaction(self._db):
            state = read_state(self._db)
            if state.epoch != self._epoch:
                hint = "stop this hub; the other one serves the log"
                raise LogFenced(f"this log was taken over by {state.owner}", hint=hint, epoch=self._epoch, now=state.epoch)
            yield state

    def append(self, packed: Sequence[Packed], expected: Offset) -> Offset:
        """Write frames that follow `expected`; the new head. Raises LogFenced."""
        with self._fenced() as state:
            head, noted = self._end(state)
            if head != expected:
                why = f"its head is {head}, not {expected}"
                raise LogFenced("somebody else appended to this log", why=why, hint="stop this hub")
            frames = []
            for one in packed:
                frames.append(one.seal(noted))
                noted = one.last if one.flags & NOTES else noted
            insert(self._db, frames)
        return packed[-1].last

    def _end(self, state: LogState) -> tuple[Offset, Offset]:
        """The head, and the last offset of the last frame with notes."""
        rows = self._db.execute("SELECT last, noted, flags FROM frame ORDER BY first DESC LIMIT 1").fetchall()
        if not rows:
            return state.floor, 0
        last, noted, flags = (int(str(value)) for value in rows[0])
        return last, last if flags & NOTES else noted

    def checkpoint(self) -> None:
        """Move what is durable in the write-ahead file into the log file, if there is much of it."""
        if self._wal_pages >= LOG_WAL_PAGES_MAX:
            self._wal_pages = 0
            with suppress(apsw.BusyError, apsw.LockedError, apsw.FullError):  # then it grows, and is tried again
                self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)

    # -- trimming -----------------------------------------------------------------------------------------------------------

    def trim(self, upto: Offset) -> Offset:
        """Forget entries up to `upto`, as many as one step may; the new floor. Raises LogDamaged, having forgotten nothing."""
        with self._fenced() as state:
            upto = min(upto, self._end(state)[0])
            floor, covered, size, rest = state.floor, 0, 0, None
            for count, frame in enumerate(frames_after(self._db, floor, upto) if floor < upto else ()):
                floor = min(frame.last, upto)
                covered = self._keep(frame, floor) or covered
                rest = rest_of(frame, floor) if floor < frame.last else None
                size += frame.size
                if count + 1 >= LOG_STEP_FRAMES_MAX or size >= LOG_STEP_BYTES_MAX:
                    break
            self._db.execute("DELETE FROM kept WHERE first < ?", (covered,))
            self._db.execute("DELETE FROM frame WHERE first <= ?", (floor,))
            insert(self._db, [rest] if rest else [])
            kept = self._count("SELECT count(*) FROM kept")
            write_state(self._db, msgspec.structs.replace(state, floor=floor, kept=kept))
        return floor

    def _keep(self, frame: Frame, floor: Offset) -> Offset:
        """Copy what must stay readable of a frame's entries up to `floor`; the last checkpoint among them, or 0."""
        covered = 0
        if frame.has_notes:
            data = data_of(frame)
            for entry, part in zip(entries_in(frame, data), split_entries(data), strict=True):
                if entry.offset <= floor and entry.kind not in _FORGOTTEN:
                    self._db.execute(_KEEP, alone(entry.offset, part))
                    covered = entry.offset if entry.kind is Kind.CHECKPOINT else covered
        return covered

    def _count(self, query: str) -> int:
        return int(str(self._db.execute(query).fetchall()[0][0]))

    # -- compacting ---------------------------------------------------------------------------------------------------------

    def compact(self, after: Offset) -> Merged:
        """Merge the next run of small frames beyond `after`."""
        with self._fenced() as state:
            run, done = self._run(max(after, state.floor))
            sizes = [span[2] for span in run]
            if not run:
                return Merged(0, after, True)
            reached = run[-1][1]
            if _is_large(sizes[0]) and run[0][0] <= max(self.settled, state.floor) + 1:
                self.settled = run[0][1]
            if sum(sizes) < 2 * max(sizes):  # alone, or crumbs beside a large one: rewriting it would cost more than it saves
                return Merged(0, reached, done)
            frames = [(frame, data_of(frame)) for frame in frames_after(self._db, run[0][0] - 1, reached)]
            merged = merge(frames)
            self._db.execute("DELETE FROM frame WHERE first >= ? AND first <= ?", (merged.first, merged.last))
            insert(self._db, [merged])
        return Merged(len(frames) - 1, reached, done)

    def _run(self, after: Offset) -> tuple[list[tuple[Offset, Offset, int]], bool]:
        """The next frames that fit into one, as (first, last, size), never the log's last; and whether they end the log."""
        query = "SELECT first, last, size FROM frame WHERE last > ? ORDER BY last LIMIT ?"
        rows = self._db.execute(query, (after, LOG_STEP_FRAMES_MAX + 1)).fetchall()
        run: list[tuple[Offset, Offset, int]] = []
        total = 0
        for row in rows[:-1]:
            first, last, size = (int(str(value)) for value in row)
            if run and (total + size > LOG_MERGE_BYTES_MAX or _is_large(size)):
                return run, False
            run.append((first, last, size))
            total += size
            if _is_large(size):
                return run, False
        return run, len(rows) <= LOG_STEP_FRAMES_MAX

    # -- space --------------------------------------------------------------------------------------------------------------

    def give_back(self) -> bool:
        """Return free pages to the file system, as many as one step may; whether there may be more."""
        with self._fenced():
            free = self._pragma("freelist_count")
            spare = max(LOG_SPARE_PAGES_MAX, self._pragma("page_count") // 10)
            pages = min(free - spare, LOG_STEP_PAGES_MAX)
            if pages > 0:
                self._db.execute(f"PRAGMA incremental_vacuum({pages})").fetchall()
        return free - spare > LOG_STEP_PAGES_MAX

    def shorten(self) -> None:
        """Let the file have the size that its content asks for."""
        with suppress(apsw.BusyError, apsw.LockedError, apsw.FullError):
            self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)

    def size_bytes(self) -> int:
        """The size of the log file without its write-ahead file."""
        return self._pragma("page_count") * self._pragma("page_size")

    def _pragma(self, name: str) -> int:
        return self._count(f"PRAGMA {name}")


def _is_large(size: int) -> bool:
    return size > LOG_MERGE_BYTES_MAX // 2
