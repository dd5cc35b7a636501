"""Moments, as people and programs read them."""

from datetime import UTC, datetime, timedelta
from typing import Final

from syncline.model.stamp import Micros

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def when(time: Micros) -> str | None:
    """A moment for people and programs: ISO 8601 in UTC with milliseconds; None where unknown or out of range."""
    try:
        return (EPOCH + timedelta(microseconds=time)).isoformat(timespec="milliseconds") if time > 0 else None
    except OverflowError:
        return None
