"""Where exported rows go: lines of JSON, CSV, Parquet, or the first of them to look at. A file is there whole or not at all."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final, Protocol

from syncline.hub.optional import arrow
from syncline.hub.records import Report, named
from syncline.model.errors import UsageError
from syncline.model.schema import Kind
from syncline.model.value import Absent, Row, Tagged, Value

ENDINGS: Final = (".jsonl", ".csv", ".parquet")
_QUOTED: Final = frozenset(',"\r\n')


class Sink(Protocol):
    """Takes the rows of one collection."""

    def begin(self, columns: Sequence[str], kinds: Sequence[Kind]) -> None:
        """What the rows hold; once, before the first of them."""
        ...

    def take(self, rows: Sequence[Row]) -> None:
        """Some rows, in order."""
        ...


class Sample:
    """Keeps the first rows."""

    def __init__(self, limit: int) -> None:
        self._limit, self._columns = limit, tuple[str, ...]()
        self.rows: list[Report] = []

    def begin(self, columns: Sequence[str], _kinds: Sequence[Kind]) -> None:
        """See Sink."""
        self._columns = tuple(columns)

    def take(self, rows: Sequence[Row]) -> None:
        """See Sink."""
        for row in rows[: self._limit - len(self.rows)]:
            self.rows.append(named(row, self._columns) or {})


class JsonLines:
    """An object a line, with values as every verb's --json has them."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream, self._columns = stream, tuple[str, ...]()

    def begin(self, columns: Sequence[str], _kinds: Sequence[Kind]) -> None:
        """See Sink."""
        self._columns = tuple(columns)

    def take(self, rows: Sequence[Row]) -> None:
        """See Sink."""
        for row in rows:
            self._stream.write(json.dumps(named(row, self._columns), ensure_ascii=False) + "\n")


class Csv:
    """A heading and a line a row: NULL is nothing, an empty text is "", bytes are as in \\x00ff."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def begin(self, columns: Sequence[str], _kinds: Sequence[Kind]) -> None:
        """See Sink."""
        self._stream.write(",".join(map(_cell, columns)) + "\r\n")

    def take(self, rows: Sequence[Row]) -> None:
        """See Sink."""
        self._stream.writelines([",".join(map(_cell, row)) + "\r\n" for row in rows])


def _cell(value: Value) -> str:
    match value:
        case None | Absent():
            return ""
        case bytes():
            return f"\\x{value.hex()}"
        case Tagged(_, text):
            value = text
        case int():
            return str(value)
        case _:
            pass
    plain = value and value.strip() == value and _QUOTED.isdisjoint(value)
    return value if plain else '"' + value.replace('"', '""') + '"'


@contextmanager
def file_sink(path: str) -> Iterator[Sink]:
    """A file of the kind that its ending says. It takes its name when all is in it. Raises UsageError."""
    place = Path(path)
    if place.suffix not in ENDINGS:
        raise UsageError(f"{place.name} does not say what to write", hint=f"end it in {', '.join(ENDINGS)}")
    if not place.absolute().parent.is_dir():
        raise UsageError(f"there is no folder {place.parent}", hint="make it first")
    fresh = place.with_name(f"{place.name}.part")
    try:
        with _sink(place.suffix, fresh) as sink:
            yield sink
        os.replace(fresh, place)
    finally:
        fresh.unlink(missing_ok=True)


@contextmanager
def _sink(ending: str, path: Path) -> Iterator[Sink]:
    if ending == ".parquet":
        made: Any = arrow().Table(path)
        try:
            yield made
        finally:
            made.close()
        return
    with path.open("w", encoding="utf-8", newline="") as stream:
        yield JsonLines(stream) if ending == ".jsonl" else Csv(stream)
        stream.flush()
        os.fsync(stream.fileno())
