"""Numbers in sentences: plurals, sizes, times; and why a file cannot be used.

The one place that knows how they are written.
"""

import json
from datetime import UTC, datetime, timedelta


def counted(number: int, noun: str, many: str = "") -> str:
    """A number and its noun: 1 peer, 2 peers, 1,000 entries. `many` where the plural is not the noun with an s."""
    return f"{number:,} {noun if number == 1 else many or f'{noun}s'}"


def sized(count: int) -> str:
    """So many bytes, for people."""
    for power, unit in ((3, "GiB"), (2, "MiB")):
        if count >= 1024**power:
            return f"{count / 1024**power:.1f} {unit}"
    return f"{count / 1024:.1f} KiB"


def lasted(seconds: float) -> str:
    """So long a time, for people."""
    for length, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} seconds"


def told_time(micros: int) -> str:
    """A moment to the second, in UTC: 2026-01-31 12:00:00 UTC."""
    return f"{datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros):%Y-%m-%d %H:%M:%S} UTC"


def plainly(error: Exception) -> str:
    """Why a file cannot be read or written, without a programming language's words."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[0].lower() + error.strerror[1:]
    if isinstance(error, json.JSONDecodeError):
        return f"it is not JSON (line {error.lineno}, column {error.colno})"
    return "it is not text" if isinstance(error, UnicodeError) else str(error)
