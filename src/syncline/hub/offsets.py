"""Offsets that people name, themselves or by a time; what the log still has of them, and which columns there were."""

from datetime import UTC, datetime, timedelta
from typing import Protocol

from syncline.engine.state import State
from syncline.hub.moments import EPOCH, when
from syncline.log.reading import SqliteReader
from syncline.model.entry import Kind
from syncline.model.errors import UsageError
from syncline.model.stamp import Micros, Offset


class Span(Protocol):
    """A log, as far as it reaches."""

    @property
    def floor(self) -> Offset:
        """The largest offset that has been trimmed away."""
        ...

    @property
    def head(self) -> Offset:
        """The last offset."""
        ...


def parse_time(text: str) -> Micros:
    """A moment as people write it, ISO 8601; without a zone it is UTC. Raises UsageError."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        hint = "write --time 2026-11-21T10:00:00Z"
        raise UsageError(f"{text} is not a time", why="ISO 8601 is expected", hint=hint) from error
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return (moment - EPOCH) // timedelta(microseconds=1)


async def offset_of(reader: SqliteReader, offset: Offset | None, time: str | None) -> Offset:
    """The offset that is meant, which the log still reaches back to. Raises UsageError."""
    if offset is None:
        return await _last_before(reader, time or "")
    require_within(reader, offset)
    return offset


def require_within(log: Span, offset: Offset) -> None:
    """Raise UsageError for an offset that the log does not reach back to, or not yet."""
    if offset < log.floor:
        why = f"it was trimmed up to {log.floor}; the setting retention_seconds says how long it keeps what nobody needs"
        hint = f"the oldest offset that can be asked for is {log.floor}"
        raise UsageError(f"offset {offset} is before what the log still has", why=why, hint=hint)
    if offset > log.head:
        hint = f"ask for {log.head} or an earlier one"
        raise UsageError(f"offset {offset} is after the end of the log", why=f"it ends at {log.head}", hint=hint)


async def _last_before(reader: SqliteReader, text: str) -> Offset:
    """The last offset before the first entry that was committed later."""
    time, found = parse_time(text), reader.floor
    async for entries in reader.read(reader.floor):
        for entry in entries:
            if entry.time > time:
                if found == reader.floor > 0:
                    why = f"it was trimmed up to {reader.floor}, and what follows was committed later"
                    raise UsageError(f"{text} is before what the log still has", why=why, hint="ask for a later time")
                if found == 0:
                    why = f"its first entry was committed at {when(entry.time)}, and it cannot tell what was before"
                    raise UsageError(f"{text} is before the log begins", why=why, hint="ask for a later time, or for offset 0")
                return found
            found = entry.offset
    return found


async def columns_at(reader: SqliteReader, offset: Offset) -> dict[str, tuple[str, ...]]:
    """The columns of the collections as of an offset; of those that came later, the first that are known."""
    state, columns = State(), dict[str, tuple[str, ...]]()
    async for entries in reader.read_notes(0):
        for entry in entries:
            if entry.kind not in (Kind.SCHEMA, Kind.CHECKPOINT):
                continue
            state.fold(entry)
            for name, known in state.columns.items():
                if entry.offset <= offset or name not in columns:
                    columns[name] = tuple(known)
    return columns
